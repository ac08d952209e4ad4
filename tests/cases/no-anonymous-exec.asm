file_mprotect:    # 70 instructions
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
    13  r2 = *(u64 *)(r10 - 8)
    14  if r2 > 0x2 goto 68
    15  r2 = -1
    16  *(u64 *)(r10 - 16) = r2
    17  r2 = *(u64 *)(r10 - 8)
    18  if r2 <= 0x1 goto 21
    19  r2 = 1
    20  *(u64 *)(r10 - 16) = r2
  ; no-anonymous-exec.krs:1:61: audit
    21  r1 = krs_events ll
    23  r2 = 72
    24  r3 = 0
    25  call ringbuf_reserve
    26  *(u64 *)(r10 - 24) = r0
    27  if r0 == 0x0 goto 60
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
    51  r1 = *(u64 *)(r10 - 24)
    52  r2 = 0
    53  call ringbuf_submit
    54  r2 = krs_lost[0] ll
    56  r2 += 8
    57  r3 = 1
    58  lock *(u64 *)(r2 + 0) += r3
    59  goto 64
    60  r2 = krs_lost[0] ll
    62  r3 = 1
    63  lock *(u64 *)(r2 + 0) += r3
    64  r2 = *(u64 *)(r10 - 8)
    65  if r2 > 0x1 goto 68
    66  r0 = -1
    67  exit
    68  r0 = 0
    69  exit
