#include "bench.h"

struct id {
	u32 val;
};

struct cred {
	struct id uid, suid, euid;
} CORE;

struct id_event {
	struct head head;
	u32 uid;
	u32 euid;
	u32 suid;
	u32 flags;
};

SEC("lsm/task_fix_setuid")
int task_fix_setuid(u64 *ctx)
{
	const struct cred *new = (void *)ctx[0], *old = (void *)ctx[1];
	struct id_event *event;

	if (new->euid.val != 0 || old->euid.val == 0 || old->uid.val == 0)
		return 0;
	begin(event, 0, -EPERM);
	if (event) {
		event->uid = old->uid.val;
		event->euid = old->euid.val;
		event->suid = old->suid.val;
		event->flags = ctx[2];
		bpf_ringbuf_submit(event, 0);
	}
	return -EPERM;
}
