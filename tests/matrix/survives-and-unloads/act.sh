# The policy stays when the command that loaded it is long gone, and unloading it restores everything.
sh -c 'krsi load lock.o' &
wait
fails mkdir /tmp/denied
cat /tmp/said
krsi list | tail -1
shown lock
krsi unload lock
mkdir /tmp/allowed && echo "made"
krsi list
ls /sys/fs/bpf/krsi
# A load that was killed has left a folder: it is no policy, and the next load removes it.
mkdir '/sys/fs/bpf/krsi/staging~left'
krsi list
fails krsi unload 'staging~left'
echo "$status $(head -1 /tmp/said)"
fails krsi unload left
echo "$status $(head -1 /tmp/said)"
# A new version in place of the old one.
krsi load lock.o
ls /sys/fs/bpf/krsi
krsi load lock.o
krsi unload lock
