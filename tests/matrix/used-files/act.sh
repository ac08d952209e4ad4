# One object of four files; its events and rules name the files that they are from.
try() { if "$@" >/dev/null 2>/tmp/why; then echo "$*: ok"; else echo "$*: $(sed 's/.*: //; 1q' /tmp/why)"; fi; }
krsi load used-files.o
try mkdir /tmp/own
try mkdir /tmp/shared
try mkdir /tmp/other
shown used-files
krsi show used-files | grep '##\|krs:'
