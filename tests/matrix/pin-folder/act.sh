# The folder of all policies is root's own, also on a BPF file system that any user can write to. A command that waits
# for the lock gives up and says who holds it. What nothing can remove does not prevent other commands.
root=/sys/fs/bpf/krsi
numbers() { sed 's/process [0-9]*/process N/; s/kill [0-9]*/kill N/'; }
krsi load one.o
stat -c '%a %u %n' /sys/fs/bpf $root
try krs-guest as=65534 ls $root
try krs-guest as=65534 mv $root/one $root/trash~one
krsi unload one

echo "of another user:"
rmdir $root
try krs-guest as=65534 mkdir $root
fails krsi load one.o
cat /tmp/said
fails krsi list
head -1 /tmp/said
chown 0 $root
fails krsi load one.o
head -1 /tmp/said
chmod 0700 $root
krsi load one.o

echo "locked:"
# Stopped while it holds the lock and has its own folder.
for delay in 1 2 3 4 6 8 10 14 18 24 30 40 50 60; do
  krsi load one.o >/dev/null &
  holder=$!
  usleep $((delay * 20000))
  kill -STOP $holder
  grep -q "FLOCK .* $holder " /proc/locks && [ -e $root/one~1 ] && break
  kill -CONT $holder
  wait $holder
done
fails krsi --lock-timeout 1 unload one
numbers </tmp/said
krsi list
kill -9 $holder
wait $holder 2>/dev/null || true
krsi mode one off

echo "strays:"
mkdir $root/trash~w $root/trash~w/links $root/trash~w/links/file_open
ln -s /proc $root/trash~x
ln -s /proc $root/staging~y
krsi mode one enforce
ls $root
mkdir $root/trash~w $root/trash~w/links
mount -t tmpfs none $root/trash~w/links
krsi load one.o 2>&1
krsi unload one
ls $root
umount $root/trash~w/links
krsi load one.o
krsi unload one
ls $root
