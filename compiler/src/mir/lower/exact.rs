//! Exact lookups by perfect hashing: keys of up to four words, and texts (see `rt::exact`).
//!
//! ```text
//! hash          of the key: multiplied and folded, word by word
//! displacement  displacements[low32(hash) * buckets >> 32]
//! slot          rehash(hash ^ displacement) * slots >> 32; rows[slot] has the only candidate
//! ```
//!
//! A lookup compares a single row and has no loop, so the verifier follows one path whatever the size of the
//! table. Both reductions are a 32-bit number times a count, shifted right by 32: the verifier derives that
//! the result is below the count, and accepts the access without a check.
//!
//! The key of a text is its own hash. The slot leads to the position of the text in the constants, where it
//! is compared byte by byte.
//!
//! Absent: ranges and networks, which `ranges` has.

use super::builder::{Builder, Target, ValueKey};
use super::text::FetchedText;
use crate::data::Data;
use crate::hir::Value;
use crate::isa::{alu, jmp};
use crate::mir::{Inst, Operand, Reg};
use crate::relocation::{RelocationKind, Section};
use crate::rt::exact::{Exact, SPREAD, Words};
use crate::rt::{NUMBER, whole_text};

/// A perfect hash table of keys in the constants.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExactAt {
    words: usize,
    multiplier: u64,
    /// Offset and number of the displacements.
    displacements: u32,
    buckets: u32,
    /// Offset and number of the rows.
    rows: u32,
    slots: u32,
}

/// A perfect hash table of texts in the constants.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextsAt {
    /// The table of their hashes, which are distinct under this seed.
    hashes: ExactAt,
    seed: u32,
    /// Offset of a table by slot: the offset of the text and its length.
    entries: u32,
}

impl ExactAt {
    /// Returns the number of slots.
    pub(super) fn slots(&self) -> u32 {
        self.slots
    }
}

impl TextsAt {
    /// Returns the number of slots.
    pub(super) fn slots(&self) -> u32 {
        self.hashes.slots
    }
}

impl Builder<'_> {
    /// Looks up a key and returns its slot; jumps to `no` if the table lacks it.
    pub(super) fn exact(&mut self, table: &ExactAt, key: &[Reg], no: Target) -> Reg {
        let by = self.fresh();
        self.push(Inst::Wide { dst: by, value: table.multiplier });
        let hash = self.copy(key[0], true);
        let mut alu = |op, dst, src| self.push(Inst::Alu { op, wide: true, dst, src, reloc: None });
        alu(alu::MUL, hash, Operand::Reg(by));
        self.fold(hash);
        for word in &key[1..] {
            let mut alu = |op, dst, src| self.push(Inst::Alu { op, wide: true, dst, src, reloc: None });
            alu(alu::XOR, hash, Operand::Reg(*word));
            alu(alu::MUL, hash, Operand::Reg(by));
            self.fold(hash);
        }
        // `low32(hash) * buckets >> 32` is below `buckets`; the verifier derives this bound.
        let bucket = self.copy(hash, false);
        let mut alu = |op, dst, src| self.push(Inst::Alu { op, wide: true, dst, src, reloc: None });
        alu(alu::MUL, bucket, Operand::Imm(table.buckets.cast_signed()));
        alu(alu::RSH, bucket, Operand::Imm(32));
        alu(alu::LSH, bucket, Operand::Imm(1));
        let base = self.constant_at(table.displacements, bucket);
        let moved = self.fresh();
        self.push(Inst::Load { dst: moved, base, offset: 0, bytes: 2, reloc: None, argument: None });
        let mut alu = |op, dst, src| self.push(Inst::Alu { op, wide: true, dst, src, reloc: None });
        alu(alu::MUL, moved, Operand::Imm(SPREAD.cast_signed()));
        alu(alu::XOR, hash, Operand::Reg(moved));
        alu(alu::MUL, hash, Operand::Reg(by));
        alu(alu::RSH, hash, Operand::Imm(32));
        alu(alu::MUL, hash, Operand::Imm(table.slots.cast_signed()));
        alu(alu::RSH, hash, Operand::Imm(32));
        let row = self.copy(hash, true);
        let bytes = 8 * table.words as i32;
        self.push(Inst::Alu { op: alu::MUL, wide: true, dst: row, src: Operand::Imm(bytes), reloc: None });
        let base = self.constant_at(table.rows, row);
        for (at, word) in key.iter().enumerate() {
            let have = self.fresh();
            self.push(Inst::Load { dst: have, base, offset: 8 * at as i16, bytes: 8, reloc: None, argument: None });
            self.branch_away(jmp::JNE, true, have, Operand::Reg(*word), no);
        }
        hash
    }

    /// Looks up a text and returns its slot; jumps to `no` if the table lacks it.
    pub(super) fn text_row(&mut self, value: &Value, table: &TextsAt, no: Target, unknown: Target) -> Reg {
        let text = self.text(value, unknown);
        let hash = self.text_hash(value, text, table.seed);
        let row = self.exact(&table.hashes, &[hash], no);
        let place = self.copy(row, true);
        self.push(Inst::Alu { op: alu::LSH, wide: true, dst: place, src: Operand::Imm(3), reloc: None });
        let entry = self.constant_at(table.entries, place);
        let (from, length) = (self.fresh(), self.fresh());
        for (dst, offset) in [(from, 0), (length, 4)] {
            self.push(Inst::Load { dst, base: entry, offset, bytes: 4, reloc: None, argument: None });
        }
        self.branch_away(jmp::JNE, true, length, Operand::Reg(text.length), no);
        let same = self.call_on_text(whole_text::SAME, text, Operand::Reg(from));
        self.branch_away(jmp::JEQ, true, same, Operand::Imm(0), no);
        row
    }

    /// Returns the hash of a text, computed at most once on every path.
    fn text_hash(&mut self, value: &Value, text: FetchedText, seed: u32) -> Reg {
        let at = self.texts.iter().position(|known| *known == value).unwrap_or(usize::MAX);
        let key = ValueKey::TextHash { text: at, seed };
        self.read_once(key, &[], None, |build, hash| {
            let made = build.call_on_text(whole_text::HASH, text, Operand::Imm(seed.cast_signed()));
            build.set(hash, Operand::Reg(made));
        })
    }

    /// Calls a shared function on a text.
    fn call_on_text(&mut self, function: &'static str, text: FetchedText, last: Operand) -> Reg {
        let base = text.memory;
        self.push(Inst::Load { dst: Reg(1), base, offset: NUMBER, bytes: 8, reloc: None, argument: None });
        for (at, src) in [Operand::Imm(i32::from(text.offset)), Operand::Reg(text.length), last].into_iter().enumerate()
        {
            self.push(Inst::Mov { dst: Reg(2 + at as u32), src, wide: true, reloc: None });
        }
        self.push(Inst::Invoke { function, args: 4 });
        self.copy(Reg(0), true)
    }

    /// Folds the upper half: `dst ^= dst >> 32`.
    fn fold(&mut self, dst: Reg) {
        let high = self.copy(dst, true);
        self.push(Inst::Alu { op: alu::RSH, wide: true, dst: high, src: Operand::Imm(32), reloc: None });
        self.push(Inst::Alu { op: alu::XOR, wide: true, dst, src: Operand::Reg(high), reloc: None });
    }

    /// Returns the address of a constant, `bytes` after the offset `table`.
    pub(super) fn constant_at(&mut self, table: u32, bytes: Reg) -> Reg {
        let base = self.fresh();
        self.push(Inst::Address { dst: base, of: RelocationKind::Constant(Section::Tables, table) });
        self.push(Inst::Alu { op: alu::ADD, wide: true, dst: base, src: Operand::Reg(bytes), reloc: None });
        base
    }
}

impl Data {
    /// Adds a table of distinct keys and returns the slot of each key.
    pub(super) fn exact(&mut self, keys: &[Words], words: usize) -> (ExactAt, Vec<u32>) {
        let table = Exact::build(keys, words);
        let slots: Vec<u32> = keys.iter().map(|key| table.slot(key)).collect();
        // An unused slot holds the first key, which is never looked up there.
        let mut rows = vec![keys[0]; table.slots as usize];
        slots.iter().zip(keys).for_each(|(slot, key)| rows[*slot as usize] = *key);
        let rows: Vec<u8> = rows.iter().flat_map(|row| &row[..words]).flat_map(|word| word.to_le_bytes()).collect();
        let displacements: Vec<u8> = table.displacements.iter().flat_map(|one| one.to_le_bytes()).collect();
        let at = ExactAt {
            words,
            multiplier: table.multiplier,
            displacements: self.constant_offset(&displacements),
            buckets: table.displacements.len() as u32,
            rows: self.constant_offset(&rows),
            slots: table.slots,
        };
        (at, slots)
    }

    /// Adds a table of distinct texts and returns the slot of each text.
    pub(super) fn texts(&mut self, texts: &[&[u8]]) -> (TextsAt, Vec<u32>) {
        let hashes = |seed| {
            let hashes: Vec<Words> = texts.iter().map(|text| [whole_text::hash(text, seed), 0, 0, 0]).collect();
            let mut sorted = hashes.clone();
            sorted.sort_unstable();
            sorted.dedup();
            (sorted.len() == hashes.len()).then_some((seed, hashes))
        };
        let Some((seed, keys)) = (0..1 << 16).find_map(hashes) else {
            unreachable!("different texts have different hashes with some seed");
        };
        let (hashes, slots) = self.exact(&keys, 1);
        let (mut all, mut places) = (Vec::new(), Vec::with_capacity(texts.len()));
        for text in texts {
            places.push(all.len() as u32);
            all.extend_from_slice(text);
        }
        let from = self.constants.share(Section::Texts, &all);
        // An unused slot is never found.
        let mut entries = vec![0; 2 * hashes.slots as usize];
        for ((slot, text), place) in slots.iter().zip(texts).zip(places) {
            entries[2 * *slot as usize] = from + place;
            entries[2 * *slot as usize + 1] = text.len() as u32;
        }
        (TextsAt { hashes, seed, entries: self.u32_table(&entries) }, slots)
    }

    pub(super) fn constant_offset(&mut self, bytes: &[u8]) -> u32 {
        self.constants.share(Section::Tables, bytes)
    }

    /// Adds a table of 32-bit numbers.
    pub(super) fn u32_table(&mut self, numbers: &[u32]) -> u32 {
        self.constant_offset(&numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())
    }
}
