# libbpf, which knows nothing of krs, loads the same object: its programs pass the verifier, and the kernel has them
# by the names of their hooks. (Debian 12's bpftool does not attach LSM programs; krsi does.)
bpftool prog loadall no-anonymous-exec.o /sys/fs/bpf/policy
ls /sys/fs/bpf/policy
bpftool prog show pinned /sys/fs/bpf/policy/file_mprotect | grep -o 'lsm  name [a-z_]*'
