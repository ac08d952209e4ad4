task_fix_setuid:    # 46 instructions
  ; view-and-raw-field.krs:2:25: old.uid.val != 0
     0  r2 = *(u64 *)(r1 + 8)                   # old
     1  r2 = *(u32 *)(r2 + cred.uid.val)
     2  if w2 == 0x0 goto 6
  ; view-and-raw-field.krs:2:46: new.uid == 0
     3  r3 = *(u64 *)(r1 + 0)                   # new
     4  r3 = *(u32 *)(r3 + cred.uid.val)
     5  if w3 == 0x0 goto 8
  ; view-and-raw-field.krs:2:64: audit { old.uid.val, new.uid }
     6  r0 = 0
     7  exit
  ; view-and-raw-field.krs:2:1: on task_fix_setuid when old.uid.val != 0 and new.uid == 0 deny audit { old.uid.val, new.uid }
     8  *(u64 *)(r10 - 16) = r2
     9  *(u64 *)(r10 - 24) = r3
    10  r2 = krs_modes[0] ll
    12  r2 = *(u8 *)(r2 + 0)
    13  *(u64 *)(r10 - 8) = r2
    14  if r2 > 0x2 goto 44
  ; view-and-raw-field.krs:2:64: audit { old.uid.val, new.uid }
    15  r1 = krs_events ll
    17  r2 = 80
    18  r3 = 0
    19  call ringbuf_reserve
    20  if r0 != 0x0 goto 24
    21  r1 = 0
    22  call krs_no_room
    23  goto 40
    24  r3 = -1
    25  r2 = *(u64 *)(r10 - 8)
    26  if r2 <= 0x1 goto 28
    27  r3 = 1
    28  r4 = krs_lost[0] ll
    30  r1 = r0
    31  r2 = 0
    32  call krs_head
  ; view-and-raw-field.krs:2:72: old.uid.val
    33  r2 = *(u64 *)(r10 - 16)
    34  *(u32 *)(r0 + 72) = r2
  ; view-and-raw-field.krs:2:85: new.uid
    35  r2 = *(u64 *)(r10 - 24)
    36  *(u32 *)(r0 + 76) = r2
  ; view-and-raw-field.krs:2:64: audit { old.uid.val, new.uid }
    37  r1 = r0
    38  r2 = 0
    39  call ringbuf_submit
    40  r2 = *(u64 *)(r10 - 8)
    41  if r2 > 0x1 goto 44
    42  r0 = -1
    43  exit
    44  r0 = 0
    45  exit

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
