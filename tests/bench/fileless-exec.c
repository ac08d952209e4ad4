#include "bench.h"

struct inode {
	u16 i_mode;
	struct {
		u32 val;
	} i_uid;
	u32 i_nlink;
	long long i_size;
} CORE;

struct file {
	struct inode *f_inode;
} CORE;

struct linux_binprm {
	struct file *file;
} CORE;

#define S_IWOTH 2

struct owner_event {
	struct head head;
	u64 size;
	u32 uid;
	u32 zero;
};

struct mode_event {
	struct head head;
	u64 size;
	u16 mode;
	u16 zero;
	u32 zeros;
};

SEC("lsm/bprm_check_security")
int bprm_check_security(u64 *ctx)
{
	struct linux_binprm *bprm = (void *)ctx[0];
	struct inode *inode = bprm->file->f_inode;
	u32 links = inode->i_nlink;
	u16 mode = inode->i_mode;

	if (links == 0) {
		struct owner_event *event;

		begin(event, 0, -EACCES);
		if (event) {
			event->size = inode->i_size;
			event->uid = inode->i_uid.val;
			event->zero = 0;
			bpf_ringbuf_submit(event, 0);
		}
	}
	if (mode & S_IWOTH) {
		struct mode_event *event;

		begin(event, 1, -EACCES);
		if (event) {
			event->size = inode->i_size;
			event->mode = mode;
			event->zero = 0;
			event->zeros = 0;
			bpf_ringbuf_submit(event, 0);
		}
		return -EACCES;
	}
	return links == 0 ? -EACCES : 0;
}
