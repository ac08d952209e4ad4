inode_setattr:    # 87 instructions
  ; moved-argument.krs:1:1: on inode_setattr when dentry.d_inode.i_ino == 4 and task.euid == 0 and task.comm == "chmod" audit { attr.ia_valid, task.euid, task.comm }
     0  r6 = r1
  ; moved-argument.krs:1:23: dentry.d_inode.i_ino == 4
     1  r2 = exists(security_list_options.inode_post_setattr)
     2  if r2 == 0x0 goto 5
     3  r2 = *(u64 *)(r6 + 8)                   # dentry
     4  goto 6
     5  r2 = *(u64 *)(r6 + 0)                   # dentry
     6  r2 = *(u64 *)(r2 + dentry.d_inode)
     7  if r2 == 0x0 goto 33
     8  if r2 < 0x1000 goto 33
     9  r2 = *(u64 *)(r2 + inode.i_ino)
    10  if r2 != 0x4 goto 33
  ; moved-argument.krs:1:53: task.euid == 0
    11  r2 = exists(BPF_FUNC_get_current_task_btf)
    12  if r2 == 0x0 goto 17
    13  call get_current_task_btf
    14  r2 = *(u64 *)(r0 + task_struct.cred)
    15  r3 = *(u32 *)(r2 + cred.euid.val)
    16  goto 32
    17  call get_current_task
    18  r3 = task_struct.cred
    19  r3 += r0
    20  r1 = r10
    21  r1 += -8
    22  r2 = 8
    23  call probe_read_kernel
    24  r2 = *(u64 *)(r10 - 8)
    25  r3 = cred.euid.val
    26  r3 += r2
    27  r1 = r10
    28  r1 += -8
    29  r2 = 4
    30  call probe_read_kernel
    31  r3 = *(u32 *)(r10 - 8)
    32  if w3 == 0x0 goto 35
  ; moved-argument.krs:1:93: audit { attr.ia_valid, task.euid, task.comm }
    33  r0 = 0
    34  exit
  ; moved-argument.krs:1:72: task.comm == "chmod"
    35  r2 = exists(security_list_options.inode_post_setattr)
    36  *(u64 *)(r10 - 40) = r2
    37  *(u64 *)(r10 - 48) = r3
    38  *(u64 *)(r10 - 24) = 0
    39  *(u64 *)(r10 - 16) = 0
    40  r1 = r10
    41  r1 += -24
    42  r2 = 16
    43  call get_current_comm
    44  r2 = *(u64 *)(r10 - 24)
    45  r3 = 0x646f6d6863 ll
    47  if r2 != r3 goto 85
  ; moved-argument.krs:1:1: on inode_setattr when dentry.d_inode.i_ino == 4 and task.euid == 0 and task.comm == "chmod" audit { attr.ia_valid, task.euid, task.comm }
    48  *(u64 *)(r10 - 32) = r2
    49  r2 = krs_modes[0] ll
    51  r2 = *(u8 *)(r2 + 0)
    52  if r2 > 0x2 goto 85
  ; moved-argument.krs:1:93: audit { attr.ia_valid, task.euid, task.comm }
    53  r1 = krs_events ll
    55  r2 = 96
    56  r3 = 0
    57  call ringbuf_reserve
    58  if r0 != 0x0 goto 63
    59  r1 = 0
    60  call krs_no_room
    61  r0 = 0
    62  exit
    63  r4 = krs_lost[0] ll
    65  r1 = r0
    66  r2 = 0
    67  r3 = 0
    68  call krs_head
  ; moved-argument.krs:1:101: attr.ia_valid
    69  r2 = *(u64 *)(r10 - 40)
    70  if r2 == 0x0 goto 73
    71  r2 = *(u64 *)(r6 + 16)                  # attr
    72  goto 74
    73  r2 = *(u64 *)(r6 + 8)                   # attr
    74  r2 = *(u32 *)(r2 + iattr.ia_valid)
    75  *(u32 *)(r0 + 72) = r2
  ; moved-argument.krs:1:116: task.euid
    76  r2 = *(u64 *)(r10 - 48)
    77  *(u32 *)(r0 + 76) = r2
  ; moved-argument.krs:1:127: task.comm
    78  r2 = *(u64 *)(r10 - 32)
    79  *(u64 *)(r0 + 80) = r2
    80  r2 = *(u64 *)(r10 - 16)
    81  *(u64 *)(r0 + 88) = r2
  ; moved-argument.krs:1:93: audit { attr.ia_valid, task.euid, task.comm }
    82  r1 = r0
    83  r2 = 0
    84  call ringbuf_submit
    85  r0 = 0
    86  exit

inode_mkdir:    # 2 instructions
  ; moved-argument.krs:2:1: on inode_mkdir when dentry.d_inode == null and not (dentry.d_inode.i_ino == 5) audit { mode, dentry.d_inode.i_ino }
     0  r0 = 0
     1  exit

bprm_check_security:    # 36 instructions
  ; moved-argument.krs:3:29: bprm.secureexec == 0
     0  r2 = *(u64 *)(r1 + 0)                   # bprm
     1  r2 = *(u32 *)(r2 + linux_binprm.secureexec)
     2  r2 <<= shift_left(linux_binprm.secureexec)
     3  r2 >>= shift_right(linux_binprm.secureexec)
     4  if w2 == 0x0 goto 7
  ; moved-argument.krs:3:50: audit { bprm.secureexec }
     5  r0 = 0
     6  exit
  ; moved-argument.krs:3:1: on bprm_check_security when bprm.secureexec == 0 audit { bprm.secureexec }
     7  *(u64 *)(r10 - 8) = r2
     8  r2 = krs_modes[2] ll
    10  r2 = *(u8 *)(r2 + 0)
    11  if r2 > 0x2 goto 34
  ; moved-argument.krs:3:50: audit { bprm.secureexec }
    12  r1 = krs_events ll
    14  r2 = 80
    15  r3 = 0
    16  call ringbuf_reserve
    17  if r0 != 0x0 goto 22
    18  r1 = 2
    19  call krs_no_room
    20  r0 = 0
    21  exit
    22  r4 = krs_lost[2] ll
    24  r1 = r0
    25  r2 = 2
    26  r3 = 0
    27  call krs_head
    28  *(u64 *)(r0 + 72) = 0
  ; moved-argument.krs:3:58: bprm.secureexec
    29  r2 = *(u64 *)(r10 - 8)
    30  *(u32 *)(r0 + 72) = r2
  ; moved-argument.krs:3:50: audit { bprm.secureexec }
    31  r1 = r0
    32  r2 = 0
    33  call ringbuf_submit
    34  r0 = 0
    35  exit

task_kill:    # 37 instructions
  ; moved-argument.krs:4:19: sig in { 9, 15 }
     0  r2 = *(u32 *)(r1 + 16)                  # sig
     1  if w2 == 0x9 goto 3
     2  if w2 != 0xf goto 6
  ; moved-argument.krs:4:40: info == null
     3  r3 = *(u64 *)(r1 + 8)                   # info
     4  if r3 == 0x0 goto 8
     5  if r3 < 0x1000 goto 8
  ; moved-argument.krs:4:53: audit { sig }
     6  r0 = 0
     7  exit
  ; moved-argument.krs:4:1: on task_kill when sig in { 9, 15 } and info == null audit { sig }
     8  *(u64 *)(r10 - 8) = r2
     9  r2 = krs_modes[3] ll
    11  r2 = *(u8 *)(r2 + 0)
    12  if r2 > 0x2 goto 35
  ; moved-argument.krs:4:53: audit { sig }
    13  r1 = krs_events ll
    15  r2 = 80
    16  r3 = 0
    17  call ringbuf_reserve
    18  if r0 != 0x0 goto 23
    19  r1 = 3
    20  call krs_no_room
    21  r0 = 0
    22  exit
    23  r4 = krs_lost[3] ll
    25  r1 = r0
    26  r2 = 3
    27  r3 = 0
    28  call krs_head
    29  *(u64 *)(r0 + 72) = 0
  ; moved-argument.krs:4:61: sig
    30  r2 = *(u64 *)(r10 - 8)
    31  *(u32 *)(r0 + 72) = r2
  ; moved-argument.krs:4:53: audit { sig }
    32  r1 = r0
    33  r2 = 0
    34  call ringbuf_submit
    35  r0 = 0
    36  exit

krs_head:    # 23 instructions, 4 arguments
  ; rule and verdict
     0  r6 = r1
     1  *(u32 *)(r6 + 32) = r2
     2  *(u32 *)(r6 + 36) = r3
     3  *(u64 *)(r6 + 48) = 0
  ; the count of lost events; this one is not lost
     4  r2 = *(u64 *)(r4 + 0)
     5  *(u64 *)(r6 + 40) = r2
     6  r4 += 32
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
     1  if r2 >= 0x4 goto 8
     2  r2 <<= 3
     3  r4 = krs_lost[0] ll
     5  r4 += r2
     6  r2 = 1
     7  lock *(u64 *)(r4 + 0) += r2
     8  r0 = 0
     9  exit
