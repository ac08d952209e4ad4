# 10,000 directories, some nested, a few with more rules than fit in a row; directories with a group each.
awk 'BEGIN {
  for (i = 0; i < 10000; i++) {
    printf "t%d: on file_open when file.path under \"/tmp/p/d%d/t%d\" deny EACCES audit { file.path }\n", i, i % 100, i
  }
  print "inner: on file_open when file.path under \"/tmp/p/d7/t7/inner\" deny EACCES audit { file.path }"
  print "around: on file_open when starts_with(file.path, \"/tmp/p/d7/t\") deny EACCES audit { file.path }"
  for (i = 0; i < 6; i++) printf "six%d: on file_open when file.path under \"/tmp/p/six\" deny EACCES audit { file.path }\n", i
  for (i = 0; i < 1000; i++) {
    printf "on path_rmdir when path under \"/tmp/p/d%d\" and task.gid == %d deny EBUSY\n", i % 100, int(i / 100)
  }
  for (i = 0; i < 500; i++) printf "on path_mkdir when path under \"/tmp/p/m%d\" deny EROFS\n", i
}'
