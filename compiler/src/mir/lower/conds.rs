//! Conditions as short-circuit jumps.
//!
//! A test has three outcomes: it holds, it does not, or it is unknown because a value cannot be read. Each
//! outcome has a target: `yes`, `no` and `unknown`. A condition is lowered for one `sense`: the branch to
//! `then` is taken only if the condition is *known* to have that value, so an unknown one goes to `otherwise`
//! (Kleene logic).
//!
//! Absent: the order of tests, which the decision graph fixes.

use super::arithmetic::immediate;
use super::builder::{Builder, Fact, Target};
use super::sets::{NAMES_INLINE_MAX, NUMBERS_INLINE_MAX};
use crate::hir::{Access, Atom, AtomKind, Binary, Compare, Cond, Shape, Step, Ty, Value, ValueKind};
use crate::isa::{alu, jmp};
use crate::mir::{Inst, Operand, Reg};

impl Builder<'_> {
    /// Branches to `then` if the condition is known to be `sense`, else to `otherwise`. `decision::lower` has
    /// the same rules; this function lowers conditions that occur inside values.
    pub(super) fn cond(&mut self, cond: &Cond, sense: bool, then: Target, otherwise: Target) {
        match cond {
            Cond::Const(value) => self.jump(if *value == sense { then } else { otherwise }),
            Cond::Atom(atom) => self.atom(atom, sense, then, otherwise),
            Cond::Not(inner) => self.cond(inner, !sense, then, otherwise),
            Cond::And(left, right) | Cond::Or(left, right) => {
                let next = self.fresh_target();
                if matches!(cond, Cond::And(..)) == sense {
                    self.cond(left, sense, next, otherwise);
                } else {
                    self.cond(left, sense, then, next);
                }
                if self.is_reachable(next) {
                    self.bind(next);
                    self.cond(right, sense, then, otherwise);
                }
            }
        }
    }

    /// Evaluates a condition to 0 or 1; jumps to `unknown` if it is neither.
    pub(super) fn cond_value(&mut self, cond: &Cond, unknown: Target) -> Reg {
        let result = self.fresh();
        let (yes, rest, no, join) =
            (self.fresh_target(), self.fresh_target(), self.fresh_target(), self.fresh_target());
        self.cond(cond, true, yes, rest);
        let set = |build: &mut Self, value| {
            build.push(Inst::Mov { dst: result, src: Operand::Imm(value), wide: true, reloc: None });
            build.jump(join);
        };
        if self.is_reachable(yes) {
            self.bind(yes);
            set(self, 1);
        }
        if self.is_reachable(rest) {
            self.bind(rest);
            // Any read of an ancestor can fail, even without a null pointer on the access path.
            if self.ancestor.is_some() || cond.may_be_unknown() {
                self.cond(cond, false, no, unknown);
                if self.is_reachable(no) {
                    self.bind(no);
                    set(self, 0);
                }
            } else {
                set(self, 0);
            }
        }
        self.bind(join);
        result
    }

    /// Branches to `then` if the test is known to be `sense`, else to `otherwise`.
    pub(super) fn atom(&mut self, atom: &Atom, sense: bool, then: Target, otherwise: Target) {
        // A failed read of an ancestor makes only this test unknown. Tests nest, so the target is restored.
        let outer = self.ancestor;
        if let Some(ancestor) = &mut self.ancestor {
            ancestor.unknown = otherwise;
        }
        self.test(atom, sense, then, otherwise);
        self.ancestor = outer;
    }

    fn test(&mut self, atom: &Atom, sense: bool, then: Target, otherwise: Target) {
        let (yes, no, unknown) = if sense { (then, otherwise, otherwise) } else { (otherwise, then, otherwise) };
        match &atom.kind {
            AtomKind::Compare { op, left, right } => self.compare(*op, left, right, yes, no, unknown),
            AtomKind::AnyBit(value) => self.any_bit(value, yes, no, unknown),
            AtomKind::AllBits { value, mask } => self.all_bits(value, *mask, yes, no, unknown),
            AtomKind::True(value) => {
                let reg = self.value(value, unknown);
                self.branch(jmp::JNE, true, reg, Operand::Imm(0), yes, no);
            }
            AtomKind::Null(value) => {
                let reg = self.value(value, unknown);
                if self.not_null(reg) {
                    return self.jump(no);
                }
                self.null_test(value, reg, yes);
                self.add_fact(Fact::NotNull(reg));
                self.jump(no);
            }
            AtomKind::AnyAncestor { of, cond, more } => self.any_ancestor(of, cond, *more, sense, then, otherwise),
            AtomKind::InSet { values, set } => self.in_set(values, *set, yes, no, unknown),
            AtomKind::Same(left, right) if left.ty == Ty::Ip => self.ip_equals(left, right, yes, no, unknown),
            AtomKind::Same(left, right) if matches!(left.ty, Ty::Text { .. }) => {
                self.texts_equal(left, right, yes, no, unknown);
            }
            AtomKind::Same(left, right) => {
                let left = self.value(left, unknown);
                let right = self.value(right, unknown);
                self.branch(jmp::JEQ, true, left, Operand::Reg(right), yes, no);
            }
            AtomKind::OneOf { value, set } => self.one_of(value, set, yes, no, unknown),
            AtomKind::OneOfStrings { value, set } => self.one_of_strings(value, set, yes, no, unknown),
            AtomKind::Text { value, test } => self.text_test(value, test, yes, no, unknown),
            AtomKind::Label { object, label } => self.labelled(object, *label, yes, no, unknown),
            AtomKind::Known(value) => {
                match value.ty {
                    Ty::Ip => drop(self.ip(value, no)),
                    Ty::Ptr(_) => drop(self.pointer(value, no)),
                    Ty::Str { .. } => {
                        if let ValueKind::Load { base, .. } = &value.kind {
                            self.pointer(base, no);
                        }
                    }
                    _ => drop(self.value(value, no)),
                }
                self.jump(yes);
            }
            AtomKind::Unreadable(value) => self.unreadable_text(value, yes, no),
            AtomKind::KernelThread => self.kernel_thread(yes, no),
        }
    }

    /// Branches to `yes` in a kernel thread that is not a worker of io_uring. Those are kernel threads only before
    /// 5.12.
    fn kernel_thread(&mut self, yes: Target, no: Target) {
        const PF_IO_WORKER: i32 = 0x10;
        const PF_KTHREAD: i32 = 0x20_0000;
        let task = self.current();
        let flags = crate::rt::field("task_struct", &[("flags", Shape::Int { bytes: 4, signed: false })]);
        let flags = self.load(task, &flags, 4);
        let bits = self.copy(flags, true);
        let mask = Operand::Imm(PF_KTHREAD | PF_IO_WORKER);
        self.push(Inst::Alu { op: alu::AND, wide: true, dst: bits, src: mask, reloc: None });
        self.branch(jmp::JEQ, true, bits, Operand::Imm(PF_KTHREAD), yes, no);
    }

    fn compare(&mut self, op: Compare, left: &Value, right: &Value, yes: Target, no: Target, unknown: Target) {
        let (Ty::Int(l), Ty::Int(r)) = (left.ty, right.ty) else {
            return self.jump(no);
        };
        let constant = matches!(right.kind, ValueKind::Const(_));
        if let Some((masked, mask, set)) = one_bit(op, left, right) {
            let (yes, no) = if set { (yes, no) } else { (no, yes) };
            return self.test_bits(masked, l.bytes, mask, yes, no, unknown);
        }
        // Two 32-bit values of the same signedness are compared in their low halves.
        if l.bytes == 4 && r.bytes == 4 && (l.signed == r.signed) {
            let a = self.low(left, unknown);
            let b = self.right_operand(right, false, unknown);
            return self.branch(jump(op, l.signed), false, a, b, yes, no);
        }
        let unsigned_64 = |ty: crate::hir::Int| ty.bytes == 8 && !ty.signed;
        let signed = match (unsigned_64(l), unsigned_64(r)) {
            (true, true) => false,
            // Every other pair fits into a signed 64-bit comparison.
            (false, false) => l.signed || r.signed,
            _ if constant => false,
            (left_unsigned, _) => {
                return self.compare_mixed(op, left, right, left_unsigned, yes, no, unknown);
            }
        };
        let a = self.value(left, unknown);
        let b = self.right_operand(right, true, unknown);
        self.branch(jump(op, signed), true, a, b, yes, no);
    }

    /// Compares a u64 with a signed value: a negative one is less than any u64, any other is compared
    /// unsigned.
    #[expect(clippy::too_many_arguments, reason = "three targets and two operands")]
    fn compare_mixed(
        &mut self,
        op: Compare,
        left: &Value,
        right: &Value,
        left_unsigned: bool,
        yes: Target,
        no: Target,
        unknown: Target,
    ) {
        let a = self.value(left, unknown);
        let b = self.value(right, unknown);
        let signed = if left_unsigned { b } else { a };
        // The negative operand is the lesser one.
        let holds = match op {
            Compare::Eq => false,
            Compare::Ne => true,
            Compare::Lt | Compare::Le => !left_unsigned,
            Compare::Gt | Compare::Ge => left_unsigned,
        };
        self.branch_away(jmp::JSLT, true, signed, Operand::Imm(0), if holds { yes } else { no });
        self.branch(jump(op, false), true, a, Operand::Reg(b), yes, no);
    }

    fn right_operand(&mut self, value: &Value, wide: bool, unknown: Target) -> Operand {
        if let ValueKind::Const(number) = value.kind
            && let Some(imm) = immediate(number, wide)
        {
            return Operand::Imm(imm);
        }
        Operand::Reg(if wide { self.value(value, unknown) } else { self.low(value, unknown) })
    }

    fn any_bit(&mut self, value: &Value, yes: Target, no: Target, unknown: Target) {
        let Ty::Int(int) = value.ty else {
            return self.jump(no);
        };
        if let ValueKind::Binary(Binary::And, left, right) = &value.kind
            && let ValueKind::Const(mask) = right.kind
        {
            return self.test_bits(left, int.bytes, mask, yes, no, unknown);
        }
        if int.bytes == 4 {
            let reg = self.low(value, unknown);
            return self.branch(jmp::JNE, false, reg, Operand::Imm(0), yes, no);
        }
        let reg = self.value(value, unknown);
        self.branch(jmp::JNE, true, reg, Operand::Imm(0), yes, no);
    }

    /// Tests for at least one bit of a constant mask.
    fn test_bits(&mut self, value: &Value, bytes: u32, mask: i128, yes: Target, no: Target, unknown: Target) {
        let pattern = (mask as u64) & (u64::MAX >> (64 - 8 * bytes));
        let reg = if bytes == 4 { self.low(value, unknown) } else { self.value(value, unknown) };
        if let Ok(low) = u32::try_from(pattern) {
            // A 32-bit `jset` takes any mask of the low half, and its immediate is not sign-extended.
            return self.branch(jmp::JSET, false, reg, Operand::Imm(low.cast_signed()), yes, no);
        }
        let mask = match i32::try_from(pattern.cast_signed()) {
            Ok(imm) => Operand::Imm(imm),
            Err(_) => Operand::Reg(self.constant(pattern)),
        };
        self.branch(jmp::JSET, true, reg, mask, yes, no);
    }

    fn all_bits(&mut self, value: &Value, mask: u64, yes: Target, no: Target, unknown: Target) {
        let Ty::Int(int) = value.ty else {
            return self.jump(no);
        };
        if mask.is_power_of_two() {
            return self.test_bits(value, int.bytes, i128::from(mask), yes, no, unknown);
        }
        let wide = mask > u64::from(u32::MAX);
        let reg = if int.bytes == 4 { self.low(value, unknown) } else { self.value(value, unknown) };
        let bits = self.copy(reg, wide);
        let src = match immediate(i128::from(mask), wide) {
            Some(imm) => Operand::Imm(imm),
            None => Operand::Reg(self.constant(mask)),
        };
        self.push(Inst::Alu { op: alu::AND, wide, dst: bits, src, reloc: None });
        self.branch(jmp::JEQ, wide, bits, src, yes, no);
    }

    fn one_of(&mut self, value: &Value, set: &[Value], yes: Target, no: Target, unknown: Target) {
        let Ty::Int(int) = value.ty else {
            return self.jump(no);
        };
        if set.len() > NUMBERS_INLINE_MAX {
            let numbers: Option<Vec<u64>> = set
                .iter()
                .map(|element| match element.kind {
                    ValueKind::Const(number) => Some(number as u64),
                    _ => None,
                })
                .collect();
            if let Some(numbers) = numbers {
                let reg = self.value(value, unknown);
                return self.one_of_many(reg, numbers, yes, no);
            }
        }
        let wide = int.bytes != 4;
        let reg = if wide { self.value(value, unknown) } else { self.low(value, unknown) };
        for (at, element) in set.iter().enumerate() {
            let element = self.right_operand(element, wide, unknown);
            if at + 1 == set.len() {
                self.branch(jmp::JEQ, wide, reg, element, yes, no);
            } else {
                self.branch_away(jmp::JEQ, wide, reg, element, yes);
            }
        }
    }

    /// Compares a register with at most 8 bytes. Branches to `no` if they differ, and to `yes` if they are
    /// equal or, without `yes`, falls through.
    pub(super) fn compare_bytes(&mut self, reg: Reg, bytes: &[u8], yes: Option<Target>, no: Target) {
        let mut word = [0u8; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        let (word, wide) = (u64::from_le_bytes(word), bytes.len() == 8);
        let right = match immediate(i128::from(word), wide) {
            Some(imm) => Operand::Imm(imm),
            None => Operand::Reg(self.constant(word)),
        };
        match yes {
            Some(yes) => self.branch(jmp::JEQ, wide, reg, right, yes, no),
            None => self.branch_away(jmp::JNE, wide, reg, right, no),
        }
    }

    fn one_of_strings(&mut self, value: &Value, set: &[Vec<u8>], yes: Target, no: Target, unknown: Target) {
        let Ty::Str { bytes: room } = value.ty else {
            return self.jump(no);
        };
        if set.len() > NAMES_INLINE_MAX && matches!(value.kind, ValueKind::Task(_)) && room == 16 {
            return self.one_of_names(set, yes, no);
        }
        let source = match &value.kind {
            ValueKind::Load { base, access } => {
                let base = self.pointer(base, unknown);
                Some((base, access))
            }
            _ => None,
        };
        for (at, text) in set.iter().enumerate() {
            let last = at + 1 == set.len();
            let next = if last { no } else { self.fresh_target() };
            // The terminating NUL is compared as well, unless the text fills the array.
            let mut wanted = text.clone();
            if wanted.len() < room as usize {
                wanted.push(0);
            }
            if source.is_none() {
                // The frame buffer of `comm` is zero after the NUL, so whole words are compared.
                wanted.resize(wanted.len().next_multiple_of(8), 0);
                if text.len() == 8 {
                    wanted.resize(16, 0);
                }
            }
            // The verifier requires loads from the frame to be aligned to their size.
            let pieces = if source.is_some() { covering(wanted.len() as u32) } else { pieces(wanted.len() as u32) };
            for (index, &(offset, bytes)) in pieces.iter().enumerate() {
                let reg = match source {
                    Some((base, access)) => self.load(base, &element(access, offset), bytes),
                    None => self.comm_bytes(offset, bytes),
                };
                let word = &wanted[offset as usize..(offset + bytes) as usize];
                self.compare_bytes(reg, word, (index + 1 == pieces.len()).then_some(yes), next);
            }
            if !last {
                self.bind(next);
            }
        }
    }
}

/// Returns the offsets and sizes of the loads that cover `bytes`, largest first and without overlap.
pub(super) fn pieces(bytes: u32) -> Vec<(u32, u32)> {
    let (mut at, mut pieces) = (0, Vec::new());
    for size in [8, 4, 2, 1] {
        while bytes - at >= size {
            pieces.push((at, size));
            at += size;
        }
    }
    pieces
}

/// Returns the loads that cover `bytes` in the fewest instructions. The last one may overlap the one before:
/// 11 bytes are two loads of 8 bytes, at 0 and at 3.
pub(super) fn covering(bytes: u32) -> Vec<(u32, u32)> {
    let last = match bytes % 8 {
        3 if bytes > 8 => 4,
        5..=7 if bytes > 8 => 8,
        7 => 4,
        _ => return pieces(bytes),
    };
    let mut covering = pieces(bytes - bytes % last);
    covering.push((bytes - last, last));
    covering
}

/// Recognises a comparison that tests whether a masked value is zero, or whether a single bit is set: the
/// value, the mask, and whether the bit must be set.
fn one_bit<'v>(op: Compare, left: &'v Value, right: &Value) -> Option<(&'v Value, i128, bool)> {
    let (ValueKind::Binary(Binary::And, masked, mask), ValueKind::Const(wanted)) = (&left.kind, &right.kind) else {
        return None;
    };
    let ValueKind::Const(mask) = mask.kind else { return None };
    match op {
        Compare::Eq | Compare::Ne if *wanted == 0 => Some((masked, mask, op == Compare::Ne)),
        Compare::Eq | Compare::Ne if *wanted == mask && mask.count_ones() == 1 => {
            Some((masked, mask, op == Compare::Eq))
        }
        _ => None,
    }
}

/// Returns the access to an element of an array field.
pub(super) fn element(array: &Access, index: u32) -> Access {
    let mut access = array.clone();
    access.steps.push(Step::Index(index));
    access
}

fn jump(op: Compare, signed: bool) -> u8 {
    match (op, signed) {
        (Compare::Eq, _) => jmp::JEQ,
        (Compare::Ne, _) => jmp::JNE,
        (Compare::Lt, false) => jmp::JLT,
        (Compare::Le, false) => jmp::JLE,
        (Compare::Gt, false) => jmp::JGT,
        (Compare::Ge, false) => jmp::JGE,
        (Compare::Lt, true) => jmp::JSLT,
        (Compare::Le, true) => jmp::JSLE,
        (Compare::Gt, true) => jmp::JSGT,
        (Compare::Ge, true) => jmp::JSGE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_loads_cover_all_bytes() {
        for bytes in 0..100 {
            let loads = covering(bytes);
            assert!(loads.len() <= pieces(bytes).len());
            assert!((0..bytes).all(|byte| loads.iter().any(|(at, size)| (*at..at + size).contains(&byte))));
            assert!(loads.iter().all(|(at, size)| at + size <= bytes));
        }
        assert_eq!(covering(3), [(0, 2), (2, 1)]);
        assert_eq!(covering(5), [(0, 4), (4, 1)]);
        assert_eq!(covering(7), [(0, 4), (3, 4)]);
        assert_eq!(covering(11), [(0, 8), (7, 4)]);
        assert_eq!(covering(22), [(0, 8), (8, 8), (14, 8)]);
    }
}
