# Modes of the policy and of rules change while the policy is loaded, for every action and kind of lookup.
policy=$PWD/modes.o
mkdir /tmp/modes
cd /tmp/modes
for f in quiet loud deadly trial; do echo > $f; done
m() { krsi mode modes "$@"; }
told() { shown modes | sed 's/^modes.//; s/  [a-z]* uid=0//' | sort | uniq -c | sed 's/^ */    /'; }
acts() {
  for f in "$@"; do
    case $f in
      d*[0-9]) try mkdir $f; rmdir $f 2>/dev/null || true ;;
      x*[0-9]) mkdir -p $f; try rmdir $f ;;
      *) try sh -c ": < $f" ;;
    esac
  done
  told
}
all() { acts quiet loud deadly trial d1 d7 x3 x4; }
krsi load $policy
echo "as written"
all | tee /tmp/first
for mode in permissive off enforce; do
  m $mode
  all >/tmp/now 2>&1
  if [ $mode = enforce ]; then cmp /tmp/first /tmp/now && echo "  as at first"; else cat /tmp/now; fi
done

echo "rules"
m off loud
acts loud
m permissive loud second
acts loud
m off third deadly
acts loud quiet deadly
m permissive deadly
acts deadly
m enforce deadly third loud
acts loud
m off row7 told3
acts d7 x3
m permissive again told
acts d7 d8 x3
m enforce row7 row8 told3 told again
acts d7 d8 x3
m enforce trial
acts trial

echo "a rule on two hooks"
links() {
  try ln -s loud soft
  try ln loud hard
  rm -f soft hard
  told
}
links
m off both
links
m permissive both
links
m enforce both
links

echo "the weaker counts"
m permissive
m off quiet
m enforce loud >/dev/null
acts quiet loud
m off
acts quiet loud
m enforce
acts quiet loud
m enforce quiet second

echo "shown"
m off row1 told1
m permissive row2
krsi list | sed 's/  */ /g'
krsi list --format json | sed 's/.*\("mode":"[a-z]*"\).*\("state":"[a-z]*"\).*/\1 \2/'
krsi show modes | sed -n '1s/,.*,/, ...,/p; /^  row1 /,/^  row3 /p' | grep -v source
m --format json | sed 's/.*\("mode":"[a-z]*","policy":"modes"\).*/\1/'
m --format json | grep -o '{[^{]*"row[12]"}'
acts d1 d2 d3

echo "refused"
fails m off lowd; cat /tmp/said
fails m off loud nothing; cat /tmp/said
fails m of; sed 1q /tmp/said
fails krsi mode other off; cat /tmp/said

echo "loaded again"
krsi load $policy --keep-modes
m
krsi load $policy 2>&1
m
krsi load $policy --mode permissive 2>&1
acts loud d1
krsi load $policy --fresh >/dev/null 2>&1

echo "killed"
for delay in 0 1 2 3 5 8; do
  for mode in permissive enforce; do
    krsi mode modes $mode >/dev/null 2>&1 &
    pid=$!
    usleep $((delay * 10000))
    kill -9 $pid 2>/dev/null || true
    wait $pid 2>/dev/null || true
    # All rules are in the same mode, be it the old or the new one.
    case "$(m | head -1) $(cat loud 2>&1 | sed 's/.*: //') $(mkdir d1 2>&1 | sed 's/.*: //')" in
      "modes: enforce Read-only file system Operation not permitted") ;;
      "modes: permissive  ") rmdir d1 ;;
      *) echo "after $delay: $(m)" ;;
    esac
  done
done
m enforce
krsi unload modes
