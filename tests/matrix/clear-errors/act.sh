# A file that is not a policy is rejected with a message and status 2, never with a panic. The result hardly
# depends on the kernel, so a default run covers two kernels only.
say() { fails krsi load "$1"; echo "$status $(cat /tmp/said | tr '\n' ' ')"; }
say missing.o
say act.sh
say policy.krs
say /bin/busybox
printf '' > empty.o; say empty.o
size=$(wc -c < policy.o)
head -c $((size / 2)) policy.o > half.o; say half.o
# Truncation at every 97th byte: an error each time.
at=0
while [ $at -lt $size ]; do
  head -c $at policy.o > cut.o
  status=0
  krsi load cut.o > /tmp/said 2>&1 || status=$?
  if [ $status != 2 ] || grep -q panicked /tmp/said; then echo "cut at $at: status $status: $(cat /tmp/said)"; fi
  at=$((at + 97))
done
# One changed byte, at every 127th offset: an error, or a policy that can be unloaded.
at=0
while [ $at -lt $size ]; do
  cp policy.o changed.o
  printf '\377' | dd of=changed.o bs=1 seek=$at conv=notrunc 2>/dev/null
  status=0
  krsi load changed.o --name changed > /tmp/said 2>&1 || status=$?
  if [ $status -gt 2 ] || grep -q panicked /tmp/said; then echo "changed at $at: status $status: $(cat /tmp/said)"; fi
  if [ $status = 0 ]; then krsi unload changed > /dev/null; fi
  at=$((at + 127))
done
fails krsi load policy.o --name 'a.b'; echo "$status $(head -1 /tmp/said)"
fails krsi unload policy; echo "$status $(head -1 /tmp/said)"
fails krsi show nothing; echo "$status $(head -1 /tmp/said)"
krsi list
# Users other than root get a hint to run the command as root.
krsi load policy.o
for command in list events stats "show policy" "mode policy off" "unload policy"; do
  status=0
  krs-guest as=1000 /bin/krsi $command > /tmp/said 2>&1 || status=$?
  echo "$command: $status $(grep -c 'help: run the command as root' /tmp/said) $(grep -ci 'permi' /tmp/said)"
done
krsi unload policy
