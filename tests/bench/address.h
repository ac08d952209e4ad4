// The address passed to a system call: IPv4 is read in place; of IPv6 a program may read only the first 16
// bytes in place, so it is copied.

struct sockaddr {
	u16 sa_family;
	char sa_data[14];
};

#define AF_UNSPEC 0
#define AF_INET 2
#define AF_INET6 10
#define IN_BYTES 16
#define IN6_BYTES 24

struct sockaddr_in {
	u16 family;
	u16 port;
	u32 address;
};

struct sockaddr_in6 {
	u16 family;
	u16 port;
	u32 flow;
	u8 address[16];
};

#define ntohs(number) __builtin_bswap16(number)
#define ntohl(number) __builtin_bswap32(number)
