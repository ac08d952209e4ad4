try() { if "$@" >/dev/null 2>/tmp/why; then echo "$*: ok"; else echo "$*: $({ sed 's/.*: //; 1q' /tmp/why; echo refused; } | sed 1q)"; fi; }
ln -s somewhere /tmp/link
ln -s elsewhere /tmp/other
krsi load unions.o
try sh -c ': < /dev/full'
try sh -c ': < /dev/full'
try readlink /tmp/link
try readlink /tmp/other
try mkdir /tmp/counted
try mkdir /tmp/uncounted
krsi load second.o
krsi unload second
krsi events unions --format json | grep fields | sed 's/.*"fields":\({[^}]*}\).*"rule":\("[^"]*"\).*/\2 \1/'
