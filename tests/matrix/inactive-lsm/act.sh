# Without `bpf` in lsm= programs would load and never run: krsi refuses and says what to do.
plain() { sed 's/says .*/says LIST/; s/lsm=[a-z,]*,bpf/lsm=LIST,bpf/'; }
fails krsi load policy.o; echo "$status"; plain < /tmp/said
krsi doctor | grep -A2 '^NO' | plain
