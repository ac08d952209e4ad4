//! An audit of a kernel address: it tells a reader nothing, and an attacker where the kernel's memory is.
//!
//! ```text
//! on file_open audit { file }
//! ```

use crate::diag::{Diagnostic, code};
use crate::hir::{Policy, Ty};

pub(super) fn run(policy: &Policy, found: &mut Vec<Diagnostic>) {
    for rule in &policy.rules {
        for field in rule.audit.iter().flat_map(|audit| &audit.fields) {
            if matches!(field.value.ty, Ty::Ptr(_)) {
                found.push(
                    Diagnostic::warning(
                        code::KERNEL_ADDRESS,
                        field.value.span,
                        format!("`{}` is recorded as an address in the kernel", field.name),
                    )
                    .label("a pointer")
                    .note("events with such addresses help whoever reads them to get around address randomisation")
                    .help("record a field behind it, or whether it is null: `x == null`"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::codes;

    #[test]
    fn pointers_are_found() {
        assert_eq!(codes("on file_open audit { file, file.f_flags }"), ["KRS0906"]);
        assert_eq!(codes("on file_open audit { inode = file.f_inode }"), ["KRS0906"]);
        // Whether a pointer is null is no address. (`file` never is here, which has its own warning.)
        assert_eq!(codes("on file_open audit { file == null, file.f_flags, task.comm }"), ["KRS0901"]);
        assert!(codes("on file_mprotect audit { vma.start, vma.file == null }").is_empty());
    }
}
