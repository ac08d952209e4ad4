#include "bench.h"

struct inode {
	struct {
		u32 val;
	} i_uid;
	u32 i_nlink;
	unsigned long i_ino;
} CORE;

struct file {
	struct inode *f_inode;
} CORE;

#define PROT_WRITE 2
#define PROT_EXEC 4
#define MAP_GROWSDOWN 0x100
#define MAP_HUGETLB 0x40000

struct flags_event {
	struct head head;
	u64 prot;
	u64 flags;
};

struct owner_event {
	struct head head;
	u64 inode;
	u32 uid;
	u32 zero;
};

struct nameless_event {
	struct head head;
	u64 inode;
	u64 prot;
};

ALWAYS void flags_event(u32 rule, u64 prot, u64 flags)
{
	struct flags_event *event;

	begin(event, rule, -EACCES);
	if (event) {
		event->prot = prot;
		event->flags = flags;
		bpf_ringbuf_submit(event, 0);
	}
}

// All five rules are evaluated, and each match is recorded; the first that denies determines the error.
SEC("lsm/mmap_file")
int mmap_file(u64 *ctx)
{
	struct file *file = (void *)ctx[0];
	u64 prot = ctx[2], flags = ctx[3];
	struct inode *inode = NULL;
	int verdict = 0;

	if (!(prot & PROT_EXEC))
		return 0;
	if (prot & PROT_WRITE) {
		verdict = -EACCES;
		flags_event(0, prot, flags);
	}
	if (flags & MAP_GROWSDOWN) {
		verdict = -EACCES;
		flags_event(1, prot, flags);
	}
	if (flags & MAP_HUGETLB) {
		verdict = -EACCES;
		flags_event(2, prot, flags);
	}
	// Kernels from 6.3 on assume that there is always a file, and would remove a plain null check.
	if (!file)
		return verdict;
	HIDDEN(file);
	if ((u64)file < 4096)
		return verdict;
	inode = file->f_inode;
	if (inode->i_uid.val != 0) {
		struct owner_event *event;

		if (!verdict)
			verdict = -EPERM;
		begin(event, 3, verdict);
		if (event) {
			event->inode = inode->i_ino;
			event->uid = inode->i_uid.val;
			event->zero = 0;
			bpf_ringbuf_submit(event, 0);
		}
	}
	if (inode->i_nlink == 0) {
		struct nameless_event *event;

		if (!verdict)
			verdict = -EPERM;
		begin(event, 4, verdict);
		if (event) {
			event->inode = inode->i_ino;
			event->prot = prot;
			bpf_ringbuf_submit(event, 0);
		}
	}
	return verdict;
}
