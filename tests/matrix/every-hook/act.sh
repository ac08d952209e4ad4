# Rules on every hook of this kernel, attached all at once, while ordinary things are done: those that all kernels have in
# one policy, the others in a second. The table `reached` says by hand which hooks each act must reach, and with what.
kernel=$(uname -r | cut -d. -f1,2)
newer() { [ "${kernel%.*}" -gt "${1%.*}" ] || { [ "${kernel%.*}" = "${1%.*}" ] && [ "${kernel#*.}" -ge "${1#*.}" ]; }; }
cp "kernels/$kernel.krs" others.krs
krsic build -A warnings others.krs
krsi load every-hook.o >/dev/null
krsi load others.o >/dev/null

# Everything at once: nothing fails but the module that is none, and the kernel lives.
krs-guest >/tmp/acts
krs-guest $(cut -d' ' -f1 /tmp/acts) | grep -v ' ok$' || true

# A group of acts at a time, so that the ring buffers have room for what all hooks record.
group() {
  krsi events --format json | grep '^{"lost"' | sort >/tmp/lost
  krs-guest $(cut -d' ' -f1 /tmp/rows | uniq) >/dev/null &
  process=$!
  wait $process
  krsi events --format json >/tmp/all
  # A reader tells all that has been lost since the load.
  grep '^{"lost"' /tmp/all | sort | cmp -s - /tmp/lost || echo "events of $(head -1 /tmp/rows) and more were lost"
  # The calls are made by the process itself, as root, and nothing denies them.
  grep '"comm":"krs-guest"' /tmp/all | grep "\"pid\":$process,.*\"tgid\":$process,.*\"uid\":0,.*\"verdict\":\"allow\"" >/tmp/own
  while read -r act hook since values; do
    newer "$since" || continue
    grep -F "\"hook\":\"$hook\"" /tmp/own >/tmp/found || echo "$act: no event on $hook"
    for value in $values; do
      grep -F "$value" /tmp/found >/tmp/also ||
        echo "$act: no $value on $hook, but $(sed 's/.*"fields":\({[^}]*}\).*/\1/' /tmp/found | sort -u | tail -3)"
      cp /tmp/also /tmp/found
    done
  done </tmp/rows
}
: >/tmp/rows
grep -v '^#' reached | while read -r row; do
  [ -z "$row" ] || { echo "$row" >>/tmp/rows && continue; }
  group
  : >/tmp/rows
done

# The second rule on each hook is about user 65533, whom no machine has: it has recorded nothing.
for policy in every-hook others; do
  krsi stats $policy | awk 'NF == 7 && $1 != "POLICY" { n[$3]++; if (n[$3] == 2 && $4 + $5 + $6 > 0) print "a rule for nobody: " $0 }'
done
krsi list | awk 'NR > 1 { if ($2 >= 20) print $1, $NF }'
krsi unload every-hook
krsi unload others
