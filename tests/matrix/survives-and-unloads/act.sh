# The policy stays when the command that loaded it is long gone, and unloading it restores everything.
sh -c 'krsi load lock.o' &
wait
fails mkdir /tmp/denied
cat /tmp/said
krsi list | tail -1
krsi events lock | sed 's/^[^ ]* //; s/\[[0-9]*\]//'
krsi unload lock
mkdir /tmp/allowed && echo "made"
krsi list
ls /sys/fs/bpf/krsi
# A new version in place of the old one.
krsi load lock.o
krsi load lock.o
krsi unload lock
