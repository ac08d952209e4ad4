# Denied acts, permitted acts and events of each example.
here=$PWD
ip link set lo up
ip addr add 10.0.2.5/32 dev lo 2>/dev/null || true
ip addr add 192.0.2.5/32 dev lo 2>/dev/null || true
mkdir -p /etc/sudoers.d /root/.ssh /usr/sbin /usr/bin /var/tmp /dev/shm /home/a/.ssh
cp /etc/passwd /tmp/passwd.was
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
try mv /etc/passwd /etc/other
try ln /etc/shadow /etc/second
try ln /etc/other /etc/sudoers.d/linked
try rm /etc/passwd
try truncate -s 0 /etc/passwd
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
  krs-guest connect=10.0.2.5:443 connect=192.0.2.5:443 connect=10.0.2.5:22 send=10.0.2.5:53 send=192.0.2.5:53
  krs-guest message udp4 - unspec:192.0.2.5:53 192.0.2.5:53
  krs-guest message tcp4 - fast-open:inet:10.0.2.5:443 10.0.2.5:443
  krs-guest message tcp4 - fast-open:inet:192.0.2.5:443 192.0.2.5:443'
recorded egress

cp /bin/busybox /usr/sbin/nginx
mkdir /tmp/service
ln -s /usr/sbin/nginx /tmp/service/sh
under service-shells
try sh -c 'sh -c :'
try /tmp/service/sh -c 'exec /bin/sh -c :'
echo "  a shell of what the service runs, of what that runs, and none of these:"
/tmp/service/sh -c 'krs-guest as=0 /bin/sh -c :; exit $?' || true
/tmp/service/sh -c 'krs-guest as=0 /bin/krs-guest as=0 /bin/sh -c :; exit $?' || true
/tmp/service/sh -c 'krs-guest as=0 /bin/krs-guest pipe; exit $?'
recorded service-shells
cp /tmp/passwd.was /etc/passwd
