//! Reads: arguments of the hook, fields of kernel structs, and properties of the current task.
//!
//! ```text
//! v12 = load 8 [v11 + 16]            an argument, from the context
//! v13 = load 8 [v12 + vma.vm_file]   a field, through a pointer that the verifier knows by its BTF type
//! v14 = copy v13 + file.f_flags      a field, through a pointer that is a scalar to some verifier
//! ```
//!
//! A field is loaded directly if every supported verifier knows the type of the pointer; `btf_struct_access`
//! checks such loads, and a fault yields zero. Otherwise `bpf_probe_read_kernel` copies the field to the
//! frame. Pointers obtained from the current task are of both kinds, because 5.10 has no helper that returns
//! a typed task: both forms are emitted and the verifier removes one of them.
//!
//! Invariants: an available value is not read again; the offset of a field is always relocated by CO-RE.

use super::builder::{Builder, Fact, Target, ValueKey};
use crate::helper;
use crate::hir::aliasing::{AccessMode, Aliasing};
use crate::hir::{Access, ArgId, ArgLocation, Shape, Step, TaskField, Ty, Value};
use crate::isa::{alu, jmp};
use crate::mir::passes::expand_reads;
use crate::mir::{FRAME_POINTER, Inst, Operand, Reg};
use crate::relocation::RelocationKind;

impl Builder<'_> {
    pub(super) fn argument(&mut self, arg: ArgId, full: bool) -> Reg {
        let ty = self.hook.args[arg.index()].ty;
        let (bytes, signed) = match ty {
            Ty::Int(int) => (int.bytes, int.signed),
            Ty::Bool => (1, false),
            Ty::Ptr(_) | Ty::Str { .. } | Ty::Text { .. } | Ty::Ip => (8, false),
        };
        let key = ValueKey::Arg { arg, full: false };
        let raw = match self.available(&key) {
            Some(reg) => reg,
            None => {
                let place = &self.hook.args[arg.index()].location;
                let dst = self.fresh();
                self.argument_load(arg, place, dst, bytes);
                self.add_fact(Fact::Available(key, dst));
                dst
            }
        };
        if full && signed { self.extended(raw, bytes) } else { raw }
    }

    fn argument_load(&mut self, arg: ArgId, place: &ArgLocation, dst: Reg, bytes: u32) {
        match place {
            ArgLocation::Slot(slot) => {
                let name = self.hook.args[arg.index()].name.clone();
                let base = self.context;
                // Little-endian: a narrow load at the slot reads the low bytes. The caller leaves the upper
                // bytes of a narrow argument undefined.
                self.push(Inst::Load {
                    dst,
                    base,
                    offset: (8 * slot) as i16,
                    bytes,
                    reloc: None,
                    argument: Some(name),
                });
            }
            ArgLocation::Switch { exists, then, otherwise } => {
                let (with, without, join) = (self.fresh_target(), self.fresh_target(), self.fresh_target());
                let present = self.fresh();
                let access = Access {
                    is_struct: false,
                    root: "security_list_options".to_owned(),
                    steps: vec![Step::Field { name: exists.clone(), shape: Shape::Pointer }],
                };
                let reloc = RelocationKind::FieldExists(access);
                self.push(Inst::Mov { dst: present, src: Operand::Imm(1), wide: true, reloc: Some(reloc) });
                self.branch(jmp::JEQ, true, present, Operand::Imm(0), without, with);
                self.bind(with);
                self.argument_load(arg, then, dst, bytes);
                self.jump(join);
                self.bind(without);
                self.argument_load(arg, otherwise, dst, bytes);
                self.jump(join);
                self.bind(join);
            }
        }
    }

    /// Reads a field through a non-null pointer.
    pub(super) fn field(&mut self, base: Reg, access: &Access, ty: Ty, full: bool) -> Reg {
        if let Some(Step::Field { shape: Shape::Bits { bytes, signed, .. }, .. }) = access.steps.last() {
            return self.bitfield(base, access, *bytes, *signed);
        }
        let (bytes, signed) = match ty {
            Ty::Int(int) => (int.bytes, int.signed),
            Ty::Bool => (1, false),
            Ty::Ptr(_) | Ty::Str { .. } | Ty::Text { .. } | Ty::Ip => (8, false),
        };
        let raw = self.load(base, access, bytes);
        if full && signed { self.extended(raw, bytes) } else { raw }
    }

    /// Reads the bytes of a field, directly or by a copy.
    pub(super) fn load(&mut self, base: Reg, access: &Access, bytes: u32) -> Reg {
        let key = ValueKey::Load { base, access: access.clone(), bytes };
        if let Some(reg) = self.available(&key) {
            return reg;
        }
        let aliasing = self.access_mode(access).aliasing;
        let scalar = self.scalars.contains(&base) || aliasing == Some(Aliasing::Refused);
        let dst = if self.ancestor.is_none() && scalar {
            self.read_once(key, &[], None, |build, dst| build.copied(dst, base, access, bytes))
        } else if self.untyped.contains(&base) {
            self.task_load(key, base, access, bytes)
        } else {
            let dst = self.loaded(base, access, bytes);
            self.add_fact(Fact::Available(key, dst));
            dst
        };
        if scalar || aliasing.is_some() {
            self.scalars.insert(dst);
        }
        dst
    }

    /// Returns the access mode of a field or, for an array element, of its array.
    fn access_mode(&self, access: &Access) -> AccessMode {
        let modes = &self.policy.access_modes;
        if modes.is_empty() {
            return AccessMode::default();
        }
        let whole = |(last, steps): (&Step, &[Step])| match last {
            Step::Index(_) => modes.get(&Access { steps: steps.to_vec(), ..access.clone() }),
            Step::Field { .. } => None,
        };
        modes.get(access).or_else(|| access.steps.split_last().and_then(whole)).copied().unwrap_or_default()
    }

    fn loaded(&mut self, base: Reg, access: &Access, bytes: u32) -> Reg {
        let dst = self.fresh();
        let reloc = Some(RelocationKind::FieldOffset(access.clone()));
        self.push(Inst::Load { dst, base, offset: 0, bytes, reloc, argument: None });
        dst
    }

    /// Copies a field to the frame and loads it from there; zero if it cannot be read.
    fn copied(&mut self, dst: Reg, base: Reg, access: &Access, bytes: u32) {
        let (uneven, scratch) = (self.access_mode(access).uneven, self.scratch());
        self.push(Inst::Copy { dst, base, access: access.clone(), bytes, uneven, scratch });
    }

    /// Loads the storage of a bitfield and extracts the bits. CO-RE relocates both shift counts, because the
    /// position of the bits differs between kernels.
    fn bitfield(&mut self, base: Reg, access: &Access, bytes: u32, signed: bool) -> Reg {
        let key = ValueKey::Bits { base, access: access.clone() };
        if let Some(reg) = self.available(&key) {
            return reg;
        }
        let storage = self.load(base, access, bytes);
        let dst = self.copy(storage, true);
        let left = Some(RelocationKind::FieldShiftLeft(access.clone()));
        self.push(Inst::Alu { op: alu::LSH, wide: true, dst, src: Operand::Imm(0), reloc: left });
        let right = Some(RelocationKind::FieldShiftRight(access.clone()));
        let op = if signed { alu::ARSH } else { alu::RSH };
        self.push(Inst::Alu { op, wide: true, dst, src: Operand::Imm(0), reloc: right });
        self.add_fact(Fact::Available(key, dst));
        dst
    }

    pub(super) fn lower_half(&mut self, of: Reg) -> Reg {
        self.once(ValueKey::Lower(of), |build| build.copy(of, false))
    }

    pub(super) fn upper_half(&mut self, of: Reg) -> Reg {
        self.once(ValueKey::Upper(of), |build| {
            let dst = build.copy(of, true);
            build.push(Inst::Alu { op: alu::RSH, wide: true, dst, src: Operand::Imm(32), reloc: None });
            dst
        })
    }

    pub(super) fn pid_tgid(&mut self) -> Reg {
        self.helper_once(ValueKey::PidTgid, helper::GET_CURRENT_PID_TGID)
    }

    pub(super) fn uid_gid(&mut self) -> Reg {
        self.helper_once(ValueKey::UidGid, helper::GET_CURRENT_UID_GID)
    }

    pub(super) fn task(&mut self, field: TaskField) -> Reg {
        match field {
            TaskField::Pid => {
                let both = self.pid_tgid();
                self.lower_half(both)
            }
            TaskField::Tgid => {
                let both = self.pid_tgid();
                self.upper_half(both)
            }
            TaskField::Uid => {
                let both = self.uid_gid();
                self.lower_half(both)
            }
            TaskField::Gid => {
                let both = self.uid_gid();
                self.upper_half(both)
            }
            TaskField::Euid => {
                let pointer = |name: &str| Step::Field { name: name.to_owned(), shape: Shape::Pointer };
                let cred = Access { is_struct: true, root: "task_struct".into(), steps: vec![pointer("cred")] };
                let val = Step::Field { name: "val".into(), shape: Shape::Int { bytes: 4, signed: false } };
                let steps = vec![Step::Field { name: "euid".into(), shape: Shape::Struct }, val];
                let task = self.current();
                let cred = self.load(task, &cred, 8);
                self.load(cred, &Access { is_struct: true, root: "cred".into(), steps }, 4)
            }
            // The bytes are in the frame. Callers that need the name read its bytes; this is the first word.
            TaskField::Comm => self.comm_bytes(0, 8),
        }
    }

    /// Returns the current task. 5.10 has no helper that gives LSM programs a typed task pointer, so the task
    /// is a scalar there and its fields are copied.
    pub(super) fn current(&mut self) -> Reg {
        self.once(ValueKey::Current, |build| {
            if build.ancestor.is_some() {
                let task = build.call(helper::GET_CURRENT_TASK, &[]);
                build.untyped.insert(task);
                return task;
            }
            let task = build.fresh();
            let (typed, untyped, join) = (build.fresh_target(), build.fresh_target(), build.fresh_target());
            build.branch_on_typed_task(typed, untyped);
            for (label, helper) in [(typed, helper::GET_CURRENT_TASK_BTF), (untyped, helper::GET_CURRENT_TASK)] {
                build.bind(label);
                build.push(Inst::Call { helper, args: 0 });
                build.push(Inst::Mov { dst: task, src: Operand::Reg(Reg(0)), wide: true, reloc: None });
                build.jump(join);
            }
            build.bind(join);
            build.untyped.insert(task);
            task
        })
    }

    /// Branches on the existence of `bpf_get_current_task_btf`. The condition is constant at load time, so
    /// the verifier removes one of the branches.
    pub(super) fn branch_on_typed_task(&mut self, typed: Target, untyped: Target) {
        let present = self.fresh();
        let reloc =
            RelocationKind::EnumValueExists { name: helper::TYPED_TASK.0.into(), value: helper::TYPED_TASK.1.into() };
        self.push(Inst::Mov { dst: present, src: Operand::Imm(1), wide: true, reloc: Some(reloc) });
        self.branch(jmp::JEQ, true, present, Operand::Imm(0), untyped, typed);
    }

    /// Reads a field through a pointer that was obtained from the current task.
    fn task_load(&mut self, key: ValueKey, base: Reg, access: &Access, bytes: u32) -> Reg {
        if let Some(ancestor) = self.ancestor {
            // Every pointer in an ancestor predicate is a scalar.
            let dst = self.read_once(key, &[], Some(ancestor.unknown), |build, dst| {
                let (scratch, from) = (build.scratch(), build.fresh());
                let width = (bytes, build.access_mode(access).uneven);
                expand_reads::copy((dst, from), base, access.clone(), width, scratch).for_each(|inst| build.push(inst));
            });
            self.untyped.insert(dst);
            return dst;
        }
        let dst = self.fresh();
        let (typed, untyped, join) = (self.fresh_target(), self.fresh_target(), self.fresh_target());
        self.branch_on_typed_task(typed, untyped);
        self.bind(typed);
        let reloc = Some(RelocationKind::FieldOffset(access.clone()));
        self.push(Inst::Load { dst, base, offset: 0, bytes, reloc, argument: None });
        self.jump(join);
        self.bind(untyped);
        self.copied(dst, base, access, bytes);
        self.jump(join);
        self.bind(join);
        self.untyped.insert(dst);
        self.add_fact(Fact::Available(key, dst));
        dst
    }

    /// Evaluates the first alternative whose fields the kernel has.
    pub(super) fn first_of(&mut self, value: &Value, values: &[Value], unknown: Target) -> Reg {
        let key = ValueKey::FirstOf(Box::new(value.clone()));
        if let Some(reg) = self.available(&key) {
            return reg;
        }
        let result = self.fresh();
        let join = self.fresh_target();
        for (at, alternative) in values.iter().enumerate() {
            let next = self.fresh_target();
            let last = at + 1 == values.len();
            let mut accesses = Vec::new();
            alternative.accesses(&mut accesses);
            for access in accesses.into_iter().filter(|_| !last) {
                let present = self.fresh();
                let reloc = Some(RelocationKind::FieldExists(access.clone()));
                self.push(Inst::Mov { dst: present, src: Operand::Imm(1), wide: true, reloc });
                self.branch_away(jmp::JEQ, true, present, Operand::Imm(0), next);
            }
            let reg = self.value(alternative, unknown);
            if self.scalars.contains(&reg) {
                self.scalars.insert(result);
            }
            self.push(Inst::Mov { dst: result, src: Operand::Reg(reg), wide: true, reloc: None });
            self.jump(join);
            if last {
                break;
            }
            if !self.is_reachable(next) {
                break;
            }
            self.bind(next);
        }
        self.bind(join);
        if value.of_current() {
            self.untyped.insert(result);
        }
        self.add_fact(Fact::Available(key, result));
        result
    }

    /// Reads some bytes of the current task's `comm`.
    pub(super) fn comm_bytes(&mut self, offset: u32, bytes: u32) -> Reg {
        let buffer = self.comm_buffer();
        self.read_once(ValueKey::Comm, &[], None, |build, _| {
            build.expensive = true;
            // `bpf_get_current_comm` of 6.1 does not clear the bytes after the NUL.
            for word in [0, 8] {
                build.push(Inst::Store { base: FRAME_POINTER, offset: buffer + word, src: Operand::Imm(0), bytes: 8 });
            }
            build.frame_address(Reg(1), buffer);
            build.push(Inst::Mov { dst: Reg(2), src: Operand::Imm(16), wide: true, reloc: None });
            build.push(Inst::Call { helper: helper::GET_CURRENT_COMM, args: 2 });
        });
        self.once(ValueKey::CommBytes { offset, bytes }, |build| {
            let dst = build.fresh();
            build.push(Inst::Load {
                dst,
                base: FRAME_POINTER,
                offset: buffer + offset as i16,
                bytes,
                reloc: None,
                argument: None,
            });
            dst
        })
    }
}
