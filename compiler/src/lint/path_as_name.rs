//! A full path compared with the name of a file.
//!
//! ```text
//! on file_open when file.name == "/etc/shadow" deny           # its name is `shadow`
//! ```
//!
//! The name of the root directory is `/`; no other name contains a slash.

use crate::diag::{Diagnostic, code};
use crate::hir::{AtomKind, Policy, Step, TextSource, TextTest, Value, ValueKind};

use super::{inside, tests};

pub(super) fn run(policy: &Policy, found: &mut Vec<Diagnostic>) {
    for rule in &policy.rules {
        tests(rule, &mut |atom| {
            let AtomKind::Text { value, test } = &atom.kind else { return };
            if !is_name(value) {
                return;
            }
            let Some(path) = path(test) else { return };
            let span = if inside(rule, atom.span) { atom.span } else { rule.span };
            let shown = String::from_utf8_lossy(path);
            found.push(
                Diagnostic::warning(code::PATH_AS_NAME, span, format!("`{shown}` is a path, not a name"))
                    .label("compares only the last component")
                    .help("compare the full path, if the hook has one: `file.path`, `bprm.path`, `path`"),
            );
        });
    }
}

/// Returns whether a value is the name of a dentry.
fn is_name(value: &Value) -> bool {
    let ValueKind::Text(text) = &value.kind else { return false };
    let TextSource::Pointer(Value { kind: ValueKind::Load { access, .. }, .. }) = &**text else { return false };
    let named =
        |name: &str| access.steps.iter().any(|step| matches!(step, Step::Field { name: field, .. } if field == name));
    access.root == "dentry" && named("d_name") && named("name")
}

/// Returns a text of the test that begins like a path.
fn path(test: &TextTest) -> Option<&[u8]> {
    let begins = |text: &&[u8]| text.starts_with(b"/") && text.len() > 1;
    match test {
        TextTest::OneOf(set) => set.iter().map(Vec::as_slice).find(begins),
        TextTest::StartsWith(text) | TextTest::Like(text) => Some(text.as_slice()).filter(begins),
        TextTest::Under(_) | TextTest::EndsWith(_) | TextTest::Contains(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::codes;

    #[test]
    fn paths_are_found() {
        for rule in [
            "on file_open when file.name == \"/etc/shadow\" deny",
            "on file_open unless file.name in { \"shadow\", \"/etc/passwd\" } deny",
            "on file_open when file.name like \"/etc/*\" deny",
            "on path_rename when starts_with(new_dentry.name, \"/tmp/\") deny",
        ] {
            assert_eq!(codes(rule), ["KRS0912"], "{rule}");
        }
    }

    #[test]
    fn names_and_paths_are_left_alone() {
        for rule in [
            "on file_open when file.name == \"shadow\" or file.name == \"/\" deny",
            "on file_open when file.path == \"/etc/shadow\" deny",
            "on bprm_check_security when text(bprm.filename) like \"/tmp/*\" audit",
            "on mmap_file when contains(file.name, \"/\") or file.name == \"dev/zero\" deny",
        ] {
            assert!(codes(rule).is_empty(), "{rule}: {:?}", codes(rule));
        }
    }
}
