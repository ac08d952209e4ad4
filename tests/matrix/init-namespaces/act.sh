mkdir -p /tmp/ns
echo file > /tmp/ns/file
krsi load namespaces.o
try() { if why=$("$@" 2>&1); then echo "$*: ok"; else echo "$*: ${why##*: }"; fi; }
try cat /tmp/ns/file
try unshare -m cat /tmp/ns/file
try unshare -n cat /tmp/ns/file
try unshare -u cat /tmp/ns/file
try unshare -i cat /tmp/ns/file
try unshare -p -f cat /tmp/ns/file
try unshare -U cat /tmp/ns/file
try unshare -m -n cat /tmp/ns/file
shown namespaces
