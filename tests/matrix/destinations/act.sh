# Messages and connections whose address is not where the kernel sends. Without the policy the acts show which
# socket receives; with it, each that reaches the peer or 127.0.0.1 is denied, and the events have the true address.
ip link set lo up
ip addr add 10.0.2.5/32 dev lo 2>/dev/null || true
ip addr add 10.0.2.6/32 dev lo 2>/dev/null || true
acts() {
  four="127.0.0.1:5300 10.0.2.6:5300"
  six="[::1]:5300 [::ffff:10.0.2.6]:5300"
  krs-guest message udp4 - inet:127.0.0.1:5300 $four
  krs-guest message udp4 - unspec:127.0.0.1:5300 $four
  krs-guest message udp4 10.0.2.6:5300 unspec:127.0.0.1:5300 $four
  krs-guest message udp4 127.0.0.1:5300 inet:10.0.2.6:5300 $four
  krs-guest message udp4 - inet:0.0.0.0:5300 $four
  krs-guest message udp4 bound:10.0.2.6:0/- inet:0.0.0.0:5300 $four
  krs-guest message udp4 bound:10.0.2.5:0/- inet:0.0.0.0:5300 10.0.2.5:5300
  krs-guest message udp6 '[::1]:5300' 'unspec:[::2]:5300' $six
  krs-guest message udp6 - 'inet:[::]:5300' $six
  krs-guest message udp6 - 'inet:[::ffff:0.0.0.0]:5300' '[::ffff:127.0.0.1]:5300'
  krs-guest message udp6 - inet:127.0.0.1:5300 '[::ffff:127.0.0.1]:5300'
  krs-guest message raw4 - unspec:127.0.0.1:0 127.0.0.1:0 10.0.2.6:0
  krs-guest message raw4 127.0.0.1:0 empty:10.0.2.6:0 127.0.0.1:0 10.0.2.6:0
  krs-guest message raw6 - 'unspec:[::1]:0' '[::1]:0'
  krs-guest message tcp4 127.0.0.1:5300 inet:10.0.2.6:5300 $four
  krs-guest message tcp4 127.0.0.1:5300 unspec:10.0.2.6:5300 $four
  krs-guest message tcp4 10.0.2.6:5300 inet:127.0.0.1:5300 $four
  krs-guest message tcp4 - fast-open:inet:127.0.0.1:5300 $four
  krs-guest message seqpacket @peer unix:@other @peer @other
  krs-guest message seqpacket @peer unspec:127.0.0.1:5300 @peer @other
  krs-guest message dgram @peer empty:@other @peer @other
  krs-guest message dgram @peer unix:@other @peer @other
  krs-guest message dgram - unix:@peer @peer @other
  krs-guest connect=0.0.0.0:5301 'connect=[::]:5301' 'connect=[::ffff:0.0.0.0]:5301' connect=10.0.2.6:5301
}
echo "# without a policy"
acts
krsi load destinations.o
acts
shown destinations
