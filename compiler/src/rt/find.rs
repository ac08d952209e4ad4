//! Range tables, and the binary search over them.
//!
//! ```text
//! 53 fe80::/10                    upper halves            53        0: none, fe80..: 1, fec0..: none
//! 53 10.0.0.0/8                   lower halves            53 0      0: none, ffff0a000000: 2, ffff0b000000: none
//! 53 10.0.0.0/8, 53 ::1:0:0/96    the same group
//!
//! krs_find(span, c)               the last row of a group that begins at or below `c`
//! ```
//!
//! A search covers one word; the words before it are looked up exactly (see `exact`) and select a *group* of
//! rows. A range of addresses is cut accordingly: into whole upper halves, and into lower halves under one
//! upper half. An upper half that has rows of lower halves is in no row of upper halves, so a lookup that
//! finds its group need not try the upper halves.
//!
//! A row is the first value of a range or gap, 8 bytes; it ends where the next row begins. The first row of a
//! group begins at 0, so every value lies in some row. Groups are not padded: if the number of rows is not
//! `2^levels`, the first step selects the first or the last `2^levels` rows, which overlap (Knuth, volume 3,
//! 6.2.1, Shar's method).
//!
//! Each further step halves the rows without a branch, by masking the step with the sign of a difference. The
//! verifier follows a single path and derives the bound of the offset from the mask. To make the differences
//! fit a signed word, values are compared without their lowest bit; a result one row too far is corrected at
//! the end.
//!
//! Absent: the owner of a row, which a table beside this one has.

use std::collections::HashSet;

use super::exact::Words;
use super::{Asm, Function, R, Target, alu, jmp, size};
use crate::data::Data;
use crate::limits::RANGE_KEY_WORDS_MAX;
use crate::relocation::{RelocationKind, Section};

/// Finds the row of a value in a group.
pub const FIND: &str = "krs_find";

/// The size of a row in bytes.
pub const ROW_BYTES: u32 = 8;

/// Bit positions in a span of the number of levels and of the offset of the second half.
const LEVELS_AT: u32 = 24;
const SECOND_AT: u32 = 29;

/// The first and last key of a range. They differ only in the last two words.
pub type Range = ([u64; RANGE_KEY_WORDS_MAX], [u64; RANGE_KEY_WORDS_MAX]);

/// Ranges as groups of rows, in the order of the table.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    /// Groups of lower halves, keyed by all words but the last.
    pub lower: Vec<Group>,
    /// Groups of upper halves, keyed by the words before those.
    pub upper: Vec<Group>,
    /// The first value of each row.
    pub begins: Vec<u64>,
    /// The range that each row belongs to; `None` for gaps.
    pub owners: Vec<Option<u32>>,
}

/// A group of rows that is searched as a whole.
#[derive(Debug, PartialEq, Eq)]
pub struct Group {
    /// The exact words that select it.
    pub key: Words,
    /// The index of its first row.
    pub from: u32,
    /// The number of its rows.
    pub count: u32,
}

impl Ranges {
    /// Builds the rows of disjoint ranges over keys of `words` words, in any order.
    #[must_use]
    pub fn of(words: usize, ranges: &[Range]) -> Ranges {
        debug_assert!((2..=RANGE_KEY_WORDS_MAX).contains(&words), "the last two words are the range");
        let before = |key: &[u64; RANGE_KEY_WORDS_MAX], count: usize| {
            let mut exact = Words::default();
            exact[..count].copy_from_slice(&key[..count]);
            exact
        };
        // Upper halves that a range covers only in part, with the words before them.
        let (upper, lower) = (words - 2, words - 1);
        let mut mixed: HashSet<Words> = HashSet::new();
        for (first, last) in ranges {
            mixed.extend((first[lower] != 0).then(|| before(first, lower)));
            mixed.extend((last[lower] != u64::MAX).then(|| before(last, lower)));
        }
        let (mut lowers, mut uppers) = (Vec::new(), Vec::new());
        for ((first, last), owner) in ranges.iter().zip(0..) {
            let (from, to) = (first[upper], last[upper]);
            let first_mixed = mixed.contains(&before(first, lower));
            let last_mixed = from != to && mixed.contains(&before(last, lower));
            if first_mixed {
                let end = if from == to { last[lower] } else { u64::MAX };
                lowers.push((before(first, lower), first[lower], end, owner));
            }
            if last_mixed {
                lowers.push((before(last, lower), 0, last[lower], owner));
            }
            let cut = (u64::from(first_mixed), u64::from(last_mixed));
            if cut.0 + cut.1 <= to - from {
                uppers.push((before(first, upper), from + cut.0, to - cut.1, owner));
            }
        }
        let mut found = Ranges::default();
        found.lower = found.groups(lowers);
        found.upper = found.groups(uppers);
        found
    }

    /// Adds the rows of pieces: key, first value, last value, and owner.
    fn groups(&mut self, mut pieces: Vec<(Words, u64, u64, u32)>) -> Vec<Group> {
        pieces.sort_unstable();
        let mut groups = Vec::new();
        for pieces in pieces.chunk_by(|a, b| a.0 == b.0) {
            let from = self.begins.len() as u32;
            let mut next = Some(0);
            for (_, first, last, owner) in pieces {
                debug_assert!(next.is_some_and(|next| next <= *first), "two ranges overlap");
                if let Some(gap) = next.filter(|next| next < first) {
                    self.row(gap, None);
                }
                self.row(*first, Some(*owner));
                next = last.checked_add(1);
            }
            if let Some(rest) = next {
                self.row(rest, None);
            }
            groups.push(Group { key: pieces[0].0, from, count: self.begins.len() as u32 - from });
        }
        groups
    }

    fn row(&mut self, begins: u64, owner: Option<u32>) {
        self.begins.push(begins);
        self.owners.push(owner);
    }
}

impl Group {
    /// Returns the argument of `krs_find` for the group of a table whose rows begin at offset `rows` of the
    /// constants.
    #[must_use]
    pub fn span(&self, rows: u32) -> u64 {
        let from = rows + ROW_BYTES * self.from;
        let second = ROW_BYTES * (self.count - (1 << self.levels()));
        u64::from(from) | u64::from(self.levels()) << LEVELS_AT | u64::from(second) << SECOND_AT
    }

    /// Returns the number of halving steps.
    #[must_use]
    pub fn levels(&self) -> u32 {
        self.count.ilog2()
    }
}

const BASE: R = R(0);
const LEVELS: R = R(1);
const KEY: R = R(2);
const HALF: R = R(3);
const ROW: R = R(4);
const SECOND: R = R(5);
const WORD: R = R(6);

/// Generates the function `krs_find(span, key)`, which returns the row as an index from the start of the
/// constants.
pub(super) fn find(data: &Data) -> Function {
    let bytes = data.constants.end(Section::Tables).cast_unsigned();
    // The largest offset at which `2^levels` rows fit.
    let limit = |levels: u32| (bytes - (ROW_BYTES << levels)).cast_signed();
    let mut asm = Asm::default();
    let (no, first) = (asm.target(), asm.target());
    asm.note("the first or the last rows of the group");
    asm.mov(ROW, LEVELS);
    asm.alu(alu::AND, ROW, (1 << LEVELS_AT) - 1);
    asm.mov(SECOND, LEVELS);
    asm.alu(alu::RSH, SECOND, SECOND_AT.cast_signed());
    asm.alu(alu::ADD, SECOND, ROW);
    asm.jump(jmp::JGT, SECOND, limit(0), no);
    asm.alu(alu::RSH, LEVELS, LEVELS_AT.cast_signed());
    asm.alu(alu::AND, LEVELS, (1 << (SECOND_AT - LEVELS_AT)) - 1);
    asm.mov(HALF, KEY);
    asm.alu(alu::RSH, HALF, 1);
    asm.alu(alu::ADD, HALF, 1);
    asm.address(BASE, RelocationKind::Constant(Section::Tables, 0));
    asm.mov(WORD, BASE);
    asm.alu(alu::ADD, WORD, SECOND);
    asm.load(size::DW, WORD, WORD, 0);
    asm.jump(jmp::JGT, WORD, KEY, first);
    asm.mov(ROW, SECOND);
    asm.bind(first);
    let steps: Vec<Target> = (0..=data.levels).map(|_| asm.target()).collect();
    dispatch(&mut asm, 0, data.levels, &mut |asm, levels| {
        asm.jump(jmp::JGT, ROW, limit(levels), no);
        asm.alu(alu::ADD, ROW, BASE);
        asm.goto(steps[levels as usize]);
    });
    for levels in (1..=data.levels).rev() {
        let half = (ROW_BYTES << (levels - 1)).cast_signed();
        asm.bind(steps[levels as usize]);
        match i16::try_from(half) {
            Ok(half) => asm.load(size::DW, WORD, ROW, half),
            Err(_) => {
                asm.mov(WORD, ROW);
                asm.alu(alu::ADD, WORD, half);
                asm.load(size::DW, WORD, WORD, 0);
            }
        }
        asm.alu(alu::RSH, WORD, 1);
        // Negative if the row begins at or below the key.
        asm.alu(alu::SUB, WORD, HALF);
        asm.alu(alu::ARSH, WORD, 63);
        asm.alu(alu::AND, WORD, half);
        asm.alu(alu::ADD, ROW, WORD);
    }
    asm.bind(steps[0]);
    asm.note("one row back if the lowest bits require it");
    let there = asm.target();
    asm.load(size::DW, WORD, ROW, 0);
    asm.alu(alu::SUB, ROW, BASE);
    asm.jump(jmp::JLE, WORD, KEY, there);
    asm.alu(alu::ADD, ROW, -ROW_BYTES.cast_signed());
    asm.bind(there);
    asm.mov(R(0), ROW);
    asm.alu(alu::RSH, R(0), ROW_BYTES.trailing_zeros().cast_signed());
    asm.exit();
    asm.bind(no);
    asm.mov(R(0), 0);
    asm.exit();
    asm.finish(FIND, 2)
}

/// Dispatches on the number of levels of a group by binary search; `enter` emits the code for one number. A
/// larger number than the maximum is treated as the maximum.
fn dispatch(asm: &mut Asm, least: u32, most: u32, enter: &mut impl FnMut(&mut Asm, u32)) {
    if least == most {
        return enter(asm, least);
    }
    let middle = least.midpoint(most);
    let above = asm.target();
    asm.jump(jmp::JGT, LEVELS, middle.cast_signed(), above);
    dispatch(asm, least, middle, enter);
    asm.bind(above);
    dispatch(asm, middle + 1, most, enter);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the range that a search would find.
    fn found(ranges: &Ranges, words: usize, key: [u64; 3]) -> Option<u32> {
        let group = |groups: &'_ [Group], count: usize| {
            let group = groups.iter().find(|group| group.key[..count] == key[..count])?;
            Some((group.from as usize, group.count as usize, key[count]))
        };
        let (from, count, word) = group(&ranges.lower, words - 1).or_else(|| group(&ranges.upper, words - 2))?;
        let rows = &ranges.begins[from..from + count];
        assert_eq!(rows[0], 0);
        ranges.owners[from + rows.partition_point(|begins| *begins <= word) - 1]
    }

    #[test]
    fn ranges_are_cut_at_upper_halves() {
        // From the middle of one upper half to the middle of another; a range after it in the same half; a
        // whole half; all values of another key.
        let ranges: [Range; 4] = [
            ([1, 5, 7], [1, 9, 3]),
            ([1, 9, 4], [1, 9, 4]),
            ([1, 10, 0], [1, 10, u64::MAX]),
            ([2, 0, 0], [2, u64::MAX, u64::MAX]),
        ];
        let rows = Ranges::of(3, &ranges);
        let keys = |groups: &[Group]| groups.iter().map(|group| group.key).collect::<Vec<Words>>();
        assert_eq!(keys(&rows.lower), [[1, 5, 0, 0], [1, 9, 0, 0]]);
        assert_eq!(keys(&rows.upper), [[1, 0, 0, 0], [2, 0, 0, 0]]);
        for (key, owner) in [
            ([1, 5, 6], None),
            ([1, 5, 7], Some(0)),
            ([1, 5, u64::MAX], Some(0)),
            ([1, 6, 0], Some(0)),
            ([1, 8, u64::MAX], Some(0)),
            ([1, 9, 3], Some(0)),
            ([1, 9, 4], Some(1)),
            ([1, 9, 5], None),
            ([1, 10, 77], Some(2)),
            ([1, 11, 0], None),
            ([1, 4, u64::MAX], None),
            ([2, u64::MAX, u64::MAX], Some(3)),
            ([3, 0, 0], None),
        ] {
            assert_eq!(found(&rows, 3, key), owner, "{key:?}");
        }
    }

    #[test]
    fn a_span_encodes_all_rows() {
        for count in 1..70 {
            let group = Group { key: Words::default(), from: 3, count };
            let levels = group.levels();
            assert!(1 << levels <= count && count < 2 << levels);
            let span = group.span(64);
            assert_eq!(span & 0xff_ffff, 64 + 3 * 8);
            assert_eq!(span >> SECOND_AT, u64::from(8 * (count - (1 << levels))));
        }
    }
}
