//! Known-bits simplification: operations that change no bit are removed, branches with a known result become
//! jumps, and registers with a known value become immediate operands.
//!
//! ```text
//! v12 = load 1 [v11]                       v12 = load 1 [v11]
//! v12 <<= 56
//! v12 >>= 56
//! v13 = 0x107                              v13 = 0x107
//! v13 &= 0xff                              v13 = 7
//! if v12 == v13 then b1 else b2            if v12 == 7 then b1 else b2
//! ```
//!
//! The known bits of a register that several blocks write are those that all of them agree on; later blocks
//! do not count, since edges only lead forward.
//!
//! Absent: narrowing of 64-bit operations, except where it allows an immediate operand. A 32-bit operation is
//! no shorter, and verifiers derive more from 64-bit ones.

use std::collections::{BTreeMap, BTreeSet};

use crate::isa::{alu, jmp};
use crate::mir::analysis::known_bits::Bits;
use crate::mir::{Body, Inst, Operand, Reg, Terminator};

/// The known bits of registers.
struct Known {
    /// Known bits in the current block.
    here: BTreeMap<Reg, Bits>,
    /// For each register, the known bits at the ends of the earlier blocks that define it.
    left: Vec<Option<Bits>>,
    /// Registers that are only shifted and then compared with constants.
    compared: BTreeSet<Reg>,
    /// Those of them whose shift has 32 bits now, with the known bits of the 64-bit result.
    halved: BTreeMap<Reg, Bits>,
}

impl Known {
    fn of(&self, reg: Reg) -> Bits {
        let before = || self.left[reg.0 as usize].unwrap_or(Bits::UNKNOWN);
        self.here.get(&reg).copied().unwrap_or_else(before)
    }

    fn src(&self, src: Operand) -> Bits {
        match src {
            Operand::Reg(reg) => self.of(reg),
            Operand::Imm(imm) => Bits::constant(i64::from(imm).cast_unsigned()),
        }
    }

    fn end_block(&mut self) {
        for (reg, bits) in std::mem::take(&mut self.here) {
            // Machine registers hold arguments and results of calls; their bits are unknown in other blocks.
            if !reg.is_machine() {
                let left = &mut self.left[reg.0 as usize];
                *left = Some(left.map_or(bits, |known| known.or_else(bits)));
            }
        }
    }

    /// The known bits of the result of an instruction.
    fn result(&self, inst: &Inst) -> Bits {
        match inst {
            Inst::Mov { dst, src, wide, reloc: None } => Bits::computed(alu::MOV, *wide, self.of(*dst), self.src(*src)),
            Inst::Alu { op, wide, dst, src, reloc: None } => Bits::computed(*op, *wide, self.of(*dst), self.src(*src)),
            Inst::Wide { value, .. } => Bits::constant(*value),
            Inst::Swap { dst, bits } => self.of(*dst).swapped(bits.cast_unsigned()),
            Inst::Load { bytes, .. } | Inst::Copy { bytes, uneven: false, .. } => Bits::low(8 * bytes),
            _ => Bits::UNKNOWN,
        }
    }
}

/// Runs the pass on a body.
pub fn run(code: &mut Body) {
    let mut known = Known {
        here: BTreeMap::new(),
        left: vec![None; code.next as usize],
        compared: compared(code),
        halved: BTreeMap::new(),
    };
    let mut reached = vec![false; code.blocks.len()];
    reached[0] = true;
    for at in 0..code.blocks.len() {
        if !reached[at] {
            continue;
        }
        let block = &mut code.blocks[at];
        let mut insts = std::mem::take(&mut block.insts).into_iter().peekable();
        while let Some((inst, span)) = insts.next() {
            let paired = insts.peek().and_then(|(next, _)| both_shifts(&inst, next, &known));
            let inst = match paired {
                Some(one) => {
                    insts.next();
                    one
                }
                None => simplified(inst, &known),
            };
            let Some(inst) = inst else { continue };
            let inst = halved(inst, &mut known);
            if let Some(dst) = inst.def() {
                let bits = known.result(&inst);
                known.here.insert(dst, bits);
                if let Inst::Call { .. } | Inst::Invoke { .. } = inst {
                    (0..=5).for_each(|reg| _ = known.here.insert(Reg(reg), Bits::UNKNOWN));
                }
            }
            block.insts.push((inst, span));
        }
        block.terminator = terminator(block.terminator.clone(), &known);
        known.end_block();
        code.blocks[at].terminator.targets().for_each(|to| reached[to.0 as usize] = true);
    }
}

/// A simpler instruction with the same result; `None` if the instruction changes nothing.
fn simplified(inst: Inst, known: &Known) -> Option<Inst> {
    match inst {
        Inst::Alu { op, wide, dst, src, reloc: None } => {
            let (of, by) = (known.of(dst), known.src(src));
            let result = Bits::computed(op, wide, of, by);
            if let Some(imm) = result.number().and_then(|number| immediate(number, true))
                && !dst.is_machine()
            {
                return Some(Inst::Mov { dst, src: Operand::Imm(imm), wide: true, reloc: None });
            }
            let same = match (op, by.number()) {
                (alu::AND, _) => of.kept_by(by),
                (alu::OR, _) => by.kept_by(of.only_ones()),
                (alu::ADD | alu::SUB | alu::XOR | alu::LSH | alu::RSH | alu::ARSH, Some(0)) => true,
                _ => false,
            };
            if same && (wide || of == of.half()) {
                return None;
            }
            Some(with_immediate(op, wide, dst, src, by))
        }
        Inst::Mov { dst, src: Operand::Reg(src), wide: false, reloc: None } => {
            let wide = known.of(src) == known.of(src).half();
            Some(Inst::Mov { dst, src: Operand::Reg(src), wide, reloc: None })
        }
        other => Some(other),
    }
}

/// The operation with an immediate operand if the operand is known. A mask of the low half becomes a 32-bit
/// move, a division by a power of two a shift, and its remainder a mask.
fn with_immediate(op: u8, wide: bool, dst: Reg, src: Operand, by: Bits) -> Inst {
    let whole = Inst::Alu { op, wide, dst, src, reloc: None };
    let Some(number) = by.number().map(|number| if wide { number } else { number & u64::from(u32::MAX) }) else {
        return whole;
    };
    let with = |op, wide, imm| Inst::Alu { op, wide, dst, src: Operand::Imm(imm), reloc: None };
    match (op, immediate(number, wide)) {
        (alu::DIV, _) if number.is_power_of_two() => with(alu::RSH, wide, number.trailing_zeros().cast_signed()),
        (alu::MOD, _) if number.is_power_of_two() && immediate(number - 1, wide).is_some() => {
            with(alu::AND, wide, (number as u32).wrapping_sub(1).cast_signed())
        }
        (alu::DIV | alu::MOD, _) if number == 0 => whole,
        // Verifiers reject larger shift counts.
        (alu::LSH | alu::RSH | alu::ARSH, _) => with(op, wide, number as i32 & if wide { 63 } else { 31 }),
        (alu::AND, None) if number == u64::from(u32::MAX) => {
            Inst::Mov { dst, src: Operand::Reg(dst), wide: false, reloc: None }
        }
        (alu::AND, None) if let Ok(low) = u32::try_from(number) => with(op, false, low.cast_signed()),
        (_, Some(imm)) if op != alu::NEG => with(op, wide, imm),
        _ => whole,
    }
}

/// The replacement of a left shift and the right shift back by the same count: nothing, or a mask.
fn both_shifts(first: &Inst, second: &Inst, known: &Known) -> Option<Option<Inst>> {
    let shift = |inst: &Inst| match inst {
        Inst::Alu { op, wide: true, dst, src: Operand::Imm(by @ 1..64), reloc: None } => Some((*op, *dst, *by)),
        _ => None,
    };
    let ((alu::LSH, dst, by), (back @ (alu::RSH | alu::ARSH), again, same)) = (shift(first)?, shift(second)?) else {
        return None;
    };
    if dst != again || by != same {
        return None;
    }
    let bits = 64 - by.cast_unsigned();
    let of = known.of(dst);
    let kept = if back == alu::RSH { bits } else { bits - 1 };
    if of.kept_by(Bits::constant(u64::MAX >> (64 - kept))) {
        return Some(None);
    }
    match (back, bits) {
        (alu::RSH, 32) => Some(Some(Inst::Mov { dst, src: Operand::Reg(dst), wide: false, reloc: None })),
        (alu::RSH, ..32) => {
            let mask = Operand::Imm((u32::MAX >> (32 - bits)).cast_signed());
            Some(Some(Inst::Alu { op: alu::AND, wide: true, dst, src: mask, reloc: None }))
        }
        _ => None,
    }
}

/// Registers with two definitions in one block, the second a right shift, that are then only compared with
/// constants.
fn compared(code: &Body) -> BTreeSet<Reg> {
    let mut shifted: BTreeMap<Reg, usize> = BTreeMap::new();
    let mut writes: BTreeMap<Reg, Vec<usize>> = BTreeMap::new();
    for (at, block) in code.blocks.iter().enumerate() {
        for (inst, _) in &block.insts {
            let Some(dst) = inst.def().filter(|dst| !dst.is_machine()) else { continue };
            writes.entry(dst).or_default().push(at);
            match inst {
                Inst::Alu { op: alu::RSH, wide: true, src: Operand::Imm(1..32), reloc: None, .. } => {
                    shifted.insert(dst, at);
                }
                _ => _ = shifted.remove(&dst),
            }
        }
    }
    let mut compared: BTreeSet<Reg> =
        shifted.into_iter().filter(|(reg, at)| writes[reg] == [*at, *at]).map(|(reg, _)| reg).collect();
    for block in &code.blocks {
        for (inst, _) in &block.insts {
            if !matches!(inst, Inst::Alu { op: alu::RSH, .. }) {
                inst.uses(|reg| _ = compared.remove(&reg));
            }
        }
        match block.terminator {
            Terminator::Branch { op: jmp::JEQ | jmp::JNE, wide: true, right: Operand::Imm(_), .. } => {}
            ref other => other.uses(|reg| _ = compared.remove(&reg)),
        }
    }
    compared
}

/// Replaces a 64-bit shift by a 32-bit one if the upper half is known and not zero; comparisons then drop the
/// upper half of their constants.
fn halved(inst: Inst, known: &mut Known) -> Inst {
    match inst {
        Inst::Alu { op: alu::RSH, wide: true, dst, src: src @ Operand::Imm(1..32), reloc: None }
            if known.compared.contains(&dst) && known.of(dst).upper().is_some_and(|upper| upper > 0) =>
        {
            let bits = known.result(&inst);
            known.halved.insert(dst, bits);
            Inst::Alu { op: alu::RSH, wide: false, dst, src, reloc: None }
        }
        other => other,
    }
}

/// A simpler terminator with the same effect.
fn terminator(end: Terminator, known: &Known) -> Terminator {
    let Terminator::Branch { op, wide, left, right, then, otherwise } = end else { return end };
    let by = known.src(right);
    let of = known.halved.get(&left).copied().unwrap_or_else(|| known.of(left));
    if let Some(holds) = Bits::holds(op, wide, of, by) {
        return Terminator::Jump(if holds { then } else { otherwise });
    }
    let branch = |wide, right| Terminator::Branch { op, wide, left, right, then, otherwise };
    if let (true, Some(number)) = (known.halved.contains_key(&left), by.number()) {
        return branch(false, Operand::Imm((number & known.of(left).ones()) as i32));
    }
    let signed = matches!(op, jmp::JSGT | jmp::JSGE | jmp::JSLT | jmp::JSLE);
    match by.number() {
        Some(number) if let Some(imm) = immediate(number, wide) => branch(wide, Operand::Imm(imm)),
        // An immediate needs no register. If the upper half is known and the result is not, the upper halves
        // are equal or
        // have no tested bit in common.
        Some(number) if of.upper().is_some() && !signed => branch(false, Operand::Imm((number as u32).cast_signed())),
        _ => branch(wide, right),
    }
}

/// The number as an immediate, which 64-bit operations sign-extend.
fn immediate(number: u64, wide: bool) -> Option<i32> {
    if wide { i32::try_from(number.cast_signed()).ok() } else { Some((number as u32).cast_signed()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bodies::{becomes, stays};

    /// Asserts the result for instructions between loads of 1, 4 and 8 bytes and stores of the whole
    /// registers.
    #[track_caller]
    fn rewritten(before: &str, after: &str) {
        let text = |insts: &str| {
            format!(
                "b0: v11 = r1
                     v12 = load 1 [v11]
                     v13 = load 4 [v11]
                     v14 = load 8 [v11]
                     {}
                     store 8 [v11] = v12
                     store 8 [v11 + 8] = v13
                     store 8 [v11 + 16] = v14
                     store 8 [v11 + 24] = v15
                     r0 = 0
                     exit",
                insts.replace(" / ", "\n")
            )
        };
        becomes(&text(before), run, &text(after));
    }

    #[test]
    fn identities_are_removed() {
        for identity in [
            "v14 += 0",
            "v14 -= 0",
            "v14 ^= 0",
            "v14 |= 0",
            "v14 <<= 0",
            "v14 >>= 0",
            "v14 s>>= 0",
            "v14 &= -1",
            "v12 &= 255",
            "v12 &= 511",
            "v13 &= -1",
            // The upper half is zero already.
            "w12 += 0",
            "w13 &= -1",
            "w13 |= 0",
        ] {
            rewritten(identity, "");
        }
        // The bit is set already.
        rewritten("v14 |= 4 / v14 |= 4", "v14 |= 4");
    }

    /// A 32-bit operation that keeps the low half still clears the upper one.
    #[test]
    fn operations_that_change_a_bit_stay() {
        for operation in [
            "w14 += 0",
            "w14 &= -1",
            "w14 |= 0",
            "w14 >>= 0",
            "v12 &= 127",
            "v14 &= 255",
            "v14 |= 4",
            "v12 |= 1",
            "v14 += 1",
            "v14 *= 3",
            "v14 &= size(inode.i_mode)",
            "v14 += size(inode.i_mode)",
            "v14 &= v13",
            "v14 = -v14",
        ] {
            rewritten(operation, operation);
        }
    }

    #[test]
    fn operands_that_are_known_are_immediates() {
        for (before, after) in [
            ("v15 = 5 / v14 += v15", "v15 = 5 / v14 += 5"),
            ("v15 = -1 / v14 += v15", "v15 = -1 / v14 += -1"),
            ("w15 = -1 / w14 += w15", "w15 = -1 / w14 += -1"),
            // The 64-bit value is 0xffffffff, which fits into no immediate. A mask by it is a 32-bit move.
            ("w15 = -1 / v14 += v15", "w15 = -1 / v14 += v15"),
            ("w15 = -1 / v14 &= v15", "w15 = -1 / w14 = w14"),
            ("w15 = -2 / v14 &= v15", "w15 = -2 / w14 &= -2"),
            ("v15 = 0x1ffffffff ll / v14 &= v15", "v15 = 0x1ffffffff ll / v14 &= v15"),
            ("v15 = 0xfffffffe ll / v14 |= v15", "v15 = 0xfffffffe ll / v14 |= v15"),
            // The machine takes a shift count modulo the width; verifiers reject a larger immediate.
            ("v15 = 65 / v14 <<= v15", "v15 = 65 / v14 <<= 1"),
            ("v15 = 33 / w14 >>= w15", "v15 = 33 / w14 >>= 1"),
            ("v15 = 33 / v14 s>>= v15", "v15 = 33 / v14 s>>= 33"),
        ] {
            rewritten(before, after);
        }
    }

    #[test]
    fn division_by_a_power_of_two_is_a_shift_or_a_mask() {
        for (before, after) in [
            ("v14 /= 8", "v14 >>= 3"),
            ("w14 /= 8", "w14 >>= 3"),
            ("v14 %= 8", "v14 &= 7"),
            ("w14 %= 8", "w14 &= 7"),
            ("v14 /= 1", "v14 >>= 0"),
            ("v14 /= 6", "v14 /= 6"),
            ("v14 %= 6", "v14 %= 6"),
            // A division by zero yields 0 or the dividend; verifiers reject an immediate zero.
            ("v15 = 0 / v14 /= v15", "v15 = 0 / v14 /= v15"),
            ("v15 = 0 / v14 %= v15", "v15 = 0 / v14 %= v15"),
            ("v15 = 0x80000000 ll / v14 %= v15", "v15 = 0x80000000 ll / v14 &= 2147483647"),
            ("v15 = 0x100000000 ll / v14 /= v15", "v15 = 0x100000000 ll / v14 >>= 32"),
            // The mask does not fit into an immediate.
            ("v15 = 0x100000000 ll / v14 %= v15", "v15 = 0x100000000 ll / v14 %= v15"),
        ] {
            rewritten(before, after);
        }
    }

    #[test]
    fn pairs_of_shifts_are_masks_or_nothing() {
        for (before, after) in [
            ("v14 <<= 32 / v14 >>= 32", "w14 = w14"),
            ("v14 <<= 40 / v14 >>= 40", "v14 &= 16777215"),
            ("v12 <<= 56 / v12 >>= 56", ""),
            ("v12 <<= 55 / v12 s>>= 55", ""),
            ("v12 <<= 48 / v12 s>>= 48", ""),
            // Bit 7 of a byte is its sign.
            ("v12 <<= 56 / v12 s>>= 56", "v12 <<= 56 / v12 s>>= 56"),
            ("v14 <<= 32 / v14 s>>= 32", "v14 <<= 32 / v14 s>>= 32"),
            // A mask of 33 bits does not fit into an immediate.
            ("v14 <<= 31 / v14 >>= 31", "v14 <<= 31 / v14 >>= 31"),
            ("v14 <<= 40 / v14 >>= 41", "v14 <<= 40 / v14 >>= 41"),
            ("v14 >>= 40 / v14 <<= 40", "v14 >>= 40 / v14 <<= 40"),
            ("v14 <<= 40 / v13 >>= 8", "v14 <<= 40 / v13 >>= 8"),
            ("w14 <<= 24 / w14 >>= 24", "w14 <<= 24 / w14 >>= 24"),
        ] {
            rewritten(before, after);
        }
    }

    /// Loads and a swap clear the upper bits, and so do field reads whose width is the same on every kernel.
    #[test]
    fn loads_and_copies_leave_zeros_above() {
        for (load, mask, after) in [
            ("v15 = load 1 [v11]", "v15 &= 255", ""),
            ("v15 = load 1 [v11]", "v15 &= 127", "v15 &= 127"),
            ("v15 = load 2 [v11]", "v15 &= 65535", ""),
            ("v15 = load 2 [v11]", "v15 &= 32767", "v15 &= 32767"),
            ("v15 = copy 1 [v11 + inode.i_mode] scratch -8", "v15 &= 255", ""),
            ("v15 = copy 1 [v11 + inode.i_mode] uneven scratch -8", "v15 &= 255", "v15 &= 255"),
            ("v15 = load 8 [v11] / v15 = be16 v15", "v15 &= 65535", ""),
            ("v15 = load 1 [v11] / v15 = be16 v15", "v15 &= 65280", ""),
            ("v15 = load 1 [v11] / v15 = be16 v15", "v15 &= 255", "v15 = 0"),
            ("v15 = size(inode.i_mode)", "v15 &= 255", "v15 &= 255"),
        ] {
            rewritten(&format!("{load} / {mask}"), &format!("{load} / {after}"));
        }
    }

    /// Asserts the result for a branch after the loads of `rewritten`.
    #[track_caller]
    fn branches(insts: &str, before: &str, after: &str) {
        let text = |end: &str| {
            format!(
                "b0: v11 = r1
                     v12 = load 1 [v11]
                     v13 = load 4 [v11]
                     v14 = load 8 [v11]
                     {}
                     {end}
                 b1: r0 = 1
                     exit
                 b2: r0 = 0
                     exit",
                insts.replace(" / ", "\n")
            )
        };
        becomes(&text(before), run, &text(after));
    }

    #[test]
    fn constants_become_immediates_of_branches() {
        for (insts, before, after) in [
            ("v15 = 5", "v14 < v15", "v14 < 5"),
            ("v15 = -5", "v14 s< v15", "v14 s< -5"),
            ("w15 = -5", "w14 s< w15", "w14 s< -5"),
            // 0xfffffffb; the upper halves are both zero.
            ("w15 = -5", "v13 == v15", "w13 == -5"),
            ("w15 = -5", "v13 < v15", "w13 < -5"),
            // A signed 32-bit comparison has another order.
            ("w15 = -5", "v13 s< v15", "v13 s< v15"),
            ("w15 = -5", "v13 s<= v15", "v13 s<= v15"),
            ("w15 = -5", "v13 s> v15", "v13 s> v15"),
            ("w15 = -5", "v13 s>= v15", "v13 s>= v15"),
            // The upper half of the register is zero and has no tested bit.
            ("v15 = 0x100000001 ll", "v13 & v15", "w13 & 1"),
            // An unknown upper half must be tested.
            ("v15 = 0x100000001 ll", "v14 & v15", "v14 & v15"),
            ("w15 = -5", "v14 == v15", "v14 == v15"),
            ("v15 = load 8 [v11]", "v14 == v15", "v14 == v15"),
        ] {
            let [before, after] = [before, after].map(|test| format!("if {test} then b1 else b2"));
            branches(insts, &before, &after);
        }
    }

    /// A 32-bit shift in place of a 64-bit one must not affect any other use.
    #[test]
    fn a_shift_is_halved_only_where_all_reads_are_comparisons() {
        let text = |shift: &str, last: &str| {
            format!(
                "b0: v11 = r1
                     v12 = load 4 [v11]
                     v13 = 0xffff00000000 ll
                     v12 |= v13
                     v14 = v12
                     {shift}
                     {last}"
            )
        };
        let ends = "\nb1: r0 = 0\nexit\nb2: r0 = 1\nexit";
        let equal = format!("if v14 == 16776970 then b1 else b2{ends}");
        becomes(&text("v14 >>= 24", &equal), run, &text("w14 >>= 24", &format!("if w14 == 10 then b1 else b2{ends}")));
        for (shift, last) in [
            // Another read.
            ("v14 >>= 24", format!("store 8 [v11] = v14\n{equal}")),
            ("v14 >>= 24", format!("v15 = v14\n{equal}")),
            // Another comparison, width or operand.
            ("v14 >>= 24", format!("if v14 < 16776970 then b1 else b2{ends}")),
            ("v14 >>= 24", format!("if v14 == v11 then b1 else b2{ends}")),
            ("v14 >>= 24", format!("if w14 == 16776970 then b1 else b2{ends}")),
            // The register is changed after the shift, or a second time before it.
            ("v14 >>= 24\nv14 += v11", equal.clone()),
            ("v14 += v11\nv14 >>= 24", equal.clone()),
        ] {
            stays(&text(shift, &last), run);
        }
        // The upper half is zero or unknown, so that a 32-bit shift has no advantage.
        for load in ["v12 = load 4 [r1]", "v12 = load 8 [r1]"] {
            stays(&format!("b0: {load}\nv14 = v12\nv14 >>= 24\nif v14 == 10 then b1 else b2{ends}"), run);
        }
    }
}
