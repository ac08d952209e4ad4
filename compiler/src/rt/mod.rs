//! The run-time library: functions that programs share, for work that needs loops.
//!
//! Most take and return scalars, so that the verifier checks each once, for any argument (*global*
//! functions). Larger data is in a *slot* of [`SCRATCH_MAP`], memory that one program owns while it runs.
//! Functions that take or return a pointer are *static*: the verifier checks them again at each call.
//!
//! ```text
//! krs_claim()                                      claims a slot; returns its memory, or 0 if none is free
//! krs_path_near(memory, dentry)                    walks up from a typed dentry by direct loads
//! krs_path(slot, region)                           the path of the dentry and mount in the slot; its length, or -1
//! krs_cgroup(slot, region)                         the path of a kernfs node, likewise
//! krs_hash, krs_same, krs_equal                    whole texts: see `whole_text`
//! krs_match(slot, region, length, classes, state)  pattern matching: see `automaton`
//! krs_any_N(task, slot), krs_all_N(task, slot)     conditions on a task's ancestors: see `ancestors`
//! krs_key(slot, region, length)                    a text as a map key, at the start of the work area
//! krs_find(span, word)                             the range that contains a word: see `find`
//! krs_head, krs_no_room                            the header of events: see `record`
//! krs_would, krs_row, krs_row_step                 denials of permissive rules: see `record`
//! krs_mark_*, krs_inherit_*, krs_exec, ..          security labels: see `labels`
//! ```
//!
//! A processor has several slots, because a program can be preempted by another one on the same processor
//! (since 5.11) and interrupted. A preempted program keeps its slot: `krs_claim` increments the slot's count
//! and owns the slot if the count is then 1, which needs no fetching atomic (5.10 has none).
//!
//! Absent: policies. Whatever depends on one is an argument or a table in the constants.

use std::collections::BTreeSet;

use crate::access::{Access, Shape, Step};
use crate::data::{Data, Map, MapKind};
use crate::helper;
use crate::hir::Policy;
use crate::isa::{Insn, SRC_REG, alu, class, jmp, mode, pseudo, size};
use crate::relocation::{Relocation, RelocationKind};

pub mod ancestors;
pub mod automaton;
pub mod exact;
pub mod find;
pub mod key;
pub mod labels;
pub mod record;
#[cfg(test)]
pub(crate) mod tests;
mod text;
pub mod whole_text;

/// The map of scratch memory for texts.
pub const SCRATCH_MAP: &str = "krs_scratch";
/// Slots per processor: the number of programs that can hold texts on it at once.
pub const SLOTS: i32 = 4;
/// Offset in a slot of the number of its claimants.
pub const COUNT: i16 = 0;
/// Offset in a slot of the dentry or kernfs node from which a function walks up.
pub const FIRST: i16 = 8;
/// Offset in a slot of the mount of that dentry.
pub const SECOND: i16 = 16;
/// Offset in a slot of the slot's number.
pub const NUMBER: i16 = 24;
/// Offset in a slot of the parent of the current mount, followed by its mount point.
const MOUNT: i16 = 32;
/// Offset in a slot of the root dentry of the current mount; 0 if it cannot be read.
pub const ROOT: i16 = MOUNT + 16;
/// Offset in a slot of the dentry's `d_hash.pprev`, which is 0 once it is in no directory.
pub const HASHED: i16 = 56;
/// Offset in a slot of the start of the path so far, relative to the work area. It is initially [`END`].
pub const PLACE: i16 = 64;
/// Offset in a slot of the work area, in which paths are built from the end.
pub const WORK: i16 = 72;
/// The end of paths, relative to the work area.
pub const END: i32 = 4096;
/// The size of the work area: a path, and slack, since the verifier assumes that every name has the maximum
/// length.
const WORK_BYTES: i16 = 4096 + 8 + 256;
/// The offset of the first text's region.
const REGIONS: i16 = WORK + WORK_BYTES;
/// The size of a region: 4096 bytes, and the most that is read after the end of a text.
const REGION_BYTES: i16 = 4096 + 256;
/// Returns the offset of a text's region.
#[must_use]
pub fn region(index: usize) -> i16 {
    REGIONS + REGION_BYTES * index as i16
}

/// A function that programs call.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Symbol in the object.
    pub name: &'static str,
    /// The number of times that the verifier checks it.
    pub checked: Checked,
    /// Number of parameters, at most 5.
    pub params: u32,
    /// Instructions of the function.
    pub insns: Vec<Insn>,
    /// Relocations, sorted by slot.
    pub relocations: Vec<Relocation>,
    /// Text that a verifier's log quotes, by slot, ascending from 0.
    pub notes: Vec<(u32, &'static str)>,
}

/// The number of times that the verifier checks a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Once, for all values of its arguments, which are numbers: a global function.
    Once,
    /// At each call, with the arguments of the call, which can be pointers: a static function, which should
    /// be short.
    EachCall,
}

/// Adds the functions that programs call to those that lowering has generated, and drops those that no
/// program calls any more. `called` has the functions that programs call, `regions` is the most texts of a
/// program.
pub fn link(
    mut functions: Vec<Function>,
    called: impl IntoIterator<Item = &'static str>,
    data: &mut Data,
    policy: &Policy,
    regions: usize,
) -> Vec<Function> {
    functions.sort_by_key(|function| function.name);
    let mut linker = Linker { functions, called: called.into_iter().collect() };
    linker.drop_uncalled();
    linker.link_texts(data, regions);
    if let Some(lost) = data.labels_lost {
        labels::link(&mut linker, policy, lost);
    }
    record::link(&mut linker, data, policy.rules.len() as i32);
    if linker.is_called(find::FIND) {
        linker.add(find::find(data));
    }
    linker.functions
}

/// The functions of an object while they are collected.
struct Linker {
    /// Functions of the object, sorted by name.
    functions: Vec<Function>,
    /// The functions that programs call.
    called: BTreeSet<&'static str>,
}

impl Linker {
    /// Returns true if a program or a function calls this function.
    fn is_called(&self, name: &str) -> bool {
        self.called.contains(name) || self.functions.iter().any(|function| calls(function).any(|known| known == name))
    }

    /// Adds a function at its place by name.
    fn add(&mut self, function: Function) {
        debug_assert!(self.functions.iter().all(|known| known.name != function.name), "two functions of one name");
        let at = self.functions.partition_point(|known| known.name < function.name);
        self.functions.insert(at, function);
    }

    /// Removes functions whose calls were optimised away.
    fn drop_uncalled(&mut self) {
        let mut waiting: Vec<&str> = self.called.iter().copied().collect();
        let mut called = BTreeSet::new();
        while let Some(name) = waiting.pop() {
            if called.insert(name) {
                let function = self.functions.iter().find(|function| function.name == name);
                waiting.extend(function.into_iter().flat_map(calls));
            }
        }
        self.functions.retain(|function| called.contains(function.name));
    }

    /// Adds the functions for texts that are called, and the scratch map if there are any.
    fn link_texts(&mut self, data: &mut Data, regions: usize) {
        let mut names: Vec<&'static str> = [
            CLAIM,
            PATH_NEAR,
            PATH,
            CGROUP,
            automaton::MATCH,
            key::KEY,
            whole_text::HASH,
            whole_text::SAME,
            whole_text::EQUAL,
        ]
        .into_iter()
        .filter(|name| self.is_called(name))
        .collect();
        for (function, step) in [(PATH, PATH_STEP), (CGROUP, CGROUP_STEP), (automaton::MATCH, automaton::STEP)] {
            if names.contains(&function) {
                names.push(step);
            }
        }
        if names.is_empty() {
            return;
        }
        data.map(Map {
            name: SCRATCH_MAP.into(),
            kind: MapKind::PerCpuArray,
            key: 4,
            value: region(regions) as u32,
            entries: SLOTS.cast_unsigned(),
        });
        for name in names {
            let last = region(regions - 1);
            self.add(match name {
                CLAIM => text::claim(),
                PATH_NEAR => text::path_near(),
                PATH => text::path(last),
                CGROUP => text::cgroup(last),
                automaton::MATCH => automaton::run(data),
                key::KEY => key::key(last),
                whole_text::HASH => whole_text::hash_function(last),
                whole_text::SAME => whole_text::same_function(data, last),
                whole_text::EQUAL => whole_text::equal_function(last),
                PATH_STEP => text::path_step(),
                CGROUP_STEP => text::cgroup_step(),
                _ => automaton::step(data, last),
            });
        }
    }
}

/// Returns the functions that a function calls.
fn calls(function: &Function) -> impl Iterator<Item = &'static str> {
    function.relocations.iter().filter_map(Relocation::callee)
}

/// Claims a free slot of scratch memory.
pub const CLAIM: &str = "krs_claim";
/// Builds the last components of a path from a typed dentry.
pub const PATH_NEAR: &str = "krs_path_near";
/// Builds the full path of a dentry below a mount.
pub const PATH: &str = "krs_path";
/// Builds the path of a kernfs node.
pub const CGROUP: &str = "krs_cgroup";

const PATH_STEP: &str = "krs_path_step";
const CGROUP_STEP: &str = "krs_cgroup_step";

/// A machine register, `r0` to `r10`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct R(u8);

/// The frame pointer, `r10`.
const FP: R = R(10);

/// A second operand: a register or an immediate.
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
struct Target(usize);

/// An assembler for one function.
#[derive(Default)]
struct Asm {
    insns: Vec<Insn>,
    relocations: Vec<Relocation>,
    notes: Vec<(u32, &'static str)>,
    targets: Vec<Option<usize>>,
    jumps: Vec<(usize, Target)>,
}

impl Asm {
    /// Starts a note, which the verifier's log quotes for the instructions that follow.
    fn note(&mut self, text: &'static str) {
        self.notes.push((self.insns.len() as u32, text));
    }

    fn target(&mut self) -> Target {
        self.targets.push(None);
        Target(self.targets.len() - 1)
    }

    fn bind(&mut self, target: Target) {
        self.targets[target.0] = Some(self.insns.len());
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

    /// Emits `dst = a + b`; `b` may be a relocated immediate.
    fn sum(&mut self, dst: R, a: R, b: i32) {
        self.mov(dst, a);
        self.alu(alu::ADD, dst, b);
    }

    fn relocate(&mut self, kind: RelocationKind) {
        self.relocations.push(Relocation { slot: self.insns.len() as u32, kind });
    }

    /// Emits `dst =` the relocated offset of a field.
    fn offset(&mut self, dst: R, access: Access) {
        self.relocate(RelocationKind::FieldOffset(access));
        self.mov(dst, 0);
    }

    fn load(&mut self, width: u8, dst: R, base: R, off: i16) {
        self.insns.push(Insn { code: class::LDX | mode::MEM | width, dst: dst.0, src: base.0, off, imm: 0 });
    }

    /// Emits a load of a field through a typed pointer.
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

    /// Emits `dst =` a 64-bit constant.
    fn wide(&mut self, dst: R, value: u64) {
        let code = class::LD | size::DW | mode::IMM;
        self.insns.push(Insn { code, dst: dst.0, imm: (value as u32).cast_signed(), ..Insn::default() });
        self.insns.push(Insn { imm: ((value >> 32) as u32).cast_signed(), ..Insn::default() });
    }

    fn jump(&mut self, op: u8, left: R, right: impl Into<Src>, to: Target) {
        self.jumps.push((self.insns.len(), to));
        self.insns.push(match right.into() {
            Src::Reg(right) => Insn { code: class::JMP | op | SRC_REG, dst: left.0, src: right.0, ..Insn::default() },
            Src::Imm(imm) => Insn { code: class::JMP | op, dst: left.0, imm, ..Insn::default() },
        });
    }

    fn goto(&mut self, to: Target) {
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

    /// Looks up the slot in `r1` and returns its memory in `r0`; jumps to `none` if there is none. Uses the 4
    /// bytes at `frame`.
    fn slot(&mut self, frame: i16, none: Target) {
        self.store(size::W, FP, frame, R(1));
        self.find_slot(frame, none);
    }

    fn find_slot(&mut self, frame: i16, none: Target) {
        self.address(R(1), RelocationKind::Map(SCRATCH_MAP.into()));
        self.sum(R(2), FP, i32::from(frame));
        self.call(helper::MAP_LOOKUP_ELEM);
        self.jump(jmp::JEQ, R(0), 0, none);
    }

    /// Copies a field of a struct at an untyped address to the frame; jumps to `failed` if it cannot be read.
    fn probe(&mut self, to: i16, bytes: i32, base: R, access: Access, failed: Target) {
        self.offset(R(3), access);
        self.alu(alu::ADD, R(3), base);
        self.probe_at((FP, to), bytes, failed);
    }

    /// Copies fields of a struct to consecutive memory: by a single call on kernels where they are adjacent
    /// in the struct. `base` must be callee-saved.
    fn probe_all<const N: usize>(&mut self, to: (R, i16), base: R, fields: [(i32, Access); N], failed: Target) {
        let (separate, done) = (self.target(), self.target());
        let mut all = 0;
        for (bytes, access) in &fields {
            if all == 0 {
                self.offset(R(3), access.clone());
            } else {
                self.offset(R(1), access.clone());
                self.alu(alu::SUB, R(1), R(3));
                self.jump(jmp::JNE, R(1), all, separate);
            }
            all += bytes;
        }
        self.alu(alu::ADD, R(3), base);
        self.probe_at(to, all, failed);
        self.goto(done);
        self.bind(separate);
        let (memory, mut at) = to;
        for (bytes, access) in fields {
            self.offset(R(3), access);
            self.alu(alu::ADD, R(3), base);
            self.probe_at((memory, at), bytes, failed);
            at += bytes as i16;
        }
        self.bind(done);
    }

    /// Copies `bytes` bytes at the address in `r3`.
    fn probe_at(&mut self, (memory, at): (R, i16), bytes: i32, failed: Target) {
        self.sum(R(1), memory, i32::from(at));
        self.mov(R(2), bytes);
        self.call(helper::PROBE_READ_KERNEL);
        self.jump(jmp::JNE, R(0), 0, failed);
    }

    fn finish(mut self, name: &'static str, params: u32) -> Function {
        for (at, target) in &self.jumps {
            let to = self.targets[target.0].expect("every target is bound");
            self.insns[*at].off = (to as i64 - *at as i64 - 1) as i16;
        }
        let (insns, relocations, notes) = (self.insns, self.relocations, self.notes);
        Function { name, checked: Checked::Once, params, insns, relocations, notes }
    }
}

/// Returns the access to a field by the names and shapes of its steps, such as `mount.mnt_parent`.
pub(crate) fn field(root: &str, steps: &[(&str, Shape)]) -> Access {
    Access {
        is_struct: true,
        root: root.to_owned(),
        steps: steps
            .iter()
            .map(|(name, shape)| Step::Field { name: (*name).to_owned(), shape: shape.clone() })
            .collect(),
    }
}
