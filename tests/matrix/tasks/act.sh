# The values must equal those in /proc.
try() { if "$@" >/dev/null 2>/tmp/why; then echo "$*: ok"; else echo "$*: $(sed 's/.*: //; 1q' /tmp/why)"; fi; }
policy=$PWD/tasks.o
cd /tmp
touch exe parent caps nocaps cgroup kthread values
krsi load $policy
for f in exe parent caps nocaps cgroup kthread; do try cat $f; done
mkdir -p /sys/fs/cgroup/web/front
echo $$ > /sys/fs/cgroup/web/front/cgroup.procs
try cat cgroup
cat values
krsi events tasks --format json | sed 's/.*"fields":{\([^}]*\)}.*/\1/; s/,"/\n"/g' > said
grep -v 'start_time\|ns\.\|user_ns' said
number() { readlink /proc/self/ns/$1 | tr -dc 0-9; }
for of in mnt net; do grep -q "task.ns.$of\":$(number $of)\$" said && echo "$of is that of /proc"; done
grep -q "task.user_ns\":$(number user)\$" said && echo "user is that of /proc"
