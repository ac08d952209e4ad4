#include "bench.h"
#include "address.h"

struct port_event {
	struct head head;
	u16 port;
	u16 zero;
	u32 zeros;
	u64 address[2];
};

SEC("lsm/socket_bind")
int socket_bind(u64 *ctx)
{
	struct sockaddr_in *address = (void *)ctx[1];
	s32 length = ctx[2];
	u16 family = ((struct sockaddr *)address)->sa_family, port;
	struct port_event *event;
	struct name name;

	if (family == AF_INET || family == AF_UNSPEC) {
		if (length < IN_BYTES)
			return 0;
	} else if (family == AF_INET6) {
		if (length < IN6_BYTES)
			return 0;
	} else {
		return 0;
	}
	port = ntohs(address->port);
	if (port == 0 || port >= 1024)
		return 0;
	name = current_name();
	if (is_name(name, "nginx") || is_name(name, "sshd") || is_name(name, "named") || is_name(name, "systemd"))
		return 0;
	begin(event, 0, -EACCES);
	if (event) {
		event->port = port;
		event->zero = 0;
		event->zeros = 0;
		if (family == AF_INET6) {
			bpf_probe_read_kernel(event->address, 16, ((struct sockaddr_in6 *)address)->address);
			event->address[0] = __builtin_bswap64(event->address[0]);
			event->address[1] = __builtin_bswap64(event->address[1]);
		} else {
			event->address[0] = 0;
			event->address[1] = 0xffff00000000 | ntohl(address->address);
		}
		bpf_ringbuf_submit(event, 0);
	}
	return -EACCES;
}
