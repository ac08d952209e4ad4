//! What an index looks up: parts, and how they share the words of a key.
//!
//! ```text
//! (u32, u16)                one word, the second part above the first
//! (ip, u16)                 three words: the port, then the halves of the address
//! (text, u32)               one word: the text's row in a table or an automaton of its own, and the number
//! ```
//!
//! Invariants: numbers and texts come before addresses and names, which have two words each; of networks, which are
//! not looked up exactly, there is at most one, and it comes last.

use crate::hir::{TextTest, Ty, Value};

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
}

/// What a rule has for a part.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Element {
    /// A number's pattern, an address, or the bytes of a name, filled up with zeros, the first the lowest.
    Number(u128),
    /// The first and the last address.
    Range(u128, u128),
    /// Bytes of a text.
    Text(Vec<u8>),
    /// What a text is like: stands for the rows of an automaton, and in no row of an index.
    Pattern(TextTest),
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
            (PartKind::Name | PartKind::Ip | PartKind::Network, _) => 16,
        }
    }
}

/// The words of a key and the places of its parts; `None` where there is not so much room.
#[must_use]
pub fn places<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Option<(usize, Vec<Place>)> {
    let (mut words, mut used, mut places, mut network) = (0, 64, Vec::new(), false);
    for part in parts {
        let bytes = part.bytes();
        if bytes == 16 {
            debug_assert!(!network, "a network comes last");
            network = part.kind == PartKind::Network;
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
    let most = if network { crate::bpf::library::find::FIND.len() } else { WORDS_MAX };
    (1..=most).contains(&words).then_some((words, places))
}
