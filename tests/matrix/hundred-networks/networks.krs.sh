# 100 networks with a port each, where the last row has the highest port: the verifier knows the bytes of the
# rows, and must not draw wrong conclusions from the last one.
awk 'BEGIN {
  for (i = 0; i < 100; i++) {
    printf "n%d: on socket_connect when dst.ip in \"10.0.%d.0/24\" and dst.port == %d deny EACCES audit { dst.ip, dst.port }\n", i, i, 1 + i
    printf "on socket_bind when src.ip in \"127.0.%d.0/24\" and src.port == %d deny EADDRINUSE\n", i, 4001 + i
  }
}'
