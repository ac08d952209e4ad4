# 10,000 globs, and other patterns on the same texts.
awk 'BEGIN {
  for (i = 0; i < 10000; i++) {
    printf "g%d: on file_open when file.path like \"/tmp/p/*/t%d/*.key\" deny EACCES audit { file.path }\n", i, i
  }
  print "any: on file_open when file.path like \"/tmp/p/k/**/x[0-9]?\" deny EACCES audit { file.path }"
  print "choice: on file_open when file.path like \"/tmp/p/{k,l}/t5{,5}/*\" deny EACCES audit { file.path }"
  print "end: on file_open when ends_with(file.path, \".secret\") deny EACCES audit { file.path }"
  print "part: on file_open when contains(file.path, \"/hidden/\") deny EACCES audit { file.path }"
  for (i = 0; i < 100; i++) printf "on path_rmdir when path like \"/tmp/p/r%d*\" deny EBUSY\n", i
}'
