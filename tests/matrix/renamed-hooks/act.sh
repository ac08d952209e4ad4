# A renamed hook is one hook: the object attaches to the name that the kernel has.
krsi load renamed.o
for entries in 4242 5353 64; do
  status=0
  bpftool map create /sys/fs/bpf/x$entries type array key 4 value 4 entries $entries name x > /tmp/said 2>&1 || status=$?
  echo "$entries: $(if [ $status = 0 ]; then echo made; else sed 's/.*: //' /tmp/said; fi)"
done
rm -f /sys/fs/bpf/x64
krsi events renamed --format json | sed 's/.*"rule":"\([a-z]*\)".*/\1/'
krsi unload renamed
