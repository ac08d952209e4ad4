# Blocks, attributes, permissive rules, and signals that kill the acting process.
try() { status=0; "$@" >/dev/null 2>/tmp/why || status=$?; echo "$*: $status $(sed 's/.*: //; 1q' /tmp/why)"; }
policy=$PWD/effects.o
mkdir /tmp/watched
cd /tmp
for f in watched/secret watched/inner watched/trial deadly denied-deadly secret; do echo text > $f; done
cp /bin/busybox /tmp/head
krsi load $policy
try cat watched/secret
try cat watched/inner
try ./head watched/inner
try cat watched/trial
try cat secret
try sh -c 'cat deadly; echo lived'
try sh -c ': < deadly'
try sh -c ': < denied-deadly'
shown effects
krsi show effects | grep -A6 secret
