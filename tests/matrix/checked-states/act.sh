# A policy is enforcing only if its links are alive and hold its programs, the actions in effect are those of its modes,
# and the kernel calls BPF programs. A name in the folder of links proves nothing.
links=/sys/fs/bpf/krsi/p/links
state() { krsi list | sed 's/  */ /g' | grep '^p '; krsi list --format json | grep -o '"state":"[^"]*"'; }
again() { krsi unload p >/dev/null; krsi load state.o --name p >/dev/null; }
krsi load state.o --name p
state
echo "no link:"
rm $links/file_open
state
echo "a symbolic link:"
ln -s /proc $links/file_open
state
echo "a folder:"
rm $links/file_open
mkdir $links/file_open
state
again
state
echo "the link of another program:"
rm $links/file_open
mv $links/path_chmod $links/file_open
state
again
echo "other modes:"
id=$(bpftool map show pinned /sys/fs/bpf/krsi/p/maps/modes | sed -n '1s/:.*//p')
bpftool map update id $id key 0 0 0 0 value 3 3 0 0 0
state
mkdir /tmp/own
chmod 0700 /tmp/own
krsi mode p enforce
state
try chmod 0700 /tmp/own
echo "unknown:"
umount /sys/kernel/security
state
fails krsi load state.o --name q
cat /tmp/said
mount -t securityfs security /sys/kernel/security
krsi unload p
