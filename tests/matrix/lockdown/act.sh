# A kernel in lockdown gives no program a helper that reads its memory: the message says so, as `krsi doctor` does.
mount -t securityfs none /sys/kernel/security 2>/dev/null || true
echo confidentiality >/sys/kernel/security/lockdown
# The verifier's sentence differs between kernels: `unknown func` on 5.10, `program of this type cannot use helper` on 7.2.
{ krsi load lockdown.o 2>&1 || echo "status $?"; } | sed 's/reason: .* \(bpf_probe_read#4\)$/reason: \1/'
krsi doctor 2>&1 | grep 'lockdown is\|boot with'
krsi list
