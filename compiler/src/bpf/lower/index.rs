//! Searches: which rules of one shape fire.
//!
//! ```text
//! key   = port, high and low half of the address        what the rules compare
//! row   = search (key)                                  which of them compare it with these
//! found = heads[row]                                    a rule, or where the row's rules begin in a list
//! ```
//!
//! What is looked up exactly is hashed, and one row is compared (see `exact`); networks and ranges are sorted
//! and searched by halves (see `ranges`); which patterns fit a text an automaton tells (see `library::automaton`). What the
//! searches look at is in `tables`.

use std::collections::BTreeMap;

use super::builder::{Builder, Label};
use super::conds::pieces;
use super::exact::ExactAt;
use super::tables::{NOBODY, Rows, Tables, Texts};
use crate::bpf::library::automaton::AutomatonAt;
use crate::bpf::library::record::MORE;
use crate::decision::key::{Column, ColumnKind, Element, Offset, layout};
use crate::decision::{Index, IndexId, Verdict};
use crate::hir::{RuleId, Ty, Value};
use crate::isa::{alu, jmp};
use crate::mir::{Inst, Operand, Reg};

/// The largest errno (`MAX_ERRNO` of the kernel).
const ERRNO_MAX: i32 = 4095;

/// What a program knows about its indexes.
#[derive(Debug, Default)]
pub(super) struct Found {
    tables: BTreeMap<IndexId, Tables>,
    /// What the last search in an index found: a rule, or a place in the list.
    registers: BTreeMap<IndexId, Reg>,
}

impl Builder<'_> {
    /// Leads to `then` where the values of an index are a row's, else to `otherwise`.
    pub(super) fn find_rules(&mut self, id: IndexId, then: Label, otherwise: Label) {
        let indexes = self.indexes;
        let index = &indexes[id.index()];
        let Some((words, places)) = layout(&index.columns) else { return self.jump(otherwise) };
        let tables = match self.found.tables.get(&id) {
            Some(tables) => tables.clone(),
            None => {
                let tables = Tables::of(self.code, index, words, &places);
                self.found.tables.insert(id, tables.clone());
                tables
            }
        };
        for (at, part) in index.columns.iter().enumerate().filter(|(_, part)| part.kind == ColumnKind::Text) {
            let names = index.rows.iter().filter_map(|row| match &row.key[at] {
                Element::Text(text) => Some(text.as_slice()),
                _ => None,
            });
            self.name_may_fit(&part.value, names, otherwise);
        }
        if let Some(early) = &tables.early {
            self.early(index, early, otherwise);
        }
        let value = &index.columns[0].value;
        if let (Rows::Texts, [Texts::Exact(texts)]) = (&tables.rows, tables.texts.as_slice()) {
            let row = self.text_row(value, texts, otherwise, otherwise);
            return self.found_row(id, &tables, row, Some((texts.slots(), otherwise)), then);
        }
        if let (Rows::Match(rows), [Texts::Match(at)]) = (&tables.rows, tables.texts.as_slice()) {
            let row = self.match_row(value, *at, otherwise);
            return self.found_row(id, &tables, row, Some((*rows, otherwise)), then);
        }
        let key = self.index_key(&index.columns, &places, &tables.texts, words, otherwise);
        let (row, rows) = match &tables.rows {
            // The search is in this program, and the verifier knows what comes of it.
            Rows::Exact(table) => (self.exact(table, &key, otherwise), None),
            Rows::Texts | Rows::Match(_) => return self.jump(otherwise),
            Rows::Ranges(table) => (self.range_row(table, &key, otherwise), Some((table.rows(), otherwise))),
        };
        self.found_row(id, &tables, row, rows, then);
    }

    /// Leads to `no` where the values of the early parts are no row's.
    fn early(&mut self, index: &Index, table: &ExactAt, no: Label) {
        let parts = index.prefilter_columns();
        if let Some((words, places)) = layout(&parts) {
            let key = self.index_key(&parts, &places, &vec![Texts::No; parts.len()], words, no);
            self.exact(table, &key, no);
        }
    }

    /// Keeps what a row leads to, and goes to `then`.
    fn found_row(&mut self, id: IndexId, tables: &Tables, row: Reg, rows: Option<(u32, Label)>, then: Label) {
        let found = match self.found.registers.get(&id) {
            Some(found) => *found,
            None => {
                let found = self.fresh();
                self.found.registers.insert(id, found);
                found
            }
        };
        self.entry(found, tables.heads, row, rows);
        if let (Rows::Match(_) | Rows::Ranges(_), Some((_, otherwise))) = (&tables.rows, rows) {
            self.branch_away(jmp::JEQ, false, found, Operand::Imm(NOBODY.cast_signed()), otherwise);
        }
        self.jump(then);
    }

    /// What the last search in an index found: a rule, or a place in the list, which begins there.
    pub(super) fn found_rules(&self, id: IndexId) -> Option<(Reg, Option<u32>)> {
        let (tables, found) = (self.found.tables.get(&id)?, self.found.registers.get(&id)?);
        Some((*found, tables.list.map(|(list, _)| list)))
    }

    /// What the rules of the row that was found deny with, if they do: a constant where it is the same for all rows.
    pub(super) fn errno_found(&mut self, id: IndexId) -> Option<Operand> {
        let (indexes, policy) = (self.indexes, self.policy);
        let index = &indexes[id.index()];
        let first = self.errno(index.rows[0].rules[0]);
        let tables = self.found.tables.get(&id).cloned().filter(|_| !index.one_errno);
        let (Some(Operand::Imm(any)), Some(tables), Some(found)) =
            (first, tables, self.found.registers.get(&id).copied())
        else {
            return first;
        };
        let numbers: Vec<u32> = policy.rules.iter().map(|rule| rule.errno().unwrap_or(0).cast_unsigned()).collect();
        let errnos = self.code.numbers(&numbers);
        let errno = self.constant(any as u64);
        let done = self.fresh_label();
        let and = |build: &mut Self, dst, mask: i32| {
            build.push(Inst::Alu { op: alu::AND, wide: true, dst, src: Operand::Imm(mask), reloc: None });
        };
        let which = match tables.list {
            None => found,
            Some((list, length)) => {
                let entry = self.fresh();
                self.entry(entry, list, found, Some((length, done)));
                and(self, entry, (MORE - 1).cast_signed());
                entry
            }
        };
        let known = self.fresh();
        self.entry(known, errnos, which, Some((numbers.len() as u32, done)));
        // The verifier asks that what a program returns is an errno, and does not look into constants.
        and(self, known, ERRNO_MAX);
        self.push(Inst::Mov { dst: errno, src: Operand::Reg(known), wide: true, reloc: None });
        self.jump(done);
        self.place(done);
        Some(Operand::Reg(errno))
    }

    /// Does what the rules of the row that was found do besides denying, and goes to `next`.
    pub(super) fn record_found(&mut self, id: IndexId, rule: RuleId, verdict: Verdict, next: Label) {
        let indexes = self.indexes;
        let audits = self.policy.rules[rule.0 as usize].audit.is_some();
        let errno = self.errno_found(id);
        let (tables, found) = (self.found.tables.get(&id).cloned(), self.found.registers.get(&id).copied());
        let recorded = self.fresh_label();
        match (tables.map(|tables| tables.list), found) {
            (Some(None), Some(found)) if audits => self.event_of(rule, found, errno, verdict, recorded),
            (Some(Some((list, length))), Some(found)) if audits => {
                let place = self.copy(found, true);
                let most = indexes[id.index()].most();
                for at in 0..most {
                    let entry = self.fresh();
                    self.entry(entry, list, place, Some((length, recorded)));
                    let which = self.copy(entry, false);
                    let no_flag = Operand::Imm((MORE - 1).cast_signed());
                    self.push(Inst::Alu { op: alu::AND, wide: false, dst: which, src: no_flag, reloc: None });
                    if at + 1 == most {
                        self.event_of(rule, which, errno, verdict, recorded);
                        break;
                    }
                    let (written, more) = (self.fresh_label(), self.fresh_label());
                    self.event_of(rule, which, errno, verdict, written);
                    self.place(written);
                    self.branch(jmp::JSET, false, entry, Operand::Imm(MORE.cast_signed()), more, recorded);
                    self.place(more);
                    self.push(Inst::Alu { op: alu::ADD, wide: true, dst: place, src: Operand::Imm(1), reloc: None });
                }
            }
            (Some(None), Some(found)) => {
                self.would_deny(errno, Operand::Reg(found));
                self.jump(recorded);
            }
            (Some(Some((list, _))), Some(found)) => {
                self.row_would_deny(errno, found, list);
                self.jump(recorded);
            }
            _ => self.jump(recorded),
        }
        self.place(recorded);
        self.effects(rule);
        self.jump(next);
    }

    /// `dst =` an entry of 4 bytes of a table, which has so many; to the label where `at` is beyond. What is compared
    /// is the register that is used: the verifier of 5.10 forgets bounds of what goes through the frame.
    pub(super) fn entry(&mut self, dst: Reg, table: u32, at: Reg, bound: Option<(u32, Label)>) {
        let place = self.copy(at, true);
        if let Some((count, beyond)) = bound {
            self.branch_away(jmp::JGE, true, place, Operand::Imm(count.cast_signed()), beyond);
        }
        self.push(Inst::Alu { op: alu::LSH, wide: true, dst: place, src: Operand::Imm(2), reloc: None });
        let base = self.constant_at(table, place);
        self.push(Inst::Load { dst, base, offset: 0, bytes: 4, reloc: None, argument: None });
    }

    /// The words of a key.
    fn index_key(
        &mut self,
        parts: &[Column],
        places: &[Offset],
        texts: &[Texts],
        words: usize,
        unknown: Label,
    ) -> Vec<Reg> {
        let mut key: Vec<Option<Reg>> = vec![None; words];
        for ((part, place), texts) in parts.iter().zip(places).zip(texts) {
            let value = &part.value;
            match part.kind {
                ColumnKind::Ip | ColumnKind::Network => {
                    let (high, low) = self.ip(value, unknown);
                    key[place.word] = Some(high);
                    key[place.word + 1] = Some(low);
                }
                ColumnKind::Name => {
                    for (word, (offset, bytes)) in pieces(16).into_iter().enumerate() {
                        key[place.word + word] = Some(self.comm_bytes(offset, bytes));
                    }
                }
                ColumnKind::Range => {
                    let number = self.value(value, unknown);
                    key[place.word] = Some(match value.ty {
                        Ty::Int(int) if int.signed => {
                            let ordered = self.constant(1 << 63);
                            let src = Operand::Reg(number);
                            self.push(Inst::Alu { op: alu::XOR, wide: true, dst: ordered, src, reloc: None });
                            ordered
                        }
                        _ => number,
                    });
                }
                ColumnKind::Number | ColumnKind::Text | ColumnKind::Match => {
                    let of = match texts {
                        // A text that no rule names is in no row.
                        Texts::Exact(texts) => self.text_row(value, texts, unknown, unknown),
                        Texts::Match(at) => self.match_row(value, *at, unknown),
                        Texts::No => self.value(value, unknown),
                    };
                    let signed = matches!(value.ty, Ty::Int(int) if int.signed && int.bytes < 8);
                    key[place.word] = Some(self.packed(key[place.word], of, signed, part.bytes(), place.shift));
                }
            }
        }
        key.into_iter().map(|word| word.unwrap_or_else(|| self.constant(0))).collect()
    }

    /// A word with a number added to what is in it already.
    fn packed(&mut self, word: Option<Reg>, of: Reg, signed: bool, bytes: u32, shift: u32) -> Reg {
        if !signed && shift == 0 && word.is_none() {
            return of;
        }
        let part = self.copy(of, true);
        let mut by = |op, bits: u32| {
            if bits > 0 {
                self.push(Inst::Alu { op, wide: true, dst: part, src: Operand::Imm(bits as i32), reloc: None });
            }
        };
        if signed {
            // Copies of the sign go.
            by(alu::LSH, 64 - 8 * bytes);
            by(alu::RSH, 64 - 8 * bytes);
        }
        by(alu::LSH, shift);
        if let Some(word) = word {
            self.push(Inst::Alu { op: alu::OR, wide: true, dst: part, src: Operand::Reg(word), reloc: None });
        }
        part
    }

    /// The row of an automaton for a text, found once; to `no` where nothing fits.
    fn match_row(&mut self, value: &Value, at: AutomatonAt, no: Label) -> Reg {
        let text = self.text(value, no);
        let row = self.matched(value, text, at);
        self.branch_away(jmp::JEQ, true, row, Operand::Imm(0), no);
        row
    }
}
