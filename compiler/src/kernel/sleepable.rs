//! Hooks that the kernel calls in a context that may sleep.
//!
//! The list is the set `sleepable_lsm_hooks` in `kernel/bpf/bpf_lsm.c`, which is not in BTF. krs emits no
//! sleepable programs; the list shows where the caller holds no lock that forbids sleeping.

/// Measured on 6.18 by loading a sleepable program on each hook. 5.10 has only `bprm_committed_creds`; the
/// `path_` hooks were added after 6.6.
const SLEEPABLE: [&str; 86] = [
    "bpf",
    "bpf_map",
    "bpf_map_create",
    "bpf_map_free",
    "bpf_prog",
    "bpf_prog_free",
    "bpf_prog_load",
    "bpf_token_capable",
    "bpf_token_cmd",
    "bpf_token_create",
    "bpf_token_free",
    "bprm_check_security",
    "bprm_committed_creds",
    "bprm_committing_creds",
    "bprm_creds_for_exec",
    "bprm_creds_from_file",
    "capget",
    "capset",
    "cred_prepare",
    "file_ioctl",
    "file_lock",
    "file_open",
    "file_post_open",
    "file_receive",
    "inet_conn_established",
    "inode_create",
    "inode_free_security",
    "inode_getattr",
    "inode_getxattr",
    "inode_mknod",
    "inode_post_removexattr",
    "inode_post_setxattr",
    "inode_readlink",
    "inode_removexattr",
    "inode_rename",
    "inode_rmdir",
    "inode_setattr",
    "inode_setxattr",
    "inode_symlink",
    "inode_unlink",
    "kernel_module_request",
    "kernel_read_file",
    "kernfs_init_security",
    "mmap_file",
    "netlink_send",
    "path_chmod",
    "path_chown",
    "path_link",
    "path_mkdir",
    "path_notify",
    "path_rename",
    "path_rmdir",
    "path_symlink",
    "path_truncate",
    "path_unlink",
    "release_secctx",
    "sb_alloc_security",
    "sb_eat_lsm_opts",
    "sb_kern_mount",
    "sb_mount",
    "sb_remount",
    "sb_set_mnt_opts",
    "sb_show_options",
    "sb_statfs",
    "sb_umount",
    "settime",
    "socket_accept",
    "socket_bind",
    "socket_connect",
    "socket_create",
    "socket_getpeername",
    "socket_getpeersec_dgram",
    "socket_getsockname",
    "socket_getsockopt",
    "socket_listen",
    "socket_post_create",
    "socket_recvmsg",
    "socket_sendmsg",
    "socket_shutdown",
    "socket_socketpair",
    "syslog",
    "task_alloc",
    "task_prctl",
    "task_setscheduler",
    "task_to_inode",
    "userns_create",
];

/// Returns true if a sleepable program may attach to the hook on 6.18.
#[must_use]
pub fn sleepable(hook: &str) -> bool {
    SLEEPABLE.binary_search(&hook).is_ok()
}

#[cfg(test)]
mod tests {
    use super::SLEEPABLE;
    use crate::kernel::embedded;

    #[test]
    fn the_list_is_sorted_and_of_hooks_that_6_18_has() {
        assert!(SLEEPABLE.is_sorted());
        let kernel = embedded().iter().find(|kernel| kernel.name == "6.18").expect("it is embedded");
        for hook in SLEEPABLE {
            assert!(kernel.has_hook(hook), "{hook}");
        }
    }
}
