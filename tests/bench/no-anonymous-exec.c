//     on file_mprotect when prot & EXEC and vma.file == null deny audit

#ifdef VMLINUX
#include "vmlinux.h"
#endif
#include "bench.h"

#ifndef VMLINUX
struct vm_area_struct {
	void *vm_file;
} CORE;
#endif

#define PROT_EXEC 4

SEC("lsm/file_mprotect")
int file_mprotect(u64 *ctx)
{
	struct vm_area_struct *vma = (void *)ctx[0];
	u64 prot = ctx[2];
	struct head *event;

	if (!(prot & PROT_EXEC) || vma->vm_file)
		return 0;
	begin(event, 0, -EPERM);
	if (event)
		bpf_ringbuf_submit(event, 0);
	return -EPERM;
}
