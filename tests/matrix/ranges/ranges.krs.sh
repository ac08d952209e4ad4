# 1,000 rules for a range of modes and a group each, nested and overlapping; some with one bound only; and
# rules for a range of signed numbers alone.
awk 'BEGIN {
  for (i = 0; i < 1000; i++) {
    from = i % 250; to = from + i % 7
    printf "r%d: on path_chmod when mode & 0o777 >= %d and mode & 0o777 <= %d and path.dentry.d_inode.i_gid.val == %d deny EACCES audit { mode }\n", i, from, to, 1000 + int(i / 250)
  }
  print "low: on path_chmod when mode & 0o777 < 2 and path.dentry.d_inode.i_gid.val == 1001 deny EACCES audit { mode }"
  print "high: on path_chmod when 500 < mode & 0o777 and path.dentry.d_inode.i_gid.val == 1001 deny EACCES audit { mode }"
  for (i = 0; i < 40; i++) printf "on task_setnice when nice >= %d and not (nice > %d) deny EBUSY\n", -20 + 3 * (i % 10), -19 + 3 * (i % 10)
}'
