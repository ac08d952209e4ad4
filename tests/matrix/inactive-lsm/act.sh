# Without `bpf` in `lsm=`, programs would load and never run: krsi refuses and prints the remedy.
# The active list. The three LSMs removed below are always active and do not belong on the command line.
list=$(cat /sys/kernel/security/lsm)
asked=$(echo "$list" | sed -E 's/(^|,)(capability|ima|evm)//g; s/^,//')
plain() { sed "s/says $list$/says LIST/; s/lsm=$asked,bpf/lsm=LIST,bpf/"; }
fails krsi load policy.o; echo "$status"; plain < /tmp/said
krsi doctor | grep -A2 '^NO' | plain
