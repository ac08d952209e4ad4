//! A denial of mounts that depends on the type of the file system, and not on the operation.
//!
//! ```text
//! on sb_mount unless type == "tmpfs" deny         # mount --bind -t tmpfs /proc /tmp/p
//! ```
//!
//! The kernel ignores the type with `MS_BIND`, `MS_MOVE`, `MS_REMOUNT` and the propagation flags: `do_mount` in
//! fs/namespace.c. The caller may pass any.

use crate::diag::{Diagnostic, code};
use crate::hir::walk::{any_part, values};
use crate::hir::{Hook, Policy, Value, ValueKind};

use super::{inside, tests};

pub(super) fn run(policy: &Policy, found: &mut Vec<Diagnostic>) {
    for rule in policy.rules.iter().filter(|rule| rule.deny.is_some()) {
        let hook = &policy.hooks[rule.hook.index()];
        if hook.name != "sb_mount" {
            continue;
        }
        let (mut by_type, mut by_flags) = (None, false);
        tests(rule, &mut |atom| {
            let reads = |name| values(&atom.kind).any(|value| reads_argument(hook, value, name));
            by_flags |= reads("flags");
            if reads("type") && by_type.is_none() {
                by_type = Some(if inside(rule, atom.span) { atom.span } else { rule.span });
            }
        });
        if let Some(span) = by_type.filter(|_| !by_flags) {
            found.push(
                Diagnostic::warning(code::MOUNT_TYPE, span, "the caller chooses the type of a bind mount")
                    .label("holds for new mounts only")
                    .note("with `MS_BIND`, `MS_MOVE` and `MS_REMOUNT` the kernel ignores the type that is passed")
                    .help(
                        "say which operations the rule is about: `flags & (MS_BIND|MS_MOVE|MS_REMOUNT) == 0`, \
                         and decide about the others by `path`",
                    ),
            );
        }
    }
}

/// Returns true if a value is computed from an argument.
fn reads_argument(hook: &Hook, value: &Value, name: &str) -> bool {
    any_part(value, &|part| matches!(part.kind, ValueKind::Arg(arg) if hook.args[arg.index()].name == name))
}

#[cfg(test)]
mod tests {
    use super::super::testing::codes;

    #[test]
    fn decisions_by_type_are_found() {
        for rule in [
            "on sb_mount when type == \"proc\" deny",
            "on sb_mount unless type in { \"tmpfs\", \"proc\" } deny",
            "on sb_mount when task.uid != 0 and starts_with(type, \"fuse\") deny",
        ] {
            assert_eq!(codes(rule), ["KRS0916"], "{rule}");
        }
    }

    #[test]
    fn other_rules_are_left_alone() {
        for rule in [
            "on sb_mount when type == \"proc\" and flags & (MS_BIND|MS_MOVE|MS_REMOUNT) == 0 deny",
            "on sb_mount when type == \"proc\" audit",
            "on sb_mount when flags & MS_BIND deny",
        ] {
            assert!(codes(rule).is_empty(), "{rule}: {:?}", codes(rule));
        }
    }
}
