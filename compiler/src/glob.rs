//! Parser of globs.
//!
//! ```text
//! /usr/**/*.so    ?    *    **    [a-z]    [!a-z]    {a,b}    \*
//! ```
//!
//! `?` matches one byte other than `/`, `*` any run of such bytes, and `**` any run of bytes. A glob matches a
//! whole text.
//!
//! Invariant: a class never contains `/` by negation.
//!
//! Absent: matching, which `automaton` does.

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bytes([u64; 4]);

impl Bytes {
    /// All bytes but `/`.
    pub const NAMES: Bytes = Bytes([!(1 << b'/'), u64::MAX, u64::MAX, u64::MAX]);

    /// Returns the set of the given bytes.
    #[must_use]
    pub fn of(bytes: impl IntoIterator<Item = u8>) -> Bytes {
        let mut set = Bytes::default();
        bytes.into_iter().for_each(|byte| set.0[usize::from(byte >> 6)] |= 1 << (byte & 63));
        set
    }

    /// Returns the complement, without `/`.
    #[must_use]
    fn others(self) -> Bytes {
        Bytes(std::array::from_fn(|at| !self.0[at] & Bytes::NAMES.0[at]))
    }

    /// Returns whether the set contains a byte.
    #[must_use]
    pub fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] & 1 << (byte & 63) != 0
    }
}

/// Component of a glob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A byte that matches itself.
    Byte(u8),
    /// One byte of a set: `?` or `[...]`.
    OneOf(Bytes),
    /// Any run of bytes other than `/`: `*`.
    Names,
    /// Any run of bytes: `**`.
    Any,
    /// One of several sequences: `{...}`.
    Choice(Vec<Vec<Piece>>),
}

/// Parses a glob.
///
/// # Errors
/// Returns a message if the syntax is invalid.
pub fn parse(glob: &[u8]) -> Result<Vec<Piece>, String> {
    // Stack of open braces: the pieces before the brace, and its finished alternatives.
    let mut open: Vec<(Vec<Piece>, Vec<Vec<Piece>>)> = Vec::new();
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(&byte) = glob.get(at) {
        at += 1;
        match byte {
            b'?' => pieces.push(Piece::OneOf(Bytes::NAMES)),
            b'*' if glob.get(at) == Some(&b'*') => {
                at += 1;
                pieces.push(Piece::Any);
            }
            b'*' => pieces.push(Piece::Names),
            b'[' => {
                let (set, end) = class(glob, at)?;
                pieces.push(Piece::OneOf(set));
                at = end;
            }
            b'{' => open.push((std::mem::take(&mut pieces), Vec::new())),
            b',' if let Some((_, choices)) = open.last_mut() => choices.push(std::mem::take(&mut pieces)),
            b'}' => {
                let Some((before, mut choices)) = open.pop() else {
                    return Err("unmatched `}`; write `\\\\}` for the character itself".into());
                };
                choices.push(std::mem::replace(&mut pieces, before));
                pieces.push(Piece::Choice(choices));
            }
            b'\\' => {
                let Some(&next) = glob.get(at) else {
                    return Err("nothing follows the backslash at the end".into());
                };
                at += 1;
                pieces.push(Piece::Byte(next));
            }
            byte => pieces.push(Piece::Byte(byte)),
        }
    }
    if !open.is_empty() {
        return Err("unmatched `{`; write `\\\\{` for the character itself".into());
    }
    Ok(pieces)
}

/// Returns whether a text that matches the glob can begin with a byte.
#[must_use]
pub fn can_begin(glob: &[Piece], byte: u8) -> bool {
    let begins = |piece: &Piece| match piece {
        Piece::Byte(own) => *own == byte,
        Piece::OneOf(set) => set.has(byte),
        Piece::Names => Bytes::NAMES.has(byte),
        Piece::Any => true,
        Piece::Choice(choices) => choices.iter().any(|choice| can_begin(choice, byte)),
    };
    let before = glob.iter().take_while(|piece| can_be_empty(piece)).count();
    glob.iter().take(before + 1).any(begins)
}

fn can_be_empty(piece: &Piece) -> bool {
    match piece {
        Piece::Byte(_) | Piece::OneOf(_) => false,
        Piece::Names | Piece::Any => true,
        Piece::Choice(choices) => choices.iter().any(|choice| choice.iter().all(can_be_empty)),
    }
}

/// Returns a glob that matches exactly the texts that any of several globs matches.
#[must_use]
pub fn choice(globs: &[Vec<u8>]) -> Vec<u8> {
    let mut made = vec![b'{'];
    for (at, glob) in globs.iter().enumerate() {
        if at > 0 {
            made.push(b',');
        }
        enclosed(glob, &mut made);
    }
    made.push(b'}');
    made
}

/// Appends a glob as an alternative within braces: its literal commas are escaped.
fn enclosed(glob: &[u8], made: &mut Vec<u8>) {
    let (mut depth, mut at) = (0u32, 0);
    while let Some(&byte) = glob.get(at) {
        let mut end = at + 1;
        match byte {
            b'\\' => end += 1,
            b'[' => end = class(glob, at + 1).map_or(end, |(_, end)| end),
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => made.push(b'\\'),
            _ => {}
        }
        made.extend_from_slice(&glob[at..end.min(glob.len())]);
        at = end;
    }
}

/// Returns the glob that matches exactly one text.
#[must_use]
pub fn literal(text: &[u8]) -> Vec<u8> {
    let special = |byte: u8| b"\\?*[]{},".contains(&byte);
    text.iter().flat_map(|&byte| special(byte).then_some(b'\\').into_iter().chain([byte])).collect()
}

/// Returns whether the automaton of a glob can have far more states than the glob has pieces. With only bytes
/// and at most two runs it cannot.
#[must_use]
pub fn grows(pieces: &[Piece]) -> bool {
    let runs = pieces.iter().filter(|piece| matches!(piece, Piece::Names | Piece::Any)).count();
    let plain = pieces.iter().all(|piece| !matches!(piece, Piece::OneOf(_) | Piece::Choice(_)));
    pieces.iter().any(|piece| matches!(piece, Piece::Choice(_))) || runs > if plain { 2 } else { 0 }
}

/// Parses a class. Takes the index after its `[`, and returns the set and the index after its `]`.
fn class(glob: &[u8], mut at: usize) -> Result<(Bytes, usize), String> {
    let unclosed = || "unmatched `[`; write `\\\\[` for the character itself".to_owned();
    let negated = matches!(glob.get(at), Some(b'!' | b'^'));
    at += usize::from(negated);
    let first = at;
    let mut listed = Vec::new();
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
        let mut high = low;
        if glob.get(at) == Some(&b'-') && glob.get(at + 1).is_some_and(|byte| *byte != b']') {
            at += 1 + usize::from(glob[at + 1] == b'\\');
            high = *glob.get(at).ok_or_else(unclosed)?;
            if high < low {
                return Err(format!("the bounds of the range `{}-{}` are reversed", char::from(low), char::from(high)));
            }
            at += 1;
        }
        listed.extend(low..=high);
    }
    let set = Bytes::of(listed);
    // A negated class does not match `/`.
    Ok((if negated { set.others() } else { set }, at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_of_a_match_is_known() {
        for (glob, can) in [
            ("/etc/*", true),
            ("**.docx", true),
            ("{a,/b}*", true),
            ("*/x", true),
            ("{,x}/y", true),
            ("[!a]x", false),
            ("*.docx", false),
            ("etc/*", false),
            ("?etc", false),
            ("{a,b}/**", false),
            ("*", false),
        ] {
            assert_eq!(can_begin(&parse(glob.as_bytes()).expect("a glob"), b'/'), can, "{glob}");
        }
    }

    #[test]
    fn globs_are_parsed_into_pieces() {
        let byte = Piece::Byte;
        assert_eq!(parse(br"a\*").ok(), Some(vec![byte(b'a'), byte(b'*')]));
        assert_eq!(parse(b"*?**").ok(), Some(vec![Piece::Names, Piece::OneOf(Bytes::NAMES), Piece::Any]));
        let inner = Piece::Choice(vec![vec![byte(b'b')], vec![]]);
        assert_eq!(
            parse(b"{a,{b,}c}").ok(),
            Some(vec![Piece::Choice(vec![vec![byte(b'a')], vec![inner, byte(b'c')]])])
        );
        assert_eq!(parse(b"[]a-c]").ok(), Some(vec![Piece::OneOf(Bytes::of(*b"]abc"))]));
        let Ok([Piece::OneOf(others)]) = parse(b"[!x]").as_deref().map(|pieces| [pieces[0].clone()]) else {
            panic!("a class")
        };
        assert!(others.has(b'y') && others.has(0) && others.has(0xff) && !others.has(b'x') && !others.has(b'/'));
    }

    #[test]
    fn a_choice_consists_of_its_globs() {
        let globs =
            [&b"a,b"[..], b"{c,d}*", b"{e,{f,}},g", b"[],{]h,i", b"[!],]j", b"[,x]", br"\,", b""].map(<[u8]>::to_vec);
        let pieces = globs.iter().map(|glob| parse(glob).expect("a glob")).collect();
        assert_eq!(parse(&choice(&globs)).ok(), Some(vec![Piece::Choice(pieces)]));
    }

    #[test]
    fn a_literal_escapes_special_characters() {
        let text = br"/a*b?[c]{d,e}\!-^";
        assert_eq!(parse(&literal(text)).ok(), Some(text.map(Piece::Byte).to_vec()));
    }

    #[test]
    fn invalid_globs_are_refused() {
        for glob in ["[", "[a", "{a", "a}", "\\", "[z-a]"] {
            assert!(parse(glob.as_bytes()).is_err(), "{glob}");
        }
    }
}
