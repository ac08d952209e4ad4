//! Searches among ranges: what is exact leads to a group of rows, one word to its row (see `library::find`).
//!
//! ```text
//! if port == 53 and upper == 0            or a search, where groups are many
//!   row = krs_find(span of 53 0, lower)
//! else if port == 53
//!   row = krs_find(span of 53, upper)
//! ```

use super::builder::{Builder, Label};
use super::exact::ExactAt;
use crate::bpf::Code;
use crate::bpf::library::exact::Words;
use crate::bpf::library::find::{FIND, Group, ROW_BYTES, Range, Ranges};
use crate::isa::{alu, jmp};
use crate::mir::{Inst, Operand, Reg};

/// A table of ranges in the constants.
#[derive(Clone, Debug)]
pub(super) struct RangesAt {
    /// By how many words they are found, all but the last one first.
    groups: Vec<(usize, GroupsAt)>,
    /// Where the rows are, and how many.
    at: u32,
    count: u32,
}

/// Groups of rows in the constants.
#[derive(Clone, Copy, Debug)]
enum GroupsAt {
    /// What leads to the only one, and its span.
    One(Words, u64),
    /// By the slot of what leads to them: where their spans are.
    Many(ExactAt, u32),
}

impl RangesAt {
    /// How many rows there are.
    pub(super) fn rows(&self) -> u32 {
        self.count
    }
}

impl Builder<'_> {
    /// The row of a key, of which the last two words are searched for; to `no` where no range has the others.
    pub(super) fn range_row(&mut self, table: &RangesAt, key: &[Reg], no: Label) -> Reg {
        let (row, found) = (self.fresh(), self.fresh_label());
        for (at, (exact, groups)) in table.groups.iter().enumerate() {
            let more = at + 1 < table.groups.len();
            let miss = if more { self.fresh_label() } else { no };
            let span = self.span(groups, &key[..*exact], miss);
            for (arg, word) in [span, key[*exact]].into_iter().enumerate() {
                self.push(Inst::Mov { dst: Reg(1 + arg as u32), src: Operand::Reg(word), wide: true, reloc: None });
            }
            self.push(Inst::Invoke { function: FIND, args: 2 });
            self.push(Inst::Mov { dst: row, src: Operand::Reg(Reg(0)), wide: true, reloc: None });
            self.jump(found);
            if more {
                self.place(miss);
            }
        }
        self.place(found);
        let first = Operand::Imm(-(table.at / ROW_BYTES).cast_signed());
        self.push(Inst::Alu { op: alu::ADD, wide: true, dst: row, src: first, reloc: None });
        row
    }

    /// The span of what some words lead to.
    fn span(&mut self, groups: &GroupsAt, key: &[Reg], no: Label) -> Reg {
        match groups {
            GroupsAt::One(words, span) => {
                for (have, word) in key.iter().zip(words) {
                    let word = self.half(*word);
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

impl Code {
    /// Adds a table of ranges that do not overlap; with it, by row, which of them it belongs to.
    pub(super) fn ranges(&mut self, words: usize, ranges: &[Range]) -> (RangesAt, Vec<Option<u32>>) {
        let Ranges { lower, upper, begins, whose } = Ranges::of(words, ranges);
        let at = self.constant_offset(&begins.iter().flat_map(|begins| begins.to_le_bytes()).collect::<Vec<u8>>());
        let most = lower.iter().chain(&upper).map(Group::levels).max().unwrap_or(0);
        self.levels = self.levels.max(most);
        let groups = [(words - 1, lower), (words - 2, upper)]
            .into_iter()
            .filter_map(|(exact, groups)| Some((exact, self.groups(&groups, exact, at)?)))
            .collect();
        (RangesAt { groups, at, count: begins.len() as u32 }, whose)
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
