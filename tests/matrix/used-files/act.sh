# One object is built from four files; its events and rules name the files in which they are defined.
try() { if "$@" >/dev/null 2>/tmp/why; then echo "$*: ok"; else echo "$*: $(sed 's/.*: //; 1q' /tmp/why)"; fi; }
krsi load used-files.o
try mkdir /tmp/own
try mkdir /tmp/shared
try mkdir /tmp/other
shown used-files
krsi show used-files | grep '##\|krs:'
