task_free:    # 25 instructions
  ; labels.krs:1:1: 
     0  r3 = *(u64 *)(r1 + 0)                   # task
     1  r2 = *(u64 *)(r3 + task_struct.group_leader)
     2  *(u64 *)(r10 - 48) = r2
     3  *(u64 *)(r10 - 8) = r3
     4  r1 = r10
     5  r1 += -40
     6  r2 = 8
     7  r3 = r10
     8  r3 += -8
     9  call probe_read_kernel
    10  r2 = *(u64 *)(r10 - 40)
    11  *(u64 *)(r10 - 56) = r2
    12  r2 = *(u64 *)(r10 - 48)
    13  *(u64 *)(r10 - 8) = r2
    14  r1 = r10
    15  r1 += -40
    16  r2 = 8
    17  r3 = r10
    18  r3 += -8
    19  call probe_read_kernel
    20  r2 = *(u64 *)(r10 - 40)
    21  r1 = *(u64 *)(r10 - 56)
    22  call krs_free
    23  r0 = 0
    24  exit

task_alloc:    # 43 instructions
  ; labels.krs:1:1: 
     0  r2 = *(u64 *)(r1 + 8)                   # clone_flags
     1  if r2 & 0x10000 goto 41
     2  r2 = *(u64 *)(r1 + 0)                   # task
     3  *(u64 *)(r10 - 8) = r2
     4  r1 = r10
     5  r1 += -40
     6  r2 = 8
     7  r3 = r10
     8  r3 += -8
     9  call probe_read_kernel
    10  r2 = *(u64 *)(r10 - 40)
    11  *(u64 *)(r10 - 48) = r2
    12  r2 = exists(BPF_FUNC_get_current_task_btf)
    13  if r2 == 0x0 goto 16
    14  call get_current_task_btf
    15  goto 17
    16  call get_current_task
    17  r2 = exists(BPF_FUNC_get_current_task_btf)
    18  if r2 == 0x0 goto 21
    19  r2 = *(u64 *)(r0 + task_struct.group_leader)
    20  goto 28
    21  r3 = task_struct.group_leader
    22  r3 += r0
    23  r1 = r10
    24  r1 += -8
    25  r2 = 8
    26  call probe_read_kernel
    27  r2 = *(u64 *)(r10 - 8)
    28  *(u64 *)(r10 - 8) = r2
    29  r1 = r10
    30  r1 += -40
    31  r2 = 8
    32  r3 = r10
    33  r3 += -8
    34  call probe_read_kernel
    35  r1 = *(u64 *)(r10 - 40)
    36  r2 = *(u64 *)(r10 - 48)
    37  call krs_inherit_task
    38  if r0 == 0x0 goto 41
    39  r0 = -11
    40  exit
    41  r0 = 0
    42  exit

bprm_creds_from_file:    # 46 instructions
  ; labels.krs:1:1: 
     0  call get_current_pid_tgid
     1  w3 = w0
     2  r2 = r0
     3  r2 >>= 32
     4  if r3 == r2 goto 44
     5  r2 = exists(BPF_FUNC_get_current_task_btf)
     6  if r2 == 0x0 goto 10
     7  call get_current_task_btf
     8  r6 = r0
     9  goto 12
    10  call get_current_task
    11  r6 = r0
    12  r2 = exists(BPF_FUNC_get_current_task_btf)
    13  if r2 == 0x0 goto 16
    14  r7 = *(u64 *)(r6 + task_struct.group_leader)
    15  goto 23
    16  r3 = task_struct.group_leader
    17  r3 += r6
    18  r1 = r10
    19  r1 += -8
    20  r2 = 8
    21  call probe_read_kernel
    22  r7 = *(u64 *)(r10 - 8)
    23  *(u64 *)(r10 - 8) = r6
    24  r1 = r10
    25  r1 += -40
    26  r2 = 8
    27  r3 = r10
    28  r3 += -8
    29  call probe_read_kernel
    30  r6 = *(u64 *)(r10 - 40)
    31  *(u64 *)(r10 - 8) = r7
    32  r1 = r10
    33  r1 += -40
    34  r2 = 8
    35  r3 = r10
    36  r3 += -8
    37  call probe_read_kernel
    38  r2 = *(u64 *)(r10 - 40)
    39  r1 = r6
    40  call krs_exec
    41  if r0 == 0x0 goto 44
    42  r0 = -12
    43  exit
    44  r0 = 0
    45  exit

bprm_committing_creds:    # 16 instructions
  ; labels.krs:1:1: 
     0  r2 = exists(BPF_FUNC_get_current_task_btf)
     1  if r2 == 0x0 goto 4
     2  call get_current_task_btf
     3  goto 5
     4  call get_current_task
     5  *(u64 *)(r10 - 8) = r0
     6  r1 = r10
     7  r1 += -40
     8  r2 = 8
     9  r3 = r10
    10  r3 += -8
    11  call probe_read_kernel
    12  r1 = *(u64 *)(r10 - 40)
    13  call krs_executed
    14  r0 = 0
    15  exit

file_open:    # 225 instructions
  ; labels.krs:3:1: on file_open when task is tainted and file.flags & O_CREAT deny
     0  r6 = -1
  ; labels.krs:3:39: file.flags & O_CREAT
     1  r2 = *(u64 *)(r1 + 0)                   # file
     2  r7 = *(u32 *)(r2 + file.f_flags)
     3  if w7 & 0x40 goto 5
     4  goto 33
  ; labels.krs:3:19: task is tainted
     5  r2 = exists(BPF_FUNC_get_current_task_btf)
     6  if r2 == 0x0 goto 9
     7  call get_current_task_btf
     8  goto 10
     9  call get_current_task
    10  r2 = exists(BPF_FUNC_get_current_task_btf)
    11  if r2 == 0x0 goto 14
    12  r2 = *(u64 *)(r0 + task_struct.group_leader)
    13  goto 21
    14  r3 = task_struct.group_leader
    15  r3 += r0
    16  r1 = r10
    17  r1 += -8
    18  r2 = 8
    19  call probe_read_kernel
    20  r2 = *(u64 *)(r10 - 8)
    21  *(u64 *)(r10 - 40) = r2
    22  r1 = krs_tasks ll
    24  r2 = r10
    25  r2 += -40
    26  call map_lookup_elem
    27  if r0 == 0x0 goto 30
    28  r6 = *(u64 *)(r0 + 0)
    29  goto 32
    30  r6 = 0
    31  goto 33
    32  if w6 & 0x1 goto 103
  ; labels.krs:5:19: task.uid == 0
    33  call get_current_uid_gid
    34  if w0 == 0x0 goto 123
  ; labels.krs:4:19: file.flags & O_EXCL
    35  if w7 & 0x80 goto 37
    36  goto 64
  ; labels.krs:4:46: task is tainted
    37  r2 = exists(BPF_FUNC_get_current_task_btf)
    38  if r2 == 0x0 goto 41
    39  call get_current_task_btf
    40  goto 42
    41  call get_current_task
    42  r2 = exists(BPF_FUNC_get_current_task_btf)
    43  if r2 == 0x0 goto 46
    44  r2 = *(u64 *)(r0 + task_struct.group_leader)
    45  goto 53
    46  r3 = task_struct.group_leader
    47  r3 += r0
    48  r1 = r10
    49  r1 += -8
    50  r2 = 8
    51  call probe_read_kernel
    52  r2 = *(u64 *)(r10 - 8)
    53  if r6 != 0xffffffff goto 62
    54  *(u64 *)(r10 - 40) = r2
    55  r1 = krs_tasks ll
    57  r2 = r10
    58  r2 += -40
    59  call map_lookup_elem
    60  if r0 == 0x0 goto 165
    61  r6 = *(u64 *)(r0 + 0)
    62  if w6 & 0x1 goto 64
    63  goto 174
  ; labels.krs:4:62: mark tainted
    64  r6 = 0
    65  r3 = 0
    66  r3 |= 0
    67  if r3 == 0x0 goto 96
    68  r2 = exists(BPF_FUNC_get_current_task_btf)
    69  if r2 == 0x0 goto 72
    70  call get_current_task_btf
    71  goto 73
    72  call get_current_task
    73  r2 = exists(BPF_FUNC_get_current_task_btf)
    74  if r2 == 0x0 goto 77
    75  r2 = *(u64 *)(r0 + task_struct.group_leader)
    76  goto 84
    77  r3 = task_struct.group_leader
    78  r3 += r0
    79  r1 = r10
    80  r1 += -8
    81  r2 = 8
    82  call probe_read_kernel
    83  r2 = *(u64 *)(r10 - 8)
    84  *(u64 *)(r10 - 8) = r2
    85  r1 = r10
    86  r1 += -40
    87  r2 = 8
    88  r3 = r10
    89  r3 += -8
    90  call probe_read_kernel
    91  r1 = *(u64 *)(r10 - 40)
    92  r2 = 0
    93  r3 = 0
    94  call krs_mark_task
    95  r6 |= r0
    96  r2 = 0
    97  if r2 != 0x0 goto 99
    98  if r6 != 0x0 goto 101
    99  r0 = 0
   100  exit
   101  r0 = -12
   102  exit
  ; labels.krs:3:1: on file_open when task is tainted and file.flags & O_CREAT deny
   103  r2 = 0
   104  *(u64 *)(r10 - 48) = r2
   105  r2 = 0
   106  *(u64 *)(r10 - 56) = r2
   107  *(u64 *)(r10 - 64) = r7
   108  r2 = krs_modes[0] ll
   110  r2 = *(u8 *)(r2 + 0)
   111  if r2 <= 0x1 goto 117
   112  if r2 > 0x2 goto 119
   113  r1 = 0
   114  r2 = 1
   115  call krs_would
   116  goto 119
   117  r7 = -1
   118  goto 120
   119  r7 = 0
  ; labels.krs:5:19: task.uid == 0
   120  call get_current_uid_gid
   121  if w0 == 0x0 goto 129
   122  goto 136
  ; labels.krs:5:1: on file_open when task.uid == 0 unmark tainted
   123  r2 = 0
   124  *(u64 *)(r10 - 48) = r2
   125  r2 = 0
   126  *(u64 *)(r10 - 56) = r2
   127  *(u64 *)(r10 - 64) = r7
   128  r7 = 0
   129  r2 = krs_modes[2] ll
   131  r2 = *(u8 *)(r2 + 0)
   132  if r2 > 0x2 goto 136
  ; labels.krs:5:33: unmark tainted
   133  r2 = *(u64 *)(r10 - 48)
   134  r2 |= 1
   135  *(u64 *)(r10 - 48) = r2
  ; labels.krs:4:19: file.flags & O_EXCL
   136  r2 = *(u64 *)(r10 - 64)
   137  if w2 & 0x80 goto 139
   138  goto 186
  ; labels.krs:4:46: task is tainted
   139  r2 = exists(BPF_FUNC_get_current_task_btf)
   140  if r2 == 0x0 goto 143
   141  call get_current_task_btf
   142  goto 144
   143  call get_current_task
   144  r2 = exists(BPF_FUNC_get_current_task_btf)
   145  if r2 == 0x0 goto 148
   146  r2 = *(u64 *)(r0 + task_struct.group_leader)
   147  goto 155
   148  r3 = task_struct.group_leader
   149  r3 += r0
   150  r1 = r10
   151  r1 += -8
   152  r2 = 8
   153  call probe_read_kernel
   154  r2 = *(u64 *)(r10 - 8)
   155  if r6 != 0xffffffff goto 172
   156  *(u64 *)(r10 - 40) = r2
   157  r1 = krs_tasks ll
   159  r2 = r10
   160  r2 += -40
   161  call map_lookup_elem
   162  if r0 == 0x0 goto 170
   163  r6 = *(u64 *)(r0 + 0)
   164  goto 172
   165  r2 = 0
   166  *(u64 *)(r10 - 48) = r2
   167  r2 = 0
   168  *(u64 *)(r10 - 56) = r2
   169  r7 = 0
   170  r6 = 0
   171  goto 179
   172  if w6 & 0x1 goto 186
   173  goto 179
  ; labels.krs:4:1: on file_open when file.flags & O_EXCL unless task is tainted mark tainted
   174  r2 = 0
   175  *(u64 *)(r10 - 48) = r2
   176  r2 = 0
   177  *(u64 *)(r10 - 56) = r2
   178  r7 = 0
   179  r2 = krs_modes[1] ll
   181  r2 = *(u8 *)(r2 + 0)
   182  if r2 > 0x2 goto 186
  ; labels.krs:4:62: mark tainted
   183  r2 = *(u64 *)(r10 - 56)
   184  r2 |= 1
   185  *(u64 *)(r10 - 56) = r2
   186  r6 = 0
   187  r3 = *(u64 *)(r10 - 56)
   188  r2 = *(u64 *)(r10 - 48)
   189  r3 |= r2
   190  if r3 == 0x0 goto 219
   191  r2 = exists(BPF_FUNC_get_current_task_btf)
   192  if r2 == 0x0 goto 195
   193  call get_current_task_btf
   194  goto 196
   195  call get_current_task
   196  r2 = exists(BPF_FUNC_get_current_task_btf)
   197  if r2 == 0x0 goto 200
   198  r2 = *(u64 *)(r0 + task_struct.group_leader)
   199  goto 207
   200  r3 = task_struct.group_leader
   201  r3 += r0
   202  r1 = r10
   203  r1 += -8
   204  r2 = 8
   205  call probe_read_kernel
   206  r2 = *(u64 *)(r10 - 8)
   207  *(u64 *)(r10 - 8) = r2
   208  r1 = r10
   209  r1 += -40
   210  r2 = 8
   211  r3 = r10
   212  r3 += -8
   213  call probe_read_kernel
   214  r1 = *(u64 *)(r10 - 40)
   215  r2 = *(u64 *)(r10 - 56)
   216  r3 = *(u64 *)(r10 - 48)
   217  call krs_mark_task
   218  r6 |= r0
   219  if r7 != 0x0 goto 221
   220  if r6 != 0x0 goto 223
   221  r0 = r7
   222  exit
   223  r0 = -12
   224  exit

krs_exec:    # 31 instructions, 2 arguments
  ; a copy of what the process has
     0  r6 = r1
     1  r7 = r2
     2  *(u64 *)(r10 - 32) = 0
     3  *(u64 *)(r10 - 24) = r7
     4  *(u64 *)(r10 - 16) = r7
     5  r1 = krs_tasks ll
     7  r2 = r10
     8  r2 += -16
     9  call map_lookup_elem
    10  if r0 == 0x0 goto 13
    11  r1 = *(u64 *)(r0 + 0)
    12  *(u64 *)(r10 - 32) = r1
    13  *(u64 *)(r10 - 16) = r6
    14  r1 = krs_tasks ll
    16  r2 = r10
    17  r2 += -16
    18  r3 = r10
    19  r3 += -32
    20  r4 = 0
    21  call map_update_elem
    22  if r0 != 0x0 goto 25
    23  r0 = 0
    24  exit
  ; no room: it is counted
    25  r1 = state[48] ll
    27  r2 = 1
    28  lock *(u64 *)(r1 + 0) += r2
    29  r0 = -1
    30  exit

krs_executed:    # 23 instructions, 1 arguments
  ; what the former first thread has
     0  *(u64 *)(r10 - 16) = r1
     1  r1 = krs_tasks ll
     3  r2 = r10
     4  r2 += -16
     5  call map_lookup_elem
     6  if r0 == 0x0 goto 21
     7  r6 = r0
     8  r7 = *(u64 *)(r6 + 8)
     9  if r7 == 0x0 goto 21
    10  *(u64 *)(r10 - 16) = r7
    11  r1 = krs_tasks ll
    13  r2 = r10
    14  r2 += -16
    15  call map_lookup_elem
    16  if r0 == 0x0 goto 20
    17  r1 = *(u8 *)(r0 + 0)
    18  if r1 == 0x0 goto 20
    19  *(u8 *)(r6 + 0) = 1
    20  *(u64 *)(r6 + 8) = 0
    21  r0 = 0
    22  exit

krs_free:    # 31 instructions, 2 arguments
     0  r6 = r1
     1  r7 = r2
  ; the task's own entry
     2  *(u64 *)(r10 - 16) = r6
     3  r1 = krs_tasks ll
     5  r2 = r10
     6  r2 += -16
     7  call map_lookup_elem
     8  if r0 == 0x0 goto 29
     9  if r6 == r7 goto 23
    10  r8 = r0
  ; whether a thread has taken its place, and does not know everything yet
    11  *(u64 *)(r10 - 16) = r7
    12  r1 = krs_tasks ll
    14  r2 = r10
    15  r2 += -16
    16  call map_lookup_elem
    17  if r0 == 0x0 goto 23
    18  r1 = *(u64 *)(r0 + 8)
    19  if r1 != r6 goto 23
    20  r1 = *(u8 *)(r8 + 0)
    21  if r1 == 0x0 goto 23
    22  *(u8 *)(r0 + 0) = 1
    23  *(u64 *)(r10 - 16) = r6
    24  r1 = krs_tasks ll
    26  r2 = r10
    27  r2 += -16
    28  call map_delete_elem
    29  r0 = 0
    30  exit

krs_inherit_task:    # 48 instructions, 2 arguments
  ; what is inherited
     0  *(u64 *)(r10 - 16) = r1
     1  r6 = r2
     2  r1 = krs_tasks ll
     4  r2 = r10
     5  r2 += -16
     6  call map_lookup_elem
     7  if r0 == 0x0 goto 28
     8  r7 = 0
     9  r1 = 0x1 ll
    11  r2 = *(u64 *)(r0 + 0)
    12  r2 &= r1
    13  r7 |= r2
    14  *(u64 *)(r10 - 32) = r2
    15  *(u64 *)(r10 - 24) = 0
    16  if r7 == 0x0 goto 28
    17  *(u64 *)(r10 - 16) = r6
    18  r1 = krs_tasks ll
    20  r2 = r10
    21  r2 += -16
    22  r3 = r10
    23  r3 += -32
    24  r4 = 0
    25  call map_update_elem
    26  if r0 != 0x0 goto 42
    27  goto 40
  ; nothing: nor may there be anything from an object that was here before
    28  *(u64 *)(r10 - 16) = r6
    29  r1 = krs_tasks ll
    31  r2 = r10
    32  r2 += -16
    33  call map_lookup_elem
    34  if r0 == 0x0 goto 40
    35  r1 = krs_tasks ll
    37  r2 = r10
    38  r2 += -16
    39  call map_delete_elem
    40  r0 = 0
    41  exit
  ; no room: it is counted
    42  r1 = state[48] ll
    44  r2 = 1
    45  lock *(u64 *)(r1 + 0) += r2
    46  r0 = -1
    47  exit

krs_mark_task:    # 45 instructions, 3 arguments
  ; the labels of the object
     0  *(u64 *)(r10 - 16) = r1
     1  r6 = r2
     2  r7 = r3
     3  r1 = krs_tasks ll
     5  r2 = r10
     6  r2 += -16
     7  call map_lookup_elem
     8  if r0 == 0x0 goto 10
     9  goto 27
  ; none yet
    10  if r6 == 0x0 goto 37
    11  *(u64 *)(r10 - 32) = 0
    12  *(u64 *)(r10 - 24) = 0
    13  r1 = krs_tasks ll
    15  r2 = r10
    16  r2 += -16
    17  r3 = r10
    18  r3 += -32
    19  r4 = 1
    20  call map_update_elem
    21  r1 = krs_tasks ll
    23  r2 = r10
    24  r2 += -16
    25  call map_lookup_elem
    26  if r0 == 0x0 goto 39
    27  r1 = r7
    28  r1 >>= 0
    29  r1 &= 1
    30  if r1 == 0x0 goto 32
    31  *(u8 *)(r0 + 0) = 0
    32  r1 = r6
    33  r1 >>= 0
    34  r1 &= 1
    35  if r1 == 0x0 goto 37
    36  *(u8 *)(r0 + 0) = 1
    37  r0 = 0
    38  exit
  ; no room: it is counted
    39  r1 = state[48] ll
    41  r2 = 1
    42  lock *(u64 *)(r1 + 0) += r2
    43  r0 = -1
    44  exit

krs_would:    # 51 instructions, 2 arguments
  ; room for an event
     0  r6 = r1
     1  r7 = r2
     2  if r6 >= 0x3 goto 49
     3  r1 = krs_events ll
     5  r2 = 72
     6  r3 = 0
     7  call ringbuf_reserve
     8  if r0 == 0x0 goto 42
     9  r8 = r0
  ; who and when
    10  call ktime_get_boot_ns
    11  *(u64 *)(r8 + 0) = r0
    12  call get_current_pid_tgid
    13  *(u64 *)(r8 + 8) = r0
    14  call get_current_uid_gid
    15  *(u64 *)(r8 + 16) = r0
    16  call get_current_cgroup_id
    17  *(u64 *)(r8 + 24) = r0
    18  *(u32 *)(r8 + 32) = r6
    19  *(u32 *)(r8 + 36) = r7
    20  r1 = krs_lost[0] ll
    22  r2 = r6
    23  r2 <<= 3
    24  r1 += r2
    25  r1 = *(u64 *)(r1 + 0)
    26  *(u64 *)(r8 + 40) = r1
    27  *(u64 *)(r8 + 48) = 0
    28  r1 = r8
    29  r1 += 56
    30  r2 = 16
    31  call get_current_comm
    32  r1 = r8
    33  r2 = 0
    34  call ringbuf_submit
  ; it is counted as written
    35  r1 = krs_lost[0] ll
    37  r2 = r6
    38  r2 <<= 3
    39  r1 += r2
    40  r1 += 24
    41  goto 47
  ; no room: it is counted as lost
    42  r1 = krs_lost[0] ll
    44  r2 = r6
    45  r2 <<= 3
    46  r1 += r2
    47  r2 = 1
    48  lock *(u64 *)(r1 + 0) += r2
    49  r0 = 0
    50  exit
