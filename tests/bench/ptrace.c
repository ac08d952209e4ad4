#include "bench.h"

struct cred {
	struct {
		u32 val;
	} euid;
} CORE;

struct task_struct {
	int static_prio;
	const struct cred *cred;
	char comm[16] __attribute__((aligned(8)));
} CORE;

#define PTRACE_MODE_ATTACH 2

struct attach_event {
	struct head head;
	s32 prio;
	u32 mode;
};

struct keeper_event {
	struct head head;
	s32 prio;
	u32 zero;
	u64 comm[2];
	u32 mode;
	u32 zeros;
};

SEC("lsm/ptrace_access_check")
int ptrace_access_check(u64 *ctx)
{
	struct task_struct *child = (void *)ctx[0];
	u32 mode = ctx[1];
	struct name name;
	int verdict = 0;

	if (!(mode & PTRACE_MODE_ATTACH))
		return 0;
	name.words[0] = *(u64 *)&child->comm[0];
	name.words[1] = *(u64 *)&child->comm[8];
	if (bpf_get_current_task_btf()->cred->euid.val != 0) {
		struct attach_event *event;

		verdict = -EPERM;
		begin(event, 0, -EPERM);
		if (event) {
			event->prio = child->static_prio;
			event->mode = mode;
			bpf_ringbuf_submit(event, 0);
		}
	}
	// The bytes after the NUL are not known to be zero.
	if (begins(name.words, "ssh-agent", 10) || begins(name.words, "gpg-agent", 10) || begins(name.words, "sssd", 5)) {
		struct keeper_event *event;

		verdict = -EPERM;
		begin(event, 1, -EPERM);
		if (event) {
			event->prio = child->static_prio;
			event->zero = 0;
			event->comm[0] = name.words[0];
			event->comm[1] = name.words[1];
			event->mode = mode;
			event->zeros = 0;
			bpf_ringbuf_submit(event, 0);
		}
	}
	return verdict;
}
