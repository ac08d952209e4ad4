//! Texts: fetched at most once on every path into the program's scratch memory, and compared there.
//!
//! ```text
//! memory = krs_claim()                 at the first text: a free slot of the per-CPU array
//! length = krs_path(slot, region)      -1 if there is no text, -2 if it cannot be read
//! if length >= 4096 goto unknown
//! load 8 [memory + region] == "/etc/ssl"
//! ```
//!
//! A text of up to 4095 bytes does not fit on the 512-byte stack, hence the memory. Functions take the number
//! of the slot rather than its address, so that the verifier checks them once for any argument.
//!
//! A text that cannot be fetched (too long, too many components, no free slot) is unknown, like a field
//! behind a null pointer, but it is counted for the rule that reads it.
//!
//! Absent: the functions that walk, match and compare, which `rt` has.

use std::collections::BTreeSet;

use super::ancestors::{self, AncestorContext};
use super::builder::{Builder, Fact, Target, ValueKey};
use super::conds::covering;
use crate::automaton::Automaton;
use crate::data::Data;
use crate::decision::{Graph, Node, Plan, Role};
use crate::helper;
use crate::hir::walk::{texts_in_atom, texts_in_value};
use crate::hir::{Access, Policy, Shape, Step, TextSource, TextTest, Ty, Value, ValueKind};
use crate::isa::{alu, jmp};
use crate::limits::TEXT_BYTES;
use crate::mir::{Inst, Operand, Reg};
use crate::optimise::Optimisation;
use crate::relocation::RelocationKind;
use crate::rt;
use crate::rt::automaton::{AutomatonAt, MATCH};

/// The most lengths of last components that are compared one by one before a path is walked.
const NAME_LENGTHS_MAX: usize = 8;

/// The most texts that are compared one by one, with two instructions for most of them; a lookup takes about
/// sixty, and ten for every eight bytes.
const TEXTS_INLINE_MAX: usize = 16;

/// The most calls of `krs_path_near` in a program. The verifier checks the function at each call and on each
/// path to the call, and later calls are reached by more paths and executed less often.
const NEAR_CALLS_MAX: usize = 4;

/// The length of a text that does not exist, such as the path of a null pointer.
const ABSENT: i32 = -1;

/// The length of a text that exists and cannot be read.
const UNREADABLE: i32 = -2;

/// A text in the scratch memory.
#[derive(Clone, Copy)]
pub(super) struct FetchedText {
    /// The register with the address of the scratch memory.
    pub(super) memory: Reg,
    /// The offset of the text in that memory.
    pub(super) offset: i16,
    /// The register with its length, without the terminating NUL.
    pub(super) length: Reg,
}

/// Returns the distinct texts that a graph reads, in evaluation order.
pub(super) fn texts<'p>(policy: &'p Policy, plan: &'p Plan, graph: &'p Graph) -> Vec<&'p Value> {
    let mut found = Vec::new();
    for node in &graph.nodes {
        match node {
            Node::Test { atom, .. } => texts_in_atom(atom, &mut found),
            Node::Find { index, .. } => {
                plan.indexes[index.index()].columns.iter().for_each(|part| texts_in_value(&part.value, &mut found));
            }
            Node::Record { rule, .. } | Node::RecordFound { rule, .. } => {
                let audit = &policy.rules[rule.0 as usize].audit;
                audit.iter().flat_map(|audit| &audit.fields).for_each(|field| texts_in_value(&field.value, &mut found));
            }
            _ => {}
        }
    }
    found
}

impl Builder<'_> {
    /// Fetches a text, unless this path has tried before. The length is available from then on, so later
    /// rules only check it.
    pub(super) fn text(&mut self, value: &Value, unknown: Target) -> FetchedText {
        let (index, memory, length) = self.text_length(value);
        if !self.not_null(length) {
            let too_long = Operand::Imm(TEXT_BYTES as i32);
            match self.unreadable.filter(|unreadable| *unreadable != unknown) {
                None => self.branch_away(jmp::JGE, true, length, too_long, unknown),
                Some(unreadable) => {
                    let (failed, read) = (self.fresh_target(), self.fresh_target());
                    self.branch(jmp::JGE, true, length, too_long, failed, read);
                    self.bind(failed);
                    let cold = std::mem::replace(&mut self.cold, true);
                    self.branch(jmp::JEQ, true, length, Operand::Imm(UNREADABLE), unreadable, unknown);
                    self.cold = cold;
                    self.bind(read);
                }
            }
            self.add_fact(Fact::NotNull(length));
        }
        FetchedText { memory, offset: rt::region(index), length }
    }

    /// Branches to `yes` if a text exists but cannot be read.
    pub(super) fn unreadable_text(&mut self, value: &Value, yes: Target, no: Target) {
        let (_, _, length) = self.text_length(value);
        if self.not_null(length) {
            return self.jump(no);
        }
        self.branch(jmp::JEQ, true, length, Operand::Imm(UNREADABLE), yes, no);
    }

    /// Fetches a text, unless this path has tried before. Returns its index, the scratch memory, and its length,
    /// [`ABSENT`] or [`UNREADABLE`].
    fn text_length(&mut self, value: &Value) -> (usize, Reg, Reg) {
        let index = self.texts.iter().position(|known| *known == value).expect("every text of a graph is in the list");
        let memory = self.memory.expect("a program with texts begins by clearing the register of its memory");
        let length = self.read_once(ValueKey::Text(index), &[], None, |build, length| {
            build.fetch(length, value, rt::region(index), memory);
        });
        (index, memory, length)
    }

    /// Sets a register to the length of a text, or to [`ABSENT`] or [`UNREADABLE`].
    fn fetch(&mut self, length: Reg, value: &Value, offset: i16, memory: Reg) {
        let ValueKind::Text(text) = &value.kind else { unreachable!("only texts are in the list") };
        // Compared with a walk, the cost of the code that follows does not matter.
        self.expensive = true;
        let (have, failed, none, done) =
            (self.fresh_target(), self.fresh_target(), self.fresh_target(), self.fresh_target());
        self.claim(memory, have, failed);
        self.bind(have);
        let from = match &**text {
            TextSource::Path { dentry, mount } => {
                let dentry = self.pointer(dentry, none);
                let mount = self.pointer(mount, none);
                self.path(dentry, mount, memory, offset)
            }
            TextSource::Cgroup { node } => {
                let node = self.pointer(node, none);
                self.store_pointer(memory, rt::FIRST, node);
                self.clear_path(memory);
                self.walk(rt::CGROUP, memory, offset)
            }
            TextSource::Pointer(of) => {
                let from = self.pointer(of, none);
                self.characters(memory, offset, from, TEXT_BYTES)
            }
            TextSource::Copy(of) => {
                let Ty::Str { bytes } = of.ty else { unreachable!("only strings are copied") };
                self.copy_string(of, bytes, memory, none);
                let from = self.copy(memory, true);
                self.add(from, i32::from(rt::WORK));
                self.characters(memory, offset, from, bytes + 1)
            }
            TextSource::Unix { end, name } => self.unix_name(end, *name, memory, offset, none, failed),
        };
        self.push(Inst::Mov { dst: length, src: Operand::Reg(from), wide: true, reloc: None });
        self.branch(jmp::JLT, true, length, Operand::Imm(TEXT_BYTES as i32), done, failed);
        self.bind(failed);
        self.count_unreadable();
        self.push(Inst::Mov { dst: length, src: Operand::Imm(UNREADABLE), wide: true, reloc: None });
        self.jump(done);
        self.bind(none);
        self.push(Inst::Mov { dst: length, src: Operand::Imm(ABSENT), wide: true, reloc: None });
        self.jump(done);
        self.bind(done);
    }

    /// Claims a slot of scratch memory, unless this run has one.
    pub(super) fn claim(&mut self, memory: Reg, have: Target, failed: Target) {
        let claim = self.fresh_target();
        self.branch(jmp::JNE, true, memory, Operand::Imm(0), have, claim);
        self.bind(claim);
        self.push(Inst::Invoke { function: rt::CLAIM, args: 0 });
        self.push(Inst::Mov { dst: memory, src: Operand::Reg(Reg(0)), wide: true, reloc: None });
        self.branch(jmp::JNE, true, memory, Operand::Imm(0), have, failed);
    }

    /// Releases the slot, at the end of the program.
    pub(super) fn release(&mut self) {
        let Some(memory) = self.memory else { return };
        let (give, done) = (self.fresh_target(), self.fresh_target());
        self.branch(jmp::JNE, true, memory, Operand::Imm(0), give, done);
        self.bind(give);
        let less = self.fresh();
        self.push(Inst::Mov { dst: less, src: Operand::Imm(-1), wide: true, reloc: None });
        self.push(Inst::AtomicAdd { base: memory, src: less });
        self.jump(done);
        self.bind(done);
    }

    pub(super) fn store_pointer(&mut self, memory: Reg, offset: i16, pointer: Reg) {
        self.push(Inst::Store { base: memory, offset, src: Operand::Reg(pointer), bytes: 8 });
    }

    pub(super) fn add(&mut self, dst: Reg, number: i32) {
        self.push(Inst::Alu { op: alu::ADD, wide: true, dst, src: Operand::Imm(number), reloc: None });
    }

    /// Reads the path of a dentry below a mount. The program itself loads the fields that are read once,
    /// because its pointers are mostly typed; a function has scalars and must copy.
    pub(super) fn path(&mut self, dentry: Reg, mount: Reg, memory: Reg, offset: i16) -> Reg {
        let pprev = [field("d_hash", Shape::Struct), field("pprev", Shape::Pointer)];
        let root = self.load(mount, &access("vfsmount", &[field("mnt_root", Shape::Pointer)]), 8);
        let hashed = self.load(dentry, &access("dentry", &pprev), 8);
        for (at, word) in [(rt::FIRST, dentry), (rt::SECOND, mount), (rt::ROOT, root), (rt::HASHED, hashed)] {
            self.store_pointer(memory, at, word);
        }
        self.clear_path(memory);
        self.walk_by_loads(dentry, memory);
        self.walk(rt::PATH, memory, offset)
    }

    fn clear_path(&mut self, memory: Reg) {
        self.push(Inst::Store { base: memory, offset: rt::PLACE, src: Operand::Imm(rt::END), bytes: 8 });
    }

    /// Walks up from a typed dentry by direct loads.
    fn walk_by_loads(&mut self, dentry: Reg, memory: Reg) {
        let wanted = self.optimise.does(Optimisation::PathPrefix) && self.near_calls < NEAR_CALLS_MAX;
        if !wanted || self.ancestor.is_some() || self.scalars.contains(&dentry) {
            return;
        }
        self.near_calls += 1;
        let (typed, far) = (self.fresh_target(), self.fresh_target());
        if self.untyped.contains(&dentry) {
            self.branch_on_typed_task(typed, far);
        } else {
            self.jump(typed);
        }
        self.bind(typed);
        self.invoke(rt::PATH_NEAR, &[Operand::Reg(memory), Operand::Reg(dentry)]);
        self.jump(far);
        self.bind(far);
    }

    /// Calls a function that walks up from the pointers in the scratch memory.
    pub(super) fn walk(&mut self, function: &'static str, memory: Reg, offset: i16) -> Reg {
        let argument = Reg(1);
        self.push(Inst::Load {
            dst: argument,
            base: memory,
            offset: rt::NUMBER,
            bytes: 8,
            reloc: None,
            argument: None,
        });
        self.push(Inst::Mov { dst: Reg(2), src: Operand::Imm(i32::from(offset)), wide: true, reloc: None });
        self.push(Inst::Invoke { function, args: 2 });
        self.copy(Reg(0), true)
    }

    /// Copies a NUL-terminated string and returns its length. A result that fills the buffer may have been
    /// truncated, and counts as too long.
    fn characters(&mut self, memory: Reg, offset: i16, from: Reg, size: u32) -> Reg {
        self.push(Inst::Mov { dst: Reg(3), src: Operand::Reg(from), wide: true, reloc: None });
        self.push(Inst::Mov { dst: Reg(1), src: Operand::Reg(memory), wide: true, reloc: None });
        self.add(Reg(1), i32::from(offset));
        // One byte more than the longest text, so that a truncated one is recognised.
        let size = if size == TEXT_BYTES { size + 1 } else { size };
        self.push(Inst::Mov { dst: Reg(2), src: Operand::Imm(size as i32), wide: true, reloc: None });
        self.push(Inst::Call { helper: helper::PROBE_READ_KERNEL_STR, args: 3 });
        let length = self.copy(Reg(0), true);
        self.add(length, -1);
        length
    }

    /// Copies a char array from its struct to the work area, and terminates it with a NUL.
    fn copy_string(&mut self, of: &Value, bytes: u32, memory: Reg, unknown: Target) {
        let end = rt::WORK + bytes as i16;
        let to_work = |build: &mut Self| {
            build.push(Inst::Mov { dst: Reg(1), src: Operand::Reg(memory), wide: true, reloc: None });
            build.add(Reg(1), i32::from(rt::WORK));
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

    /// Returns the address of a field behind a pointer.
    pub(super) fn field_address(&mut self, base: Reg, access: &Access) -> Reg {
        let address = self.fresh();
        let reloc = Some(RelocationKind::FieldOffset(access.clone()));
        self.push(Inst::Mov { dst: address, src: Operand::Imm(0), wide: true, reloc });
        self.push(Inst::Alu { op: alu::ADD, wide: true, dst: address, src: Operand::Reg(base), reloc: None });
        address
    }

    /// Counts an unreadable value of the current rule, once for each operation: a program that is called because of
    /// it evaluates the test again and counts it, and one that looks for undecided rules has been preceded by that.
    pub(super) fn count_unreadable(&mut self) {
        if let Some(AncestorContext { unreadable: Some(flag), .. }) = self.ancestor {
            // The calling program counts it.
            return self.push(Inst::Mov {
                dst: flag,
                src: Operand::Imm(ancestors::UNREADABLE),
                wide: true,
                reloc: None,
            });
        }
        if self.role == Role::Decide && self.unreadable.is_some() || matches!(self.role, Role::Undecided(_)) {
            return;
        }
        let first = self.module.data.unreadable(self.policy.rules.len());
        let counter = self.fresh();
        self.push(Inst::Address { dst: counter, of: RelocationKind::State(first + 8 * self.rule.0) });
        let one = self.constant(1);
        self.push(Inst::AtomicAdd { base: counter, src: one });
    }

    /// Branches on a test of a text.
    pub(super) fn text_test(&mut self, value: &Value, test: &TextTest, yes: Target, no: Target, unknown: Target) {
        if let TextTest::OneOf(set) = test
            && no == unknown
        {
            self.check_last_component(value, set.iter().map(Vec::as_slice), no);
        }
        if let TextTest::OneOf(set) = test
            && set.len() > TEXTS_INLINE_MAX
        {
            let table = self.module.data.texts(&set.iter().map(Vec::as_slice).collect::<Vec<_>>()).0;
            self.text_row(value, &table, no, unknown);
            return self.jump(yes);
        }
        let text = self.text(value, unknown);
        match test {
            TextTest::OneOf(set) => self.one_of_texts(text, set, yes, no),
            TextTest::Under(directory) => {
                let length = directory.len() as i32;
                self.branch_away(jmp::JLT, true, text.length, Operand::Imm(length), no);
                let (begins, below) = (self.fresh_target(), self.fresh_target());
                self.compare_memory(text.memory, text.offset, directory, begins, no);
                self.bind(begins);
                self.branch(jmp::JEQ, true, text.length, Operand::Imm(length), yes, below);
                self.bind(below);
                let next = self.byte(text.memory, text.offset + length as i16);
                self.branch(jmp::JEQ, true, next, Operand::Imm(i32::from(b'/')), yes, no);
            }
            TextTest::StartsWith(prefix) => {
                self.branch_away(jmp::JLT, true, text.length, Operand::Imm(prefix.len() as i32), no);
                self.compare_memory(text.memory, text.offset, prefix, yes, no);
            }
            TextTest::EndsWith(suffix) => {
                self.branch_away(jmp::JLT, true, text.length, Operand::Imm(suffix.len() as i32), no);
                let end = self.copy(text.length, true);
                self.add(end, -(suffix.len() as i32));
                // No comparison bounds the difference, so a power-of-two mask does.
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
                self.compare_memory(end, text.offset, suffix, yes, no);
            }
            TextTest::Contains(_) | TextTest::Like(_) => {
                let automaton = Automaton::one(test).expect("the checker has built it before");
                let at = self.module.data.automaton(&automaton);
                let row = self.run_automaton(value, text, at);
                self.branch(jmp::JNE, true, row, Operand::Imm(0), yes, no);
            }
        }
    }

    /// Jumps to `no` if a path cannot equal any of `set`, because its last component is longer or shorter
    /// than all of theirs. This costs a few loads; a walk to the root costs thousands of instructions. The
    /// root of a mount gets its name from the mount point, so it is walked in any case.
    pub(super) fn check_last_component<'t>(
        &mut self,
        value: &Value,
        set: impl IntoIterator<Item = &'t [u8]>,
        no: Target,
    ) {
        let ValueKind::Text(text) = &value.kind else { return };
        let TextSource::Path { dentry, mount } = &**text else { return };
        let index = self.texts.iter().position(|known| *known == value);
        if !self.optimise.does(Optimisation::LastName)
            || index.is_none_or(|at| self.available(&ValueKey::Text(at)).is_some())
        {
            return;
        }
        let mut lengths = BTreeSet::new();
        for path in set {
            // The path of an unlinked file has a suffix after its name.
            if path.ends_with(b")") {
                return;
            }
            lengths.insert(path.len() - path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1));
        }
        let dentry = self.pointer(dentry, no);
        let mount = self.pointer(mount, no);
        let is_untyped = |of: &Reg| self.untyped.contains(of) || self.scalars.contains(of);
        if is_untyped(&dentry) || is_untyped(&mount) {
            return;
        }
        let length = [field("d_name", Shape::Struct), field("len", Shape::Int { bytes: 4, signed: false })];
        let length = self.load(dentry, &access("dentry", &length), 4);
        let fits = self.fresh_target();
        if lengths.len() <= NAME_LENGTHS_MAX {
            for bytes in lengths {
                self.branch_away(jmp::JEQ, false, length, Operand::Imm(bytes as i32), fits);
            }
        } else {
            self.is_one_of_lengths(length, &lengths, fits);
        }
        let root = self.load(mount, &access("vfsmount", &[field("mnt_root", Shape::Pointer)]), 8);
        self.branch(jmp::JEQ, true, root, Operand::Reg(dentry), fits, no);
        self.bind(fits);
    }

    /// Jumps to `fits` if a length is one of many, by a bit mask of the lengths below 64. If some length is
    /// 64 or more, every longer name fits.
    fn is_one_of_lengths(&mut self, length: Reg, lengths: &BTreeSet<usize>, fits: Target) {
        let other = self.fresh_target();
        let beyond = if lengths.range(64..).next().is_some() { fits } else { other };
        self.branch_away(jmp::JGT, false, length, Operand::Imm(63), beyond);
        let bits = self.constant(lengths.range(..64).fold(0, |bits, length| bits | 1u64 << length));
        self.push(Inst::Alu { op: alu::RSH, wide: true, dst: bits, src: Operand::Reg(length), reloc: None });
        self.branch(jmp::JSET, true, bits, Operand::Imm(1), fits, other);
        self.bind(other);
    }

    /// Runs an automaton over a text and returns the row that it accepts, 0 if none.
    pub(super) fn run_automaton(&mut self, value: &Value, text: FetchedText, at: AutomatonAt) -> Reg {
        let known = self.texts.iter().position(|known| known == &value).unwrap_or(usize::MAX);
        self.read_once(ValueKey::TextMatch { text: known, at }, &[], None, |build, row| {
            let (base, offset) = (text.memory, rt::NUMBER);
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

    /// Branches to `yes` if two texts are equal.
    pub(super) fn texts_equal(&mut self, left: &Value, right: &Value, yes: Target, no: Target, unknown: Target) {
        let one = self.text(left, unknown);
        let other = self.text(right, unknown);
        self.branch_away(jmp::JNE, true, one.length, Operand::Reg(other.length), no);
        self.push(Inst::Load {
            dst: Reg(1),
            base: one.memory,
            offset: rt::NUMBER,
            bytes: 8,
            reloc: None,
            argument: None,
        });
        let numbers =
            [Operand::Imm(i32::from(one.offset)), Operand::Reg(one.length), Operand::Imm(i32::from(other.offset))];
        for (at, src) in numbers.into_iter().enumerate() {
            self.push(Inst::Mov { dst: Reg(2 + at as u32), src, wide: true, reloc: None });
        }
        self.push(Inst::Invoke { function: rt::whole_text::EQUAL, args: 4 });
        let equal = self.copy(Reg(0), true);
        self.branch(jmp::JNE, true, equal, Operand::Imm(0), yes, no);
    }

    /// Branches to `yes` if a text is one of a few, which are grouped by length.
    fn one_of_texts(&mut self, text: FetchedText, set: &[Vec<u8>], yes: Target, no: Target) {
        let lengths: BTreeSet<usize> = set.iter().map(Vec::len).collect();
        for length in lengths {
            let longer = self.fresh_target();
            self.branch_away(jmp::JNE, true, text.length, Operand::Imm(length as i32), longer);
            let mut same = set.iter().filter(|wanted| wanted.len() == length).peekable();
            while let Some(wanted) = same.next() {
                let next = if same.peek().is_some() { self.fresh_target() } else { no };
                self.compare_memory(text.memory, text.offset, wanted, yes, next);
                if same.peek().is_some() {
                    self.bind(next);
                }
            }
            self.bind(longer);
        }
        self.jump(no);
    }

    fn byte(&mut self, base: Reg, offset: i16) -> Reg {
        let dst = self.fresh();
        self.push(Inst::Load { dst, base, offset, bytes: 1, reloc: None, argument: None });
        dst
    }

    fn compare_memory(&mut self, base: Reg, offset: i16, wanted: &[u8], yes: Target, no: Target) {
        let pieces = covering(wanted.len() as u32);
        for (index, &(at, bytes)) in pieces.iter().enumerate() {
            let offset = offset + at as i16;
            let dst = self.once(ValueKey::Raw { base, offset, bytes }, |build| {
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

    /// Copies a text into an event, where readers stop at its NUL.
    pub(super) fn text_field(&mut self, record: Reg, value: &Value, offset: u32, unknown: Target) {
        let text = self.text(value, unknown);
        self.push(Inst::Mov { dst: Reg(1), src: Operand::Reg(record), wide: true, reloc: None });
        self.add(Reg(1), offset as i32);
        self.push(Inst::Mov { dst: Reg(3), src: Operand::Reg(text.memory), wide: true, reloc: None });
        self.add(Reg(3), i32::from(text.offset));
        self.push(Inst::Mov { dst: Reg(2), src: Operand::Reg(text.length), wide: true, reloc: None });
        // The length is at most 4095. The mask restores this bound where the verifier has forgotten the
        // comparison.
        self.push(Inst::Alu {
            op: alu::AND,
            wide: true,
            dst: Reg(2),
            src: Operand::Imm(TEXT_BYTES as i32 - 1),
            reloc: None,
        });
        self.push(Inst::Call { helper: helper::PROBE_READ_KERNEL, args: 3 });
        // The terminating NUL.
        let end = self.copy(text.length, true);
        self.push(Inst::Alu {
            op: alu::AND,
            wide: true,
            dst: end,
            src: Operand::Imm(TEXT_BYTES as i32 - 1),
            reloc: None,
        });
        self.push(Inst::Alu { op: alu::ADD, wide: true, dst: end, src: Operand::Reg(record), reloc: None });
        self.push(Inst::Store { base: end, offset: offset as i16, src: Operand::Imm(0), bytes: 1 });
    }
}

fn field(name: &str, shape: Shape) -> Step {
    Step::Field { name: name.into(), shape }
}

fn access(root: &str, steps: &[Step]) -> Access {
    Access { is_struct: true, root: root.into(), steps: steps.to_vec() }
}

impl Data {
    /// Returns the address of the counters of unreadable values, one per rule.
    fn unreadable(&mut self, rules: usize) -> u32 {
        let first = self.unreadable.unwrap_or_else(|| self.state(8 * rules as u32));
        *self.unreadable.insert(first)
    }
}
