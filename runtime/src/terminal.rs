//! Text from the kernel and from objects, made safe to print.
//!
//! A program chooses its `comm` and the names of its files, and anyone can write an object. Control characters in them
//! would reach the terminal, characters that reorder or hide text would falsify a line, and a newline would forge one.
//!
//! ```text
//! a<ESC>[2J<U+202E>    is printed as  a\u{1b}[2J\u{202e}
//! a<FF>b                              a\xffb         (a byte that is not UTF-8)
//! ```
//!
//! Values are escaped where they are formatted ([`escape`]), and all output once more as a whole ([`safe_lines`],
//! [`safe_json`]), so that no text is forgotten.

use std::fmt::Write;

/// Returns true for a character that controls a terminal, reorders text or is invisible.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Format characters (category Cf): joiners, directional marks, embeddings and isolates, tags.
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}' | '\u{8e2}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
            // Fillers and variation selectors, which have no width of their own.
            | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}'
            | '\u{fe00}'..='\u{fe0f}')
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '\n' | '\t' | '\r' | '"' | '\\' => out.extend(c.escape_default()),
        c => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
    }
}

/// Escapes unsafe characters, quotes and backslashes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) || c == '"' || c == '\\' {
            push_escaped(&mut out, c);
        } else {
            out.push(c);
        }
    }
    out
}

/// Escapes bytes: those that are not UTF-8 as `\xff`, the rest as [`escape`] does.
pub fn escape_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&escape(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Formats a word of an event's line: as it is if it cannot be taken for another part of the line, and otherwise
/// escaped and between quotes.
pub fn word(bytes: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+:/@".contains(byte);
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.is_empty() && bytes.iter().all(plain) => text.to_owned(),
        _ => format!("\"{}\"", escape_bytes(bytes)),
    }
}

/// Escapes the unsafe characters of an output of several lines.
pub fn safe_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) && c != '\n' { push_escaped(&mut out, c) } else { out.push(c) }
    }
    out
}

/// Escapes the unsafe characters of JSON, all of which are within strings, as `\u202e`. The value stays the same.
pub fn safe_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Formats bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_characters_are_escaped() {
        assert_eq!(escape("plain ä 漢字"), "plain ä 漢字");
        assert_eq!(escape("a\\b\"\t\r\n\u{7f}\u{1b}[2J"), r#"a\\b\"\t\r\n\u{7f}\u{1b}[2J"#);
        // C1 controls, right-to-left override, zero-width space, line separator, byte order mark, tags.
        for c in ['\u{9b}', '\u{202e}', '\u{200b}', '\u{2028}', '\u{feff}', '\u{e0041}', '\u{2066}', '\u{ad}'] {
            assert_eq!(escape(&c.to_string()), format!("\\u{{{:x}}}", u32::from(c)));
        }
        assert_eq!(escape_bytes(b"a\xff\xc3\xa4\xc3\x1b"), "a\\xff\u{e4}\\xc3\\u{1b}");
    }

    /// A name cannot imitate the process id and user that follow it.
    #[test]
    fn words_keep_their_end() {
        assert_eq!((word(b"kworker/0:1"), word(b"e[1] uid=0")), ("kworker/0:1".into(), "\"e[1] uid=0\"".into()));
        assert_eq!((word(b""), word(b"a\"b")), ("\"\"".into(), r#""a\"b""#.into()));
        assert_eq!(word("ä".as_bytes()), "\"ä\"");
        assert_eq!(word(b"\xff"), r#""\xff""#);
    }

    #[test]
    fn whole_outputs_are_safe() {
        assert_eq!(safe_lines("a \"b\" \\\n\u{1b}[2J\u{202e}\r\n"), "a \"b\" \\\n\\u{1b}[2J\\u{202e}\\r\n");
        let value = serde_json::json!({ "a\u{9b}": "\u{202e}\u{7f}\u{e0041}\u{1b}\n\"" });
        let text = safe_json(&value.to_string());
        assert!(!text.chars().any(is_unsafe), "{text}");
        assert!(text.contains(r#"\u202e\u007f\udb40\udc41\u001b\n\""#), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("it is JSON"), value);
        assert_eq!(hex(&[0, 0xff, 0x41]), "00ff41");
    }
}
