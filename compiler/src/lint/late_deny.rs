//! A deny on a hook that runs too late to prevent anything, or whose result the kernel does not look at.
//!
//! Hooks that return nothing cannot deny at all, which is an error. These return an errno, and nothing comes of it.

use crate::diag::{Diagnostic, code};
use crate::hir::Policy;

struct Late {
    hook: &'static str,
    /// What the kernel does with the errno.
    because: &'static str,
    /// Where to deny instead.
    instead: &'static str,
}

/// Each with the caller that was read for it.
const LATE: &[Late] = &[
    // `nfs_setsecurity`, the only caller, prints the error and goes on.
    Late {
        hook: "inode_notifysecctx",
        because: "NFS tells by this hook which label the server gave a file; of an errno it only writes a line into its log",
        instead: "deny where the file is used: `file_open`, `inode_permission`",
    },
];

pub(super) fn run(policy: &Policy, found: &mut Vec<Diagnostic>) {
    for rule in &policy.rules {
        let hook = &policy.hooks[rule.hook.index()].name;
        if let Some(deny) = &rule.deny
            && let Some(late) = LATE.iter().find(|late| late.hook == hook)
        {
            found.push(
                Diagnostic::warning(code::LATE_DENY, deny.span, format!("a deny on `{hook}` prevents nothing"))
                    .label("comes too late")
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
    fn denies_that_prevent_nothing_are_found() {
        assert_eq!(codes("on inode_notifysecctx deny"), ["KRS0908"]);
        assert!(codes("on inode_notifysecctx audit").is_empty());
        assert!(codes("on inode_setxattr deny").is_empty());
    }
}
