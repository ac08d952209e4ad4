//! Range searches: exact words select a group of rows, and a binary search over one word selects the row (see
//! `rt::find`).
//!
//! ```text
//! if port == 53 and upper == 0            a perfect hash lookup if there are many groups
//!   row = krs_find(span of 53 0, lower)
//! else if port == 53
//!   row = krs_find(span of 53, upper)
//! ```
//!
//! The search is a global function, which the verifier checks once. Its result has no known bound, so the
//! caller compares the row with the size of the table that it indexes.
//!
//! Absent: the construction of the rows, which `rt::find` has.

use super::builder::{Builder, Target};
use super::exact::ExactAt;
use crate::data::Data;
use crate::isa::{alu, jmp};
use crate::mir::{Inst, Operand, Reg};
use crate::rt::exact::Words;
use crate::rt::find::{FIND, Group, ROW_BYTES, Range, Ranges};

/// A table of ranges in the constants.
#[derive(Clone, Debug)]
pub(super) struct RangesAt {
    /// The groups by the number of words that select them, the most words first.
    groups: Vec<(usize, GroupsAt)>,
    /// Offset and number of the rows.
    at: u32,
    count: u32,
}

/// The groups of rows that a number of exact words select.
#[derive(Clone, Copy, Debug)]
enum GroupsAt {
    /// A single group: its words and its span.
    One(Words, u64),
    /// Many groups: a perfect hash table of their words, and the offset of the spans by slot.
    Many(ExactAt, u32),
}

impl RangesAt {
    /// Returns the number of rows.
    pub(super) fn rows(&self) -> u32 {
        self.count
    }
}

impl Builder<'_> {
    /// Returns the row of a key whose last two words are searched; jumps to `no` if no range has the other
    /// words.
    pub(super) fn range_row(&mut self, table: &RangesAt, key: &[Reg], no: Target) -> Reg {
        let (row, found) = (self.fresh(), self.fresh_target());
        for (at, (exact, groups)) in table.groups.iter().enumerate() {
            let more = at + 1 < table.groups.len();
            let miss = if more { self.fresh_target() } else { no };
            let span = self.span(groups, &key[..*exact], miss);
            for (arg, word) in [span, key[*exact]].into_iter().enumerate() {
                self.push(Inst::Mov { dst: Reg(1 + arg as u32), src: Operand::Reg(word), wide: true, reloc: None });
            }
            self.push(Inst::Invoke { function: FIND, args: 2 });
            self.push(Inst::Mov { dst: row, src: Operand::Reg(Reg(0)), wide: true, reloc: None });
            self.jump(found);
            if more {
                self.bind(miss);
            }
        }
        self.bind(found);
        let first = Operand::Imm(-(table.at / ROW_BYTES).cast_signed());
        self.push(Inst::Alu { op: alu::ADD, wide: true, dst: row, src: first, reloc: None });
        row
    }

    /// Returns the span of the group that some words select.
    fn span(&mut self, groups: &GroupsAt, key: &[Reg], no: Target) -> Reg {
        match groups {
            GroupsAt::One(words, span) => {
                for (have, word) in key.iter().zip(words) {
                    let word = self.word_operand(*word);
                    self.branch_away(jmp::JNE, true, *have, word, no);
                }
                self.constant(*span)
            }
            GroupsAt::Many(table, spans) => {
                let slot = self.exact(table, key, no);
                let place = self.copy(slot, true);
                self.push(Inst::Alu { op: alu::LSH, wide: true, dst: place, src: Operand::Imm(3), reloc: None });
                let base = self.constant_at(*spans, place);
                let span = self.fresh();
                self.push(Inst::Load { dst: span, base, offset: 0, bytes: 8, reloc: None, argument: None });
                span
            }
        }
    }
}

impl Data {
    /// Adds a table of disjoint ranges and returns, by row, the range that the row belongs to.
    pub(super) fn ranges(&mut self, words: usize, ranges: &[Range]) -> (RangesAt, Vec<Option<u32>>) {
        let Ranges { lower, upper, begins, owners } = Ranges::of(words, ranges);
        let at = self.constant_offset(&begins.iter().flat_map(|begins| begins.to_le_bytes()).collect::<Vec<u8>>());
        let most = lower.iter().chain(&upper).map(Group::levels).max().unwrap_or(0);
        self.levels = self.levels.max(most);
        let groups = [(words - 1, lower), (words - 2, upper)]
            .into_iter()
            .filter_map(|(exact, groups)| Some((exact, self.groups(&groups, exact, at)?)))
            .collect();
        (RangesAt { groups, at, count: begins.len() as u32 }, owners)
    }

    fn groups(&mut self, groups: &[Group], exact: usize, rows: u32) -> Option<GroupsAt> {
        if let [only] = groups {
            return Some(GroupsAt::One(only.key, only.span(rows)));
        }
        let keys: Vec<Words> = groups.iter().map(|group| group.key).collect();
        if keys.is_empty() {
            return None;
        }
        let (table, slots) = self.exact(&keys, exact);
        let mut spans = vec![0; table.slots() as usize];
        slots.iter().zip(groups).for_each(|(slot, group)| spans[*slot as usize] = group.span(rows));
        let spans: Vec<u8> = spans.iter().flat_map(|span: &u64| span.to_le_bytes()).collect();
        Some(GroupsAt::Many(table, self.constant_offset(&spans)))
    }
}
