# Paths of files, of mounts, of names to be created, and after chroot; the same result on every kernel.
try() { if "$@" >/dev/null 2>/tmp/why; then echo "$*: ok"; else echo "$*: $(sed 's/.*: //; 1q' /tmp/why)"; fi; }
policy=$PWD/paths.o
cd /tmp
mkdir -p dir/sub directory mnt closed jail/tmp l1 l7 l8 l,8 'l{9}' m2
for f in exact one two three dir/sub/x directory/x a.key a.keys a.bad pre1 xneedlex keep fixed lib.so \
  l1/file l7/file l8/file l,8/file 'l{9}/file' m2/file a.m3 m4a a.m4; do
  echo text > "$f"
done
mount -t tmpfs none mnt
mkdir mnt/deep
echo text > mnt/deep/file
cp /bin/busybox jail/tmp/cat
echo text > jail/tmp/exact
krsi load $policy
for f in exact one two three dir/sub/x directory/x a.key a.keys a.bad pre1 xneedlex; do
  try cat $f
done
for f in l1/file l7/file l,8/file 'l{9}/file' l8/file m2/file a.m3 m4a a.m4; do
  try cat "$f"
done
ln -s /tmp/exact link
try cat link
try cat ./dir/../exact
try cat mnt/deep/file
try rm keep
try touch closed/new
try mkdir closed/new
try mv three fixed
try mv fixed elsewhere
try chmod 600 dir/sub/x
echo "# a root of its own changes nothing"
try chroot jail /tmp/cat /tmp/exact
krs-guest exec-deleted &
guest=$!
wait $guest
krs-guest exec-memfd
echo "# deep"
d=deep
for i in 1 2 3 4 5 6 7 8; do d=$d/$d; [ ${#d} -gt 1000 ] && break; done
mkdir -p "mnt/$d"
echo text > "mnt/$d/file"
cat "mnt/$d/file"
echo "# names of all lengths, most of which are in their dentries"
s=0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ
for n in 2 8 9 16 17 24 25 30 31 32 33 39 40 60; do
  mkdir -p "mnt/${s:0:n}/x"
  echo text > "mnt/${s:0:n}/x/${s:0:n-1}"
  cat "mnt/${s:0:n}/x/${s:0:n-1}" > /dev/null
done
krsi events paths --format json | sed -n 's/.*"fields":\({[^}]*}\).*"rule":"\([^"]*\)".*/\2 \1/p' | sed "s/krs-guest-$guest-/krs-guest-N-/" | cut -c 1-150 | uniq
krsi unload paths
