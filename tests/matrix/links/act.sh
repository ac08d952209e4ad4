# A rule about a path that leads through a symbolic link never matches: the loader says which.
mkdir -p /usr/bin /opt/real/sub
cp /bin/busybox /opt/real/sleep
ln -sf /opt/real/sleep /usr/bin/sleep
ln -sfn /opt/real /opt/alias
krsi load links.o 2>&1
krsi unload links
krsi load --strict links.o 2>&1 || echo "status $?"
krsi list
krsi load links.o >/dev/null 2>&1
try /usr/bin/sleep 0
try cat /opt/alias/sleep
shown links
