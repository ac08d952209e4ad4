//! Functions that programs share, written by hand: what a policy's own code has no loops for.
//!
//! They take numbers and return a number, so that the verifier checks each once and for any argument. What is
//! larger goes through a *slot* of [`SCRATCH_MAP`]: memory that one program has for itself while it runs. Those that
//! take or give a pointer are looked at with each call.
//!
//! ```text
//! krs_claim()                                    the memory of a free slot, 0 where there is none
//! krs_path_near(memory, dentry)                  goes up from a typed dentry before that, as far as loads lead
//! krs_path(slot, region)                         the path of the dentry and mount in the slot, of which the program has read
//!                                                what is asked once; its length, or -1
//! krs_cgroup(slot, region)                       the same for a kernfs node
//! krs_hash, krs_same, krs_equal                  whole texts: see `words`
//! krs_match(slot, region, length, classes, state) what fits a text: see `automaton`
//! krs_any_N(task, slot), krs_all_N(task, slot)   what is known of a task's ancestors
//! krs_key(slot, region, length)                  makes a text a key, at the beginning of the work room
//! krs_find(span, word)                           the range that a word is in: see `find`
//! krs_head, krs_no_room                          what all events have: see `record`
//! krs_would, krs_row, krs_row_step               denials that are not enforced: see `record`
//! ```
//!
//! A processor's slots are several because a program can be preempted by another on the same processor (from 5.11
//! on), and interrupted. One that is preempted keeps its slot: `claim` adds one to a slot's count and owns it if the
//! count is then one, which needs no atomic operation that 5.10 lacks.
//!
//! Absent: policies. What depends on one comes as an argument or as a table in the constants.

use std::collections::BTreeSet;

use super::{Checked, Code, Function, Insn, Map, MapKind, Relocation, RelocationKind, helper};
use crate::access::{Access, Shape, Step};
use crate::isa::{SRC_REG, alu, class, jmp, mode, pseudo, size};

pub mod ancestors;
pub mod automaton;
pub mod exact;
pub mod find;
pub mod key;
pub mod labels;
pub mod record;
#[cfg(test)]
pub(in crate::bpf) mod tests;
mod text;
pub mod words;

/// Memory for texts.
pub const SCRATCH_MAP: &str = "krs_scratch";
/// Slots of a processor: so many programs can be in the middle of their texts on it at once.
pub const SLOTS: i32 = 4;
/// Where a slot has the count of its owners.
pub const COUNT: i16 = 0;
/// Where a slot has the first pointer that a function is to follow.
pub const FIRST: i16 = 8;
/// Where a slot has the second.
pub const SECOND: i16 = 16;
/// Where a slot has its own number.
pub const NUMBER: i16 = 24;
/// Where a slot has what the mount that a walk is in is mounted on, and at which dentry of that.
const MOUNT: i16 = 32;
/// Where a slot has the root of that mount, behind the two; 0 where it cannot be read.
pub const ROOT: i16 = MOUNT + 16;
/// Where a slot has a dentry's `d_hash.pprev`: 0 where it is in no directory any more.
pub const HASHED: i16 = 56;
/// Where a slot has how far a path is put together: to here from the beginning of the work room. It begins with [`END`].
pub const PLACE: i16 = 64;
/// Where paths are put together, from their end.
pub const WORK: i16 = 72;
/// Where in the work room they end.
pub const END: i32 = 4096;
/// A path's room, and then some, since the verifier takes every name for the longest.
const WORK_BYTES: i16 = 4096 + 8 + 256;
/// Where the first text begins.
const REGIONS: i16 = WORK + WORK_BYTES;
/// Room of a text: 4096 bytes, and what is read behind its end at most.
const REGION_BYTES: i16 = 4096 + 256;
/// Where a text begins.
#[must_use]
pub fn region(index: usize) -> i16 {
    REGIONS + REGION_BYTES * index as i16
}

/// Adds the functions that programs call, and the memory that they share; `regions` is the most texts of a program.
pub fn link(code: &mut Code, policy: &crate::hir::Policy, regions: usize) {
    drop_uncalled(code);
    let called = |code: &Code, name: &str| {
        let of_programs = code.programs.iter().flat_map(|program| &program.relocations);
        of_programs
            .chain(code.functions.iter().flat_map(|function| &function.relocations))
            .any(|relocation| matches!(relocation.kind, RelocationKind::Function(known) if known == name))
    };
    let mut names: Vec<&'static str> =
        [CLAIM, PATH_NEAR, PATH, CGROUP, automaton::MATCH, key::KEY, words::HASH, words::SAME, words::EQUAL]
            .into_iter()
            .filter(|name| called(code, name))
            .collect();
    for (function, step) in [(PATH, PATH_STEP), (CGROUP, CGROUP_STEP), (automaton::MATCH, automaton::STEP)] {
        if names.contains(&function) {
            names.push(step);
        }
    }
    if !names.is_empty() {
        link_texts(code, regions, names);
    }
    if let Some(lost) = code.labels_lost {
        labels::link(code, policy, lost, called);
    }
    record::link(code, policy.rules.len() as i32, called);
    if called(code, find::FIND) {
        let function = find::find(code);
        code.function(find::FIND, |_| function);
    }
}

/// Drops functions whose calls have turned out never to come.
fn drop_uncalled(code: &mut Code) {
    let calls = |relocations: &[Relocation]| -> Vec<&'static str> {
        let called = relocations.iter().filter_map(|relocation| match relocation.kind {
            RelocationKind::Function(name) => Some(name),
            _ => None,
        });
        called.collect()
    };
    let mut waiting: Vec<&str> = code.programs.iter().flat_map(|program| calls(&program.relocations)).collect();
    let mut called = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        if called.insert(name) {
            let function = code.functions.iter().find(|function| function.name == name);
            waiting.extend(function.iter().flat_map(|function| calls(&function.relocations)));
        }
    }
    code.functions.retain(|function| called.contains(function.name));
}

fn link_texts(code: &mut Code, regions: usize, names: Vec<&'static str>) {
    code.map(Map {
        name: SCRATCH_MAP.into(),
        kind: MapKind::PerCpuArray,
        key: 4,
        value: region(regions) as u32,
        entries: SLOTS.cast_unsigned(),
    });
    for name in names {
        let last = region(regions - 1);
        let function = match name {
            CLAIM => text::claim(),
            PATH_NEAR => text::path_near(),
            PATH => text::path(last),
            CGROUP => text::cgroup(last),
            automaton::MATCH => automaton::run(code),
            key::KEY => key::key(last),
            words::HASH => words::hash_function(last),
            words::SAME => words::same_function(code, last),
            words::EQUAL => words::equal_function(last),
            PATH_STEP => text::path_step(),
            CGROUP_STEP => text::cgroup_step(),
            _ => automaton::step(code, last),
        };
        code.function(name, |_| function);
    }
}

/// Finds a free slot.
pub const CLAIM: &str = "krs_claim";
/// The first components of a path, of a dentry that is typed.
pub const PATH_NEAR: &str = "krs_path_near";
/// The full path of a dentry below a mount.
pub const PATH: &str = "krs_path";
/// The path of a kernfs node.
pub const CGROUP: &str = "krs_cgroup";

const PATH_STEP: &str = "krs_path_step";
const CGROUP_STEP: &str = "krs_cgroup_step";

/// A machine register.
#[derive(Clone, Copy, PartialEq, Eq)]
struct R(u8);

/// The frame pointer.
const FP: R = R(10);

/// A second operand.
#[derive(Clone, Copy)]
enum Src {
    Reg(R),
    Imm(i32),
}

impl From<R> for Src {
    fn from(reg: R) -> Src {
        Src::Reg(reg)
    }
}

impl From<i32> for Src {
    fn from(imm: i32) -> Src {
        Src::Imm(imm)
    }
}

#[derive(Clone, Copy)]
struct Label(usize);

/// A function under construction.
#[derive(Default)]
struct Asm {
    insns: Vec<Insn>,
    relocations: Vec<Relocation>,
    notes: Vec<(u32, &'static str)>,
    labels: Vec<Option<usize>>,
    jumps: Vec<(usize, Label)>,
}

impl Asm {
    /// Quoted by the verifier for what follows.
    fn note(&mut self, text: &'static str) {
        self.notes.push((self.insns.len() as u32, text));
    }

    fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    fn place(&mut self, label: Label) {
        self.labels[label.0] = Some(self.insns.len());
    }

    fn alu(&mut self, op: u8, dst: R, src: impl Into<Src>) {
        self.insns.push(match src.into() {
            Src::Reg(src) => Insn { code: class::ALU64 | op | SRC_REG, dst: dst.0, src: src.0, ..Insn::default() },
            Src::Imm(imm) => Insn { code: class::ALU64 | op, dst: dst.0, imm, ..Insn::default() },
        });
    }

    fn mov(&mut self, dst: R, src: impl Into<Src>) {
        self.alu(alu::MOV, dst, src);
    }

    /// `dst = a + b`, where `b` can be what a loader fills in.
    fn sum(&mut self, dst: R, a: R, b: i32) {
        self.mov(dst, a);
        self.alu(alu::ADD, dst, b);
    }

    fn relocate(&mut self, kind: RelocationKind) {
        self.relocations.push(Relocation { slot: self.insns.len() as u32, kind });
    }

    /// `dst =` where a field lies in its struct.
    fn offset(&mut self, dst: R, access: Access) {
        self.relocate(RelocationKind::FieldOffset(access));
        self.mov(dst, 0);
    }

    fn load(&mut self, width: u8, dst: R, base: R, off: i16) {
        self.insns.push(Insn { code: class::LDX | mode::MEM | width, dst: dst.0, src: base.0, off, imm: 0 });
    }

    /// Loads a field behind a typed pointer.
    fn load_field(&mut self, width: u8, dst: R, base: R, access: Access) {
        self.relocate(RelocationKind::FieldOffset(access));
        self.load(width, dst, base, 0);
    }

    fn store(&mut self, width: u8, base: R, off: i16, src: impl Into<Src>) {
        self.insns.push(match src.into() {
            Src::Reg(src) => {
                Insn { code: class::STX | mode::MEM | width, dst: base.0, src: src.0, off, ..Insn::default() }
            }
            Src::Imm(imm) => Insn { code: class::ST | mode::MEM | width, dst: base.0, off, imm, src: 0 },
        });
    }

    fn address(&mut self, dst: R, of: RelocationKind) {
        self.relocate(of);
        self.insns.push(Insn { code: class::LD | size::DW | mode::IMM, dst: dst.0, ..Insn::default() });
        self.insns.push(Insn::default());
    }

    /// `dst =` any 64 bits.
    fn wide(&mut self, dst: R, value: u64) {
        let code = class::LD | size::DW | mode::IMM;
        self.insns.push(Insn { code, dst: dst.0, imm: (value as u32).cast_signed(), ..Insn::default() });
        self.insns.push(Insn { imm: ((value >> 32) as u32).cast_signed(), ..Insn::default() });
    }

    fn jump(&mut self, op: u8, left: R, right: impl Into<Src>, to: Label) {
        self.jumps.push((self.insns.len(), to));
        self.insns.push(match right.into() {
            Src::Reg(right) => Insn { code: class::JMP | op | SRC_REG, dst: left.0, src: right.0, ..Insn::default() },
            Src::Imm(imm) => Insn { code: class::JMP | op, dst: left.0, imm, ..Insn::default() },
        });
    }

    fn goto(&mut self, to: Label) {
        self.jumps.push((self.insns.len(), to));
        self.insns.push(Insn { code: class::JMP | jmp::JA, ..Insn::default() });
    }

    fn call(&mut self, helper: u32) {
        self.insns.push(Insn { code: class::JMP | jmp::CALL, imm: helper.cast_signed(), ..Insn::default() });
    }

    fn invoke(&mut self, function: &'static str) {
        self.relocate(RelocationKind::Function(function));
        self.insns.push(Insn { code: class::JMP | jmp::CALL, src: pseudo::CALL, imm: -1, ..Insn::default() });
    }

    fn add_atomic(&mut self, base: R, src: R) {
        let code = class::STX | mode::ATOMIC | size::DW;
        self.insns.push(Insn { code, dst: base.0, src: src.0, off: COUNT, imm: i32::from(alu::ADD) });
    }

    fn exit(&mut self) {
        self.insns.push(Insn { code: class::JMP | jmp::EXIT, ..Insn::default() });
    }

    /// Looks the slot in `r1` up: its memory is in `r0`, and `none` is where there is none. Takes 4 bytes below `frame`.
    fn slot(&mut self, frame: i16, none: Label) {
        self.store(size::W, FP, frame, R(1));
        self.find_slot(frame, none);
    }

    fn find_slot(&mut self, frame: i16, none: Label) {
        self.address(R(1), RelocationKind::Map(SCRATCH_MAP.into()));
        self.sum(R(2), FP, i32::from(frame));
        self.call(helper::MAP_LOOKUP_ELEM);
        self.jump(jmp::JEQ, R(0), 0, none);
    }

    /// Copies what lies at a field behind an address into the frame; to `failed` where it cannot be read.
    fn probe(&mut self, to: i16, bytes: i32, base: R, access: Access, failed: Label) {
        self.offset(R(3), access);
        self.alu(alu::ADD, R(3), base);
        self.probe_at((FP, to), bytes, failed);
    }

    /// Copies fields of so many bytes behind an address to behind each other: at once on kernels where they are so in memory.
    /// A call must leave `base` as it is.
    fn probe_all<const N: usize>(&mut self, to: (R, i16), base: R, fields: [(i32, Access); N], failed: Label) {
        let (apart, done) = (self.label(), self.label());
        let mut all = 0;
        for (bytes, access) in &fields {
            if all == 0 {
                self.offset(R(3), access.clone());
            } else {
                self.offset(R(1), access.clone());
                self.alu(alu::SUB, R(1), R(3));
                self.jump(jmp::JNE, R(1), all, apart);
            }
            all += bytes;
        }
        self.alu(alu::ADD, R(3), base);
        self.probe_at(to, all, failed);
        self.goto(done);
        self.place(apart);
        let (memory, mut at) = to;
        for (bytes, access) in fields {
            self.offset(R(3), access);
            self.alu(alu::ADD, R(3), base);
            self.probe_at((memory, at), bytes, failed);
            at += bytes as i16;
        }
        self.place(done);
    }

    /// The same for the address in `r3`.
    fn probe_at(&mut self, (memory, at): (R, i16), bytes: i32, failed: Label) {
        self.sum(R(1), memory, i32::from(at));
        self.mov(R(2), bytes);
        self.call(helper::PROBE_READ_KERNEL);
        self.jump(jmp::JNE, R(0), 0, failed);
    }

    fn finish(mut self, name: &'static str, params: u32) -> Function {
        for (at, label) in &self.jumps {
            let target = self.labels[label.0].expect("every label is placed");
            self.insns[*at].off = (target as i64 - *at as i64 - 1) as i16;
        }
        let (insns, relocations, notes) = (self.insns, self.relocations, self.notes);
        Function { name, checked: Checked::Once, params, insns, relocations, notes }
    }
}

/// `struct mount.mnt_parent`: fields by name, each with its shape.
pub(in crate::bpf) fn field(root: &str, steps: &[(&str, Shape)]) -> Access {
    Access {
        is_struct: true,
        root: root.to_owned(),
        steps: steps
            .iter()
            .map(|(name, shape)| Step::Field { name: (*name).to_owned(), shape: shape.clone() })
            .collect(),
    }
}
