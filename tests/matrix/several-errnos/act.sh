# The first enforced rule determines the errno, also where one lookup finds rules with different errnos.
mkdir /tmp/errnos
cd /tmp/errnos
mkdir x3 x4 x5 x30
krsi load "$OLDPWD/errnos.o"
told() {
  events errnos | sed 's/.*"dentry.name":"\([^"]*\)".*"rule":"\([^"]*\)".*"verdict":"\([^"]*\)".*/  \2 \1 \3/; s/.*"rule":"\([^"]*\)".*"verdict":"\([^"]*\)".*/  \1 \2/' | sort
}
for i in 1 2 7 8 9 200 201; do try mkdir d$i; done
for i in 3 4 5 30; do try rmdir x$i; done
told
mkdir x30
echo "off: row7, row8, told3, told4"
krsi mode errnos off row7 row8 told3 told4 >/dev/null
for i in 7 8 9; do try mkdir d$i; done
for i in 3 4 5; do try rmdir x$i; done
told
echo "permissive: row9, second, told5"
krsi mode errnos permissive row9 second told5 >/dev/null
for i in 7 9; do try mkdir d$i; done
try rmdir x5
told
echo "permissive: all"
krsi mode errnos permissive >/dev/null
for i in 2 9; do try mkdir d$i; done
try rmdir x3
told
krsi unload errnos >/dev/null
