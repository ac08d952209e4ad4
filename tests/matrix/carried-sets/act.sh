# Lists in files, invalid elements, and the elements that a load keeps from the sets of the replaced policy.
ip link set lo up
touch /tmp/f
set_() { krsi set p "$@"; }
mode() { chmod "$1" /tmp/f 2>/tmp/said && echo "$1 done" || echo "$1 refused: $(sed 's/.*: //' /tmp/said)"; }
krsi load old.o --name p
echo "-- files and mistakes"
cat >/tmp/list <<'X'
# blocked hosts
10.0.0.1
10.0.0.2   # and why

10.0.0.1
X
set_ hosts add --from /tmp/list
set_ hosts list >/tmp/saved
set_ hosts replace --from /tmp/saved
echo 127.0.0.9 | set_ hosts replace --from -
krs-guest connect=127.0.0.9:9
echo 10.0.0.x >>/tmp/list
fails krsi set p hosts add --from /tmp/list; echo $status; cat /tmp/said
set_ files add /tmp/a
set_ hosts list
fails krsi set p modes add 1 2 65536; echo $status; cat /tmp/said
fails krsi set p modes add 1 2 3 4 5; echo $status; cat /tmp/said
set_ modes add 1 2 3
fails krsi set p modes replace 3 4 5; echo $status; cat /tmp/said
set_ modes list
fails krsi set p modse list; echo $status; cat /tmp/said
fails krsi set q modes list; echo $status; cat /tmp/said
fails krsi set p files add etc/passwd; echo $status; cat /tmp/said
fails krsi set p nets add 10.0.0.1/8; echo $status; cat /tmp/said
fails krsi set p bits add WRIET; echo $status; cat /tmp/said
fails krsi set p modes add; echo $status
krsi show p | grep ^set
echo "-- carried over"
set_ names add one two three
krsi load old.o --name p
mode 001
krsi show p | grep '^set [mn]'
fails krsi load more.o --name p; echo $status; cat /tmp/said
set_ names remove one
krsi load more.o --name p 2>&1
krsi show p | grep ^set
krs-guest connect=127.0.0.9:9
krsi load more.o --name p --fresh
krsi show p | grep '^set hosts'
krs-guest connect=127.0.0.9:9
krsi unload p
