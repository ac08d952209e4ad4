# A hook whose rules are split into several programs: exactly the expected rules match in every program, the
# first rule that denies determines the errno, and each event has the verdict, also after changes of modes.
sizes="999 1000 1001 1002 1003 1555 1850 2000 2501 2998 2999 3000 3050"
for size in $sizes; do head -c $size /dev/zero >/tmp/size-$size; done
krsi load many.o
krsi show many | sed -n 's/.*\(tail-calls\) [0-9]* more/\1/p'
told() {
  events many | sed 's/.*"fields":\({[^}]*}\).*"rule":"\([^"]*\)".*"verdict":"\([^"]*\)".*/  \2 \3 \1/' | sort
}
for size in $sizes; do try cat /tmp/size-$size; done
told
echo "off: r2, r998; permissive: r3, r1998"
krsi mode many off r2 r998 >/dev/null
krsi mode many permissive r3 r1000 r1998 >/dev/null
for size in 1002 1003 1998 2000 2998; do [ -f /tmp/size-$size ] || head -c $size /dev/zero >/tmp/size-$size; try cat /tmp/size-$size; done
told
echo "a load in its place, and one without it"
krsi load many.o
try cat /tmp/size-1000
told
krsi unload many
try cat /tmp/size-1000
# libbpf would attach each program separately, so it must reject the object.
fails bpftool prog loadall many.o /sys/fs/bpf/many
grep -o "map 'krs_parts_file_open': unknown field 'filled_by_krsi'" /tmp/said
