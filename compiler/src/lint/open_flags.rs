//! The flags of an open file compared as a whole.
//!
//! ```text
//! on file_open when file.flags == O_WRONLY deny               # never equal in 64-bit programs: O_LARGEFILE
//! ```
//!
//! The kernel sets `O_LARGEFILE` in files that 64-bit programs open (`force_o_largefile`), and every other flag
//! is a bit of the same word.

use crate::diag::{Diagnostic, code};
use crate::hir::{AtomKind, Compare, Policy, Step, Value, ValueKind};

use super::{inside, tests};

/// Mask of the access mode, `O_ACCMODE`.
const ACCMODE: i128 = 3;
const LARGEFILE: i128 = 0o100_000;

pub(super) fn run(policy: &Policy, found: &mut Vec<Diagnostic>) {
    for rule in &policy.rules {
        tests(rule, &mut |atom| {
            let Some(number) = compared(&atom.kind) else { return };
            let span = if inside(rule, atom.span) { atom.span } else { rule.span };
            let instead = match number & !ACCMODE {
                0 if number == 0 => "compare only the access mode: `file.flags & O_ACCMODE == O_RDONLY`",
                0 => "test the bits of the access mode: `file.flags & (O_WRONLY|O_RDWR)`",
                _ => "test the relevant bits: `file.flags & O_APPEND`, `file.flags has O_CREAT|O_EXCL`",
            };
            found.push(
                Diagnostic::warning(code::OPEN_FLAGS, span, "the flags of a file rarely have exactly this value")
                    .label("compares all bits")
                    .note("a file that a 64-bit program opens also has `O_LARGEFILE`, and often `O_CLOEXEC`")
                    .help(instead),
            );
        });
    }
}

/// Returns a constant without `O_LARGEFILE` that the flags of a file are compared with.
fn compared(kind: &AtomKind) -> Option<i128> {
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

/// Returns the number of a constant.
pub(super) fn constant(value: &Value) -> Option<i128> {
    match value.kind {
        ValueKind::Const(number) => Some(number),
        _ => None,
    }
}

/// Returns true for `file.flags`.
pub(super) fn is_flags(value: &Value) -> bool {
    matches!(&value.kind, ValueKind::Load { access, .. }
        if access.root == "file" && matches!(&access.steps[..], [Step::Field { name, .. }] if name == "f_flags"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::codes;

    #[test]
    fn whole_word_comparisons_are_found() {
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
    fn bit_tests_are_left_alone() {
        for rule in [
            "on file_open when file.flags & O_ACCMODE == O_WRONLY audit",
            "on file_open when file.flags & O_APPEND deny",
            "on file_open when file.flags has O_CREAT|O_EXCL deny",
            "on file_open when file.flags == O_WRONLY|O_LARGEFILE deny",
        ] {
            assert!(codes(rule).is_empty(), "{rule}: {:?}", codes(rule));
        }
    }
}
