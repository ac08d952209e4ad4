# The policy of the README: the call is denied with EPERM and recorded once, and a file-backed mapping passes.
krsi load no-anonymous-exec.o
# Prints the nanoseconds since boot, which /proc/uptime has in steps of 10 ms.
uptime_ns() {
  read -r up _ </proc/uptime
  echo $((${up%.*} * 1000000000 + 1${up#*.} * 10000000 - 1000000000))
}
since_ns=$(uptime_ns) since=$(date +%s)
krs-guest anon-mprotect-exec file-mprotect-exec anon-mprotect-read &
process=$!
wait $process
krs-guest thread-mprotect-exec &
second=$!
wait $second
until_ns=$(($(uptime_ns) + 10000000)) until=$(($(date +%s) + 1))
read -r itself thread </tmp/krs-guest-thread
[ "$itself" = $second ] && [ "$thread" != $second ] && echo "the second call is made by a thread of its own"

# Prints the value of a field of `$event`.
field() {
  echo "$event" | sed -n "s/.*\"$1\":\"*\([^\",}]*\).*/\1/p"
}
events no-anonymous-exec >/tmp/events
# `pid` is the id of the thread, `tgid` that of the process.
for ids in "$process $process" "$thread $second"; do
  read -r event
  at=$(field boot_ns)
  [ "$at" -ge $since_ns ] && [ "$at" -le $until_ns ] || echo "boot_ns is $at, not within $since_ns and $until_ns"
  wall=$(field time)
  seconds=$(date -u -d "$(echo "${wall%.*}" | tr T ' ')" +%s)
  [ $seconds -ge $((since - 1)) ] && [ $seconds -le $until ] || echo "time is $wall, not within $since and $until"
  [ "$(field pid) $(field tgid)" = "$ids" ] || echo "pid and tgid are $(field pid) and $(field tgid), not $ids"
  # These four are checked above; the rest is the same in each run.
  echo "$event" | sed "s/\"boot_ns\":$at/\"boot_ns\":N/; s/\"pid\":${ids% *},/\"pid\":N,/; s/\"tgid\":${ids#* },/\"tgid\":N,/; s/\"time\":\"$wall\"/\"time\":T/"
done </tmp/events
count_events no-anonymous-exec
