# For each example: what it forbids and what it permits, and what it records.
try() { status=0; "$@" >/dev/null 2>/tmp/why || status=$?; echo "  $(echo "$*" | sed 's/ [0-9]*$/ N/'): $([ $status = 0 ] && echo ok || sed 's/.*: //; 1q' /tmp/why)"; }
under() { echo "$1:"; krsi load $here/$1.o >/dev/null; shift; }
recorded() {
  events $1 | sed 's/.*"rule":"\([^"]*\)".*/  recorded \1/' | sort | uniq -c | sed 's/^ *//; s/^/  /'
  krsi unload $1 >/dev/null
}
here=$PWD
ip link set lo up
ip addr add 10.0.2.5/32 dev lo 2>/dev/null || true
ip addr add 192.0.2.5/32 dev lo 2>/dev/null || true
mkdir -p /etc/sudoers.d /root/.ssh /usr/sbin /usr/bin /var/tmp /dev/shm /home/a/.ssh
echo root > /etc/passwd; echo x > /etc/shadow; echo k > /root/.ssh/authorized_keys
ln -s /etc/shadow /var/tmp/link
cp /bin/busybox /usr/sbin/useradd

under sensitive-files
try cat /etc/passwd
try sh -c 'echo evil >> /etc/passwd'
try sh -c 'echo evil >> /var/tmp/link'
try /usr/sbin/useradd true
try sh -c 'echo key >> /root/.ssh/authorized_keys'
try sh -c 'echo all > /etc/sudoers.d/evil'
try sh -c 'cp /bin/busybox /etc/other && mv /etc/other /etc/shadow'
try sh -c 'echo lib > /etc/ld.so.preload'
try rm /etc/passwd
try sh -c 'echo fine > /etc/motd'
recorded sensitive-files

cp /bin/busybox /tmp/true; cp /bin/busybox /root/true; cp /bin/busybox /root/sh; chmod 777 /root/sh
cp /bin/busybox /dev/shm/true
under world-writable-programs
try /tmp/true
try /dev/shm/true
try /root/true
try /root/sh -c :
recorded world-writable-programs

mkdir -p /sys/fs/cgroup/system.slice/web.service
under egress
krs-guest connect=192.0.2.5:443
sh -c 'echo $$ > /sys/fs/cgroup/system.slice/web.service/cgroup.procs
  krs-guest connect=10.0.2.5:443 connect=192.0.2.5:443 connect=10.0.2.5:22 send=10.0.2.5:53 send=192.0.2.5:53'
recorded egress

cp /bin/busybox /usr/sbin/nginx
printf '#!/bin/sh\nexec /usr/sbin/nginx-real\n' > /tmp/x
under service-shells
try sh -c 'sh -c :'
ln -s /usr/sbin/nginx /tmp/sh
echo '/bin/busybox sh -c :; true' > /root/job
try /tmp/sh /root/job
recorded service-shells
rm /tmp/sh

mknod /dev/disk0 b 7 0
under raw-disks
try sh -c ': >> /dev/disk0'
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
recorded container-escapes
