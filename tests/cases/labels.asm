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

task_alloc:    # 41 instructions
  ; labels.krs:1:1: 
     0  r2 = *(u64 *)(r1 + 8)                   # clone_flags
     1  if r2 & 0x10000 goto 39
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
    13  if r2 == 0x0 goto 17
    14  call get_current_task_btf
    15  r2 = *(u64 *)(r0 + task_struct.group_leader)
    16  goto 26
    17  call get_current_task
    18  r4 = r0
    19  r3 = task_struct.group_leader
    20  r3 += r4
    21  r1 = r10
    22  r1 += -8
    23  r2 = 8
    24  call probe_read_kernel
    25  r2 = *(u64 *)(r10 - 8)
    26  *(u64 *)(r10 - 8) = r2
    27  r1 = r10
    28  r1 += -40
    29  r2 = 8
    30  r3 = r10
    31  r3 += -8
    32  call probe_read_kernel
    33  r1 = *(u64 *)(r10 - 40)
    34  r2 = *(u64 *)(r10 - 48)
    35  call krs_inherit_task
    36  if r0 == 0x0 goto 39
    37  r0 = -11
    38  exit
    39  r0 = 0
    40  exit

bprm_creds_from_file:    # 43 instructions
  ; labels.krs:1:1: 
     0  call get_current_pid_tgid
     1  w3 = w0
     2  r2 = r0
     3  r2 >>= 32
     4  if r3 == r2 goto 41
     5  r2 = exists(BPF_FUNC_get_current_task_btf)
     6  if r2 == 0x0 goto 11
     7  call get_current_task_btf
     8  r6 = r0
     9  r7 = *(u64 *)(r6 + task_struct.group_leader)
    10  goto 20
    11  call get_current_task
    12  r6 = r0
    13  r3 = task_struct.group_leader
    14  r3 += r6
    15  r1 = r10
    16  r1 += -8
    17  r2 = 8
    18  call probe_read_kernel
    19  r7 = *(u64 *)(r10 - 8)
    20  *(u64 *)(r10 - 8) = r6
    21  r1 = r10
    22  r1 += -40
    23  r2 = 8
    24  r3 = r10
    25  r3 += -8
    26  call probe_read_kernel
    27  r6 = *(u64 *)(r10 - 40)
    28  *(u64 *)(r10 - 8) = r7
    29  r1 = r10
    30  r1 += -40
    31  r2 = 8
    32  r3 = r10
    33  r3 += -8
    34  call probe_read_kernel
    35  r2 = *(u64 *)(r10 - 40)
    36  r1 = r6
    37  call krs_exec
    38  if r0 == 0x0 goto 41
    39  r0 = -12
    40  exit
    41  r0 = 0
    42  exit

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

file_open:    # 207 instructions
  ; labels.krs:3:1: on file_open when task is tainted and file.flags & O_CREAT deny
     0  r6 = -1
  ; labels.krs:3:39: file.flags & O_CREAT
     1  r2 = *(u64 *)(r1 + 0)                   # file
     2  r7 = *(u32 *)(r2 + file.f_flags)
     3  if w7 & 0x40 goto 5
     4  goto 30
  ; labels.krs:3:19: task is tainted
     5  r2 = exists(BPF_FUNC_get_current_task_btf)
     6  if r2 == 0x0 goto 10
     7  call get_current_task_btf
     8  r2 = *(u64 *)(r0 + task_struct.group_leader)
     9  goto 19
    10  call get_current_task
    11  r4 = r0
    12  r3 = task_struct.group_leader
    13  r3 += r4
    14  r1 = r10
    15  r1 += -8
    16  r2 = 8
    17  call probe_read_kernel
    18  r2 = *(u64 *)(r10 - 8)
    19  *(u64 *)(r10 - 40) = r2
    20  r1 = krs_tasks ll
    22  r2 = r10
    23  r2 += -40
    24  call map_lookup_elem
    25  if r0 == 0x0 goto 29
    26  r6 = *(u64 *)(r0 + 0)
    27  if w6 & 0x1 goto 94
    28  goto 30
    29  r6 = 0
  ; labels.krs:5:19: task.uid == 0
    30  call get_current_uid_gid
    31  if w0 == 0x0 goto 113
  ; labels.krs:4:19: file.flags & O_EXCL
    32  if w7 & 0x80 goto 34
    33  goto 59
  ; labels.krs:4:46: task is tainted
    34  r2 = exists(BPF_FUNC_get_current_task_btf)
    35  if r2 == 0x0 goto 39
    36  call get_current_task_btf
    37  r2 = *(u64 *)(r0 + task_struct.group_leader)
    38  goto 48
    39  call get_current_task
    40  r4 = r0
    41  r3 = task_struct.group_leader
    42  r3 += r4
    43  r1 = r10
    44  r1 += -8
    45  r2 = 8
    46  call probe_read_kernel
    47  r2 = *(u64 *)(r10 - 8)
    48  if r6 != 0xffffffff goto 57
    49  *(u64 *)(r10 - 40) = r2
    50  r1 = krs_tasks ll
    52  r2 = r10
    53  r2 += -40
    54  call map_lookup_elem
    55  if r0 == 0x0 goto 152
    56  r6 = *(u64 *)(r0 + 0)
    57  if w6 & 0x1 goto 59
    58  goto 157
  ; labels.krs:4:62: mark tainted
    59  r6 = 0
    60  r2 = 0
    61  r2 |= 0
    62  if r2 == 0x0 goto 90
    63  r2 = exists(BPF_FUNC_get_current_task_btf)
    64  if r2 == 0x0 goto 68
    65  call get_current_task_btf
    66  r2 = *(u64 *)(r0 + task_struct.group_leader)
    67  goto 77
    68  call get_current_task
    69  r4 = r0
    70  r3 = task_struct.group_leader
    71  r3 += r4
    72  r1 = r10
    73  r1 += -8
    74  r2 = 8
    75  call probe_read_kernel
    76  r2 = *(u64 *)(r10 - 8)
    77  *(u64 *)(r10 - 8) = r2
    78  r1 = r10
    79  r1 += -40
    80  r2 = 8
    81  r3 = r10
    82  r3 += -8
    83  call probe_read_kernel
    84  r1 = *(u64 *)(r10 - 40)
    85  r2 = 0
    86  r3 = 0
    87  call krs_mark_task
    88  r6 |= r0
    89  if r6 != 0x0 goto 92
    90  r0 = 0
    91  exit
    92  r0 = -12
    93  exit
  ; labels.krs:3:1: on file_open when task is tainted and file.flags & O_CREAT deny
    94  *(u64 *)(r10 - 48) = r6
    95  r6 = 0
    96  r2 = 0
    97  *(u64 *)(r10 - 56) = r2
    98  *(u64 *)(r10 - 64) = r7
    99  r2 = krs_modes[0] ll
   101  r2 = *(u8 *)(r2 + 0)
   102  if r2 <= 0x1 goto 109
   103  if r2 > 0x2 goto 107
   104  r1 = 0
   105  r2 = 1
   106  call krs_would
   107  r7 = 0
   108  goto 110
   109  r7 = -1
  ; labels.krs:5:19: task.uid == 0
   110  call get_current_uid_gid
   111  if w0 == 0x0 goto 119
   112  goto 124
  ; labels.krs:5:1: on file_open when task.uid == 0 unmark tainted
   113  *(u64 *)(r10 - 48) = r6
   114  r6 = 0
   115  r2 = 0
   116  *(u64 *)(r10 - 56) = r2
   117  *(u64 *)(r10 - 64) = r7
   118  r7 = 0
   119  r2 = krs_modes[2] ll
   121  r2 = *(u8 *)(r2 + 0)
   122  if r2 > 0x2 goto 124
  ; labels.krs:5:33: unmark tainted
   123  r6 |= 1
  ; labels.krs:4:19: file.flags & O_EXCL
   124  r2 = *(u64 *)(r10 - 64)
   125  if w2 & 0x80 goto 127
   126  goto 168
  ; labels.krs:4:46: task is tainted
   127  r2 = exists(BPF_FUNC_get_current_task_btf)
   128  if r2 == 0x0 goto 132
   129  call get_current_task_btf
   130  r3 = *(u64 *)(r0 + task_struct.group_leader)
   131  goto 140
   132  call get_current_task
   133  r3 = task_struct.group_leader
   134  r3 += r0
   135  r1 = r10
   136  r1 += -8
   137  r2 = 8
   138  call probe_read_kernel
   139  r3 = *(u64 *)(r10 - 8)
   140  r2 = *(u64 *)(r10 - 48)
   141  if r2 != 0xffffffff goto 150
   142  *(u64 *)(r10 - 40) = r3
   143  r1 = krs_tasks ll
   145  r2 = r10
   146  r2 += -40
   147  call map_lookup_elem
   148  if r0 == 0x0 goto 161
   149  r2 = *(u64 *)(r0 + 0)
   150  if w2 & 0x1 goto 168
   151  goto 161
   152  r6 = 0
   153  r2 = 0
   154  *(u64 *)(r10 - 56) = r2
   155  r7 = 0
   156  goto 161
  ; labels.krs:4:1: on file_open when file.flags & O_EXCL unless task is tainted mark tainted
   157  r6 = 0
   158  r2 = 0
   159  *(u64 *)(r10 - 56) = r2
   160  r7 = 0
   161  r2 = krs_modes[1] ll
   163  r2 = *(u8 *)(r2 + 0)
   164  if r2 > 0x2 goto 168
  ; labels.krs:4:62: mark tainted
   165  r2 = *(u64 *)(r10 - 56)
   166  r2 |= 1
   167  *(u64 *)(r10 - 56) = r2
   168  r2 = 0
   169  *(u64 *)(r10 - 48) = r2
   170  r2 = *(u64 *)(r10 - 56)
   171  r2 |= r6
   172  if r2 == 0x0 goto 200
   173  r2 = exists(BPF_FUNC_get_current_task_btf)
   174  if r2 == 0x0 goto 178
   175  call get_current_task_btf
   176  r2 = *(u64 *)(r0 + task_struct.group_leader)
   177  goto 186
   178  call get_current_task
   179  r3 = task_struct.group_leader
   180  r3 += r0
   181  r1 = r10
   182  r1 += -8
   183  r2 = 8
   184  call probe_read_kernel
   185  r2 = *(u64 *)(r10 - 8)
   186  *(u64 *)(r10 - 8) = r2
   187  r1 = r10
   188  r1 += -40
   189  r2 = 8
   190  r3 = r10
   191  r3 += -8
   192  call probe_read_kernel
   193  r1 = *(u64 *)(r10 - 40)
   194  r2 = *(u64 *)(r10 - 56)
   195  r3 = r6
   196  call krs_mark_task
   197  r2 = *(u64 *)(r10 - 48)
   198  r2 |= r0
   199  *(u64 *)(r10 - 48) = r2
   200  if r7 != 0x0 goto 203
   201  r2 = *(u64 *)(r10 - 48)
   202  if r2 != 0x0 goto 205
   203  r0 = r7
   204  exit
   205  r0 = -12
   206  exit

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

krs_head:    # 23 instructions, 4 arguments
  ; whose event, and what it says
     0  r6 = r1
     1  *(u32 *)(r6 + 32) = r2
     2  *(u32 *)(r6 + 36) = r3
     3  *(u64 *)(r6 + 48) = 0
  ; how many were lost; this one is not
     4  r2 = *(u64 *)(r4 + 0)
     5  *(u64 *)(r6 + 40) = r2
     6  r4 += 24
     7  r2 = 1
     8  lock *(u64 *)(r4 + 0) += r2
  ; who and when
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

krs_no_room:    # 10 instructions, 1 arguments
  ; it is counted as lost
     0  r2 = r1
     1  if r2 >= 0x3 goto 8
     2  r2 <<= 3
     3  r4 = krs_lost[0] ll
     5  r4 += r2
     6  r2 = 1
     7  lock *(u64 *)(r4 + 0) += r2
     8  r0 = 0
     9  exit

krs_would:    # 28 instructions, 2 arguments
  ; room for an event
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
  ; there is no more to it than its head
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
