# A kernel in lockdown gives no program a helper that reads its memory: the message says so, as `krsi doctor` does.
mount -t securityfs none /sys/kernel/security 2>/dev/null || true
echo confidentiality >/sys/kernel/security/lockdown
krsi load lockdown.o 2>&1 || echo "status $?"
krsi doctor 2>&1 | grep 'lockdown is\|boot with'
krsi list
