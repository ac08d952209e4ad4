# Objects that have a label after each act, with one policy; then the labels after its replacement.
ip link set lo up
cd /tmp
for f in secret other clean both denied sealed parent; do echo $f > $f; done
dir=$OLDPWD
try() { status=0; "$@" >/dev/null 2>/tmp/why || status=$?; echo "$*: $([ $status = 0 ] && echo ok || sed 's/.*: //; 1q' /tmp/why)"; }
recorded() { shown labels; }
krsi load $dir/labels.o
echo "# tasks"
krs-guest connect-only read-connect
krs-guest read-clean-connect
krs-guest read-open-socket
for act in thread-reads thread-connects child-connects grandchild-connects child-reads; do krs-guest $act; done
for act in thread-executes thread-executes-unread threads-race; do krs-guest $act; done
krs-guest many-children
krs-guest trace-reader trace-other
recorded | sort -u
echo "# order"
sh -c ': < secret; : < secret; : < clean; krs-guest connect-only; : < clean'
sh -c ': < both; : < both'
sh -c ': < denied; : < both' 2>/dev/null || true
sh -c '(: < denied) 2>/dev/null; : < both'
try sh -c 'cat parent && : < secret && cat parent; exit $?'
recorded
echo "# files"
try sh -c ': >> sealed'
try cat sealed
try sh -c ': >> sealed'
try ln sealed hard
try mv sealed moved
try sh -c ': >> moved'
echo 3 > /proc/sys/vm/drop_caches
try sh -c ': >> moved'
mv moved unsealed
try cat unsealed
try sh -c ': >> unsealed'
mv unsealed sealed
cat sealed > /dev/null
rm sealed
i=0
while [ $i -lt 50 ]; do echo > new$i; : >> new$i; i=$((i + 1)); done
echo "50 new files"
cp /bin/busybox sealed
cat sealed > /dev/null
mv sealed true
try ./true
echo "# sockets"
krs-guest accepted-sends client-sends unix-accepted-sends unix-client-sends
recorded
krsi show labels | sed -n '/^label/p'
echo "# taking its place"
mkfifo go gone
sh -c ': < secret; echo > go; read x < gone; krs-guest connect-only' &
cat go > /dev/null
krsi load $dir/labels.o
echo > gone
wait
sh -c ': < secret; echo > go; read x < gone; krs-guest connect-only' &
cat go > /dev/null
krsi load --name labels $dir/renamed.o
krsi show labels | sed -n '/^label/p'
echo > gone
wait
krs-guest accepted-sends
krsi unload labels
krsi load $dir/labels.o
krsi show labels | sed -n '/^label/p'
krsi unload labels > /dev/null
