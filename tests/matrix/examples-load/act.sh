# Every example that the kernel has the hooks for loads, and ordinary things go on under it.
for object in *.o; do
  name=${object%.o}
  if krsi load "$object" > /tmp/said 2>&1; then
    echo "$name"
    krsi unload "$name" > /dev/null
  elif grep -q 'this kernel has no hook `\(userns_create\|inode_init_security_anon\)`' /tmp/said; then
    echo "$name"
  else
    cat /tmp/said
  fi
done
