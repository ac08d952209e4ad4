//! Evaluation of tests of texts: `"/etc/passwd" like "/etc/*"`.
//!
//! Globs are matched by backtracking, which can take exponential time.

use crate::hir::TextTest;

/// Returns true if a text passes a test.
#[must_use]
pub fn passes(test: &TextTest, text: &[u8]) -> bool {
    match test {
        TextTest::OneOf(set) => set.iter().any(|one| one == text),
        TextTest::Under(directory) => text == directory || text.starts_with(&[directory.as_slice(), b"/"].concat()),
        TextTest::StartsWith(part) => text.starts_with(part),
        TextTest::EndsWith(part) => text.ends_with(part),
        TextTest::Contains(part) => text.windows(part.len()).any(|window| window == part.as_slice()),
        TextTest::Like(pattern) => glob(pattern, text),
    }
}

/// Returns true if a glob matches a whole text.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    fits(&[pattern], text)
}

/// Matches the concatenation of several parts of a pattern.
fn fits(pattern: &[&[u8]], text: &[u8]) -> bool {
    let Some((first, others)) = pattern.split_first() else {
        return text.is_empty();
    };
    let after = |rest: &[u8], text: &[u8]| {
        let parts: Vec<&[u8]> = std::iter::once(rest).chain(others.iter().copied()).collect();
        fits(&parts, text)
    };
    match *first {
        [] => fits(others, text),
        [b'*', b'*', rest @ ..] => (0..=text.len()).any(|skip| after(rest, &text[skip..])),
        [b'*', rest @ ..] => {
            let run = text.iter().take_while(|byte| **byte != b'/').count();
            (0..=run).any(|skip| after(rest, &text[skip..]))
        }
        [b'?', rest @ ..] => text.first().is_some_and(|byte| *byte != b'/') && after(rest, &text[1..]),
        [b'[', rest @ ..] => {
            let (class, rest) = class(rest);
            text.first().is_some_and(|byte| class.contains(byte)) && after(rest, &text[1..])
        }
        [b'{', rest @ ..] => {
            let (choices, rest) = choices(rest);
            choices.iter().any(|choice| {
                let parts: Vec<&[u8]> = [*choice, rest].into_iter().chain(others.iter().copied()).collect();
                fits(&parts, text)
            })
        }
        [b'\\', byte, rest @ ..] | [byte, rest @ ..] => text.first() == Some(byte) && after(rest, &text[1..]),
    }
}

/// Parses a class after its `[`; returns its bytes and the pattern after its `]`.
fn class(pattern: &[u8]) -> (Vec<u8>, &[u8]) {
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let mut at = usize::from(negated);
    let first = at;
    let mut listed = Vec::new();
    let byte = |at: &mut usize| {
        *at += usize::from(pattern[*at] == b'\\');
        *at += 1;
        pattern[*at - 1]
    };
    while at == first || pattern[at] != b']' {
        let low = byte(&mut at);
        let high = if pattern[at] == b'-' && pattern[at + 1] != b']' {
            at += 1;
            byte(&mut at)
        } else {
            low
        };
        listed.extend(low..=high);
    }
    // A negated class does not match a slash.
    let bytes = if negated { (0..=u8::MAX).filter(|b| !listed.contains(b) && *b != b'/').collect() } else { listed };
    (bytes, &pattern[at + 1..])
}

/// Parses alternatives after a `{`; returns them and the pattern after the `}`.
fn choices(pattern: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let (mut depth, mut at, mut from, mut choices) = (1, 0, 0, Vec::new());
    loop {
        match pattern[at] {
            b'\\' => at += 1,
            b'[' => {
                let (_, rest) = class(&pattern[at + 1..]);
                at = pattern.len() - rest.len() - 1;
            }
            b'{' => depth += 1,
            b',' if depth == 1 => {
                choices.push(&pattern[from..at]);
                from = at + 1;
            }
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    choices.push(&pattern[from..at]);
                    return (choices, &pattern[at + 1..]);
                }
            }
            _ => {}
        }
        at += 1;
    }
}
