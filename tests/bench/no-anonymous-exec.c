// The policy of the README as an expert would write it with libbpf, the event included: the same 72 bytes, the same
// counter of lost events. With -DVMLINUX the types come from vmlinux.h, as they do in most such programs; without, they are
// declared here as far as they are needed, which is the least that a C compiler can be asked to read.
//
//     on file_mprotect when prot & EXEC and vma.file == null deny audit

#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int(*name)[value]
#define CORE __attribute__((preserve_access_index))

#ifdef VMLINUX
#include "vmlinux.h"
#else
typedef unsigned int u32;
typedef unsigned long long u64;

struct vm_area_struct {
	void *vm_file;
} CORE;

#define BPF_MAP_TYPE_RINGBUF 27
#endif

#define PROT_EXEC 4
#define EPERM 1

static u64 (*const bpf_get_current_pid_tgid)(void) = (void *)14;
static u64 (*const bpf_get_current_uid_gid)(void) = (void *)15;
static long (*const bpf_get_current_comm)(void *buffer, u32 bytes) = (void *)16;
static u64 (*const bpf_get_current_cgroup_id)(void) = (void *)80;
static u64 (*const bpf_ktime_get_boot_ns)(void) = (void *)125;
static void *(*const bpf_ringbuf_reserve)(void *ring, u64 bytes, u64 flags) = (void *)131;
static void (*const bpf_ringbuf_submit)(void *data, u64 flags) = (void *)132;

struct event {
	u64 time_ns;
	u64 pid_tgid;
	u64 uid_gid;
	u64 cgroup;
	u32 rule;
	int verdict;
	u64 lost;
	u64 unknown;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

u64 lost[1];

SEC("lsm/file_mprotect")
int file_mprotect(u64 *ctx)
{
	struct vm_area_struct *vma = (void *)ctx[0];
	u64 prot = ctx[2];
	struct event *event;

	if (!(prot & PROT_EXEC) || vma->vm_file)
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (event) {
		event->time_ns = bpf_ktime_get_boot_ns();
		event->pid_tgid = bpf_get_current_pid_tgid();
		event->uid_gid = bpf_get_current_uid_gid();
		event->cgroup = bpf_get_current_cgroup_id();
		event->rule = 0;
		event->verdict = -EPERM;
		event->lost = lost[0];
		event->unknown = 0;
		bpf_get_current_comm(event->comm, sizeof(event->comm));
		bpf_ringbuf_submit(event, 0);
	} else {
		__sync_fetch_and_add(&lost[0], 1);
	}
	return -EPERM;
}

char _license[] SEC("license") = "GPL";
