# The same as killed-anywhere, for the other commands and for a policy that denies what they do.
# The calls are the same on all kernels, so a default run covers one of them.
nothing() { krsi unload p >/dev/null 2>&1 || true; }
old() { krsi load old.o --name p >/dev/null 2>&1; }
fresh() { nothing; old; }
denying() { nothing; krsi load denies.o --name p >/dev/null; }
killed_everywhere "unload p" old 10
killed_everywhere "mode p permissive" old 1
killed_everywhere "set p blocked add 192.0.2.1" fresh 1
killed_everywhere "unload p" denying 10
nothing
krsi list
ls /sys/fs/bpf/krsi
