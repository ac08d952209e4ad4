# Sets are searched, parameters are set, and a wrong setting changes nothing.
krsi load sets-and-params.o
krsi show sets-and-params | grep ^param
touch /tmp/f
try() { chmod "$1" /tmp/f 2>/tmp/said && echo "$1 done" || echo "$1 refused: $(sed 's/.*: //' /tmp/said)"; }
for mode in 300 301 302 303 304 377 376 375 374 277 400 700 017 021 022; do try $mode; done
krsi load sets-and-params.o --set strict=true --set limit=6 --set bits='READ|EXEC'
krsi show sets-and-params | grep ^param
try 300
try 077
try 177
mkdir /tmp/e
fails rmdir /tmp/e
cat /tmp/said
fails krsi load sets-and-params.o --set limt=1
cat /tmp/said
fails krsi load sets-and-params.o --set limit=-1
cat /tmp/said
fails krsi load sets-and-params.o --set limit
cat /tmp/said
fails krsi load sets-and-params.o --set bits=EXCE
cat /tmp/said
krsi show sets-and-params | grep '^param strict'
