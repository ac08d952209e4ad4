task_fix_setuid:    # 75 instructions
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
    14  r2 = *(u64 *)(r10 - 8)
    15  if r2 > 0x2 goto 73
    16  r2 = -1
    17  *(u64 *)(r10 - 16) = r2
    18  r2 = *(u64 *)(r10 - 8)
    19  if r2 <= 0x1 goto 22
    20  r2 = 1
    21  *(u64 *)(r10 - 16) = r2
  ; view-and-raw-field.krs:2:64: audit { old.uid.val, new.uid }
    22  r1 = krs_events ll
    24  r2 = 80
    25  r3 = 0
    26  call ringbuf_reserve
    27  *(u64 *)(r10 - 24) = r0
    28  if r0 == 0x0 goto 65
    29  call ktime_get_boot_ns
    30  r2 = *(u64 *)(r10 - 24)
    31  *(u64 *)(r2 + 0) = r0
    32  call get_current_pid_tgid
    33  r2 = *(u64 *)(r10 - 24)
    34  *(u64 *)(r2 + 8) = r0
    35  call get_current_uid_gid
    36  r2 = *(u64 *)(r10 - 24)
    37  *(u64 *)(r2 + 16) = r0
    38  call get_current_cgroup_id
    39  r1 = *(u64 *)(r10 - 24)
    40  *(u64 *)(r1 + 24) = r0
    41  *(u32 *)(r1 + 32) = 0
    42  r2 = *(u64 *)(r10 - 16)
    43  *(u32 *)(r1 + 36) = r2
    44  r2 = krs_lost[0] ll
    46  r2 = *(u64 *)(r2 + 0)
    47  *(u64 *)(r1 + 40) = r2
    48  *(u64 *)(r1 + 48) = 0
    49  r1 += 56
    50  r2 = 16
    51  call get_current_comm
  ; view-and-raw-field.krs:2:72: old.uid.val
    52  r2 = *(u64 *)(r10 - 32)
    53  r1 = *(u64 *)(r10 - 24)
    54  *(u32 *)(r1 + 72) = r2
  ; view-and-raw-field.krs:2:85: new.uid
    55  r2 = *(u64 *)(r10 - 40)
    56  *(u32 *)(r1 + 76) = r2
  ; view-and-raw-field.krs:2:64: audit { old.uid.val, new.uid }
    57  r2 = 0
    58  call ringbuf_submit
    59  r2 = krs_lost[0] ll
    61  r2 += 8
    62  r3 = 1
    63  lock *(u64 *)(r2 + 0) += r3
    64  goto 69
    65  r2 = krs_lost[0] ll
    67  r3 = 1
    68  lock *(u64 *)(r2 + 0) += r3
    69  r2 = *(u64 *)(r10 - 8)
    70  if r2 > 0x1 goto 73
    71  r0 = -1
    72  exit
    73  r0 = 0
    74  exit
