cd /tmp
try() { status=0; "$@" >/dev/null 2>/tmp/why || status=$?; echo "$*: $([ $status = 0 ] && echo ok || sed 's/.*: //; 1q' /tmp/why)"; }
mkdir one two same
for file in a b one/x one/nine-or-more two/y same/z; do echo > $file; done
cp /bin/busybox busybox-s
cp /bin/busybox busybox-t
krsi load $OLDPWD/texts-compared.o
try sh -c ': < a'
try sh -c 'cat a; exit $?'
try mv one/x two/x
try mv one/nine-or-more two/nine-or-more
try mv one/x two/xx
try mv one/nine-or-more two/nine-or-morE
try mv same/z same/zz
try ./busybox-s cat busybox-s
try ./busybox-s cat busybox-t
try ./busybox-s cat b
try ./busybox-t cat b
try cat b
krsi events texts-compared --format json | grep -o '"fields":{[^}]*}'
