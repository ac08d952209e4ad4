# Events over a limit are counted and not recorded; the verdict is the same.
for i in 1 2 3 4 5 6; do mkdir /tmp/d$i; done
krsi load limits.o
short() { shown limits | sed -n -e 's/^limits\/\([a-z]*\) [a-z_]* \([a-z]*\).*dentry.name=\(.*\)$/\1 \2 \3/p' -e '/were over/p' -e '/was over/p' | grep -v ^all; }
for i in 1 2 3 4 5; do mkdir /tmp/new$i 2>/tmp/said && echo "made" || sed 's/.*: //' /tmp/said; done
short
krsi show limits | grep over
# The first of these opens a window of one second; the number of others in it depends on the guest's speed.
i=0
rmdir /tmp/d1 /tmp/d2 /tmp/d3 /tmp/d4 /tmp/d5
events limits >/tmp/events
recorded=$(grep -c '"rule":"again".*"fields"\|"fields".*"rule":"again"' /tmp/events)
over=$(sed -n 's/^{"limited":\([0-9]*\),"policy":"limits","rule":"again"}$/\1/p' /tmp/events | tail -1)
echo "recorded and over: $((recorded + over)), all: $(grep -c '"rule":"all"' /tmp/events)"
[ "$over" -ge 1 ] && [ "$recorded" -ge 2 ] && echo "both"
sleep 2
rmdir /tmp/d6
short
krsi list | sed 's/  */ /g'
krsi list --format json | grep -c '"limited":[1-9]'
krsi unload limits >/dev/null
krsi load shape.o
for i in 1 2 3; do
  mkdir /tmp/sa /tmp/sc
  rmdir /tmp/sa /tmp/sc
done
mkdir /tmp/sb
events shape >/tmp/events
for rule in a b c also more free; do
  echo "$rule: $(grep -c "\"fields\".*\"rule\":\"$rule\"" /tmp/events), over: $(sed -n "s/^{\"limited\":\([0-9]*\),.*\"rule\":\"$rule\"}$/\1/p" /tmp/events | tail -1)"
done
krsi unload shape >/dev/null
