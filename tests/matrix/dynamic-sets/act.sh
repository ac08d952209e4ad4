# Sets of every type are filled, queried, emptied and carried over while the policy is loaded.
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
krsi unload p
