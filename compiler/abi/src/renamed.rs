//! Hooks that were renamed between kernel releases.
//!
//! A policy uses the newest name: `bpf_map_create`, which 6.6 calls `bpf_map_alloc_security`. On a kernel that
//! has the hook under an older name, the compiler takes the arguments from there and `krsi` attaches the
//! program there, so that one rule and one object serve all kernels.

/// The names of each renamed hook, the newest first; source: `include/linux/lsm_hook_defs.h`.
const RENAMED: &[&[&str]] = &[
    &["bpf_map_create", "bpf_map_alloc_security"],
    &["bpf_map_free", "bpf_map_free_security"],
    &["bpf_prog_free", "bpf_prog_free_security"],
    &["bpf_prog_load", "bpf_prog_alloc_security"],
    &["current_getlsmprop_subj", "current_getsecid_subj"],
    &["inode_getlsmprop", "inode_getsecid"],
    &["ipc_getlsmprop", "ipc_getsecid"],
    &["task_getlsmprop_obj", "task_getsecid_obj", "task_getsecid"],
];

/// The names that a kernel may use for a hook: the given one, then older ones.
pub fn names(hook: &str) -> impl Iterator<Item = &str> {
    let older = RENAMED.iter().find(|names| names[0] == hook).map_or(&[][..], |names| &names[1..]);
    std::iter::once(hook).chain(older.iter().copied())
}

/// Returns the newest name of a hook.
#[must_use]
pub fn newest(hook: &str) -> &str {
    RENAMED.iter().find(|names| names.contains(&hook)).map_or(hook, |names| names[0])
}
