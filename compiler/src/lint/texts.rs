//! What a string or a path can be: one of a few texts, and what was asked of it besides.
//!
//! `p under "/etc"` and `p == "/usr/bin/passwd"` leave nothing.
//!
//! Invariant: [`Texts::possible`] is false only if no text is left.

use crate::automaton::Automaton;
use crate::hir::TextTest;

/// So many texts are tried with globs.
const GLOBBED_MAX: usize = 16;

/// What a text can be.
#[derive(Default)]
pub(super) struct Texts<'p> {
    among: Option<Vec<&'p [u8]>>,
    none_of: Vec<&'p [u8]>,
    tests: Vec<(&'p TextTest, bool)>,
}

impl<'p> Texts<'p> {
    /// It is (not) one of these.
    pub(super) fn one_of(&mut self, set: &'p [Vec<u8>], holds: bool) {
        if !holds {
            self.none_of.extend(set.iter().map(Vec::as_slice));
            return;
        }
        let among = match self.among.take() {
            Some(known) => known.into_iter().filter(|text| set.iter().any(|new| new == text)).collect(),
            None => set.iter().map(Vec::as_slice).collect(),
        };
        self.among = Some(among);
    }

    /// The test says (not) so.
    pub(super) fn like(&mut self, test: &'p TextTest, holds: bool) {
        self.tests.push((test, holds));
    }

    /// Whether any text is left.
    pub(super) fn possible(&self) -> bool {
        if let Some(among) = &self.among {
            return among.iter().any(|text| {
                !self.none_of.contains(text)
                    && self.tests.iter().all(|(test, wanted)| match test {
                        // An automaton is made for each glob: not for long lists.
                        TextTest::Like(_) if among.len() > GLOBBED_MAX => true,
                        _ => passes(text, test).is_none_or(|passes| passes == *wanted),
                    })
            });
        }
        self.tests.iter().enumerate().all(|(at, (one, holds))| {
            self.tests[..at].iter().all(|(other, known)| match (holds, known) {
                (true, true) => !apart(one, other),
                (true, false) => !implies(one, other),
                (false, true) => !implies(other, one),
                (false, false) => true,
            })
        })
    }
}

/// What a text that passes the test must begin with.
fn beginning(test: &TextTest) -> Option<&[u8]> {
    match test {
        TextTest::Under(text) | TextTest::StartsWith(text) => Some(text),
        TextTest::OneOf(_) | TextTest::EndsWith(_) | TextTest::Contains(_) | TextTest::Like(_) => None,
    }
}

/// Whether no text passes both tests.
fn apart(one: &TextTest, other: &TextTest) -> bool {
    match (one, other) {
        (TextTest::EndsWith(one), TextTest::EndsWith(other)) => !one.ends_with(other) && !other.ends_with(one),
        // `/etc` and `/etcetera` begin alike, and are apart all the same.
        (TextTest::Under(one), TextTest::Under(other)) => !below(one, other) && !below(other, one),
        _ => match (beginning(one), beginning(other)) {
            (Some(one), Some(other)) => !one.starts_with(other) && !other.starts_with(one),
            _ => false,
        },
    }
}

/// Whether every text that passes the first test passes the second.
fn implies(one: &TextTest, other: &TextTest) -> bool {
    match (one, other) {
        (TextTest::Under(one), TextTest::Under(other)) => below(one, other),
        (TextTest::Under(one) | TextTest::StartsWith(one), TextTest::StartsWith(other)) => one.starts_with(other),
        (TextTest::EndsWith(one), TextTest::EndsWith(other)) => one.ends_with(other),
        (
            TextTest::Under(one) | TextTest::StartsWith(one) | TextTest::EndsWith(one) | TextTest::Contains(one),
            TextTest::Contains(other),
        ) => one.windows(other.len().max(1)).any(|part| part == other),
        _ => one == other,
    }
}

/// Whether a path is the directory or something below it; neither has a slash at its end.
fn below(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// Whether the text passes; `None` where that is not known.
fn passes(text: &[u8], test: &TextTest) -> Option<bool> {
    Some(match test {
        TextTest::OneOf(set) => set.iter().any(|known| known == text),
        TextTest::Under(directory) => below(text, directory),
        TextTest::StartsWith(part) => text.starts_with(part),
        TextTest::EndsWith(part) => text.ends_with(part),
        TextTest::Contains(part) => text.windows(part.len().max(1)).any(|window| window == part),
        TextTest::Like(_) => Automaton::one(test).ok()?.row(text) != 0,
    })
}
