# As killed-anywhere, for the other commands and for a policy that denies what they do: a command is killed right after each of its system calls that change something. Before any other command runs, the
# rules in force are those of the old policy or those of the new one, all of them, and `krsi list` says the same.
# The calls are the same on all kernels, so a default run covers two of them.
: >/tmp/forbidden
: >/tmp/kept
one() {
  status=0
  "$@" >/dev/null 2>/tmp/why || status=$?
  if [ $status = 0 ]; then echo none; else sed 's/.*: //; s/ /_/g; 1q' /tmp/why; fi
}
# The outcome of each act: the same for all of them, or a half.
outcome() {
  (one cat /tmp/forbidden; one mkdir /tmp/made; one rm /tmp/kept) | sort -u | tr '\n' ' '
  rmdir /tmp/made 2>/dev/null || true
  [ -e /tmp/kept ] || : >/tmp/kept
}
# Kills a command at each call. Prepares with $2, which also cleans up. Prints each state once.
everywhere() {
  echo "$1:"
  at=1
  while :; do
    $2
    killed=$(eval "krs-guest kill-after=$at krsi $1")
    case "$killed" in
      "ended after"*) break ;;
    esac
    state=$(outcome)
    krsi list >/tmp/list
    echo "  in force: $state listed: $(awk '$1 == "p" { print $NF }' /tmp/list)" \
      "$(grep -q unfinished /tmp/list && echo unfinished || true)"
    at=$((at + 1))
  done >/tmp/states
  uniq /tmp/states
  [ $at -gt ${3:-1} ] || echo "only $at calls"
}
nothing() { krsi unload p >/dev/null 2>&1 || true; }
old() { krsi load old.o --name p >/dev/null 2>&1; }
denying() { nothing; krsi load denies.o --name p >/dev/null; }
everywhere "unload p" old 10
everywhere "mode p permissive" old
everywhere "set p blocked add 192.0.2.1" old
everywhere "unload p" denying 10
nothing
krsi list
ls /sys/fs/bpf/krsi
