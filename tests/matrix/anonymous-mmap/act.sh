# Anonymous memory is mapped under a policy that dereferences `file`, which is null in this case.
krsi load null-file.o >/dev/null
krs-guest anon-mmap anon-mmap-exec file-mmap
echo "alive"
