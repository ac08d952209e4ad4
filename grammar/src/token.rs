//! The lexer, which splits text into tokens.
//!
//! `prot & EXEC` is `Ident("prot") Amp Ident("EXEC")`, each with its byte offsets.
//!
//! Invariants: offsets increase, lie on character boundaries and within the file; an error inside a token is
//! reported once, and the parser receives a valid token in its place.
//!
//! Absent: the decision which words are names; [`crate::keywords`] makes it from their neighbours.

use crate::ast::{Comment, FileId, Span};
use crate::error::SyntaxError;
use logos::Logos;

/// A token of the source text.
#[derive(Logos, Clone, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r\n\f]+")]
#[expect(missing_docs, reason = "`text` says what each is")]
pub enum Token<'s> {
    #[regex(r"[A-Za-z_][A-Za-z0-9_]*")]
    Ident(&'s str),
    /// The name in `name: on`, which an LALR(1) parser could recognise only one token later.
    RuleName(&'s str),
    Int(u64),
    Duration(u64),
    Str(Vec<u8>),
    /// Consecutive `##` lines, joined with `\n`.
    Doc(String),
    #[regex(r"[0-9][0-9A-Za-z_]*")]
    Number,
    #[token("\"")]
    Quote,
    #[regex(r"#[^\n]*", allow_greedy = true)]
    Hash,

    #[token("use")]
    Use,
    #[token("as")]
    As,
    #[token("const")]
    Const,
    #[token("param")]
    Param,
    #[token("set")]
    Set,
    #[token("map")]
    Map,
    #[token("flags")]
    Flags,
    #[token("enum")]
    Enum,
    #[token("view")]
    View,
    #[token("hook")]
    Hook,
    #[token("def")]
    Def,
    #[token("label")]
    Label,
    #[token("rule")]
    Rule,
    #[token("on")]
    On,
    /// The `on` of `mark tainted on task`.
    MarkOn,
    #[token("where")]
    Where,
    #[token("when")]
    When,
    #[token("unless")]
    Unless,
    #[token("and")]
    And,
    #[token("or")]
    Or,
    #[token("not")]
    Not,
    #[token("in")]
    In,
    #[token("is")]
    Is,
    #[token("like")]
    Like,
    #[token("under")]
    Under,
    #[token("has")]
    Has,
    #[token("null")]
    Null,
    #[token("true")]
    True,
    #[token("false")]
    False,
    #[token("deny")]
    Deny,
    #[token("audit")]
    Audit,
    #[token("kill")]
    Kill,
    #[token("mark")]
    Mark,
    #[token("unmark")]
    Unmark,
    #[token("limit")]
    Limit,
    #[token("test")]
    Test,
    #[token("expect")]
    Expect,
    #[token("with")]
    With,
    /// This and the following tokens are keywords in one context only, see [`crate::keywords`].
    From,
    Dynamic,
    Max,
    Inherit,
    Allow,
    Any,
    All,

    #[token("{")]
    OpenBrace,
    #[token("}")]
    CloseBrace,
    #[token("(")]
    OpenParen,
    #[token(")")]
    CloseParen,
    #[token("[")]
    OpenBracket,
    #[token("]")]
    CloseBracket,
    #[token(",")]
    Comma,
    #[token(":")]
    Colon,
    #[token(".")]
    Dot,
    #[token("@")]
    At,
    #[token("?")]
    Question,
    #[token("==")]
    EqEq,
    #[token("!=")]
    NotEq,
    #[token("<=")]
    LessEq,
    #[token(">=")]
    GreaterEq,
    #[token("<<")]
    Shl,
    #[token(">>")]
    Shr,
    #[token("<")]
    Less,
    #[token(">")]
    Greater,
    #[token("=")]
    Equals,
    #[token("|")]
    Pipe,
    #[token("^")]
    Caret,
    #[token("&")]
    Amp,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("%")]
    Percent,
    #[token("~")]
    Tilde,
    /// Tokens of other languages, which are reported and replaced by their krs equivalent.
    #[token("&&")]
    #[token("||")]
    #[token("!")]
    #[token("->")]
    #[token("===")]
    #[token(";")]
    #[token("//")]
    #[token("/*")]
    #[token("'")]
    Foreign,
}

/// A token between its start and end offsets.
pub type Spanned<'s> = (u32, Token<'s>, u32);

/// The result of the lexer.
pub struct Lexed<'s> {
    /// The tokens, without comments but with doc comments.
    pub tokens: Vec<Spanned<'s>>,
    /// The `#` comments, without doc comments.
    pub comments: Vec<Comment>,
    /// The errors found inside tokens.
    pub errors: Vec<SyntaxError>,
}

/// Converts an offset to that of the tree, saturating for files beyond 4 GiB.
pub(crate) fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Splits the text of a file into tokens.
#[must_use]
pub fn lex(file: FileId, text: &str) -> Lexed<'_> {
    let mut out = Lexed { tokens: Vec::with_capacity(text.len() / 5), comments: Vec::new(), errors: Vec::new() };
    let mut lexer = Token::lexer(text);
    while let Some(token) = lexer.next() {
        let from = lexer.span().start;
        let span = |start: usize, end: usize| Span { file, start: offset(start), end: offset(end) };
        let token = match token {
            Err(()) => {
                // logos can stop inside a character; the span of the error covers all of it.
                let rest = &text[from..];
                let Some(found) = rest.chars().next() else {
                    continue;
                };
                let end = from + found.len_utf8();
                if lexer.span().end < end {
                    lexer.bump(end - lexer.span().end);
                }
                let place = span(from, end);
                out.errors.push(match found {
                    '\u{201c}' | '\u{201d}' | '\u{2018}' | '\u{2019}' | '\u{ab}' | '\u{bb}' => SyntaxError::new(
                        "KRS0003",
                        place,
                        format!("`{found}` does not quote strings"),
                        "a typographic quote",
                    )
                    .help("write strings in plain double quotes: `\"...\"`"),
                    c if c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}' | '\u{200c}' | '\u{200d}') => {
                        if c == '\u{feff}' && from == 0 {
                            continue;
                        }
                        SyntaxError::new(
                            "KRS0003",
                            place,
                            format!("the invisible character U+{:04X} is not allowed here", u32::from(c)),
                            "looks like a space, but is not one",
                        )
                        .help("replace it with an ordinary space")
                    }
                    c => SyntaxError::new(
                        "KRS0003",
                        place,
                        format!("unknown character `{}`", c.escape_debug()),
                        "not valid in krs",
                    )
                    .help("remove it, or put it inside a string"),
                });
                continue;
            }
            Ok(Token::Hash) => {
                let line = lexer.slice().trim_end_matches('\r');
                let place = span(from, from + line.len());
                if let Some(doc) = line.strip_prefix("##") {
                    let doc = doc.strip_prefix(' ').unwrap_or(doc);
                    if let Some((_, Token::Doc(text), end)) = out.tokens.last_mut() {
                        text.push('\n');
                        text.push_str(doc);
                        *end = place.end;
                    } else {
                        out.tokens.push((place.start, Token::Doc(doc.to_owned()), place.end));
                    }
                } else {
                    out.comments.push(Comment { text: line[1..].to_owned(), span: place });
                }
                continue;
            }
            Ok(Token::Number) => match number(lexer.slice()) {
                Ok(token) => token,
                Err((code, message, help)) => {
                    out.errors.push(
                        SyntaxError::new(code, span(from, lexer.span().end), message, "not a valid number").help(help),
                    );
                    Token::Int(1)
                }
            },
            Ok(Token::Quote) => {
                let (value, len) = string(file, text, from, &mut out.errors);
                lexer.bump(len - 1);
                Token::Str(value)
            }
            Ok(Token::Foreign) => {
                let written = lexer.slice();
                let mut report = |end: usize, message: &str, help: &str| {
                    out.errors.push(SyntaxError::new("KRS0004", span(from, end), message, "not krs").help(help));
                };
                let end = lexer.span().end;
                match written {
                    "&&" => {
                        report(end, "`&&` is written `and`", "replace `&&` with `and`");
                        Token::And
                    }
                    "||" => {
                        report(end, "`||` is written `or`", "replace `||` with `or`");
                        Token::Or
                    }
                    "!" => {
                        report(end, "`!` is written `not`", "replace `!` with `not`");
                        Token::Not
                    }
                    "->" => {
                        report(end, "`->` is written `.`", "write `.` for fields, also through pointers");
                        Token::Dot
                    }
                    "===" => {
                        report(end, "`===` is written `==`", "replace `===` with `==`");
                        Token::EqEq
                    }
                    ";" => {
                        report(end, "`;` is not needed", "remove it: items need no separator");
                        continue;
                    }
                    "'" => {
                        let line = text[end..].lines().next().unwrap_or("");
                        if let Some(len) = line.find('\'') {
                            let stop = end + len + 1;
                            report(
                                stop,
                                "strings are written in double quotes",
                                &format!("write `\"{}\"`", line[..len].escape_debug()),
                            );
                            lexer.bump(len + 1);
                            Token::Str(line.as_bytes()[..len].to_vec())
                        } else {
                            report(end, "strings are written in double quotes", "replace `'` with `\"`");
                            continue;
                        }
                    }
                    "//" => {
                        let len = text[end..].find('\n').unwrap_or(text.len() - end);
                        report(end, "comments begin with `#`", "replace `//` with `#`");
                        lexer.bump(len);
                        continue;
                    }
                    _ => {
                        let len = text[end..].find("*/").map_or(text.len() - end, |at| at + 2);
                        report(
                            end,
                            "comments begin with `#` and end with the line",
                            "begin each line of the comment with `#`",
                        );
                        lexer.bump(len);
                        continue;
                    }
                }
            }
            Ok(Token::Ident("NULL" | "nullptr" | "None")) => {
                out.errors.push(
                    SyntaxError::new(
                        "KRS0004",
                        span(from, lexer.span().end),
                        format!("`{}` is written `null`", lexer.slice()),
                        "not krs",
                    )
                    .help("replace it with `null`"),
                );
                Token::Null
            }
            Ok(token) => token,
        };
        out.tokens.push((offset(from), token, offset(lexer.span().end)));
    }
    out
}

type NumberError = (&'static str, String, String);

/// Parses an integer or a duration: `42`, `0x2a`, `4KiB`, `500ms`.
fn number<'s>(text: &str) -> Result<Token<'s>, NumberError> {
    let (radix, rest) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &text[2..]),
        [b'0', b'o' | b'O', ..] => (8, &text[2..]),
        [b'0', b'b' | b'B', ..] => (2, &text[2..]),
        _ => (10, text),
    };
    let split = rest.find(|c: char| c != '_' && !c.is_digit(radix)).unwrap_or(rest.len());
    let (digits, suffix) = rest.split_at(split);
    let (scale, duration) = match suffix {
        "" => (1, false),
        "KiB" => (1 << 10, false),
        "MiB" => (1 << 20, false),
        "GiB" => (1 << 30, false),
        "ms" => (1_000_000, true),
        "s" => (1_000_000_000, true),
        "m" => (60_000_000_000, true),
        "h" => (3_600_000_000_000, true),
        _ => {
            return Err((
                "KRS0006",
                format!("`{text}` is not a number"),
                "numbers are `42`, `0x2a`, `0o52`, `0b101010`; sizes end in `KiB`, `MiB`, `GiB`, durations in `ms`, `s`, `m`, `h`".to_owned(),
            ));
        }
    };
    if !digits.contains(|c: char| c != '_') {
        return Err(("KRS0006", format!("`{text}` has no digits"), "write at least one digit".to_owned()));
    }
    if radix == 10 && digits.len() > 1 && digits.starts_with('0') && !digits.trim_matches(['0', '_']).is_empty() {
        return Err((
            "KRS0006",
            format!("`{text}` has a leading zero"),
            format!("write `0o{}` for octal, or remove the zero", digits.trim_start_matches(['0', '_'])),
        ));
    }
    let mut value = 0u64;
    for digit in digits.chars().filter_map(|c| c.to_digit(radix)) {
        value = value
            .checked_mul(u64::from(radix))
            .and_then(|v| v.checked_add(u64::from(digit)))
            .ok_or_else(|| too_large(text))?;
    }
    let value = value.checked_mul(scale).ok_or_else(|| too_large(text))?;
    Ok(if duration { Token::Duration(value) } else { Token::Int(value) })
}

fn too_large(text: &str) -> NumberError {
    (
        "KRS0005",
        format!("`{text}` is too large"),
        format!("the largest integer is {}; durations are in nanoseconds", u64::MAX),
    )
}

/// Parses the string literal whose opening quote is at `from`; returns its bytes and its length in the text.
fn string(file: FileId, text: &str, from: usize, errors: &mut Vec<SyntaxError>) -> (Vec<u8>, usize) {
    let mut value = Vec::new();
    let body = &text[from + 1..];
    let mut chars = body.char_indices();
    let place = |start: usize, end: usize| Span { file, start: offset(from + 1 + start), end: offset(from + 1 + end) };
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, at + 2),
            '\n' => {
                errors.push(open_string(file, from, from + 1 + at));
                return (value, at + 1);
            }
            '\\' => {
                let (len, read) = escape(&body[at + 1..]);
                match read {
                    Ok(bytes) => value.extend_from_slice(&bytes),
                    // A backslash at the end of the line: the missing quote is reported instead.
                    Err(_) if len == 0 => continue,
                    Err(message) => errors.push(
                        SyntaxError::new("KRS0002", place(at, at + 1 + len), message, "not a valid escape")
                            .help("the escapes are `\\\\`, `\\\"`, `\\n`, `\\t`, `\\xNN` and `\\u{...}`"),
                    ),
                }
                let stop = at + 1 + len;
                while chars.clone().next().is_some_and(|(next, _)| next < stop) {
                    chars.next();
                }
            }
            c => value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    errors.push(open_string(file, from, text.len()));
    (value, body.len() + 1)
}

fn open_string(file: FileId, from: usize, end: usize) -> SyntaxError {
    let span = Span { file, start: offset(from), end: offset(end.max(from + 1)) };
    SyntaxError::new("KRS0001", span, "missing closing `\"`", "the string begins here")
        .help("end the string with `\"` on the same line; a line break is written `\\n`")
}

/// Parses the escape after a backslash; returns its length and its bytes or an error message.
fn escape(text: &str) -> (usize, Result<Vec<u8>, String>) {
    let Some(c) = text.chars().next().filter(|c| *c != '\n') else {
        return (0, Err(String::new()));
    };
    match c {
        '\\' | '"' => (1, Ok(vec![c as u8])),
        'n' => (1, Ok(vec![b'\n'])),
        't' => (1, Ok(vec![b'\t'])),
        'x' => match text
            .get(1..3)
            .filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|t| u8::from_str_radix(t, 16).ok())
        {
            Some(byte) => (3, Ok(vec![byte])),
            None => (1, Err("`\\x` needs two hexadecimal digits".to_owned())),
        },
        'u' => {
            let digits = text.strip_prefix("u{").and_then(|t| t.split_once('}')).map(|(digits, _)| digits);
            match digits {
                Some(digits) if !digits.contains(['"', '\n']) => {
                    let found = u32::from_str_radix(digits, 16)
                        .ok()
                        .filter(|_| !digits.starts_with('+'))
                        .and_then(char::from_u32);
                    let len = digits.len() + 3;
                    match found {
                        Some(found) => (len, Ok(found.to_string().into_bytes())),
                        None => (len, Err(format!("`\\u{{{digits}}}` is not a character"))),
                    }
                }
                _ => (1, Err("`\\u` needs a number in braces: `\\u{1f600}`".to_owned())),
            }
        }
        c => (c.len_utf8(), Err(format!("unknown escape `\\{}`", c.escape_debug()))),
    }
}
