# A user that no rule names passes before a path is read; for a user that one names, all tests are evaluated.
mkdir -p /tmp/users/d1/sub /tmp/users/d2
cd /tmp/users
for i in 1 2 40; do echo "$i" >"f$i"; done
echo 1 >d1/sub/x
echo 2 >d2/x
chmod -R a+rwX .
krsi load "$OLDPWD/users.o"
as() {
  user=$1
  shift
  try krs-guest "as=$user" "$@"
}
as 1001 cat /tmp/users/f1
as 1001 cat /tmp/users/f2
as 1002 cat /tmp/users/f1
as 1040 cat /tmp/users/f40
as 1000 cat /tmp/users/f1
try cat f1
as 1101 cat /tmp/users/d1/sub/x
as 1101 cat /tmp/users/d2/x
as 1102 cat /tmp/users/d1/sub/x
as 1102 cat /tmp/users/d2/x
mkdir -p /tmp/others/d1
echo 3 >/tmp/others/d1/y
as 1101 cat /tmp/others/d1/y
as 1102 cat /tmp/others/d1/y
as 1201 mkdir /tmp/users/new1-of-group-1201
events users | sed 's/.*"fields":\({[^}]*}\).*"rule":"\([^"]*\)".*"verdict":"\([^"]*\)".*/\2 \3 \1/'
krsi unload users >/dev/null
as 1001 cat /tmp/users/f1
