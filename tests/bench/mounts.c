#include "bench.h"

struct vfsmount {
	int mnt_flags;
} CORE;

struct path {
	struct vfsmount *mnt;
} CORE;

// The flags have the same order in both: MS_NOSUID 2, MS_NODEV 4, MS_NOEXEC 8 and MNT_NOSUID 1, MNT_NODEV 2,
// MNT_NOEXEC 4.
#define MS_REMOUNT 32

struct weaker_event {
	struct head head;
	u32 was;
	u32 zero;
	u64 flags;
};

struct user_event {
	struct head head;
	u64 flags;
};

SEC("lsm/sb_mount")
int sb_mount(u64 *ctx)
{
	struct path *path = (void *)ctx[1];
	u64 flags = ctx[3];
	int verdict = 0;

	if (flags & MS_REMOUNT) {
		u32 was = path->mnt->mnt_flags;

		if (was & ~(flags >> 1) & 7) {
			struct weaker_event *event;

			verdict = -EPERM;
			begin(event, 0, -EPERM);
			if (event) {
				event->was = was;
				event->zero = 0;
				event->flags = flags;
				bpf_ringbuf_submit(event, 0);
			}
		}
	}
	if ((u32)bpf_get_current_uid_gid() != 0) {
		struct user_event *event;

		verdict = -EPERM;
		begin(event, 1, -EPERM);
		if (event) {
			event->flags = flags;
			bpf_ringbuf_submit(event, 0);
		}
	}
	return verdict;
}
