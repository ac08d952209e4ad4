//! Texts: fetched once on a way into memory that the program has for itself, then compared there.
//!
//! A text that cannot be fetched (too long, too deep, memory gone) is unknown, like what lies behind null; but it is
//! counted for the rule that asked.

use std::collections::BTreeSet;

use super::ancestors::{self, Asked};
use super::builder::{Builder, Fact, Key, Label};
use super::conds::covering;
use crate::automaton::Automaton;
use crate::bpf::library::automaton::{AutomatonAt, MATCH};
use crate::bpf::{Code, RelocationKind, helper, library};
use crate::decision::{Graph, Node, Plan};
use crate::hir::{Access, Atom, AtomKind, Cond, Policy, Shape, Step, Text, TextTest, Ty, Value, ValueKind};
use crate::isa::{alu, jmp};
use crate::limits::TEXT_BYTES;
use crate::mir::{Inst, Operand, Reg};
use crate::optimise::Optimisation;

/// So many lengths of names are compared one by one before a path is walked.
const NAME_LENGTHS_MAX: usize = 8;

/// So many texts are compared one by one, two instructions for most; a search takes some sixty and ten for each eight bytes.
const TEXTS_INLINE_MAX: usize = 16;

/// The verifier follows the first components of a path on each way that comes to them. The further down in a program, the more
/// ways do, and the fewer calls.
const NEAR_CALLS_MAX: usize = 4;

/// A fetched text.
#[derive(Clone, Copy)]
pub(super) struct Fetched {
    /// The program's memory.
    pub(super) memory: Reg,
    /// Where in it the text begins.
    pub(super) offset: i16,
    /// Its length, without the NUL behind it.
    pub(super) length: Reg,
}

/// The different texts that a graph asks about, in the order in which it does.
pub(super) fn texts<'p>(policy: &'p Policy, plan: &'p Plan, graph: &'p Graph) -> Vec<&'p Value> {
    let mut found = Vec::new();
    for node in &graph.nodes {
        match node {
            Node::Test { atom, .. } => in_atom(atom, &mut found),
            Node::Find { index, .. } => {
                plan.indexes[index.index()].columns.iter().for_each(|part| in_value(&part.value, &mut found));
            }
            Node::Record { rule, .. } | Node::RecordFound { rule, .. } => {
                let audit = &policy.rules[rule.0 as usize].audit;
                audit.iter().flat_map(|audit| &audit.fields).for_each(|field| in_value(&field.value, &mut found));
            }
            _ => {}
        }
    }
    found
}

pub(super) fn in_cond<'p>(cond: &'p Cond, found: &mut Vec<&'p Value>) {
    match cond {
        Cond::Const(_) => {}
        Cond::Atom(atom) => in_atom(atom, found),
        Cond::Not(inner) => in_cond(inner, found),
        Cond::And(left, right) | Cond::Or(left, right) => {
            in_cond(left, found);
            in_cond(right, found);
        }
    }
}

fn in_atom<'p>(atom: &'p Atom, found: &mut Vec<&'p Value>) {
    match &atom.kind {
        AtomKind::Compare { left, right, .. } | AtomKind::Same(left, right) => {
            in_value(left, found);
            in_value(right, found);
        }
        AtomKind::AnyAncestor { of, cond } => {
            in_value(of, found);
            in_cond(cond, found);
        }
        AtomKind::InSet { values, .. } => values.iter().for_each(|value| in_value(value, found)),
        AtomKind::AnyBit(value)
        | AtomKind::AllBits { value, .. }
        | AtomKind::True(value)
        | AtomKind::Null(value)
        | AtomKind::OneOf { value, .. }
        | AtomKind::OneOfStrings { value, .. }
        | AtomKind::Text { value, .. }
        | AtomKind::Label { object: value, .. } => in_value(value, found),
    }
}

fn in_value<'p>(value: &'p Value, found: &mut Vec<&'p Value>) {
    match &value.kind {
        ValueKind::Text(_) if !found.contains(&value) => found.push(value),
        ValueKind::Unary(_, inner) | ValueKind::Convert(inner) => in_value(inner, found),
        ValueKind::Binary(_, left, right) => {
            in_value(left, found);
            in_value(right, found);
        }
        ValueKind::Load { base, .. } => in_value(base, found),
        ValueKind::FirstOf(values) => values.iter().for_each(|value| in_value(value, found)),
        ValueKind::Cond(cond) => in_cond(cond, found),
        _ => {}
    }
}

impl Builder<'_> {
    /// Fetches a text, unless this way has tried before. What it came to is known on every way from here, so that rules
    /// that ask again only look at the length.
    pub(super) fn text(&mut self, value: &Value, unknown: Label) -> Fetched {
        let index = self.texts.iter().position(|known| *known == value).expect("every text of a graph is in its list");
        let memory = self.memory.expect("a program with texts begins by saying that it has no memory");
        let length = self.read_once(Key::Text(index), &[], None, |build, length| {
            build.fetch(length, value, library::region(index), memory);
        });
        if !self.not_null(length) {
            self.branch_away(jmp::JGE, true, length, Operand::Imm(TEXT_BYTES as i32), unknown);
            self.know(Fact::NotNull(length));
        }
        Fetched { memory, offset: library::region(index), length }
    }

    /// Into a register the length of a text, or -1 where there is none.
    fn fetch(&mut self, length: Reg, value: &Value, offset: i16, memory: Reg) {
        let ValueKind::Text(text) = &value.kind else { unreachable!("only texts are in the list") };
        // Beside what a walk takes, nothing that follows counts.
        self.dear = true;
        let (have, failed, none, done) =
            (self.fresh_label(), self.fresh_label(), self.fresh_label(), self.fresh_label());
        self.claim(memory, have, failed);
        self.place(have);
        let from = match &**text {
            Text::Path { dentry, mount } => {
                let dentry = self.pointer(dentry, none);
                let mount = self.pointer(mount, none);
                self.path(dentry, mount, memory, offset)
            }
            Text::Cgroup { node } => {
                let node = self.pointer(node, none);
                self.store_pointer(memory, library::FIRST, node);
                self.path_begins(memory);
                self.walk(library::CGROUP, memory, offset)
            }
            Text::Pointer(of) => {
                let from = self.pointer(of, none);
                self.characters(memory, offset, from, TEXT_BYTES)
            }
            Text::Copy(of) => {
                let Ty::Str { bytes } = of.ty else { unreachable!("only strings are copied") };
                self.copy_string(of, bytes, memory, none);
                let from = self.copy(memory, true);
                self.add(from, i32::from(library::WORK));
                self.characters(memory, offset, from, bytes + 1)
            }
            Text::Unix { end, name } => self.unix_name(end, *name, memory, offset, none, failed),
        };
        self.push(Inst::Mov { dst: length, src: Operand::Reg(from), wide: true, reloc: None });
        self.branch(jmp::JLT, true, length, Operand::Imm(TEXT_BYTES as i32), done, failed);
        self.place(failed);
        self.count_unreadable();
        self.jump(none);
        self.place(none);
        self.push(Inst::Mov { dst: length, src: Operand::Imm(-1), wide: true, reloc: None });
        self.jump(done);
        self.place(done);
    }

    /// Claims memory for texts where this run has none yet.
    pub(super) fn claim(&mut self, memory: Reg, have: Label, failed: Label) {
        let claim = self.fresh_label();
        self.branch(jmp::JNE, true, memory, Operand::Imm(0), have, claim);
        self.place(claim);
        self.push(Inst::Invoke { function: library::CLAIM, args: 0 });
        self.push(Inst::Mov { dst: memory, src: Operand::Reg(Reg(0)), wide: true, reloc: None });
        self.branch(jmp::JNE, true, memory, Operand::Imm(0), have, failed);
    }

    /// Gives the memory back, at the program's end.
    pub(super) fn release(&mut self) {
        let Some(memory) = self.memory else { return };
        let (give, done) = (self.fresh_label(), self.fresh_label());
        self.branch(jmp::JNE, true, memory, Operand::Imm(0), give, done);
        self.place(give);
        let less = self.fresh();
        self.push(Inst::Mov { dst: less, src: Operand::Imm(-1), wide: true, reloc: None });
        self.push(Inst::AtomicAdd { base: memory, src: less });
        self.jump(done);
        self.place(done);
    }

    pub(super) fn store_pointer(&mut self, memory: Reg, offset: i16, pointer: Reg) {
        self.push(Inst::Store { base: memory, offset, src: Operand::Reg(pointer), bytes: 8 });
    }

    pub(super) fn add(&mut self, dst: Reg, number: i32) {
        self.push(Inst::Alu { op: alu::ADD, wide: true, dst, src: Operand::Imm(number), reloc: None });
    }

    /// The path of a dentry below a mount. What is read of them once is read here, where they mostly are typed: a function has
    /// numbers, and copies what a load would have.
    pub(super) fn path(&mut self, dentry: Reg, mount: Reg, memory: Reg, offset: i16) -> Reg {
        let pprev = [field("d_hash", Shape::Struct), field("pprev", Shape::Pointer)];
        let root = self.load(mount, &access("vfsmount", &[field("mnt_root", Shape::Pointer)]), 8);
        let hashed = self.load(dentry, &access("dentry", &pprev), 8);
        for (at, word) in
            [(library::FIRST, dentry), (library::SECOND, mount), (library::ROOT, root), (library::HASHED, hashed)]
        {
            self.store_pointer(memory, at, word);
        }
        self.path_begins(memory);
        self.near(dentry, memory);
        self.walk(library::PATH, memory, offset)
    }

    fn path_begins(&mut self, memory: Reg) {
        self.push(Inst::Store { base: memory, offset: library::PLACE, src: Operand::Imm(library::END), bytes: 8 });
    }

    /// Goes up from a dentry by loads, where it is typed.
    fn near(&mut self, dentry: Reg, memory: Reg) {
        let wanted = self.optimise.does(Optimisation::Near) && self.near_calls < NEAR_CALLS_MAX;
        if !wanted || self.asked.is_some() || self.numbers.contains(&dentry) {
            return;
        }
        self.near_calls += 1;
        let (typed, far) = (self.fresh_label(), self.fresh_label());
        if self.untyped.contains(&dentry) {
            self.typed_task(typed, far);
        } else {
            self.jump(typed);
        }
        self.place(typed);
        self.invoke(library::PATH_NEAR, &[Operand::Reg(memory), Operand::Reg(dentry)]);
        self.jump(far);
        self.place(far);
    }

    /// Calls a function that follows the pointers in the memory.
    pub(super) fn walk(&mut self, function: &'static str, memory: Reg, offset: i16) -> Reg {
        let argument = Reg(1);
        self.push(Inst::Load {
            dst: argument,
            base: memory,
            offset: library::NUMBER,
            bytes: 8,
            reloc: None,
            argument: None,
        });
        self.push(Inst::Mov { dst: Reg(2), src: Operand::Imm(i32::from(offset)), wide: true, reloc: None });
        self.push(Inst::Invoke { function, args: 2 });
        self.copy(Reg(0), true)
    }

    /// Copies characters up to a NUL; their number. What fills the room may have been cut, and is too long then: the NUL
    /// counts until it is taken off.
    fn characters(&mut self, memory: Reg, offset: i16, from: Reg, room: u32) -> Reg {
        self.push(Inst::Mov { dst: Reg(3), src: Operand::Reg(from), wide: true, reloc: None });
        self.push(Inst::Mov { dst: Reg(1), src: Operand::Reg(memory), wide: true, reloc: None });
        self.add(Reg(1), i32::from(offset));
        // One more than the longest text, so that a cut one is not taken for whole.
        let room = if room == TEXT_BYTES { room + 1 } else { room };
        self.push(Inst::Mov { dst: Reg(2), src: Operand::Imm(room as i32), wide: true, reloc: None });
        self.push(Inst::Call { helper: helper::PROBE_READ_KERNEL_STR, args: 3 });
        let length = self.copy(Reg(0), true);
        self.add(length, -1);
        length
    }

    /// Copies a string that lies in its struct to the work room, with a NUL behind it.
    fn copy_string(&mut self, of: &Value, bytes: u32, memory: Reg, unknown: Label) {
        let end = library::WORK + bytes as i16;
        let to_work = |build: &mut Self| {
            build.push(Inst::Mov { dst: Reg(1), src: Operand::Reg(memory), wide: true, reloc: None });
            build.add(Reg(1), i32::from(library::WORK));
            build.push(Inst::Mov { dst: Reg(2), src: Operand::Imm(bytes as i32), wide: true, reloc: None });
        };
        match &of.kind {
            ValueKind::Load { base, access } => {
                let base = self.pointer(base, unknown);
                let from = self.field_address(base, access);
                self.push(Inst::Mov { dst: Reg(3), src: Operand::Reg(from), wide: true, reloc: None });
                to_work(self);
                self.push(Inst::Call { helper: helper::PROBE_READ_KERNEL, args: 3 });
            }
            _ => {
                to_work(self);
                self.push(Inst::Call { helper: helper::GET_CURRENT_COMM, args: 2 });
            }
        }
        self.push(Inst::Store { base: memory, offset: end, src: Operand::Imm(0), bytes: 1 });
    }

    /// The address of a field behind a pointer.
    pub(super) fn field_address(&mut self, base: Reg, access: &Access) -> Reg {
        let address = self.fresh();
        let reloc = Some(RelocationKind::FieldOffset(access.clone()));
        self.push(Inst::Mov { dst: address, src: Operand::Imm(0), wide: true, reloc });
        self.push(Inst::Alu { op: alu::ADD, wide: true, dst: address, src: Operand::Reg(base), reloc: None });
        address
    }

    pub(super) fn count_unreadable(&mut self) {
        if let Some(Asked { unreadable: Some(flag), .. }) = self.asked {
            // The program that asks counts it.
            return self.push(Inst::Mov {
                dst: flag,
                src: Operand::Imm(ancestors::UNREADABLE),
                wide: true,
                reloc: None,
            });
        }
        let RelocationKind::State(first) = self.code.unreadable(self.policy.rules.len()) else { return };
        let counter = self.fresh();
        self.push(Inst::Address { dst: counter, of: RelocationKind::State(first + 8 * self.rule.0) });
        let one = self.constant(1);
        self.push(Inst::AtomicAdd { base: counter, src: one });
    }

    /// Leads where the answer leads.
    pub(super) fn text_test(&mut self, value: &Value, test: &TextTest, yes: Label, no: Label, unknown: Label) {
        if let TextTest::OneOf(set) = test
            && no == unknown
        {
            self.name_may_fit(value, set.iter().map(Vec::as_slice), no);
        }
        if let TextTest::OneOf(set) = test
            && set.len() > TEXTS_INLINE_MAX
        {
            let table = self.code.texts(&set.iter().map(Vec::as_slice).collect::<Vec<_>>()).0;
            self.text_row(value, &table, no, unknown);
            return self.jump(yes);
        }
        let text = self.text(value, unknown);
        match test {
            TextTest::OneOf(set) => self.one_of_texts(text, set, yes, no),
            TextTest::Under(directory) if directory.is_empty() => self.jump(yes),
            TextTest::Under(directory) => {
                let length = directory.len() as i32;
                self.branch_away(jmp::JLT, true, text.length, Operand::Imm(length), no);
                let (begins, below) = (self.fresh_label(), self.fresh_label());
                self.same_bytes(text.memory, text.offset, directory, begins, no);
                self.place(begins);
                self.branch(jmp::JEQ, true, text.length, Operand::Imm(length), yes, below);
                self.place(below);
                let next = self.byte(text.memory, text.offset + length as i16);
                self.branch(jmp::JEQ, true, next, Operand::Imm(i32::from(b'/')), yes, no);
            }
            TextTest::StartsWith(prefix) => {
                self.branch_away(jmp::JLT, true, text.length, Operand::Imm(prefix.len() as i32), no);
                self.same_bytes(text.memory, text.offset, prefix, yes, no);
            }
            TextTest::EndsWith(suffix) => {
                self.branch_away(jmp::JLT, true, text.length, Operand::Imm(suffix.len() as i32), no);
                let end = self.copy(text.length, true);
                self.add(end, -(suffix.len() as i32));
                // A power of two bounds what no comparison has.
                self.push(Inst::Alu {
                    op: alu::AND,
                    wide: true,
                    dst: end,
                    src: Operand::Imm(TEXT_BYTES as i32 - 1),
                    reloc: None,
                });
                self.push(Inst::Alu {
                    op: alu::ADD,
                    wide: true,
                    dst: end,
                    src: Operand::Reg(text.memory),
                    reloc: None,
                });
                self.same_bytes(end, text.offset, suffix, yes, no);
            }
            TextTest::Contains(_) | TextTest::Like(_) => {
                let automaton = Automaton::one(test).expect("the checker has made it before");
                let at = self.code.automaton(&automaton);
                let row = self.matched(value, text, at);
                self.branch(jmp::JNE, true, row, Operand::Imm(0), yes, no);
            }
        }
    }

    /// Leads to `no` where a path cannot be one of some, since its last name is longer or shorter than all of theirs: that
    /// costs a few loads, where a walk to the root costs thousands of instructions. What is the root of a mount has its
    /// name from where that is mounted, and is walked.
    pub(super) fn name_may_fit<'t>(&mut self, value: &Value, set: impl IntoIterator<Item = &'t [u8]>, no: Label) {
        let ValueKind::Text(text) = &value.kind else { return };
        let Text::Path { dentry, mount } = &**text else { return };
        let index = self.texts.iter().position(|known| *known == value);
        if !self.optimise.does(Optimisation::Names) || index.is_none_or(|at| self.read(&Key::Text(at)).is_some()) {
            return;
        }
        let mut lengths = BTreeSet::new();
        for path in set {
            // What is unlinked has more behind its name.
            if path.ends_with(b")") {
                return;
            }
            lengths.insert(path.len() - path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1));
        }
        let dentry = self.pointer(dentry, no);
        let mount = self.pointer(mount, no);
        let unlike = |of: &Reg| self.untyped.contains(of) || self.numbers.contains(of);
        if unlike(&dentry) || unlike(&mount) {
            return;
        }
        let length = [field("d_name", Shape::Struct), field("len", Shape::Int { bytes: 4, signed: false })];
        let length = self.load(dentry, &access("dentry", &length), 4);
        let fits = self.fresh_label();
        if lengths.len() <= NAME_LENGTHS_MAX {
            for bytes in lengths {
                self.branch_away(jmp::JEQ, false, length, Operand::Imm(bytes as i32), fits);
            }
        } else {
            self.one_of_lengths(length, &lengths, fits);
        }
        let root = self.load(mount, &access("vfsmount", &[field("mnt_root", Shape::Pointer)]), 8);
        self.branch(jmp::JEQ, true, root, Operand::Reg(dentry), fits, no);
        self.place(fits);
    }

    /// Leads to `fits` where a length is one of many, by a bit for each; where some have no bit, all that have none fit.
    fn one_of_lengths(&mut self, length: Reg, lengths: &BTreeSet<usize>, fits: Label) {
        let other = self.fresh_label();
        let beyond = if lengths.range(64..).next().is_some() { fits } else { other };
        self.branch_away(jmp::JGT, false, length, Operand::Imm(63), beyond);
        let bits = self.constant(lengths.range(..64).fold(0, |bits, length| bits | 1u64 << length));
        self.push(Inst::Alu { op: alu::RSH, wide: true, dst: bits, src: Operand::Reg(length), reloc: None });
        self.branch(jmp::JSET, true, bits, Operand::Imm(1), fits, other);
        self.place(other);
    }

    /// Runs an automaton over a text: the row of what fits, 0 where nothing does.
    pub(super) fn matched(&mut self, value: &Value, text: Fetched, at: AutomatonAt) -> Reg {
        let known = self.texts.iter().position(|known| known == &value).unwrap_or(usize::MAX);
        self.read_once(Key::TextMatch { text: known, at }, &[], None, |build, row| {
            let (base, offset) = (text.memory, library::NUMBER);
            build.push(Inst::Load { dst: Reg(1), base, offset, bytes: 8, reloc: None, argument: None });
            let numbers = [
                Operand::Imm(i32::from(text.offset)),
                Operand::Reg(text.length),
                Operand::Imm(at.classes.cast_signed()),
                Operand::Imm(at.start.cast_signed()),
            ];
            for (at, src) in numbers.into_iter().enumerate() {
                build.push(Inst::Mov { dst: Reg(2 + at as u32), src, wide: true, reloc: None });
            }
            build.push(Inst::Invoke { function: MATCH, args: 5 });
            build.push(Inst::Mov { dst: row, src: Operand::Reg(Reg(0)), wide: true, reloc: None });
        })
    }

    /// Leads to `yes` where two texts are the same.
    pub(super) fn same_text(&mut self, left: &Value, right: &Value, yes: Label, no: Label, unknown: Label) {
        let one = self.text(left, unknown);
        let other = self.text(right, unknown);
        self.branch_away(jmp::JNE, true, one.length, Operand::Reg(other.length), no);
        self.push(Inst::Load {
            dst: Reg(1),
            base: one.memory,
            offset: library::NUMBER,
            bytes: 8,
            reloc: None,
            argument: None,
        });
        let numbers =
            [Operand::Imm(i32::from(one.offset)), Operand::Reg(one.length), Operand::Imm(i32::from(other.offset))];
        for (at, src) in numbers.into_iter().enumerate() {
            self.push(Inst::Mov { dst: Reg(2 + at as u32), src, wide: true, reloc: None });
        }
        self.push(Inst::Invoke { function: library::words::EQUAL, args: 4 });
        let equal = self.copy(Reg(0), true);
        self.branch(jmp::JNE, true, equal, Operand::Imm(0), yes, no);
    }

    /// Leads to `yes` where a text is one of a few: those of one length are looked at together.
    fn one_of_texts(&mut self, text: Fetched, set: &[Vec<u8>], yes: Label, no: Label) {
        let lengths: BTreeSet<usize> = set.iter().map(Vec::len).collect();
        for length in lengths {
            let longer = self.fresh_label();
            self.branch_away(jmp::JNE, true, text.length, Operand::Imm(length as i32), longer);
            let mut same = set.iter().filter(|wanted| wanted.len() == length).peekable();
            while let Some(wanted) = same.next() {
                let next = if same.peek().is_some() { self.fresh_label() } else { no };
                self.same_bytes(text.memory, text.offset, wanted, yes, next);
                if same.peek().is_some() {
                    self.place(next);
                }
            }
            self.place(longer);
        }
        self.jump(no);
    }

    fn byte(&mut self, base: Reg, offset: i16) -> Reg {
        let dst = self.fresh();
        self.push(Inst::Load { dst, base, offset, bytes: 1, reloc: None, argument: None });
        dst
    }

    fn same_bytes(&mut self, base: Reg, offset: i16, wanted: &[u8], yes: Label, no: Label) {
        let pieces = covering(wanted.len() as u32);
        for (index, &(at, bytes)) in pieces.iter().enumerate() {
            let offset = offset + at as i16;
            let dst = self.once(Key::Raw { base, offset, bytes }, |build| {
                let dst = build.fresh();
                build.push(Inst::Load { dst, base, offset, bytes, reloc: None, argument: None });
                dst
            });
            let word = &wanted[at as usize..(at + bytes) as usize];
            self.compare_bytes(dst, word, (index + 1 == pieces.len()).then_some(yes), no);
        }
        if pieces.is_empty() {
            self.jump(yes);
        }
    }

    /// Copies a text into an event. What is behind its NUL there is never read.
    pub(super) fn text_field(&mut self, room: Reg, value: &Value, offset: u32, unknown: Label) {
        let text = self.text(value, unknown);
        self.push(Inst::Mov { dst: Reg(1), src: Operand::Reg(room), wide: true, reloc: None });
        self.add(Reg(1), offset as i32);
        self.push(Inst::Mov { dst: Reg(3), src: Operand::Reg(text.memory), wide: true, reloc: None });
        self.add(Reg(3), i32::from(text.offset));
        self.push(Inst::Mov { dst: Reg(2), src: Operand::Reg(text.length), wide: true, reloc: None });
        // The length is at most 4095: the mask says so where the comparison is too long ago for the verifier.
        self.push(Inst::Alu {
            op: alu::AND,
            wide: true,
            dst: Reg(2),
            src: Operand::Imm(TEXT_BYTES as i32 - 1),
            reloc: None,
        });
        self.push(Inst::Call { helper: helper::PROBE_READ_KERNEL, args: 3 });
        // NUL behind it
        let end = self.copy(text.length, true);
        self.push(Inst::Alu {
            op: alu::AND,
            wide: true,
            dst: end,
            src: Operand::Imm(TEXT_BYTES as i32 - 1),
            reloc: None,
        });
        self.push(Inst::Alu { op: alu::ADD, wide: true, dst: end, src: Operand::Reg(room), reloc: None });
        self.push(Inst::Store { base: end, offset: offset as i16, src: Operand::Imm(0), bytes: 1 });
    }
}

fn field(name: &str, shape: Shape) -> Step {
    Step::Field { name: name.into(), shape }
}

fn access(root: &str, steps: &[Step]) -> Access {
    Access { is_struct: true, root: root.into(), steps: steps.to_vec() }
}

impl Code {
    /// Counters of what could not be read, one for each rule.
    fn unreadable(&mut self, rules: usize) -> RelocationKind {
        let first = match self.unreadable {
            Some(first) => first,
            None => match self.state(8 * rules as u32) {
                RelocationKind::State(first) => first,
                _ => unreachable!("state has an offset"),
            },
        };
        self.unreadable = Some(first);
        RelocationKind::State(first)
    }
}
