//! A denial that depends on a name chosen by the caller. The same file has other names, and the name can refer
//! to another file by the time it is used.
//!
//! ```text
//! on bprm_check_security when bprm.filename == "/usr/bin/nc" deny      # ./nc, a link, /proc/self/fd/3 ...
//! ```
//!
//! Full paths such as `bprm.path` are computed from the file that was found and is open, which cannot be
//! exchanged. Rules that only record the name are not reported.

use crate::diag::{Diagnostic, code};
use crate::hir::walk::{operands, values};
use crate::hir::{Atom, Endpoint, Hook, Policy, Rule, Step, TextSource, UnixName, Value, ValueKind};

use super::{atoms, inside};

/// A name that the caller has passed.
struct CallerName {
    origin: &'static str,
    instead: &'static str,
}

const PROGRAM: CallerName = CallerName {
    origin: "the argument of execve(2); the same program has other names",
    instead: "test `bprm.path`, the full path of the file that was found, or the inode of the file",
};

const DEVICE: CallerName = CallerName {
    origin: "the argument of mount(2), before it is looked up",
    instead: "test `path`, where it is mounted, or `sb.dev` on `sb_kern_mount`, which new mounts call and bind mounts \
              do not",
};

const SOCKET: CallerName = CallerName {
    origin: "the address that the caller passed; the same socket has other names",
    instead: "on `unix_stream_connect` and `unix_may_send`, `dst.path` is the full path of the socket that was found",
};

const BOUND: CallerName = CallerName {
    origin: "the argument of bind(2), before the file of the socket is created",
    instead: "on `path_mknod`, which bind(2) calls, `path` is the full path of the file",
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
                    if let Some(name) = caller_name(hook, value) {
                        found.push(report(rule, atom, name));
                    }
                }
            });
        }
    }
}

fn report(rule: &Rule, atom: &Atom, name: &CallerName) -> Diagnostic {
    let span = if inside(rule, atom.span) { atom.span } else { rule.span };
    Diagnostic::warning(code::RACY_PATH, span, "this name may not be that of the file that is used")
        .label("the caller chooses this name")
        .note(format!("the name is {}", name.origin))
        .note("a link or another spelling evades the test, and the name can refer to another file after the test")
        .help(name.instead)
}

fn caller_name(hook: &Hook, value: &Value) -> Option<&'static CallerName> {
    if let ValueKind::Text(text) = &value.kind
        && let TextSource::Pointer(pointer) = &**text
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
        && let TextSource::Unix { end, name: UnixName::Path } = &**text
    {
        return match **end {
            Endpoint::Bound { .. } => Some(&BOUND),
            Endpoint::Connected { .. } | Endpoint::Message { .. } => Some(&SOCKET),
            Endpoint::Local(_) | Endpoint::Peer(_) => None,
        };
    }
    operands(value).0.find_map(|part| caller_name(hook, part))
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
            "on sb_mount when flags & MS_BIND deny",
            "on unix_stream_connect when dst.path == \"/run/docker.sock\" deny",
            "on socket_connect when dst.abstract == \"docker\" deny",
        ] {
            assert!(codes(rule).is_empty(), "{rule}: {:?}", codes(rule));
        }
    }
}
