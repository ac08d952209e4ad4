# Rules with every kind of action, alone and in indexes.
cat <<'KRS'
where file.path under "/tmp/modes" {
  quiet: on file_open when file.name == "quiet" deny EACCES
  loud: on file_open when file.name == "loud" deny EROFS audit { file.name }
  second: on file_open when file.name == "loud" deny EBUSY
  third: on file_open when file.name in { "loud", "quiet" } audit "seen"
  deadly: on file_open when file.name == "deadly" deny EXDEV kill
  @permissive
  trial: on file_open when file.name == "trial" deny ENOSPC
}
KRS
for i in $(seq 1 24); do echo "row$i: on path_mkdir when dentry.name == \"d$i\" deny"; done
echo 'again: on path_mkdir when dentry.name in { "d7", "d8" } deny'
for i in $(seq 1 20); do echo "told$i: on path_rmdir when dentry.name == \"x$i\" deny ENOSPC audit { dentry.name }"; done
echo 'told: on path_rmdir when dentry.name in { "x3" } deny ENOSPC audit { dentry.name }'
echo 'both: on inode_symlink, inode_link when task.comm == "ln" deny EXDEV'
