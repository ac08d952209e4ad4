//! Tables of ranges, and the function that searches them.
//!
//! ```text
//! 53 fe80::/10                    of upper halves         53        0: nobody, fe80..: 1, fec0..: nobody
//! 53 10.0.0.0/8                   of one upper half       53 0      0: nobody, ffff0a000000: 2, ffff0b000000: nobody
//! 53 10.0.0.0/8, 53 ::1:0:0/96    the same group
//!
//! krs_find(span, c)               the last row of a group that does not begin beyond `c`
//! ```
//!
//! What is searched for is one word: all that comes before it is looked up exactly (see `exact`) and leads to a *group* of
//! rows. A range of addresses is cut into parts for that: such as are whole upper halves, and such as are some of
//! the lower halves behind one upper half. An upper half that has some of the latter has nothing else, so that
//! whoever finds it need not look for the former.
//!
//! A row is where something begins, 8 bytes; it ends where the next one begins, and what is between ranges is a row too. The first row
//! of a group begins at 0, so that every word is in some row. Nothing is filled up: where a group has not `2^levels` rows,
//! the first step chooses its first or its last so many, which overlap (Knuth, volume 3, 6.2.1, Shar's method).
//!
//! Each further step halves the rows without a branch: of the sign of a difference a step is made, or none. The verifier sees one way,
//! and knows from the mask how far it can lead. So that differences have a sign, words are compared without their lowest bit, and what
//! that has led one row too far is taken back at the end.
//!
//! Absent: whose a row is, which is a table beside this one.

use std::collections::HashSet;

use super::exact::Words;
use super::{Asm, Label, R, alu, jmp, size};
use crate::bpf::{Code, Function, RelocationKind, Section};
use crate::limits::RANGE_KEY_WORDS_MAX;

/// Finds the row of a group.
pub const FIND: &str = "krs_find";

/// Bytes of a row.
pub const ROW_BYTES: u32 = 8;

/// Where a span has its levels, and from where on its second half.
const LEVELS_AT: u32 = 24;
const SECOND_AT: u32 = 29;

/// The first key and the last one. They differ in the last two words only.
pub type Range = ([u64; RANGE_KEY_WORDS_MAX], [u64; RANGE_KEY_WORDS_MAX]);

/// Ranges as groups of rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    /// Of words behind one upper half: keyed by all words but the last one.
    pub lower: Vec<Group>,
    /// Of whole upper halves: keyed by all words before that.
    pub upper: Vec<Group>,
    /// By row: where it begins.
    pub begins: Vec<u64>,
    /// By row: which range it belongs to, if to any.
    pub whose: Vec<Option<u32>>,
}

/// Rows that are searched together.
#[derive(Debug, PartialEq, Eq)]
pub struct Group {
    /// What leads to it.
    pub key: Words,
    /// Its first row.
    pub from: u32,
    /// How many it has.
    pub count: u32,
}

impl Ranges {
    /// Of ranges that do not overlap, in any order, by so many words.
    #[must_use]
    pub fn of(words: usize, ranges: &[Range]) -> Ranges {
        debug_assert!((2..=RANGE_KEY_WORDS_MAX).contains(&words), "the last two words are the range");
        let before = |key: &[u64; RANGE_KEY_WORDS_MAX], count: usize| {
            let mut exact = Words::default();
            exact[..count].copy_from_slice(&key[..count]);
            exact
        };
        // Upper halves of which some have one thing and some have another, with what comes before them.
        let (upper, lower) = (words - 2, words - 1);
        let mut mixed: HashSet<Words> = HashSet::new();
        for (first, last) in ranges {
            mixed.extend((first[lower] != 0).then(|| before(first, lower)));
            mixed.extend((last[lower] != u64::MAX).then(|| before(last, lower)));
        }
        let (mut lowers, mut uppers) = (Vec::new(), Vec::new());
        for ((first, last), whose) in ranges.iter().zip(0..) {
            let (from, to) = (first[upper], last[upper]);
            let first_mixed = mixed.contains(&before(first, lower));
            let last_mixed = from != to && mixed.contains(&before(last, lower));
            if first_mixed {
                let end = if from == to { last[lower] } else { u64::MAX };
                lowers.push((before(first, lower), first[lower], end, whose));
            }
            if last_mixed {
                lowers.push((before(last, lower), 0, last[lower], whose));
            }
            let cut = (u64::from(first_mixed), u64::from(last_mixed));
            if cut.0 + cut.1 <= to - from {
                uppers.push((before(first, upper), from + cut.0, to - cut.1, whose));
            }
        }
        let mut found = Ranges::default();
        found.lower = found.groups(lowers);
        found.upper = found.groups(uppers);
        found
    }

    /// Adds the rows of parts: a key, the first word, the last one, and whose it is.
    fn groups(&mut self, mut parts: Vec<(Words, u64, u64, u32)>) -> Vec<Group> {
        parts.sort_unstable();
        let mut groups = Vec::new();
        for parts in parts.chunk_by(|a, b| a.0 == b.0) {
            let from = self.begins.len() as u32;
            let mut next = Some(0);
            for (_, first, last, whose) in parts {
                debug_assert!(next.is_some_and(|next| next <= *first), "two ranges overlap");
                if let Some(gap) = next.filter(|next| next < first) {
                    self.row(gap, None);
                }
                self.row(*first, Some(*whose));
                next = last.checked_add(1);
            }
            if let Some(rest) = next {
                self.row(rest, None);
            }
            groups.push(Group { key: parts[0].0, from, count: self.begins.len() as u32 - from });
        }
        groups
    }

    fn row(&mut self, begins: u64, whose: Option<u32>) {
        self.begins.push(begins);
        self.whose.push(whose);
    }
}

impl Group {
    /// What the function takes for it, where the rows of its table begin at `rows` in the constants.
    #[must_use]
    pub fn span(&self, rows: u32) -> u64 {
        let from = rows + ROW_BYTES * self.from;
        let second = ROW_BYTES * (self.count - (1 << self.levels()));
        u64::from(from) | u64::from(self.levels()) << LEVELS_AT | u64::from(second) << SECOND_AT
    }

    /// So many halvings find a row.
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

/// `krs_find(span, key)`: the row, in words from the beginning of the constants.
pub(super) fn find(code: &Code) -> Function {
    let bytes = code.constants.end(Section::Tables).cast_unsigned();
    // Where `2^levels` rows begin at most.
    let limit = |levels: u32| (bytes - (ROW_BYTES << levels)).cast_signed();
    let mut asm = Asm::default();
    let (no, first) = (asm.label(), asm.label());
    asm.note("the first rows of the group or the last");
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
    asm.place(first);
    let steps: Vec<Label> = (0..=code.levels).map(|_| asm.label()).collect();
    dispatch(&mut asm, 0, code.levels, &mut |asm, levels| {
        asm.jump(jmp::JGT, ROW, limit(levels), no);
        asm.alu(alu::ADD, ROW, BASE);
        asm.goto(steps[levels as usize]);
    });
    for levels in (1..=code.levels).rev() {
        let half = (ROW_BYTES << (levels - 1)).cast_signed();
        asm.place(steps[levels as usize]);
        match i16::try_from(half) {
            Ok(half) => asm.load(size::DW, WORD, ROW, half),
            Err(_) => {
                asm.mov(WORD, ROW);
                asm.alu(alu::ADD, WORD, half);
                asm.load(size::DW, WORD, WORD, 0);
            }
        }
        asm.alu(alu::RSH, WORD, 1);
        // Below zero where the row does not begin beyond the key.
        asm.alu(alu::SUB, WORD, HALF);
        asm.alu(alu::ARSH, WORD, 63);
        asm.alu(alu::AND, WORD, half);
        asm.alu(alu::ADD, ROW, WORD);
    }
    asm.place(steps[0]);
    asm.note("one row back where the lowest bits say so");
    let there = asm.label();
    asm.load(size::DW, WORD, ROW, 0);
    asm.alu(alu::SUB, ROW, BASE);
    asm.jump(jmp::JLE, WORD, KEY, there);
    asm.alu(alu::ADD, ROW, -ROW_BYTES.cast_signed());
    asm.place(there);
    asm.mov(R(0), ROW);
    asm.alu(alu::RSH, R(0), ROW_BYTES.trailing_zeros().cast_signed());
    asm.exit();
    asm.place(no);
    asm.mov(R(0), 0);
    asm.exit();
    asm.finish(FIND, 2)
}

/// Goes by the levels of a group to what `enter` writes for so many, by halves; more than there are are the most.
fn dispatch(asm: &mut Asm, least: u32, most: u32, enter: &mut impl FnMut(&mut Asm, u32)) {
    if least == most {
        return enter(asm, least);
    }
    let middle = least.midpoint(most);
    let above = asm.label();
    asm.jump(jmp::JGT, LEVELS, middle.cast_signed(), above);
    dispatch(asm, least, middle, enter);
    asm.place(above);
    dispatch(asm, middle + 1, most, enter);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The range that a search finds.
    fn found(ranges: &Ranges, words: usize, key: [u64; 3]) -> Option<u32> {
        let group = |groups: &'_ [Group], count: usize| {
            let group = groups.iter().find(|group| group.key[..count] == key[..count])?;
            Some((group.from as usize, group.count as usize, key[count]))
        };
        let (from, count, word) = group(&ranges.lower, words - 1).or_else(|| group(&ranges.upper, words - 2))?;
        let rows = &ranges.begins[from..from + count];
        assert_eq!(rows[0], 0);
        ranges.whose[from + rows.partition_point(|begins| *begins <= word) - 1]
    }

    #[test]
    fn ranges_are_cut_at_upper_halves() {
        // From the middle of one to the middle of another; behind it in the same half; a whole one; all of another key.
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
        for (key, whose) in [
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
            assert_eq!(found(&rows, 3, key), whose, "{key:?}");
        }
    }

    #[test]
    fn a_span_has_all_rows() {
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
