# Trees that are mounted nowhere: a copy by open_tree(2), as root and as an unprivileged user in namespaces of its own,
# and lazily unmounted file systems, whose files and programs look like others of the machine.
mkdir -p /usr/sbin /srv/keys /tmp/b /tmp/m
chmod 755 / /bin /srv /srv/keys; chmod 1777 /tmp
echo secret >/srv/keys/k; chmod 644 /srv/keys/k
echo 1 >/proc/sys/kernel/unprivileged_userns_clone 2>/dev/null || true
cp /bin/krs-guest /usr/sbin/nginx
krsi load unreachable.o
krs-guest open=/srv/keys/k
/usr/sbin/nginx open=/srv/keys/k
echo "# the copy of a tree"
krs-guest open-tree=/srv:keys/k
krs-guest open-tree=/:srv/keys/k
krs-guest as=1000 unshare -U -r -m krs-guest open-tree=/srv:keys/k
echo "# an unmounted tree"
mount --bind /srv /tmp/b
(cd /tmp/b && umount -l /tmp/b && krs-guest open=keys/k)
echo "# a program in one"
mount -t tmpfs none /tmp/m
mkdir -p /tmp/m/usr/sbin
cp /bin/krs-guest /tmp/m/usr/sbin/nginx
(cd /tmp/m && umount -l /tmp/m && ./usr/sbin/nginx open=/srv/keys/k)
echo "# a tree in a namespace of its own has its paths there"
unshare -m sh -c 'mount --bind /srv /tmp/b && krs-guest open=/tmp/b/keys/k open=/srv/keys/k'
shown unreachable
