# Policies that deny everybody to remove and rename are loaded, replaced by themselves and each other, and unloaded all the same.
# A case that fails halfway leaves nothing that would deny the work of the next one.
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
  krsi load $one.o --name p
  krsi mode p
  try rmdir /tmp/own/d
  krsi unload p
  left
done

echo "each other:"
krsi load paths.o --name p
krsi load inode.o --name p
krsi load rmdir.o --name p
krsi load paths.o --name p
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
krsi unload p
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
for delay in 0 1 2 4 6 8 12 16 20 30 40 50 60 80; do
  krsi load inode.o --name p >/dev/null 2>&1 &
  pid=$!
  usleep $((delay * 10000))
  kill -9 $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
  # The next command finds one whole policy, in force.
  krsi unload nothing 2>/dev/null || true
  ls /sys/fs/bpf/krsi | grep -v '^p$' || true
  rmdir /tmp/own/d 2>/dev/null && echo "after $delay: not denied"
  krsi load paths.o --name p >/dev/null
done
krsi unload p
left
rmdir /tmp/own/d && echo "free"
