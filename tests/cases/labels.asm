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

task_alloc:    # 40 instructions
  ; labels.krs:1:1: 
     0  r2 = *(u64 *)(r1 + 8)                   # clone_flags
     1  if r2 & 0x10000 goto 38
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
    16  goto 25
    17  call get_current_task
    18  r3 = task_struct.group_leader
    19  r3 += r0
    20  r1 = r10
    21  r1 += -8
    22  r2 = 8
    23  call probe_read_kernel
    24  r2 = *(u64 *)(r10 - 8)
    25  *(u64 *)(r10 - 8) = r2
    26  r1 = r10
    27  r1 += -40
    28  r2 = 8
    29  r3 = r10
    30  r3 += -8
    31  call probe_read_kernel
    32  r1 = *(u64 *)(r10 - 40)
    33  r2 = *(u64 *)(r10 - 48)
    34  call krs_inherit_task
    35  if r0 == 0x0 goto 38
    36  r0 = -11
    37  exit
    38  r0 = 0
    39  exit

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

file_open:    # 167 instructions
  ; labels.krs:3:39: file.flags & O_CREAT
     0  r6 = -1
     1  r2 = *(u64 *)(r1 + 0)                   # file
     2  r7 = *(u32 *)(r2 + file.f_flags)
     3  if w7 & 0x40 goto 5
     4  goto 29
  ; labels.krs:3:19: task is tainted
     5  r2 = exists(BPF_FUNC_get_current_task_btf)
     6  if r2 == 0x0 goto 10
     7  call get_current_task_btf
     8  r2 = *(u64 *)(r0 + task_struct.group_leader)
     9  goto 18
    10  call get_current_task
    11  r3 = task_struct.group_leader
    12  r3 += r0
    13  r1 = r10
    14  r1 += -8
    15  r2 = 8
    16  call probe_read_kernel
    17  r2 = *(u64 *)(r10 - 8)
    18  *(u64 *)(r10 - 40) = r2
    19  r1 = krs_tasks ll
    21  r2 = r10
    22  r2 += -40
    23  call map_lookup_elem
    24  if r0 == 0x0 goto 28
    25  r6 = *(u64 *)(r0 + 0)
    26  if w6 & 0x1 goto 60
    27  goto 29
    28  r6 = 0
  ; labels.krs:5:19: task.uid == 0
    29  call get_current_uid_gid
    30  if w0 == 0x0 goto 79
  ; labels.krs:4:19: file.flags & O_EXCL
    31  if w7 & 0x80 goto 34
  ; labels.krs:4:62: mark tainted
    32  r0 = 0
    33  exit
  ; labels.krs:4:46: task is tainted
    34  if r6 != 0xffffffff goto 56
    35  r2 = exists(BPF_FUNC_get_current_task_btf)
    36  if r2 == 0x0 goto 40
    37  call get_current_task_btf
    38  r2 = *(u64 *)(r0 + task_struct.group_leader)
    39  goto 48
    40  call get_current_task
    41  r3 = task_struct.group_leader
    42  r3 += r0
    43  r1 = r10
    44  r1 += -8
    45  r2 = 8
    46  call probe_read_kernel
    47  r2 = *(u64 *)(r10 - 8)
    48  *(u64 *)(r10 - 40) = r2
    49  r1 = krs_tasks ll
    51  r2 = r10
    52  r2 += -40
    53  call map_lookup_elem
    54  if r0 == 0x0 goto 118
    55  r6 = *(u64 *)(r0 + 0)
    56  if w6 & 0x1 goto 58
    57  goto 118
  ; labels.krs:4:62: mark tainted
    58  r0 = 0
    59  exit
  ; labels.krs:3:1: on file_open when task is tainted and file.flags & O_CREAT deny
    60  *(u64 *)(r10 - 48) = r6
    61  r6 = 0
    62  r2 = 0
    63  *(u64 *)(r10 - 56) = r2
    64  *(u64 *)(r10 - 64) = r7
    65  r2 = krs_modes[0] ll
    67  r2 = *(u8 *)(r2 + 0)
    68  if r2 <= 0x1 goto 75
    69  if r2 > 0x2 goto 73
    70  r1 = 0
    71  r2 = 1
    72  call krs_would
    73  r7 = 0
    74  goto 76
    75  r7 = -1
  ; labels.krs:5:19: task.uid == 0
    76  call get_current_uid_gid
    77  if w0 == 0x0 goto 85
    78  goto 90
  ; labels.krs:5:1: on file_open when task.uid == 0 unmark tainted
    79  *(u64 *)(r10 - 48) = r6
    80  r6 = 0
    81  r2 = 0
    82  *(u64 *)(r10 - 56) = r2
    83  *(u64 *)(r10 - 64) = r7
    84  r7 = 0
    85  r2 = krs_modes[2] ll
    87  r2 = *(u8 *)(r2 + 0)
    88  if r2 > 0x2 goto 90
  ; labels.krs:5:33: unmark tainted
    89  r6 = 1
  ; labels.krs:4:19: file.flags & O_EXCL
    90  r2 = *(u64 *)(r10 - 64)
    91  if w2 & 0x80 goto 93
    92  goto 128
  ; labels.krs:4:46: task is tainted
    93  r2 = *(u64 *)(r10 - 48)
    94  if r2 != 0xffffffff goto 116
    95  r2 = exists(BPF_FUNC_get_current_task_btf)
    96  if r2 == 0x0 goto 100
    97  call get_current_task_btf
    98  r2 = *(u64 *)(r0 + task_struct.group_leader)
    99  goto 108
   100  call get_current_task
   101  r3 = task_struct.group_leader
   102  r3 += r0
   103  r1 = r10
   104  r1 += -8
   105  r2 = 8
   106  call probe_read_kernel
   107  r2 = *(u64 *)(r10 - 8)
   108  *(u64 *)(r10 - 40) = r2
   109  r1 = krs_tasks ll
   111  r2 = r10
   112  r2 += -40
   113  call map_lookup_elem
   114  if r0 == 0x0 goto 122
   115  r2 = *(u64 *)(r0 + 0)
   116  if w2 & 0x1 goto 128
   117  goto 122
  ; labels.krs:4:1: on file_open when file.flags & O_EXCL unless task is tainted mark tainted
   118  r6 = 0
   119  r2 = 0
   120  *(u64 *)(r10 - 56) = r2
   121  r7 = 0
   122  r2 = krs_modes[1] ll
   124  r2 = *(u8 *)(r2 + 0)
   125  if r2 > 0x2 goto 128
  ; labels.krs:4:62: mark tainted
   126  r2 = 1
   127  *(u64 *)(r10 - 56) = r2
   128  r2 = 0
   129  *(u64 *)(r10 - 48) = r2
   130  r2 = *(u64 *)(r10 - 56)
   131  r2 |= r6
   132  if r2 == 0x0 goto 160
   133  r2 = exists(BPF_FUNC_get_current_task_btf)
   134  if r2 == 0x0 goto 138
   135  call get_current_task_btf
   136  r2 = *(u64 *)(r0 + task_struct.group_leader)
   137  goto 146
   138  call get_current_task
   139  r3 = task_struct.group_leader
   140  r3 += r0
   141  r1 = r10
   142  r1 += -8
   143  r2 = 8
   144  call probe_read_kernel
   145  r2 = *(u64 *)(r10 - 8)
   146  *(u64 *)(r10 - 8) = r2
   147  r1 = r10
   148  r1 += -40
   149  r2 = 8
   150  r3 = r10
   151  r3 += -8
   152  call probe_read_kernel
   153  r1 = *(u64 *)(r10 - 40)
   154  r2 = *(u64 *)(r10 - 56)
   155  r3 = r6
   156  call krs_mark_task
   157  r2 = *(u64 *)(r10 - 48)
   158  r2 |= r0
   159  *(u64 *)(r10 - 48) = r2
   160  if r7 != 0x0 goto 163
   161  r2 = *(u64 *)(r10 - 48)
   162  if r2 != 0x0 goto 165
   163  r0 = r7
   164  exit
   165  r0 = -12
   166  exit

krs_exec:    # 31 instructions, 2 arguments
  ; a copy of the labels of the process
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
  ; no room: count the lost label
    25  r1 = state[48] ll
    27  r2 = 1
    28  lock *(u64 *)(r1 + 0) += r2
    29  r0 = -1
    30  exit

krs_executed:    # 23 instructions, 1 arguments
  ; the labels of the former first thread
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
  ; a successor that has not merged these labels yet
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

krs_inherit_task:    # 48 instructions, 2 arguments
  ; the inherited labels
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
  ; nothing is inherited: remove the entry of a former object at this address
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
  ; no room: count the lost label
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
  ; no entry yet
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
  ; no room: count the lost label
    39  r1 = state[48] ll
    41  r2 = 1
    42  lock *(u64 *)(r1 + 0) += r2
    43  r0 = -1
    44  exit

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
