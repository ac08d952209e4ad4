//! Searches: which rules of one shape fire.
//!
//! What is looked up exactly is hashed, and one row is compared (see `library::exact`); networks and ranges are sorted
//! and searched by halves (see `ranges`); which patterns fit a text an automaton tells (see `automaton`). Where it matters
//! whose a row is, its number leads to a rule, or to a list:
//!
//! ```text
//! heads    by row: the rule; or, where some row has several, where in the list its rules begin
//! list     rules, one after the other; the top bit says that another of the same row follows
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::builder::{Builder, Fact, Key, Label};
use super::conds::pieces;
use super::ranges::RangesAt;
use super::text::Fetched;
use crate::bpf::insn::{alu, jmp};
use crate::bpf::library::automaton::AutomatonAt;
use crate::bpf::library::exact::{Exact, SPREAD, Words};
use crate::bpf::library::find::Range;
use crate::bpf::library::record::MORE;
use crate::bpf::library::words;
use crate::bpf::vcode::{Inst, Src, V};
use crate::bpf::{Code, RelocationKind};
use crate::decision::key::{Element, Part, PartKind, Place, places};
use crate::decision::{Index, IndexId, Verdict};
use crate::hir::{RuleId, Ty, Value};

/// A row of an automaton, or between ranges, that is none of the index.
const NO_ROW: usize = usize::MAX;

/// The largest errno (`MAX_ERRNO` of the kernel).
const ERRNO_MAX: i32 = 4095;

/// What the head of such a row says.
const NOBODY: u32 = u32::MAX;

/// Tables of an index in the constants.
#[derive(Clone, Debug)]
struct Tables {
    rows: Rows,
    /// For each part.
    texts: Vec<Texts>,
    heads: u32,
    /// Where the list is, and how long; only where some row has several rules.
    list: Option<(u32, u32)>,
}

/// Where a text stands for a row of its own.
#[derive(Clone, Copy, Debug)]
enum Texts {
    /// The part is no text.
    No,
    /// Of a table.
    Exact(TextsAt),
    /// Of an automaton.
    Match(AutomatonAt),
}

#[derive(Clone, Debug)]
enum Rows {
    Exact(ExactAt),
    /// Those of the only part, a text.
    Texts,
    /// The same, of an automaton with so many.
    Match(u32),
    /// Those of ranges, and between them.
    Ranges(RangesAt),
}

/// A table of keys in the constants.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExactAt {
    words: usize,
    multiplier: u64,
    /// Where the displacements are, and how many.
    displacements: u32,
    buckets: u32,
    /// Where the rows are, and how many.
    rows: u32,
    slots: u32,
}

/// A table of texts in the constants.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextsAt {
    /// Their hashes, no two the same with this seed.
    hashes: ExactAt,
    seed: u32,
    /// By slot: where the text is, and its length.
    entries: u32,
}

/// What a program knows about its indexes.
#[derive(Debug, Default)]
pub(super) struct Found {
    tables: BTreeMap<IndexId, Tables>,
    /// What the last search in an index found: a rule, or a place in the list.
    registers: BTreeMap<IndexId, V>,
}

impl Builder<'_> {
    /// Leads to `then` where the values of an index are a row's, else to `otherwise`.
    pub(super) fn find_rules(&mut self, id: IndexId, then: Label, otherwise: Label) {
        let indexes = self.indexes;
        let index = &indexes[id.index()];
        let Some((words, places)) = places(&index.parts) else { return self.jump(otherwise) };
        let tables = match self.found.tables.get(&id) {
            Some(tables) => tables.clone(),
            None => {
                let tables = tables(self.code, index, words, &places);
                self.found.tables.insert(id, tables.clone());
                tables
            }
        };
        let value = &index.parts[0].value;
        if let (Rows::Texts, [Texts::Exact(texts)]) = (&tables.rows, tables.texts.as_slice()) {
            let names = index.rows.iter().filter_map(|row| match row.key.as_slice() {
                [Element::Text(text)] => Some(text.as_slice()),
                _ => None,
            });
            self.name_may_fit(value, names, otherwise);
            let row = self.text_row(value, texts, otherwise, otherwise);
            return self.found_row(id, &tables, row, Some((texts.hashes.slots, otherwise)), then);
        }
        if let (Rows::Match(rows), [Texts::Match(at)]) = (&tables.rows, tables.texts.as_slice()) {
            let row = self.match_row(value, *at, otherwise);
            return self.found_row(id, &tables, row, Some((*rows, otherwise)), then);
        }
        let key = self.index_key(&index.parts, &places, &tables.texts, words, otherwise);
        let (row, rows) = match &tables.rows {
            // The search is in this program, and the verifier knows what comes of it.
            Rows::Exact(table) => (self.exact(table, &key, otherwise), None),
            Rows::Texts | Rows::Match(_) => return self.jump(otherwise),
            Rows::Ranges(table) => (self.range_row(table, &key, otherwise), Some((table.rows(), otherwise))),
        };
        self.found_row(id, &tables, row, rows, then);
    }

    /// Keeps what a row leads to, and goes to `then`.
    fn found_row(&mut self, id: IndexId, tables: &Tables, row: V, rows: Option<(u32, Label)>, then: Label) {
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
            self.branch_away(jmp::JEQ, false, found, Src::Imm(NOBODY.cast_signed()), otherwise);
        }
        self.jump(then);
    }

    /// What the last search in an index found: a rule, or a place in the list, which begins there.
    pub(super) fn found_rules(&self, id: IndexId) -> Option<(V, Option<u32>)> {
        let (tables, found) = (self.found.tables.get(&id)?, self.found.registers.get(&id)?);
        Some((*found, tables.list.map(|(list, _)| list)))
    }

    /// What the rules of the row that was found deny with, if they do: a constant where it is the same for all rows.
    pub(super) fn errno_found(&mut self, id: IndexId) -> Option<Src> {
        let (indexes, policy) = (self.indexes, self.policy);
        let index = &indexes[id.index()];
        let first = self.errno(index.rows[0].rules[0]);
        let tables = self.found.tables.get(&id).cloned().filter(|_| !index.one_errno);
        let (Some(Src::Imm(any)), Some(tables), Some(found)) = (first, tables, self.found.registers.get(&id).copied())
        else {
            return first;
        };
        let numbers: Vec<u32> = policy.rules.iter().map(|rule| rule.errno().unwrap_or(0).cast_unsigned()).collect();
        let errnos = self.code.numbers(&numbers);
        let errno = self.constant(any as u64);
        let done = self.fresh_label();
        let and = |build: &mut Self, dst, mask: i32| {
            build.push(Inst::Alu { op: alu::AND, wide: true, dst, src: Src::Imm(mask), reloc: None });
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
        self.push(Inst::Mov { dst: errno, src: Src::Reg(known), wide: true, reloc: None });
        self.jump(done);
        self.place(done);
        Some(Src::Reg(errno))
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
                    let no_flag = Src::Imm((MORE - 1).cast_signed());
                    self.push(Inst::Alu { op: alu::AND, wide: false, dst: which, src: no_flag, reloc: None });
                    if at + 1 == most {
                        self.event_of(rule, which, errno, verdict, recorded);
                        break;
                    }
                    let (written, more) = (self.fresh_label(), self.fresh_label());
                    self.event_of(rule, which, errno, verdict, written);
                    self.place(written);
                    self.branch(jmp::JSET, false, entry, Src::Imm(MORE.cast_signed()), more, recorded);
                    self.place(more);
                    self.push(Inst::Alu { op: alu::ADD, wide: true, dst: place, src: Src::Imm(1), reloc: None });
                }
            }
            (Some(None), Some(found)) => {
                self.would_deny(errno, Src::Reg(found));
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
    pub(super) fn entry(&mut self, dst: V, table: u32, at: V, bound: Option<(u32, Label)>) {
        let place = self.copy(at, true);
        if let Some((count, beyond)) = bound {
            self.branch_away(jmp::JGE, true, place, Src::Imm(count.cast_signed()), beyond);
        }
        self.push(Inst::Alu { op: alu::LSH, wide: true, dst: place, src: Src::Imm(2), reloc: None });
        let base = self.constant_at(table, place);
        self.push(Inst::Load { dst, base, offset: 0, bytes: 4, reloc: None, argument: None });
    }

    /// The address of a constant, so many bytes behind `table`.
    pub(super) fn constant_at(&mut self, table: u32, bytes: V) -> V {
        let base = self.fresh();
        self.push(Inst::Address { dst: base, of: RelocationKind::Constant(table) });
        self.push(Inst::Alu { op: alu::ADD, wide: true, dst: base, src: Src::Reg(bytes), reloc: None });
        base
    }

    /// The words of a key.
    fn index_key(&mut self, parts: &[Part], places: &[Place], texts: &[Texts], words: usize, unknown: Label) -> Vec<V> {
        let mut key: Vec<Option<V>> = vec![None; words];
        for ((part, place), texts) in parts.iter().zip(places).zip(texts) {
            let value = &part.value;
            match part.kind {
                PartKind::Ip | PartKind::Network => {
                    let (high, low) = self.ip(value, unknown);
                    key[place.word] = Some(high);
                    key[place.word + 1] = Some(low);
                }
                PartKind::Name => {
                    for (word, (offset, bytes)) in pieces(16).into_iter().enumerate() {
                        key[place.word + word] = Some(self.comm_bytes(offset, bytes));
                    }
                }
                PartKind::Range => {
                    let number = self.value(value, unknown);
                    key[place.word] = Some(match value.ty {
                        Ty::Int(int) if int.signed => {
                            let ordered = self.constant(1 << 63);
                            let src = Src::Reg(number);
                            self.push(Inst::Alu { op: alu::XOR, wide: true, dst: ordered, src, reloc: None });
                            ordered
                        }
                        _ => number,
                    });
                }
                PartKind::Number | PartKind::Text | PartKind::Match => {
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
    fn packed(&mut self, word: Option<V>, of: V, signed: bool, bytes: u32, shift: u32) -> V {
        if !signed && shift == 0 && word.is_none() {
            return of;
        }
        let part = self.copy(of, true);
        let mut by = |op, bits: u32| {
            if bits > 0 {
                self.push(Inst::Alu { op, wide: true, dst: part, src: Src::Imm(bits as i32), reloc: None });
            }
        };
        if signed {
            // Copies of the sign go.
            by(alu::LSH, 64 - 8 * bytes);
            by(alu::RSH, 64 - 8 * bytes);
        }
        by(alu::LSH, shift);
        if let Some(word) = word {
            self.push(Inst::Alu { op: alu::OR, wide: true, dst: part, src: Src::Reg(word), reloc: None });
        }
        part
    }

    /// The row of a key in a table; to `no` where it has none.
    pub(super) fn exact(&mut self, table: &ExactAt, key: &[V], no: Label) -> V {
        let by = self.fresh();
        self.push(Inst::Wide { dst: by, value: table.multiplier });
        let hash = self.copy(key[0], true);
        let mut alu = |op, dst, src| self.push(Inst::Alu { op, wide: true, dst, src, reloc: None });
        alu(alu::MUL, hash, Src::Reg(by));
        self.fold(hash);
        for word in &key[1..] {
            let mut alu = |op, dst, src| self.push(Inst::Alu { op, wide: true, dst, src, reloc: None });
            alu(alu::XOR, hash, Src::Reg(*word));
            alu(alu::MUL, hash, Src::Reg(by));
            self.fold(hash);
        }
        // Numbers of 32 bits times the count, shifted right by 32: below the count, which the verifier follows.
        let bucket = self.copy(hash, false);
        let mut alu = |op, dst, src| self.push(Inst::Alu { op, wide: true, dst, src, reloc: None });
        alu(alu::MUL, bucket, Src::Imm(table.buckets.cast_signed()));
        alu(alu::RSH, bucket, Src::Imm(32));
        alu(alu::LSH, bucket, Src::Imm(1));
        let base = self.constant_at(table.displacements, bucket);
        let moved = self.fresh();
        self.push(Inst::Load { dst: moved, base, offset: 0, bytes: 2, reloc: None, argument: None });
        let mut alu = |op, dst, src| self.push(Inst::Alu { op, wide: true, dst, src, reloc: None });
        alu(alu::MUL, moved, Src::Imm(SPREAD.cast_signed()));
        alu(alu::XOR, hash, Src::Reg(moved));
        alu(alu::MUL, hash, Src::Reg(by));
        alu(alu::RSH, hash, Src::Imm(32));
        alu(alu::MUL, hash, Src::Imm(table.slots.cast_signed()));
        alu(alu::RSH, hash, Src::Imm(32));
        let row = self.copy(hash, true);
        let bytes = 8 * table.words as i32;
        self.push(Inst::Alu { op: alu::MUL, wide: true, dst: row, src: Src::Imm(bytes), reloc: None });
        let base = self.constant_at(table.rows, row);
        for (at, word) in key.iter().enumerate() {
            let have = self.fresh();
            self.push(Inst::Load { dst: have, base, offset: 8 * at as i16, bytes: 8, reloc: None, argument: None });
            self.branch_away(jmp::JNE, true, have, Src::Reg(*word), no);
        }
        hash
    }

    /// The row of a text in a table; to `no` where it has none.
    pub(super) fn text_row(&mut self, value: &Value, table: &TextsAt, no: Label, unknown: Label) -> V {
        let text = self.text(value, unknown);
        let hash = self.text_hash(value, text, table.seed);
        let row = self.exact(&table.hashes, &[hash], no);
        let place = self.copy(row, true);
        self.push(Inst::Alu { op: alu::LSH, wide: true, dst: place, src: Src::Imm(3), reloc: None });
        let entry = self.constant_at(table.entries, place);
        let (from, length) = (self.fresh(), self.fresh());
        for (dst, offset) in [(from, 0), (length, 4)] {
            self.push(Inst::Load { dst, base: entry, offset, bytes: 4, reloc: None, argument: None });
        }
        self.branch_away(jmp::JNE, true, length, Src::Reg(text.length), no);
        let same = self.of_text(words::SAME, text, Src::Reg(from));
        self.branch_away(jmp::JEQ, true, same, Src::Imm(0), no);
        row
    }

    /// The row of an automaton for a text, found once; to `no` where nothing fits.
    fn match_row(&mut self, value: &Value, at: AutomatonAt, no: Label) -> V {
        let text = self.text(value, no);
        let known = self.texts.iter().position(|known| *known == value).unwrap_or(usize::MAX);
        let key = Key::TextMatch { text: known, at };
        let row = match self.read(&key) {
            Some(row) => row,
            None => {
                let row = self.matched(text, at);
                self.know(Fact::Read(key, row));
                row
            }
        };
        self.branch_away(jmp::JEQ, true, row, Src::Imm(0), no);
        row
    }

    /// The hash of a text, computed once.
    fn text_hash(&mut self, value: &Value, text: Fetched, seed: u32) -> V {
        let at = self.texts.iter().position(|known| *known == value).unwrap_or(usize::MAX);
        let key = Key::TextHash { text: at, seed };
        if let Some(hash) = self.read(&key) {
            return hash;
        }
        let hash = self.of_text(words::HASH, text, Src::Imm(seed.cast_signed()));
        self.know(Fact::Read(key, hash));
        hash
    }

    /// Calls a function about a text.
    fn of_text(&mut self, function: &'static str, text: Fetched, last: Src) -> V {
        let number = crate::bpf::library::NUMBER;
        let base = text.memory;
        self.push(Inst::Load { dst: V(1), base, offset: number, bytes: 8, reloc: None, argument: None });
        for (at, src) in [Src::Imm(i32::from(text.offset)), Src::Reg(text.length), last].into_iter().enumerate() {
            self.push(Inst::Mov { dst: V(2 + at as u32), src, wide: true, reloc: None });
        }
        self.push(Inst::Invoke { function, args: 4 });
        self.copy(V(0), true)
    }

    /// `dst ^= dst >> 32`
    fn fold(&mut self, dst: V) {
        let high = self.copy(dst, true);
        self.push(Inst::Alu { op: alu::RSH, wide: true, dst: high, src: Src::Imm(32), reloc: None });
        self.push(Inst::Alu { op: alu::XOR, wide: true, dst, src: Src::Reg(high), reloc: None });
    }
}

impl ExactAt {
    /// How many slots there are.
    pub(super) fn slots(&self) -> u32 {
        self.slots
    }
}

impl Code {
    /// Adds a table of keys, no two the same; with it the slot of each.
    pub(super) fn exact(&mut self, keys: &[Words], words: usize) -> (ExactAt, Vec<u32>) {
        let table = Exact::build(keys, words);
        let slots: Vec<u32> = keys.iter().map(|key| table.slot(key)).collect();
        // What no key has holds the first one, which is looked for elsewhere.
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

    /// Adds a table of texts, no two the same; with it the slot of each.
    pub(super) fn texts(&mut self, texts: &[&[u8]]) -> (TextsAt, Vec<u32>) {
        let hashes = |seed| {
            let hashes: Vec<Words> = texts.iter().map(|text| [words::hash(text, seed), 0, 0, 0]).collect();
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
        let from = self.constant_offset(&all);
        // A slot that no text has is never found.
        let mut entries = vec![0; 2 * hashes.slots as usize];
        for ((slot, text), place) in slots.iter().zip(texts).zip(places) {
            entries[2 * *slot as usize] = from + place;
            entries[2 * *slot as usize + 1] = text.len() as u32;
        }
        (TextsAt { hashes, seed, entries: self.numbers(&entries) }, slots)
    }

    pub(super) fn constant_offset(&mut self, bytes: &[u8]) -> u32 {
        self.shared_constant(bytes, |_| bytes.into())
    }

    /// Adds a table of numbers.
    pub(super) fn numbers(&mut self, numbers: &[u32]) -> u32 {
        self.constant_offset(&numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())
    }
}

/// Puts an index into the constants.
fn tables<'i>(code: &mut Code, index: &'i Index, words: usize, places: &[Place]) -> Tables {
    let most = index.most();
    // By row: what its head says.
    let (mut list, mut heads) = (Vec::new(), Vec::with_capacity(index.rows.len()));
    for row in &index.rows {
        match row.rules.as_slice() {
            [rule] if most == 1 => heads.push(rule.0),
            rules => {
                heads.push(list.len() as u32);
                let last = rules.len().saturating_sub(1);
                list.extend(rules.iter().enumerate().map(|(at, rule)| rule.0 | if at < last { MORE } else { 0 }));
            }
        }
    }
    // Texts stand for the rows of tables of their own.
    let mut texts = Vec::with_capacity(index.parts.len());
    let mut text_rows: Vec<HashMap<&'i [u8], u32>> = Vec::with_capacity(index.parts.len());
    for (at, part) in index.parts.iter().enumerate() {
        if part.kind != PartKind::Text {
            let automaton = index.automata[at].as_ref();
            texts.push(automaton.map_or(Texts::No, |automaton| Texts::Match(code.automaton(automaton))));
            text_rows.push(HashMap::new());
            continue;
        }
        let text = |row: &'i crate::decision::Row| match &row.key[at] {
            Element::Text(text) => Some(text.as_slice()),
            _ => None,
        };
        let different: Vec<&[u8]> = index.rows.iter().filter_map(text).collect::<BTreeSet<_>>().into_iter().collect();
        let (table, slots) = code.texts(&different);
        texts.push(Texts::Exact(table));
        text_rows.push(different.into_iter().zip(slots).collect());
    }
    let sorted = index.parts.iter().any(|part| part.kind.is_range());
    let (rows, by_place) = if sorted {
        let end = |row: &crate::decision::Row, last: bool| {
            let words = key(&index.parts, places, &row.key, &text_rows, last);
            [words[0], words[1], words[2]]
        };
        let ranges: Vec<Range> = index.rows.iter().map(|row| (end(row, false), end(row, true))).collect();
        let (table, whose) = code.ranges(words, &ranges);
        (
            Rows::Ranges(table),
            whose.iter().map(|whose| whose.map_or(NO_ROW, |row| row as usize)).collect::<Vec<usize>>(),
        )
    } else if let ([Texts::Match(_)], [Some(automaton)]) = (texts.as_slice(), index.automata.as_slice()) {
        // Row 0 is where nothing fits.
        let mut places = vec![NO_ROW; automaton.rows.len()];
        for (at, row) in index.rows.iter().enumerate() {
            if let [Element::Number(number)] = row.key.as_slice() {
                places[*number as usize] = at;
            }
        }
        (Rows::Match(places.len() as u32), places)
    } else if let ([Texts::Exact(table)], [rows]) = (texts.as_slice(), text_rows.as_slice()) {
        let mut places = vec![0; table.hashes.slots as usize];
        for (at, row) in index.rows.iter().enumerate() {
            if let [Element::Text(text)] = row.key.as_slice() {
                places[rows[text.as_slice()] as usize] = at;
            }
        }
        (Rows::Texts, places)
    } else {
        let keys: Vec<Words> =
            index.rows.iter().map(|row| key(&index.parts, places, &row.key, &text_rows, false)).collect();
        let (at, slots) = code.exact(&keys, words);
        let mut places = vec![0; at.slots as usize];
        slots.iter().enumerate().for_each(|(row, slot)| places[*slot as usize] = row);
        (Rows::Exact(at), places)
    };
    let head = |row: &usize| heads.get(*row).copied().unwrap_or(NOBODY);
    let heads = code.numbers(&by_place.iter().map(head).collect::<Vec<u32>>());
    let list = (most > 1).then(|| (code.numbers(&list), list.len() as u32));
    Tables { rows, texts, heads, list }
}

/// The words of a row; of a range its first value or its last.
fn key(parts: &[Part], places: &[Place], elements: &[Element], texts: &[HashMap<&[u8], u32>], last: bool) -> Words {
    let mut key = Words::default();
    for (((part, place), element), texts) in parts.iter().zip(places).zip(elements).zip(texts) {
        match (part.kind, element) {
            (PartKind::Range, Element::Range(from, to)) => key[place.word] = if last { *to } else { *from } as u64,
            (_, Element::Range(from, to)) => {
                let end = if last { *to } else { *from };
                key[place.word] = (end >> 64) as u64;
                key[place.word + 1] = end as u64;
            }
            (PartKind::Ip, Element::Number(address)) => {
                key[place.word] = (address >> 64) as u64;
                key[place.word + 1] = *address as u64;
            }
            (PartKind::Name, Element::Number(bytes)) => {
                key[place.word] = *bytes as u64;
                key[place.word + 1] = (bytes >> 64) as u64;
            }
            (_, Element::Number(number)) => key[place.word] |= (*number as u64) << place.shift,
            (_, Element::Text(text)) => key[place.word] |= u64::from(texts[text.as_slice()]) << place.shift,
            (_, Element::Pattern(_)) => unreachable!("a pattern stands for the rows of an automaton"),
        }
    }
    key
}
