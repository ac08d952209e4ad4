# 10,000 networks with a port each, nested and of various sizes, and rules without a port.
awk 'BEGIN {
  for (i = 0; i < 10000; i++) {
    printf "n%d: on socket_connect when dst.ip in \"10.%d.%d.0/24\" and dst.port == %d deny EACCES audit { dst.ip, dst.port }\n", i, i % 250, int(i / 250), 1 + i % 5
  }
  print "all: on socket_connect when dst.ip in \"10.0.0.0/8\" and dst.port == 1 deny EACCES audit { dst.ip, dst.port }"
  print "half: on socket_connect when dst.ip in { \"10.0.0.0/9\", \"10.200.0.0/16\" } and dst.port == 1 deny EACCES audit { dst.ip, dst.port }"
  print "six: on socket_connect when dst.ip in \"fd00:1::/32\" and dst.port == 5 deny EACCES audit { dst.ip, dst.port }"
  for (i = 0; i < 200; i++) printf "on socket_bind when src.ip in \"127.%d.0.0/16\" deny EADDRINUSE\n", i
}'
