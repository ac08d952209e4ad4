# Every example loads on every kernel, and ordinary things go on under it.
# That which protects BPF lets krsi go on where it is installed.
mkdir -p /usr/bin
cp "$(command -v krsi)" /usr/bin/krsi
PATH=/usr/bin:$PATH
for object in *.o; do
  name=${object%.o}
  krsi load "$object" > /tmp/said 2>&1 || cat /tmp/said
  echo "$name"
  krsi unload "$name" > /dev/null
done
