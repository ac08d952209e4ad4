# Examples with labels: processes that have read a key, their children, and the files that they have written.
ip link set lo up
mkdir -p /root/.ssh /usr/bin
echo key > /root/.ssh/id_rsa
echo other > /root/other
cp /bin/busybox /usr/bin/ssh
ln -s /usr/bin/ssh /root/ash

under exfiltration
krs-guest connect=127.0.0.1:1 send=127.0.0.1:1
echo "  who reads:"
sh -c 'read x < /root/.ssh/id_rsa; krs-guest connect=127.0.0.1:1 connect=[::1]:1 send=127.0.0.1:1 unix-listen listen; true'
echo "  whose child reads:"
sh -c '(read x < /root/.ssh/id_rsa); krs-guest connect=127.0.0.1:1; true'
echo "  by a file:"
cp /root/.ssh/id_rsa /root/copy
sh -c 'read x < /root/copy; krs-guest connect=127.0.0.1:1; true'
sh -c 'read x < /root/other; krs-guest connect=127.0.0.1:1; true'
echo "  whose business it is:"
/root/ash -c 'read x < /root/.ssh/id_rsa; krs-guest connect=127.0.0.1:1; true'
recorded exfiltration

under ptrace-limits
mkfifo /tmp/open
attach() {
  sh -c "exec 3< $1; echo > /tmp/open; sleep 20; true" &
  cat /tmp/open > /dev/null
  echo "  with $1 open: $(sh -c ": < /proc/$!/mem" 2>&1 && echo ok || true)" | sed "s,/proc/$!/,/proc/N/,"
  kill $!
}
attach /root/other
attach /root/.ssh/id_rsa
recorded ptrace-limits
