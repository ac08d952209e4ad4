# 10,000 rules of one shape: exactly the expected ones match (the first, the last, none, and several at once).
krsi load exact.o
touch /tmp/f
try() {
  chown 0:$1 /tmp/f 2>/dev/null # An earlier case may have left an invalid /etc/passwd.
  chmod $2 /tmp/f 2>/tmp/said && echo "group $1 mode $2: done" || echo "group $1 mode $2: $(sed 's/.*: //' /tmp/said)"
}
try 1000 0
try 1099 143
try 1050 62
try 1099 144
try 999 0
try 7000 1
try 1000 7
try 1000 10
try 1001 701
try 5000 700
try 5000 702
events exact | sed 's/.*"rule":"\([^"]*\)".*"verdict":"\([^"]*\)".*/\1 \2/' | sort
krsi unload exact
krsi load exact.o >/dev/null
node() { mknod -m $1 /tmp/node$1 c 0 $2 2>/tmp/said && echo "node $1 $2: done" || echo "node $1 $2: $(sed 's/.*: //' /tmp/said)"; }
node 77 5
node 77 100
node 143 99
node 0 0
