inode_permission:    # 29 instructions
  ; copied.krs:2:34: inode.i_cdev.count > 9
     0  r2 = *(u64 *)(r1 + 0)                   # inode
     1  r2 = *(u64 *)(r2 + inode.i_cdev)
     2  if r2 == 0x0 goto 15
     3  r3 = cdev.count
     4  r3 += r2
     5  r1 = r10
     6  r1 += -8
     7  r2 = 4
     8  call probe_read_kernel
     9  r2 = *(u32 *)(r10 - 8)
    10  if w2 > 0x9 goto 17
  ; copied.krs:2:60: inode.i_cdev.count & 1 == 1
    11  r3 = r2
    12  w3 &= 1
    13  if w3 != 0x0 goto 17
  ; copied.krs:2:91: inode.i_cdev.count == 4
    14  if w2 == 0x4 goto 17
  ; copied.krs:2:1: seldom: on inode_permission when inode.i_cdev.count > 9 or inode.i_cdev.count & 1 == 1 or inode.i_cdev.count == 4 deny
    15  r0 = 0
    16  exit
    17  r2 = krs_modes[0] ll
    19  r2 = *(u8 *)(r2 + 0)
    20  if r2 <= 0x1 goto 27
    21  if r2 > 0x2 goto 25
    22  r1 = 0
    23  r2 = 1
    24  call krs_would
    25  r0 = 0
    26  exit
    27  r0 = -1
    28  exit

krs_head:    # 23 instructions, 4 arguments
  ; rule and verdict
     0  r6 = r1
     1  *(u32 *)(r6 + 32) = r2
     2  *(u32 *)(r6 + 36) = r3
     3  *(u64 *)(r6 + 48) = 0
  ; the count of lost events; this one is not lost
     4  r2 = *(u64 *)(r4 + 0)
     5  *(u64 *)(r6 + 40) = r2
     6  r4 += 8
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
     1  if r2 >= 0x1 goto 8
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
     3  if r2 >= 0x1 goto 26
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
