# Sets of every type are filled, asked, emptied and carried over while the policy is loaded.
krsi load dynamic-sets.o --name p
ip link set lo up
touch /tmp/f
set_() { krsi set p "$@"; }
mode() { chmod "$1" /tmp/f 2>/tmp/said && echo "$1 done" || echo "$1 refused: $(sed 's/.*: //' /tmp/said)"; }
echo "-- numbers"
mode 300
set_ modes add 0o300 0x101 77
mode 300; mode 401; mode 115; mode 400
set_ modes list
set_ modes add 192
set_ modes remove 192 193
mode 300
set_ modes clear
set_ modes list
set_ pairs add '0, 0o17' '(1, 0o20)'
mode 017; mode 020
set_ pairs list
set_ signed add -232 5 -1
mode 350
mode 351
set_ signed list
set_ signed clear >/tmp/said
set_ bits add 'READ|EXEC' 0x20
set_ bits list
krs-guest anon-mprotect-exec anon-mprotect-read
set_ bits clear
krs-guest anon-mprotect-exec
echo "-- texts"
mkdir /tmp/e
set_ names add rmdir a_name_that_no_task_has
rmdir /tmp/e 2>/tmp/said || sed 's/.*: //' /tmp/said
set_ names remove rmdir
rmdir /tmp/e
long=/tmp/$(printf '%0200d' 0)
touch "$long" "$long.x"
set_ files add "$long" /tmp/other
rm "$long" 2>/tmp/said || sed 's/.*: //' /tmp/said
rm "$long.x"
touch /tmp/other /tmp/othe
for f in /tmp/othe /tmp/other; do rm $f 2>/tmp/said || sed 's/.*: //' /tmp/said; done
set_ files list | wc -l
echo "-- addresses"
krs-guest connect=127.0.0.1:9
set_ hosts add 127.0.0.1 ::1
krs-guest connect=127.0.0.1:9 connect=127.0.0.2:9 connect=[::1]:9
set_ hosts remove 127.0.0.1
krs-guest connect=127.0.0.1:9
set_ hosts clear
set_ nets add 127.0.0.0/30 127.0.0.128/25 ::/127
krs-guest connect=127.0.0.3:9 connect=127.0.0.4:9 connect=127.0.0.127:9 connect=127.0.0.129:9 connect=[::1]:9
set_ nets replace 127.0.0.0/8 127.0.0.128/25
krs-guest connect=127.0.0.4:9 connect=[::1]:9
set_ nets list
set_ nets remove 127.0.0.0/8
krs-guest connect=127.0.0.4:9 connect=127.0.0.129:9
set_ nets clear
set_ ends add '127.0.0.0/8, 9' '127.0.0.2, 10'
krs-guest connect=127.0.0.2:9 connect=127.0.0.2:10 connect=127.0.0.3:10
set_ ends list
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
set_ names add one two
krsi load dynamic-sets.o --name p
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
echo "-- killed"
krsi load more.o --name p
set_ hosts add 127.0.0.9
for delay in 0 10 20 40 60 80; do
  krsi load more.o --name p >/dev/null 2>&1 &
  pid=$!
  usleep $((delay * 10000))
  kill -9 $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
  if [ "$(krs-guest connect=127.0.0.9:9)" != "connect=127.0.0.9:9 EACCES" ]; then echo "after $delay: not denied"; fi
  if [ "$(set_ hosts add 10.0.0.$delay)" != "added 1 to hosts" ]; then echo "after $delay: not added"; fi
done
set_ hosts list
