//! A test of one of the two flags of a file that is opened for writing.
//!
//! ```text
//! on file_open when file.flags & O_WRONLY deny                # open(path, O_RDWR) writes, too
//! ```
//!
//! The lowest two bits of the flags are a number: 0 for reading, 1 for writing, 2 for both.

use krs_grammar::ast::Span;

use crate::diag::{Diagnostic, code};
use crate::hir::{AtomKind, Binary, Compare, Policy, Value, ValueKind};

use super::open_flags::{constant, is_flags};
use super::{inside, tests};

const WRONLY: i128 = 1;
const RDWR: i128 = 2;
/// Mask of the access mode, `O_ACCMODE`.
const ACCMODE: i128 = 3;

pub(super) fn run(policy: &Policy, found: &mut Vec<Diagnostic>) {
    for rule in policy.rules.iter().filter(|rule| rule.deny.is_some()) {
        let mut tested = 0;
        let mut first: Option<Span> = None;
        tests(rule, &mut |atom| {
            if let Some(bits) = access_mode(&atom.kind) {
                tested |= bits;
                first = first.or(inside(rule, atom.span).then_some(atom.span));
            }
        });
        let (flag, other) = match tested {
            WRONLY => ("O_WRONLY", "O_RDWR"),
            RDWR => ("O_RDWR", "O_WRONLY"),
            _ => continue,
        };
        found.push(
            Diagnostic::warning(
                code::WRITE_FLAGS,
                first.unwrap_or(rule.span),
                format!("a file can also be opened for writing with `{other}`"),
            )
            .label(format!("tests `{flag}` alone"))
            .note("`O_WRONLY` and `O_RDWR` are two values of the access mode, and a file has one of them")
            .help("test both: `file.flags & (O_WRONLY|O_RDWR)`"),
        );
    }
}

/// Returns the values of the access mode for writing that a test covers.
fn access_mode(kind: &AtomKind) -> Option<i128> {
    let masked = |value: &Value| match &value.kind {
        ValueKind::Binary(Binary::And, left, right) if is_flags(left) => constant(right),
        ValueKind::Binary(Binary::And, left, right) if is_flags(right) => constant(left),
        _ => None,
    };
    let bits = match kind {
        AtomKind::AnyBit(value) => masked(value)?,
        AtomKind::AllBits { value, mask } if is_flags(value) => i128::from(*mask),
        AtomKind::Compare { op: Compare::Eq | Compare::Ne, left, right } => match (masked(left)?, constant(right)?) {
            (mask, 0) => mask,
            (mask, value) if mask & ACCMODE == ACCMODE => value,
            _ => return None,
        },
        AtomKind::OneOf { value, set } if masked(value)? & ACCMODE == ACCMODE => {
            set.iter().filter_map(constant).fold(0, |bits, number| bits | number)
        }
        _ => return None,
    };
    Some(bits & ACCMODE).filter(|bits| *bits != 0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::codes;

    #[test]
    fn tests_of_one_flag_are_found() {
        for rule in [
            "on file_open when file.flags & O_WRONLY deny",
            "on file_open when file.flags & (O_WRONLY|O_TRUNC) deny",
            "on file_open when file.flags & O_RDWR deny",
            "on file_open when file.flags has O_WRONLY deny",
            "on file_open when file.flags & O_ACCMODE == O_WRONLY deny",
            "on file_open when task.uid == 5 unless file.flags & O_WRONLY == 0 deny",
        ] {
            assert_eq!(codes(rule), ["KRS0915"], "{rule}");
        }
    }

    #[test]
    fn tests_of_both_flags_are_left_alone() {
        for rule in [
            "on file_open when file.flags & (O_WRONLY|O_RDWR) deny",
            "on file_open when file.flags & O_WRONLY or file.flags & O_RDWR deny",
            "on file_open when file.flags & O_ACCMODE in { O_WRONLY, O_RDWR } deny",
            "on file_open when file.flags & O_ACCMODE != O_RDONLY deny",
            "on file_open when file.flags & O_TRUNC deny",
            "on file_open when file.flags & O_WRONLY audit",
        ] {
            assert!(codes(rule).is_empty(), "{rule}: {:?}", codes(rule));
        }
    }
}
