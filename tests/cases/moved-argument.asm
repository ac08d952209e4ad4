inode_setattr:    # 112 instructions
  ; moved-argument.krs:1:1: on inode_setattr when dentry.d_inode.i_ino == 4 and task.euid == 0 and task.comm == "chmod" audit { attr.ia_valid, task.euid, task.comm }
     0  r6 = r1
  ; moved-argument.krs:1:23: dentry.d_inode.i_ino == 4
     1  r2 = exists(security_list_options.inode_post_setattr)
     2  if r2 == 0x0 goto 5
     3  r2 = *(u64 *)(r6 + 8)                   # dentry
     4  goto 6
     5  r2 = *(u64 *)(r6 + 0)                   # dentry
     6  r2 = *(u64 *)(r2 + dentry.d_inode)
     7  if r2 == 0x0 goto 34
     8  if r2 < 0x1000 goto 34
     9  r2 = *(u64 *)(r2 + inode.i_ino)
    10  if r2 != 0x4 goto 34
  ; moved-argument.krs:1:53: task.euid == 0
    11  r2 = exists(BPF_FUNC_get_current_task_btf)
    12  if r2 == 0x0 goto 17
    13  call get_current_task_btf
    14  r3 = *(u64 *)(r0 + task_struct.cred)
    15  r3 = *(u32 *)(r3 + cred.euid.val)
    16  goto 33
    17  call get_current_task
    18  r4 = r0
    19  r3 = task_struct.cred
    20  r3 += r4
    21  r1 = r10
    22  r1 += -8
    23  r2 = 8
    24  call probe_read_kernel
    25  r4 = *(u64 *)(r10 - 8)
    26  r3 = cred.euid.val
    27  r3 += r4
    28  r1 = r10
    29  r1 += -8
    30  r2 = 4
    31  call probe_read_kernel
    32  r3 = *(u32 *)(r10 - 8)
    33  if w3 == 0x0 goto 36
  ; moved-argument.krs:1:93: audit { attr.ia_valid, task.euid, task.comm }
    34  r0 = 0
    35  exit
  ; moved-argument.krs:1:72: task.comm == "chmod"
    36  r2 = exists(security_list_options.inode_post_setattr)
    37  *(u64 *)(r10 - 48) = r2
    38  *(u64 *)(r10 - 56) = r3
    39  *(u64 *)(r10 - 24) = 0
    40  *(u64 *)(r10 - 16) = 0
    41  r1 = r10
    42  r1 += -24
    43  r2 = 16
    44  call get_current_comm
    45  r2 = *(u64 *)(r10 - 24)
    46  r3 = 0x646f6d6863 ll
    48  if r2 != r3 goto 110
  ; moved-argument.krs:1:1: on inode_setattr when dentry.d_inode.i_ino == 4 and task.euid == 0 and task.comm == "chmod" audit { attr.ia_valid, task.euid, task.comm }
    49  *(u64 *)(r10 - 40) = r6
    50  *(u64 *)(r10 - 32) = r2
    51  r2 = krs_modes[0] ll
    53  r2 = *(u8 *)(r2 + 0)
    54  if r2 > 0x2 goto 110
  ; moved-argument.krs:1:93: audit { attr.ia_valid, task.euid, task.comm }
    55  r1 = krs_events ll
    57  r2 = 96
    58  r3 = 0
    59  call ringbuf_reserve
    60  r6 = r0
    61  if r6 == 0x0 goto 106
    62  call ktime_get_boot_ns
    63  *(u64 *)(r6 + 0) = r0
    64  call get_current_pid_tgid
    65  *(u64 *)(r6 + 8) = r0
    66  call get_current_uid_gid
    67  *(u64 *)(r6 + 16) = r0
    68  call get_current_cgroup_id
    69  *(u64 *)(r6 + 24) = r0
    70  *(u32 *)(r6 + 32) = 0
    71  *(u32 *)(r6 + 36) = 0
    72  r2 = krs_lost[0] ll
    74  r2 = *(u64 *)(r2 + 0)
    75  *(u64 *)(r6 + 40) = r2
    76  *(u64 *)(r6 + 48) = 0
    77  r1 = r6
    78  r1 += 56
    79  r2 = 16
    80  call get_current_comm
  ; moved-argument.krs:1:101: attr.ia_valid
    81  r2 = *(u64 *)(r10 - 48)
    82  if r2 == 0x0 goto 86
    83  r2 = *(u64 *)(r10 - 40)
    84  r2 = *(u64 *)(r2 + 16)                  # attr
    85  goto 88
    86  r2 = *(u64 *)(r10 - 40)
    87  r2 = *(u64 *)(r2 + 8)                   # attr
    88  r2 = *(u32 *)(r2 + iattr.ia_valid)
    89  *(u32 *)(r6 + 72) = r2
  ; moved-argument.krs:1:116: task.euid
    90  r2 = *(u64 *)(r10 - 56)
    91  *(u32 *)(r6 + 76) = r2
  ; moved-argument.krs:1:127: task.comm
    92  r2 = *(u64 *)(r10 - 32)
    93  *(u64 *)(r6 + 80) = r2
    94  r2 = *(u64 *)(r10 - 16)
    95  *(u64 *)(r6 + 88) = r2
  ; moved-argument.krs:1:93: audit { attr.ia_valid, task.euid, task.comm }
    96  r1 = r6
    97  r2 = 0
    98  call ringbuf_submit
    99  r2 = krs_lost[0] ll
   101  r2 += 32
   102  r3 = 1
   103  lock *(u64 *)(r2 + 0) += r3
   104  r0 = 0
   105  exit
   106  r2 = krs_lost[0] ll
   108  r3 = 1
   109  lock *(u64 *)(r2 + 0) += r3
   110  r0 = 0
   111  exit

inode_mkdir:    # 5 instructions
  ; moved-argument.krs:2:21: dentry.d_inode == null
     0  r2 = *(u64 *)(r1 + 8)                   # dentry
     1  r2 = *(u64 *)(r2 + dentry.d_inode)
     2  if r2 == 0x0 goto 3
  ; moved-argument.krs:2:80: audit { mode, dentry.d_inode.i_ino }
     3  r0 = 0
     4  exit

bprm_check_security:    # 60 instructions
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
     7  *(u64 *)(r10 - 16) = r2
     8  r2 = krs_modes[2] ll
    10  r2 = *(u8 *)(r2 + 0)
    11  if r2 > 0x2 goto 58
  ; moved-argument.krs:3:50: audit { bprm.secureexec }
    12  r1 = krs_events ll
    14  r2 = 80
    15  r3 = 0
    16  call ringbuf_reserve
    17  if r0 == 0x0 goto 54
    18  *(u64 *)(r10 - 8) = r0
    19  call ktime_get_boot_ns
    20  r2 = *(u64 *)(r10 - 8)
    21  *(u64 *)(r2 + 0) = r0
    22  call get_current_pid_tgid
    23  r2 = *(u64 *)(r10 - 8)
    24  *(u64 *)(r2 + 8) = r0
    25  call get_current_uid_gid
    26  r2 = *(u64 *)(r10 - 8)
    27  *(u64 *)(r2 + 16) = r0
    28  call get_current_cgroup_id
    29  r1 = *(u64 *)(r10 - 8)
    30  *(u64 *)(r1 + 24) = r0
    31  *(u32 *)(r1 + 32) = 2
    32  *(u32 *)(r1 + 36) = 0
    33  r2 = krs_lost[2] ll
    35  r2 = *(u64 *)(r2 + 0)
    36  *(u64 *)(r1 + 40) = r2
    37  *(u64 *)(r1 + 48) = 0
    38  r1 += 56
    39  r2 = 16
    40  call get_current_comm
    41  r1 = *(u64 *)(r10 - 8)
    42  *(u32 *)(r1 + 76) = 0
  ; moved-argument.krs:3:58: bprm.secureexec
    43  r2 = *(u64 *)(r10 - 16)
    44  *(u32 *)(r1 + 72) = r2
  ; moved-argument.krs:3:50: audit { bprm.secureexec }
    45  r2 = 0
    46  call ringbuf_submit
    47  r2 = krs_lost[2] ll
    49  r2 += 32
    50  r3 = 1
    51  lock *(u64 *)(r2 + 0) += r3
    52  r0 = 0
    53  exit
    54  r2 = krs_lost[2] ll
    56  r3 = 1
    57  lock *(u64 *)(r2 + 0) += r3
    58  r0 = 0
    59  exit

task_kill:    # 61 instructions
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
     8  *(u64 *)(r10 - 16) = r2
     9  r2 = krs_modes[3] ll
    11  r2 = *(u8 *)(r2 + 0)
    12  if r2 > 0x2 goto 59
  ; moved-argument.krs:4:53: audit { sig }
    13  r1 = krs_events ll
    15  r2 = 80
    16  r3 = 0
    17  call ringbuf_reserve
    18  if r0 == 0x0 goto 55
    19  *(u64 *)(r10 - 8) = r0
    20  call ktime_get_boot_ns
    21  r2 = *(u64 *)(r10 - 8)
    22  *(u64 *)(r2 + 0) = r0
    23  call get_current_pid_tgid
    24  r2 = *(u64 *)(r10 - 8)
    25  *(u64 *)(r2 + 8) = r0
    26  call get_current_uid_gid
    27  r2 = *(u64 *)(r10 - 8)
    28  *(u64 *)(r2 + 16) = r0
    29  call get_current_cgroup_id
    30  r1 = *(u64 *)(r10 - 8)
    31  *(u64 *)(r1 + 24) = r0
    32  *(u32 *)(r1 + 32) = 3
    33  *(u32 *)(r1 + 36) = 0
    34  r2 = krs_lost[3] ll
    36  r2 = *(u64 *)(r2 + 0)
    37  *(u64 *)(r1 + 40) = r2
    38  *(u64 *)(r1 + 48) = 0
    39  r1 += 56
    40  r2 = 16
    41  call get_current_comm
    42  r1 = *(u64 *)(r10 - 8)
    43  *(u32 *)(r1 + 76) = 0
  ; moved-argument.krs:4:61: sig
    44  r2 = *(u64 *)(r10 - 16)
    45  *(u32 *)(r1 + 72) = r2
  ; moved-argument.krs:4:53: audit { sig }
    46  r2 = 0
    47  call ringbuf_submit
    48  r2 = krs_lost[3] ll
    50  r2 += 32
    51  r3 = 1
    52  lock *(u64 *)(r2 + 0) += r3
    53  r0 = 0
    54  exit
    55  r2 = krs_lost[3] ll
    57  r3 = 1
    58  lock *(u64 *)(r2 + 0) += r3
    59  r0 = 0
    60  exit
