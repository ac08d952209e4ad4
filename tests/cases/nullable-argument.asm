mmap_file:    # 155 instructions
  ; nullable-argument.krs:1:22: file.f_inode.i_ino == 1
     0  r2 = *(u64 *)(r1 + 0)                   # file
     1  if r2 == 0x0 goto 6
     2  if r2 < 0x1000 goto 6
     3  r3 = *(u64 *)(r2 + file.f_inode)
     4  r3 = *(u64 *)(r3 + inode.i_ino)
     5  if r3 == 0x1 goto 10
  ; nullable-argument.krs:2:22: file == null
     6  if r2 == 0x0 goto 82
     7  if r2 < 0x1000 goto 82
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
     8  r0 = 0
     9  exit
  ; nullable-argument.krs:1:1: a: on mmap_file when file.f_inode.i_ino == 1 deny EACCES audit { file.f_inode.i_ino, prot }
    10  *(u64 *)(r10 - 32) = r1
    11  *(u64 *)(r10 - 40) = r3
    12  r2 = krs_modes[0] ll
    14  r2 = *(u8 *)(r2 + 0)
    15  *(u64 *)(r10 - 8) = r2
    16  if r2 > 0x2 goto 78
    17  r2 = -13
    18  *(u64 *)(r10 - 16) = r2
    19  r2 = *(u64 *)(r10 - 8)
    20  if r2 <= 0x1 goto 23
    21  r2 = 13
    22  *(u64 *)(r10 - 16) = r2
  ; nullable-argument.krs:1:58: audit { file.f_inode.i_ino, prot }
    23  r1 = krs_events ll
    25  r2 = 88
    26  r3 = 0
    27  call ringbuf_reserve
    28  if r0 == 0x0 goto 68
    29  *(u64 *)(r10 - 24) = r0
    30  call ktime_get_boot_ns
    31  r2 = *(u64 *)(r10 - 24)
    32  *(u64 *)(r2 + 0) = r0
    33  call get_current_pid_tgid
    34  r2 = *(u64 *)(r10 - 24)
    35  *(u64 *)(r2 + 8) = r0
    36  call get_current_uid_gid
    37  r2 = *(u64 *)(r10 - 24)
    38  *(u64 *)(r2 + 16) = r0
    39  call get_current_cgroup_id
    40  r1 = *(u64 *)(r10 - 24)
    41  *(u64 *)(r1 + 24) = r0
    42  *(u32 *)(r1 + 32) = 0
    43  r2 = *(u64 *)(r10 - 16)
    44  *(u32 *)(r1 + 36) = r2
    45  r2 = krs_lost[0] ll
    47  r2 = *(u64 *)(r2 + 0)
    48  *(u64 *)(r1 + 40) = r2
    49  *(u64 *)(r1 + 48) = 0
    50  r1 += 56
    51  r2 = 16
    52  call get_current_comm
  ; nullable-argument.krs:1:66: file.f_inode.i_ino
    53  r2 = *(u64 *)(r10 - 40)
    54  r3 = *(u64 *)(r10 - 24)
    55  *(u64 *)(r3 + 72) = r2
  ; nullable-argument.krs:1:86: prot
    56  r2 = *(u64 *)(r10 - 32)
    57  r2 = *(u64 *)(r2 + 16)                  # prot
    58  r1 = r3
    59  *(u64 *)(r3 + 80) = r2
  ; nullable-argument.krs:1:58: audit { file.f_inode.i_ino, prot }
    60  r2 = 0
    61  call ringbuf_submit
    62  r2 = krs_lost[0] ll
    64  r2 += 16
    65  r3 = 1
    66  lock *(u64 *)(r2 + 0) += r3
    67  goto 72
    68  r2 = krs_lost[0] ll
    70  r3 = 1
    71  lock *(u64 *)(r2 + 0) += r3
    72  r2 = *(u64 *)(r10 - 8)
    73  if r2 > 0x1 goto 78
    74  r2 = -13
    75  *(u64 *)(r10 - 24) = r2
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
    76  r0 = *(u64 *)(r10 - 24)
    77  exit
  ; nullable-argument.krs:1:58: audit { file.f_inode.i_ino, prot }
    78  r2 = 0
    79  *(u64 *)(r10 - 24) = r2
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
    80  r0 = *(u64 *)(r10 - 24)
    81  exit
  ; nullable-argument.krs:2:1: b: on mmap_file when file == null audit "anon" { prot, flags, x = file.f_inode.i_ino }
    82  *(u64 *)(r10 - 32) = r1
    83  *(u64 *)(r10 - 16) = r2
    84  r2 = 0
    85  *(u64 *)(r10 - 24) = r2
    86  r2 = krs_modes[1] ll
    88  r2 = *(u8 *)(r2 + 0)
    89  if r2 > 0x2 goto 153
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
    90  r1 = krs_events ll
    92  r2 = 96
    93  r3 = 0
    94  call ringbuf_reserve
    95  if r0 == 0x0 goto 149
    96  *(u64 *)(r10 - 8) = r0
    97  call ktime_get_boot_ns
    98  r2 = *(u64 *)(r10 - 8)
    99  *(u64 *)(r2 + 0) = r0
   100  call get_current_pid_tgid
   101  r2 = *(u64 *)(r10 - 8)
   102  *(u64 *)(r2 + 8) = r0
   103  call get_current_uid_gid
   104  r2 = *(u64 *)(r10 - 8)
   105  *(u64 *)(r2 + 16) = r0
   106  call get_current_cgroup_id
   107  r1 = *(u64 *)(r10 - 8)
   108  *(u64 *)(r1 + 24) = r0
   109  *(u32 *)(r1 + 32) = 1
   110  r2 = *(u64 *)(r10 - 24)
   111  *(u32 *)(r1 + 36) = r2
   112  r2 = krs_lost[1] ll
   114  r2 = *(u64 *)(r2 + 0)
   115  *(u64 *)(r1 + 40) = r2
   116  *(u64 *)(r1 + 48) = 0
   117  r1 += 56
   118  r2 = 16
   119  call get_current_comm
  ; nullable-argument.krs:2:50: prot
   120  r2 = *(u64 *)(r10 - 32)
   121  r4 = *(u64 *)(r2 + 16)                  # prot
   122  r3 = *(u64 *)(r10 - 8)
   123  *(u64 *)(r3 + 72) = r4
  ; nullable-argument.krs:2:56: flags
   124  r2 = *(u64 *)(r2 + 24)                  # flags
   125  *(u64 *)(r3 + 80) = r2
  ; nullable-argument.krs:2:67: file.f_inode.i_ino
   126  r2 = *(u64 *)(r10 - 16)
   127  if r2 == 0x0 goto 134
   128  if r2 < 0x1000 goto 134
   129  r2 = *(u64 *)(r2 + file.f_inode)
   130  r3 = *(u64 *)(r2 + inode.i_ino)
   131  r2 = *(u64 *)(r10 - 8)
   132  *(u64 *)(r2 + 88) = r3
   133  goto 139
   134  r2 = r3
   135  *(u64 *)(r3 + 88) = 0
   136  r3 = *(u64 *)(r3 + 48)
   137  r3 |= 4
   138  *(u64 *)(r2 + 48) = r3
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
   139  r1 = r2
   140  r2 = 0
   141  call ringbuf_submit
   142  r2 = krs_lost[1] ll
   144  r2 += 16
   145  r3 = 1
   146  lock *(u64 *)(r2 + 0) += r3
   147  r0 = *(u64 *)(r10 - 24)
   148  exit
   149  r2 = krs_lost[1] ll
   151  r3 = 1
   152  lock *(u64 *)(r2 + 0) += r3
   153  r0 = *(u64 *)(r10 - 24)
   154  exit
