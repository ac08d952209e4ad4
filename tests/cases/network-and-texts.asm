socket_connect:    # 60 instructions
  ; network-and-texts.krs:1:62: dst.port in { 53, 443 }
     0  r4 = *(u64 *)(r1 + 8)                   # address
     1  r2 = *(u32 *)(r1 + 16)                  # addrlen
     2  r3 = *(u16 *)(r4 + 0)
     3  if r3 == 0x2 goto 8
     4  if r3 != 0xa goto 22
     5  if w2 s>= 0x18 goto 9
  ; network-and-texts.krs:1:1: on socket_connect when dst.ip in { "10.0.0.0/8", "::1" } and dst.port in { 53, 443 } deny
     6  r0 = 0
     7  exit
  ; network-and-texts.krs:1:62: dst.port in { 53, 443 }
     8  if w2 s< 0x10 goto 22
     9  r5 = *(u16 *)(r4 + 2)
    10  if w5 == 0x3500 goto 12
    11  if w5 != 0xbb01 goto 22
  ; network-and-texts.krs:1:24: dst.ip in { "10.0.0.0/8", "::1" }
    12  if r3 == 0x2 goto 17
    13  if r3 != 0xa goto 22
    14  if w2 s>= 0x18 goto 24
  ; network-and-texts.krs:1:1: on socket_connect when dst.ip in { "10.0.0.0/8", "::1" } and dst.port in { 53, 443 } deny
    15  r0 = 0
    16  exit
  ; network-and-texts.krs:1:24: dst.ip in { "10.0.0.0/8", "::1" }
    17  if w2 s< 0x10 goto 22
    18  r2 = *(u32 *)(r4 + 4)
    19  r2 = be32 r2
    20  w2 >>= 24
    21  if w2 == 0xa goto 48
  ; network-and-texts.krs:1:1: on socket_connect when dst.ip in { "10.0.0.0/8", "::1" } and dst.port in { 53, 443 } deny
    22  r0 = 0
    23  exit
  ; network-and-texts.krs:1:24: dst.ip in { "10.0.0.0/8", "::1" }
    24  r1 = r10
    25  r1 += -16
    26  r2 = 16
    27  r3 = r4
    28  r3 += 8
    29  call probe_read_kernel
    30  if r0 == 0x0 goto 37
    31  r2 = state[48] ll
    33  r3 = 1
    34  lock *(u64 *)(r2 + 0) += r3
  ; network-and-texts.krs:1:1: on socket_connect when dst.ip in { "10.0.0.0/8", "::1" } and dst.port in { 53, 443 } deny
    35  r0 = 0
    36  exit
  ; network-and-texts.krs:1:24: dst.ip in { "10.0.0.0/8", "::1" }
    37  r2 = *(u64 *)(r10 - 16)
    38  r2 = be64 r2
    39  r3 = *(u64 *)(r10 - 8)
    40  r3 = be64 r3
    41  r4 = r3
    42  r4 >>= 24
    43  if r4 != 0xffff0a goto 46
    44  if r2 == 0x0 goto 48
    45  goto 56
    46  if r2 != 0x0 goto 56
    47  if r3 != 0x1 goto 56
  ; network-and-texts.krs:1:1: on socket_connect when dst.ip in { "10.0.0.0/8", "::1" } and dst.port in { 53, 443 } deny
    48  r2 = krs_modes[0] ll
    50  r2 = *(u8 *)(r2 + 0)
    51  if r2 <= 0x1 goto 58
    52  if r2 > 0x2 goto 56
    53  r1 = 0
    54  r2 = 1
    55  call krs_would
    56  r0 = 0
    57  exit
    58  r0 = -1
    59  exit

socket_sendmsg:    # 102 instructions
  ; network-and-texts.krs:2:1: on socket_sendmsg when dst.port == 53 and dst.ip != "8.8.8.8" deny
     0  r6 = r1
  ; network-and-texts.krs:2:24: dst.port == 53
     1  r7 = *(u64 *)(r1 + 8)                   # msg
     2  r8 = *(u64 *)(r7 + msghdr.msg_name)
     3  if r8 == 0x0 goto 27
     4  r9 = *(u32 *)(r7 + msghdr.msg_namelen)
     5  r1 = r10
     6  r1 += -24
     7  r2 = 24
     8  r3 = r8
     9  call probe_read_kernel
    10  if r0 == 0x0 goto 17
    11  r2 = state[56] ll
    13  r3 = 1
    14  lock *(u64 *)(r2 + 0) += r3
  ; network-and-texts.krs:2:1: on socket_sendmsg when dst.port == 53 and dst.ip != "8.8.8.8" deny
    15  r0 = 0
    16  exit
  ; network-and-texts.krs:2:24: dst.port == 53
    17  r2 = *(u16 *)(r10 - 24)
    18  if r2 == 0x2 goto 23
    19  if r2 != 0xa goto 88
    20  if w9 s>= 0x18 goto 24
  ; network-and-texts.krs:2:1: on socket_sendmsg when dst.port == 53 and dst.ip != "8.8.8.8" deny
    21  r0 = 0
    22  exit
  ; network-and-texts.krs:2:24: dst.port == 53
    23  if w9 s< 0x10 goto 88
    24  r2 = *(u16 *)(r10 - 22)
    25  r2 = be16 r2
    26  goto 36
    27  r2 = *(u64 *)(r6 + 0)                   # sock
    28  r2 = *(u64 *)(r2 + socket.sk)
    29  if r2 == 0x0 goto 88
    30  if r2 < 0x1000 goto 88
    31  r3 = *(u16 *)(r2 + sock.__sk_common.skc_family)
    32  if r3 == 0x2 goto 34
    33  if r3 != 0xa goto 88
    34  r2 = *(u16 *)(r2 + sock.__sk_common.skc_dport)
    35  r2 = be16 r2
    36  if r2 != 0x35 goto 88
  ; network-and-texts.krs:2:43: dst.ip != "8.8.8.8"
    37  if r8 == 0x0 goto 56
    38  r2 = *(u32 *)(r7 + msghdr.msg_namelen)
    39  r3 = *(u16 *)(r10 - 24)
    40  if r3 == 0x2 goto 48
    41  if r3 != 0xa goto 88
    42  if w2 s< 0x18 goto 88
    43  r4 = *(u64 *)(r10 - 16)
    44  r4 = be64 r4
    45  r2 = *(u64 *)(r10 - 8)
    46  r2 = be64 r2
    47  goto 84
    48  if w2 s< 0x10 goto 88
    49  r2 = *(u32 *)(r10 - 20)
    50  r2 = be32 r2
    51  r3 = 0xffff00000000 ll
    53  r2 |= r3
    54  r4 = 0
    55  goto 84
    56  r2 = *(u64 *)(r6 + 0)                   # sock
    57  r2 = *(u64 *)(r2 + socket.sk)
    58  if r2 == 0x0 goto 88
    59  if r2 < 0x1000 goto 88
    60  r3 = *(u16 *)(r2 + sock.__sk_common.skc_family)
    61  if r3 == 0x2 goto 78
    62  if r3 != 0xa goto 88
    63  r3 = *(u32 *)(r2 + sock.__sk_common.skc_v6_daddr.in6_u.u6_addr32[0])
    64  r3 = be32 r3
    65  r3 <<= 32
    66  r4 = *(u32 *)(r2 + sock.__sk_common.skc_v6_daddr.in6_u.u6_addr32[1])
    67  r4 = be32 r4
    68  r3 |= r4
    69  r4 = r3
    70  r3 = *(u32 *)(r2 + sock.__sk_common.skc_v6_daddr.in6_u.u6_addr32[2])
    71  r3 = be32 r3
    72  r3 <<= 32
    73  r2 = *(u32 *)(r2 + sock.__sk_common.skc_v6_daddr.in6_u.u6_addr32[3])
    74  r2 = be32 r2
    75  r3 |= r2
    76  r2 = r3
    77  goto 84
    78  r2 = *(u32 *)(r2 + sock.__sk_common.skc_daddr)
    79  r2 = be32 r2
    80  r3 = 0xffff00000000 ll
    82  r2 |= r3
    83  r4 = 0
    84  r3 = 0xffff08080808 ll
    86  if r2 != r3 goto 90
    87  if r4 != 0x0 goto 90
  ; network-and-texts.krs:2:1: on socket_sendmsg when dst.port == 53 and dst.ip != "8.8.8.8" deny
    88  r0 = 0
    89  exit
    90  r2 = krs_modes[1] ll
    92  r2 = *(u8 *)(r2 + 0)
    93  if r2 <= 0x1 goto 100
    94  if r2 > 0x2 goto 98
    95  r1 = 1
    96  r2 = 1
    97  call krs_would
    98  r0 = 0
    99  exit
   100  r0 = -1
   101  exit

file_open:    # 76 instructions
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
    12  *(u64 *)(r10 - 16) = r3
    13  *(u64 *)(r10 - 24) = r4
    14  call krs_claim
    15  *(u64 *)(r10 - 8) = r0
    16  if r0 == 0x0 goto 33
    17  r3 = *(u64 *)(r10 - 24)
    18  r4 = *(u64 *)(r3 + vfsmount.mnt_root)
    19  r2 = *(u64 *)(r10 - 16)
    20  r5 = *(u64 *)(r2 + dentry.d_hash.pprev)
    21  r1 = r0
    22  *(u64 *)(r0 + 8) = r2
    23  *(u64 *)(r0 + 16) = r3
    24  *(u64 *)(r0 + 48) = r4
    25  *(u64 *)(r0 + 56) = r5
    26  *(u64 *)(r0 + 64) = 4096
    27  call krs_path_near
    28  r2 = *(u64 *)(r10 - 8)
    29  r1 = *(u64 *)(r2 + 24)
    30  r2 = 4432
    31  call krs_path
    32  if r0 < 0x1000 goto 40
    33  r2 = state[64] ll
    35  r3 = 1
    36  lock *(u64 *)(r2 + 0) += r3
  ; network-and-texts.krs:3:1: on file_open when file.flags & O_TRUNC == 0 and file.path in { "/etc/passwd", "/etc/shadow", "/srv" } deny
    37  r2 = *(u64 *)(r10 - 8)
    38  if r2 != 0x0 goto 66
    39  goto 69
  ; network-and-texts.krs:3:49: file.path in { "/etc/passwd", "/etc/shadow", "/srv" }
    40  if r0 != 0x4 goto 45
    41  r2 = *(u64 *)(r10 - 8)
    42  r2 = *(u32 *)(r2 + 4432)
    43  if w2 == 0x7672732f goto 58
    44  goto 66
    45  if r0 != 0xb goto 66
    46  r2 = *(u64 *)(r10 - 8)
    47  r3 = *(u64 *)(r2 + 4432)
    48  r4 = 0x7361702f6374652f ll
    50  if r3 != r4 goto 53
    51  r4 = *(u32 *)(r2 + 4439)
    52  if w4 == 0x64777373 goto 58
    53  r4 = 0x6168732f6374652f ll
    55  if r3 != r4 goto 66
    56  r2 = *(u32 *)(r2 + 4439)
    57  if w2 != 0x776f6461 goto 66
  ; network-and-texts.krs:3:1: on file_open when file.flags & O_TRUNC == 0 and file.path in { "/etc/passwd", "/etc/shadow", "/srv" } deny
    58  r2 = krs_modes[2] ll
    60  r2 = *(u8 *)(r2 + 0)
    61  if r2 <= 0x1 goto 71
    62  if r2 > 0x2 goto 66
    63  r1 = 2
    64  r2 = 1
    65  call krs_would
    66  r3 = -1
    67  r2 = *(u64 *)(r10 - 8)
    68  lock *(u64 *)(r2 + 0) += r3
    69  r0 = 0
    70  exit
    71  r3 = -1
    72  r2 = *(u64 *)(r10 - 8)
    73  lock *(u64 *)(r2 + 0) += r3
    74  r0 = -1
    75  exit

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

krs_path_step:    # 108 instructions, 1 arguments
  ; the path so far
     0  *(u32 *)(r10 - 4) = r1
     1  r1 = krs_scratch ll
     3  r2 = r10
     4  r2 += -4
     5  call map_lookup_elem
     6  if r0 == 0x0 goto 106
     7  r7 = r0
     8  r6 = *(u64 *)(r7 + 8)
     9  r9 = 16
    10  r1 = *(u64 *)(r7 + 48)
    11  if r6 != r1 goto 53
  ; from the root of a mount to its mount point
    12  r8 = *(u64 *)(r7 + 32)
    13  r1 = *(u64 *)(r7 + 16)
    14  if r8 == r1 goto 104
    15  *(u64 *)(r7 + 16) = r8
    16  r6 = *(u64 *)(r7 + 40)
    17  r3 = mount.mnt_parent
    18  r1 = mount.mnt_mountpoint
    19  r1 -= r3
    20  if r1 != 0x8 goto 31
    21  r1 = mount.mnt.mnt_root
    22  r1 -= r3
    23  if r1 != 0x10 goto 31
    24  r3 += r8
    25  r1 = r7
    26  r1 += 32
    27  r2 = 24
    28  call probe_read_kernel
    29  if r0 != 0x0 goto 106
    30  goto 52
    31  r3 = mount.mnt_parent
    32  r3 += r8
    33  r1 = r7
    34  r1 += 32
    35  r2 = 8
    36  call probe_read_kernel
    37  if r0 != 0x0 goto 106
    38  r3 = mount.mnt_mountpoint
    39  r3 += r8
    40  r1 = r7
    41  r1 += 40
    42  r2 = 8
    43  call probe_read_kernel
    44  if r0 != 0x0 goto 106
    45  r3 = mount.mnt.mnt_root
    46  r3 += r8
    47  r1 = r7
    48  r1 += 48
    49  r2 = 8
    50  call probe_read_kernel
    51  if r0 != 0x0 goto 106
    52  goto 99
  ; one component up
    53  r3 = dentry.d_parent
    54  r1 = dentry.d_name
    55  r1 -= r3
    56  if r1 != 0x8 goto 64
    57  r3 += r6
    58  r1 = r10
    59  r1 += -32
    60  r2 = 24
    61  call probe_read_kernel
    62  if r0 != 0x0 goto 106
    63  goto 78
    64  r3 = dentry.d_parent
    65  r3 += r6
    66  r1 = r10
    67  r1 += -32
    68  r2 = 8
    69  call probe_read_kernel
    70  if r0 != 0x0 goto 106
    71  r3 = dentry.d_name
    72  r3 += r6
    73  r1 = r10
    74  r1 += -24
    75  r2 = 16
    76  call probe_read_kernel
    77  if r0 != 0x0 goto 106
    78  r5 = *(u32 *)(r10 - 20)
    79  r3 = *(u64 *)(r10 - 16)
    80  if r5 == 0x0 goto 106
    81  if r5 > 0xff goto 106
    82  r2 = *(u64 *)(r7 + 64)
    83  r2 -= r5
    84  r2 += -1
    85  if r2 s< 0x0 goto 106
    86  r2 &= 4095
    87  *(u64 *)(r7 + 64) = r2
    88  r2 += r7
    89  *(u8 *)(r2 + 72) = 47
    90  r1 = r2
    91  r1 += 73
    92  r2 = r5
    93  r2 &= 255
    94  call probe_read_kernel
    95  if r0 != 0x0 goto 106
  ; files without a directory, such as those of memfd_create, are their own parent
    96  r8 = r6
    97  r6 = *(u64 *)(r10 - 32)
    98  if r6 == r8 goto 104
    99  r9 += -1
   100  if r9 != 0x0 goto 10
   101  *(u64 *)(r7 + 8) = r6
   102  r0 = 0
   103  exit
   104  r0 = 1
   105  exit
   106  r0 = 2
   107  exit

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
