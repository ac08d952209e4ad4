//! Hooks that exist in a kernel but accept no BPF program.
//!
//! The list is the set `bpf_lsm_disabled_hooks` in `kernel/bpf/bpf_lsm.c`, which is not in BTF. It appeared in
//! 6.12 and was backported to stable releases, so that a version number is a poor guide: other kernels are
//! treated like the embedded kernel with the most similar set of hooks.

use std::fmt;

use super::{Hook, Kernel, NAMES, embedded};

/// Each disabled hook with the embedded kernels that disable it, measured by loading a program on each hook.
const DISABLED: [(&str, &[&str]); 13] = [
    ("audit_rule_match", &["6.1", "6.12", "6.18", "7.2"]),
    ("file_alloc_security", &["7.2"]),
    ("getprocattr", &["6.1", "6.12", "6.18", "7.2"]),
    ("getselfattr", &["6.12", "6.18", "7.2"]),
    ("inode_copy_up_xattr", &["6.1", "6.12", "6.18", "7.2"]),
    ("inode_getsecurity", &["6.1", "6.12", "6.18", "7.2"]),
    ("inode_listsecurity", &["6.1", "6.12", "6.18", "7.2"]),
    ("inode_need_killpriv", &["6.1", "6.12", "6.18", "7.2"]),
    ("ismaclabel", &["6.1", "6.12", "6.18", "7.2"]),
    ("key_getsecurity", &["6.1", "6.12", "6.18", "7.2"]),
    ("setprocattr", &["6.1", "6.12", "6.18", "7.2"]),
    ("vm_enough_memory", &["6.1", "6.12", "6.18", "7.2"]),
    ("xfrm_decode_session", &["6.1", "6.12", "7.2"]),
];

/// The reason why BPF may not attach to a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disabled {
    /// The hook is on the kernel's list. Holds the embedded kernels that list it.
    Listed(&'static [&'static str]),
    /// An argument is a struct passed by value, which BPF supports since 6.0.
    ByValue,
}

impl fmt::Display for Disabled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Disabled::Listed(kernels) => write!(f, "disabled for BPF on {}", kernels.join(", ")),
            Disabled::ByValue => f.write_str("an argument is a struct passed by value: BPF may attach since 6.0"),
        }
    }
}

/// The reason why `kernel` accepts no program on its `hook`, if any.
pub(super) fn disabled(kernel: &Kernel, hook: &Hook<'_>) -> Option<Disabled> {
    if hook.by_value {
        return Some(Disabled::ByValue);
    }
    let (_, kernels) = DISABLED.iter().find(|(name, _)| *name == hook.name)?;
    kernels.contains(&nearest(kernel)).then_some(Disabled::Listed(kernels))
}

/// The embedded kernel with the most similar hooks; the oldest one in case of a tie.
#[must_use]
pub fn nearest(kernel: &Kernel) -> &'static str {
    if let Some(name) = NAMES.into_iter().find(|name| *name == kernel.name) {
        return name;
    }
    let closest = NAMES.into_iter().zip(embedded()).min_by_key(|(_, other)| differences(kernel, other));
    closest.map_or(NAMES[0], |(name, _)| name)
}

/// Number of hooks that only one of two kernels has.
fn differences(kernel: &Kernel, other: &Kernel) -> usize {
    let only = |one: &Kernel, another: &Kernel| one.hook_names().filter(|name| !another.has_hook(name)).count();
    only(kernel, other) + only(other, kernel)
}
