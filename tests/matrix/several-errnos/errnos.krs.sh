# Rules of one shape with two alternating errnos, some of which test the same name.
errno() { [ $(($1 % 2)) = 0 ] && echo EBUSY || echo EACCES; }
for i in $(seq 1 200); do echo "row$i: on path_mkdir when dentry.name == \"d$i\" deny $(errno $i)"; done
echo 'second: on path_mkdir when dentry.name in { "d7", "d8", "d9" } deny EBUSY'
echo 'third: on path_mkdir when dentry.name in { "d7", "d8", "d9" } deny EXDEV'
for i in $(seq 1 20); do echo "told$i: on path_rmdir when dentry.name == \"x$i\" deny $(errno $i) audit { dentry.name }"; done
echo 'again: on path_rmdir when dentry.name in { "x3", "x4" } deny EBUSY audit { dentry.name }'
echo 'seen: on path_rmdir when dentry.name like "x*" audit { dentry.name }'
