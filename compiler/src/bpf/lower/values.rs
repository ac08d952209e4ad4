//! Values: where each kind of them comes from. What is read is in `reads`, what computes in `arithmetic`.

use super::builder::{Builder, Fact, Key, Label};
use crate::bpf::{RelocationKind, helper};
use crate::hir::{EndField, Enumerator, Ptr, Step, TaskField, Ty, Value, ValueKind};
use crate::isa::{alu, jmp};
use crate::mir::{FRAME_POINTER, Inst, Operand, Reg};

impl Builder<'_> {
    /// The whole value. `unknown` is where it cannot be read.
    pub(super) fn value(&mut self, value: &Value, unknown: Label) -> Reg {
        match &value.kind {
            ValueKind::Const(number) => self.constant(*number as u64),
            ValueKind::Address(address) => self.constant(*address as u64),
            ValueKind::Param(param) => self.parameter(*param),
            ValueKind::File(file, field) => self.file_number(*file, *field),
            ValueKind::Enumerator(known) => {
                let signed = matches!(value.ty, Ty::Int(int) if int.signed);
                let dst = self.fresh();
                let Enumerator { of, name, value: local } = (**known).clone();
                let reloc = RelocationKind::EnumValue { name: of, value: name, local };
                self.push(Inst::Mov { dst, src: Operand::Imm(local as i32), wide: signed, reloc: Some(reloc) });
                dst
            }
            ValueKind::Arg(arg) => self.argument(*arg, true),
            ValueKind::Task(field) => self.task(*field),
            ValueKind::Current => self.current(),
            ValueKind::Ancestor => self.asked.expect("an ancestor is at hand where one is asked").ancestor,
            ValueKind::Now => self.helper_once(Key::Now, helper::KTIME_GET_BOOT_NS),
            ValueKind::Literal(_) => unreachable!("only events carry a literal, and they copy it"),
            ValueKind::FirstOf(values) => self.first_of(value, values, unknown),
            ValueKind::Load { base, access } => {
                let base = self.pointer(base, unknown);
                self.field(base, access, value.ty, true)
            }
            ValueKind::Unary(op, inner) => self.unary(*op, inner, value.ty, unknown, true),
            ValueKind::Binary(op, left, right) => self.binary(*op, left, right, value.ty, unknown, true),
            ValueKind::Convert(inner) => self.convert(inner, value.ty, unknown),
            ValueKind::Cond(cond) => self.cond_value(cond, unknown),
            ValueKind::Text(_) => self.text(value, unknown).length,
            ValueKind::End(end, EndField::Family) => self.end_family(value, end, unknown),
            ValueKind::End(end, _) => self.end_port(value, end, unknown),
        }
    }

    /// A value of at most 32 bits of which only those bits count.
    pub(super) fn low(&mut self, value: &Value, unknown: Label) -> Reg {
        match &value.kind {
            ValueKind::Arg(arg) => self.argument(*arg, false),
            ValueKind::Load { base, access } => {
                let base = self.pointer(base, unknown);
                self.field(base, access, value.ty, false)
            }
            ValueKind::Task(TaskField::Pid) => self.pid_tgid(),
            ValueKind::Task(TaskField::Uid) => self.uid_gid(),
            ValueKind::Unary(op, inner) => self.unary(*op, inner, value.ty, unknown, false),
            ValueKind::Binary(op, left, right) => self.binary(*op, left, right, value.ty, unknown, false),
            ValueKind::Convert(inner) if matches!((inner.ty, value.ty), (Ty::Int(from), Ty::Int(to)) if from.bytes >= 4 && to.bytes == 4) =>
            {
                // The low half of a wider value is there already.
                if matches!(inner.ty, Ty::Int(from) if from.bytes == 4) {
                    self.low(inner, unknown)
                } else {
                    self.value(inner, unknown)
                }
            }
            _ => self.value(value, unknown),
        }
    }

    /// A register that may be changed.
    pub(super) fn copy(&mut self, of: Reg, wide: bool) -> Reg {
        let dst = self.fresh();
        self.push(Inst::Mov { dst, src: Operand::Reg(of), wide, reloc: None });
        dst
    }

    pub(super) fn constant(&mut self, value: u64) -> Reg {
        let dst = self.fresh();
        let signed = value.cast_signed();
        if let Ok(imm) = i32::try_from(signed) {
            self.push(Inst::Mov { dst, src: Operand::Imm(imm), wide: true, reloc: None });
        } else if let Ok(low) = u32::try_from(value) {
            // A 32-bit move clears the upper half.
            self.push(Inst::Mov { dst, src: Operand::Imm(low.cast_signed()), wide: false, reloc: None });
        } else {
            self.push(Inst::Wide { dst, value });
        }
        dst
    }

    /// A pointer that is safe to read through; `unknown` where it is null.
    pub(super) fn pointer(&mut self, value: &Value, unknown: Label) -> Reg {
        let reg = self.value(value, unknown);
        let Ty::Ptr(Ptr { nullable, .. }) = value.ty else {
            return reg;
        };
        if nullable && !self.not_null(reg) {
            self.null_test(value, reg, unknown);
            self.know(Fact::NotNull(reg));
        }
        reg
    }

    /// A pointer as a number, which is what functions take. The verifier follows a pointer through the frame, but not what a
    /// helper has copied.
    pub(super) fn number(&mut self, pointer: Reg) -> Reg {
        let (from, to) = (self.scratch(), self.key_buffer());
        self.push(Inst::Store { base: FRAME_POINTER, offset: from, src: Operand::Reg(pointer), bytes: 8 });
        self.frame_address(Reg(1), to);
        self.push(Inst::Mov { dst: Reg(2), src: Operand::Imm(8), wide: true, reloc: None });
        self.frame_address(Reg(3), from);
        self.push(Inst::Call { helper: helper::PROBE_READ_KERNEL, args: 3 });
        self.frame_load(to, 8)
    }

    /// Goes to `null` where the pointer is null, and on where it is not.
    pub(super) fn null_test(&mut self, value: &Value, reg: Reg, null: Label) {
        self.branch_away(jmp::JEQ, true, reg, Operand::Imm(0), null);
        if believed(value) {
            // From 6.3 on the verifier takes what it trusts for never null and deletes the test above; from 6.18 on
            // some of it is marked nullable, and only the test above satisfies it. What the verifier never
            // decides is an order between a pointer and a number (`is_branch_taken` knows only `==` and `!=` there),
            // so this one reaches the processor. The smallest page is never mapped; `task_kill` passes 1 as a pointer.
            self.branch_away(jmp::JLT, true, reg, Operand::Imm(PAGE), null);
        }
    }

    /// Reads eight bytes that are the program's own.
    pub(super) fn word(&mut self, base: Reg, offset: i16) -> Reg {
        let dst = self.fresh();
        self.push(Inst::Load { dst, base, offset, bytes: 8, reloc: None, argument: None });
        dst
    }

    /// Calls a helper and keeps its result.
    pub(super) fn call(&mut self, helper: u32, args: &[Operand]) -> Reg {
        for (at, arg) in args.iter().enumerate() {
            self.push(Inst::Mov { dst: Reg(at as u32 + 1), src: *arg, wide: true, reloc: None });
        }
        self.push(Inst::Call { helper, args: args.len() as u8 });
        self.copy(Reg(0), true)
    }

    /// Calls a helper for what it does.
    pub(super) fn call_only(&mut self, helper: u32, args: &[Operand]) {
        for (at, arg) in args.iter().enumerate() {
            self.push(Inst::Mov { dst: Reg(at as u32 + 1), src: *arg, wide: true, reloc: None });
        }
        self.push(Inst::Call { helper, args: args.len() as u8 });
    }

    /// What a helper without arguments says, asked once on every way.
    pub(super) fn helper_once(&mut self, key: Key, helper: u32) -> Reg {
        self.read_once(key, &[], None, |build, dst| {
            build.push(Inst::Call { helper, args: 0 });
            build.push(Inst::Mov { dst, src: Operand::Reg(Reg(0)), wide: true, reloc: None });
        })
    }

    pub(super) fn once(&mut self, key: Key, make: impl FnOnce(&mut Self) -> Reg) -> Reg {
        if let Some(reg) = self.read(&key) {
            return reg;
        }
        let reg = make(self);
        self.know(Fact::Read(key, reg));
        reg
    }

    pub(super) fn frame_address(&mut self, dst: Reg, offset: i16) {
        self.push(Inst::Mov { dst, src: Operand::Reg(FRAME_POINTER), wide: true, reloc: None });
        self.push(Inst::Alu { op: alu::ADD, wide: true, dst, src: Operand::Imm(i32::from(offset)), reloc: None });
    }
}

/// Below this no object can lie, whatever the kernel passes as a pointer to say something else.
const PAGE: i32 = 4096;

/// Pointers that the verifier of some kernel takes for never null although they can be: arguments of hooks, and
/// what it lists as trusted behind them (`BTF_TYPE_SAFE_TRUSTED`).
fn believed(value: &Value) -> bool {
    match &value.kind {
        ValueKind::Arg(_) => true,
        ValueKind::Load { access, .. } => {
            let last = match access.steps.last() {
                Some(Step::Field { name, .. }) => name.as_str(),
                _ => "",
            };
            matches!(
                (access.root.as_str(), last),
                ("socket", "sk") | ("dentry", "d_inode") | ("file", "f_inode") | ("linux_binprm", "file")
            )
        }
        _ => false,
    }
}
