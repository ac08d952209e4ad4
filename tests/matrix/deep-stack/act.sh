krsi load deep-stack.o
cd /tmp
for f in secret other; do
  (echo text >$f) 2>/dev/null || true
  cat $f >/dev/null 2>/tmp/said && echo "$f: read" || sed 's/.*: //' /tmp/said
done
events deep-stack >/tmp/events
echo "$(wc -l </tmp/events) events, $(grep -c '"file.inode.sb.s_magic":16914836' /tmp/events) on tmpfs"
