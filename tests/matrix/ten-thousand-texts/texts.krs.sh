# 10,000 rules that name a file each, some the same file; rules for a file and a group; a set of 1,000 files.
awk 'BEGIN {
  for (i = 0; i < 10000; i++) {
    printf "f%d: on file_open when file.path == \"/tmp/d%d/file-%d\" deny EACCES audit { file.path }\n", i, i % 100, i
  }
  print "twice: on file_open when file.path == \"/tmp/d7/file-7\" deny EACCES audit { file.path }"
  print "either: on file_open when file.path in { \"/tmp/d0/file-0\", \"/tmp/a\", \"/tmp/nine byte\" } deny EACCES audit { file.path }"
  for (i = 0; i < 1000; i++) {
    printf "on path_rmdir when path == \"/tmp/d%d\" and task.gid == %d deny EBUSY\n", i % 100, int(i / 100)
  }
  printf "set files: path = { \"/tmp/made\""
  for (i = 0; i < 1000; i++) printf ", \"/tmp/%d/a-longer-name-of-a-file-that-is-there\"", i
  print " }"
  print "made: on path_mkdir when path in files deny EROFS"
  print "only: on path_symlink unless path in files deny EROFS"
}'
