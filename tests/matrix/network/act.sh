# Each family and each kind of address. No process listens, so the network refuses allowed connections.
ip link set lo up
ip addr add 10.0.2.5/32 dev lo 2>/dev/null || true
ip -6 addr add 2001:db8::1/128 dev lo 2>/dev/null || true
ip -6 addr add fd00::2/128 dev lo 2>/dev/null || true
krsi load network.o
krs-guest connect=10.0.2.5:80 connect=10.0.2.5:81 connect=127.0.0.1:80 connect=10.0.2.6:1
krs-guest 'connect=[2001:db8::1]:80' 'connect=[fd00::1]:1' 'connect=[fd00::2]:1' 'connect=[::1]:80'
krs-guest 'connect=[::ffff:10.0.2.5]:80'
krs-guest connect=127.0.0.1:7777 'connect=[::1]:7777'
krs-guest listen=0.0.0.0:80 'listen=[::1]:443' listen=127.0.0.1:8080 listen=127.0.0.1:4444 'listen=[::1]:4444'
krs-guest send=127.0.0.1:5353 send=127.0.0.1:5354 'send=[::1]:5353'
echo "# sets"
for a in 192.0.2.15 192.0.2.16 192.0.2.70 198.51.100.255 203.0.113.7 203.0.113.8; do
  ip addr add $a/32 dev lo 2>/dev/null || true
  krs-guest connect=$a:1
done
for a in 10.9.3.1:80 10.9.3.1:22 10.9.1.1:22 10.8.0.1:443 10.8.0.1:80; do
  ip addr add ${a%:*}/32 dev lo 2>/dev/null || true
  krs-guest connect=$a
done
ip -6 addr add 2001:db9::1/128 dev lo 2>/dev/null || true
ip -6 addr add 2001:db9:1:2::1/128 dev lo 2>/dev/null || true
ip -6 addr add 2001:db9:1:3::1/128 dev lo 2>/dev/null || true
ip -6 addr add 2001:dba::1/128 dev lo 2>/dev/null || true
krs-guest 'connect=[2001:db9::1]:1' 'connect=[2001:db9:1:2::1]:1' 'connect=[2001:db9:1:3::1]:1' 'connect=[2001:dba::1]:80'
echo "# a local socket has no port"
krs-guest unix-listen
shown network
