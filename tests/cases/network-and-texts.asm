socket_connect:    # 106 instructions
  ; network-and-texts.krs:1:62: dst.port in { 53, 443 }
     0  r4 = *(u64 *)(r1 + 8)                   # address
     1  r2 = *(u32 *)(r1 + 16)                  # addrlen
     2  r3 = *(u16 *)(r4 + 0)
     3  if r3 == 0x2 goto 8
     4  if r3 != 0xa goto 30
     5  if w2 s>= 0x18 goto 9
  ; network-and-texts.krs:1:1: on socket_connect when dst.ip in { "10.0.0.0/8", "::1" } and dst.port in { 53, 443 } deny
     6  r0 = 0
     7  exit
  ; network-and-texts.krs:1:62: dst.port in { 53, 443 }
     8  if w2 s< 0x10 goto 30
     9  r5 = *(u16 *)(r4 + 2)
    10  if w5 == 0x3500 goto 12
    11  if w5 != 0xbb01 goto 30
  ; network-and-texts.krs:1:24: dst.ip in { "10.0.0.0/8", "::1" }
    12  if r3 == 0x2 goto 17
    13  if r3 != 0xa goto 30
    14  if w2 s>= 0x18 goto 32
  ; network-and-texts.krs:1:1: on socket_connect when dst.ip in { "10.0.0.0/8", "::1" } and dst.port in { 53, 443 } deny
    15  r0 = 0
    16  exit
  ; network-and-texts.krs:1:24: dst.ip in { "10.0.0.0/8", "::1" }
    17  if w2 s< 0x10 goto 30
    18  r2 = *(u32 *)(r4 + 4)
    19  if r2 != 0x0 goto 27
    20  r2 = *(u64 *)(r1 + 0)                   # sock
    21  r2 = *(u64 *)(r2 + socket.sk)
    22  if r2 == 0x0 goto 30
    23  if r2 < 0x1000 goto 30
    24  r2 = *(u32 *)(r2 + sock.__sk_common.skc_rcv_saddr)
    25  if r2 != 0x0 goto 27
    26  r2 = 16777343
    27  r2 = be32 r2
    28  w2 >>= 24
    29  if w2 == 0xa goto 94
  ; network-and-texts.krs:1:1: on socket_connect when dst.ip in { "10.0.0.0/8", "::1" } and dst.port in { 53, 443 } deny
    30  r0 = 0
    31  exit
  ; network-and-texts.krs:1:24: dst.ip in { "10.0.0.0/8", "::1" }
    32  *(u64 *)(r10 - 32) = r1
    33  r1 = r10
    34  r1 += -16
    35  r2 = 16
    36  r3 = r4
    37  r3 += 8
    38  call probe_read_kernel
    39  if r0 == 0x0 goto 46
    40  r2 = state[48] ll
    42  r3 = 1
    43  lock *(u64 *)(r2 + 0) += r3
  ; network-and-texts.krs:1:1: on socket_connect when dst.ip in { "10.0.0.0/8", "::1" } and dst.port in { 53, 443 } deny
    44  r0 = 0
    45  exit
  ; network-and-texts.krs:1:24: dst.ip in { "10.0.0.0/8", "::1" }
    46  r4 = *(u64 *)(r10 - 16)
    47  r4 = be64 r4
    48  r3 = *(u64 *)(r10 - 8)
    49  r3 = be64 r3
    50  if r4 != 0x0 goto 87
    51  if r3 == 0x0 goto 68
    52  r2 = 0xffff00000000 ll
    54  if r3 != r2 goto 87
    55  r2 = *(u64 *)(r10 - 32)
    56  r2 = *(u64 *)(r2 + 0)                   # sock
    57  r2 = *(u64 *)(r2 + socket.sk)
    58  if r2 == 0x0 goto 102
    59  if r2 < 0x1000 goto 102
    60  r3 = *(u32 *)(r2 + sock.__sk_common.skc_rcv_saddr)
    61  if r3 != 0x0 goto 63
    62  r3 = 16777343
    63  r3 = be32 r3
    64  r2 = 0xffff00000000 ll
    66  r3 |= r2
    67  goto 87
    68  r2 = *(u64 *)(r10 - 32)
    69  r2 = *(u64 *)(r2 + 0)                   # sock
    70  r3 = *(u64 *)(r2 + socket.sk)
    71  if r3 == 0x0 goto 102
    72  if r3 < 0x1000 goto 102
    73  r2 = *(u32 *)(r3 + sock.__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[2])
    74  r2 = be32 r2
    75  r2 <<= 32
    76  r3 = *(u32 *)(r3 + sock.__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[3])
    77  r3 = be32 r3
    78  r2 |= r3
    79  r3 = 1
    80  r2 >>= 32
    81  if r2 != 0xffff goto 87
    82  r3 = 16777343
    83  r3 = be32 r3
    84  r2 = 0xffff00000000 ll
    86  r3 |= r2
    87  r2 = r3
    88  r2 >>= 24
    89  if r2 != 0xffff0a goto 92
    90  if r4 == 0x0 goto 94
    91  goto 102
    92  if r4 != 0x0 goto 102
    93  if r3 != 0x1 goto 102
  ; network-and-texts.krs:1:1: on socket_connect when dst.ip in { "10.0.0.0/8", "::1" } and dst.port in { 53, 443 } deny
    94  r2 = krs_modes[0] ll
    96  r2 = *(u8 *)(r2 + 0)
    97  if r2 <= 0x1 goto 104
    98  if r2 > 0x2 goto 102
    99  r1 = 0
   100  r2 = 1
   101  call krs_would
   102  r0 = 0
   103  exit
   104  r0 = -1
   105  exit

socket_sendmsg:    # 162 instructions
  ; network-and-texts.krs:2:24: dst.port == 53
     0  r7 = *(u64 *)(r1 + 8)                   # msg
     1  r8 = *(u64 *)(r7 + msghdr.msg_name)
     2  r2 = *(u64 *)(r1 + 0)                   # sock
     3  r6 = *(u64 *)(r2 + socket.sk)
     4  if r6 == 0x0 goto 148
     5  if r6 < 0x1000 goto 148
     6  if r8 == 0x0 goto 40
     7  r9 = *(u16 *)(r6 + sock.sk_type)
     8  if r9 == 0x1 goto 13
     9  if r9 != 0x5 goto 17
    10  r2 = *(u16 *)(r6 + sock.__sk_common.skc_family)
    11  if r2 == 0x1 goto 40
    12  goto 17
    13  r2 = *(u32 *)(r7 + msghdr.msg_flags)
    14  if w2 & 0x20000000 goto 17
    15  r2 = *(u16 *)(r6 + sock.sk_protocol)
    16  if r2 != 0x84 goto 40
    17  r2 = *(u32 *)(r7 + msghdr.msg_namelen)
    18  if w2 == 0x0 goto 40
    19  *(u64 *)(r10 - 32) = r2
    20  r1 = r10
    21  r1 += -24
    22  r2 = 24
    23  r3 = r8
    24  call probe_read_kernel
    25  if r0 == 0x0 goto 32
    26  r2 = state[56] ll
    28  r3 = 1
    29  lock *(u64 *)(r2 + 0) += r3
  ; network-and-texts.krs:2:1: on socket_sendmsg when dst.port == 53 and dst.ip != "8.8.8.8" deny
    30  r0 = 0
    31  exit
  ; network-and-texts.krs:2:24: dst.port == 53
    32  r2 = *(u16 *)(r10 - 24)
    33  if r2 == 0x2 goto 46
    34  if r2 == 0xa goto 50
    35  if r2 != 0x0 goto 148
    36  r2 = *(u16 *)(r6 + sock.__sk_common.skc_family)
    37  if r2 == 0x2 goto 46
    38  if r2 != 0xa goto 40
    39  if r9 == 0x3 goto 50
    40  r2 = *(u16 *)(r6 + sock.__sk_common.skc_family)
    41  if r2 == 0x2 goto 43
    42  if r2 != 0xa goto 148
    43  r2 = *(u16 *)(r6 + sock.__sk_common.skc_dport)
    44  r2 = be16 r2
    45  goto 54
    46  r2 = *(u64 *)(r10 - 32)
    47  if w2 s>= 0x10 goto 52
  ; network-and-texts.krs:2:1: on socket_sendmsg when dst.port == 53 and dst.ip != "8.8.8.8" deny
    48  r0 = 0
    49  exit
  ; network-and-texts.krs:2:24: dst.port == 53
    50  r2 = *(u64 *)(r10 - 32)
    51  if w2 s< 0x18 goto 148
    52  r2 = *(u16 *)(r10 - 22)
    53  r2 = be16 r2
    54  if r2 != 0x35 goto 148
  ; network-and-texts.krs:2:43: dst.ip != "8.8.8.8"
    55  if r8 == 0x0 goto 76
    56  r2 = *(u16 *)(r6 + sock.sk_type)
    57  if r2 == 0x1 goto 62
    58  if r2 != 0x5 goto 66
    59  r3 = *(u16 *)(r6 + sock.__sk_common.skc_family)
    60  if r3 == 0x1 goto 76
    61  goto 66
    62  r3 = *(u32 *)(r7 + msghdr.msg_flags)
    63  if w3 & 0x20000000 goto 66
    64  r3 = *(u16 *)(r6 + sock.sk_protocol)
    65  if r3 != 0x84 goto 76
    66  r3 = *(u32 *)(r7 + msghdr.msg_namelen)
    67  if w3 == 0x0 goto 76
    68  r4 = *(u16 *)(r10 - 24)
    69  if r4 == 0x2 goto 93
    70  if r4 == 0xa goto 105
    71  if r4 != 0x0 goto 148
    72  r4 = *(u16 *)(r6 + sock.__sk_common.skc_family)
    73  if r4 == 0x2 goto 93
    74  if r4 != 0xa goto 76
    75  if r2 == 0x3 goto 105
    76  r2 = *(u16 *)(r6 + sock.__sk_common.skc_family)
    77  if r2 == 0x2 goto 138
    78  if r2 != 0xa goto 148
    79  r2 = *(u32 *)(r6 + sock.__sk_common.skc_v6_daddr.in6_u.u6_addr32[0])
    80  r2 = be32 r2
    81  r2 <<= 32
    82  r3 = *(u32 *)(r6 + sock.__sk_common.skc_v6_daddr.in6_u.u6_addr32[1])
    83  r3 = be32 r3
    84  r2 |= r3
    85  r4 = r2
    86  r2 = *(u32 *)(r6 + sock.__sk_common.skc_v6_daddr.in6_u.u6_addr32[2])
    87  r2 = be32 r2
    88  r2 <<= 32
    89  r3 = *(u32 *)(r6 + sock.__sk_common.skc_v6_daddr.in6_u.u6_addr32[3])
    90  r3 = be32 r3
    91  r2 |= r3
    92  goto 144
    93  if w3 s< 0x10 goto 148
    94  r2 = *(u32 *)(r10 - 20)
    95  if r2 != 0x0 goto 99
    96  r2 = *(u32 *)(r6 + sock.__sk_common.skc_rcv_saddr)
    97  if r2 != 0x0 goto 99
    98  r2 = 16777343
    99  r4 = 0
   100  r2 = be32 r2
   101  r3 = 0xffff00000000 ll
   103  r2 |= r3
   104  goto 144
   105  if w3 s< 0x18 goto 148
   106  r4 = *(u64 *)(r10 - 16)
   107  r4 = be64 r4
   108  r2 = *(u64 *)(r10 - 8)
   109  r2 = be64 r2
   110  if r4 != 0x0 goto 144
   111  if r2 == 0x0 goto 123
   112  r3 = 0xffff00000000 ll
   114  if r2 != r3 goto 144
   115  r2 = *(u32 *)(r6 + sock.__sk_common.skc_rcv_saddr)
   116  if r2 != 0x0 goto 118
   117  r2 = 16777343
   118  r2 = be32 r2
   119  r3 = 0xffff00000000 ll
   121  r2 |= r3
   122  goto 144
   123  r3 = *(u32 *)(r6 + sock.__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[2])
   124  r3 = be32 r3
   125  r3 <<= 32
   126  r2 = *(u32 *)(r6 + sock.__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[3])
   127  r2 = be32 r2
   128  r3 |= r2
   129  r2 = 1
   130  r3 >>= 32
   131  if r3 != 0xffff goto 144
   132  r2 = 16777343
   133  r2 = be32 r2
   134  r3 = 0xffff00000000 ll
   136  r2 |= r3
   137  goto 144
   138  r2 = *(u32 *)(r6 + sock.__sk_common.skc_daddr)
   139  r4 = 0
   140  r2 = be32 r2
   141  r3 = 0xffff00000000 ll
   143  r2 |= r3
   144  r3 = 0xffff08080808 ll
   146  if r2 != r3 goto 150
   147  if r4 != 0x0 goto 150
  ; network-and-texts.krs:2:1: on socket_sendmsg when dst.port == 53 and dst.ip != "8.8.8.8" deny
   148  r0 = 0
   149  exit
   150  r2 = krs_modes[1] ll
   152  r2 = *(u8 *)(r2 + 0)
   153  if r2 <= 0x1 goto 160
   154  if r2 > 0x2 goto 158
   155  r1 = 1
   156  r2 = 1
   157  call krs_would
   158  r0 = 0
   159  exit
   160  r0 = -1
   161  exit

file_open:    # 91 instructions
  ; network-and-texts.krs:3:19: file.flags & O_TRUNC == 0
     0  r2 = *(u64 *)(r1 + 0)                   # file
     1  r3 = *(u32 *)(r2 + file.f_flags)
     2  if w3 & 0x200 goto 10
  ; network-and-texts.krs:3:49: file.path in { "/etc/passwd", "/etc/shadow", "/srv" }
     3  r3 = *(u64 *)(r2 + file.f_path.dentry)
     4  r4 = *(u64 *)(r2 + file.f_path.mnt)
     5  r2 = *(u32 *)(r3 + dentry.d_name.len)
     6  if w2 == 0x3 goto 12
     7  if w2 == 0x6 goto 12
     8  r2 = *(u64 *)(r4 + vfsmount.mnt_root)
     9  if r2 == r3 goto 12
  ; network-and-texts.krs:3:1: on file_open when file.flags & O_TRUNC == 0 and file.path in { "/etc/passwd", "/etc/shadow", "/srv" } deny
    10  r0 = 0
    11  exit
  ; network-and-texts.krs:3:49: file.path in { "/etc/passwd", "/etc/shadow", "/srv" }
    12  *(u64 *)(r10 - 16) = r1
    13  *(u64 *)(r10 - 24) = r3
    14  *(u64 *)(r10 - 32) = r4
    15  call krs_claim
    16  *(u64 *)(r10 - 8) = r0
    17  if r0 == 0x0 goto 34
    18  r3 = *(u64 *)(r10 - 32)
    19  r4 = *(u64 *)(r3 + vfsmount.mnt_root)
    20  r2 = *(u64 *)(r10 - 24)
    21  r5 = *(u64 *)(r2 + dentry.d_hash.pprev)
    22  r1 = r0
    23  *(u64 *)(r0 + 8) = r2
    24  *(u64 *)(r0 + 16) = r3
    25  *(u64 *)(r0 + 48) = r4
    26  *(u64 *)(r0 + 56) = r5
    27  *(u64 *)(r0 + 64) = 4096
    28  call krs_path_near
    29  r2 = *(u64 *)(r10 - 8)
    30  r1 = *(u64 *)(r2 + 24)
    31  r2 = 4432
    32  call krs_path
    33  if r0 < 0x1000 goto 45
  ; network-and-texts.krs:3:1: on file_open when file.flags & O_TRUNC == 0 and file.path in { "/etc/passwd", "/etc/shadow", "/srv" } deny
    34  r2 = *(u64 *)(r10 - 8)
    35  if r2 == 0x0 goto 38
    36  r3 = -1
    37  lock *(u64 *)(r2 + 0) += r3
    38  r1 = *(u64 *)(r10 - 16)
    39  r2 = krs_parts_file_open ll
    41  r3 = 0
    42  call tail_call
    43  r0 = 0
    44  exit
  ; network-and-texts.krs:3:49: file.path in { "/etc/passwd", "/etc/shadow", "/srv" }
    45  if r0 != 0x4 goto 50
    46  r2 = *(u64 *)(r10 - 8)
    47  r2 = *(u32 *)(r2 + 4432)
    48  if w2 == 0x7672732f goto 63
    49  goto 86
    50  if r0 != 0xb goto 86
    51  r2 = *(u64 *)(r10 - 8)
    52  r3 = *(u64 *)(r2 + 4432)
    53  r4 = 0x7361702f6374652f ll
    55  if r3 != r4 goto 58
    56  r4 = *(u32 *)(r2 + 4439)
    57  if w4 == 0x64777373 goto 63
    58  r4 = 0x6168732f6374652f ll
    60  if r3 != r4 goto 86
    61  r2 = *(u32 *)(r2 + 4439)
    62  if w2 != 0x776f6461 goto 86
  ; network-and-texts.krs:3:1: on file_open when file.flags & O_TRUNC == 0 and file.path in { "/etc/passwd", "/etc/shadow", "/srv" } deny
    63  r2 = krs_modes[2] ll
    65  r2 = *(u8 *)(r2 + 0)
    66  if r2 <= 0x1 goto 81
    67  if r2 > 0x2 goto 71
    68  r1 = 2
    69  r2 = 1
    70  call krs_would
    71  r3 = -1
    72  r2 = *(u64 *)(r10 - 8)
    73  lock *(u64 *)(r2 + 0) += r3
    74  r1 = *(u64 *)(r10 - 16)
    75  r2 = krs_parts_file_open ll
    77  r3 = 1
    78  call tail_call
    79  r0 = 0
    80  exit
    81  r3 = -1
    82  r2 = *(u64 *)(r10 - 8)
    83  lock *(u64 *)(r2 + 0) += r3
    84  r0 = -1
    85  exit
    86  r3 = -1
    87  r2 = *(u64 *)(r10 - 8)
    88  lock *(u64 *)(r2 + 0) += r3
    89  r0 = 0
    90  exit

file_open_unread:    # 86 instructions
  ; network-and-texts.krs:3:19: file.flags & O_TRUNC == 0
     0  r2 = *(u64 *)(r1 + 0)                   # file
     1  r3 = *(u32 *)(r2 + file.f_flags)
     2  if w3 & 0x200 goto 10
  ; network-and-texts.krs:3:49: file.path in { "/etc/passwd", "/etc/shadow", "/srv" }
     3  r3 = *(u64 *)(r2 + file.f_path.dentry)
     4  r4 = *(u64 *)(r2 + file.f_path.mnt)
     5  r2 = *(u32 *)(r3 + dentry.d_name.len)
     6  if w2 == 0x3 goto 16
     7  if w2 == 0x6 goto 16
     8  r2 = *(u64 *)(r4 + vfsmount.mnt_root)
     9  if r2 == r3 goto 16
  ; network-and-texts.krs:3:1: on file_open when file.flags & O_TRUNC == 0 and file.path in { "/etc/passwd", "/etc/shadow", "/srv" } deny
    10  r2 = krs_parts_file_open ll
    12  r3 = 1
    13  call tail_call
    14  r0 = 0
    15  exit
  ; network-and-texts.krs:3:49: file.path in { "/etc/passwd", "/etc/shadow", "/srv" }
    16  *(u64 *)(r10 - 16) = r1
    17  *(u64 *)(r10 - 24) = r3
    18  *(u64 *)(r10 - 32) = r4
    19  call krs_claim
    20  *(u64 *)(r10 - 8) = r0
    21  if r0 == 0x0 goto 38
    22  r3 = *(u64 *)(r10 - 32)
    23  r4 = *(u64 *)(r3 + vfsmount.mnt_root)
    24  r2 = *(u64 *)(r10 - 24)
    25  r5 = *(u64 *)(r2 + dentry.d_hash.pprev)
    26  r1 = r0
    27  *(u64 *)(r0 + 8) = r2
    28  *(u64 *)(r0 + 16) = r3
    29  *(u64 *)(r0 + 48) = r4
    30  *(u64 *)(r0 + 56) = r5
    31  *(u64 *)(r0 + 64) = 4096
    32  call krs_path_near
    33  r2 = *(u64 *)(r10 - 8)
    34  r1 = *(u64 *)(r2 + 24)
    35  r2 = 4432
    36  call krs_path
    37  if r0 < 0x1000 goto 45
    38  r2 = state[64] ll
    40  r3 = 1
    41  lock *(u64 *)(r2 + 0) += r3
  ; network-and-texts.krs:3:1: on file_open when file.flags & O_TRUNC == 0 and file.path in { "/etc/passwd", "/etc/shadow", "/srv" } deny
    42  r2 = *(u64 *)(r10 - 8)
    43  if r2 != 0x0 goto 71
    44  goto 74
  ; network-and-texts.krs:3:49: file.path in { "/etc/passwd", "/etc/shadow", "/srv" }
    45  if r0 != 0x4 goto 50
    46  r2 = *(u64 *)(r10 - 8)
    47  r2 = *(u32 *)(r2 + 4432)
    48  if w2 == 0x7672732f goto 63
    49  goto 71
    50  if r0 != 0xb goto 71
    51  r2 = *(u64 *)(r10 - 8)
    52  r3 = *(u64 *)(r2 + 4432)
    53  r4 = 0x7361702f6374652f ll
    55  if r3 != r4 goto 58
    56  r4 = *(u32 *)(r2 + 4439)
    57  if w4 == 0x64777373 goto 63
    58  r4 = 0x6168732f6374652f ll
    60  if r3 != r4 goto 71
    61  r2 = *(u32 *)(r2 + 4439)
    62  if w2 != 0x776f6461 goto 71
  ; network-and-texts.krs:3:1: on file_open when file.flags & O_TRUNC == 0 and file.path in { "/etc/passwd", "/etc/shadow", "/srv" } deny
    63  r2 = krs_modes[2] ll
    65  r2 = *(u8 *)(r2 + 0)
    66  if r2 <= 0x1 goto 81
    67  if r2 > 0x2 goto 71
    68  r1 = 2
    69  r2 = 1
    70  call krs_would
    71  r3 = -1
    72  r2 = *(u64 *)(r10 - 8)
    73  lock *(u64 *)(r2 + 0) += r3
    74  r1 = *(u64 *)(r10 - 16)
    75  r2 = krs_parts_file_open ll
    77  r3 = 1
    78  call tail_call
    79  r0 = 0
    80  exit
    81  r3 = -1
    82  r2 = *(u64 *)(r10 - 8)
    83  lock *(u64 *)(r2 + 0) += r3
    84  r0 = -1
    85  exit

file_open_undecided:    # 111 instructions
  ; network-and-texts.krs:3:1: on file_open when file.flags & O_TRUNC == 0 and file.path in { "/etc/passwd", "/etc/shadow", "/srv" } deny
     0  *(u64 *)(r10 - 16) = r1
     1  r2 = exists(BPF_FUNC_get_current_task_btf)
     2  if r2 == 0x0 goto 6
     3  call get_current_task_btf
     4  r2 = *(u32 *)(r0 + task_struct.flags)
     5  goto 14
     6  call get_current_task
     7  r3 = task_struct.flags
     8  r3 += r0
     9  r1 = r10
    10  r1 += -8
    11  r2 = 4
    12  call probe_read_kernel
    13  r2 = *(u32 *)(r10 - 8)
    14  r2 &= 2097168
    15  if r2 == 0x200000 goto 27
  ; network-and-texts.krs:3:19: file.flags & O_TRUNC == 0
    16  r2 = *(u64 *)(r10 - 16)
    17  r2 = *(u64 *)(r2 + 0)                   # file
    18  r3 = *(u32 *)(r2 + file.f_flags)
    19  if w3 & 0x200 goto 27
  ; network-and-texts.krs:3:49: file.path in { "/etc/passwd", "/etc/shadow", "/srv" }
    20  r4 = *(u64 *)(r2 + file.f_path.mnt)
    21  r5 = *(u64 *)(r4 + vfsmount.mnt_root)
    22  r3 = *(u64 *)(r2 + file.f_path.dentry)
    23  if r5 == r3 goto 66
    24  r2 = *(u32 *)(r3 + dentry.d_name.len)
    25  if w2 == 0x3 goto 29
    26  if w2 == 0x6 goto 29
  ; network-and-texts.krs:3:1: on file_open when file.flags & O_TRUNC == 0 and file.path in { "/etc/passwd", "/etc/shadow", "/srv" } deny
    27  r0 = 0
    28  exit
    29  r2 = 0
    30  *(u64 *)(r10 - 24) = r2
    31  *(u64 *)(r10 - 32) = r4
    32  *(u64 *)(r10 - 40) = r5
    33  *(u64 *)(r10 - 48) = r3
    34  call krs_claim
    35  *(u64 *)(r10 - 16) = r0
    36  if r0 == 0x0 goto 55
    37  r2 = *(u64 *)(r10 - 48)
    38  r4 = *(u64 *)(r2 + dentry.d_hash.pprev)
    39  r1 = r0
    40  *(u64 *)(r0 + 8) = r2
    41  r3 = *(u64 *)(r10 - 32)
    42  *(u64 *)(r0 + 16) = r3
    43  r3 = *(u64 *)(r10 - 40)
    44  *(u64 *)(r0 + 48) = r3
    45  *(u64 *)(r0 + 56) = r4
    46  *(u64 *)(r0 + 64) = 4096
    47  call krs_path_near
    48  r2 = *(u64 *)(r10 - 16)
    49  r1 = *(u64 *)(r2 + 24)
    50  r2 = 4432
    51  call krs_path
    52  r2 = r0
    53  if r2 >= 0x1000 goto 55
    54  if r2 != 0xfffffffe goto 106
    55  r1 = 0
    56  r2 = 65537
    57  call krs_first
    58  if r0 == 0xffffffff goto 104
    59  if r0 >= 0x3 goto 104
    60  r2 = krs_modes[0] ll
    62  r2 += r0
    63  r2 = *(u8 *)(r2 + 0)
    64  if r2 > 0x1 goto 104
    65  goto 102
    66  r2 = 0
    67  *(u64 *)(r10 - 24) = r2
    68  *(u64 *)(r10 - 32) = r4
    69  *(u64 *)(r10 - 40) = r5
    70  *(u64 *)(r10 - 48) = r3
    71  call krs_claim
    72  *(u64 *)(r10 - 16) = r0
    73  if r0 == 0x0 goto 92
    74  r2 = *(u64 *)(r10 - 48)
    75  r4 = *(u64 *)(r2 + dentry.d_hash.pprev)
    76  r1 = r0
    77  *(u64 *)(r0 + 8) = r2
    78  r3 = *(u64 *)(r10 - 32)
    79  *(u64 *)(r0 + 16) = r3
    80  r3 = *(u64 *)(r10 - 40)
    81  *(u64 *)(r0 + 48) = r3
    82  *(u64 *)(r0 + 56) = r4
    83  *(u64 *)(r0 + 64) = 4096
    84  call krs_path_near
    85  r2 = *(u64 *)(r10 - 16)
    86  r1 = *(u64 *)(r2 + 24)
    87  r2 = 4432
    88  call krs_path
    89  r2 = r0
    90  if r2 >= 0x1000 goto 92
    91  if r2 != 0xfffffffe goto 106
    92  r1 = 0
    93  r2 = 65537
    94  call krs_first
    95  if r0 == 0xffffffff goto 104
    96  if r0 >= 0x3 goto 104
    97  r2 = krs_modes[0] ll
    99  r2 += r0
   100  r2 = *(u8 *)(r2 + 0)
   101  if r2 > 0x1 goto 104
   102  r2 = -1
   103  *(u64 *)(r10 - 24) = r2
   104  r2 = *(u64 *)(r10 - 16)
   105  if r2 == 0x0 goto 109
   106  r3 = -1
   107  r2 = *(u64 *)(r10 - 16)
   108  lock *(u64 *)(r2 + 0) += r3
   109  r0 = *(u64 *)(r10 - 24)
   110  exit

krs_claim:    # 62 instructions, 0 arguments
  ; scratch memory that no other program on this processor uses
     0  *(u32 *)(r10 - 4) = 0
     1  r1 = krs_scratch ll
     3  r2 = r10
     4  r2 += -4
     5  call map_lookup_elem
     6  if r0 == 0x0 goto 60
     7  r1 = 1
     8  lock *(u64 *)(r0 + 0) += r1
     9  r2 = *(u64 *)(r0 + 0)
    10  if r2 != 0x1 goto 13
    11  *(u64 *)(r0 + 24) = 0
    12  exit
    13  r1 = -1
    14  lock *(u64 *)(r0 + 0) += r1
    15  *(u32 *)(r10 - 4) = 1
    16  r1 = krs_scratch ll
    18  r2 = r10
    19  r2 += -4
    20  call map_lookup_elem
    21  if r0 == 0x0 goto 60
    22  r1 = 1
    23  lock *(u64 *)(r0 + 0) += r1
    24  r2 = *(u64 *)(r0 + 0)
    25  if r2 != 0x1 goto 28
    26  *(u64 *)(r0 + 24) = 1
    27  exit
    28  r1 = -1
    29  lock *(u64 *)(r0 + 0) += r1
    30  *(u32 *)(r10 - 4) = 2
    31  r1 = krs_scratch ll
    33  r2 = r10
    34  r2 += -4
    35  call map_lookup_elem
    36  if r0 == 0x0 goto 60
    37  r1 = 1
    38  lock *(u64 *)(r0 + 0) += r1
    39  r2 = *(u64 *)(r0 + 0)
    40  if r2 != 0x1 goto 43
    41  *(u64 *)(r0 + 24) = 2
    42  exit
    43  r1 = -1
    44  lock *(u64 *)(r0 + 0) += r1
    45  *(u32 *)(r10 - 4) = 3
    46  r1 = krs_scratch ll
    48  r2 = r10
    49  r2 += -4
    50  call map_lookup_elem
    51  if r0 == 0x0 goto 60
    52  r1 = 1
    53  lock *(u64 *)(r0 + 0) += r1
    54  r2 = *(u64 *)(r0 + 0)
    55  if r2 != 0x1 goto 58
    56  *(u64 *)(r0 + 24) = 3
    57  exit
    58  r1 = -1
    59  lock *(u64 *)(r0 + 0) += r1
    60  r0 = 0
    61  exit

krs_first:    # 20 instructions, 2 arguments
  ; the first rule of a list that is enforced
     0  r6 = r1
     1  r7 = r2
     2  r8 = 256
     3  r1 = r6
     4  r2 = r7
     5  call krs_row_step
     6  if r0 & 0x3 goto 13
     7  r6 += 4
     8  r8 -= 1
     9  if r8 == 0x0 goto 11
    10  if r0 & 0x10 goto 3
    11  r0 = -1
    12  exit
    13  if r6 > 0x0 goto 11
    14  r3 = constants[0] ll
    16  r3 += r6
    17  r0 = *(u32 *)(r3 + 0)
    18  r0 &= 2147483647
    19  exit

krs_head:    # 23 instructions, 4 arguments
  ; rule and verdict
     0  r6 = r1
     1  *(u32 *)(r6 + 32) = r2
     2  *(u32 *)(r6 + 36) = r3
     3  *(u64 *)(r6 + 48) = 0
  ; the count of lost events; this one is not lost
     4  r2 = *(u64 *)(r4 + 0)
     5  *(u64 *)(r6 + 40) = r2
     6  r4 += 24
     7  r2 = 1
     8  lock *(u64 *)(r4 + 0) += r2
  ; time, task and cgroup
     9  call ktime_get_boot_ns
    10  *(u64 *)(r6 + 0) = r0
    11  call get_current_pid_tgid
    12  *(u64 *)(r6 + 8) = r0
    13  call get_current_uid_gid
    14  *(u64 *)(r6 + 16) = r0
    15  call get_current_cgroup_id
    16  *(u64 *)(r6 + 24) = r0
    17  r1 = r6
    18  r1 += 56
    19  r2 = 16
    20  call get_current_comm
    21  r0 = r6
    22  exit

krs_no_room:    # 10 instructions, 1 arguments
  ; count the event as lost
     0  r2 = r1
     1  if r2 >= 0x3 goto 8
     2  r2 <<= 3
     3  r4 = krs_lost[0] ll
     5  r4 += r2
     6  r2 = 1
     7  lock *(u64 *)(r4 + 0) += r2
     8  r0 = 0
     9  exit

krs_path:    # 88 instructions, 2 arguments
  ; the dentry and the mount to start from
     0  r6 = r1
     1  r8 = r2
     2  *(u32 *)(r10 - 4) = r1
     3  r1 = krs_scratch ll
     5  r2 = r10
     6  r2 += -4
     7  call map_lookup_elem
     8  if r0 == 0x0 goto 86
     9  r7 = r0
    10  *(u64 *)(r7 + 4168) = 0
    11  r9 = *(u64 *)(r7 + 16)
    12  r1 = mount.mnt
    13  r9 -= r1
    14  *(u64 *)(r7 + 16) = r9
    15  r3 = mount.mnt_parent
    16  r1 = mount.mnt_mountpoint
    17  r1 -= r3
    18  if r1 != 0x8 goto 26
    19  r3 += r9
    20  r1 = r7
    21  r1 += 32
    22  r2 = 16
    23  call probe_read_kernel
    24  if r0 != 0x0 goto 86
    25  goto 40
    26  r3 = mount.mnt_parent
    27  r3 += r9
    28  r1 = r7
    29  r1 += 32
    30  r2 = 8
    31  call probe_read_kernel
    32  if r0 != 0x0 goto 86
    33  r3 = mount.mnt_mountpoint
    34  r3 += r9
    35  r1 = r7
    36  r1 += 40
    37  r2 = 8
    38  call probe_read_kernel
    39  if r0 != 0x0 goto 86
    40  r1 = *(u64 *)(r7 + 48)
    41  if r1 == 0x0 goto 86
  ; an unhashed dentry was deleted
    42  r2 = *(u64 *)(r7 + 56)
    43  if r2 != 0x0 goto 52
    44  r2 = *(u64 *)(r7 + 8)
    45  if r2 == r1 goto 52
    46  *(u16 *)(r7 + 4158) = 10272
    47  *(u16 *)(r7 + 4160) = 25956
    48  *(u16 *)(r7 + 4162) = 25964
    49  *(u16 *)(r7 + 4164) = 25972
    50  *(u16 *)(r7 + 4166) = 10596
    51  *(u64 *)(r7 + 64) = 4086
    52  r9 = 138
  ; step by step
    53  r1 = r6
    54  call krs_path_step
    55  if r0 != 0x0 goto 59
    56  r9 += -1
    57  if r9 != 0x0 goto 53
    58  goto 86
    59  if r0 != 0x1 goto 86
    60  if r8 > 0x1150 goto 86
    61  r1 = r7
    62  r1 += r8
  ; the root itself has no name
    63  r8 = *(u64 *)(r7 + 64)
    64  if r8 != 0x1000 goto 67
    65  r8 = 4095
    66  *(u8 *)(r7 + 4167) = 47
  ; copy the path, its NUL and some bytes after it, which nobody reads
    67  r8 &= 4095
    68  r3 = r7
    69  r3 += r8
    70  r0 = 4096
    71  r0 -= r8
    72  r2 = r0
    73  r4 = *(u64 *)(r3 + 72)
    74  *(u64 *)(r1 + 0) = r4
    75  r4 = *(u64 *)(r3 + 80)
    76  *(u64 *)(r1 + 8) = r4
    77  r4 = *(u64 *)(r3 + 88)
    78  *(u64 *)(r1 + 16) = r4
    79  r4 = *(u64 *)(r3 + 96)
    80  *(u64 *)(r1 + 24) = r4
    81  r3 += 32
    82  r1 += 32
    83  r2 += -32
    84  if r2 s>= 0x0 goto 73
    85  exit
    86  r0 = -1
    87  exit

krs_path_near:    # 49 instructions, 2 arguments
  ; a hashed dentry
     0  r7 = r1
     1  r6 = r2
     2  r1 = *(u64 *)(r7 + 56)
     3  if r1 == 0x0 goto 46
     4  r9 = 8
     5  r1 = *(u64 *)(r7 + 48)
     6  if r6 == r1 goto 46
     7  r8 = *(u64 *)(r6 + dentry.d_parent)
     8  if r6 == r8 goto 46
  ; a short name
     9  r1 = exists(dentry.d_shortname)
    10  if r1 != 0x0 goto 13
    11  r1 = dentry.d_iname
    12  goto 14
    13  r1 = dentry.d_shortname
    14  r1 += r6
    15  r3 = *(u64 *)(r6 + dentry.d_name.name)
    16  if r3 != r1 goto 46
    17  r5 = *(u32 *)(r6 + dentry.d_name.len)
    18  if r5 == 0x0 goto 46
    19  if r5 > 0x20 goto 46
    20  r2 = *(u64 *)(r7 + 64)
    21  r2 -= r5
    22  r2 += -1
    23  if r2 s< 0x0 goto 46
    24  r2 &= 4095
    25  *(u64 *)(r7 + 64) = r2
    26  r2 += r7
    27  *(u8 *)(r2 + 72) = 47
  ; in words; the bytes that the last one overwrites are restored
    28  r4 = r2
    29  r4 += r5
    30  r0 = *(u64 *)(r4 + 73)
    31  r3 = *(u64 *)(r1 + 0)
    32  *(u64 *)(r2 + 73) = r3
    33  if r5 <= 0x8 goto 42
    34  r3 = *(u64 *)(r1 + 8)
    35  *(u64 *)(r2 + 81) = r3
    36  if r5 <= 0x10 goto 42
    37  r3 = *(u64 *)(r1 + 16)
    38  *(u64 *)(r2 + 89) = r3
    39  if r5 <= 0x18 goto 42
    40  r3 = *(u64 *)(r1 + 24)
    41  *(u64 *)(r2 + 97) = r3
    42  *(u64 *)(r4 + 73) = r0
    43  r6 = r8
    44  r9 += -1
    45  if r9 != 0x0 goto 5
    46  *(u64 *)(r7 + 8) = r6
    47  r0 = 0
    48  exit

krs_path_step:    # 168 instructions, 1 arguments
  ; the path so far
     0  *(u32 *)(r10 - 4) = r1
     1  r1 = krs_scratch ll
     3  r2 = r10
     4  r2 += -4
     5  call map_lookup_elem
     6  if r0 == 0x0 goto 166
     7  r7 = r0
     8  r6 = *(u64 *)(r7 + 8)
     9  r9 = 16
    10  r1 = *(u64 *)(r7 + 48)
    11  if r6 != r1 goto 85
  ; from the root of a mount to its mount point
    12  r8 = *(u64 *)(r7 + 32)
    13  r1 = *(u64 *)(r7 + 16)
    14  if r8 != r1 goto 47
  ; the root of the task's mount namespace
    15  r1 = exists(BPF_FUNC_get_current_task_btf)
    16  if r1 == 0x0 goto 24
    17  call get_current_task_btf
    18  r1 = *(u64 *)(r0 + task_struct.nsproxy)
    19  if r1 == 0x0 goto 24
    20  r1 = *(u64 *)(r1 + nsproxy.mnt_ns)
    21  if r1 == 0x0 goto 24
    22  r1 = *(u64 *)(r1 + mnt_namespace.root)
    23  if r8 == r1 goto 164
  ; the root of another namespace, or of none
    24  r3 = mount.mnt_ns
    25  r3 += r8
    26  r1 = r10
    27  r1 += -32
    28  r2 = 8
    29  call probe_read_kernel
    30  if r0 != 0x0 goto 166
    31  r3 = *(u64 *)(r10 - 32)
    32  if r3 == 0x0 goto 139
    33  if r3 >= 0xfffff001 goto 139
    34  r1 = mnt_namespace.ns.inum
    35  r3 += r1
    36  r1 = r10
    37  r1 += -32
    38  r2 = 4
    39  call probe_read_kernel
    40  if r0 != 0x0 goto 166
    41  r1 = *(u32 *)(r10 - 32)
    42  if r1 == 0x0 goto 139
    43  r2 = 0xeffffff7 ll
    45  if r1 != r2 goto 164
    46  goto 139
    47  *(u64 *)(r7 + 16) = r8
    48  r6 = *(u64 *)(r7 + 40)
    49  r3 = mount.mnt_parent
    50  r1 = mount.mnt_mountpoint
    51  r1 -= r3
    52  if r1 != 0x8 goto 63
    53  r1 = mount.mnt.mnt_root
    54  r1 -= r3
    55  if r1 != 0x10 goto 63
    56  r3 += r8
    57  r1 = r7
    58  r1 += 32
    59  r2 = 24
    60  call probe_read_kernel
    61  if r0 != 0x0 goto 166
    62  goto 84
    63  r3 = mount.mnt_parent
    64  r3 += r8
    65  r1 = r7
    66  r1 += 32
    67  r2 = 8
    68  call probe_read_kernel
    69  if r0 != 0x0 goto 166
    70  r3 = mount.mnt_mountpoint
    71  r3 += r8
    72  r1 = r7
    73  r1 += 40
    74  r2 = 8
    75  call probe_read_kernel
    76  if r0 != 0x0 goto 166
    77  r3 = mount.mnt.mnt_root
    78  r3 += r8
    79  r1 = r7
    80  r1 += 48
    81  r2 = 8
    82  call probe_read_kernel
    83  if r0 != 0x0 goto 166
    84  goto 159
  ; one component up
    85  r3 = dentry.d_parent
    86  r1 = dentry.d_name
    87  r1 -= r3
    88  if r1 != 0x8 goto 96
    89  r3 += r6
    90  r1 = r10
    91  r1 += -32
    92  r2 = 24
    93  call probe_read_kernel
    94  if r0 != 0x0 goto 166
    95  goto 110
    96  r3 = dentry.d_parent
    97  r3 += r6
    98  r1 = r10
    99  r1 += -32
   100  r2 = 8
   101  call probe_read_kernel
   102  if r0 != 0x0 goto 166
   103  r3 = dentry.d_name
   104  r3 += r6
   105  r1 = r10
   106  r1 += -24
   107  r2 = 16
   108  call probe_read_kernel
   109  if r0 != 0x0 goto 166
   110  r5 = *(u32 *)(r10 - 20)
   111  r3 = *(u64 *)(r10 - 16)
   112  if r5 == 0x0 goto 166
   113  if r5 > 0xff goto 166
   114  r2 = *(u64 *)(r7 + 64)
   115  r2 -= r5
   116  r2 += -1
   117  if r2 s< 0x0 goto 166
   118  r2 &= 4095
   119  *(u64 *)(r7 + 64) = r2
   120  r2 += r7
   121  *(u8 *)(r2 + 72) = 47
   122  r1 = r2
   123  r1 += 73
   124  r2 = r5
   125  r2 &= 255
   126  call probe_read_kernel
   127  if r0 != 0x0 goto 166
  ; files without a directory, such as those of memfd_create, are their own parent
   128  r8 = r6
   129  r6 = *(u64 *)(r10 - 32)
   130  if r6 != r8 goto 159
   131  r2 = *(u64 *)(r7 + 64)
   132  r2 &= 4095
   133  r1 = r2
   134  r2 += r7
   135  r2 = *(u8 *)(r2 + 73)
   136  if r2 != 0x2f goto 164
  ; a root that is not that of the mount: no directory of the mount leads to the file
   137  r1 += 2
   138  *(u64 *)(r7 + 64) = r1
  ; no path leads to the file
   139  r2 = *(u64 *)(r7 + 64)
   140  r2 += -13
   141  if r2 s< 0x0 goto 166
   142  r2 &= 4095
   143  *(u64 *)(r7 + 64) = r2
   144  r2 += r7
   145  *(u8 *)(r2 + 72) = 40
   146  *(u8 *)(r2 + 73) = 117
   147  *(u8 *)(r2 + 74) = 110
   148  *(u8 *)(r2 + 75) = 114
   149  *(u8 *)(r2 + 76) = 101
   150  *(u8 *)(r2 + 77) = 97
   151  *(u8 *)(r2 + 78) = 99
   152  *(u8 *)(r2 + 79) = 104
   153  *(u8 *)(r2 + 80) = 97
   154  *(u8 *)(r2 + 81) = 98
   155  *(u8 *)(r2 + 82) = 108
   156  *(u8 *)(r2 + 83) = 101
   157  *(u8 *)(r2 + 84) = 41
   158  goto 164
   159  r9 += -1
   160  if r9 != 0x0 goto 10
   161  *(u64 *)(r7 + 8) = r6
   162  r0 = 0
   163  exit
   164  r0 = 1
   165  exit
   166  r0 = 2
   167  exit

krs_row_step:    # 25 instructions, 2 arguments
  ; the action of a rule of the row
     0  if r1 > 0x0 goto 23
     1  r3 = constants[0] ll
     3  r3 += r1
     4  r6 = *(u32 *)(r3 + 0)
     5  r1 = r6
     6  r1 &= 2147483647
     7  if r1 >= 0x3 goto 23
     8  r3 = krs_modes[0] ll
    10  r3 += r1
    11  r4 = *(u8 *)(r3 + 0)
    12  r4 &= 3
    13  r7 = 1
    14  r7 <<= r4
    15  r6 >>= 31
    16  r6 <<= 4
    17  r7 |= r6
    18  if r4 != 0x2 goto 21
    19  if r2 == 0x0 goto 21
    20  call krs_would
    21  r0 = r7
    22  exit
    23  r0 = 0
    24  exit

krs_would:    # 28 instructions, 2 arguments
  ; reserve an event
     0  r6 = r1
     1  r7 = r2
     2  r2 = r6
     3  if r2 >= 0x3 goto 26
     4  r2 <<= 3
     5  r4 = krs_lost[0] ll
     7  r4 += r2
     8  r8 = r4
     9  r1 = krs_events ll
    11  r2 = 72
    12  r3 = 0
    13  call ringbuf_reserve
    14  if r0 == 0x0 goto 24
  ; an event that is only a header
    15  r1 = r0
    16  r2 = r6
    17  r3 = r7
    18  r4 = r8
    19  call krs_head
    20  r1 = r0
    21  r2 = 0
    22  call ringbuf_submit
    23  goto 26
    24  r1 = r6
    25  call krs_no_room
    26  r0 = 0
    27  exit
