# A command is killed right after each of its system calls that change something. Before any other command runs, the
# rules in force are those of the old policy or those of the new one, all of them, and `krsi list` says the same.
# The calls are the same on all kernels, so a default run covers one of them.
nothing() { krsi unload p >/dev/null 2>&1 || true; }
old() { krsi load old.o --name p >/dev/null 2>&1; }
killed_everywhere "load old.o --name p" nothing 20
killed_everywhere "load new.o --name p" old 30
nothing
krsi list
ls /sys/fs/bpf/krsi
