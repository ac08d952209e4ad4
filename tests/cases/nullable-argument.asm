mmap_file:    # 163 instructions
  ; nullable-argument.krs:1:22: file.f_inode.i_ino == 1
     0  r2 = *(u64 *)(r1 + 0)                   # file
     1  if r2 == 0x0 goto 6
     2  if r2 < 0x1000 goto 6
     3  r3 = *(u64 *)(r2 + file.f_inode)
     4  r3 = *(u64 *)(r3 + inode.i_ino)
     5  if r3 == 0x1 goto 10
  ; nullable-argument.krs:2:22: file == null
     6  if r2 == 0x0 goto 86
     7  if r2 < 0x1000 goto 86
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
     8  r0 = 0
     9  exit
  ; nullable-argument.krs:1:1: a: on mmap_file when file.f_inode.i_ino == 1 deny EACCES audit { file.f_inode.i_ino, prot }
    10  *(u64 *)(r10 - 32) = r1
    11  *(u64 *)(r10 - 40) = r2
    12  *(u64 *)(r10 - 48) = r3
    13  r2 = krs_modes[0] ll
    15  r2 = *(u8 *)(r2 + 0)
    16  *(u64 *)(r10 - 8) = r2
    17  r2 = *(u64 *)(r10 - 8)
    18  if r2 > 0x2 goto 79
    19  r2 = -13
    20  *(u64 *)(r10 - 16) = r2
    21  r2 = *(u64 *)(r10 - 8)
    22  if r2 <= 0x1 goto 25
    23  r2 = 13
    24  *(u64 *)(r10 - 16) = r2
  ; nullable-argument.krs:1:58: audit { file.f_inode.i_ino, prot }
    25  r1 = krs_events ll
    27  r2 = 88
    28  r3 = 0
    29  call ringbuf_reserve
    30  *(u64 *)(r10 - 24) = r0
    31  if r0 == 0x0 goto 70
    32  call ktime_get_boot_ns
    33  r2 = *(u64 *)(r10 - 24)
    34  *(u64 *)(r2 + 0) = r0
    35  call get_current_pid_tgid
    36  r2 = *(u64 *)(r10 - 24)
    37  *(u64 *)(r2 + 8) = r0
    38  call get_current_uid_gid
    39  r2 = *(u64 *)(r10 - 24)
    40  *(u64 *)(r2 + 16) = r0
    41  call get_current_cgroup_id
    42  r1 = *(u64 *)(r10 - 24)
    43  *(u64 *)(r1 + 24) = r0
    44  *(u32 *)(r1 + 32) = 0
    45  r2 = *(u64 *)(r10 - 16)
    46  *(u32 *)(r1 + 36) = r2
    47  r2 = krs_lost[0] ll
    49  r2 = *(u64 *)(r2 + 0)
    50  *(u64 *)(r1 + 40) = r2
    51  *(u64 *)(r1 + 48) = 0
    52  r1 += 56
    53  r2 = 16
    54  call get_current_comm
  ; nullable-argument.krs:1:66: file.f_inode.i_ino
    55  r2 = *(u64 *)(r10 - 48)
    56  r3 = *(u64 *)(r10 - 24)
    57  *(u64 *)(r3 + 72) = r2
  ; nullable-argument.krs:1:86: prot
    58  r2 = *(u64 *)(r10 - 32)
    59  r2 = *(u64 *)(r2 + 16)                  # prot
    60  r1 = *(u64 *)(r10 - 24)
    61  *(u64 *)(r1 + 80) = r2
  ; nullable-argument.krs:1:58: audit { file.f_inode.i_ino, prot }
    62  r2 = 0
    63  call ringbuf_submit
    64  r2 = krs_lost[0] ll
    66  r2 += 16
    67  r3 = 1
    68  lock *(u64 *)(r2 + 0) += r3
    69  goto 74
    70  r2 = krs_lost[0] ll
    72  r3 = 1
    73  lock *(u64 *)(r2 + 0) += r3
    74  r2 = *(u64 *)(r10 - 8)
    75  if r2 > 0x1 goto 79
    76  r2 = -13
    77  *(u64 *)(r10 - 16) = r2
    78  goto 81
    79  r2 = 0
    80  *(u64 *)(r10 - 16) = r2
  ; nullable-argument.krs:2:22: file == null
    81  r2 = *(u64 *)(r10 - 40)
    82  if r2 == 0x0 goto 90
    83  r2 = *(u64 *)(r10 - 40)
    84  if r2 < 0x1000 goto 90
    85  goto 161
  ; nullable-argument.krs:2:1: b: on mmap_file when file == null audit "anon" { prot, flags, x = file.f_inode.i_ino }
    86  *(u64 *)(r10 - 32) = r1
    87  *(u64 *)(r10 - 40) = r2
    88  r2 = 0
    89  *(u64 *)(r10 - 16) = r2
    90  r2 = krs_modes[1] ll
    92  r2 = *(u8 *)(r2 + 0)
    93  if r2 > 0x2 goto 161
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
    94  r1 = krs_events ll
    96  r2 = 96
    97  r3 = 0
    98  call ringbuf_reserve
    99  *(u64 *)(r10 - 8) = r0
   100  if r0 == 0x0 goto 155
   101  call ktime_get_boot_ns
   102  r2 = *(u64 *)(r10 - 8)
   103  *(u64 *)(r2 + 0) = r0
   104  call get_current_pid_tgid
   105  r2 = *(u64 *)(r10 - 8)
   106  *(u64 *)(r2 + 8) = r0
   107  call get_current_uid_gid
   108  r2 = *(u64 *)(r10 - 8)
   109  *(u64 *)(r2 + 16) = r0
   110  call get_current_cgroup_id
   111  r1 = *(u64 *)(r10 - 8)
   112  *(u64 *)(r1 + 24) = r0
   113  *(u32 *)(r1 + 32) = 1
   114  r2 = *(u64 *)(r10 - 16)
   115  *(u32 *)(r1 + 36) = r2
   116  r2 = krs_lost[1] ll
   118  r2 = *(u64 *)(r2 + 0)
   119  *(u64 *)(r1 + 40) = r2
   120  *(u64 *)(r1 + 48) = 0
   121  r1 += 56
   122  r2 = 16
   123  call get_current_comm
  ; nullable-argument.krs:2:50: prot
   124  r2 = *(u64 *)(r10 - 32)
   125  r4 = *(u64 *)(r2 + 16)                  # prot
   126  r3 = *(u64 *)(r10 - 8)
   127  *(u64 *)(r3 + 72) = r4
  ; nullable-argument.krs:2:56: flags
   128  r2 = *(u64 *)(r2 + 24)                  # flags
   129  *(u64 *)(r3 + 80) = r2
  ; nullable-argument.krs:2:67: file.f_inode.i_ino
   130  r2 = *(u64 *)(r10 - 40)
   131  if r2 == 0x0 goto 140
   132  r2 = *(u64 *)(r10 - 40)
   133  if r2 < 0x1000 goto 140
   134  r2 = *(u64 *)(r10 - 40)
   135  r2 = *(u64 *)(r2 + file.f_inode)
   136  r3 = *(u64 *)(r2 + inode.i_ino)
   137  r2 = *(u64 *)(r10 - 8)
   138  *(u64 *)(r2 + 88) = r3
   139  goto 145
   140  r2 = *(u64 *)(r10 - 8)
   141  *(u64 *)(r2 + 88) = 0
   142  r3 = *(u64 *)(r2 + 48)
   143  r3 |= 4
   144  *(u64 *)(r2 + 48) = r3
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
   145  r1 = *(u64 *)(r10 - 8)
   146  r2 = 0
   147  call ringbuf_submit
   148  r2 = krs_lost[1] ll
   150  r2 += 16
   151  r3 = 1
   152  lock *(u64 *)(r2 + 0) += r3
   153  r0 = *(u64 *)(r10 - 16)
   154  exit
   155  r2 = krs_lost[1] ll
   157  r3 = 1
   158  lock *(u64 *)(r2 + 0) += r3
   159  r0 = *(u64 *)(r10 - 16)
   160  exit
   161  r0 = *(u64 *)(r10 - 16)
   162  exit
