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

/// The most words of a key that is looked up exactly.
pub const WORDS_MAX: usize = 4;

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
    let most = if range { crate::bpf::library::find::WORDS_MAX } else { WORDS_MAX };
    (1..=most).contains(&words).then_some((words, places))
}
