# A file keeps its identity under every name; a file that later takes its name is a different one.
say() { "$@" 2>/tmp/said || sed 's/.*: //' /tmp/said; }
# Prints the identities that the policy has of its files, as `found` if they agree with stat(1).
identities() {
  krsi show inodes | grep ^file | while read -r line; do
    path=${line#file }
    path=${path%%:*}
    if [ -e "$path" ] && [ "$line" = "file $path: inode $(stat -L -c %i "$path") of device 0:$(stat -L -c %d "$path")" ]; then
      line="file $path: found"
    fi
    echo "$line"
  done
}
mkdir -p /tmp/free /tmp/other /tmp/gone
for f in /tmp/secret /tmp/one /tmp/two /etc/three /tmp/mapped; do echo "$f" >$f; done
cp /bin/busybox /tmp/program
krsi load inodes.o 2>&1
identities
say cat /tmp/secret
ln /tmp/secret /tmp/other/link
say cat /tmp/other/link
mv /tmp/secret /tmp/other/name
say cat /tmp/other/name
echo another >/tmp/secret
say cat /tmp/secret
say rm /tmp/other/name
say rm /tmp/secret
ln -s /tmp/one /tmp/symlink
say cat /tmp/symlink /tmp/two
say cat /etc/three
say cat /tmp/mapped
say /tmp/program true
cp /tmp/program /tmp/other/busybox
/tmp/other/busybox true && echo "a copy runs"
say rmdir /tmp/gone
say mkdir /tmp/free/new
say mkdir /tmp/other/new
events inodes | sed 's/.*"verdict":"\([^"]*\)".*/\1/' | head -1
echo "-- strict"
fails krsi load inodes.o --strict; echo $status; cat /tmp/said
for f in /tmp/secret /tmp/missing; do echo >$f; done
krsi load inodes.o --strict
identities
krsi unload inodes
echo "-- another file system"
mkdir /tmp/mount
mount -t tmpfs none /tmp/mount
echo on >/tmp/mount/file
rm -f /tmp/secret
mv /tmp/mount/file /tmp/mount/secret
ln -s /tmp/mount/secret /tmp/secret
krsi load inodes.o --strict
say cat /tmp/mount/secret
krsi unload inodes
cat /tmp/mount/secret
umount /tmp/mount
rm -f /etc/three
