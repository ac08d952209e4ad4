# 10,000 rules of one shape that record, and 10,000 that do not; a condition shared by many of them is tested
# once. The group of the file and the new mode identify the matching rule.
awk 'BEGIN {
  for (i = 0; i < 10000; i++) {
    group = int(i / 100); mode = i % 100
    printf "r%d: on path_chmod when mode & 0o777 == %d and path.dentry.d_inode.i_gid.val == %d and task.uid == 0 deny EACCES audit { mode, gid = path.dentry.d_inode.i_gid.val }\n", i, mode, 1000 + group
  }
  # Two more rules for one row, five for another, and one with several values.
  print "again: on path_chmod when path.dentry.d_inode.i_gid.val == 1000 and mode & 0o777 == 7 and task.uid == 0 deny EACCES audit { mode, gid = path.dentry.d_inode.i_gid.val }"
  for (i = 0; i < 5; i++) {
    printf "many%d: on path_chmod when mode & 0o777 == 8 and path.dentry.d_inode.i_gid.val == 1000 and task.uid == 0 deny EACCES audit { mode, gid = path.dentry.d_inode.i_gid.val }\n", i
  }
  print "several: on path_chmod when mode & 0o777 in { 0o700, 0o701 } and path.dentry.d_inode.i_gid.val in { 1000, 1001, 5000 } and task.uid == 0 deny EACCES audit { mode, gid = path.dentry.d_inode.i_gid.val }"
  for (i = 0; i < 10000; i++) {
    printf "on path_mknod when mode & 0o777 == %d and dev == %d deny EBUSY\n", i % 100, int(i / 100)
  }
  # A rule after all others, which observes the verdict.
  print "watch: on path_chmod when path.dentry.d_inode.i_gid.val in { 1000, 1099, 5000, 7000 } audit { mode }"
}'
