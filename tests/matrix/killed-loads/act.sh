# A load that is killed at any moment leaves the old policy or the new one, and the next command cleans up.
# The order of steps is the same on all kernels, so a default run covers two of them.
outcome() { status=0; mkdir /tmp/x 2>/tmp/said || status=$?; cat /tmp/said; }
krsi load old.o --name policy >/dev/null
delay=0
while [ $delay -lt 40 ]; do
  krsi load new.o --name policy >/dev/null 2>&1 &
  pid=$!
  usleep $((delay * 25000))
  kill -9 $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
  # At any moment the old policy or the new one denies.
  case "$(outcome)" in
    *"Read-only file system"* | *"Permission denied"*) ;;
    *) echo "after $delay: not denied" ;;
  esac
  # The next command finds one complete policy.
  krsi load old.o --name other >/dev/null
  krsi unload other >/dev/null
  if ls /sys/fs/bpf/krsi | grep -q '~'; then echo "after $delay: $(ls /sys/fs/bpf/krsi | tr '\n' ' ')"; fi
  if [ "$(krsi list | grep -c '^policy .*enforcing$')" != 1 ]; then echo "after $delay:"; krsi list; fi
  case "$(krsi show policy)" in
    *old*) ;;
    *) krsi load old.o --name policy >/dev/null ;;
  esac
  delay=$((delay + 2))
done
krsi unload policy
mkdir /tmp/x && echo "free"
