# krsi and libbpf load all rules. Ordinary acts of root cause no event. Then acts trigger rules of each kind:
# each rule has the expected count, and no other rule has counted anything.
fresh() { echo "$1" >"$1"; }
cd /tmp
for file in theirs replaced removed mine; do fresh $file; done
cp /bin/busybox owned
chown 4001 theirs replaced removed owned
inode() { stat -c %i "$1"; }
theirs=$(inode theirs) replaced=$(inode replaced) removed=$(inode removed) mine=$(inode mine)
krsi load "$here/hundred.o" >/dev/null

echo "root:"
krs-guest >/tmp/acts
krs-guest $(cut -d' ' -f1 /tmp/acts) | grep -v ' ok$' || true
count_events hundred

echo "user 4001:"
krs-guest as=4001 /bin/krs-guest mkdir write-exec-map write-exec-protect anon-mprotect-exec heap-exec setrlimit mount ptrace

echo "files of user 4001:"
try sh -c ': > theirs'
try ./owned true
try mv theirs elsewhere
try mv mine replaced
try rm removed
try krs-guest as=4002 /bin/cat theirs

echo "by name:"
sleep 100 &
victim=$!
# Acts of the shell itself, without a child process, have this task name.
sh -c 'printf evil >/proc/$$/comm
  echo >new
  [ -f theirs ] || echo "[ -f theirs ] is false"
  echo more >>theirs
  kill -ABRT $1' sh $victim 2>&1 | sed "s/^sh: //; s/^line [0-9]*: //; s/pid $victim:/pid VICTIM:/; s/^/  /"
kill -0 $victim && echo "  the victim lives"
kill $victim
mkfifo go gone
sh -c 'printf untouchable >/proc/$$/comm; echo >go; read x <gone' &
untouchable=$!
cat go >/dev/null
kill $untouchable 2>/dev/null || echo "  untouchable"
renice -n 5 -p $untouchable >/dev/null 2>&1 || echo "  not made nicer"
echo >gone
wait $untouchable

# Numbers of known inodes and processes are replaced by names; other numbers are kept.
events hundred |
  sed 's/.*"comm":"\([^"]*\)".*"fields":\({.*}\),"gid".*"hook":"\([^"]*\)".*"rule":"\([^"]*\)".*"uid":\([0-9]*\).*"verdict":"\([^"]*\)".*/\4 \3 \6 \1 \5 \2/' |
  sed "s/ino\":$theirs\b/ino\":THEIRS/; s/ino\":$replaced\b/ino\":REPLACED/; s/ino\":$removed\b/ino\":REMOVED/
    s/ino\":$mine\b/ino\":MINE/; s/target\":$victim}/target\":VICTIM}/; s/pid\":$untouchable}/pid\":UNTOUCHABLE}/" >/tmp/events
# These addresses and this pid are not known in advance.
sed 's/"vma.\(start\|end\)":[0-9]\{10,\}/"vma.\1":ADDRESS/g; s/"child.pid":[1-9][0-9]*/"child.pid":PID/' /tmp/events
echo "counted:"
krsi stats hundred | awk '$1 == "hundred" && $4 + $5 + $6 + $7 > 0 { print "  " $2, $3, $4, $5, $6, $7 }'
krsi unload hundred >/dev/null
bpftool prog loadall "$here/hundred.o" /sys/fs/bpf/hundred
test $(ls /sys/fs/bpf/hundred | wc -l) -ge 25
