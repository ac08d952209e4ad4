#include "bench.h"

struct inode {
	u16 i_mode;
	struct {
		u32 val;
	} i_uid;
	u32 i_rdev;
} CORE;

struct file {
	u32 f_flags;
	struct inode *f_inode;
} CORE;

struct cred {
	struct {
		u32 val;
	} euid;
} CORE;

struct task_struct {
	const struct cred *cred;
} CORE;

#define S_IFMT 0170000
#define S_IFBLK 0060000
#define S_IFCHR 0020000
#define WRITES 3

struct disk_event {
	struct head head;
	u32 major;
	u32 flags;
};

struct owner_event {
	struct head head;
	u16 mode;
	u16 zero;
	u32 uid;
};

SEC("lsm/file_open")
int file_open(u64 *ctx)
{
	struct file *file = (void *)ctx[0];
	struct inode *inode = file->f_inode;
	u16 mode = inode->i_mode;
	u32 flags;

	switch (mode & S_IFMT) {
	case S_IFBLK: {
		struct disk_event *event;

		flags = file->f_flags;
		if (!(flags & WRITES))
			return 0;
		begin(event, 0, -EACCES);
		if (event) {
			event->major = inode->i_rdev >> 20;
			event->flags = flags;
			bpf_ringbuf_submit(event, 0);
		}
		return -EACCES;
	}
	case S_IFCHR: {
		struct owner_event *event;

		if (!(file->f_flags & WRITES) || inode->i_uid.val == bpf_get_current_task_btf()->cred->euid.val)
			return 0;
		begin(event, 1, 0);
		if (event) {
			event->mode = mode;
			event->zero = 0;
			event->uid = inode->i_uid.val;
			bpf_ringbuf_submit(event, 0);
		}
		return 0;
	}
	default:
		return 0;
	}
}
