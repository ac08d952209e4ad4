file_mprotect:    # 41 instructions
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
    13  if r2 > 0x2 goto 39
  ; no-anonymous-exec.krs:1:61: audit
    14  r1 = krs_events ll
    16  r2 = 72
    17  r3 = 0
    18  call ringbuf_reserve
    19  if r0 != 0x0 goto 23
    20  r1 = 0
    21  call krs_no_room
    22  goto 35
    23  r3 = -1
    24  r2 = *(u64 *)(r10 - 8)
    25  if r2 <= 0x1 goto 27
    26  r3 = 1
    27  r4 = krs_lost[0] ll
    29  r1 = r0
    30  r2 = 0
    31  call krs_head
    32  r1 = r0
    33  r2 = 0
    34  call ringbuf_submit
    35  r2 = *(u64 *)(r10 - 8)
    36  if r2 > 0x1 goto 39
    37  r0 = -1
    38  exit
    39  r0 = 0
    40  exit

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
