# Examples about BPF, mounts and namespaces: denied acts, permitted acts and events of each.
mkdir -p /usr/bin /usr/sbin /mnt

cp "$(command -v krsi)" /usr/bin/krsi
cp /usr/bin/krsi /tmp/krsi
cp /bin/busybox /usr/bin/new
# A krsi at a path that the policy does not exempt would be locked out by the policy that it loads.
fails /tmp/krsi load "$here/bpf-protection.o"
grep -v '^error' /tmp/said
printf 'on bpf deny' > alone.krs
krsic build -A lock-out alone.krs
fails /tmp/krsi load alone.o
grep -v '^error' /tmp/said
/tmp/krsi list
PATH=/usr/bin:$PATH
under bpf-protection
try bpftool map create /sys/fs/bpf/map type array key 4 value 4 entries 1 name map
try /tmp/krsi load "$here/namespaces.o"
try rm /sys/fs/bpf/krsi/bpf-protection/maps/manifest
try rmdir /sys/fs/bpf/krsi/bpf-protection
try mv /sys/fs/bpf/krsi /sys/fs/bpf/other
try umount /sys/fs/bpf
try mount -t tmpfs none /sys/fs/bpf
try sh -c ': >> /usr/bin/krsi'
try mv /usr/bin/new /usr/bin/krsi
try mv /usr/bin/krsi /usr/bin/was
try ln /usr/bin/new /usr/sbin/krsi
try mount --bind /usr/bin/new /usr/bin/krsi
try mount -t tmpfs none /usr/bin
try unshare -m sh -c 'mount --bind /usr /mnt && mount --bind /mnt /usr && krsi load "$0"' "$here/namespaces.o"
try rm /usr/bin/krsi
try truncate -s 0 /usr/bin/krsi
try krsi load "$here/namespaces.o"
krsi list | awk '{ sub(",", "", $6); print "  " $1, $6 }'
try krsi unload namespaces
# The loader retries a refused removal, more often where the kernel is slow to detach programs.
recorded bpf-protection | sed "s/[0-9]*   recorded \(bpf_calls\|pins\)$/some   recorded \1/"

under mount-restrictions
try krs-guest as=1000 unshare -U -r -m true
try mount -t tmpfs none /mnt
try umount /mnt
try mount -t tmpfs -o nosuid,nodev none /mnt
try mount -o remount,nosuid,nodev,noexec none /mnt
try mount -o remount,nosuid,nodev,exec none /mnt
try umount /mnt
recorded mount-restrictions

under namespaces
try krs-guest as=1000 unshare -U -n true
try unshare -U -n true
# 5.10 has no hook for creating a user namespace, only for the first use of a capability in it.
case $(uname -r) in 5.10*) rule=powers ;; *) rule=create ;; esac
recorded namespaces | sed "s/recorded $rule$/recorded the attempt/"
