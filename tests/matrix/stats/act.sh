# Counts of recorded and unrecorded matches of rules; run times of programs, if the kernel measures them.
mkdir /tmp/s
cd /tmp/s
krsi stats
krsi load $OLDPWD/stats.o
for d in told1 told2 refused1 silent1; do try mkdir $d; done
rmdir told1 told2
name=$(printf '%0200d' 0)
for i in $(seq 1 20); do mkdir $name && cd $name; done
mkdir $name
cd /tmp/s
krsi mode stats permissive silent refused
for d in silent1 silent2 refused1; do try mkdir $d; done
krsi stats stats
krsi events stats | wc -l
krsi stats --format json | grep -o '{[^{]*"rule":"\(silent\|refused\|deep\)"[^}]*}'
krsi stats --format json | grep -o '"timed":[a-z]*'

echo 1 > /proc/sys/kernel/bpf_stats_enabled
mkdir told3 told4 told5
krsi stats stats | tail -n +8 | sed 's/[0-9]* ns/N ns/; s/  */ /g'
krsi stats --format json | grep -o '"hook":"path_mkdir","mean_ns":[1-9][0-9]*,"runs":[0-9]*' | sed 's/:[0-9]*,/:N,/'
echo 0 > /proc/sys/kernel/bpf_stats_enabled
mkdir told6
krsi stats stats | sed -n 's/  */ /g; /mkdir [0-9]* [0-9]* ns/p; /timed/p' | sed 's/[0-9]* ns/N ns/'
fails krsi stats stat
cat /tmp/said
krsi unload stats
