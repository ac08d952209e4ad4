mmap_file:    # 98 instructions
  ; nullable-argument.krs:1:22: file.f_inode.i_ino == 1
     0  r2 = *(u64 *)(r1 + 0)                   # file
     1  if r2 == 0x0 goto 6
     2  if r2 < 0x1000 goto 6
     3  r3 = *(u64 *)(r2 + file.f_inode)
     4  r3 = *(u64 *)(r3 + inode.i_ino)
     5  if r3 == 0x1 goto 10
  ; nullable-argument.krs:2:22: file == null
     6  if r2 == 0x0 goto 53
     7  if r2 < 0x1000 goto 53
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
     8  r0 = 0
     9  exit
  ; nullable-argument.krs:1:1: a: on mmap_file when file.f_inode.i_ino == 1 deny EACCES audit { file.f_inode.i_ino, prot }
    10  *(u64 *)(r10 - 16) = r1
    11  *(u64 *)(r10 - 24) = r3
    12  r2 = krs_modes[0] ll
    14  r2 = *(u8 *)(r2 + 0)
    15  *(u64 *)(r10 - 8) = r2
    16  if r2 > 0x2 goto 49
  ; nullable-argument.krs:1:58: audit { file.f_inode.i_ino, prot }
    17  r1 = krs_events ll
    19  r2 = 88
    20  r3 = 0
    21  call ringbuf_reserve
    22  if r0 != 0x0 goto 26
    23  r1 = 0
    24  call krs_no_room
    25  goto 43
    26  r3 = -13
    27  r2 = *(u64 *)(r10 - 8)
    28  if r2 <= 0x1 goto 30
    29  r3 = 13
    30  r4 = krs_lost[0] ll
    32  r1 = r0
    33  r2 = 0
    34  call krs_head
  ; nullable-argument.krs:1:66: file.f_inode.i_ino
    35  r2 = *(u64 *)(r10 - 24)
    36  *(u64 *)(r0 + 72) = r2
  ; nullable-argument.krs:1:86: prot
    37  r2 = *(u64 *)(r10 - 16)
    38  r2 = *(u64 *)(r2 + 16)                  # prot
    39  *(u64 *)(r0 + 80) = r2
  ; nullable-argument.krs:1:58: audit { file.f_inode.i_ino, prot }
    40  r1 = r0
    41  r2 = 0
    42  call ringbuf_submit
    43  r2 = *(u64 *)(r10 - 8)
    44  if r2 > 0x1 goto 49
    45  r2 = -13
    46  *(u64 *)(r10 - 24) = r2
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
    47  r0 = *(u64 *)(r10 - 24)
    48  exit
  ; nullable-argument.krs:1:58: audit { file.f_inode.i_ino, prot }
    49  r2 = 0
    50  *(u64 *)(r10 - 24) = r2
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
    51  r0 = *(u64 *)(r10 - 24)
    52  exit
  ; nullable-argument.krs:2:1: b: on mmap_file when file == null audit "anon" { prot, flags, x = file.f_inode.i_ino }
    53  *(u64 *)(r10 - 16) = r1
    54  *(u64 *)(r10 - 8) = r2
    55  r2 = 0
    56  *(u64 *)(r10 - 24) = r2
    57  r2 = krs_modes[1] ll
    59  r2 = *(u8 *)(r2 + 0)
    60  if r2 > 0x2 goto 96
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
    61  r1 = krs_events ll
    63  r2 = 96
    64  r3 = 0
    65  call ringbuf_reserve
    66  if r0 != 0x0 goto 71
    67  r1 = 1
    68  call krs_no_room
    69  r0 = *(u64 *)(r10 - 24)
    70  exit
    71  r4 = krs_lost[1] ll
    73  r1 = r0
    74  r2 = 1
    75  r3 = *(u64 *)(r10 - 24)
    76  call krs_head
  ; nullable-argument.krs:2:50: prot
    77  r2 = *(u64 *)(r10 - 16)
    78  r3 = *(u64 *)(r2 + 16)                  # prot
    79  *(u64 *)(r0 + 72) = r3
  ; nullable-argument.krs:2:56: flags
    80  r2 = *(u64 *)(r2 + 24)                  # flags
    81  *(u64 *)(r0 + 80) = r2
  ; nullable-argument.krs:2:67: file.f_inode.i_ino
    82  r2 = *(u64 *)(r10 - 8)
    83  if r2 == 0x0 goto 89
    84  if r2 < 0x1000 goto 89
    85  r2 = *(u64 *)(r2 + file.f_inode)
    86  r2 = *(u64 *)(r2 + inode.i_ino)
    87  *(u64 *)(r0 + 88) = r2
    88  goto 93
    89  *(u64 *)(r0 + 88) = 0
    90  r2 = *(u64 *)(r0 + 48)
    91  r2 |= 4
    92  *(u64 *)(r0 + 48) = r2
  ; nullable-argument.krs:2:35: audit "anon" { prot, flags, x = file.f_inode.i_ino }
    93  r1 = r0
    94  r2 = 0
    95  call ringbuf_submit
    96  r0 = *(u64 *)(r10 - 24)
    97  exit

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
