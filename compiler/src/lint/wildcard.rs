//! A `*` in a comparison that has no wildcards.
//!
//! ```text
//! on file_open when file.path == "/etc/*" deny                # only a file whose name is `*`
//! ```
//!
//! The text `*` alone is not reported, since it can only be intended.

use crate::diag::{Diagnostic, code};
use crate::hir::{AtomKind, Policy, TextTest, Ty, Value};

use super::{inside, tests};

pub(super) fn run(policy: &Policy, found: &mut Vec<Diagnostic>) {
    for rule in &policy.rules {
        tests(rule, &mut |atom| {
            let Some((text, path)) = wildcard(&atom.kind) else { return };
            let span = if inside(rule, atom.span) { atom.span } else { rule.span };
            let shown = String::from_utf8_lossy(text);
            let instead = match text.strip_suffix(b"/*").or(text.strip_suffix(b"/**")) {
                Some(directory) if path && !directory.is_empty() && !directory.contains(&b'*') => {
                    format!("write `under \"{}\"`, or `like` with a glob", String::from_utf8_lossy(directory))
                }
                _ => format!("write `like` with a glob{}", example(text)),
            };
            found.push(
                Diagnostic::warning(code::LITERAL_WILDCARD, span, format!("`*` in `\"{shown}\"` is not a wildcard"))
                    .label("compares the text literally")
                    .help(instead),
            );
        });
    }
}

/// Returns the first text with a `*` in a literal comparison, and whether a path is compared.
fn wildcard(kind: &AtomKind) -> Option<(&[u8], bool)> {
    let (value, texts): (&Value, Vec<&[u8]>) = match kind {
        AtomKind::OneOfStrings { value, set } => (value, set.iter().map(Vec::as_slice).collect()),
        AtomKind::Text { value, test } => {
            let texts = match test {
                TextTest::OneOf(set) => set.iter().map(Vec::as_slice).collect(),
                TextTest::Under(text)
                | TextTest::StartsWith(text)
                | TextTest::EndsWith(text)
                | TextTest::Contains(text) => vec![text.as_slice()],
                TextTest::Like(_) => return None,
            };
            (value, texts)
        }
        _ => return None,
    };
    let text = texts.into_iter().find(|text| text.contains(&b'*') && *text != b"*")?;
    Some((text, value.ty == Ty::Text { path: true }))
}

/// Formats the text as an example of a glob, if it is a valid one.
fn example(text: &[u8]) -> String {
    match crate::glob::parse(text) {
        Ok(_) => format!(": `like \"{}\"`", String::from_utf8_lossy(text)),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::codes;

    #[test]
    fn literal_wildcards_are_found() {
        for rule in [
            "on file_open when file.path == \"/etc/*\" deny",
            "on file_open when file.path in { \"/a\", \"/b/*.so\" } deny",
            "set s: path = { \"/b/*.so\" }\non file_open unless file.path in s deny",
            "on file_open when task.comm != \"ng*x\" deny",
            "on file_open when file.path under \"/home/*\" deny",
            "on file_open when ends_with(file.path, \"*.so\") deny",
            "on file_open when any a in task.ancestors { a.exe == \"/usr/bin/*\" } deny",
        ] {
            assert_eq!(codes(rule), ["KRS0909"], "{rule}");
        }
    }

    #[test]
    fn globs_and_lone_stars_are_left_alone() {
        for rule in [
            "on file_open when file.path like \"/etc/*\" deny",
            "on file_open when contains(file.path, \"*\") deny",
            "set s: str = { \"**.so\", \"**.ko\" }\non file_open when file.path like s deny",
        ] {
            assert!(codes(rule).is_empty(), "{rule}: {:?}", codes(rule));
        }
    }
}
