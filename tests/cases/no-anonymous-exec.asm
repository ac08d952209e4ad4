file_mprotect:    # 69 instructions
  ; no-anonymous-exec.krs:1:23: prot & EXEC
     0  r2 = *(u64 *)(r1 + 16)                  # prot
     1  if w2 & 0x4 goto 4
  ; no-anonymous-exec.krs:1:61: audit
     2  r0 = 0
     3  exit
  ; no-anonymous-exec.krs:1:39: vma.file == null
     4  r2 = *(u64 *)(r1 + 0)                   # vma
     5  r2 = *(u64 *)(r2 + vm_area_struct.vm_file)
     6  if r2 == 0x0 goto 9
  ; no-anonymous-exec.krs:1:61: audit
     7  r0 = 0
     8  exit
  ; no-anonymous-exec.krs:1:1: on file_mprotect when prot & EXEC and vma.file == null deny audit
     9  r2 = krs_modes[0] ll
    11  r2 = *(u8 *)(r2 + 0)
    12  *(u64 *)(r10 - 8) = r2
    13  if r2 > 0x2 goto 67
    14  r2 = -1
    15  *(u64 *)(r10 - 16) = r2
    16  r2 = *(u64 *)(r10 - 8)
    17  if r2 <= 0x1 goto 20
    18  r2 = 1
    19  *(u64 *)(r10 - 16) = r2
  ; no-anonymous-exec.krs:1:61: audit
    20  r1 = krs_events ll
    22  r2 = 72
    23  r3 = 0
    24  call ringbuf_reserve
    25  if r0 == 0x0 goto 59
    26  *(u64 *)(r10 - 24) = r0
    27  call ktime_get_boot_ns
    28  r2 = *(u64 *)(r10 - 24)
    29  *(u64 *)(r2 + 0) = r0
    30  call get_current_pid_tgid
    31  r2 = *(u64 *)(r10 - 24)
    32  *(u64 *)(r2 + 8) = r0
    33  call get_current_uid_gid
    34  r2 = *(u64 *)(r10 - 24)
    35  *(u64 *)(r2 + 16) = r0
    36  call get_current_cgroup_id
    37  r1 = *(u64 *)(r10 - 24)
    38  *(u64 *)(r1 + 24) = r0
    39  *(u32 *)(r1 + 32) = 0
    40  r2 = *(u64 *)(r10 - 16)
    41  *(u32 *)(r1 + 36) = r2
    42  r2 = krs_lost[0] ll
    44  r2 = *(u64 *)(r2 + 0)
    45  *(u64 *)(r1 + 40) = r2
    46  *(u64 *)(r1 + 48) = 0
    47  r1 += 56
    48  r2 = 16
    49  call get_current_comm
    50  r1 = *(u64 *)(r10 - 24)
    51  r2 = 0
    52  call ringbuf_submit
    53  r2 = krs_lost[0] ll
    55  r2 += 8
    56  r3 = 1
    57  lock *(u64 *)(r2 + 0) += r3
    58  goto 63
    59  r2 = krs_lost[0] ll
    61  r3 = 1
    62  lock *(u64 *)(r2 + 0) += r3
    63  r2 = *(u64 *)(r10 - 8)
    64  if r2 > 0x1 goto 67
    65  r0 = -1
    66  exit
    67  r0 = 0
    68  exit
