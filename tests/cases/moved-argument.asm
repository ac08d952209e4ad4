inode_setattr:    # 99 instructions
  ; moved-argument.krs:1:1: on inode_setattr when dentry.d_inode.i_ino == 4 and task.euid == 0 and task.comm == "chmod" audit { attr.ia_valid, task.euid, task.comm }
     0  r6 = r1
  ; moved-argument.krs:1:23: dentry.d_inode.i_ino == 4
     1  r1 = exists(security_list_options.inode_post_setattr)
     2  if r1 == 0x0 goto 5
     3  r1 = *(u64 *)(r6 + 8)                   # dentry
     4  goto 6
     5  r1 = *(u64 *)(r6 + 0)                   # dentry
     6  r1 = *(u64 *)(r1 + dentry.d_inode)
     7  if r1 == 0x0 goto 97
     8  if r1 < 0x1000 goto 97
     9  r1 = *(u64 *)(r1 + inode.i_ino)
    10  if r1 != 0x4 goto 97
  ; moved-argument.krs:1:53: task.euid == 0
    11  r1 = exists(BPF_FUNC_get_current_task_btf)
    12  if r1 == 0x0 goto 16
    13  call get_current_task_btf
    14  r7 = r0
    15  goto 18
    16  call get_current_task
    17  r7 = r0
    18  r1 = exists(BPF_FUNC_get_current_task_btf)
    19  if r1 == 0x0 goto 22
    20  r8 = *(u64 *)(r7 + task_struct.cred)
    21  goto 29
    22  r3 = task_struct.cred
    23  r3 += r7
    24  r1 = r10
    25  r1 += -8
    26  r2 = 8
    27  call probe_read_kernel
    28  r8 = *(u64 *)(r10 - 8)
    29  r1 = exists(BPF_FUNC_get_current_task_btf)
    30  if r1 == 0x0 goto 33
    31  r7 = *(u32 *)(r8 + cred.euid.val)
    32  goto 40
    33  r3 = cred.euid.val
    34  r3 += r8
    35  r1 = r10
    36  r1 += -8
    37  r2 = 4
    38  call probe_read_kernel
    39  r7 = *(u32 *)(r10 - 8)
    40  if w7 != 0x0 goto 97
  ; moved-argument.krs:1:72: task.comm == "chmod"
    41  *(u64 *)(r10 - 24) = 0
    42  *(u64 *)(r10 - 16) = 0
    43  r1 = r10
    44  r1 += -24
    45  r2 = 16
    46  call get_current_comm
    47  r1 = *(u32 *)(r10 - 24)
    48  if w1 != 0x6f6d6863 goto 97
    49  r1 = *(u16 *)(r10 - 20)
    50  if w1 != 0x64 goto 97
  ; moved-argument.krs:1:93: audit { attr.ia_valid, task.euid, task.comm }
    51  r1 = krs_events ll
    53  r2 = 96
    54  r3 = 0
    55  call ringbuf_reserve
    56  r8 = r0
    57  if r8 == 0x0 goto 93
    58  call ktime_get_boot_ns
    59  *(u64 *)(r8 + 0) = r0
    60  call get_current_pid_tgid
    61  *(u64 *)(r8 + 8) = r0
    62  call get_current_uid_gid
    63  *(u64 *)(r8 + 16) = r0
    64  call get_current_cgroup_id
    65  *(u64 *)(r8 + 24) = r0
    66  *(u32 *)(r8 + 32) = 0
    67  *(u32 *)(r8 + 36) = 0
    68  r1 = krs_lost[0] ll
    70  r1 = *(u64 *)(r1 + 0)
    71  *(u64 *)(r8 + 40) = r1
    72  *(u64 *)(r8 + 48) = 0
    73  r1 = r8
    74  r1 += 56
    75  r2 = 16
    76  call get_current_comm
  ; moved-argument.krs:1:101: attr.ia_valid
    77  r1 = exists(security_list_options.inode_post_setattr)
    78  if r1 == 0x0 goto 81
    79  r1 = *(u64 *)(r6 + 16)                  # attr
    80  goto 82
    81  r1 = *(u64 *)(r6 + 8)                   # attr
    82  r1 = *(u32 *)(r1 + iattr.ia_valid)
    83  *(u32 *)(r8 + 72) = r1
  ; moved-argument.krs:1:116: task.euid
    84  *(u32 *)(r8 + 76) = r7
  ; moved-argument.krs:1:127: task.comm
    85  r1 = *(u64 *)(r10 - 24)
    86  *(u64 *)(r8 + 80) = r1
    87  r1 = *(u64 *)(r10 - 16)
    88  *(u64 *)(r8 + 88) = r1
  ; moved-argument.krs:1:93: audit { attr.ia_valid, task.euid, task.comm }
    89  r1 = r8
    90  r2 = 0
    91  call ringbuf_submit
    92  goto 97
    93  r1 = krs_lost[0] ll
    95  r2 = 1
    96  lock *(u64 *)(r1 + 0) += r2
    97  r0 = 0
    98  exit

inode_mkdir:    # 50 instructions
  ; moved-argument.krs:2:1: on inode_mkdir when dentry.d_inode == null and not (dentry.d_inode.i_ino == 5) audit { mode, dentry.d_inode.i_ino }
     0  r6 = r1
  ; moved-argument.krs:2:21: dentry.d_inode == null
     1  r1 = *(u64 *)(r6 + 8)                   # dentry
     2  r1 = *(u64 *)(r1 + dentry.d_inode)
     3  if r1 == 0x0 goto 5
     4  if r1 >= 0x1000 goto 48
  ; moved-argument.krs:2:52: (dentry.d_inode.i_ino == 5)
     5  if r1 == 0x0 goto 48
     6  if r1 < 0x1000 goto 48
     7  r7 = *(u64 *)(r1 + inode.i_ino)
     8  if r7 == 0x5 goto 48
  ; moved-argument.krs:2:80: audit { mode, dentry.d_inode.i_ino }
     9  r1 = krs_events ll
    11  r2 = 88
    12  r3 = 0
    13  call ringbuf_reserve
    14  r8 = r0
    15  if r8 == 0x0 goto 44
    16  call ktime_get_boot_ns
    17  *(u64 *)(r8 + 0) = r0
    18  call get_current_pid_tgid
    19  *(u64 *)(r8 + 8) = r0
    20  call get_current_uid_gid
    21  *(u64 *)(r8 + 16) = r0
    22  call get_current_cgroup_id
    23  *(u64 *)(r8 + 24) = r0
    24  *(u32 *)(r8 + 32) = 1
    25  *(u32 *)(r8 + 36) = 0
    26  r1 = krs_lost[1] ll
    28  r1 = *(u64 *)(r1 + 0)
    29  *(u64 *)(r8 + 40) = r1
    30  *(u64 *)(r8 + 48) = 0
    31  r1 = r8
    32  r1 += 56
    33  r2 = 16
    34  call get_current_comm
    35  *(u32 *)(r8 + 74) = 0
    36  *(u16 *)(r8 + 78) = 0
  ; moved-argument.krs:2:88: mode
    37  r1 = *(u16 *)(r6 + 16)                  # mode
    38  *(u16 *)(r8 + 72) = r1
  ; moved-argument.krs:2:94: dentry.d_inode.i_ino
    39  *(u64 *)(r8 + 80) = r7
  ; moved-argument.krs:2:80: audit { mode, dentry.d_inode.i_ino }
    40  r1 = r8
    41  r2 = 0
    42  call ringbuf_submit
    43  goto 48
    44  r1 = krs_lost[1] ll
    46  r2 = 1
    47  lock *(u64 *)(r1 + 0) += r2
    48  r0 = 0
    49  exit

bprm_check_security:    # 44 instructions
  ; moved-argument.krs:3:29: bprm.secureexec == 0
     0  r1 = *(u64 *)(r1 + 0)                   # bprm
     1  r1 = *(u32 *)(r1 + linux_binprm.secureexec)
     2  r6 = r1
     3  r6 <<= shift_left(linux_binprm.secureexec)
     4  r6 >>= shift_right(linux_binprm.secureexec)
     5  if w6 != 0x0 goto 42
  ; moved-argument.krs:3:50: audit { bprm.secureexec }
     6  r1 = krs_events ll
     8  r2 = 80
     9  r3 = 0
    10  call ringbuf_reserve
    11  r7 = r0
    12  if r7 == 0x0 goto 38
    13  call ktime_get_boot_ns
    14  *(u64 *)(r7 + 0) = r0
    15  call get_current_pid_tgid
    16  *(u64 *)(r7 + 8) = r0
    17  call get_current_uid_gid
    18  *(u64 *)(r7 + 16) = r0
    19  call get_current_cgroup_id
    20  *(u64 *)(r7 + 24) = r0
    21  *(u32 *)(r7 + 32) = 2
    22  *(u32 *)(r7 + 36) = 0
    23  r1 = krs_lost[2] ll
    25  r1 = *(u64 *)(r1 + 0)
    26  *(u64 *)(r7 + 40) = r1
    27  *(u64 *)(r7 + 48) = 0
    28  r1 = r7
    29  r1 += 56
    30  r2 = 16
    31  call get_current_comm
    32  *(u32 *)(r7 + 76) = 0
  ; moved-argument.krs:3:58: bprm.secureexec
    33  *(u32 *)(r7 + 72) = r6
  ; moved-argument.krs:3:50: audit { bprm.secureexec }
    34  r1 = r7
    35  r2 = 0
    36  call ringbuf_submit
    37  goto 42
    38  r1 = krs_lost[2] ll
    40  r2 = 1
    41  lock *(u64 *)(r1 + 0) += r2
    42  r0 = 0
    43  exit

task_kill:    # 44 instructions
  ; moved-argument.krs:4:19: sig in { 9, 15 }
     0  r6 = *(u32 *)(r1 + 16)                  # sig
     1  if w6 == 0x9 goto 3
     2  if w6 != 0xf goto 42
  ; moved-argument.krs:4:40: info == null
     3  r1 = *(u64 *)(r1 + 8)                   # info
     4  if r1 == 0x0 goto 6
     5  if r1 >= 0x1000 goto 42
  ; moved-argument.krs:4:53: audit { sig }
     6  r1 = krs_events ll
     8  r2 = 80
     9  r3 = 0
    10  call ringbuf_reserve
    11  r7 = r0
    12  if r7 == 0x0 goto 38
    13  call ktime_get_boot_ns
    14  *(u64 *)(r7 + 0) = r0
    15  call get_current_pid_tgid
    16  *(u64 *)(r7 + 8) = r0
    17  call get_current_uid_gid
    18  *(u64 *)(r7 + 16) = r0
    19  call get_current_cgroup_id
    20  *(u64 *)(r7 + 24) = r0
    21  *(u32 *)(r7 + 32) = 3
    22  *(u32 *)(r7 + 36) = 0
    23  r1 = krs_lost[3] ll
    25  r1 = *(u64 *)(r1 + 0)
    26  *(u64 *)(r7 + 40) = r1
    27  *(u64 *)(r7 + 48) = 0
    28  r1 = r7
    29  r1 += 56
    30  r2 = 16
    31  call get_current_comm
    32  *(u32 *)(r7 + 76) = 0
  ; moved-argument.krs:4:61: sig
    33  *(u32 *)(r7 + 72) = r6
  ; moved-argument.krs:4:53: audit { sig }
    34  r1 = r7
    35  r2 = 0
    36  call ringbuf_submit
    37  goto 42
    38  r1 = krs_lost[3] ll
    40  r2 = 1
    41  lock *(u64 *)(r1 + 0) += r2
    42  r0 = 0
    43  exit
