//! A decision by a name that the caller wrote: the file behind it may go by another, and may be another by the time it
//! is used.
//!
//! ```text
//! on bprm_check_security when bprm.filename == "/usr/bin/nc" deny      # ./nc, a link, /proc/self/fd/3 ...
//! ```
//!
//! Full paths such as `bprm.path` are those of the file that was found; what is open cannot be exchanged any more. Rules
//! that only record what was written are left alone.

use crate::diag::{Diagnostic, code};
use crate::hir::walk::{parts, values};
use crate::hir::{Atom, End, Hook, Policy, Rule, Step, Text, UnixName, Value, ValueKind};

use super::{atoms, inside};

/// A text that says nothing for sure about the file.
struct Written {
    what: &'static str,
    instead: &'static str,
}

const PROGRAM: Written = Written {
    what: "what the caller of execve(2) wrote; the same program has other names",
    instead: "test `bprm.path`, the full path of the file that was found, or the file's inode",
};

const DEVICE: Written = Written {
    what: "what the caller of mount(2) wrote, before it is looked up",
    instead: "test the type of the file system, or the mount's own device at `sb_kern_mount`: `sb.dev`",
};

const SOCKET: Written = Written {
    what: "what the caller wrote; the same socket has other names",
    instead: "at `unix_stream_connect` and `unix_may_send`, `dst.path` is the full path of the socket that was found",
};

const BOUND: Written = Written {
    what: "what the caller of bind(2) wrote, before the socket's file is made",
    instead: "at `path_mknod`, which bind(2) comes to, `path` is the full path of the file",
};

pub(super) fn run(policy: &Policy, found: &mut Vec<Diagnostic>) {
    for rule in &policy.rules {
        if rule.deny.is_none() {
            continue;
        }
        let hook = &policy.hooks[rule.hook.index()];
        for cond in rule.when.iter().chain(&rule.unless) {
            atoms(cond, &mut |atom| {
                for value in values(&atom.kind) {
                    if let Some(written) = written(hook, value) {
                        found.push(report(rule, atom, written));
                    }
                }
            });
        }
    }
}

fn report(rule: &Rule, atom: &Atom, written: &Written) -> Diagnostic {
    let span = if inside(rule, atom.span) { atom.span } else { rule.span };
    Diagnostic::warning(code::RACY_PATH, span, "this name need not be that of the file")
        .label("decides by a name that the caller chose")
        .note(format!("it is {}", written.what))
        .note("a link or another way to write the path escapes the test, and what the name means can change after it")
        .help(written.instead)
}

fn written(hook: &Hook, value: &Value) -> Option<&'static Written> {
    if let ValueKind::Text(text) = &value.kind
        && let Text::Pointer(pointer) = &**text
    {
        return match &pointer.kind {
            ValueKind::Load { access, .. } if access.root == "linux_binprm" => match access.steps.last() {
                Some(Step::Field { name, .. }) if name == "filename" || name == "interp" => Some(&PROGRAM),
                _ => None,
            },
            ValueKind::Arg(arg) if hook.name == "sb_mount" && hook.args[arg.index()].name == "dev_name" => {
                Some(&DEVICE)
            }
            _ => None,
        };
    }
    if let ValueKind::Text(text) = &value.kind
        && let Text::Unix { end, name: UnixName::Path } = &**text
    {
        return match **end {
            End::Address { bind: true, .. } => Some(&BOUND),
            End::Address { .. } | End::Message { .. } => Some(&SOCKET),
            End::Local(_) | End::Peer(_) => None,
        };
    }
    parts(value).0.find_map(|part| written(hook, part))
}

#[cfg(test)]
mod tests {
    use super::super::testing::codes;

    #[test]
    fn names_that_the_caller_chose_are_found() {
        for rule in [
            "on bprm_check_security when bprm.filename == \"/usr/bin/nc\" deny",
            "on bprm_check_security unless starts_with(bprm.interp, \"/usr/\") deny",
            "on sb_mount when dev_name == \"/dev/sda1\" deny",
            "on socket_connect when dst.path == \"/run/docker.sock\" deny",
            "on socket_bind when src.path under \"/run\" deny",
        ] {
            assert_eq!(codes(rule), ["KRS0907"], "{rule}");
        }
    }

    #[test]
    fn names_of_the_file_are_left_alone() {
        for rule in [
            "on bprm_check_security when bprm.path == \"/usr/bin/nc\" deny",
            "on bprm_check_security when bprm.filename == \"/usr/bin/nc\" audit",
            "on file_open when file.path under \"/etc\" deny",
            "on sb_mount when type == \"nfs\" deny",
            "on unix_stream_connect when dst.path == \"/run/docker.sock\" deny",
            "on socket_connect when dst.abstract == \"docker\" deny",
        ] {
            assert!(codes(rule).is_empty(), "{rule}: {:?}", codes(rule));
        }
    }
}
