cd /tmp
dir=$OLDPWD
try() { status=0; "$@" >/dev/null 2>/tmp/why || status=$?; echo "$*: $([ $status = 0 ] && echo ok || sed 's/.*: //; 1q' /tmp/why)"; }
recorded() { shown full-labels; }
# Prints the labels that at least one object has.
counts() { krsi show full-labels | sed -n '/^label.*: [1-9]/p'; }
# fill MAP KEY-BYTES VALUE-BYTES: fills the map with entries of objects that do not exist.
fill() {
  awk -v pin="/sys/fs/bpf/krsi/full-labels/maps/$1" -v key=$2 -v value=$3 'BEGIN {
    for (at = 8; at <= key; at++) rest = rest " 0"
    for (at = 0; at < value; at++) zeros = zeros " 0"
    for (i = 0; i < 65536; i++)
      print "map update pinned", pin, "key 1 2", i % 256, int(i / 256), "0 0 255" rest " value" zeros " any"
  }' > batch
  bpftool batch file batch > said 2>&1 || true
  tail -1 said
}
mkdir first last away
echo > hot
krsi load $dir/full-labels.o
echo "# more than a word"
sh -c ': > first/a; : > last/b'
mv first/a c
mv last/b away/b
chmod 600 c away/b
recorded
sh -c ': < away/b'
chmod 640 away/b
recorded
mv away/b last/b
counts
echo "# mounts"
mkdir mount
mount -t tmpfs none mount
mkdir mount/first
mount --bind mount/first first
sh -c ': > first/d'
counts
umount first
umount mount
counts
echo "# taken over, and not"
krsi load $dir/full-labels.o
counts
krsi load --fresh $dir/full-labels.o
counts
echo "# no room for files"
sh -c ': > first/kept'
fill inode-labels 16 16
try sh -c ': > first/new'
try sh -c ': < first/kept'
try cat hot
chmod 600 first/kept
recorded
echo "# no room for tasks"
sh -c ': < hot; cat hot; : < hot'
mkfifo go gone
sh -c ': < hot; echo > go; read x < gone; cat c; echo "not forked"' 2>&1 &
cat go > /dev/null
fill task-labels 8 16
try sh -c ': < hot'
try cat hot
sh -c 'sleep 0; echo "still there"'
recorded
counts
# Comes last: once this process has exited, there is eventually room for another.
echo > gone
wait
krsi show full-labels | grep 'labels lost'
krsi unload full-labels > /dev/null
