//! Values: one function per kind of HIR value.
//!
//! `reads` has the values that are loaded from the kernel, `arithmetic` those that are computed. Every value
//! that can be unreadable, for instance because a pointer is null, takes a target `unknown` for that case.
//!
//! Pointers need care because verifiers differ in what they accept: null checks of pointers that some
//! verifier trusts are emitted twice (see [`Builder::null_test`]), and a pointer passed to a global function
//! is first turned into a scalar (see [`Builder::scalar_of`]).

use super::builder::{Builder, Fact, Target, ValueKey};
use crate::helper;
use crate::hir::{EndpointField, Enumerator, Ptr, Step, TaskField, Ty, Value, ValueKind};
use crate::isa::{alu, jmp};
use crate::mir::{FRAME_POINTER, Inst, Operand, Reg};
use crate::relocation::RelocationKind;

impl Builder<'_> {
    /// Evaluates a value to its full width. Jumps to `unknown` if it cannot be read.
    pub(super) fn value(&mut self, value: &Value, unknown: Target) -> Reg {
        match &value.kind {
            ValueKind::Const(number) => self.constant(*number as u64),
            ValueKind::Address(address) => self.constant(*address as u64),
            ValueKind::Param(param) => self.parameter(*param),
            ValueKind::File(file, field) => self.file_number(*file, *field),
            ValueKind::Enumerator(known) => {
                let signed = matches ! ( value . ty , Ty :: Int ( int ) if int . signed );
                let dst = self.fresh();
                let Enumerator { of, name, value: local } = (**known).clone();
                let reloc = RelocationKind::EnumValue { name: of, value: name, local };
                self.push(Inst::Mov { dst, src: Operand::Imm(local as i32), wide: signed, reloc: Some(reloc) });
                dst
            }
            ValueKind::Arg(arg) => self.argument(*arg, true),
            ValueKind::Task(field) => self.task(*field),
            ValueKind::Current => self.current(),
            ValueKind::Ancestor => self.ancestor.expect("only ancestor predicates read the ancestor").task,
            ValueKind::Now => self.helper_once(ValueKey::Now, helper::KTIME_GET_BOOT_NS),
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
            ValueKind::Endpoint(end, EndpointField::Family) => self.endpoint_family(value, end, unknown),
            ValueKind::Endpoint(end, _) => self.endpoint_port(value, end, unknown),
        }
    }

    /// Evaluates a value of at most 32 bits whose upper half does not matter.
    pub(super) fn low(&mut self, value: &Value, unknown: Target) -> Reg {
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
            ValueKind::Convert(inner) if matches ! ( ( inner . ty , value . ty ) , ( Ty :: Int ( from ) , Ty :: Int ( to ) ) if from . bytes >= 4 && to . bytes == 4 ) =>
            {
                // The low half of the wider value is the result.
                if matches ! ( inner . ty , Ty :: Int ( from ) if from . bytes == 4 ) {
                    self.low(inner, unknown)
                } else {
                    self.value(inner, unknown)
                }
            }
            _ => self.value(value, unknown),
        }
    }

    /// Copies a register, so that the copy can be changed.
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

    /// Evaluates a pointer for a read through it; jumps to `unknown` if it is null.
    pub(super) fn pointer(&mut self, value: &Value, unknown: Target) -> Reg {
        let reg = self.value(value, unknown);
        let Ty::Ptr(Ptr { nullable, .. }) = value.ty else {
            return reg;
        };
        if nullable && !self.not_null(reg) {
            self.null_test(value, reg, unknown);
            self.add_fact(Fact::NotNull(reg));
        }
        reg
    }

    /// Turns a pointer into a scalar, because global functions take no kernel pointers. The verifier tracks a
    /// pointer through a spill, but not through a copy made by `bpf_probe_read_kernel`.
    pub(super) fn scalar_of(&mut self, pointer: Reg) -> Reg {
        let (from, to) = (self.scratch(), self.key_buffer());
        self.push(Inst::Store { base: FRAME_POINTER, offset: from, src: Operand::Reg(pointer), bytes: 8 });
        self.frame_address(Reg(1), to);
        self.push(Inst::Mov { dst: Reg(2), src: Operand::Imm(8), wide: true, reloc: None });
        self.frame_address(Reg(3), from);
        self.push(Inst::Call { helper: helper::PROBE_READ_KERNEL, args: 3 });
        self.frame_load(to, 8)
    }

    /// Jumps to `null` if the pointer is null, and falls through otherwise.
    pub(super) fn null_test(&mut self, value: &Value, reg: Reg, null: Target) {
        self.branch_away(jmp::JEQ, true, reg, Operand::Imm(0), null);
        if is_assumed_non_null(value) {
            // Since 6.3 the verifier assumes that trusted pointers are never null and deletes the test above;
            // since 6.18 it marks some of them nullable and accepts only the test above. It never decides an
            // unsigned order between a pointer and a number (`is_branch_taken` handles only `==` and `!=`
            // there), so the second test survives. The first page is never mapped, and `task_kill` passes 1
            // as a pointer.
            self.branch_away(jmp::JLT, true, reg, Operand::Imm(PAGE), null);
        }
    }

    /// Loads eight bytes of the program's own memory.
    pub(super) fn word(&mut self, base: Reg, offset: i16) -> Reg {
        let dst = self.fresh();
        self.push(Inst::Load { dst, base, offset, bytes: 8, reloc: None, argument: None });
        dst
    }

    /// Calls a helper and copies its result from `r0`.
    pub(super) fn call(&mut self, helper: u32, args: &[Operand]) -> Reg {
        for (at, arg) in args.iter().enumerate() {
            self.push(Inst::Mov { dst: Reg(at as u32 + 1), src: *arg, wide: true, reloc: None });
        }
        self.push(Inst::Call { helper, args: args.len() as u8 });
        self.copy(Reg(0), true)
    }

    /// Calls a helper for its effect.
    pub(super) fn call_only(&mut self, helper: u32, args: &[Operand]) {
        for (at, arg) in args.iter().enumerate() {
            self.push(Inst::Mov { dst: Reg(at as u32 + 1), src: *arg, wide: true, reloc: None });
        }
        self.push(Inst::Call { helper, args: args.len() as u8 });
    }

    /// Calls a helper without arguments, at most once on every path.
    pub(super) fn helper_once(&mut self, key: ValueKey, helper: u32) -> Reg {
        self.read_once(key, &[], None, |build, dst| {
            build.push(Inst::Call { helper, args: 0 });
            build.push(Inst::Mov { dst, src: Operand::Reg(Reg(0)), wide: true, reloc: None });
        })
    }

    pub(super) fn once(&mut self, key: ValueKey, make: impl FnOnce(&mut Self) -> Reg) -> Reg {
        if let Some(reg) = self.available(&key) {
            return reg;
        }
        let reg = make(self);
        self.add_fact(Fact::Available(key, reg));
        reg
    }

    pub(super) fn frame_address(&mut self, dst: Reg, offset: i16) {
        self.push(Inst::Mov { dst, src: Operand::Reg(FRAME_POINTER), wide: true, reloc: None });
        self.push(Inst::Alu { op: alu::ADD, wide: true, dst, src: Operand::Imm(i32::from(offset)), reloc: None });
    }
}

/// No object lies below this address; the kernel passes small numbers such as 1 as special pointers.
const PAGE: i32 = 4096;

/// Returns true for pointers that can be null although some verifier assumes that they are not: arguments of
/// hooks, and the fields that it lists as trusted (`BTF_TYPE_SAFE_TRUSTED`).
fn is_assumed_non_null(value: &Value) -> bool {
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
