//! A `deny` on a hook whose errno the kernel ignores.
//!
//! ```text
//! on inode_notifysecctx deny
//! ```
//!
//! A `deny` on a hook that returns nothing is an error, which `hir` reports.

use crate::diag::{Diagnostic, code};
use crate::hir::Policy;

struct Late {
    hook: &'static str,
    /// Note on the kernel's use of the errno.
    because: &'static str,
    /// Help that names the hooks to deny on.
    instead: &'static str,
}

/// Hooks whose errno is ignored, each with the caller that was read.
const LATE: &[Late] = &[
    // `nfs_setsecurity`, the only caller, logs the error and continues.
    Late {
        hook: "inode_notifysecctx",
        because: "NFS calls this hook with the label that the server has sent, and only logs an errno",
        instead: "deny the use of the file, on `file_open` or `inode_permission`",
    },
];

pub(super) fn run(policy: &Policy, found: &mut Vec<Diagnostic>) {
    for rule in &policy.rules {
        let hook = &policy.hooks[rule.hook.index()].name;
        if let Some(deny) = &rule.deny
            && let Some(late) = LATE.iter().find(|late| late.hook == hook)
        {
            found.push(
                Diagnostic::warning(code::LATE_DENY, deny.span, format!("`deny` on `{hook}` prevents nothing"))
                    .label("the kernel ignores the errno")
                    .note(late.because)
                    .help(late.instead),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::codes;

    #[test]
    fn denials_without_effect_are_found() {
        assert_eq!(codes("on inode_notifysecctx deny"), ["KRS0908"]);
        assert!(codes("on inode_notifysecctx audit").is_empty());
        assert!(codes("on inode_setxattr deny").is_empty());
    }
}
