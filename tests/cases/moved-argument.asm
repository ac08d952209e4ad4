inode_setattr:    # 108 instructions
  ; moved-argument.krs:1:1: on inode_setattr when dentry.d_inode.i_ino == 4 and task.euid == 0 and task.comm == "chmod" audit { attr.ia_valid, task.euid, task.comm }
     0  r6 = r1
  ; moved-argument.krs:1:23: dentry.d_inode.i_ino == 4
     1  r2 = exists(security_list_options.inode_post_setattr)
     2  if r2 == 0x0 goto 5
     3  r2 = *(u64 *)(r6 + 8)                   # dentry
     4  goto 6
     5  r2 = *(u64 *)(r6 + 0)                   # dentry
     6  r2 = *(u64 *)(r2 + dentry.d_inode)
     7  if r2 == 0x0 goto 39
     8  if r2 < 0x1000 goto 39
     9  r2 = *(u64 *)(r2 + inode.i_ino)
    10  if r2 != 0x4 goto 39
  ; moved-argument.krs:1:53: task.euid == 0
    11  r2 = exists(BPF_FUNC_get_current_task_btf)
    12  if r2 == 0x0 goto 15
    13  call get_current_task_btf
    14  goto 16
    15  call get_current_task
    16  r2 = exists(BPF_FUNC_get_current_task_btf)
    17  if r2 == 0x0 goto 20
    18  r2 = *(u64 *)(r0 + task_struct.cred)
    19  goto 27
    20  r3 = task_struct.cred
    21  r3 += r0
    22  r1 = r10
    23  r1 += -8
    24  r2 = 8
    25  call probe_read_kernel
    26  r2 = *(u64 *)(r10 - 8)
    27  r3 = exists(BPF_FUNC_get_current_task_btf)
    28  if r3 == 0x0 goto 31
    29  r2 = *(u32 *)(r2 + cred.euid.val)
    30  goto 38
    31  r3 = cred.euid.val
    32  r3 += r2
    33  r1 = r10
    34  r1 += -8
    35  r2 = 4
    36  call probe_read_kernel
    37  r2 = *(u32 *)(r10 - 8)
    38  if w2 == 0x0 goto 41
  ; moved-argument.krs:1:93: audit { attr.ia_valid, task.euid, task.comm }
    39  r0 = 0
    40  exit
  ; moved-argument.krs:1:72: task.comm == "chmod"
    41  *(u64 *)(r10 - 40) = r6
    42  *(u64 *)(r10 - 48) = r2
    43  *(u64 *)(r10 - 24) = 0
    44  *(u64 *)(r10 - 16) = 0
    45  r1 = r10
    46  r1 += -24
    47  r2 = 16
    48  call get_current_comm
    49  r2 = *(u64 *)(r10 - 24)
    50  *(u64 *)(r10 - 32) = r2
    51  r3 = 0x646f6d6863 ll
    53  if r2 != r3 goto 106
  ; moved-argument.krs:1:93: audit { attr.ia_valid, task.euid, task.comm }
    54  r1 = krs_events ll
    56  r2 = 96
    57  r3 = 0
    58  call ringbuf_reserve
    59  r6 = r0
    60  if r6 == 0x0 goto 100
    61  call ktime_get_boot_ns
    62  *(u64 *)(r6 + 0) = r0
    63  call get_current_pid_tgid
    64  *(u64 *)(r6 + 8) = r0
    65  call get_current_uid_gid
    66  *(u64 *)(r6 + 16) = r0
    67  call get_current_cgroup_id
    68  *(u64 *)(r6 + 24) = r0
    69  *(u32 *)(r6 + 32) = 0
    70  *(u32 *)(r6 + 36) = 0
    71  r2 = krs_lost[0] ll
    73  r2 = *(u64 *)(r2 + 0)
    74  *(u64 *)(r6 + 40) = r2
    75  *(u64 *)(r6 + 48) = 0
    76  r1 = r6
    77  r1 += 56
    78  r2 = 16
    79  call get_current_comm
  ; moved-argument.krs:1:101: attr.ia_valid
    80  r2 = exists(security_list_options.inode_post_setattr)
    81  if r2 == 0x0 goto 85
    82  r2 = *(u64 *)(r10 - 40)
    83  r2 = *(u64 *)(r2 + 16)                  # attr
    84  goto 87
    85  r2 = *(u64 *)(r10 - 40)
    86  r2 = *(u64 *)(r2 + 8)                   # attr
    87  r2 = *(u32 *)(r2 + iattr.ia_valid)
    88  *(u32 *)(r6 + 72) = r2
  ; moved-argument.krs:1:116: task.euid
    89  r2 = *(u64 *)(r10 - 48)
    90  *(u32 *)(r6 + 76) = r2
  ; moved-argument.krs:1:127: task.comm
    91  r2 = *(u64 *)(r10 - 32)
    92  *(u64 *)(r6 + 80) = r2
    93  r2 = *(u64 *)(r10 - 16)
    94  *(u64 *)(r6 + 88) = r2
  ; moved-argument.krs:1:93: audit { attr.ia_valid, task.euid, task.comm }
    95  r1 = r6
    96  r2 = 0
    97  call ringbuf_submit
    98  r0 = 0
    99  exit
   100  r2 = krs_lost[0] ll
   102  r3 = 1
   103  lock *(u64 *)(r2 + 0) += r3
   104  r0 = 0
   105  exit
   106  r0 = 0
   107  exit

inode_mkdir:    # 5 instructions
  ; moved-argument.krs:2:21: dentry.d_inode == null
     0  r2 = *(u64 *)(r1 + 8)                   # dentry
     1  r2 = *(u64 *)(r2 + dentry.d_inode)
     2  if r2 == 0x0 goto 3
  ; moved-argument.krs:2:80: audit { mode, dentry.d_inode.i_ino }
     3  r0 = 0
     4  exit

bprm_check_security:    # 51 instructions
  ; moved-argument.krs:3:29: bprm.secureexec == 0
     0  r2 = *(u64 *)(r1 + 0)                   # bprm
     1  r2 = *(u32 *)(r2 + linux_binprm.secureexec)
     2  r2 <<= shift_left(linux_binprm.secureexec)
     3  r2 >>= shift_right(linux_binprm.secureexec)
     4  if w2 == 0x0 goto 7
  ; moved-argument.krs:3:50: audit { bprm.secureexec }
     5  r0 = 0
     6  exit
     7  *(u64 *)(r10 - 16) = r2
     8  r1 = krs_events ll
    10  r2 = 80
    11  r3 = 0
    12  call ringbuf_reserve
    13  *(u64 *)(r10 - 8) = r0
    14  if r0 == 0x0 goto 45
    15  call ktime_get_boot_ns
    16  r2 = *(u64 *)(r10 - 8)
    17  *(u64 *)(r2 + 0) = r0
    18  call get_current_pid_tgid
    19  r2 = *(u64 *)(r10 - 8)
    20  *(u64 *)(r2 + 8) = r0
    21  call get_current_uid_gid
    22  r2 = *(u64 *)(r10 - 8)
    23  *(u64 *)(r2 + 16) = r0
    24  call get_current_cgroup_id
    25  r1 = *(u64 *)(r10 - 8)
    26  *(u64 *)(r1 + 24) = r0
    27  *(u32 *)(r1 + 32) = 2
    28  *(u32 *)(r1 + 36) = 0
    29  r2 = krs_lost[2] ll
    31  r2 = *(u64 *)(r2 + 0)
    32  *(u64 *)(r1 + 40) = r2
    33  *(u64 *)(r1 + 48) = 0
    34  r1 += 56
    35  r2 = 16
    36  call get_current_comm
    37  r1 = *(u64 *)(r10 - 8)
    38  *(u32 *)(r1 + 76) = 0
  ; moved-argument.krs:3:58: bprm.secureexec
    39  r2 = *(u64 *)(r10 - 16)
    40  *(u32 *)(r1 + 72) = r2
  ; moved-argument.krs:3:50: audit { bprm.secureexec }
    41  r2 = 0
    42  call ringbuf_submit
    43  r0 = 0
    44  exit
    45  r2 = krs_lost[2] ll
    47  r3 = 1
    48  lock *(u64 *)(r2 + 0) += r3
    49  r0 = 0
    50  exit

task_kill:    # 52 instructions
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
     8  *(u64 *)(r10 - 16) = r2
     9  r1 = krs_events ll
    11  r2 = 80
    12  r3 = 0
    13  call ringbuf_reserve
    14  *(u64 *)(r10 - 8) = r0
    15  if r0 == 0x0 goto 46
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
    28  *(u32 *)(r1 + 32) = 3
    29  *(u32 *)(r1 + 36) = 0
    30  r2 = krs_lost[3] ll
    32  r2 = *(u64 *)(r2 + 0)
    33  *(u64 *)(r1 + 40) = r2
    34  *(u64 *)(r1 + 48) = 0
    35  r1 += 56
    36  r2 = 16
    37  call get_current_comm
    38  r1 = *(u64 *)(r10 - 8)
    39  *(u32 *)(r1 + 76) = 0
  ; moved-argument.krs:4:61: sig
    40  r2 = *(u64 *)(r10 - 16)
    41  *(u32 *)(r1 + 72) = r2
  ; moved-argument.krs:4:53: audit { sig }
    42  r2 = 0
    43  call ringbuf_submit
    44  r0 = 0
    45  exit
    46  r2 = krs_lost[3] ll
    48  r3 = 1
    49  lock *(u64 *)(r2 + 0) += r3
    50  r0 = 0
    51  exit
