// An empty program on the hook given by -DHOOK.

#include "bench.h"

#define SECTION_(hook) SEC("lsm/" #hook)
#define SECTION(hook) SECTION_(hook)

SECTION(HOOK)
int HOOK(u64 *ctx)
{
	return 0;
}
