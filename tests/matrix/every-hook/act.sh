# Rules on every hook of this kernel, all attached during ordinary acts: one policy has the hooks that all
# kernels have, a second one the others. The handwritten table `reached` lists the required hooks and values.
kernel=$(uname -r | cut -d. -f1,2)
newer() { [ "${kernel%.*}" -gt "${1%.*}" ] || { [ "${kernel%.*}" = "${1%.*}" ] && [ "${kernel#*.}" -ge "${1#*.}" ]; }; }
cp "kernels/$kernel.krs" others.krs
krsic build -A warnings others.krs
krsi load every-hook.o >/dev/null
krsi load others.o >/dev/null

# All acts at once: nothing fails except loading the invalid module, and the kernel survives.
krs-guest >/tmp/acts
krs-guest $(cut -d' ' -f1 /tmp/acts) | grep -v ' ok$' || true

# Sums the counts of lost events by rule. A reader of a full buffer prints a rule's count in several lines, as it grows.
lost() {
  sed -n 's/^{"lost":\([0-9]*\),"policy":"\(.*\)","rule":"\(.*\)"}$/\2 \3 \1/p' |
    awk '{ n[$1 " " $2] += $3 } END { for (rule in n) print rule, n[rule] }' | sort
}
# Performs one group of acts, so that the ring buffers have room for the events of all hooks.
group() {
  krsi events --format json | lost >/tmp/lost
  krs-guest $(cut -d' ' -f1 /tmp/rows | uniq) >/dev/null &
  process=$!
  wait $process
  krsi events --format json >/tmp/all
  # A reader prints the counts of all events lost since the load.
  lost </tmp/all | cmp -s - /tmp/lost || echo "events of $(head -1 /tmp/rows) and more were lost"
  # The process itself makes the calls, as root, and nothing denies them.
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

# The second rule on each hook is for user 65533, which exists on no machine: it has recorded nothing.
for policy in every-hook others; do
  krsi stats $policy | awk 'NF == 7 && $1 != "POLICY" { n[$3]++; if (n[$3] == 2 && $4 + $5 + $6 > 0) print "a rule for nobody: " $0 }'
done
krsi list | awk 'NR > 1 { if ($2 >= 20) print $1, $NF }'
krsi unload every-hook
krsi unload others
