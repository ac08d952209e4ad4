# An event is consumed only when its line has arrived: one that cannot be written or that the reader of the pipe has not
# taken stays in the buffer.
: >/tmp/forbidden
krsi load unread.o
ten() { for i in 1 2 3 4 5 6 7 8 9 10; do (cat /tmp/forbidden) 2>/dev/null || true; done; }
ten
krsi events unread | head -1 | wc -l
count_events unread
ten
status=0
krsi events unread >/dev/full 2>/tmp/said || status=$?
echo $status
cat /tmp/said
count_events unread
ten
krsi events unread --format json | (read -r one && echo "${one%%boot_ns*}" | sed 's/[0-9]/N/g')
krsi events unread | (sleep 1)
krsi events unread >/tmp/nine
wc -l </tmp/nine
# A reader that is slow sees all of them.
ten
krsi events unread | while read -r line; do usleep 20000; echo "$line"; done | wc -l
count_events unread
# A command that is killed while the reader waits loses nothing.
ten
(krsi events unread & echo $! >/tmp/pid; wait) | (sleep 1; kill -9 $(cat /tmp/pid)) || true
count_events unread
krsi list
krsi unload unread
