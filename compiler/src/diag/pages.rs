//! The pages of `krsic explain`: the sections of `docs/errors.md`, each under a heading `## KRS0200: title`.

const BOOK: &str = include_str!("../../../docs/errors.md");

/// Code and title of every page, in order.
pub fn titles() -> impl Iterator<Item = (&'static str, &'static str)> {
    BOOK.lines().filter_map(|line| line.strip_prefix("## ").filter(|rest| rest.starts_with("KRS"))?.split_once(": "))
}

/// The page of a code, including its heading.
#[must_use]
pub fn page(code: &str) -> Option<&'static str> {
    let heading = format!("\n## {code}: ");
    let start = BOOK.find(&heading)? + 1;
    let rest = &BOOK[start..];
    let end = rest[1..].find("\n## KRS").map_or(rest.len(), |end| end + 2);
    Some(&rest[..end])
}
