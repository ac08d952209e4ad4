//! An unconditional denial without which nobody can work on the machine, nor remove the policy.
//!
//! ```text
//! on file_open deny
//! ```

use crate::diag::{Diagnostic, code};
use crate::hir::{Cond, Policy};

/// Hooks that every program needs, and what a denial prevents.
const NEEDED: [(&str, &str); 11] = [
    ("file_open", "opening a file"),
    ("file_permission", "reading and writing files"),
    ("inode_permission", "looking up a file"),
    ("inode_getattr", "reading the attributes of a file"),
    ("mmap_file", "mapping memory"),
    ("bprm_creds_for_exec", "executing a program"),
    ("bprm_creds_from_file", "executing a program"),
    ("bprm_check_security", "executing a program"),
    ("task_alloc", "creating a process"),
    ("bpf", "the system call that loads and removes policies"),
    ("capable", "the use of capabilities"),
];

pub(super) fn run(policy: &Policy, found: &mut Vec<Diagnostic>) {
    for rule in &policy.rules {
        let hook = &policy.hooks[rule.hook.index()].name;
        let always = matches!(rule.when, None | Some(Cond::Const(true)))
            && matches!(rule.unless, None | Some(Cond::Const(false)));
        let Some((_, what)) = NEEDED.iter().find(|(needed, _)| needed == hook).filter(|_| always) else { continue };
        if let Some(deny) = rule.enforced() {
            found.push(
                Diagnostic::warning(
                    code::LOCK_OUT,
                    deny.span,
                    format!("this rule locks everybody out: it denies {what}"),
                )
                .label(format!("denies every call of `{hook}`"))
                .note("root is denied, too, and so is `krsi unload`: only a reboot ends it")
                .help("add a condition; `@permissive` before the rule records what it would deny"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::codes;

    #[test]
    fn denials_of_all_are_found() {
        for rule in ["on file_open deny", "on bprm_check_security deny EACCES audit", "on bpf when true deny"] {
            assert!(codes(rule).contains(&"KRS0917"), "{rule}: {:?}", codes(rule));
        }
    }

    #[test]
    fn denials_of_some_are_left_alone() {
        for rule in [
            "on file_open when task.uid == 5 deny",
            "on file_open unless task.uid == 0 deny",
            "on file_open audit",
            "@permissive on file_open deny",
            "on sb_mount deny",
        ] {
            assert!(codes(rule).is_empty(), "{rule}: {:?}", codes(rule));
        }
    }
}
