# Without `bpf` in lsm= programs would load and never run: krsi refuses and says what to do.
fails krsi load policy.o; echo "$status"; cat /tmp/said
krsi doctor | grep -A3 '^NO' || true
