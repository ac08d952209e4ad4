# 10,000 rules for a file each, and 10,000 for a network each: exactly the expected ones match.
fired() { events $1 | sed 's/.*"rule":"\([^"]*\)".*/\1/' | sort | tr '\n' ' '; echo; }
krsi load texts.o
mkdir -p /tmp/d0 /tmp/d7 /tmp/d99
for file in d0/file-0 d7/file-7 d99/file-9999 d0/file-1 d7/file-107 d99/file-9998 a aa 'nine byte' 'nine bytes'; do
  echo >"/tmp/$file" && echo "$file: done" || true
done 2>&1 | sed 's/.*can.t create/cannot create/'
fired texts
rmdir /tmp/d99 2>&1 || true
mkdir /tmp/d50 /tmp/d100
rmdir /tmp/d50 2>&1 || true
rmdir /tmp/d100
for folder in /tmp/made /tmp/madf /tmp/1000; do mkdir $folder 2>&1 || true; done
for link in /tmp/made /tmp/link; do ln -s x $link 2>&1 || true; done
krsi unload texts
krsi load networks.o
ip link set lo up 2>/dev/null || ifconfig lo up
for address in 10.0.0.1:1 10.3.39.255:4 10.3.39.255:5 10.249.39.7:5 10.249.40.7:5 10.130.1.1:1 10.200.1.1:1 '[fd00:1::7]:5' '[fd00:2::7]:5'; do
  krs-guest connect=$address
done
krs-guest listen=127.199.3.4:4000 listen=127.200.3.4:4000
fired networks
