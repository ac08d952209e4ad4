# Realistic process trees: a service runs a shell, which runs another, and so on.
here=$PWD
mkdir -p /tmp/a /sys/fs/cgroup/web
cd /tmp/a
for f in secret named user both glob trusted none deep related values defined; do echo $f > $f; done
for name in sshd nginx other; do
  cp /bin/busybox $name
  mkdir -p run/$name
  ln -s /tmp/a/$name run/$name/sh
done
cat > all.sh <<'S'
for f in secret named user both glob trusted none deep related defined; do
  if why=$(/bin/cat /tmp/a/$f 2>&1); then echo "  $f ok"; else echo "  $f ${why##*: }"; fi
done
S
cat > nested.sh <<'S'
if [ $1 = 0 ]; then /bin/sh all.sh; else /bin/sh nested.sh $(($1 - 1)); fi
true
S
krsi load $here/ancestors.o
echo "from a shell"
/bin/sh all.sh
echo "from a service"
run/sshd/sh all.sh
echo "from a shell of a shell of a service"
run/sshd/sh -c '/bin/sh -c "/bin/sh all.sh; true"; true'
echo "from another, by its name, in a cgroup"
run/nginx/sh -c 'printf krs-nginx > /proc/$$/comm; /bin/sh all.sh; true'
run/other/sh -c 'printf krs-service > /proc/$$/comm; /bin/sh all.sh; true'
run/sshd/sh -c 'echo $$ > /sys/fs/cgroup/web/cgroup.procs; /bin/sh all.sh; true'
echo "from a user"
krs-guest as=1000 /bin/sh -c '/bin/sh all.sh; true'
echo "from 12 and from 140 shells of a service"
run/sshd/sh nested.sh 12
run/sshd/sh nested.sh 140
echo "what is asked of another task"
run/sshd/sh -c 'trap "" USR1; sleep 100 & kill -USR1 $! || echo refused; kill -KILL $!; true' 2>/dev/null
sleep 100 &
kill -USR1 $! && echo sent
sleep 100 &
kill -USR2 $! 2>/dev/null || echo kept
/bin/kill -USR2 $! && echo sent
echo "events"
run/sshd/sh -c '/bin/cat /tmp/a/values; true'
/bin/cat /tmp/a/values
shown ancestors
echo "asked of more ancestors than are"
krsi stats ancestors | awk '$7 ~ /^[1-9]/ { print $2 }'
