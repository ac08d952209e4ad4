# 2,000 rules with pairwise different shapes on one hook, too many for one program. The file size identifies
# the matching rule.
awk 'BEGIN {
  for (i = 0; i < 2000; i++) {
    printf "r%d: on file_open when file.inode.size == %d and task.uid != %d and file.inode.uid & %d == 0", i, 1000 + i, 100000 + i, 4096 + i * 8192
    if (i % 50 == 0) printf " and task.comm not in { \"none%d\", \"other\" } and not (file.path under \"/etc/%d\")", i, i
    if (i % 4 == 0) printf " deny EACCES"
    if (i % 4 == 1) printf " deny EROFS"
    if (i % 4 == 2) printf " deny"
    if (i % 10 == 0 || i % 4 == 3) printf " audit { size = file.inode.size, n = task.uid + %d }", i
    printf "\n"
  }
  # A rule that observes every verdict, independent of its program, and a rule that denies without recording.
  print "watch: on file_open when file.inode.size > 999 and file.inode.size < 3100 and file.path under \"/tmp\" audit { size = file.inode.size }"
  print "on file_open when file.inode.size == 3050 and file.path under \"/tmp\" deny EBUSY"
}'
