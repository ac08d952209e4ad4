//! What is read: arguments of the hook, fields, the current task. Nothing is read again that is known.

use super::builder::{Builder, Fact, Key, Label};
use crate::bpf::{RelocationKind, helper};
use crate::hir::overlays::{Overlay, Reading};
use crate::hir::{Access, ArgId, Place, Shape, Step, TaskField, Ty, Value};
use crate::isa::{alu, jmp};
use crate::mir::passes::expand_reads;
use crate::mir::{FRAME_POINTER, Inst, Operand, Reg};

/// The helper's own enumerator tells whether the kernel has it.
const TYPED_TASK: (&str, &str) = ("bpf_func_id", "BPF_FUNC_get_current_task_btf");

impl Builder<'_> {
    pub(super) fn argument(&mut self, arg: ArgId, full: bool) -> Reg {
        let ty = self.hook.args[arg.index()].ty;
        let (bytes, signed) = match ty {
            Ty::Int(int) => (int.bytes, int.signed),
            Ty::Bool => (1, false),
            Ty::Ptr(_) | Ty::Str { .. } | Ty::Text { .. } | Ty::Ip => (8, false),
        };
        let key = Key::Arg { arg, full: false };
        let raw = match self.read(&key) {
            Some(reg) => reg,
            None => {
                let place = &self.hook.args[arg.index()].place;
                let dst = self.fresh();
                self.argument_load(arg, place, dst, bytes);
                self.know(Fact::Read(key, dst));
                dst
            }
        };
        if full && signed { self.extended(raw, bytes) } else { raw }
    }

    fn argument_load(&mut self, arg: ArgId, place: &Place, dst: Reg, bytes: u32) {
        match place {
            Place::Slot(slot) => {
                let name = self.hook.args[arg.index()].name.clone();
                let base = self.context;
                // The low bytes come first. The upper ones of a narrow argument are whatever the caller left.
                self.push(Inst::Load {
                    dst,
                    base,
                    offset: (8 * slot) as i16,
                    bytes,
                    reloc: None,
                    argument: Some(name),
                });
            }
            Place::Switch { exists, then, otherwise } => {
                let (with, without, join) = (self.fresh_label(), self.fresh_label(), self.fresh_label());
                let there = self.fresh();
                let access = Access {
                    is_struct: false,
                    root: "security_list_options".to_owned(),
                    steps: vec![Step::Field { name: exists.clone(), shape: Shape::Pointer }],
                };
                let reloc = RelocationKind::FieldExists(access);
                self.push(Inst::Mov { dst: there, src: Operand::Imm(1), wide: true, reloc: Some(reloc) });
                self.branch(jmp::JEQ, true, there, Operand::Imm(0), without, with);
                self.place(with);
                self.argument_load(arg, then, dst, bytes);
                self.jump(join);
                self.place(without);
                self.argument_load(arg, otherwise, dst, bytes);
                self.jump(join);
                self.place(join);
            }
        }
    }

    /// A field behind a pointer that is not null.
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

    /// Bytes at a field.
    pub(super) fn load(&mut self, base: Reg, access: &Access, bytes: u32) -> Reg {
        let key = Key::Load { base, access: access.clone(), bytes };
        if let Some(reg) = self.read(&key) {
            return reg;
        }
        let overlay = self.reading(access).overlay;
        let number = self.numbers.contains(&base) || overlay == Some(Overlay::Refused);
        let dst = if self.asked.is_none() && number {
            self.read_once(key, &[], None, |build, dst| build.copied(dst, base, access, bytes))
        } else if self.untyped.contains(&base) {
            self.task_load(key, base, access, bytes)
        } else {
            let dst = self.loaded(base, access, bytes);
            self.know(Fact::Read(key, dst));
            dst
        };
        if number || overlay.is_some() {
            self.numbers.insert(dst);
        }
        dst
    }

    /// How a field must be read, or the array that an element is of.
    fn reading(&self, access: &Access) -> Reading {
        let readings = &self.policy.readings;
        if readings.is_empty() {
            return Reading::default();
        }
        let whole = |(last, steps): (&Step, &[Step])| match last {
            Step::Index(_) => readings.get(&Access { steps: steps.to_vec(), ..access.clone() }),
            Step::Field { .. } => None,
        };
        readings.get(access).or_else(|| access.steps.split_last().and_then(whole)).copied().unwrap_or_default()
    }

    fn loaded(&mut self, base: Reg, access: &Access, bytes: u32) -> Reg {
        let dst = self.fresh();
        let reloc = Some(RelocationKind::FieldOffset(access.clone()));
        self.push(Inst::Load { dst, base, offset: 0, bytes, reloc, argument: None });
        dst
    }

    /// Copies a field to where it can be loaded from; zero where it cannot be read.
    fn copied(&mut self, dst: Reg, base: Reg, access: &Access, bytes: u32) {
        let (uneven, scratch) = (self.reading(access).uneven, self.scratch());
        self.push(Inst::Copy { dst, base, access: access.clone(), bytes, uneven, scratch });
    }

    /// Loads the storage and shifts the bits to their place; where they are differs by kernel.
    fn bitfield(&mut self, base: Reg, access: &Access, bytes: u32, signed: bool) -> Reg {
        let key = Key::Bits { base, access: access.clone() };
        if let Some(reg) = self.read(&key) {
            return reg;
        }
        let storage = self.load(base, access, bytes);
        let dst = self.copy(storage, true);
        let left = Some(RelocationKind::FieldShiftLeft(access.clone()));
        self.push(Inst::Alu { op: alu::LSH, wide: true, dst, src: Operand::Imm(0), reloc: left });
        let right = Some(RelocationKind::FieldShiftRight(access.clone()));
        let op = if signed { alu::ARSH } else { alu::RSH };
        self.push(Inst::Alu { op, wide: true, dst, src: Operand::Imm(0), reloc: right });
        self.know(Fact::Read(key, dst));
        dst
    }

    pub(super) fn lower_half(&mut self, of: Reg) -> Reg {
        self.once(Key::Lower(of), |build| build.copy(of, false))
    }

    pub(super) fn upper_half(&mut self, of: Reg) -> Reg {
        self.once(Key::Upper(of), |build| {
            let dst = build.copy(of, true);
            build.push(Inst::Alu { op: alu::RSH, wide: true, dst, src: Operand::Imm(32), reloc: None });
            dst
        })
    }

    pub(super) fn pid_tgid(&mut self) -> Reg {
        self.helper_once(Key::PidTgid, helper::GET_CURRENT_PID_TGID)
    }

    pub(super) fn uid_gid(&mut self) -> Reg {
        self.helper_once(Key::UidGid, helper::GET_CURRENT_UID_GID)
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
            // Its bytes are in the frame; whoever wants a number of it asks for bytes.
            TaskField::Comm => self.comm_bytes(0, 8),
        }
    }

    /// The current task. 5.10 has no helper that gives LSM programs a typed one; there it is a number, and what is
    /// read from it is copied.
    pub(super) fn current(&mut self) -> Reg {
        self.once(Key::Current, |build| {
            if build.asked.is_some() {
                let task = build.call(helper::GET_CURRENT_TASK, &[]);
                build.untyped.insert(task);
                return task;
            }
            let task = build.fresh();
            let (typed, untyped, join) = (build.fresh_label(), build.fresh_label(), build.fresh_label());
            build.typed_task(typed, untyped);
            for (label, helper) in [(typed, helper::GET_CURRENT_TASK_BTF), (untyped, helper::GET_CURRENT_TASK)] {
                build.place(label);
                build.push(Inst::Call { helper, args: 0 });
                build.push(Inst::Mov { dst: task, src: Operand::Reg(Reg(0)), wide: true, reloc: None });
                build.jump(join);
            }
            build.place(join);
            build.untyped.insert(task);
            task
        })
    }

    /// One way for kernels whose helper gives a typed task, one for the others; the verifier removes the other.
    pub(super) fn typed_task(&mut self, typed: Label, untyped: Label) {
        let there = self.fresh();
        let reloc = RelocationKind::EnumValueExists { name: TYPED_TASK.0.into(), value: TYPED_TASK.1.into() };
        self.push(Inst::Mov { dst: there, src: Operand::Imm(1), wide: true, reloc: Some(reloc) });
        self.branch(jmp::JEQ, true, there, Operand::Imm(0), untyped, typed);
    }

    /// Reads a field behind what came from the current task.
    fn task_load(&mut self, key: Key, base: Reg, access: &Access, bytes: u32) -> Reg {
        if let Some(asked) = self.asked {
            // All that is here are numbers.
            let dst = self.read_once(key, &[], Some(asked.unknown), |build, dst| {
                let (scratch, from) = (build.scratch(), build.fresh());
                let width = (bytes, build.reading(access).uneven);
                expand_reads::copy((dst, from), base, access.clone(), width, scratch).for_each(|inst| build.push(inst));
            });
            self.untyped.insert(dst);
            return dst;
        }
        let dst = self.fresh();
        let (typed, untyped, join) = (self.fresh_label(), self.fresh_label(), self.fresh_label());
        self.typed_task(typed, untyped);
        self.place(typed);
        let reloc = Some(RelocationKind::FieldOffset(access.clone()));
        self.push(Inst::Load { dst, base, offset: 0, bytes, reloc, argument: None });
        self.jump(join);
        self.place(untyped);
        self.copied(dst, base, access, bytes);
        self.jump(join);
        self.place(join);
        self.untyped.insert(dst);
        self.know(Fact::Read(key, dst));
        dst
    }

    /// The first alternative whose fields the kernel has.
    pub(super) fn first_of(&mut self, value: &Value, values: &[Value], unknown: Label) -> Reg {
        let key = Key::FirstOf(Box::new(value.clone()));
        if let Some(reg) = self.read(&key) {
            return reg;
        }
        let result = self.fresh();
        let join = self.fresh_label();
        for (at, alternative) in values.iter().enumerate() {
            let next = self.fresh_label();
            let last = at + 1 == values.len();
            let mut accesses = Vec::new();
            alternative.accesses(&mut accesses);
            for access in accesses.into_iter().filter(|_| !last) {
                let there = self.fresh();
                let reloc = Some(RelocationKind::FieldExists(access.clone()));
                self.push(Inst::Mov { dst: there, src: Operand::Imm(1), wide: true, reloc });
                self.branch_away(jmp::JEQ, true, there, Operand::Imm(0), next);
            }
            let reg = self.value(alternative, unknown);
            if self.numbers.contains(&reg) {
                self.numbers.insert(result);
            }
            self.push(Inst::Mov { dst: result, src: Operand::Reg(reg), wide: true, reloc: None });
            self.jump(join);
            if last {
                break;
            }
            if !self.reached(next) {
                break;
            }
            self.place(next);
        }
        self.place(join);
        if value.of_current() {
            self.untyped.insert(result);
        }
        self.know(Fact::Read(key, result));
        result
    }

    /// Some bytes of the current task's name.
    pub(super) fn comm_bytes(&mut self, offset: u32, bytes: u32) -> Reg {
        let buffer = self.comm_buffer();
        self.read_once(Key::Comm, &[], None, |build, _| {
            build.dear = true;
            // The helper of 6.1 leaves what is behind the NUL as it was.
            for word in [0, 8] {
                build.push(Inst::Store { base: FRAME_POINTER, offset: buffer + word, src: Operand::Imm(0), bytes: 8 });
            }
            build.frame_address(Reg(1), buffer);
            build.push(Inst::Mov { dst: Reg(2), src: Operand::Imm(16), wide: true, reloc: None });
            build.push(Inst::Call { helper: helper::GET_CURRENT_COMM, args: 2 });
        });
        self.once(Key::CommBytes { offset, bytes }, |build| {
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
