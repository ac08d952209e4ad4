# The policy stays loaded after the loading command has exited, and unloading it restores everything.
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
# A killed load has left a directory, which is not listed as a policy and which the next load removes.
mkdir '/sys/fs/bpf/krsi/staging~left'
krsi list
fails krsi unload 'staging~left'
echo "$status $(head -1 /tmp/said)"
fails krsi unload left
echo "$status $(head -1 /tmp/said)"
# A new version replaces the old one.
krsi load lock.o
ls /sys/fs/bpf/krsi
krsi load lock.o
krsi unload lock
