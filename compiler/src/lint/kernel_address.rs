//! A kernel address in an event: it is useless to a reader, and discloses the location of kernel memory to an
//! attacker.
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
                        format!("`{}` is recorded as a kernel address", field.name),
                    )
                    .label("a pointer")
                    .note("a reader of the events could use it to defeat kernel address space layout randomisation")
                    .help("record a field of the object, or whether the pointer is null: `x == null`"),
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
        // A null test is not an address. (`file` is never null here, which has a warning of its own.)
        assert_eq!(codes("on file_open audit { file == null, file.f_flags, task.comm }"), ["KRS0901"]);
        assert!(codes("on file_mprotect audit { vma.start, vma.file == null }").is_empty());
    }
}
