#include "bench.h"

struct task_struct {
	int static_prio;
	char comm[16] __attribute__((aligned(8)));
} CORE;

struct kill_event {
	struct head head;
	s32 sig;
	u32 zero;
	u64 target[2];
	s32 prio;
	u32 zeros;
};

SEC("lsm/task_kill")
int task_kill(u64 *ctx)
{
	struct task_struct *p = (void *)ctx[0];
	s32 sig = ctx[2];
	struct kill_event *event;
	struct name name;

	if (sig != 9 && sig != 15 && sig != 19 && sig != 1)
		return 0;
	name.words[0] = *(u64 *)&p->comm[0];
	name.words[1] = *(u64 *)&p->comm[8];
	if (!begins(name.words, "auditd", 7) && !begins(name.words, "rsyslogd", 9) && !begins(name.words, "krsi", 5))
		return 0;
	if ((u32)bpf_get_current_pid_tgid() == 1)
		return 0;
	begin(event, 0, -EPERM);
	if (event) {
		event->sig = sig;
		event->zero = 0;
		event->target[0] = name.words[0];
		event->target[1] = name.words[1];
		event->prio = p->static_prio;
		event->zeros = 0;
		bpf_ringbuf_submit(event, 0);
	}
	return -EPERM;
}
