# Two policies on one hook both see the operation, and both count.
krsi load first.o
krsi load second.o
mkdir -m 700 /tmp/seen
count_events first
count_events second
fails rmdir /tmp/seen
cat /tmp/said
krsi unload second
rmdir /tmp/seen && echo "removed"
mkdir /tmp/seen
count_events first
