mmap_file:    # 127 instructions
  ; nullable-argument.krs:1:22: file.f_inode.i_ino == 1
     0  r2 = *(u64 *)(r1 + 0)                   # file
     1  if r2 == 0x0 goto 6
     2  if r2 < 0x1000 goto 6
     3  r3 = *(u64 *)(r2 + file.f_inode)
     4  r3 = *(u64 *)(r3 + inode.i_ino)
     5  if r3 == 0x1 goto 10
  ; nullable-argument.krs:2:22: file == null
     6  if r2 == 0x0 goto 61
     7  if r2 < 0x1000 goto 61
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
     8  r0 = 0
     9  exit
  ; nullable-argument.krs:1:22: file.f_inode.i_ino == 1
    10  *(u64 *)(r10 - 16) = r1
    11  *(u64 *)(r10 - 24) = r3
    12  r2 = -13
    13  *(u64 *)(r10 - 32) = r2
  ; nullable-argument.krs:1:58: audit { file.f_inode.i_ino, prot }
    14  r1 = krs_events ll
    16  r2 = 88
    17  r3 = 0
    18  call ringbuf_reserve
    19  *(u64 *)(r10 - 8) = r0
    20  if r0 == 0x0 goto 55
    21  call ktime_get_boot_ns
    22  r2 = *(u64 *)(r10 - 8)
    23  *(u64 *)(r2 + 0) = r0
    24  call get_current_pid_tgid
    25  r2 = *(u64 *)(r10 - 8)
    26  *(u64 *)(r2 + 8) = r0
    27  call get_current_uid_gid
    28  r2 = *(u64 *)(r10 - 8)
    29  *(u64 *)(r2 + 16) = r0
    30  call get_current_cgroup_id
    31  r1 = *(u64 *)(r10 - 8)
    32  *(u64 *)(r1 + 24) = r0
    33  *(u32 *)(r1 + 32) = 0
    34  r2 = *(u64 *)(r10 - 32)
    35  *(u32 *)(r1 + 36) = r2
    36  r2 = krs_lost[0] ll
    38  r2 = *(u64 *)(r2 + 0)
    39  *(u64 *)(r1 + 40) = r2
    40  *(u64 *)(r1 + 48) = 0
    41  r1 += 56
    42  r2 = 16
    43  call get_current_comm
  ; nullable-argument.krs:1:66: file.f_inode.i_ino
    44  r2 = *(u64 *)(r10 - 24)
    45  r3 = *(u64 *)(r10 - 8)
    46  *(u64 *)(r3 + 72) = r2
  ; nullable-argument.krs:1:86: prot
    47  r2 = *(u64 *)(r10 - 16)
    48  r2 = *(u64 *)(r2 + 16)                  # prot
    49  r1 = *(u64 *)(r10 - 8)
    50  *(u64 *)(r1 + 80) = r2
  ; nullable-argument.krs:1:58: audit { file.f_inode.i_ino, prot }
    51  r2 = 0
    52  call ringbuf_submit
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
    53  r0 = *(u64 *)(r10 - 32)
    54  exit
  ; nullable-argument.krs:1:58: audit { file.f_inode.i_ino, prot }
    55  r2 = krs_lost[0] ll
    57  r3 = 1
    58  lock *(u64 *)(r2 + 0) += r3
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
    59  r0 = *(u64 *)(r10 - 32)
    60  exit
    61  *(u64 *)(r10 - 16) = r1
    62  *(u64 *)(r10 - 24) = r2
    63  r2 = 0
    64  *(u64 *)(r10 - 32) = r2
    65  r1 = krs_events ll
    67  r2 = 96
    68  r3 = 0
    69  call ringbuf_reserve
    70  *(u64 *)(r10 - 8) = r0
    71  if r0 == 0x0 goto 121
    72  call ktime_get_boot_ns
    73  r2 = *(u64 *)(r10 - 8)
    74  *(u64 *)(r2 + 0) = r0
    75  call get_current_pid_tgid
    76  r2 = *(u64 *)(r10 - 8)
    77  *(u64 *)(r2 + 8) = r0
    78  call get_current_uid_gid
    79  r2 = *(u64 *)(r10 - 8)
    80  *(u64 *)(r2 + 16) = r0
    81  call get_current_cgroup_id
    82  r1 = *(u64 *)(r10 - 8)
    83  *(u64 *)(r1 + 24) = r0
    84  *(u32 *)(r1 + 32) = 1
    85  r2 = *(u64 *)(r10 - 32)
    86  *(u32 *)(r1 + 36) = r2
    87  r2 = krs_lost[1] ll
    89  r2 = *(u64 *)(r2 + 0)
    90  *(u64 *)(r1 + 40) = r2
    91  *(u64 *)(r1 + 48) = 0
    92  r1 += 56
    93  r2 = 16
    94  call get_current_comm
  ; nullable-argument.krs:2:50: prot
    95  r2 = *(u64 *)(r10 - 16)
    96  r4 = *(u64 *)(r2 + 16)                  # prot
    97  r3 = *(u64 *)(r10 - 8)
    98  *(u64 *)(r3 + 72) = r4
  ; nullable-argument.krs:2:56: flags
    99  r2 = *(u64 *)(r2 + 24)                  # flags
   100  *(u64 *)(r3 + 80) = r2
  ; nullable-argument.krs:2:67: file.f_inode.i_ino
   101  r2 = *(u64 *)(r10 - 24)
   102  if r2 == 0x0 goto 111
   103  r2 = *(u64 *)(r10 - 24)
   104  if r2 < 0x1000 goto 111
   105  r2 = *(u64 *)(r10 - 24)
   106  r2 = *(u64 *)(r2 + file.f_inode)
   107  r3 = *(u64 *)(r2 + inode.i_ino)
   108  r2 = *(u64 *)(r10 - 8)
   109  *(u64 *)(r2 + 88) = r3
   110  goto 116
   111  r2 = *(u64 *)(r10 - 8)
   112  *(u64 *)(r2 + 88) = 0
   113  r3 = *(u64 *)(r2 + 48)
   114  r3 |= 4
   115  *(u64 *)(r2 + 48) = r3
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
   116  r1 = *(u64 *)(r10 - 8)
   117  r2 = 0
   118  call ringbuf_submit
   119  r0 = *(u64 *)(r10 - 32)
   120  exit
   121  r2 = krs_lost[1] ll
   123  r3 = 1
   124  lock *(u64 *)(r2 + 0) += r3
   125  r0 = *(u64 *)(r10 - 32)
   126  exit
