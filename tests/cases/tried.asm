file_open:    # 121 instructions
  ; tried.krs:2:1: either: on file_open when (file.flags & O_TRUNC and file.path under "/srv/data") or (task.uid == 1000 and file.path under "/srv/logs") deny
     0  *(u64 *)(r10 - 8) = r1
  ; tried.krs:3:9: file.flags & O_TRUNC
     1  r2 = *(u64 *)(r1 + 0)                   # file
     2  *(u64 *)(r10 - 24) = r2
     3  r4 = *(u32 *)(r2 + file.f_flags)
     4  if w4 & 0x200 goto 9
  ; tried.krs:3:67: task.uid == 1000
     5  call get_current_uid_gid
     6  if w0 == 0x3e8 goto 45
  ; tried.krs:2:1: either: on file_open when (file.flags & O_TRUNC and file.path under "/srv/data") or (task.uid == 1000 and file.path under "/srv/logs") deny
     7  r0 = 0
     8  exit
  ; tried.krs:3:34: file.path under "/srv/data"
     9  call krs_claim
    10  *(u64 *)(r10 - 16) = r0
    11  if r0 == 0x0 goto 67
    12  r2 = *(u64 *)(r10 - 24)
    13  r3 = *(u64 *)(r2 + file.f_path.dentry)
    14  r2 = *(u64 *)(r2 + file.f_path.mnt)
    15  r4 = *(u64 *)(r2 + vfsmount.mnt_root)
    16  r5 = *(u64 *)(r3 + dentry.d_hash.pprev)
    17  r1 = r0
    18  *(u64 *)(r0 + 8) = r3
    19  *(u64 *)(r0 + 16) = r2
    20  *(u64 *)(r0 + 48) = r4
    21  *(u64 *)(r0 + 56) = r5
    22  *(u64 *)(r0 + 64) = 4096
    23  r2 = r3
    24  call krs_path_near
    25  r2 = *(u64 *)(r10 - 16)
    26  r1 = *(u64 *)(r2 + 24)
    27  r2 = 4432
    28  call krs_path
    29  r3 = r0
    30  if r3 >= 0x1000 goto 67
    31  if r3 < 0x9 goto 42
    32  r2 = *(u64 *)(r10 - 16)
    33  r4 = *(u64 *)(r2 + 4432)
    34  r5 = 0x7461642f7672732f ll
    36  if r4 != r5 goto 42
    37  r4 = *(u8 *)(r2 + 4440)
    38  if w4 != 0x61 goto 42
    39  if r3 == 0x9 goto 89
    40  r2 = *(u8 *)(r2 + 4441)
    41  if r2 == 0x2f goto 89
  ; tried.krs:3:67: task.uid == 1000
    42  call get_current_uid_gid
    43  if w0 == 0x3e8 goto 48
    44  goto 116
  ; tried.krs:3:88: file.path under "/srv/logs"
    45  call krs_claim
    46  *(u64 *)(r10 - 16) = r0
    47  if r0 == 0x0 goto 67
    48  r2 = *(u64 *)(r10 - 24)
    49  r3 = *(u64 *)(r2 + file.f_path.dentry)
    50  r2 = *(u64 *)(r2 + file.f_path.mnt)
    51  r4 = *(u64 *)(r2 + vfsmount.mnt_root)
    52  r5 = *(u64 *)(r3 + dentry.d_hash.pprev)
    53  r1 = *(u64 *)(r10 - 16)
    54  *(u64 *)(r1 + 8) = r3
    55  *(u64 *)(r1 + 16) = r2
    56  *(u64 *)(r1 + 48) = r4
    57  *(u64 *)(r1 + 56) = r5
    58  *(u64 *)(r1 + 64) = 4096
    59  r2 = r3
    60  call krs_path_near
    61  r2 = *(u64 *)(r10 - 16)
    62  r1 = *(u64 *)(r2 + 24)
    63  r2 = 4432
    64  call krs_path
    65  r3 = r0
    66  if r3 < 0x1000 goto 78
  ; tried.krs:2:1: either: on file_open when (file.flags & O_TRUNC and file.path under "/srv/data") or (task.uid == 1000 and file.path under "/srv/logs") deny
    67  r2 = *(u64 *)(r10 - 16)
    68  if r2 == 0x0 goto 71
    69  r3 = -1
    70  lock *(u64 *)(r2 + 0) += r3
    71  r1 = *(u64 *)(r10 - 8)
    72  r2 = krs_parts_file_open ll
    74  r3 = 0
    75  call tail_call
    76  r0 = 0
    77  exit
  ; tried.krs:3:88: file.path under "/srv/logs"
    78  if r3 < 0x9 goto 114
    79  r2 = *(u64 *)(r10 - 16)
    80  r4 = *(u64 *)(r2 + 4432)
    81  r5 = 0x676f6c2f7672732f ll
    83  if r4 != r5 goto 114
    84  r4 = *(u8 *)(r2 + 4440)
    85  if w4 != 0x73 goto 114
    86  if r3 == 0x9 goto 89
    87  r2 = *(u8 *)(r2 + 4441)
    88  if r2 != 0x2f goto 114
  ; tried.krs:2:1: either: on file_open when (file.flags & O_TRUNC and file.path under "/srv/data") or (task.uid == 1000 and file.path under "/srv/logs") deny
    89  r2 = krs_modes[0] ll
    91  r2 = *(u8 *)(r2 + 0)
    92  if r2 <= 0x1 goto 108
    93  if r2 > 0x2 goto 97
    94  r1 = 0
    95  r2 = 1
    96  call krs_would
    97  r2 = *(u64 *)(r10 - 16)
    98  if r2 == 0x0 goto 101
    99  r3 = -1
   100  lock *(u64 *)(r2 + 0) += r3
   101  r1 = *(u64 *)(r10 - 8)
   102  r2 = krs_parts_file_open ll
   104  r3 = 1
   105  call tail_call
   106  r0 = 0
   107  exit
   108  r2 = *(u64 *)(r10 - 16)
   109  if r2 == 0x0 goto 112
   110  r3 = -1
   111  lock *(u64 *)(r2 + 0) += r3
   112  r0 = -1
   113  exit
   114  r2 = *(u64 *)(r10 - 16)
   115  if r2 == 0x0 goto 119
   116  r3 = -1
   117  r2 = *(u64 *)(r10 - 16)
   118  lock *(u64 *)(r2 + 0) += r3
   119  r0 = 0
   120  exit

file_open_unread:    # 115 instructions
  ; tried.krs:2:1: either: on file_open when (file.flags & O_TRUNC and file.path under "/srv/data") or (task.uid == 1000 and file.path under "/srv/logs") deny
     0  r6 = r1
  ; tried.krs:3:9: file.flags & O_TRUNC
     1  r2 = *(u64 *)(r6 + 0)                   # file
     2  *(u64 *)(r10 - 8) = r2
     3  r3 = *(u32 *)(r2 + file.f_flags)
     4  if w3 & 0x200 goto 14
  ; tried.krs:3:67: task.uid == 1000
     5  call get_current_uid_gid
     6  if w0 == 0x3e8 goto 55
  ; tried.krs:2:1: either: on file_open when (file.flags & O_TRUNC and file.path under "/srv/data") or (task.uid == 1000 and file.path under "/srv/logs") deny
     7  r1 = r6
     8  r2 = krs_parts_file_open ll
    10  r3 = 1
    11  call tail_call
    12  r0 = 0
    13  exit
  ; tried.krs:3:34: file.path under "/srv/data"
    14  *(u64 *)(r10 - 16) = r6
    15  call krs_claim
    16  r6 = r0
    17  if r6 == 0x0 goto 36
    18  r2 = *(u64 *)(r10 - 8)
    19  r3 = *(u64 *)(r2 + file.f_path.dentry)
    20  r2 = *(u64 *)(r2 + file.f_path.mnt)
    21  r4 = *(u64 *)(r2 + vfsmount.mnt_root)
    22  r5 = *(u64 *)(r3 + dentry.d_hash.pprev)
    23  *(u64 *)(r6 + 8) = r3
    24  *(u64 *)(r6 + 16) = r2
    25  *(u64 *)(r6 + 48) = r4
    26  *(u64 *)(r6 + 56) = r5
    27  *(u64 *)(r6 + 64) = 4096
    28  r1 = r6
    29  r2 = r3
    30  call krs_path_near
    31  r1 = *(u64 *)(r6 + 24)
    32  r2 = 4432
    33  call krs_path
    34  r2 = r0
    35  if r2 < 0x1000 goto 41
    36  r2 = state[32] ll
    38  r3 = 1
    39  lock *(u64 *)(r2 + 0) += r3
    40  goto 51
    41  if r2 < 0x9 goto 51
    42  r3 = *(u64 *)(r6 + 4432)
    43  r4 = 0x7461642f7672732f ll
    45  if r3 != r4 goto 51
    46  r3 = *(u8 *)(r6 + 4440)
    47  if w3 != 0x61 goto 51
    48  if r2 == 0x9 goto 92
    49  r2 = *(u8 *)(r6 + 4441)
    50  if r2 == 0x2f goto 92
  ; tried.krs:3:67: task.uid == 1000
    51  call get_current_uid_gid
    52  if w0 != 0x3e8 goto 100
  ; tried.krs:3:88: file.path under "/srv/logs"
    53  if r6 != 0x0 goto 59
    54  goto 56
    55  *(u64 *)(r10 - 16) = r6
    56  call krs_claim
    57  r6 = r0
    58  if r6 == 0x0 goto 77
    59  r2 = *(u64 *)(r10 - 8)
    60  r3 = *(u64 *)(r2 + file.f_path.dentry)
    61  r2 = *(u64 *)(r2 + file.f_path.mnt)
    62  r4 = *(u64 *)(r2 + vfsmount.mnt_root)
    63  r5 = *(u64 *)(r3 + dentry.d_hash.pprev)
    64  *(u64 *)(r6 + 8) = r3
    65  *(u64 *)(r6 + 16) = r2
    66  *(u64 *)(r6 + 48) = r4
    67  *(u64 *)(r6 + 56) = r5
    68  *(u64 *)(r6 + 64) = 4096
    69  r1 = r6
    70  r2 = r3
    71  call krs_path_near
    72  r1 = *(u64 *)(r6 + 24)
    73  r2 = 4432
    74  call krs_path
    75  r2 = r0
    76  if r2 < 0x1000 goto 82
    77  r2 = state[32] ll
    79  r3 = 1
    80  lock *(u64 *)(r2 + 0) += r3
    81  goto 100
    82  if r2 < 0x9 goto 100
    83  r3 = *(u64 *)(r6 + 4432)
    84  r4 = 0x676f6c2f7672732f ll
    86  if r3 != r4 goto 100
    87  r3 = *(u8 *)(r6 + 4440)
    88  if w3 != 0x73 goto 100
    89  if r2 == 0x9 goto 92
    90  r2 = *(u8 *)(r6 + 4441)
    91  if r2 != 0x2f goto 100
  ; tried.krs:2:1: either: on file_open when (file.flags & O_TRUNC and file.path under "/srv/data") or (task.uid == 1000 and file.path under "/srv/logs") deny
    92  r2 = krs_modes[0] ll
    94  r2 = *(u8 *)(r2 + 0)
    95  if r2 <= 0x1 goto 110
    96  if r2 > 0x2 goto 100
    97  r1 = 0
    98  r2 = 1
    99  call krs_would
   100  if r6 == 0x0 goto 103
   101  r2 = -1
   102  lock *(u64 *)(r6 + 0) += r2
   103  r1 = *(u64 *)(r10 - 16)
   104  r2 = krs_parts_file_open ll
   106  r3 = 1
   107  call tail_call
   108  r0 = 0
   109  exit
   110  if r6 == 0x0 goto 113
   111  r2 = -1
   112  lock *(u64 *)(r6 + 0) += r2
   113  r0 = -1
   114  exit

file_open_undecided:    # 135 instructions
  ; tried.krs:2:1: either: on file_open when (file.flags & O_TRUNC and file.path under "/srv/data") or (task.uid == 1000 and file.path under "/srv/logs") deny
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
    15  if r2 == 0x200000 goto 23
  ; tried.krs:3:9: file.flags & O_TRUNC
    16  r2 = *(u64 *)(r10 - 16)
    17  r2 = *(u64 *)(r2 + 0)                   # file
    18  *(u64 *)(r10 - 16) = r2
    19  r3 = *(u32 *)(r2 + file.f_flags)
    20  if w3 & 0x200 goto 25
  ; tried.krs:3:67: task.uid == 1000
    21  call get_current_uid_gid
    22  if w0 == 0x3e8 goto 81
  ; tried.krs:2:1: either: on file_open when (file.flags & O_TRUNC and file.path under "/srv/data") or (task.uid == 1000 and file.path under "/srv/logs") deny
    23  r0 = 0
    24  exit
  ; tried.krs:3:34: file.path under "/srv/data"
    25  r3 = 0
    26  *(u64 *)(r10 - 32) = r3
    27  call krs_claim
    28  *(u64 *)(r10 - 24) = r0
    29  if r0 == 0x0 goto 49
    30  r2 = *(u64 *)(r10 - 16)
    31  r3 = *(u64 *)(r2 + file.f_path.dentry)
    32  r2 = *(u64 *)(r2 + file.f_path.mnt)
    33  r4 = *(u64 *)(r2 + vfsmount.mnt_root)
    34  r5 = *(u64 *)(r3 + dentry.d_hash.pprev)
    35  r1 = r0
    36  *(u64 *)(r0 + 8) = r3
    37  *(u64 *)(r0 + 16) = r2
    38  *(u64 *)(r0 + 48) = r4
    39  *(u64 *)(r0 + 56) = r5
    40  *(u64 *)(r0 + 64) = 4096
    41  r2 = r3
    42  call krs_path_near
    43  r2 = *(u64 *)(r10 - 24)
    44  r1 = *(u64 *)(r2 + 24)
    45  r2 = 4432
    46  call krs_path
    47  r2 = r0
    48  if r2 < 0x1000 goto 52
    49  r2 = -2
    50  *(u64 *)(r10 - 16) = r2
    51  goto 65
    52  *(u64 *)(r10 - 16) = r0
    53  if r2 < 0x9 goto 64
    54  r3 = *(u64 *)(r10 - 24)
    55  r4 = *(u64 *)(r3 + 4432)
    56  r5 = 0x7461642f7672732f ll
    58  if r4 != r5 goto 64
    59  r4 = *(u8 *)(r3 + 4440)
    60  if w4 != 0x61 goto 64
    61  if r2 == 0x9 goto 130
    62  r3 = *(u8 *)(r3 + 4441)
    63  if r3 == 0x2f goto 130
    64  if r2 != 0xfffffffe goto 130
  ; tried.krs:3:67: task.uid == 1000
    65  call get_current_uid_gid
    66  if w0 != 0x3e8 goto 116
  ; tried.krs:3:88: file.path under "/srv/logs"
    67  r2 = *(u64 *)(r10 - 16)
    68  if r2 >= 0x1000 goto 116
    69  if r2 < 0x9 goto 116
    70  r3 = *(u64 *)(r10 - 24)
    71  r4 = *(u64 *)(r3 + 4432)
    72  r5 = 0x676f6c2f7672732f ll
    74  if r4 != r5 goto 116
    75  r4 = *(u8 *)(r3 + 4440)
    76  if w4 != 0x73 goto 116
    77  if r2 == 0x9 goto 128
    78  r2 = *(u8 *)(r3 + 4441)
    79  if r2 == 0x2f goto 128
    80  goto 116
    81  r2 = 0
    82  *(u64 *)(r10 - 32) = r2
    83  call krs_claim
    84  *(u64 *)(r10 - 24) = r0
    85  if r0 == 0x0 goto 116
    86  r2 = *(u64 *)(r10 - 16)
    87  r3 = *(u64 *)(r2 + file.f_path.dentry)
    88  r2 = *(u64 *)(r2 + file.f_path.mnt)
    89  r4 = *(u64 *)(r2 + vfsmount.mnt_root)
    90  r5 = *(u64 *)(r3 + dentry.d_hash.pprev)
    91  r1 = r0
    92  *(u64 *)(r0 + 8) = r3
    93  *(u64 *)(r0 + 16) = r2
    94  *(u64 *)(r0 + 48) = r4
    95  *(u64 *)(r0 + 56) = r5
    96  *(u64 *)(r0 + 64) = 4096
    97  r2 = r3
    98  call krs_path_near
    99  r2 = *(u64 *)(r10 - 24)
   100  r1 = *(u64 *)(r2 + 24)
   101  r2 = 4432
   102  call krs_path
   103  if r0 >= 0x1000 goto 116
   104  if r0 < 0x9 goto 115
   105  r2 = *(u64 *)(r10 - 24)
   106  r3 = *(u64 *)(r2 + 4432)
   107  r4 = 0x676f6c2f7672732f ll
   109  if r3 != r4 goto 115
   110  r3 = *(u8 *)(r2 + 4440)
   111  if w3 != 0x73 goto 115
   112  if r0 == 0x9 goto 130
   113  r2 = *(u8 *)(r2 + 4441)
   114  if r2 == 0x2f goto 130
   115  if r0 != 0xfffffffe goto 130
  ; tried.krs:2:1: either: on file_open when (file.flags & O_TRUNC and file.path under "/srv/data") or (task.uid == 1000 and file.path under "/srv/logs") deny
   116  r1 = 0
   117  r2 = 65537
   118  call krs_first
   119  if r0 == 0xffffffff goto 128
   120  if r0 >= 0x2 goto 128
   121  r2 = krs_modes[0] ll
   123  r2 += r0
   124  r2 = *(u8 *)(r2 + 0)
   125  if r2 > 0x1 goto 128
   126  r2 = -1
   127  *(u64 *)(r10 - 32) = r2
   128  r2 = *(u64 *)(r10 - 24)
   129  if r2 == 0x0 goto 133
   130  r3 = -1
   131  r2 = *(u64 *)(r10 - 24)
   132  lock *(u64 *)(r2 + 0) += r3
   133  r0 = *(u64 *)(r10 - 32)
   134  exit

task_prctl:    # 33 instructions
  ; tried.krs:6:1: offspring: on task_prctl when any a in task.ancestors { a.gid == 1 or a.gid == 5 and a.uid > 3 or a.uid == 9 } deny
     0  *(u64 *)(r10 - 8) = r1
  ; tried.krs:6:31: any a in task.ancestors { a.gid == 1 or a.gid == 5 and a.uid > 3 or a.uid == 9 }
     1  call get_current_task
     2  r1 = r0
     3  r2 = 0
     4  call krs_any_0
     5  if r0 & 0x1 goto 9
     6  if r0 & 0x2 goto 26
  ; tried.krs:6:1: offspring: on task_prctl when any a in task.ancestors { a.gid == 1 or a.gid == 5 and a.uid > 3 or a.uid == 9 } deny
     7  r0 = 0
     8  exit
     9  r2 = krs_modes[1] ll
    11  r2 = *(u8 *)(r2 + 0)
    12  if r2 <= 0x1 goto 24
    13  if r2 > 0x2 goto 17
    14  r1 = 1
    15  r2 = 1
    16  call krs_would
    17  r1 = *(u64 *)(r10 - 8)
    18  r2 = krs_parts_task_prctl ll
    20  r3 = 1
    21  call tail_call
    22  r0 = 0
    23  exit
    24  r0 = -1
    25  exit
    26  r1 = *(u64 *)(r10 - 8)
    27  r2 = krs_parts_task_prctl ll
    29  r3 = 0
    30  call tail_call
    31  r0 = 0
    32  exit

task_prctl_unread:    # 36 instructions
  ; tried.krs:6:1: offspring: on task_prctl when any a in task.ancestors { a.gid == 1 or a.gid == 5 and a.uid > 3 or a.uid == 9 } deny
     0  *(u64 *)(r10 - 8) = r1
  ; tried.krs:6:31: any a in task.ancestors { a.gid == 1 or a.gid == 5 and a.uid > 3 or a.uid == 9 }
     1  call get_current_task
     2  r1 = r0
     3  r2 = 0
     4  call krs_any_0
     5  if r0 & 0x2 goto 7
     6  goto 11
     7  r2 = state[40] ll
     9  r3 = 1
    10  lock *(u64 *)(r2 + 0) += r3
    11  if r0 & 0x1 goto 19
  ; tried.krs:6:1: offspring: on task_prctl when any a in task.ancestors { a.gid == 1 or a.gid == 5 and a.uid > 3 or a.uid == 9 } deny
    12  r1 = *(u64 *)(r10 - 8)
    13  r2 = krs_parts_task_prctl ll
    15  r3 = 1
    16  call tail_call
    17  r0 = 0
    18  exit
    19  r2 = krs_modes[1] ll
    21  r2 = *(u8 *)(r2 + 0)
    22  if r2 <= 0x1 goto 34
    23  if r2 > 0x2 goto 27
    24  r1 = 1
    25  r2 = 1
    26  call krs_would
    27  r1 = *(u64 *)(r10 - 8)
    28  r2 = krs_parts_task_prctl ll
    30  r3 = 1
    31  call tail_call
    32  r0 = 0
    33  exit
    34  r0 = -1
    35  exit

task_prctl_undecided:    # 39 instructions
  ; tried.krs:6:1: offspring: on task_prctl when any a in task.ancestors { a.gid == 1 or a.gid == 5 and a.uid > 3 or a.uid == 9 } deny
     0  r2 = exists(BPF_FUNC_get_current_task_btf)
     1  if r2 == 0x0 goto 5
     2  call get_current_task_btf
     3  r2 = *(u32 *)(r0 + task_struct.flags)
     4  goto 13
     5  call get_current_task
     6  r3 = task_struct.flags
     7  r3 += r0
     8  r1 = r10
     9  r1 += -8
    10  r2 = 4
    11  call probe_read_kernel
    12  r2 = *(u32 *)(r10 - 8)
    13  r2 &= 2097168
    14  if r2 == 0x200000 goto 27
  ; tried.krs:6:31: any a in task.ancestors { a.gid == 1 or a.gid == 5 and a.uid > 3 or a.uid == 9 }
    15  call get_current_task
    16  r1 = r0
    17  r2 = 0
    18  call krs_any_0
    19  if r0 & 0x5 goto 22
  ; tried.krs:6:1: offspring: on task_prctl when any a in task.ancestors { a.gid == 1 or a.gid == 5 and a.uid > 3 or a.uid == 9 } deny
    20  r0 = 0
    21  exit
  ; tried.krs:6:31: any a in task.ancestors { a.gid == 1 or a.gid == 5 and a.uid > 3 or a.uid == 9 }
    22  if r0 & 0x1 goto 27
  ; tried.krs:6:1: offspring: on task_prctl when any a in task.ancestors { a.gid == 1 or a.gid == 5 and a.uid > 3 or a.uid == 9 } deny
    23  r1 = 8
    24  r2 = 65537
    25  call krs_first
    26  if r0 != 0xffffffff goto 29
    27  r0 = 0
    28  exit
    29  r3 = 0
    30  if r0 >= 0x2 goto 37
    31  r2 = krs_modes[0] ll
    33  r2 += r0
    34  r2 = *(u8 *)(r2 + 0)
    35  if r2 > 0x1 goto 37
    36  r3 = -1
    37  r0 = r3
    38  exit

krs_any_0:    # 38 instructions, 2 arguments
  ; from a task to its parent
     0  r6 = r1
     1  r7 = r2
     2  r9 = 0
     3  r8 = 128
     4  r3 = task_struct.real_parent
     5  r3 += r6
     6  r1 = r10
     7  r1 += -8
     8  r2 = 8
     9  call probe_read_kernel
    10  if r0 != 0x0 goto 35
    11  r6 = *(u64 *)(r10 - 8)
    12  if r6 == 0x0 goto 35
    13  r3 = task_struct.pid
    14  r3 += r6
    15  r1 = r10
    16  r1 += -16
    17  r2 = 4
    18  call probe_read_kernel
    19  if r0 != 0x0 goto 35
    20  r1 = *(u32 *)(r10 - 16)
    21  if r1 == 0x0 goto 34
    22  if r8 == 0x0 goto 35
    23  r8 += -1
  ; the condition on it
    24  r1 = r6
    25  r2 = r7
    26  call krs_predicate_0
    27  r1 = r0
    28  r1 &= 2
    29  r9 |= r1
    30  r0 &= 1
    31  if r0 == 0x0 goto 4
    32  r0 = 1
    33  exit
    34  goto 36
    35  r9 = 6
    36  r0 = r9
    37  exit

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
    13  if r6 > 0x8 goto 11
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
     6  r4 += 16
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
     1  if r2 >= 0x2 goto 8
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

krs_predicate_0:    # 42 instructions, 2 arguments
  ; the condition on an ancestor
     0  r3 = task_struct.real_cred
     1  r3 += r1
     2  r1 = r10
     3  r1 += -8
     4  r2 = 8
     5  call probe_read_kernel
     6  r6 = *(u64 *)(r10 - 8)
     7  if r0 != 0x0 goto 40
     8  r3 = cred.gid.val
     9  r3 += r6
    10  r1 = r10
    11  r1 += -8
    12  r2 = 4
    13  call probe_read_kernel
    14  r2 = *(u32 *)(r10 - 8)
    15  if r0 != 0x0 goto 29
    16  if w2 == 0x1 goto 38
    17  if w2 != 0x5 goto 29
    18  r3 = cred.uid.val
    19  r3 += r6
    20  r1 = r10
    21  r1 += -8
    22  r2 = 4
    23  call probe_read_kernel
    24  r2 = *(u32 *)(r10 - 8)
    25  if r0 != 0x0 goto 40
    26  if w2 <= 0x3 goto 37
    27  r0 = 1
    28  exit
    29  r3 = cred.uid.val
    30  r3 += r6
    31  r1 = r10
    32  r1 += -8
    33  r2 = 4
    34  call probe_read_kernel
    35  r2 = *(u32 *)(r10 - 8)
    36  if r0 != 0x0 goto 40
    37  if w2 != 0x9 goto 40
    38  r0 = 1
    39  exit
    40  r0 = 0
    41  exit

krs_row_step:    # 25 instructions, 2 arguments
  ; the action of a rule of the row
     0  if r1 > 0x8 goto 23
     1  r3 = constants[0] ll
     3  r3 += r1
     4  r6 = *(u32 *)(r3 + 0)
     5  r1 = r6
     6  r1 &= 2147483647
     7  if r1 >= 0x2 goto 23
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
     3  if r2 >= 0x2 goto 26
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
