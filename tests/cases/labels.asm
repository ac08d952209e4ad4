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

file_open:    # 195 instructions
  ; labels.krs:3:1: on file_open when task is tainted and file.flags & O_CREAT deny
     0  r6 = -1
  ; labels.krs:3:39: file.flags & O_CREAT
     1  r2 = *(u64 *)(r1 + 0)                   # file
     2  r8 = *(u32 *)(r2 + file.f_flags)
     3  if w8 & 0x40 goto 5
     4  goto 36
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
    31  goto 36
    32  if w6 & 0x1 goto 34
    33  goto 36
    34  r7 = -1
    35  goto 37
    36  r7 = 0
  ; labels.krs:5:19: task.uid == 0
    37  call get_current_uid_gid
    38  if w0 == 0x0 goto 106
  ; labels.krs:4:19: file.flags & O_EXCL
    39  if w8 & 0x80 goto 41
    40  goto 68
  ; labels.krs:4:46: task is tainted
    41  r2 = exists(BPF_FUNC_get_current_task_btf)
    42  if r2 == 0x0 goto 45
    43  call get_current_task_btf
    44  goto 46
    45  call get_current_task
    46  r2 = exists(BPF_FUNC_get_current_task_btf)
    47  if r2 == 0x0 goto 50
    48  r2 = *(u64 *)(r0 + task_struct.group_leader)
    49  goto 57
    50  r3 = task_struct.group_leader
    51  r3 += r0
    52  r1 = r10
    53  r1 += -8
    54  r2 = 8
    55  call probe_read_kernel
    56  r2 = *(u64 *)(r10 - 8)
    57  if r6 != 0xffffffff goto 66
    58  *(u64 *)(r10 - 40) = r2
    59  r1 = krs_tasks ll
    61  r2 = r10
    62  r2 += -40
    63  call map_lookup_elem
    64  if r0 == 0x0 goto 141
    65  r6 = *(u64 *)(r0 + 0)
    66  if w6 & 0x1 goto 68
    67  goto 149
  ; labels.krs:4:62: mark tainted
    68  r6 = 0
    69  r3 = 0
    70  r3 |= 0
    71  if r3 == 0x0 goto 100
    72  r2 = exists(BPF_FUNC_get_current_task_btf)
    73  if r2 == 0x0 goto 76
    74  call get_current_task_btf
    75  goto 77
    76  call get_current_task
    77  r2 = exists(BPF_FUNC_get_current_task_btf)
    78  if r2 == 0x0 goto 81
    79  r2 = *(u64 *)(r0 + task_struct.group_leader)
    80  goto 88
    81  r3 = task_struct.group_leader
    82  r3 += r0
    83  r1 = r10
    84  r1 += -8
    85  r2 = 8
    86  call probe_read_kernel
    87  r2 = *(u64 *)(r10 - 8)
    88  *(u64 *)(r10 - 8) = r2
    89  r1 = r10
    90  r1 += -40
    91  r2 = 8
    92  r3 = r10
    93  r3 += -8
    94  call probe_read_kernel
    95  r1 = *(u64 *)(r10 - 40)
    96  r2 = 0
    97  r3 = 0
    98  call krs_mark_task
    99  r6 |= r0
   100  if r7 != 0x0 goto 102
   101  if r6 != 0x0 goto 104
   102  r0 = r7
   103  exit
   104  r0 = -12
   105  exit
  ; labels.krs:5:33: unmark tainted
   106  r2 = 0
   107  *(u64 *)(r10 - 48) = r2
   108  r2 = 0
   109  *(u64 *)(r10 - 56) = r2
   110  r2 = *(u64 *)(r10 - 48)
   111  r2 |= 1
   112  *(u64 *)(r10 - 48) = r2
  ; labels.krs:4:19: file.flags & O_EXCL
   113  if w8 & 0x80 goto 115
   114  goto 156
  ; labels.krs:4:46: task is tainted
   115  r2 = exists(BPF_FUNC_get_current_task_btf)
   116  if r2 == 0x0 goto 119
   117  call get_current_task_btf
   118  goto 120
   119  call get_current_task
   120  r2 = exists(BPF_FUNC_get_current_task_btf)
   121  if r2 == 0x0 goto 124
   122  r2 = *(u64 *)(r0 + task_struct.group_leader)
   123  goto 131
   124  r3 = task_struct.group_leader
   125  r3 += r0
   126  r1 = r10
   127  r1 += -8
   128  r2 = 8
   129  call probe_read_kernel
   130  r2 = *(u64 *)(r10 - 8)
   131  if r6 != 0xffffffff goto 147
   132  *(u64 *)(r10 - 40) = r2
   133  r1 = krs_tasks ll
   135  r2 = r10
   136  r2 += -40
   137  call map_lookup_elem
   138  if r0 == 0x0 goto 145
   139  r6 = *(u64 *)(r0 + 0)
   140  goto 147
   141  r2 = 0
   142  *(u64 *)(r10 - 48) = r2
   143  r2 = 0
   144  *(u64 *)(r10 - 56) = r2
   145  r6 = 0
   146  goto 153
   147  if w6 & 0x1 goto 156
   148  goto 153
  ; labels.krs:4:62: mark tainted
   149  r2 = 0
   150  *(u64 *)(r10 - 48) = r2
   151  r2 = 0
   152  *(u64 *)(r10 - 56) = r2
   153  r2 = *(u64 *)(r10 - 56)
   154  r2 |= 1
   155  *(u64 *)(r10 - 56) = r2
   156  r6 = 0
   157  r3 = *(u64 *)(r10 - 56)
   158  r2 = *(u64 *)(r10 - 48)
   159  r3 |= r2
   160  if r3 == 0x0 goto 189
   161  r2 = exists(BPF_FUNC_get_current_task_btf)
   162  if r2 == 0x0 goto 165
   163  call get_current_task_btf
   164  goto 166
   165  call get_current_task
   166  r2 = exists(BPF_FUNC_get_current_task_btf)
   167  if r2 == 0x0 goto 170
   168  r2 = *(u64 *)(r0 + task_struct.group_leader)
   169  goto 177
   170  r3 = task_struct.group_leader
   171  r3 += r0
   172  r1 = r10
   173  r1 += -8
   174  r2 = 8
   175  call probe_read_kernel
   176  r2 = *(u64 *)(r10 - 8)
   177  *(u64 *)(r10 - 8) = r2
   178  r1 = r10
   179  r1 += -40
   180  r2 = 8
   181  r3 = r10
   182  r3 += -8
   183  call probe_read_kernel
   184  r1 = *(u64 *)(r10 - 40)
   185  r2 = *(u64 *)(r10 - 56)
   186  r3 = *(u64 *)(r10 - 48)
   187  call krs_mark_task
   188  r6 |= r0
   189  if r7 != 0x0 goto 191
   190  if r6 != 0x0 goto 193
   191  r0 = r7
   192  exit
   193  r0 = -12
   194  exit

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
    25  r1 = state[0] ll
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
    42  r1 = state[0] ll
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
    39  r1 = state[0] ll
    41  r2 = 1
    42  lock *(u64 *)(r1 + 0) += r2
    43  r0 = -1
    44  exit
