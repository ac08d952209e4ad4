//! Keys of an index: typed columns, packed into 64-bit words.
//!
//! ```text
//! (u32, u16)                one word, the second column in the bits above the first
//! (ip, u16)                 three words: the port, then the two halves of the address
//! (text, u32)               one word: the row of the text in a table or automaton of its own, and the number
//! (u32, range of u16)       two words: the first column, and the number in a word by itself
//! ```
//!
//! Invariants: numbers and texts precede addresses and names, which take two words each; there is at most one
//! network or range, which is not looked up exactly, and it is the last column.

use crate::hir::{Int, Ty, Value};
use crate::limits;

/// One value that is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    /// Kind of the lookup.
    pub kind: ColumnKind,
    /// Value of the operation.
    pub value: Value,
}

/// Kind of lookup of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ColumnKind {
    /// An integer, by equality.
    Number,
    /// A text, by equality.
    Text,
    /// A text, by the set of patterns that it matches.
    Match,
    /// The 16 bytes of `task.comm`, by equality.
    Name,
    /// An IP address, by equality.
    Ip,
    /// An IP address, by the networks that contain it.
    Network,
    /// An integer, by the ranges that contain it.
    Range,
}

impl ColumnKind {
    /// Returns whether the column is looked up by containment instead of equality.
    #[must_use]
    pub fn is_range(self) -> bool {
        matches!(self, ColumnKind::Network | ColumnKind::Range)
    }
}

/// Maps a number to its key in a range search, such that negative numbers sort first.
#[must_use]
pub fn ordered(int: Int, number: i128) -> u128 {
    if int.signed { (number - i128::from(i64::MIN)) as u128 } else { number as u128 }
}

/// Constant of a rule for one column.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Element {
    /// A number in two's complement of its width, an address, or the bytes of a name, zero-padded, in little
    /// endian.
    Number(u128),
    /// First and last address, or number mapped by [`ordered`].
    Range(u128, u128),
    /// The bytes of a text.
    Text(Vec<u8>),
}

/// Position of a column in a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// Index of the first word.
    pub word: usize,
    /// Bits by which the column is shifted in the word.
    pub shift: u32,
}

impl Column {
    /// Returns the size in a key, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        match (self.kind, self.value.ty) {
            (ColumnKind::Number, Ty::Int(int)) => int.bytes,
            // A row number stands for the text.
            (ColumnKind::Number | ColumnKind::Text | ColumnKind::Match, _) => 4,
            (ColumnKind::Range, _) => 8,
            (ColumnKind::Name | ColumnKind::Ip | ColumnKind::Network, _) => 16,
        }
    }
}

/// Computes the number of words of a key and the offsets of its columns. Returns `None` if the key would be too
/// large.
#[must_use]
pub fn layout<'a>(columns: impl IntoIterator<Item = &'a Column>) -> Option<(usize, Vec<Offset>)> {
    let (mut words, mut used, mut offsets, mut range) = (0, 64, Vec::new(), false);
    for column in columns {
        let bytes = column.bytes();
        debug_assert!(!range, "a network or range is the last column");
        range = column.kind.is_range();
        if column.kind == ColumnKind::Range {
            // The binary search takes keys of at least two words.
            let word = words.max(1);
            offsets.push(Offset { word, shift: 0 });
            (words, used) = (word + 1, 64);
            continue;
        }
        if bytes == 16 {
            offsets.push(Offset { word: words, shift: 0 });
            (words, used) = (words + 2, 64);
            continue;
        }
        if used + 8 * bytes > 64 {
            (words, used) = (words + 1, 0);
        }
        offsets.push(Offset { word: words - 1, shift: used });
        used += 8 * bytes;
    }
    let most = if range { limits::RANGE_KEY_WORDS_MAX } else { limits::EXACT_KEY_WORDS_MAX };
    (1..=most).contains(&words).then_some((words, offsets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hir::{TaskField, ValueKind};

    #[test]
    fn columns_share_words_where_they_fit() {
        use ColumnKind::{Ip, Name, Network, Number, Range, Text};
        let column = |(kind, bytes): (ColumnKind, u32)| {
            let kind_of_value = ValueKind::Task(TaskField::Uid);
            let value = Value { span: Default::default(), ty: Ty::Int(Int::plain(bytes, false)), kind: kind_of_value };
            Column { kind, value }
        };
        for (columns, wanted) in [
            (&[(Number, 4)][..], Some((1, vec![(0, 0)]))),
            (&[(Number, 4), (Number, 2), (Number, 2)], Some((1, vec![(0, 0), (0, 32), (0, 48)]))),
            (&[(Number, 4), (Number, 4), (Number, 1)], Some((2, vec![(0, 0), (0, 32), (1, 0)]))),
            // A number does not cross words.
            (&[(Number, 4), (Number, 8)], Some((2, vec![(0, 0), (1, 0)]))),
            // The row number of a text has 4 bytes.
            (&[(Text, 8), (Number, 4)], Some((1, vec![(0, 0), (0, 32)]))),
            (&[(Ip, 8)], Some((2, vec![(0, 0)]))),
            (&[(Number, 2), (Ip, 8)], Some((3, vec![(0, 0), (1, 0)]))),
            (&[(Name, 8), (Ip, 8)], Some((4, vec![(0, 0), (2, 0)]))),
            (&[(Number, 2), (Name, 8), (Ip, 8)], None),
            // A range search takes two or three words.
            (&[(Range, 4)], Some((2, vec![(1, 0)]))),
            (&[(Number, 2), (Range, 4)], Some((2, vec![(0, 0), (1, 0)]))),
            (&[(Number, 8), (Number, 8), (Range, 4)], Some((3, vec![(0, 0), (1, 0), (2, 0)]))),
            (&[(Number, 8), (Number, 8), (Number, 8), (Range, 4)], None),
            (&[(Network, 8)], Some((2, vec![(0, 0)]))),
            (&[(Number, 2), (Network, 8)], Some((3, vec![(0, 0), (1, 0)]))),
            (&[(Number, 8), (Number, 8), (Network, 8)], None),
            (&[], None),
        ] {
            let columns: Vec<Column> = columns.iter().copied().map(column).collect();
            let found = layout(&columns);
            let found = found.map(|(words, offsets)| (words, offsets.iter().map(|at| (at.word, at.shift)).collect()));
            assert_eq!(found, wanted, "{columns:?}");
        }
    }

    #[test]
    fn range_keys_sort_like_their_numbers() {
        let signed = |number| ordered(Int::plain(4, true), number);
        assert!(signed(-2) < signed(-1) && signed(-1) < signed(0) && signed(0) < signed(1));
        assert_eq!(ordered(Int::plain(8, true), i128::from(i64::MIN)), 0);
        assert_eq!(ordered(Int::plain(8, false), 7), 7);
    }
}
