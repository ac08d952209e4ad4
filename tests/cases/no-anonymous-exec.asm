file_mprotect:    # 44 instructions
  ; no-anonymous-exec.krs:1:23: prot & EXEC
     0  r2 = *(u64 *)(r1 + 16)                  # prot
     1  if w2 & 0x4 goto 3
     2  goto 42
  ; no-anonymous-exec.krs:1:39: vma.file == null
     3  r1 = *(u64 *)(r1 + 0)                   # vma
     4  r1 = *(u64 *)(r1 + vm_area_struct.vm_file)
     5  if r1 != 0x0 goto 42
  ; no-anonymous-exec.krs:1:61: audit
     6  r1 = krs_events ll
     8  r2 = 72
     9  r3 = 0
    10  call ringbuf_reserve
    11  r6 = r0
    12  if r6 == 0x0 goto 36
    13  call ktime_get_boot_ns
    14  *(u64 *)(r6 + 0) = r0
    15  call get_current_pid_tgid
    16  *(u64 *)(r6 + 8) = r0
    17  call get_current_uid_gid
    18  *(u64 *)(r6 + 16) = r0
    19  call get_current_cgroup_id
    20  *(u64 *)(r6 + 24) = r0
    21  *(u32 *)(r6 + 32) = 0
    22  *(u32 *)(r6 + 36) = -1
    23  r1 = krs_lost[0] ll
    25  r1 = *(u64 *)(r1 + 0)
    26  *(u64 *)(r6 + 40) = r1
    27  *(u64 *)(r6 + 48) = 0
    28  r1 = r6
    29  r1 += 56
    30  r2 = 16
    31  call get_current_comm
    32  r1 = r6
    33  r2 = 0
    34  call ringbuf_submit
    35  goto 40
    36  r1 = krs_lost[0] ll
    38  r2 = 1
    39  lock *(u64 *)(r1 + 0) += r2
    40  r0 = -1
    41  exit
    42  r0 = 0
    43  exit
