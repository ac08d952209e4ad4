//! The type of a file tested as a bit.
//!
//! ```text
//! on file_open when file.inode.mode & S_IFREG deny            # matches a socket, too: S_IFSOCK has that bit
//! ```
//!
//! File types are numbers in a field of four bits, and some share bits with others.

use crate::diag::{Diagnostic, code};
use crate::hir::{AtomKind, Binary, Policy, Ty, Value, ValueKind};

use super::{inside, tests};

/// Value of `S_IFMT`; source: `include/uapi/linux/stat.h`.
const KIND: i128 = 0o170_000;
/// File types; source: `include/uapi/linux/stat.h`.
const KINDS: [(&str, i128); 7] = [
    ("S_IFSOCK", 0o140_000),
    ("S_IFLNK", 0o120_000),
    ("S_IFREG", 0o100_000),
    ("S_IFBLK", 0o060_000),
    ("S_IFDIR", 0o040_000),
    ("S_IFCHR", 0o020_000),
    ("S_IFIFO", 0o010_000),
];

pub(super) fn run(policy: &Policy, found: &mut Vec<Diagnostic>) {
    for rule in &policy.rules {
        tests(rule, &mut |atom| {
            let Some((value, bits)) = tested(&atom.kind) else { return };
            let Some((kind, _)) = KINDS.iter().find(|(_, number)| *number == bits) else { return };
            if !is_mode(policy, value) {
                return;
            }
            let also: Vec<&str> = KINDS
                .iter()
                .filter(|(other, number)| other != kind && number & bits != 0)
                .map(|(other, _)| *other)
                .collect();
            let span = if inside(rule, atom.span) { atom.span } else { rule.span };
            found.push(
                Diagnostic::warning(code::KIND_BITS, span, format!("`{kind}` is a number, not a bit"))
                    .label("tests single bits of the file type")
                    .note(format!("{} share bits with it", also.join(", ")))
                    .help(format!("compare the file type: `... & S_IFMT == {kind}`")),
            );
        });
    }
}

/// Returns the value and the mask of a bit test.
fn tested(kind: &AtomKind) -> Option<(&Value, i128)> {
    match kind {
        AtomKind::AllBits { value, mask } => Some((value, i128::from(*mask))),
        AtomKind::AnyBit(value) => match &value.kind {
            ValueKind::Binary(Binary::And, _, right) => match right.kind {
                ValueKind::Const(bits) => Some((value, bits)),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn is_mode(policy: &Policy, value: &Value) -> bool {
    let Ty::Int(int) = value.ty else { return false };
    int.names.is_some_and(|names| {
        policy.names[names.index()].members.iter().any(|(name, bits)| name == "S_IFMT" && i128::from(*bits) == KIND)
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::codes;

    #[test]
    fn bit_tests_of_file_types_are_found() {
        for rule in [
            "on file_open when file.inode.mode & S_IFREG deny",
            "on file_open when file.inode.mode has S_IFDIR deny",
            "on path_mknod unless mode & S_IFCHR deny",
        ] {
            assert_eq!(codes(rule), ["KRS0913"], "{rule}");
        }
    }

    #[test]
    fn comparisons_of_file_types_are_left_alone() {
        for rule in [
            "on file_open when file.inode.mode & S_IFMT == S_IFREG deny",
            "on file_open when file.inode.mode & S_IFMT in { S_IFCHR, S_IFBLK } deny",
            "on path_mknod when mode & S_IFMT deny",
            "on path_chmod when mode & (S_ISUID|S_ISGID) deny",
        ] {
            assert!(codes(rule).is_empty(), "{rule}: {:?}", codes(rule));
        }
    }
}
