# A load that is killed at any moment loses no element, and the set can be changed immediately afterwards.
ip link set lo up
set_() { krsi set p "$@"; }
krsi load killed-sets.o --name p
set_ hosts add 127.0.0.9
for delay in 0 10 20 40 60 80; do
  krsi load killed-sets.o --name p >/dev/null 2>&1 &
  pid=$!
  usleep $((delay * 10000))
  kill -9 $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
  if [ "$(krs-guest connect=127.0.0.9:9)" != "connect=127.0.0.9:9 EACCES" ]; then echo "after $delay: not denied"; fi
  if [ "$(set_ hosts add 10.0.0.$delay)" != "added 1 to hosts" ]; then echo "after $delay: not added"; fi
done
set_ hosts list
krsi unload p
