# A program and a library whose paths have more than 4095 bytes, made and used by root and by another user.
chmod 755 / /bin /etc; chmod 1777 /tmp
mkdir -p /dev/shm
chmod 1777 /dev/shm
echo host >/etc/hostname
krsi load undecided.o
user() { krs-guest as=1000 krs-guest "$@"; }
echo "# paths that can be read"
user deep-run=/tmp:3
user deep-map=/tmp:3
user deep-run=/dev/shm:3
echo "# and that cannot"
user deep-run=/tmp:18
user deep-map=/tmp:18
user deep-run=/dev/shm:18
krs-guest deep-run=/tmp:18
echo "# a name that is not the one of the rule"
user deep-open=/tmp:18
user open=/etc/hostname
echo "# permissive"
krsi mode undecided permissive run library
user deep-run=/tmp:18
user deep-map=/tmp:18
krsi events undecided | sed 's/^[^ ]* //; s/d\{250\}/D/g; s/\[[0-9]*\]/[N]/'
krsi stats undecided
krsi unload undecided
