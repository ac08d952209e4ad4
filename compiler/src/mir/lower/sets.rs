//! Membership tests of static sets: a few elements become comparisons, more are searched in a table of the
//! constants.
//!
//! | elements | test |
//! | --- | --- |
//! | at most 32 numbers, 8 names or 4 networks | comparisons |
//! | exact keys | perfect hashing, one row is compared (`exact`) |
//! | ranges and networks | binary search (`ranges`) |
//!
//! Absent: sets that change while the policy is loaded, which `dynamic_sets` has, and texts, which `text`
//! compares.

use krsi_abi::set;

use super::arithmetic::immediate;
use super::builder::{Builder, Target, ValueKey};
use super::conds::pieces;
use crate::hir::{Column, FileField, FileId, Members, SetId, Ty, Value, ValueKind};
use crate::isa::{alu, jmp};
use crate::mir::{Inst, Operand, Reg};
use crate::relocation::{RelocationKind, Section};
use crate::rt::exact::Words;
use crate::rt::find::Range;

/// The most numbers that are compared one by one, with one instruction each; a lookup takes about fifty.
pub(super) const NUMBERS_INLINE_MAX: usize = 32;

/// The most names of 16 bytes that are compared one by one.
pub(super) const NAMES_INLINE_MAX: usize = 8;

/// The most networks that are compared one by one.
const NETWORKS_INLINE_MAX: usize = 4;

impl Builder<'_> {
    /// Evaluates an address to its upper and lower half, in host byte order.
    pub(super) fn ip(&mut self, value: &Value, unknown: Target) -> (Reg, Reg) {
        match &value.kind {
            ValueKind::Address(address) => (self.constant((*address >> 64) as u64), self.constant(*address as u64)),
            ValueKind::Endpoint(end, _) => self.endpoint_ip(value, end, unknown),
            _ => {
                let half = self.value(value, unknown);
                (half, half)
            }
        }
    }

    /// Tests two addresses for equality.
    pub(super) fn ip_equals(&mut self, left: &Value, right: &Value, yes: Target, no: Target, unknown: Target) {
        let (high, low) = self.ip(left, unknown);
        let (right_high, right_low) = match right.kind {
            ValueKind::Address(address) => {
                (self.word_operand((address >> 64) as u64), self.word_operand(address as u64))
            }
            _ => {
                let (high, low) = self.ip(right, unknown);
                (Operand::Reg(high), Operand::Reg(low))
            }
        };
        self.branch_away(jmp::JNE, true, low, right_low, no);
        self.branch(jmp::JEQ, true, high, right_high, yes, no);
    }

    pub(super) fn word_operand(&mut self, word: u64) -> Operand {
        match immediate(i128::from(word), true) {
            Some(imm) => Operand::Imm(imm),
            None => Operand::Reg(self.constant(word)),
        }
    }

    /// Tests whether values are an element of a set.
    pub(super) fn in_set(&mut self, values: &[Value], set: SetId, yes: Target, no: Target, unknown: Target) {
        let policy = self.policy;
        let set = &policy.sets[set.index()];
        let rows = match &set.members {
            Members::Static(rows) => rows,
            Members::Dynamic { .. } => return self.in_dynamic(values, set, yes, no, unknown),
        };
        if let ([value], [Column::Ip | Column::Network]) = (values, set.columns.as_slice())
            && rows.len() <= NETWORKS_INLINE_MAX
            && rows.iter().all(|row| simple(row[0]))
        {
            let (high, low) = self.ip(value, unknown);
            for (at, row) in rows.iter().enumerate() {
                let next = if at + 1 == rows.len() { no } else { self.fresh_target() };
                self.between(high, low, row[0], yes, next);
                if next != no {
                    self.bind(next);
                }
            }
            return;
        }
        let bytes: Vec<u32> = set.columns.iter().copied().map(Column::key_bytes).collect();
        let Some((words, places)) = set::places(&bytes) else {
            return self.jump(no);
        };
        let key = self.key(values, &places, words, unknown);
        let end = |row: &Vec<(u128, u128)>, last: bool| {
            set::key(&bytes, &places, words, row.iter().map(|range| if last { range.1 } else { range.0 }))
        };
        if rows.iter().flatten().all(|(first, last)| first == last) {
            let keys = rows.iter().map(|row| end(row, false)).map(|[a, b, c]| [a, b, c, 0]).collect();
            return self.one_of_keys(keys, &key, yes, no);
        }
        let ranges: Vec<Range> = rows.iter().map(|row| (end(row, false), end(row, true))).collect();
        let (table, owners) = self.module.data.ranges(words, &ranges);
        let members =
            self.module.data.u32_table(&owners.iter().map(|owner| u32::from(owner.is_some())).collect::<Vec<u32>>());
        let row = self.range_row(&table, &key, no);
        let member = self.fresh();
        self.entry(member, members, row, Some((table.rows(), no)));
        self.branch(jmp::JNE, true, member, Operand::Imm(0), yes, no);
    }

    /// Packs values into the words of a key.
    pub(super) fn key(&mut self, values: &[Value], places: &[set::Place], words: usize, unknown: Target) -> Vec<Reg> {
        let mut key: Vec<Option<Reg>> = vec![None; words];
        for (value, place) in values.iter().zip(places) {
            if value.ty == Ty::Ip {
                let (high, low) = self.ip(value, unknown);
                key[place.word] = Some(high);
                key[place.word + 1] = Some(low);
                continue;
            }
            let of = self.value(value, unknown);
            let part = self.copy(of, true);
            if let Ty::Int(int) = value.ty
                && int.bytes < 8
            {
                if int.signed {
                    let up = Operand::Imm((64 - 8 * int.bytes) as i32);
                    self.push(Inst::Alu { op: alu::LSH, wide: true, dst: part, src: up, reloc: None });
                    self.push(Inst::Alu { op: alu::RSH, wide: true, dst: part, src: up, reloc: None });
                }
                if place.shift > 0 {
                    let up = Operand::Imm(place.shift as i32);
                    self.push(Inst::Alu { op: alu::LSH, wide: true, dst: part, src: up, reloc: None });
                }
            }
            key[place.word] = Some(match key[place.word] {
                None => part,
                Some(known) => {
                    self.push(Inst::Alu { op: alu::OR, wide: true, dst: part, src: Operand::Reg(known), reloc: None });
                    part
                }
            });
        }
        key.into_iter().map(|word| word.unwrap_or_else(|| self.constant(0))).collect()
    }

    /// Tests whether a number is one of many.
    pub(super) fn one_of_many(&mut self, value: Reg, set: Vec<u64>, yes: Target, no: Target) {
        self.one_of_keys(set.into_iter().map(|number| [number, 0, 0, 0]).collect(), &[value], yes, no);
    }

    /// Tests whether the task's `comm` is one of many names, padded with zeros.
    pub(super) fn one_of_names(&mut self, set: &[Vec<u8>], yes: Target, no: Target) {
        let key: Vec<Reg> = pieces(16).into_iter().map(|(offset, bytes)| self.comm_bytes(offset, bytes)).collect();
        let word = |text: &[u8], at: usize| {
            let mut word = [0u8; 8];
            let part = text.get(at..).unwrap_or_default();
            let length = part.len().min(8);
            word[..length].copy_from_slice(&part[..length]);
            u64::from_le_bytes(word)
        };
        let keys = set.iter().map(|text| [word(text, 0), word(text, 8), 0, 0]).collect();
        self.one_of_keys(keys, &key, yes, no);
    }

    /// Tests whether a key is one of many, by a perfect hash lookup.
    fn one_of_keys(&mut self, mut keys: Vec<Words>, key: &[Reg], yes: Target, no: Target) {
        keys.sort_unstable();
        keys.dedup();
        let table = self.module.data.exact(&keys, key.len()).0;
        self.exact(&table, key, no);
        self.jump(yes);
    }

    /// Tests whether an address lies in a [`simple`] range.
    fn between(&mut self, high: Reg, low: Reg, (first, last): (u128, u128), yes: Target, no: Target) {
        if (first >> 64) != (last >> 64) {
            let (from, to) = (self.word_operand((first >> 64) as u64), self.word_operand((last >> 64) as u64));
            self.branch_away(jmp::JLT, true, high, from, no);
            return self.branch(jmp::JLE, true, high, to, yes, no);
        }
        let whole = self.word_operand((first >> 64) as u64);
        if first as u64 == 0 && last as u64 == u64::MAX {
            return self.branch(jmp::JEQ, true, high, whole, yes, no);
        }
        // A network is tested by its common prefix, if that fits an immediate. Networks of one size share the
        // shift, and most addresses already differ in the lower half.
        let bits = (first as u64 ^ last as u64).trailing_ones();
        let network = first as u64 >> bits == last as u64 >> bits && (first as u64).trailing_zeros() >= bits;
        if let (true, Some(common)) = (network && bits > 0, immediate(i128::from(first as u64 >> bits), true)) {
            let part = self.once(ValueKey::Shifted { of: low, bits }, |build| {
                let part = build.copy(low, true);
                let by = Operand::Imm(bits as i32);
                build.push(Inst::Alu { op: alu::RSH, wide: true, dst: part, src: by, reloc: None });
                part
            });
            self.branch_away(jmp::JNE, true, part, Operand::Imm(common), no);
            return self.branch(jmp::JEQ, true, high, whole, yes, no);
        }
        self.branch_away(jmp::JNE, true, high, whole, no);
        let from = self.word_operand(first as u64);
        if first == last {
            return self.branch(jmp::JEQ, true, low, from, yes, no);
        }
        self.branch_away(jmp::JLT, true, low, from, no);
        let to = self.word_operand(last as u64);
        self.branch(jmp::JLE, true, low, to, yes, no);
    }

    /// Reads a parameter, which the loader sets.
    pub(super) fn parameter(&mut self, param: crate::hir::ParamId) -> Reg {
        self.known_at_load(8 * param.0)
    }

    /// Reads a device or inode number of a file, which the loader sets.
    pub(super) fn file_number(&mut self, file: FileId, field: FileField) -> Reg {
        let field = if field == FileField::Device { 0 } else { 8 };
        self.known_at_load(self.module.data.files + 16 * file.0 + field)
    }

    fn known_at_load(&mut self, offset: u32) -> Reg {
        let base = self.fresh();
        self.push(Inst::Address { dst: base, of: RelocationKind::Constant(Section::Tables, offset) });
        let dst = self.fresh();
        self.push(Inst::Load { dst, base, offset: 0, bytes: 8, reloc: None, argument: None });
        dst
    }
}

/// Returns true for a range within one upper half, or of whole upper halves.
fn simple((first, last): (u128, u128)) -> bool {
    (first >> 64) == (last >> 64) || first as u64 == 0 && last as u64 == u64::MAX
}
