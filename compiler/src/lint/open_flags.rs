//! The word of an open file's flags compared as a whole.
//!
//! ```text
//! on file_open when file.flags == O_WRONLY deny               # what programs open has O_LARGEFILE as well
//! ```
//!
//! `force_o_largefile` adds that bit to what programs of 64 bits open, and every other flag is a bit of the same word.

use crate::diag::{Diagnostic, code};
use crate::hir::{AtomKind, Compare, Policy, Step, Value, ValueKind};

use super::{inside, tests};

/// The bits that say whether a file is read or written.
const ACCMODE: i128 = 3;
const LARGEFILE: i128 = 0o100_000;

pub(super) fn run(policy: &Policy, found: &mut Vec<Diagnostic>) {
    for rule in &policy.rules {
        tests(rule, &mut |atom| {
            let Some(number) = compared(&atom.kind) else { return };
            let span = if inside(rule, atom.span) { atom.span } else { rule.span };
            let instead = match number & !ACCMODE {
                0 => "compare the bits for reading and writing alone: `file.flags & O_ACCMODE == O_WRONLY`",
                _ => "ask for the bits that matter: `file.flags & O_APPEND`, `file.flags has O_CREAT|O_EXCL`",
            };
            found.push(
                Diagnostic::warning(code::OPEN_FLAGS, span, "a file's flags are hardly ever this and nothing else")
                    .label("compares all bits of the word")
                    .note("what a program of 64 bits opens has `O_LARGEFILE` as well, and often `O_CLOEXEC`")
                    .help(instead),
            );
        });
    }
}

/// A number without `O_LARGEFILE` that a file's flags are compared with.
fn compared(kind: &AtomKind) -> Option<i128> {
    let constant = |value: &Value| match value.kind {
        ValueKind::Const(number) => Some(number),
        _ => None,
    };
    let number = match kind {
        AtomKind::Compare { op: Compare::Eq | Compare::Ne, left, right } if is_flags(left) => constant(right)?,
        AtomKind::Compare { op: Compare::Eq | Compare::Ne, left, right } if is_flags(right) => constant(left)?,
        AtomKind::OneOf { value, set } if is_flags(value) => {
            return set.iter().filter_map(constant).find(|number| number & LARGEFILE == 0);
        }
        _ => return None,
    };
    (number & LARGEFILE == 0).then_some(number)
}

fn is_flags(value: &Value) -> bool {
    matches!(&value.kind, ValueKind::Load { access, .. }
        if access.root == "file" && matches!(&access.steps[..], [Step::Field { name, .. }] if name == "f_flags"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::codes;

    #[test]
    fn flags_as_a_whole_are_found() {
        for rule in [
            "on file_open when file.flags == O_WRONLY deny",
            "on file_open when file.flags != O_RDONLY deny",
            "on file_open when file.flags in { O_WRONLY, O_RDWR } deny",
            "on file_open when file.flags == O_WRONLY|O_APPEND deny",
        ] {
            assert_eq!(codes(rule), ["KRS0910"], "{rule}");
        }
    }

    #[test]
    fn bits_of_flags_are_left_alone() {
        for rule in [
            "on file_open when file.flags & O_ACCMODE == O_WRONLY deny",
            "on file_open when file.flags & O_APPEND deny",
            "on file_open when file.flags has O_CREAT|O_EXCL deny",
            "on file_open when file.flags == O_WRONLY|O_LARGEFILE deny",
        ] {
            assert!(codes(rule).is_empty(), "{rule}: {:?}", codes(rule));
        }
    }
}
