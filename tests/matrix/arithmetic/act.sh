# The programs compute the same values as the shell, which is an independent implementation.
krsi load sums.o >/dev/null
touch /tmp/file
for mode in 700 755 750 500 7777 0 3; do
  chmod $mode /tmp/file
  event=$(events sums)
  # Starts no process, because there are 150 fields.
  field() {
    found=${event#*\"$1\":}
    found=${found%%[,\}]*}
  }
  m=$((0$mode)); low=$((m - 1000))
  byte=$((m & 255)); [ $byte -lt 128 ] || byte=$((byte - 256))
  truth() { [ $(($1)) = 1 ] && echo true || echo false; }
  check() {
    field "$1"
    [ "$found" = "$2" ] || echo "mode $mode: $1 is $found, not $2"
  }
  check byte $byte
  check less $low
  check half $((low / 7))
  check rest $((low % 7))
  check back $((low / -7))
  check minus $((-low))
  check right $((low >> 2))
  check left $((low << 3))
  check wide $((m * 0x100000001 + 5))
  check mixed $((m * -3))
  check quarter $((m / 4))
  check mod $((m % 10))
  check one $((1 << m % 16))
  check below $(truth "low < 0")
  check above $(truth "low > m")
  check signs $(truth "low < m")
  check equal true
  check listed $(truth "m == 0700 || m == 0755 || m == 0777")
  check all $(truth "(m & 0500) == 0500")
  check some $(truth "(m & 022) != 0")
  check both $(truth "m > 0 && m != 0755")
  check wraps $(((m - 100000) & 0xffffffff))
done
krsi unload sums
