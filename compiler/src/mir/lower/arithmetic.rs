//! Integer arithmetic.
//!
//! A register holds a value extended to 64 bits. The instruction set of 5.10 (v3) has neither sign-extending
//! moves nor signed division, so both are composed here. The sign extension of a value narrower than 64 bits
//! is emitted only where its upper half matters (`full`).
//!
//! Absent: comparisons, which `conds` has.

use super::builder::{Builder, Fact, Target, ValueKey};
use crate::hir::{Binary, Int, Ty, Unary, Value, ValueKind};
use crate::isa::alu;
use crate::mir::{Inst, Operand, Reg};

impl Builder<'_> {
    /// Sign-extends a value of fewer than 8 bytes. Sign-extending moves (`movs`) came with 6.6.
    pub(super) fn extended(&mut self, of: Reg, bytes: u32) -> Reg {
        if bytes >= 8 {
            return of;
        }
        let key = ValueKey::Extended { of, bytes };
        if let Some(reg) = self.available(&key) {
            return reg;
        }
        let dst = self.copy(of, true);
        self.extend(dst, bytes);
        self.add_fact(Fact::Available(key, dst));
        dst
    }

    fn extend(&mut self, dst: Reg, bytes: u32) {
        let shift = Operand::Imm((64 - 8 * bytes) as i32);
        self.push(Inst::Alu { op: alu::LSH, wide: true, dst, src: shift, reloc: None });
        self.push(Inst::Alu { op: alu::ARSH, wide: true, dst, src: shift, reloc: None });
    }

    /// Evaluates an operand, as an immediate if it fits.
    fn operand(&mut self, value: &Value, wide: bool, full: bool, unknown: Target) -> Operand {
        match &value.kind {
            ValueKind::Const(number) => match immediate(*number, wide) {
                Some(imm) => Operand::Imm(imm),
                None => Operand::Reg(self.constant(*number as u64)),
            },
            _ if full => Operand::Reg(self.value(value, unknown)),
            _ => Operand::Reg(self.low(value, unknown)),
        }
    }

    pub(super) fn unary(&mut self, op: Unary, inner: &Value, ty: Ty, unknown: Target, full: bool) -> Reg {
        let Ty::Int(int) = ty else {
            return self.value(inner, unknown);
        };
        match op {
            Unary::Complement => {
                let of = if full || int.bytes == 8 { self.value(inner, unknown) } else { self.low(inner, unknown) };
                let wide = int.bytes == 8 || int.signed;
                let dst = self.copy(of, wide);
                // The upper bits are zeros in an unsigned narrow value, and copies of the sign in a signed
                // one.
                let mask = if int.signed { -1 } else { int.max() };
                let src = match immediate(mask, wide) {
                    Some(imm) => Operand::Imm(imm),
                    None => Operand::Imm(-1),
                };
                self.push(Inst::Alu { op: alu::XOR, wide, dst, src, reloc: None });
                dst
            }
            Unary::Neg => {
                let wide = int.bytes == 8;
                let of = if wide { self.value(inner, unknown) } else { self.low(inner, unknown) };
                let dst = self.copy(of, wide);
                self.push(Inst::Alu { op: alu::NEG, wide, dst, src: Operand::Imm(0), reloc: None });
                self.extend_result(dst, int, full);
                dst
            }
        }
    }

    /// Sign-extends the result of a 32-bit operation if its upper half matters.
    fn extend_result(&mut self, dst: Reg, int: Int, full: bool) {
        if int.signed && int.bytes < 8 && full {
            self.extend(dst, int.bytes);
        }
    }

    pub(super) fn binary(
        &mut self,
        op: Binary,
        left: &Value,
        right: &Value,
        ty: Ty,
        unknown: Target,
        full: bool,
    ) -> Reg {
        let Ty::Int(int) = ty else {
            return self.value(left, unknown);
        };
        if matches!(op, Binary::Div | Binary::Rem) && int.signed {
            return self.divide_signed(op, left, right, unknown);
        }
        let bitwise = matches!(op, Binary::And | Binary::Or | Binary::Xor);
        // Bitwise operations preserve the extension; the others are done at the width of the type.
        let wide = int.bytes == 8 || bitwise && int.signed && full;
        let whole = wide || int.bytes < 4;
        let op_code = match op {
            Binary::Add => alu::ADD,
            Binary::Sub => alu::SUB,
            Binary::Mul => alu::MUL,
            Binary::Div => alu::DIV,
            Binary::Rem => alu::MOD,
            Binary::And => alu::AND,
            Binary::Or => alu::OR,
            Binary::Xor => alu::XOR,
            Binary::Shl => alu::LSH,
            Binary::Shr if int.signed => alu::ARSH,
            Binary::Shr => alu::RSH,
        };
        let reg = if whole { self.value(left, unknown) } else { self.low(left, unknown) };
        let shift = matches!(op, Binary::Shl | Binary::Shr);
        let src = match &right.kind {
            // The shift count is taken modulo the width of the operation.
            _ if shift => {
                let narrow = matches ! ( right . ty , Ty :: Int ( int ) if int . bytes <= 4 );
                self.operand(right, wide, !narrow, unknown)
            }
            _ => self.operand(right, wide, whole, unknown),
        };
        let dst = self.copy(reg, wide);
        self.push(Inst::Alu { op: op_code, wide, dst, src, reloc: None });
        if !wide || !bitwise {
            let extended_already = bitwise && whole;
            if !extended_already {
                self.extend_result(dst, int, full);
            }
        }
        dst
    }

    /// Divides signed operands with the unsigned instruction; signed division came with 6.6. With `s` the
    /// sign of the dividend, all ones or zero, `(x ^ s) - s` is its magnitude, and the same two steps apply
    /// the sign to the result.
    fn divide_signed(&mut self, op: Binary, left: &Value, right: &Value, unknown: Target) -> Reg {
        let ValueKind::Const(divisor) = right.kind else {
            return self.value(left, unknown);
        };
        let of = self.value(left, unknown);
        let sign = self.copy(of, true);
        self.push(Inst::Alu { op: alu::ARSH, wide: true, dst: sign, src: Operand::Imm(63), reloc: None });
        let dst = self.copy(of, true);
        let mut apply = |op, src| self.push(Inst::Alu { op, wide: true, dst, src, reloc: None });
        apply(alu::XOR, Operand::Reg(sign));
        apply(alu::SUB, Operand::Reg(sign));
        let magnitude = divisor.unsigned_abs();
        let by = match immediate(magnitude as i128, true) {
            Some(imm) => Operand::Imm(imm),
            None => Operand::Reg(self.constant(magnitude as u64)),
        };
        let code = if op == Binary::Div { alu::DIV } else { alu::MOD };
        self.push(Inst::Alu { op: code, wide: true, dst, src: by, reloc: None });
        if op == Binary::Div && divisor < 0 {
            self.push(Inst::Alu { op: alu::XOR, wide: true, dst: sign, src: Operand::Imm(-1), reloc: None });
        }
        self.push(Inst::Alu { op: alu::XOR, wide: true, dst, src: Operand::Reg(sign), reloc: None });
        self.push(Inst::Alu { op: alu::SUB, wide: true, dst, src: Operand::Reg(sign), reloc: None });
        if let Ty::Int(int) = left.ty {
            // Only the minimum divided by -1 overflows its type; it wraps to itself.
            if op == Binary::Div && divisor == -1 && int.bytes < 8 {
                self.extend(dst, int.bytes);
            }
        }
        dst
    }

    pub(super) fn convert(&mut self, inner: &Value, ty: Ty, unknown: Target) -> Reg {
        let (Ty::Int(to), from) = (ty, inner.ty) else {
            return self.value(inner, unknown);
        };
        let Ty::Int(from) = from else {
            return self.value(inner, unknown);
        };
        if to.holds(from) || to.bytes == 8 {
            return self.value(inner, unknown);
        }
        let of = if from.bytes == 4 { self.low(inner, unknown) } else { self.value(inner, unknown) };
        if to.signed {
            let dst = self.copy(of, true);
            self.extend(dst, to.bytes);
            return dst;
        }
        let dst = self.copy(of, false);
        if to.bytes < 4 {
            let mask = Operand::Imm(to.max() as i32);
            self.push(Inst::Alu { op: alu::AND, wide: false, dst, src: mask, reloc: None });
        }
        dst
    }
}

/// Returns a constant as an immediate, if it fits.
pub(super) fn immediate(value: i128, wide: bool) -> Option<i32> {
    if wide {
        // 64-bit operations sign-extend their immediate. A u64 above `i64::MAX` is taken as its bit pattern.
        let pattern = (value as u64).cast_signed();
        i32::try_from(pattern).ok()
    } else {
        i32::try_from(value).ok().or_else(|| u32::try_from(value).ok().map(u32::cast_signed))
    }
}
