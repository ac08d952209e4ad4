//! Globs of the model: `/usr/**/*.so`, `b{a,}sh`, `[!a-z]?`.
//!
//! A glob is parsed into pieces. Each piece maps the set of positions that a match can have reached before it
//! to the set after it. The evaluator backtracks and the compiler builds an automaton; this matcher does
//! neither.
//!
//! Absent: errors. The generator writes only valid globs, so an invalid one is a bug of the model.

use std::collections::BTreeSet;

/// A piece of a glob.
#[derive(Debug)]
enum Piece {
    /// One byte of a set.
    One(Box<[bool; 256]>),
    /// Any number of bytes, optionally excluding `/`.
    Run { slashes: bool },
    /// A choice between several globs.
    Choice(Vec<Vec<Piece>>),
}

/// Returns true if a glob matches a whole text.
pub fn fits(glob: &[u8], text: &[u8]) -> bool {
    let mut at = 0;
    let pieces = parse(glob, &mut at, false);
    assert_eq!(at, glob.len(), "the generator wrote a wrong glob");
    behind(&pieces, text, &BTreeSet::from([0])).contains(&text.len())
}

fn one(fits: impl Fn(u8) -> bool) -> Piece {
    Piece::One(Box::new(std::array::from_fn(|byte| fits(byte as u8))))
}

/// Parses pieces up to the end of the glob or, inside a choice, up to the next `,` or `}`.
fn parse(glob: &[u8], at: &mut usize, inside: bool) -> Vec<Piece> {
    let mut pieces = Vec::new();
    while *at < glob.len() && !(inside && matches!(glob[*at], b',' | b'}')) {
        let byte = glob[*at];
        *at += 1;
        pieces.push(match byte {
            b'*' if glob.get(*at) == Some(&b'*') => {
                *at += 1;
                Piece::Run { slashes: true }
            }
            b'*' => Piece::Run { slashes: false },
            b'?' => one(|byte| byte != b'/'),
            b'[' => class(glob, at),
            b'{' => {
                let mut choices = vec![parse(glob, at, true)];
                while glob[*at] == b',' {
                    *at += 1;
                    choices.push(parse(glob, at, true));
                }
                *at += 1;
                Piece::Choice(choices)
            }
            b'\\' => {
                let literal = glob[*at];
                *at += 1;
                one(move |byte| byte == literal)
            }
            literal => one(move |byte| byte == literal),
        });
    }
    pieces
}

/// Parses `[a-cx]` or `[!a-cx]`. A negated class never matches `/`, so that a match stays within one path
/// component.
fn class(glob: &[u8], at: &mut usize) -> Piece {
    let negated = glob[*at] == b'!';
    *at += usize::from(negated);
    let mut ranges = Vec::new();
    while glob[*at] != b']' {
        let low = glob[*at];
        let wide = glob[*at + 1] == b'-' && glob[*at + 2] != b']';
        let high = if wide { glob[*at + 2] } else { low };
        *at += if wide { 3 } else { 1 };
        ranges.push(low..=high);
    }
    *at += 1;
    one(move |byte| {
        let listed = ranges.iter().any(|range| range.contains(&byte));
        if negated { !listed && byte != b'/' } else { listed }
    })
}

/// Returns the positions reachable after the pieces from the positions before them.
fn behind(pieces: &[Piece], text: &[u8], before: &BTreeSet<usize>) -> BTreeSet<usize> {
    pieces.iter().fold(before.clone(), |before, piece| match piece {
        Piece::One(bytes) => before
            .iter()
            .filter(|at| text.get(**at).is_some_and(|byte| bytes[usize::from(*byte)]))
            .map(|at| at + 1)
            .collect(),
        Piece::Run { slashes } => before
            .iter()
            .flat_map(|at| {
                let rest = text[*at..].iter().take_while(|byte| *slashes || **byte != b'/').count();
                *at..=*at + rest
            })
            .collect(),
        Piece::Choice(choices) => choices.iter().flat_map(|choice| behind(choice, text, &before)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn globs_fit_what_the_reference_says() {
        for (glob, text, expected) in [
            ("?", "a", true),
            ("?", "/", false),
            ("*", "", true),
            ("*", "a/b", false),
            ("**", "a/b", true),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/b/c", false),
            ("/a/**/*.so", "/a/b/c/d.so", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[!a-c]x", "/x", false),
            ("b{a,}sh", "bsh", true),
            ("b{a,{u,z}}sh", "bzsh", true),
            ("b{a,u}sh", "bsh", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
        ] {
            assert_eq!(fits(glob.as_bytes(), text.as_bytes()), expected, "{glob} {text}");
        }
    }
}
