# libbpf, which has no support for krs, loads the same object: its programs pass the verifier, and the kernel
# lists them under the names of their hooks. (bpftool of Debian 12 does not attach LSM programs; krsi does.)
bpftool prog loadall no-anonymous-exec.o /sys/fs/bpf/policy
ls /sys/fs/bpf/policy
bpftool prog show pinned /sys/fs/bpf/policy/file_mprotect | grep -o 'lsm  name [a-z_]*'
