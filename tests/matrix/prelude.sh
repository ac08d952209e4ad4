# Functions shared by the scripts of the cases, which `sh -eu` runs as root in the guest, in their directory.

# Prints one line for each event of a policy, oldest first, and consumes the events.
events() {
  krsi events "$1" --format json
}

# The start time of the case, for `shown`.
began=$(date -u +%Y-%m-%dT%H:%M:%S)

# Prints the events of a policy as text, oldest first, without time and pid, after checking both: the time
# lies within the run of the case, and the pid is that of the case's shell or of a process started after it.
shown() {
  krsi events "$1" >/tmp/shown
  awk -v oldest=$$ -v newest="$(sh -c 'echo $$')" -v since="$began" \
    -v until="$(date -u -d "@$(($(date +%s) + 1))" +%Y-%m-%dT%H:%M:%S)" '
    # Counts of events that were lost or over a limit.
    !/^[0-9]/ { print; next }
    {
      time = substr($1, 1, 19)
      if (time < since || time > until) print "not between " since " and " until ": " $0
      if (!match($0, /\[[0-9]+\]/)) { print "no pid: " $0; next }
      pid = substr($0, RSTART + 1, RLENGTH - 2) + 0
      if (pid < oldest || pid > newest) print "no pid between " oldest " and " newest ": " $0
      $0 = substr($0, 1, RSTART - 1) substr($0, RSTART + RLENGTH)
      sub(/^[^ ]+ /, "")
      print
    }' /tmp/shown
}

# Prints the number of pending events of a policy, and consumes them.
count_events() {
  events "$1" | wc -l
}

# Runs a command that must fail. Its output is in /tmp/said and its status in $status afterwards.
fails() {
  status=0
  "$@" >/tmp/said 2>&1 || status=$?
  if [ $status = 0 ]; then
    echo "this did not fail: $*"
    cat /tmp/said
    exit 1
  fi
}

# For each random policy of the directory: loads it, performs the acts, and compares results, events and
# statistics of rules with those of the evaluator.
random_policies() {
  count=0 wrong=0
  for acts in *.acts; do
    one=${acts%.acts}
    count=$((count + 1))
    : >/tmp/results
    : >/tmp/events
    : >/tmp/stats
    if krsi load "$one.o" >/tmp/said 2>&1; then
      krs-guest drive "$acts" >/tmp/results
      # The output also has lines for events over a limit, which the statistics below count.
      events random | grep '"fields"' |
        sed 's/.*"fields":\({[^}]*}\).*"rule":"\([^"]*\)".*"verdict":"\([^"]*\)".*/\2 \3 \1/' | sort >/tmp/events
      krsi stats random | awk '$1 == "random" { print $2, $4, $5, $6, $7 }' >/tmp/stats
      krsi unload random >/dev/null
      cmp -s "$one.results" /tmp/results && cmp -s "$one.events" /tmp/events && cmp -s "$one.stats" /tmp/stats && continue
    fi
    wrong=$((wrong + 1))
    [ $wrong -le 3 ] || continue
    echo "-- policy $one"
    cat "$one.krs" /tmp/said
    paste "$one.acts" "$one.results" /tmp/results | awk -F '\t' '$2 != $3 { print $1 ": " $3 ", not " $2 }'
    diff "$one.events" /tmp/events | tail -n +3 || true
    diff "$one.stats" /tmp/stats | tail -n +3 || true
  done
  echo "$count policies, $wrong wrong"
}

# Loads an example from the directory in which the case started.
here=$PWD
under() {
  echo "$1:"
  krsi load "$here/$1.o" >/dev/null
}

# Runs a command and prints its outcome.
try() {
  status=0
  "$@" >/dev/null 2>/tmp/why || status=$?
  echo "  $(echo "$*" | sed 's/ [0-9]*$/ N/'): $([ $status = 0 ] && echo ok || sed 's/.*: //; 1q' /tmp/why)"
}

# Prints the number of events of each rule of a loaded example, and unloads it.
recorded() {
  events "$1" | sed 's/.*"rule":"\([^"]*\)".*/  recorded \1/' | sort | uniq -c | sed 's/^ *//; s/^/  /'
  krsi unload "$1" >/dev/null
}

# Prints one line with the outcome of each of three acts, which the rules of the killed-* cases deny alike: one outcome
# for all of them, or a half.
acts_allowed() {
  for act in "cat /tmp/forbidden" "mkdir /tmp/made" "rm /tmp/kept"; do
    status=0
    $act >/dev/null 2>/tmp/why || status=$?
    if [ $status = 0 ]; then echo none; else sed 's/.*: //; s/ /_/g; 1q' /tmp/why; fi
  done | sort -u | tr '\n' ' '
  rmdir /tmp/made 2>/dev/null || true
  [ -e /tmp/kept ] || : >/tmp/kept
}

# Runs `krsi $1` and kills it right after a call that changes something, once for each of these calls that `kill-points`
# selects. Each time $2 prepares. Prints what is then in force and what `krsi list` says, each state once. There must be
# more than $3 calls.
killed_everywhere() {
  for file in /tmp/forbidden /tmp/kept; do [ -e $file ] || : >$file; done
  echo "$1:"
  read -r first step <kill-points
  $2
  krs-guest kill-after=0 krsi $1 >/tmp/calls
  # Writes to maps and renames change what is in force, so none of them is left out, nor is the last call.
  awk -v first="$first" -v step="$step" '
    $1 == "ended" { if (last != at) print at; next }
    { at = $1 }
    $2 " " $3 == "bpf 2" || $2 == "rename" || (at - first) % step == 0 { print at; last = at }
  ' /tmp/calls >/tmp/points
  while read -r at; do
    $2
    killed=$(krs-guest "kill-after=$at" krsi $1 </dev/null)
    case "$killed" in
      "killed after $at: "*) ;;
      *) echo "  at $at: $killed" ;;
    esac
    state=$(acts_allowed)
    krsi list >/tmp/list
    echo "  in force: $state listed: $(awk '$1 == "p" { print $NF }' /tmp/list)" \
      "$(grep -q unfinished /tmp/list && echo unfinished || true)"
  done </tmp/points >/tmp/states
  uniq /tmp/states
  [ "$(wc -l </tmp/calls)" -gt "$3" ] || cat /tmp/calls
}
