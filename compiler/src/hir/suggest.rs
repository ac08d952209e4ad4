//! Suggestions for misspelt or unfamiliar names: "did you mean ...?".

/// Names that other tools use for fields: the struct, the foreign name, and the field. For a name on its own
/// the struct is empty.
const USUAL: &[(&str, &str, &str)] = &[
    ("", "current", "task"),
    ("", "process", "task"),
    ("", "proc", "task"),
    ("", "user", "task.uid"),
    ("", "time", "now"),
    ("task_struct", "user", "uid"),
    ("task_struct", "group", "gid"),
    ("task_struct", "name", "comm"),
    ("task_struct", "command", "comm"),
    ("task_struct", "process", "tgid"),
    ("task_struct", "tid", "pid"),
    ("task_struct", "ppid", "parent.tgid"),
    ("task_struct", "path", "exe"),
    ("task_struct", "executable", "exe"),
    ("task_struct", "binary", "exe"),
    ("task_struct", "capabilities", "caps"),
    ("nsproxy", "user", "user_ns"),
    ("file", "filename", "name"),
    ("file", "owner", "inode.uid"),
    ("inode", "owner", "uid"),
    ("inode", "group", "gid"),
    ("inode", "type", "mode & S_IFMT"),
    ("linux_binprm", "exe", "path"),
    ("linux_binprm", "name", "filename"),
];

/// System calls and similar names, each with the hooks that they reach.
const CALLS: &[(&[&str], &[&str])] = &[
    (&["open", "openat", "openat2", "creat", "file_access"], &["file_open"]),
    (&["read", "write", "file_read", "file_write"], &["file_open", "file_permission"]),
    (&["execveat", "process_exec", "file_exec", "spawn"], &["bprm_check_security"]),
    (&["fork", "vfork", "clone", "clone3", "process_create"], &["task_alloc"]),
    (&["exit", "process_exit"], &["task_free"]),
    (&["mount"], &["sb_mount", "move_mount"]),
    (&["umount", "umount2"], &["sb_umount"]),
    (&["pivot_root"], &["sb_pivotroot"]),
    (&["unlinkat"], &["path_unlink", "path_rmdir"]),
    (&["renameat", "renameat2"], &["path_rename"]),
    (&["link", "linkat"], &["path_link"]),
    (&["chmod", "fchmod", "fchmodat"], &["path_chmod"]),
    (&["chown", "fchown", "lchown", "fchownat"], &["path_chown"]),
    (&["stat", "lstat", "fstat", "statx"], &["inode_getattr"]),
    (&["connect", "network_connect"], &["socket_connect"]),
    (&["bind", "network_bind"], &["socket_bind"]),
    (&["send", "sendto", "sendmmsg"], &["socket_sendmsg"]),
    (&["recv", "recvfrom", "recvmmsg"], &["socket_recvmsg"]),
    (&["socket"], &["socket_create"]),
    (&["ptrace_attach", "process_vm_readv", "process_vm_writev"], &["ptrace_access_check"]),
    (
        &["init_module", "finit_module", "module_load", "load_module", "insmod"],
        &["kernel_read_file", "kernel_load_data"],
    ),
    (&["kexec_load", "kexec_file_load"], &["kernel_load_data", "kernel_read_file"]),
    (&["unshare"], &["userns_create"]),
    (&["add_key", "request_key", "keyctl"], &["key_alloc", "key_permission"]),
    (&["mmap"], &["mmap_file"]),
    (&["settimeofday", "clock_settime"], &["settime"]),
];

/// Returns the hooks that a system call reaches, if their names differ from it.
pub fn hooks_of_call(call: &str) -> &'static [&'static str] {
    CALLS.iter().find(|(calls, _)| calls.contains(&call)).map_or(&[], |(_, hooks)| *hooks)
}

/// Returns the field for a name that other tools use: `uid` for `task.user`.
pub fn usual(of: &str, name: &str) -> Option<&'static str> {
    USUAL.iter().find(|(known, other, _)| *known == of && *other == name).map(|(_, _, own)| *own)
}

/// Returns at most three candidates that are similar to a misspelt name, best first.
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let lower = wrong.to_ascii_lowercase();
    let mut scored: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter(|name| !name.is_empty())
        .filter_map(|name| {
            let other = name.to_ascii_lowercase();
            // As in rustc, a third of the letters may differ. A candidate that begins or ends with the name
            // matches, too.
            let allowed = wrong.len().max(3) / 3;
            let distance = strsim::damerau_levenshtein(&lower, &other);
            if distance <= allowed {
                Some((distance, name))
            } else if lower.len() >= 4 && (other.ends_with(&lower) || other.starts_with(&lower)) {
                Some((allowed + 1, name))
            } else {
                None
            }
        })
        .collect();
    scored.sort_unstable();
    scored.dedup();
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Formats names as a list in backticks: `a`, `b` and `c`.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>, last: &str) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., end] => format!("{} {last} {end}", all.join(", ")),
    }
}

/// Returns the help text "did you mean ...?" if a candidate is similar.
pub fn did_you_mean<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near = nearest(wrong, candidates);
    (!near.is_empty()).then(|| format!("did you mean {}?", list(near, "or")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_hooks_of_calls_exist() {
        let kernels = crate::kernel::embedded();
        for hook in super::CALLS.iter().flat_map(|(_, hooks)| *hooks) {
            assert!(kernels.iter().any(|kernel| kernel.hook(hook).is_some()), "{hook}");
        }
    }
}
