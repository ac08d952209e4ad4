//! Numbers of the BPF helpers that programs call.
//!
//! LSM programs may call each of them on every supported kernel, except [`GET_CURRENT_TASK_BTF`], which 5.10
//! lacks. Source: `include/uapi/linux/bpf.h`.

/// Looks up a key in a map.
pub const MAP_LOOKUP_ELEM: u32 = 1;
/// Stores a value under a key.
pub const MAP_UPDATE_ELEM: u32 = 2;
/// Deletes a key from a map.
pub const MAP_DELETE_ELEM: u32 = 3;
/// Continues in another program; does not return on success.
pub const TAIL_CALL: u32 = 12;
/// Copies a NUL-terminated string from kernel memory.
pub const PROBE_READ_KERNEL_STR: u32 = 115;
/// Returns the thread and process id of the current task.
pub const GET_CURRENT_PID_TGID: u32 = 14;
/// Returns the real user and group id of the current task.
pub const GET_CURRENT_UID_GID: u32 = 15;
/// Copies the `comm` of the current task.
pub const GET_CURRENT_COMM: u32 = 16;
/// Returns the current task as a scalar.
pub const GET_CURRENT_TASK: u32 = 35;
/// Returns the id of the current task's cgroup.
pub const GET_CURRENT_CGROUP_ID: u32 = 80;
/// Sends a signal to the current task.
pub const SEND_SIGNAL: u32 = 109;
/// Copies bytes from kernel memory.
pub const PROBE_READ_KERNEL: u32 = 113;
/// Returns the nanoseconds since boot, including suspend.
pub const KTIME_GET_BOOT_NS: u32 = 125;
/// Reserves space in a ring buffer.
pub const RINGBUF_RESERVE: u32 = 131;
/// Submits reserved space to the reader.
pub const RINGBUF_SUBMIT: u32 = 132;
/// Returns the current task as a typed pointer, since 5.11.
pub const GET_CURRENT_TASK_BTF: u32 = 158;

/// The type and the enumerator whose existence tells that a kernel has [`GET_CURRENT_TASK_BTF`].
pub const TYPED_TASK: (&str, &str) = ("bpf_func_id", "BPF_FUNC_get_current_task_btf");

/// Returns the name of a helper without its `bpf_` prefix.
#[must_use]
pub fn name(helper: u32) -> &'static str {
    match helper {
        TAIL_CALL => "tail_call",
        SEND_SIGNAL => "send_signal",
        MAP_UPDATE_ELEM => "map_update_elem",
        MAP_DELETE_ELEM => "map_delete_elem",
        MAP_LOOKUP_ELEM => "map_lookup_elem",
        PROBE_READ_KERNEL_STR => "probe_read_kernel_str",
        GET_CURRENT_PID_TGID => "get_current_pid_tgid",
        GET_CURRENT_UID_GID => "get_current_uid_gid",
        GET_CURRENT_COMM => "get_current_comm",
        GET_CURRENT_TASK => "get_current_task",
        GET_CURRENT_CGROUP_ID => "get_current_cgroup_id",
        PROBE_READ_KERNEL => "probe_read_kernel",
        KTIME_GET_BOOT_NS => "ktime_get_boot_ns",
        RINGBUF_RESERVE => "ringbuf_reserve",
        RINGBUF_SUBMIT => "ringbuf_submit",
        GET_CURRENT_TASK_BTF => "get_current_task_btf",
        _ => "?",
    }
}
