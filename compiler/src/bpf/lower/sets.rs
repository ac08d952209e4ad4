//! Sets: a few elements are compared one by one, more are searched in a table of the constants.

use krsi_abi::set;

use super::arithmetic::immediate;
use super::builder::{Builder, Key, Label};
use super::conds::pieces;
use crate::bpf::library::exact::Words;
use crate::bpf::library::find::Range;
use crate::bpf::{RelocationKind, Section};
use crate::hir::{FileField, FileId, Members, Part, SetId, Ty, Value, ValueKind};
use crate::isa::{alu, jmp};
use crate::mir::{Inst, Operand, Reg};

/// So many numbers are compared one by one, an instruction each; a search of the next larger table takes some fifty.
pub(super) const NUMBERS_INLINE_MAX: usize = 32;

/// So many names of 16 bytes are.
pub(super) const NAMES_INLINE_MAX: usize = 8;

/// So many networks are.
const NETWORKS_INLINE_MAX: usize = 4;

impl Builder<'_> {
    /// An address as its upper and its lower half, in the order of numbers.
    pub(super) fn ip(&mut self, value: &Value, unknown: Label) -> (Reg, Reg) {
        match &value.kind {
            ValueKind::Address(address) => (self.constant((*address >> 64) as u64), self.constant(*address as u64)),
            ValueKind::End(end, _) => self.end_ip(value, end, unknown),
            _ => {
                let half = self.value(value, unknown);
                (half, half)
            }
        }
    }

    /// Two addresses are the same.
    pub(super) fn same_ip(&mut self, left: &Value, right: &Value, yes: Label, no: Label, unknown: Label) {
        let (high, low) = self.ip(left, unknown);
        let (right_high, right_low) = match right.kind {
            ValueKind::Address(address) => (self.half((address >> 64) as u64), self.half(address as u64)),
            _ => {
                let (high, low) = self.ip(right, unknown);
                (Operand::Reg(high), Operand::Reg(low))
            }
        };
        self.branch_away(jmp::JNE, true, low, right_low, no);
        self.branch(jmp::JEQ, true, high, right_high, yes, no);
    }

    pub(super) fn half(&mut self, word: u64) -> Operand {
        match immediate(i128::from(word), true) {
            Some(imm) => Operand::Imm(imm),
            None => Operand::Reg(self.constant(word)),
        }
    }

    /// Values are an element of a set.
    pub(super) fn in_set(&mut self, values: &[Value], set: SetId, yes: Label, no: Label, unknown: Label) {
        let policy = self.policy;
        let set = &policy.sets[set.index()];
        let rows = match &set.members {
            Members::Static(rows) => rows,
            Members::Dynamic { .. } => return self.in_dynamic(values, set, yes, no, unknown),
        };
        if let ([value], [Part::Ip | Part::Network]) = (values, set.parts.as_slice())
            && rows.len() <= NETWORKS_INLINE_MAX
            && rows.iter().all(|row| simple(row[0]))
        {
            let (high, low) = self.ip(value, unknown);
            for (at, row) in rows.iter().enumerate() {
                let next = if at + 1 == rows.len() { no } else { self.fresh_label() };
                self.between(high, low, row[0], yes, next);
                if next != no {
                    self.place(next);
                }
            }
            return;
        }
        let bytes: Vec<u32> = set.parts.iter().copied().map(Part::key_bytes).collect();
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
        let (table, whose) = self.code.ranges(words, &ranges);
        let members = self.code.numbers(&whose.iter().map(|whose| u32::from(whose.is_some())).collect::<Vec<u32>>());
        let row = self.range_row(&table, &key, no);
        let member = self.fresh();
        self.entry(member, members, row, Some((table.rows(), no)));
        self.branch(jmp::JNE, true, member, Operand::Imm(0), yes, no);
    }

    /// The words of a key, from values.
    pub(super) fn key(&mut self, values: &[Value], places: &[set::Place], words: usize, unknown: Label) -> Vec<Reg> {
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

    /// One of many numbers.
    pub(super) fn one_of_many(&mut self, value: Reg, set: Vec<u64>, yes: Label, no: Label) {
        self.one_of_keys(set.into_iter().map(|number| [number, 0, 0, 0]).collect(), &[value], yes, no);
    }

    /// One of many names; they and the task's own are filled up with zeros.
    pub(super) fn one_of_names(&mut self, set: &[Vec<u8>], yes: Label, no: Label) {
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

    /// One of many keys, looked up exactly.
    fn one_of_keys(&mut self, mut keys: Vec<Words>, key: &[Reg], yes: Label, no: Label) {
        keys.sort_unstable();
        keys.dedup();
        let table = self.code.exact(&keys, key.len()).0;
        self.exact(&table, key, no);
        self.jump(yes);
    }

    /// An address lies in a [`simple`] range.
    fn between(&mut self, high: Reg, low: Reg, (first, last): (u128, u128), yes: Label, no: Label) {
        if (first >> 64) != (last >> 64) {
            let (from, to) = (self.half((first >> 64) as u64), self.half((last >> 64) as u64));
            self.branch_away(jmp::JLT, true, high, from, no);
            return self.branch(jmp::JLE, true, high, to, yes, no);
        }
        let whole = self.half((first >> 64) as u64);
        if first as u64 == 0 && last as u64 == u64::MAX {
            return self.branch(jmp::JEQ, true, high, whole, yes, no);
        }
        // A network: what its addresses have in common, where that is a constant of an instruction. Networks of one size share
        // the shift, and most addresses differ there.
        let bits = (first as u64 ^ last as u64).trailing_ones();
        let network = first as u64 >> bits == last as u64 >> bits && (first as u64).trailing_zeros() >= bits;
        if let (true, Some(common)) = (network && bits > 0, immediate(i128::from(first as u64 >> bits), true)) {
            let part = self.once(Key::Shifted { of: low, bits }, |build| {
                let part = build.copy(low, true);
                let by = Operand::Imm(bits as i32);
                build.push(Inst::Alu { op: alu::RSH, wide: true, dst: part, src: by, reloc: None });
                part
            });
            self.branch_away(jmp::JNE, true, part, Operand::Imm(common), no);
            return self.branch(jmp::JEQ, true, high, whole, yes, no);
        }
        self.branch_away(jmp::JNE, true, high, whole, no);
        let from = self.half(first as u64);
        if first == last {
            return self.branch(jmp::JEQ, true, low, from, yes, no);
        }
        self.branch_away(jmp::JLT, true, low, from, no);
        let to = self.half(last as u64);
        self.branch(jmp::JLE, true, low, to, yes, no);
    }

    /// A value that the load has set.
    pub(super) fn parameter(&mut self, param: crate::hir::ParamId) -> Reg {
        self.known_at_load(8 * param.0)
    }

    /// What identifies a file that the load has found.
    pub(super) fn file_number(&mut self, file: FileId, field: FileField) -> Reg {
        let field = if field == FileField::Device { 0 } else { 8 };
        self.known_at_load(self.code.files + 16 * file.0 + field)
    }

    fn known_at_load(&mut self, offset: u32) -> Reg {
        let base = self.fresh();
        self.push(Inst::Address { dst: base, of: RelocationKind::Constant(Section::Tables, offset) });
        let dst = self.fresh();
        self.push(Inst::Load { dst, base, offset: 0, bytes: 8, reloc: None, argument: None });
        dst
    }
}

/// A range of addresses that ends where its lower half ends, or whose upper half is one.
fn simple((first, last): (u128, u128)) -> bool {
    (first >> 64) == (last >> 64) || first as u64 == 0 && last as u64 == u64::MAX
}
