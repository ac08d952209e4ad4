# A shell opens these files itself, so the opening task can be several seconds old.
try() { if "$@" >/dev/null 2>/tmp/why; then echo "$*: ok"; else echo "$*: $(sed 's/.*: //; 1q' /tmp/why)"; fi; }
: > /tmp/newborn
: > /tmp/grown
krsi load values-at-hand.o
mkdir -p /tmp/named/folder
: > /tmp/named/file
try sh -c ': < /tmp/newborn'
try sh -c ': < /tmp/grown'
try sh -c 'sleep 6; : < /tmp/newborn'
try sh -c 'sleep 6; : < /tmp/grown'
try mkdir /tmp/booted
try mkdir /tmp/long-ago
try rm /tmp/named/file
try rmdir /tmp/named/folder
krsi events values-at-hand --format json > said
sed 's/.*"fields":\({[^}]*}\).*"hook":\("[^"]*"\).*"rule":\("[^"]*"\).*/\3 \2 \1/; s/"now":[0-9]*/"now":N/' said
# `now` in a rule and the time of the event are of the same clock.
grep -o '"now":[0-9]*' said | head -1 | tr -dc 0-9 > now
read up rest < /proc/uptime
[ $(($(cat now) / 1000000000)) -le ${up%.*} ] && [ $(($(cat now) / 1000000000 + 10)) -ge ${up%.*} ] && echo "now is the uptime"
