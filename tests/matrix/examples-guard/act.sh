# Examples about modules, other processes and other users: denied acts, permitted acts and events of each.
guest=$(command -v krs-guest)
mkdir -p /usr/bin /usr/local/bin /lib/modules/x /mnt /srv

cp "$guest" /usr/bin/kmod
echo no module > /lib/modules/x/evil.ko
cp /lib/modules/x/evil.ko /tmp/evil.ko
under module-loading
krs-guest module=/tmp/evil.ko module=/lib/modules/x/evil.ko init-module
/usr/bin/kmod module=/tmp/evil.ko module=/lib/modules/x/evil.ko init-module
try sh -c ': > /lib/modules/x/new.ko'
try cat /lib/modules/x/evil.ko
recorded module-loading

for name in gdb ssh-agent; do cp /bin/busybox /usr/bin/$name; done
ln -s /usr/bin/gdb /srv/cat
ln -s /usr/bin/ssh-agent /srv/sleep
krs-guest as=1000 sleep 100 &
users=$!
/srv/sleep 100 &
keeper=$!
sleep 1
under ptrace-limits
krs-guest ptrace
krs-guest as=1000 "$guest" ptrace
try krs-guest as=1000 cat /proc/$users/mem | sed "s/$users/PID/"
try cat /proc/$users/mem | sed "s/$users/PID/"
try /srv/cat /proc/$users/mem | sed "s/$users/PID/"
try cat /proc/$keeper/mem | sed "s/$keeper/PID/"
try cat /proc/$keeper/status | sed "s/$keeper/PID/"
recorded ptrace-limits
kill $users $keeper

for name in /usr/local/bin/tool /usr/bin/passwd /usr/bin/su; do cp "$guest" $name; done
chmod 4755 /usr/local/bin/tool /usr/bin/passwd
cp /bin/busybox /tmp/mine
chown 1000 /tmp/mine
under setuid-transitions
krs-guest as=1000 /usr/local/bin/tool pipe || true
krs-guest as=1000 /usr/bin/passwd pipe
/usr/local/bin/tool pipe
krs-guest root-by-capability setuid
/usr/bin/su root-by-capability
try krs-guest as=1000 chmod 4755 /tmp/mine
try krs-guest as=1000 chmod u+x /tmp/mine
recorded setuid-transitions
