# All of it loads, by krsi and by libbpf, and ordinary life goes on under it.
krsi load hundred.o >/dev/null
krs-guest > /tmp/acts
krs-guest $(cut -d' ' -f1 /tmp/acts) | grep -v ' ok$' || true
count_events hundred
krsi unload hundred >/dev/null
bpftool prog loadall hundred.o /sys/fs/bpf/hundred
test $(ls /sys/fs/bpf/hundred | wc -l) -ge 25
