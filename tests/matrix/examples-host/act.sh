# Examples about disks, ports, daemons and containers: denied acts, permitted acts and events of each.
ip link set lo up
mkdir -p /usr/sbin

mknod /dev/disk0 b 7 0
under raw-disks
try sh -c ': >> /dev/disk0'
mknod /dev/usb0 c 189 0
try sh -c ": <> /dev/usb0"
try cat /dev/null
recorded raw-disks

cp /bin/krs-guest /usr/sbin/sshd 2>/dev/null || cp $(command -v krs-guest) /usr/sbin/sshd
under privileged-ports
krs-guest listen=127.0.0.1:80 listen=127.0.0.1:8080
/usr/sbin/sshd listen=127.0.0.1:22
recorded privileged-ports

cp /bin/busybox /usr/sbin/auditd
ln -s /usr/sbin/auditd /root/sleep
/root/sleep 100 &
daemon=$!
sleep 100 &
other=$!
under protected-daemons
try kill $daemon
try kill -0 $daemon
try kill $other
recorded protected-daemons
kill $daemon

mkdir -p /sys/fs/cgroup/machine/c1
under container-escapes
try sh -c 'cat /proc/sys/kernel/core_pattern > /root/p; cat /root/p > /proc/sys/kernel/core_pattern'
sh -c 'echo $$ > /sys/fs/cgroup/machine/c1/cgroup.procs
  echo "|/evil" > /proc/sys/kernel/core_pattern || true
  mount -t tmpfs none /mnt || mount -t tmpfs none /tmp || true' 2>&1 | sed 's/^/  /'
krs-guest enter=/proc/self/ns/net enter=/proc/1/ns/net enter-pid=1
sh -c 'echo $$ > /sys/fs/cgroup/machine/c1/cgroup.procs
  krs-guest enter=/proc/self/ns/net enter=/proc/1/ns/net enter-pid=1'
recorded container-escapes
