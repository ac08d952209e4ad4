# Anonymous memory is mapped under a policy that walks through `file`, which is null then.
krsi load null-file.o >/dev/null
krs-guest anon-mmap anon-mmap-exec file-mmap
echo "alive"
