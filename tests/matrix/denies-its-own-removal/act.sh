# Policies that deny removal and renaming to all users can still be loaded, replaced by themselves or each
# other, and unloaded. No rule is suspended for that: a policy that denies the removal of its predecessor leaves
# the pins of that one, without effect, until it is unloaded itself. On failure the trap removes the policies, which would otherwise deny the work of the
# next case.
clear_all() {
  set +e
  for name in p other; do krsi mode $name off; done
  for name in p other; do krsi unload $name; done
}
trap 'clear_all >/dev/null 2>&1' EXIT
left() { ls /sys/fs/bpf/krsi | sed 's/^/left: /'; }
acts() {
  mkdir -p /tmp/own
  (cd /tmp/own && rm -rf d f to && mkdir d && : >f)
  "$@"
  try rmdir /tmp/own/d
  try rm /tmp/own/f
  try mv /tmp/own/f /tmp/own/to
}
for one in rmdir inode paths; do
  echo "$one:"
  acts krsi load $one.o --name p
  krsi load $one.o --name p 2>&1
  krsi list | sed 's/  */ /g'
  try rmdir /tmp/own/d
  krsi unload p
  left
done

echo "each other:"
krsi load paths.o --name p 2>&1
krsi load inode.o --name p 2>&1
krsi load rmdir.o --name p 2>&1
krsi load paths.o --name p 2>&1
krsi unload p
left

echo "another policy:"
krsi load rmdir.o --name p
krsi load paths.o --name other
fails krsi unload p
echo $status
cat /tmp/said
krsi list | sed 's/  */ /g'
krsi mode other off rename unlink rmdir >/dev/null
krsi list
krsi unload other
left

echo "making:"
krsi load pins.o --name p
try mkdir /tmp/own/made
fails krsi load pins.o --name p
echo $status
cat /tmp/said
krsi list | sed 's/  */ /g'
krsi mode p off mkdir mknod create >/dev/null
krsi load pins.o --name p 2>/dev/null
try mkdir /tmp/own/made
krsi unload p
left

echo "killed:"
krsi load paths.o --name p >/dev/null
for delay in 0 4 8 16 30 50 80; do
  krsi load inode.o --name p >/dev/null 2>&1 &
  pid=$!
  usleep $((delay * 10000))
  kill -9 $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
  # One complete policy is enforced, before and after the next command.
  rmdir /tmp/own/d 2>/dev/null && echo "after $delay: not denied"
  krsi unload nothing 2>/dev/null || true
  rmdir /tmp/own/d 2>/dev/null && echo "after $delay: not denied any more"
  krsi unload p >/dev/null
  left
  krsi load paths.o --name p >/dev/null
done
krsi unload p
left
rmdir /tmp/own/d && echo "free"
