here=$PWD
ip link set lo up
mkdir -p /tmp/u/secret /tmp/u/low/deep /tmp/u/lower
cd /tmp/u
ln -s secret/socket by-a-link
long=/tmp/u/$(printf '%099d' 0)
krsi load $here/unix.o
echo "# files"
krs-guest unix-listen=/tmp/u/secret/socket unix-connect=/tmp/u/secret/socket unix-connect=secret/socket unix-connect=low/../secret/socket
krs-guest unix-listen=secret/../ends unix-connect=ends
krs-guest unix-listen=low/deep/socket unix-listen=lower/socket unix-connect=/tmp/u/low/deep/socket unix-connect=lower/socket
krs-guest unix-connect=by-a-link unix-connect=/tmp/u/by-a-link
krs-guest unix-listen=taken unix-listen=/tmp/u/taken unix-listen=$long unix-connect=$long | sed 's/00*/0/'
krs-guest unix-receive=datagrams unix-send=/tmp/u/datagrams unix-receive=sent unix-send=sent unix-send=/tmp/u/sent
krs-guest unix-listen=talk unix-talk=talk unix-listen=other unix-talk=other
echo "# abstract"
krs-guest unix-listen=@krs-hidden unix-connect=@krs-hidden unix-listen=@krs-hidden2 unix-connect=@krs-hidden2
krs-guest unix-listen=@krs-all-1 unix-connect=@krs-all-1 unix-listen=@krs-free unix-connect=@krs-free unix-listen=@krs-taken
krs-guest unix-receive=@krs-datagrams unix-send=@krs-datagrams unix-receive=@krs-data unix-send=@krs-data
krs-guest unix-listen=@krs-talk unix-talk=@krs-talk
echo "# neither"
krs-guest connect=127.0.0.1:80 socket pipe
shown unix
echo "# values that are not there"
rm ends
krs-guest unix-listen=ends unix-connect=ends
events unix | grep -o '"fields":{[^}]*}\|"unknown":\[[^]]*\]'
krsi show unix | grep -i 'unread\|unknown' || true
