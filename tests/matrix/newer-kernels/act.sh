# Inactive rules are reported by name; the set of inactive rules and the verdicts depend on the kernel.
try() { if "$@" >/dev/null 2>/tmp/why; then echo "ok"; else sed 's/.*: //; 1q' /tmp/why; fi; }
version=$(uname -r | sed 's/^\([0-9]*\)\.\([0-9]*\).*/\1 \2/')
newer() { set -- $version $1 $2; [ $1 -gt $3 ] || { [ $1 -eq $3 ] && [ $2 -ge $4 ]; }; }
# Rule $1 is active from kernel $2.$3 on: there the command in the other arguments fails with $4, and on older
# kernels it succeeds.
check() {
  rule=$1 since="$2 $3" refused=$4; shift 4
  if newer $since; then active=yes; else active=no; fi
  said=no
  grep -q "not active here: \`$rule\`" loaded || said=yes
  shown=yes
  krsi show newer-kernels | grep -A1 "^  $rule " | grep -q 'not active here' && shown=no
  found=$(try "$@")
  case $active in yes) wanted=$refused ;; no) wanted=ok ;; esac
  [ "$found" = "$wanted" ] || echo "$rule: $found instead of $wanted"
  [ $said = $active ] || echo "$rule: active is $active, and load said $said"
  [ $shown = $active ] || echo "$rule: active is $active, and show said $shown"
  echo "$rule looked at"
}
touch /tmp/argument /tmp/also
krsi load newer-kernels.o > loaded
check by_hook 6 1 "Permission denied" unshare -U true
check by_field 5 14 "Device or resource busy" mkdir /tmp/field
check by_argument 6 9 "Read-only file system" chmod 700 /tmp/argument
check by_enumerator 6 7 "Input/output error" mkdir /tmp/enumerator
check by_number 6 12 "No such device or address" mkdir /tmp/number
check spares 5 14 "Invalid cross-device link" mkdir /tmp/spared
check always 1 0 "Permission denied" mkdir /tmp/always
check also 1 0 "Permission denied" chmod 700 /tmp/also
# `krsi list` counts active rules and hooks, as `krsi load` did.
set -- $(sed -n 's/^loaded [^:]*: \([0-9]*\) rules* on \([0-9]*\) hooks*$/\2 \1/p' loaded)
krsi list | grep -q "^newer-kernels  *$1  *$2 " || krsi list
krsi list | tail -1 | sed 's/ .* enforcing.*/ enforcing/'
krsi load newer-kernels.o | grep -c 'replaced'
krsi unload newer-kernels
