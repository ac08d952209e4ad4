# 100 rules for a network and a port each: the first, the last and those in between match if both fit.
krsi load networks.o
ip link set lo up 2>/dev/null || ifconfig lo up
for address in 10.0.0.1:1 10.0.0.1:2 10.0.99.255:100 10.0.99.0:100 10.0.100.1:100 10.0.98.7:99 10.0.50.1:51 10.0.50.1:52; do
  krs-guest connect=$address
done
krs-guest listen=127.0.0.1:4001 listen=127.0.99.1:4100 listen=127.0.99.1:4101 listen=127.0.98.1:4100
events networks | sed 's/.*"rule":"\([^"]*\)".*/\1/' | tr '\n' ' '
echo
