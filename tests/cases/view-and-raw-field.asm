task_fix_setuid:    # 54 instructions
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
     8  *(u64 *)(r10 - 16) = r2
     9  *(u64 *)(r10 - 24) = r3
    10  r1 = krs_events ll
    12  r2 = 80
    13  r3 = 0
    14  call ringbuf_reserve
    15  *(u64 *)(r10 - 8) = r0
    16  if r0 == 0x0 goto 48
    17  call ktime_get_boot_ns
    18  r2 = *(u64 *)(r10 - 8)
    19  *(u64 *)(r2 + 0) = r0
    20  call get_current_pid_tgid
    21  r2 = *(u64 *)(r10 - 8)
    22  *(u64 *)(r2 + 8) = r0
    23  call get_current_uid_gid
    24  r2 = *(u64 *)(r10 - 8)
    25  *(u64 *)(r2 + 16) = r0
    26  call get_current_cgroup_id
    27  r1 = *(u64 *)(r10 - 8)
    28  *(u64 *)(r1 + 24) = r0
    29  *(u32 *)(r1 + 32) = 0
    30  *(u32 *)(r1 + 36) = -1
    31  r2 = krs_lost[0] ll
    33  r2 = *(u64 *)(r2 + 0)
    34  *(u64 *)(r1 + 40) = r2
    35  *(u64 *)(r1 + 48) = 0
    36  r1 += 56
    37  r2 = 16
    38  call get_current_comm
  ; view-and-raw-field.krs:2:72: old.uid.val
    39  r2 = *(u64 *)(r10 - 16)
    40  r1 = *(u64 *)(r10 - 8)
    41  *(u32 *)(r1 + 72) = r2
  ; view-and-raw-field.krs:2:85: new.uid
    42  r2 = *(u64 *)(r10 - 24)
    43  *(u32 *)(r1 + 76) = r2
  ; view-and-raw-field.krs:2:64: audit { old.uid.val, new.uid }
    44  r2 = 0
    45  call ringbuf_submit
    46  r0 = -1
    47  exit
    48  r2 = krs_lost[0] ll
    50  r3 = 1
    51  lock *(u64 *)(r2 + 0) += r3
    52  r0 = -1
    53  exit
