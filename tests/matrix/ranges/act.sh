# Rules for ranges of numbers, nested and overlapping, signed and unsigned: both bounds are inclusive.
krsi load ranges.o
touch /tmp/f
for try in 1000:0 1000:1 1000:249 1000:255 1000:256 1001:0 1001:1 1001:2 1001:500 1001:501 1001:511 1003:249 1004:249; do
  chown 0:${try%:*} /tmp/f
  chmod $(printf %o ${try#*:}) /tmp/f 2>/tmp/said && echo "$try: done" || echo "$try: $(sed 's/.*: //' /tmp/said)"
done
events ranges | sed 's/.*"fields":{"mode":"*\([^"}]*\).*"rule":"\([^"]*\)".*/\1 \2/' | sort | uniq
for nice in -20 -19 -18 -17 -16 7 8 9 10 11; do
  renice -n $nice -p $$ >/dev/null 2>/tmp/said && echo "nice $nice: done" || echo "nice $nice: $(sed 's/.*: //' /tmp/said)"
done
