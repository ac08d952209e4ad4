# Names that programs and files choose do not reach the terminal as control characters, cannot hide or reorder text, and
# cannot imitate another part of a line. JSON keeps the bytes of names that are not UTF-8.
mkdir /tmp/names
raw() { tr -d '\n' | LC_ALL=C tr -d ' -~' | hexdump -v -e '/1 "%02x"'; }
esc=$(printf 'esc\033[2J\177') csi=$(printf 'csi\302\2332J') bidi=$(printf 'bidi\342\200\256txt')
zero=$(printf 'zero\342\200\213width') bad=$(printf 'bad\377\303') line=$(printf 'new\nline')
for name in plain "$esc" "$csi" "$bidi" "$zero" "$bad" "$line"; do : >"/tmp/names/$name"; done
krsi load hostile.o
attempt() { for name; do (cat "/tmp/names/$name") 2>/dev/null || true; done; }
attempt plain "$esc" "$csi" "$bidi" "$zero" "$bad" "$line"
(printf '%s' 'e[1] uid=0' >/proc/self/comm; exec 3</tmp/names/plain) 2>/dev/null || true
krsi events hostile | tee /tmp/text | sed 's/\[[0-9]*\] uid/[N] uid/g; s/^[^ ]* //'
raw </tmp/text
attempt "$esc" "$csi" "$bidi" "$bad"
krsi events hostile --format json | tee /tmp/json | grep -o '"field[^}]*}'
raw </tmp/json
krsi show hostile | tee /tmp/text | grep -e '##' -e ' say'
raw </tmp/text
krsi unload hostile
