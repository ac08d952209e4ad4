# 10,000 rules for a directory each, and 10,000 for a glob each: exactly the expected ones match.
fired() { events $1 | sed 's/.*"rule":"\([^"]*\)".*/\1/' | sort | tr '\n' ' '; echo; }
write() {
  for file in "$@"; do
    mkdir -p "/tmp/p/${file%/*}"
    echo >"/tmp/p/$file" && echo "$file: done" || true
  done 2>&1 | sed "s/.*can.t create/cannot create/; s/$long/LONG/g"
}
long=$(printf '%0200d' 0)
mkdir -p /tmp/p/d0 /tmp/p/d7
krsi load prefixes.o
write d0/t0 d0/t100/a d0/t1001 d0/t10000/a d7/t7/inner/a d7/t7/innermost d7/to d7/s d1/t0/a
write "d99/t9999/$long/a" "d99/t/$long/a" six/a sixty/a
fired prefixes
rmdir /tmp/p/d1/t0 2>&1 || true
mkdir /tmp/p/d100
rmdir /tmp/p/d100
mkdir /tmp/p/m499 2>&1 || true
mkdir /tmp/p/m500
krsi unload prefixes
krsi load globs.o
write a/t0/x.key a/t0/x.keys a/t0/.key a/t0/b/x.key a/t9999/x.key.key a/t10000/x.key
write k/x1y k/a/b/x12 k/a/b/xx2 k/t5/a l/t55/a l/t555/a a/t7/.secret a/.secrets a/hidden/b
write "$long/t4321/$long.key" "$long/$long/t4321/$long.key"
fired globs
mkdir -p /tmp/p/r99 /tmp/p/r/100
rmdir /tmp/p/r99 2>&1 || true
rmdir /tmp/p/r/100
