file_mprotect:    # 49 instructions
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
     9  r1 = krs_events ll
    11  r2 = 72
    12  r3 = 0
    13  call ringbuf_reserve
    14  *(u64 *)(r10 - 8) = r0
    15  if r0 == 0x0 goto 43
    16  call ktime_get_boot_ns
    17  r2 = *(u64 *)(r10 - 8)
    18  *(u64 *)(r2 + 0) = r0
    19  call get_current_pid_tgid
    20  r2 = *(u64 *)(r10 - 8)
    21  *(u64 *)(r2 + 8) = r0
    22  call get_current_uid_gid
    23  r2 = *(u64 *)(r10 - 8)
    24  *(u64 *)(r2 + 16) = r0
    25  call get_current_cgroup_id
    26  r1 = *(u64 *)(r10 - 8)
    27  *(u64 *)(r1 + 24) = r0
    28  *(u32 *)(r1 + 32) = 0
    29  *(u32 *)(r1 + 36) = -1
    30  r2 = krs_lost[0] ll
    32  r2 = *(u64 *)(r2 + 0)
    33  *(u64 *)(r1 + 40) = r2
    34  *(u64 *)(r1 + 48) = 0
    35  r1 += 56
    36  r2 = 16
    37  call get_current_comm
    38  r1 = *(u64 *)(r10 - 8)
    39  r2 = 0
    40  call ringbuf_submit
    41  r0 = -1
    42  exit
    43  r2 = krs_lost[0] ll
    45  r3 = 1
    46  lock *(u64 *)(r2 + 0) += r3
    47  r0 = -1
    48  exit
