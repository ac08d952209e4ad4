//! What an index looks up: parts, and how they share the words of a key.
//!
//! ```text
//! (u32, u16)                one word, the second part above the first
//! (ip, u16)                 three words: the port, then the halves of the address
//! (text, u32)               one word: the text's row in a table or an automaton of its own, and the number
//! (u32, range of u16)       two words: the first part, and the number by itself
//! ```
//!
//! Invariants: numbers and texts come before addresses and names, which have two words each; of networks and ranges,
//! which are not looked up exactly, there is at most one, and it comes last.

use crate::hir::{Int, Ty, Value};
use crate::limits;

/// One value that is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// How.
    pub kind: PartKind,
    /// What.
    pub value: Value,
}

/// How a value is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PartKind {
    /// An integer, exactly.
    Number,
    /// A text, exactly.
    Text,
    /// A text, by the patterns that fit it.
    Match,
    /// The task's name, exactly.
    Name,
    /// An address, exactly.
    Ip,
    /// An address, by the networks around it.
    Network,
    /// An integer, by the ranges around it.
    Range,
}

impl PartKind {
    /// It is looked up by what is around it.
    #[must_use]
    pub fn is_range(self) -> bool {
        matches!(self, PartKind::Network | PartKind::Range)
    }
}

/// A number as it is searched for among ranges: negative ones come first.
#[must_use]
pub fn ordered(int: Int, number: i128) -> u128 {
    if int.signed { (number - i128::from(i64::MIN)) as u128 } else { number as u128 }
}

/// What a rule has for a part.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Element {
    /// A number's pattern, an address, or the bytes of a name, filled up with zeros, the first the lowest.
    Number(u128),
    /// The first and the last address, or number, which are [`ordered`].
    Range(u128, u128),
    /// Bytes of a text.
    Text(Vec<u8>),
}

/// Where a part is in a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The first word.
    pub word: usize,
    /// By how many bits it is shifted there.
    pub shift: u32,
}

impl Part {
    /// Bytes in a key.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        match (self.kind, self.value.ty) {
            (PartKind::Number, Ty::Int(int)) => int.bytes,
            // The number of a row.
            (PartKind::Number | PartKind::Text | PartKind::Match, _) => 4,
            (PartKind::Range, _) => 8,
            (PartKind::Name | PartKind::Ip | PartKind::Network, _) => 16,
        }
    }
}

/// The words of a key and the places of its parts; `None` where there is not so much room.
#[must_use]
pub fn places<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Option<(usize, Vec<Place>)> {
    let (mut words, mut used, mut places, mut range) = (0, 64, Vec::new(), false);
    for part in parts {
        let bytes = part.bytes();
        debug_assert!(!range, "what is not looked up exactly comes last");
        range = part.kind.is_range();
        if part.kind == PartKind::Range {
            // The search takes two words at least.
            let word = words.max(1);
            places.push(Place { word, shift: 0 });
            (words, used) = (word + 1, 64);
            continue;
        }
        if bytes == 16 {
            places.push(Place { word: words, shift: 0 });
            (words, used) = (words + 2, 64);
            continue;
        }
        if used + 8 * bytes > 64 {
            (words, used) = (words + 1, 0);
        }
        places.push(Place { word: words - 1, shift: used });
        used += 8 * bytes;
    }
    let most = if range { limits::RANGE_KEY_WORDS_MAX } else { limits::EXACT_KEY_WORDS_MAX };
    (1..=most).contains(&words).then_some((words, places))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hir::{TaskField, ValueKind};

    #[test]
    fn parts_share_words_where_they_fit() {
        use PartKind::{Ip, Name, Network, Number, Range, Text};
        let part = |(kind, bytes): (PartKind, u32)| {
            let kind_of_value = ValueKind::Task(TaskField::Uid);
            let value = Value { span: Default::default(), ty: Ty::Int(Int::plain(bytes, false)), kind: kind_of_value };
            Part { kind, value }
        };
        for (parts, wanted) in [
            (&[(Number, 4)][..], Some((1, vec![(0, 0)]))),
            (&[(Number, 4), (Number, 2), (Number, 2)], Some((1, vec![(0, 0), (0, 32), (0, 48)]))),
            (&[(Number, 4), (Number, 4), (Number, 1)], Some((2, vec![(0, 0), (0, 32), (1, 0)]))),
            // A number is not torn apart.
            (&[(Number, 4), (Number, 8)], Some((2, vec![(0, 0), (1, 0)]))),
            // The number of a text's row has 4 bytes.
            (&[(Text, 8), (Number, 4)], Some((1, vec![(0, 0), (0, 32)]))),
            (&[(Ip, 8)], Some((2, vec![(0, 0)]))),
            (&[(Number, 2), (Ip, 8)], Some((3, vec![(0, 0), (1, 0)]))),
            (&[(Name, 8), (Ip, 8)], Some((4, vec![(0, 0), (2, 0)]))),
            (&[(Number, 2), (Name, 8), (Ip, 8)], None),
            // A search for ranges takes two words at least, and three at most.
            (&[(Range, 4)], Some((2, vec![(1, 0)]))),
            (&[(Number, 2), (Range, 4)], Some((2, vec![(0, 0), (1, 0)]))),
            (&[(Number, 8), (Number, 8), (Range, 4)], Some((3, vec![(0, 0), (1, 0), (2, 0)]))),
            (&[(Number, 8), (Number, 8), (Number, 8), (Range, 4)], None),
            (&[(Network, 8)], Some((2, vec![(0, 0)]))),
            (&[(Number, 2), (Network, 8)], Some((3, vec![(0, 0), (1, 0)]))),
            (&[(Number, 8), (Number, 8), (Network, 8)], None),
            (&[], None),
        ] {
            let parts: Vec<Part> = parts.iter().copied().map(part).collect();
            let found = places(&parts);
            let found =
                found.map(|(words, places)| (words, places.iter().map(|place| (place.word, place.shift)).collect()));
            assert_eq!(found, wanted, "{parts:?}");
        }
    }

    #[test]
    fn numbers_are_ordered_as_they_are_compared() {
        let signed = |number| ordered(Int::plain(4, true), number);
        assert!(signed(-2) < signed(-1) && signed(-1) < signed(0) && signed(0) < signed(1));
        assert_eq!(ordered(Int::plain(8, true), i128::from(i64::MIN)), 0);
        assert_eq!(ordered(Int::plain(8, false), 7), 7);
    }
}
