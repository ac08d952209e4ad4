# Rules with a user and one text or pattern each: the user is looked up before a path is walked.
for i in $(seq 1 40); do echo "text$i: on file_open when task.uid == $((1000 + i)) and file.path == \"/tmp/users/f$i\" deny EACCES"; done
for i in $(seq 1 40); do echo "below$i: on file_open when task.uid == $((1100 + i)) and file.path under { \"/tmp/users/d$i\", \"/tmp/others/d$i\" } deny EROFS audit { task.uid }"; done
for i in $(seq 1 20); do echo "both$i: on path_mkdir when task.gid == $((1200 + i)) and task.uid == $((1200 + i)) and path like \"/tmp/users/new$i*\" deny EXDEV audit { path }"; done
# A contradiction: no task has two user ids.
echo 'nobody: on file_open when task.uid == 1001 and task.uid == 1002 deny ENOSPC'
