//! Globs and substrings as tables of states, run over a text byte by byte.
//!
//! ```text
//! /usr/**/*.so    ?    *    **    [a-z]    [!a-z]    {a,b}    \*
//! ```
//! `?` is one byte but `/`, `*` any run of such, `**` any run at all. A table is the class of each byte, then a row
//! a state: whether a text that ends here fits, then the next state's row for each class. Row 0 is dead.
//!
//! Absent: where in the text something was found; only whether it is there.

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};

/// The most entries of a table's rows.
const ENTRIES_MAX: usize = 1 << 15;

/// States over the bytes of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// By byte, from 1.
    pub classes: Vec<u8>,
    /// Rows one after the other; a state is the index of its row's first entry.
    pub rows: Vec<u16>,
    /// Where a text begins.
    pub start: u16,
}

impl Table {
    /// Whether a text fits.
    #[must_use]
    pub fn fits(&self, text: &[u8]) -> bool {
        let mut state = self.start;
        for byte in text {
            state = self.rows[usize::from(state) + usize::from(self.classes[usize::from(*byte)])];
        }
        self.rows[usize::from(state)] != 0
    }
}

/// A glob as a regular expression.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse(glob: &[u8]) -> Result<String, String> {
    let mut out = String::new();
    let mut depth = 0u32;
    let mut at = 0;
    while let Some(&byte) = glob.get(at) {
        at += 1;
        match byte {
            b'?' => out.push_str("[^/]"),
            b'*' if glob.get(at) == Some(&b'*') => {
                at += 1;
                out.push_str("(?s-u:.)*");
            }
            b'*' => out.push_str("[^/]*"),
            b'[' => at = class(glob, at, &mut out)?,
            b'{' => {
                depth += 1;
                out.push_str("(?:");
            }
            b',' if depth > 0 => out.push('|'),
            b'}' if depth > 0 => {
                depth -= 1;
                out.push(')');
            }
            b'}' => return Err("a `}` without its `{`; write `\\\\}` for the character".into()),
            b'\\' => {
                let Some(&next) = glob.get(at) else {
                    return Err("a backslash at the end takes nothing for itself".into());
                };
                at += 1;
                byte_text(next, &mut out);
            }
            byte => byte_text(byte, &mut out),
        }
    }
    if depth > 0 {
        return Err("a `{` without its `}`; write `\\\\{` for the character".into());
    }
    Ok(out)
}

fn byte_text(byte: u8, out: &mut String) {
    out.push_str(&format!("\\x{byte:02x}"));
}

/// A class from behind its `[`; the place behind its `]`.
fn class(glob: &[u8], mut at: usize, out: &mut String) -> Result<usize, String> {
    let unclosed = || "a `[` without its `]`; write `\\\\[` for the character".to_owned();
    out.push('[');
    let negated = matches!(glob.get(at), Some(b'!' | b'^'));
    if negated {
        at += 1;
        // What is left out never brings the slash in.
        out.push_str("^/");
    }
    let first = at;
    loop {
        let mut low = *glob.get(at).ok_or_else(unclosed)?;
        if low == b']' && at > first {
            break;
        }
        if low == b'\\' {
            at += 1;
            low = *glob.get(at).ok_or_else(unclosed)?;
        }
        at += 1;
        byte_text(low, out);
        if glob.get(at) == Some(&b'-') && glob.get(at + 1).is_some_and(|byte| *byte != b']') {
            let high = glob[at + 1];
            if high < low {
                return Err(format!("the range `{}-{}` runs backwards", char::from(low), char::from(high)));
            }
            out.push('-');
            byte_text(high, out);
            at += 2;
        }
    }
    if at == first {
        return Err("an empty class fits nothing".into());
    }
    out.push(']');
    Ok(at + 1)
}

/// The table of a glob.
///
/// # Errors
/// Why there is none, in words.
pub fn like(glob: &[u8]) -> Result<Table, String> {
    table(&format!("(?-u:{})", parse(glob)?))
}

/// The table of "somewhere in it".
///
/// # Errors
/// Why there is none, in words.
pub fn contains(text: &[u8]) -> Result<Table, String> {
    let mut inner = String::new();
    text.iter().for_each(|byte| byte_text(*byte, &mut inner));
    table(&format!("(?s-u:.)*(?-u:{inner})(?s-u:.)*"))
}

fn table(pattern: &str) -> Result<Table, String> {
    let complex = || "its table of states would be too large".to_owned();
    let dfa = dense::Builder::new()
        .configure(
            dense::Config::new()
                .start_kind(StartKind::Anchored)
                .match_kind(MatchKind::All)
                .minimize(true)
                .dfa_size_limit(Some(16 << 20))
                .determinize_size_limit(Some(16 << 20)),
        )
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .thompson(thompson::Config::new().utf8(false).which_captures(thompson::WhichCaptures::None))
        .build(pattern)
        .map_err(|_| complex())?;
    let start = dfa.start_state(&start::Config::new().anchored(Anchored::Yes)).map_err(|_| complex())?;

    // Bytes that lead to the same states everywhere are one class. The automaton's own classes also tell apart what
    // matters only where matches begin.
    let mut states = vec![start];
    let mut columns: Vec<Vec<usize>> = vec![Vec::new(); 256];
    let mut accepts = Vec::new();
    let mut at = 0;
    while let Some(&state) = states.get(at) {
        at += 1;
        accepts.push(dfa.is_match_state(dfa.next_eoi_state(state)));
        for byte in 0..=255u8 {
            let next = dfa.next_state(state, byte);
            let index = if dfa.is_dead_state(next) {
                usize::MAX
            } else {
                states.iter().position(|known| *known == next).unwrap_or_else(|| {
                    states.push(next);
                    states.len() - 1
                })
            };
            columns[usize::from(byte)].push(index);
        }
        if states.len() > ENTRIES_MAX / 2 {
            return Err(complex());
        }
    }
    let mut kinds: Vec<&Vec<usize>> = Vec::new();
    let mut classes = Vec::with_capacity(256);
    for column in &columns {
        let class = kinds.iter().position(|known| *known == column).unwrap_or_else(|| {
            kinds.push(column);
            kinds.len() - 1
        });
        classes.push((class + 1) as u8);
    }
    if kinds.len() > 255 {
        return Err(complex());
    }
    let width = kinds.len() + 1;
    if width * (states.len() + 1) > ENTRIES_MAX {
        return Err(complex());
    }
    let row = |index: usize| if index == usize::MAX { 0 } else { ((index + 1) * width) as u16 };
    let mut rows = vec![0; width];
    for (state, accept) in accepts.iter().enumerate() {
        rows.push(u16::from(*accept));
        rows.extend(kinds.iter().map(|column| row(column[state])));
    }
    Ok(Table { classes, rows, start: width as u16 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_fit_what_they_say() {
        for (glob, text, fits) in [
            ("/etc/*", "/etc/passwd", true),
            ("/etc/*", "/etc/ssh/sshd_config", false),
            ("/etc/**", "/etc/ssh/sshd_config", true),
            ("/etc/**", "/etc/", true),
            ("/etc/**", "/etc", false),
            ("**/*.so", "/usr/lib/libc.so", true),
            ("**/*.so", "libc.so", false),
            ("/tmp/?", "/tmp/x", true),
            ("/tmp/?", "/tmp//", false),
            ("[a-c]x[!0-9]", "bxy", true),
            ("[a-c]x[!0-9]", "bx7", false),
            ("[!a]", "/", false),
            ("[]]", "]", true),
            ("a{b,c{d,e}}f", "acef", true),
            ("a{b,c{d,e}}f", "acf", false),
            ("{,x}y", "y", true),
            (r"\*\{", "*{", true),
            ("ä?", "äx", true),
            ("", "", true),
        ] {
            let table = like(glob.as_bytes()).expect(glob);
            assert_eq!(table.fits(text.as_bytes()), fits, "{glob} {text}");
        }
    }

    #[test]
    fn a_substring_is_found_anywhere() {
        let table = contains(b"aab").expect("a table");
        for (text, fits) in [("aab", true), ("aaab", true), ("xaaby", true), ("aba", false), ("", false)] {
            assert_eq!(table.fits(text.as_bytes()), fits, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for glob in ["[", "[a", "{a", "a}", "\\", "[z-a]"] {
            assert!(parse(glob.as_bytes()).is_err(), "{glob}");
        }
    }
}
