task_fix_setuid:    # 46 instructions
  ; view-and-raw-field.krs:2:25: old.uid.val != 0
     0  r2 = *(u64 *)(r1 + 8)                   # old
     1  r6 = *(u32 *)(r2 + cred.uid.val)
     2  if w6 == 0x0 goto 44
  ; view-and-raw-field.krs:2:46: new.uid == 0
     3  r1 = *(u64 *)(r1 + 0)                   # new
     4  r7 = *(u32 *)(r1 + cred.uid.val)
     5  if w7 != 0x0 goto 44
  ; view-and-raw-field.krs:2:64: audit { old.uid.val, new.uid }
     6  r1 = krs_events ll
     8  r2 = 80
     9  r3 = 0
    10  call ringbuf_reserve
    11  r8 = r0
    12  if r8 == 0x0 goto 38
    13  call ktime_get_boot_ns
    14  *(u64 *)(r8 + 0) = r0
    15  call get_current_pid_tgid
    16  *(u64 *)(r8 + 8) = r0
    17  call get_current_uid_gid
    18  *(u64 *)(r8 + 16) = r0
    19  call get_current_cgroup_id
    20  *(u64 *)(r8 + 24) = r0
    21  *(u32 *)(r8 + 32) = 0
    22  *(u32 *)(r8 + 36) = -1
    23  r1 = krs_lost[0] ll
    25  r1 = *(u64 *)(r1 + 0)
    26  *(u64 *)(r8 + 40) = r1
    27  *(u64 *)(r8 + 48) = 0
    28  r1 = r8
    29  r1 += 56
    30  r2 = 16
    31  call get_current_comm
  ; view-and-raw-field.krs:2:72: old.uid.val
    32  *(u32 *)(r8 + 72) = r6
  ; view-and-raw-field.krs:2:85: new.uid
    33  *(u32 *)(r8 + 76) = r7
  ; view-and-raw-field.krs:2:64: audit { old.uid.val, new.uid }
    34  r1 = r8
    35  r2 = 0
    36  call ringbuf_submit
    37  goto 42
    38  r1 = krs_lost[0] ll
    40  r2 = 1
    41  lock *(u64 *)(r1 + 0) += r2
    42  r0 = -1
    43  exit
    44  r0 = 0
    45  exit
