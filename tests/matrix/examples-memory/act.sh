# Examples about memory and programs without files: denied acts, permitted acts and events of each.
under no-anonymous-exec
krs-guest anon-mprotect-exec file-mprotect-exec anon-mprotect-read
recorded no-anonymous-exec

under write-xor-execute
krs-guest write-exec-map write-exec-protect heap-exec stack-exec
krs-guest anon-mmap anon-mprotect-read file-mprotect-exec
recorded write-xor-execute

under fileless-programs
krs-guest exec-memfd exec-deleted
krs-guest exec memfd-map-exec
recorded fileless-programs

mkdir -p /usr/lib/qemu
cp "$(command -v krs-guest)" /usr/lib/qemu/helper
under io-uring
krs-guest io-uring userfaultfd
/usr/lib/qemu/helper io-uring userfaultfd
# The rule that records depends on the kernel.
echo "  recorded $(count_events io-uring)"
krsi unload io-uring >/dev/null
