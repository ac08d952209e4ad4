#include "bench.h"

enum kernel_load_data_id {
	LOADING_MODULE = 2,
	LOADING_KEXEC_IMAGE = 3,
	LOADING_KEXEC_INITRAMFS = 4,
};

#define value_here(value) (u32)__builtin_preserve_enum_value(*(typeof(enum kernel_load_data_id) *)value, 1)

struct load_event {
	struct head head;
	u32 id;
	u32 uid;
};

SEC("lsm/kernel_load_data")
int kernel_load_data(u64 *ctx)
{
	u32 id = ctx[0];
	struct load_event *event;
	struct name name;

	if (id != value_here(LOADING_MODULE) && id != value_here(LOADING_KEXEC_IMAGE) &&
	    id != value_here(LOADING_KEXEC_INITRAMFS))
		return 0;
	name = current_name();
	if (is_name(name, "modprobe") || is_name(name, "insmod") || is_name(name, "systemd-udevd") || is_name(name, "kmod"))
		return 0;
	begin(event, 0, -EPERM);
	if (event) {
		event->id = id;
		event->uid = event->head.uid_gid;
		bpf_ringbuf_submit(event, 0);
	}
	return -EPERM;
}
