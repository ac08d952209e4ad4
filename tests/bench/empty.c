// A program that does nothing, on the hook that -DHOOK names.

#include "bench.h"

#define SECTION_(hook) SEC("lsm/" #hook)
#define SECTION(hook) SECTION_(hook)

SECTION(HOOK)
int HOOK(u64 *ctx)
{
	return 0;
}
