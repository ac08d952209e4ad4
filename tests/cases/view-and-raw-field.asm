task_fix_setuid:    # 74 instructions
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
     8  *(u64 *)(r10 - 32) = r2
     9  *(u64 *)(r10 - 40) = r3
    10  r2 = krs_modes[0] ll
    12  r2 = *(u8 *)(r2 + 0)
    13  *(u64 *)(r10 - 8) = r2
    14  if r2 > 0x2 goto 72
    15  r2 = -1
    16  *(u64 *)(r10 - 16) = r2
    17  r2 = *(u64 *)(r10 - 8)
    18  if r2 <= 0x1 goto 21
    19  r2 = 1
    20  *(u64 *)(r10 - 16) = r2
  ; view-and-raw-field.krs:2:64: audit { old.uid.val, new.uid }
    21  r1 = krs_events ll
    23  r2 = 80
    24  r3 = 0
    25  call ringbuf_reserve
    26  if r0 == 0x0 goto 64
    27  *(u64 *)(r10 - 24) = r0
    28  call ktime_get_boot_ns
    29  r2 = *(u64 *)(r10 - 24)
    30  *(u64 *)(r2 + 0) = r0
    31  call get_current_pid_tgid
    32  r2 = *(u64 *)(r10 - 24)
    33  *(u64 *)(r2 + 8) = r0
    34  call get_current_uid_gid
    35  r2 = *(u64 *)(r10 - 24)
    36  *(u64 *)(r2 + 16) = r0
    37  call get_current_cgroup_id
    38  r1 = *(u64 *)(r10 - 24)
    39  *(u64 *)(r1 + 24) = r0
    40  *(u32 *)(r1 + 32) = 0
    41  r2 = *(u64 *)(r10 - 16)
    42  *(u32 *)(r1 + 36) = r2
    43  r2 = krs_lost[0] ll
    45  r2 = *(u64 *)(r2 + 0)
    46  *(u64 *)(r1 + 40) = r2
    47  *(u64 *)(r1 + 48) = 0
    48  r1 += 56
    49  r2 = 16
    50  call get_current_comm
  ; view-and-raw-field.krs:2:72: old.uid.val
    51  r2 = *(u64 *)(r10 - 32)
    52  r1 = *(u64 *)(r10 - 24)
    53  *(u32 *)(r1 + 72) = r2
  ; view-and-raw-field.krs:2:85: new.uid
    54  r2 = *(u64 *)(r10 - 40)
    55  *(u32 *)(r1 + 76) = r2
  ; view-and-raw-field.krs:2:64: audit { old.uid.val, new.uid }
    56  r2 = 0
    57  call ringbuf_submit
    58  r2 = krs_lost[0] ll
    60  r2 += 8
    61  r3 = 1
    62  lock *(u64 *)(r2 + 0) += r3
    63  goto 68
    64  r2 = krs_lost[0] ll
    66  r3 = 1
    67  lock *(u64 *)(r2 + 0) += r3
    68  r2 = *(u64 *)(r10 - 8)
    69  if r2 > 0x1 goto 72
    70  r0 = -1
    71  exit
    72  r0 = 0
    73  exit
