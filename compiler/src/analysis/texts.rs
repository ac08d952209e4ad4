//! Abstract domain of texts: a list of candidates, and tests that must hold or must not.
//!
//! `p under "/etc"` and `p == "/usr/bin/passwd"` have no common text.
//!
//! Invariant: [`Texts::possible`] is false only if no text satisfies all constraints.

use crate::automaton::Automaton;
use crate::text_test::TextTest;

/// Maximum number of candidates that are matched against globs.
const GLOBBED_MAX: usize = 16;

/// Constraints on a text.
#[derive(Default)]
pub(super) struct Texts<'p> {
    among: Option<Vec<&'p [u8]>>,
    none_of: Vec<&'p [u8]>,
    tests: Vec<(&'p TextTest, bool)>,
}

impl<'p> Texts<'p> {
    /// Adds that the text is, or is not, in a list.
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

    /// Adds that a test holds, or does not.
    pub(super) fn like(&mut self, test: &'p TextTest, holds: bool) {
        self.tests.push((test, holds));
    }

    /// Returns whether some text may satisfy all constraints.
    pub(super) fn possible(&self) -> bool {
        if let Some(among) = &self.among {
            return among.iter().any(|text| {
                !self.none_of.contains(text)
                    && self.tests.iter().all(|(test, wanted)| match test {
                        // An automaton is built for each glob and candidate, which is too slow for long lists.
                        TextTest::Like(_) if among.len() > GLOBBED_MAX => true,
                        _ => passes(text, test).is_none_or(|passes| passes == *wanted),
                    })
            });
        }
        self.tests.iter().enumerate().all(|(at, (one, holds))| {
            self.tests[..at].iter().all(|(other, known)| match (holds, known) {
                (true, true) => !disjoint(one, other),
                (true, false) => !implies(one, other),
                (false, true) => !implies(other, one),
                (false, false) => true,
            })
        })
    }
}

/// Returns the prefix of all texts that pass a test.
fn prefix(test: &TextTest) -> Option<&[u8]> {
    match test {
        TextTest::Under(text) | TextTest::StartsWith(text) => Some(text),
        TextTest::OneOf(_) | TextTest::EndsWith(_) | TextTest::Contains(_) | TextTest::Like(_) => None,
    }
}

/// Returns whether no text passes both tests.
fn disjoint(one: &TextTest, other: &TextTest) -> bool {
    match (one, other) {
        (TextTest::EndsWith(one), TextTest::EndsWith(other)) => !one.ends_with(other) && !other.ends_with(one),
        // `/etc` is a prefix of `/etcetera`, but no path is under both.
        (TextTest::Under(one), TextTest::Under(other)) => !below(one, other) && !below(other, one),
        _ => match (prefix(one), prefix(other)) {
            (Some(one), Some(other)) => !one.starts_with(other) && !other.starts_with(one),
            _ => false,
        },
    }
}

/// Returns whether every text that passes the first test passes the second.
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

/// Returns whether a path is a directory or below it. Neither ends with a slash.
fn below(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// Returns whether a text passes a test, or `None` if the glob is too complex.
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
