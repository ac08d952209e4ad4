mmap_file:    # 103 instructions
  ; nullable-argument.krs:1:1: a: on mmap_file when file.f_inode.i_ino == 1 deny EACCES audit { file.f_inode.i_ino, prot }
     0  r6 = r1
  ; nullable-argument.krs:1:22: file.f_inode.i_ino == 1
     1  r7 = *(u64 *)(r6 + 0)                   # file
     2  if r7 == 0x0 goto 48
     3  if r7 < 0x1000 goto 48
     4  r1 = *(u64 *)(r7 + file.f_inode)
     5  r8 = *(u64 *)(r1 + inode.i_ino)
     6  if r8 != 0x1 goto 48
     7  r1 = -13
     8  *(u64 *)(r10 - 8) = r1
  ; nullable-argument.krs:1:58: audit { file.f_inode.i_ino, prot }
     9  r1 = krs_events ll
    11  r2 = 88
    12  r3 = 0
    13  call ringbuf_reserve
    14  r9 = r0
    15  if r9 == 0x0 goto 43
    16  call ktime_get_boot_ns
    17  *(u64 *)(r9 + 0) = r0
    18  call get_current_pid_tgid
    19  *(u64 *)(r9 + 8) = r0
    20  call get_current_uid_gid
    21  *(u64 *)(r9 + 16) = r0
    22  call get_current_cgroup_id
    23  *(u64 *)(r9 + 24) = r0
    24  *(u32 *)(r9 + 32) = 0
    25  r1 = *(u64 *)(r10 - 8)
    26  *(u32 *)(r9 + 36) = r1
    27  r1 = krs_lost[0] ll
    29  r1 = *(u64 *)(r1 + 0)
    30  *(u64 *)(r9 + 40) = r1
    31  *(u64 *)(r9 + 48) = 0
    32  r1 = r9
    33  r1 += 56
    34  r2 = 16
    35  call get_current_comm
  ; nullable-argument.krs:1:66: file.f_inode.i_ino
    36  *(u64 *)(r9 + 72) = r8
  ; nullable-argument.krs:1:86: prot
    37  r1 = *(u64 *)(r6 + 16)                  # prot
    38  *(u64 *)(r9 + 80) = r1
  ; nullable-argument.krs:1:58: audit { file.f_inode.i_ino, prot }
    39  r1 = r9
    40  r2 = 0
    41  call ringbuf_submit
    42  goto 50
    43  r1 = krs_lost[0] ll
    45  r2 = 1
    46  lock *(u64 *)(r1 + 0) += r2
    47  goto 50
    48  r1 = 0
    49  *(u64 *)(r10 - 8) = r1
  ; nullable-argument.krs:2:22: file == null
    50  if r7 == 0x0 goto 52
    51  if r7 >= 0x1000 goto 101
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
    52  r1 = krs_events ll
    54  r2 = 96
    55  r3 = 0
    56  call ringbuf_reserve
    57  r8 = r0
    58  if r8 == 0x0 goto 97
    59  call ktime_get_boot_ns
    60  *(u64 *)(r8 + 0) = r0
    61  call get_current_pid_tgid
    62  *(u64 *)(r8 + 8) = r0
    63  call get_current_uid_gid
    64  *(u64 *)(r8 + 16) = r0
    65  call get_current_cgroup_id
    66  *(u64 *)(r8 + 24) = r0
    67  *(u32 *)(r8 + 32) = 1
    68  r1 = *(u64 *)(r10 - 8)
    69  *(u32 *)(r8 + 36) = r1
    70  r1 = krs_lost[1] ll
    72  r1 = *(u64 *)(r1 + 0)
    73  *(u64 *)(r8 + 40) = r1
    74  *(u64 *)(r8 + 48) = 0
    75  r1 = r8
    76  r1 += 56
    77  r2 = 16
    78  call get_current_comm
  ; nullable-argument.krs:2:50: prot
    79  r1 = *(u64 *)(r6 + 16)                  # prot
    80  *(u64 *)(r8 + 72) = r1
  ; nullable-argument.krs:2:56: flags
    81  r1 = *(u64 *)(r6 + 24)                  # flags
    82  *(u64 *)(r8 + 80) = r1
  ; nullable-argument.krs:2:67: file.f_inode.i_ino
    83  if r7 == 0x0 goto 89
    84  if r7 < 0x1000 goto 89
    85  r1 = *(u64 *)(r7 + file.f_inode)
    86  r1 = *(u64 *)(r1 + inode.i_ino)
    87  *(u64 *)(r8 + 88) = r1
    88  goto 93
    89  *(u64 *)(r8 + 88) = 0
    90  r1 = *(u64 *)(r8 + 48)
    91  r1 |= 4
    92  *(u64 *)(r8 + 48) = r1
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
    93  r1 = r8
    94  r2 = 0
    95  call ringbuf_submit
    96  goto 101
    97  r1 = krs_lost[1] ll
    99  r2 = 1
   100  lock *(u64 *)(r1 + 0) += r2
   101  r0 = *(u64 *)(r10 - 8)
   102  exit
