//! Index searches: finding the rules of one shape whose constants match.
//!
//! ```text
//! key   = port, high and low half of the address        the values that the rules compare
//! row   = search (key)                                  the row with these constants
//! found = heads[row]                                    a rule, or the start of the row's rules in a list
//! ```
//!
//! Keys of exact values are hashed and one row is compared (see `exact`); networks and ranges are found by
//! binary search (see `ranges`); patterns are matched by an automaton (see `rt::automaton`). `tables`
//! has the data that the searches read.
//!
//! Rows and rules come from memory, so the verifier knows no bound of them: they are compared with the size
//! of the next table before they index it.
//!
//! Absent: the choice of indexes and of their rows, which `decision` makes.

use std::collections::BTreeMap;

use super::builder::{Builder, Target};
use super::conds::pieces;
use super::exact::ExactAt;
use super::tables::{NOBODY, Rows, Tables, Texts};
use crate::decision::key::{Column, ColumnKind, Element, Offset, layout};
use crate::decision::{Index, IndexId, Verdict};
use crate::hir::{RuleId, Ty, Value};
use crate::isa::{alu, jmp};
use crate::mir::{Inst, Operand, Reg};
use crate::rt::automaton::AutomatonAt;
use crate::rt::record::{FIRST, MORE, NOBODY as NO_RULE};
use krsi_abi::event::UNDECIDED;

/// The largest errno, `MAX_ERRNO` of the kernel.
const ERRNO_MAX: i32 = 4095;

/// The state of index searches in one program.
#[derive(Debug, Default)]
pub(super) struct IndexState {
    tables: BTreeMap<IndexId, Tables>,
    /// The register with the result of the last search in an index: a rule, or a position in the list.
    registers: BTreeMap<IndexId, Reg>,
}

impl Builder<'_> {
    /// Branches to `then` if the values of an index are those of a row, else to `otherwise`.
    pub(super) fn find_rules(&mut self, id: IndexId, then: Target, otherwise: Target) {
        let indexes = self.indexes;
        let index = &indexes[id.index()];
        let key = if index.is_list() { Some((0, Vec::new())) } else { layout(&index.columns) };
        let Some((words, places)) = key else { return self.jump(otherwise) };
        let tables = match self.index_state.tables.get(&id) {
            Some(tables) => tables.clone(),
            None => {
                let tables = Tables::of(&mut self.module.data, index, words, &places);
                self.index_state.tables.insert(id, tables.clone());
                tables
            }
        };
        if index.is_list() {
            return self.first_of_list(id, Operand::Imm(tables.heads.cast_signed()), then, otherwise);
        }
        for (at, part) in index.columns.iter().enumerate().filter(|(_, part)| part.kind == ColumnKind::Text) {
            let names = index.rows.iter().filter_map(|row| match &row.key[at] {
                Element::Text(text) => Some(text.as_slice()),
                _ => None,
            });
            self.check_last_component(&part.value, names, otherwise);
        }
        if let Some(early) = &tables.early {
            self.early(index, early, otherwise);
        }
        let value = &index.columns[0].value;
        if let (Rows::Texts, [Texts::Exact(texts)]) = (&tables.rows, tables.texts.as_slice()) {
            let row = self.text_row(value, texts, otherwise, otherwise);
            return self.found_row(id, &tables, row, Some(texts.slots()), then, otherwise);
        }
        if let (Rows::Match(rows), [Texts::Match(at)]) = (&tables.rows, tables.texts.as_slice()) {
            let row = self.match_row(value, *at, otherwise);
            return self.found_row(id, &tables, row, Some(*rows), then, otherwise);
        }
        let key = self.index_key(&index.columns, &places, &tables.texts, words, otherwise);
        let (row, rows) = match &tables.rows {
            // An exact search is inline, and the verifier knows the bound of its result.
            Rows::Exact(table) => (self.exact(table, &key, otherwise), None),
            Rows::Texts | Rows::Match(_) | Rows::List => return self.jump(otherwise),
            Rows::Ranges(table) => (self.range_row(table, &key, otherwise), Some(table.rows())),
        };
        self.found_row(id, &tables, row, rows, then, otherwise);
    }

    /// Finds the first rule of a list of undecided rules that is enforced.
    fn first_of_list(&mut self, id: IndexId, list: Operand, then: Target, otherwise: Target) {
        let rule = self.indexes[id.index()].rows[0].rules[0];
        let errno = self.policy.rules[rule.0 as usize].errno().unwrap_or_default() + UNDECIDED;
        self.invoke(FIRST, &[list, Operand::Imm(errno)]);
        let found = self.found_register(id);
        self.push(Inst::Mov { dst: found, src: Operand::Reg(Reg(0)), wide: true, reloc: None });
        // The verifier needs a bound of the rule that indexes tables, which every use checks itself.
        self.branch(jmp::JNE, true, found, Operand::Imm(NO_RULE), then, otherwise);
    }

    /// Returns the register for the result of searches in an index.
    fn found_register(&mut self, id: IndexId) -> Reg {
        if let Some(found) = self.index_state.registers.get(&id) {
            return *found;
        }
        let found = self.fresh();
        self.index_state.registers.insert(id, found);
        found
    }

    /// Prefilter: jumps to `no` if no row has these values of the early columns.
    fn early(&mut self, index: &Index, table: &ExactAt, no: Target) {
        let parts = index.prefilter_columns();
        if let Some((words, places)) = layout(&parts) {
            let key = self.index_key(&parts, &places, &vec![Texts::NotText; parts.len()], words, no);
            self.exact(table, &key, no);
        }
    }

    /// Loads the head of a row into the index's register, and jumps to `then`.
    fn found_row(
        &mut self,
        id: IndexId,
        tables: &Tables,
        row: Reg,
        rows: Option<u32>,
        then: Target,
        otherwise: Target,
    ) {
        let found = self.found_register(id);
        self.entry(found, tables.heads, row, rows.map(|rows| (rows, otherwise)));
        if let Rows::Match(_) | Rows::Ranges(_) = &tables.rows {
            self.branch_away(jmp::JEQ, false, found, Operand::Imm(NOBODY.cast_signed()), otherwise);
        }
        if let Some((list, _)) = tables.lists {
            let at = self.copy(found, true);
            for (op, imm) in [(alu::LSH, 2), (alu::ADD, list.cast_signed())] {
                self.push(Inst::Alu { op, wide: true, dst: at, src: Operand::Imm(imm), reloc: None });
            }
            return self.first_of_list(id, Operand::Reg(at), then, otherwise);
        }
        self.jump(then);
    }

    /// Returns the result of the last search in an index: a rule or a position in a list, with the offset of
    /// that list.
    pub(super) fn found_rules(&self, id: IndexId) -> Option<(Reg, Option<u32>)> {
        let (tables, found) = (self.index_state.tables.get(&id)?, self.index_state.registers.get(&id)?);
        Some((*found, tables.list.map(|(list, _)| list)))
    }

    /// Returns the errno of the rules of the row that was found, if they deny; a constant if it is the same
    /// for all rows.
    pub(super) fn errno_found(&mut self, id: IndexId) -> Option<Operand> {
        let (indexes, policy) = (self.indexes, self.policy);
        let index = &indexes[id.index()];
        let first = self.errno(index.rows[0].rules[0]);
        let tables = self.index_state.tables.get(&id).cloned().filter(|_| !index.one_errno);
        let (Some(Operand::Imm(any)), Some(tables), Some(found)) =
            (first, tables, self.index_state.registers.get(&id).copied())
        else {
            return first;
        };
        let numbers: Vec<u32> = policy.rules.iter().map(|rule| rule.errno().unwrap_or(0).cast_unsigned()).collect();
        let errnos = self.module.data.u32_table(&numbers);
        let errno = self.constant(any as u64);
        let done = self.fresh_target();
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
        // The verifier checks that an LSM program returns an errno, and does not know the values of
        // constants.
        and(self, known, ERRNO_MAX);
        self.push(Inst::Mov { dst: errno, src: Operand::Reg(known), wide: true, reloc: None });
        self.jump(done);
        self.bind(done);
        Some(Operand::Reg(errno))
    }

    /// Performs the effects of the rules of the row that was found other than the denial, and jumps to
    /// `next`.
    pub(super) fn record_found(&mut self, id: IndexId, rule: RuleId, verdict: Verdict, next: Target) {
        let indexes = self.indexes;
        let audits = self.policy.rules[rule.0 as usize].audit.is_some();
        let errno = self.errno_found(id);
        self.undecided = indexes[id.index()].undecided;
        let (tables, found) = (self.index_state.tables.get(&id).cloned(), self.index_state.registers.get(&id).copied());
        let recorded = self.fresh_target();
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
                    let (written, more) = (self.fresh_target(), self.fresh_target());
                    self.event_of(rule, which, errno, verdict, written);
                    self.bind(written);
                    self.branch(jmp::JSET, false, entry, Operand::Imm(MORE.cast_signed()), more, recorded);
                    self.bind(more);
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
        self.undecided = false;
        self.bind(recorded);
        self.effects(rule);
        self.jump(next);
    }

    /// Loads a 4-byte entry of a table of `count` entries; jumps to `beyond` if `at` is out of bounds. The
    /// register that is compared is the one that is used, because the verifier of 5.10 forgets the bounds of
    /// a spilled scalar.
    pub(super) fn entry(&mut self, dst: Reg, table: u32, at: Reg, bound: Option<(u32, Target)>) {
        let place = self.copy(at, true);
        if let Some((count, beyond)) = bound {
            self.branch_away(jmp::JGE, true, place, Operand::Imm(count.cast_signed()), beyond);
        }
        self.push(Inst::Alu { op: alu::LSH, wide: true, dst: place, src: Operand::Imm(2), reloc: None });
        let base = self.constant_at(table, place);
        self.push(Inst::Load { dst, base, offset: 0, bytes: 4, reloc: None, argument: None });
    }

    /// Evaluates the words of a key.
    fn index_key(
        &mut self,
        parts: &[Column],
        places: &[Offset],
        texts: &[Texts],
        words: usize,
        unknown: Target,
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
                        Texts::NotText => self.value(value, unknown),
                    };
                    let signed = matches ! ( value . ty , Ty :: Int ( int ) if int . signed && int . bytes < 8 );
                    key[place.word] = Some(self.packed(key[place.word], of, signed, part.bytes(), place.shift));
                }
            }
        }
        key.into_iter().map(|word| word.unwrap_or_else(|| self.constant(0))).collect()
    }

    /// Packs a number into a word of the key.
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
            // Clear the copies of the sign bit.
            by(alu::LSH, 64 - 8 * bytes);
            by(alu::RSH, 64 - 8 * bytes);
        }
        by(alu::LSH, shift);
        if let Some(word) = word {
            self.push(Inst::Alu { op: alu::OR, wide: true, dst: part, src: Operand::Reg(word), reloc: None });
        }
        part
    }

    /// Returns the row at which an automaton accepts a text; jumps to `no` if it does not accept.
    fn match_row(&mut self, value: &Value, at: AutomatonAt, no: Target) -> Reg {
        let text = self.text(value, no);
        let row = self.run_automaton(value, text, at);
        self.branch_away(jmp::JEQ, true, row, Operand::Imm(0), no);
        row
    }
}
