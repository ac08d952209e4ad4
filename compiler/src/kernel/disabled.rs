//! Hooks that a kernel has and takes no BPF program on.
//!
//! The list is the set `bpf_lsm_disabled_hooks` in `kernel/bpf/bpf_lsm.c`, which BTF does not show. It came in 6.12 and went
//! into stable updates, so a version says little: a kernel that is not embedded is taken for the embedded one whose hooks are most like its own.

use std::fmt;

use super::{Hook, Kernel, NAMES, embedded};

/// A hook and the embedded kernels that disable it; as measured by loading a program on each hook.
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

/// Why BPF may not attach to a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disabled {
    /// The kernel has the hook on its list. Holds the embedded kernels that do.
    Listed(&'static [&'static str]),
    /// An argument is a struct passed by value, which kernels before 6.0 cannot hand to BPF.
    ByValue,
}

impl fmt::Display for Disabled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Disabled::Listed(kernels) => write!(f, "disabled for BPF on {}", kernels.join(", ")),
            Disabled::ByValue => f.write_str("an argument is a struct passed by value: BPF may attach from 6.0 on"),
        }
    }
}

/// Why `kernel` takes no program on its `hook`, if so.
pub(super) fn disabled(kernel: &Kernel, hook: &Hook<'_>) -> Option<Disabled> {
    if hook.by_value {
        return Some(Disabled::ByValue);
    }
    let (_, kernels) = DISABLED.iter().find(|(name, _)| *name == hook.name)?;
    kernels.contains(&nearest(kernel)).then_some(Disabled::Listed(kernels))
}

/// The embedded kernel whose hooks are most like the kernel's; of equals, the newest.
#[must_use]
pub fn nearest(kernel: &Kernel) -> &'static str {
    if let Some(name) = NAMES.into_iter().find(|name| *name == kernel.name) {
        return name;
    }
    let likest = NAMES.into_iter().zip(embedded()).min_by_key(|(_, other)| differences(kernel, other));
    likest.map_or(NAMES[0], |(name, _)| name)
}

/// How many hooks one kernel has and the other has not.
fn differences(kernel: &Kernel, other: &Kernel) -> usize {
    let only = |one: &Kernel, another: &Kernel| one.hook_names().filter(|name| !another.has_hook(name)).count();
    only(kernel, other) + only(other, kernel)
}
