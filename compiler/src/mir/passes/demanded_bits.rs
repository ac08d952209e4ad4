//! Demanded-bits simplification: operations that only change bits which no use reads are removed.
//!
//! ```text
//! v12 &= 0xff
//! store 1 [v13 + 72] = v12             store 1 [v13 + 72] = v12
//! ```
//!
//! Edges only lead forward, so a backward pass visits all uses of a register before its definitions.
//!
//! Absent: machine registers, of which all bits are demanded.

use std::collections::BTreeMap;

use crate::isa::{alu, jmp};
use crate::mir::{Body, Inst, Operand, Reg, Terminator};

const ALL: u64 = u64::MAX;
const LOW: u64 = u32::MAX as u64;

/// The demanded bits of registers.
struct Demand {
    /// For each register, its demanded bits.
    bits: Vec<u64>,
    /// Registers whose only definition is a constant.
    constants: BTreeMap<Reg, u64>,
}

impl Demand {
    fn of(&self, reg: Reg) -> u64 {
        if reg.is_machine() { ALL } else { self.bits[reg.0 as usize] }
    }

    fn add(&mut self, reg: Reg, bits: u64) {
        self.bits[reg.0 as usize] |= bits;
    }

    fn add_operand(&mut self, src: Operand, bits: u64) {
        if let Operand::Reg(reg) = src {
            self.add(reg, bits);
        }
    }

    fn constant(&self, src: Operand) -> Option<u64> {
        match src {
            Operand::Imm(imm) => Some(i64::from(imm).cast_unsigned()),
            Operand::Reg(reg) => self.constants.get(&reg).copied(),
        }
    }

    /// Returns true if an operation changes no demanded bit.
    fn is_idle(&self, inst: &Inst) -> bool {
        let Inst::Alu { op, wide, dst, src, reloc: None } = inst else { return false };
        let Some(by) = self.constant(*src) else { return false };
        let demanded = self.of(*dst);
        let same = match *op {
            alu::AND => demanded & !by == 0,
            alu::OR | alu::XOR => demanded & by == 0,
            _ => false,
        };
        // A 32-bit operation clears the upper half.
        same && (*wide || demanded & !LOW == 0)
    }

    /// Returns true if a left shift and the right shift back change no demanded bit.
    fn are_idle(&self, left: &Inst, back: &Inst) -> bool {
        let shift = |inst: &Inst| match inst {
            Inst::Alu { op, wide: true, dst, src: Operand::Imm(by), reloc: None } => Some((*op, *dst, *by)),
            _ => None,
        };
        match (shift(left), shift(back)) {
            (Some((alu::LSH, dst, by)), Some((alu::RSH | alu::ARSH, same, again))) if (dst, by) == (same, again) => {
                self.of(dst) & !(ALL >> by) == 0
            }
            _ => false,
        }
    }

    /// Adds the bits that an instruction reads.
    fn add_uses(&mut self, inst: &Inst) {
        match *inst {
            Inst::Mov { dst, src, wide, .. } => self.add_operand(src, self.of(dst) & if wide { ALL } else { LOW }),
            Inst::Alu { op, wide, dst, src, ref reloc } => {
                let whole = if wide { ALL } else { LOW };
                let demanded = self.of(dst) & whole;
                // An operand that a loader fills in is unknown.
                let by = self.constant(src).filter(|_| reloc.is_none());
                let shift = by.map(|by| by as u32 & if wide { 63 } else { 31 });
                let bits = match (op, shift) {
                    (alu::AND, _) => demanded & by.unwrap_or(ALL),
                    (alu::OR | alu::XOR, _) => demanded,
                    // Carries only propagate upwards.
                    (alu::ADD | alu::SUB | alu::MUL | alu::NEG, _) => {
                        ALL.checked_shr(demanded.leading_zeros()).unwrap_or(0)
                    }
                    (alu::LSH, Some(by)) => demanded >> by,
                    (alu::RSH, Some(by)) => demanded << by & whole,
                    _ => whole,
                };
                self.add(dst, bits);
                match op {
                    alu::AND | alu::OR | alu::XOR | alu::ADD | alu::SUB | alu::MUL => {
                        self.add_operand(src, bits | demanded)
                    }
                    _ => self.add_operand(src, ALL),
                }
            }
            Inst::Swap { dst, bits } => self.add(dst, ALL >> (64 - bits)),
            Inst::Store { base, src, bytes, .. } => {
                self.add(base, ALL);
                self.add_operand(src, ALL >> (64 - 8 * bytes));
            }
            _ => inst.uses(|reg| self.bits[reg.0 as usize] = ALL),
        }
    }

    fn add_terminator(&mut self, end: &Terminator) {
        if let Terminator::Branch { op, wide, left, right, .. } = *end {
            let whole = if wide { ALL } else { LOW };
            let tested = match right {
                Operand::Imm(imm) if op == jmp::JSET => i64::from(imm).cast_unsigned(),
                _ => ALL,
            };
            self.add(left, whole & tested);
            self.add_operand(right, whole);
        }
    }
}

/// Runs the pass on a body.
pub fn run(code: &mut Body) {
    let mut demand = Demand { bits: vec![0; code.next as usize], constants: constants(code) };
    for block in code.blocks.iter_mut().rev() {
        demand.add_terminator(&block.terminator);
        let mut kept = Vec::with_capacity(block.insts.len());
        let mut insts = std::mem::take(&mut block.insts);
        while let Some((inst, span)) = insts.pop() {
            if insts.last().is_some_and(|(before, _)| demand.are_idle(before, &inst)) {
                insts.pop();
            } else if !demand.is_idle(&inst) {
                demand.add_uses(&inst);
                kept.push((inst, span));
            }
        }
        kept.reverse();
        block.insts = kept;
    }
}

/// Registers with one definition, a constant.
fn constants(code: &Body) -> BTreeMap<Reg, u64> {
    let mut constants: BTreeMap<Reg, Option<u64>> = BTreeMap::new();
    for (inst, _) in code.blocks.iter().flat_map(|block| &block.insts) {
        let Some(dst) = inst.def().filter(|dst| !dst.is_machine()) else { continue };
        let constant = match inst {
            Inst::Mov { src: Operand::Imm(imm), wide: true, reloc: None, .. } => Some(i64::from(*imm).cast_unsigned()),
            Inst::Mov { src: Operand::Imm(imm), wide: false, reloc: None, .. } => Some(u64::from(imm.cast_unsigned())),
            Inst::Wide { value, .. } => Some(*value),
            _ => None,
        };
        constants.entry(dst).and_modify(|known| *known = None).or_insert(constant);
    }
    constants.into_iter().filter_map(|(reg, constant)| Some((reg, constant?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bodies::{becomes, stays};

    /// A mask before an operation is removed if it keeps all bits on which the demanded bits of the result
    /// depend. Bits that are demanded after an operation in place are demanded before it, too.
    #[test]
    fn operations_pass_demand_on_to_their_operands() {
        for (mask, operation, read, idle) in [
            // Bitwise operations demand the same bits.
            ("v12 &= 65280", "v12 |= v14", "v12 & 65280", true),
            ("v12 &= 65280", "v12 ^= v14", "v12 & 65280", true),
            ("v12 &= 65280", "v12 &= v14", "v12 & 65280", true),
            ("v12 &= 32512", "v12 |= v14", "v12 & 65280", false),
            ("v14 &= 65280", "v12 |= v14", "v12 & 65280", true),
            ("v14 &= 65280", "v12 ^= v14", "v12 & 65280", true),
            ("v14 &= 65280", "v12 &= v14", "v12 & 65280", true),
            ("v14 &= 32512", "v12 |= v14", "v12 & 65280", false),
            // A carry comes from the lower bits.
            ("v12 &= 65535", "v12 += v14", "v12 & 65280", true),
            ("v12 &= 65535", "v12 -= v14", "v12 & 65280", true),
            ("v12 &= 65535", "v12 *= v14", "v12 & 65280", true),
            ("v12 &= 65535", "v12 = -v12", "v12 & 65280", true),
            ("v12 &= 65280", "v12 += v14", "v12 & 65280", false),
            ("v12 &= 65280", "v12 -= v14", "v12 & 65280", false),
            ("v12 &= 65280", "v12 *= v14", "v12 & 65280", false),
            ("v12 &= 65280", "v12 = -v12", "v12 & 65280", false),
            ("v14 &= 65535", "v12 += v14", "v12 & 65280", true),
            ("v14 &= 65280", "v12 += v14", "v12 & 65280", false),
            ("v14 &= 65280", "v12 -= v14", "v12 & 65280", false),
            ("v14 &= 65280", "v12 *= v14", "v12 & 65280", false),
            // A shift moves the demanded bits.
            ("v12 &= 65535", "v12 <<= 8", "v12 & 65280", true),
            ("v12 &= 65280", "v12 <<= 8", "v12 & 65280", false),
            ("v12 &= 65408", "v12 <<= 7", "v12 & 65280", false),
            ("v12 &= 16776960", "v12 >>= 8", "v12 & 65280", true),
            ("v12 &= 65280", "v12 >>= 8", "v12 & 65280", false),
            ("v12 &= 16776960", "v12 >>= 9", "v12 & 65280", false),
            // Shifts by an unknown count, arithmetic shifts and divisions demand all bits.
            ("v12 &= 65535", "v12 <<= v14", "v12 & 65280", false),
            ("v12 &= 65535", "v12 s>>= 1", "v12 & 65280", false),
            ("v12 &= 65535", "v12 /= 2", "v12 & 65280", false),
            ("v12 &= 65535", "v12 %= 2", "v12 & 65280", false),
            ("v14 &= 255", "v12 <<= v14", "v12 & 65280", false),
            ("v14 &= 255", "v12 /= v14", "v12 & 65280", false),
            // A 32-bit operation reads no more than the low half.
            ("v12 &= v15", "w12 /= 2", "w12 == 5", true),
            ("v12 &= v15", "v12 /= 2", "w12 == 5", false),
            ("v12 &= v15", "w12 >>= 4", "w12 == 5", true),
            ("v12 &= v15", "v12 >>= 4", "w12 == 5", false),
            ("v12 &= v15", "w12 >>= 32", "w12 == 5", true),
            // A swap reads as many bits as it is wide.
            ("v12 &= 65535", "v12 = be16 v12", "v12 & 255", true),
            ("v12 &= 255", "v12 = be16 v12", "v12 & 255", false),
            ("v12 &= v15", "v12 = be32 v12", "v12 & 255", true),
            ("v12 &= 65535", "v12 = be32 v12", "v12 & 255", false),
            ("v12 &= v15", "v12 = be64 v12", "v12 & 255", false),
        ] {
            let text = |mask| {
                format!(
                    "b0: v15 = 0xffffffff ll
                         v12 = load 8 [r1]
                         v14 = load 8 [r1]
                         {mask}
                         {operation}
                         if {read} then b1 else b1
                     b1: r0 = v15
                         exit"
                )
            };
            becomes(&text(mask), run, &text(if idle { "" } else { mask }));
        }
    }

    #[test]
    fn operations_that_change_no_demanded_bit_go() {
        for (operation, bytes, idle) in [
            ("v12 &= 255", 1, true),
            ("v12 &= 254", 1, false),
            ("v12 |= 256", 1, true),
            ("v12 |= 257", 1, false),
            ("v12 ^= 256", 1, true),
            ("v12 ^= 257", 1, false),
            ("v12 += 256", 1, false),
            ("v12 &= v14", 1, false),
            ("v12 &= size(inode.i_mode)", 1, false),
            // A 32-bit operation clears the upper half.
            ("w12 &= -1", 4, true),
            ("w12 &= -1", 8, false),
            ("w12 |= 0", 8, false),
            ("v12 |= 0", 8, true),
            // A left shift and the right shift back keep the low bits.
            ("v12 <<= 56 / v12 >>= 56", 1, true),
            ("v12 <<= 56 / v12 s>>= 56", 1, true),
            ("v12 <<= 57 / v12 >>= 57", 1, false),
            ("v12 <<= 56 / v12 >>= 55", 1, false),
            ("v12 <<= 56 / v12 >>= 56", 2, false),
            ("v12 >>= 56 / v12 <<= 56", 1, false),
            ("w12 <<= 24 / w12 >>= 24", 1, false),
            ("v12 <<= 56 / v14 >>= 56", 1, false),
        ] {
            let text = |operation: &str| {
                format!(
                    "b0: v12 = load 8 [r1]
                         v14 = load 8 [r1]
                         v13 = load 8 [r1]
                         {}
                         store {bytes} [v13] = v12
                         store 8 [v13] = v14
                         r0 = 0
                         exit",
                    operation.replace(" / ", "\n")
                )
            };
            becomes(&text(operation), run, &text(if idle { "" } else { operation }));
        }
    }

    /// A comparison demands all bits of its width; a test of bits demands those of its constant.
    #[test]
    fn tests_read_their_width() {
        for (mask, test, idle) in [
            ("v12 &= v15", "w12 == 5", true),
            ("v12 &= v15", "v12 == 5", false),
            ("v12 &= v15", "w12 < w14", true),
            ("v14 &= v15", "w12 < w14", true),
            ("v14 &= v15", "v12 < v14", false),
            ("v12 &= 15", "v12 & 9", true),
            ("v12 &= 15", "v12 & 17", false),
            ("v12 &= 15", "v12 == 9", false),
            ("v12 &= 15", "v12 & v14", false),
            ("v12 &= v15", "v12 & -1", false),
            ("v12 &= v15", "w12 & -1", true),
        ] {
            let text = |mask| {
                format!(
                    "b0: v15 = 0xffffffff ll
                         v12 = load 8 [r1]
                         v14 = load 8 [r1]
                         {mask}
                         if {test} then b1 else b1
                     b1: r0 = v15
                         exit"
                )
            };
            becomes(&text(mask), run, &text(if idle { "" } else { mask }));
        }
    }

    /// Addresses and arguments demand all bits of a register.
    #[test]
    fn addresses_and_arguments_are_read_whole() {
        for read in [
            "v14 = load 1 [v12]",
            "store 1 [v12] = 1",
            "atomic [v12] += v13",
            "atomic [v13] += v12",
            "r2 = v12",
            "spill 0 = v12",
            "v14 = copy 1 [v12 + inode.i_mode] scratch -8",
        ] {
            stays(
                &format!("b0: v12 = load 8 [r1]\nv13 = load 8 [r1]\nv12 &= 255\n{read}\nstore 8 [r1] = v14\nexit"),
                run,
            );
        }
        // A move passes the demand on; a 32-bit move demands the low half only.
        for (mask, copy, bytes, idle) in [
            ("v12 &= 255", "v14 = v12", 1, true),
            ("v12 &= 255", "v14 = v12", 2, false),
            ("v12 &= 255", "w14 = w12", 1, true),
            ("v12 &= v15", "w14 = w12", 8, true),
            ("v12 &= v15", "v14 = v12", 8, false),
        ] {
            let text = |mask| {
                format!(
                    "b0: v15 = 0xffffffff ll\nv12 = load 8 [r1]\n{mask}\n{copy}\nstore {bytes} [r1] = v14\nr0 = v15\nexit"
                )
            };
            becomes(&text(mask), run, &text(if idle { "" } else { mask }));
        }
    }

    /// A register holds a known constant only if it has one definition.
    #[test]
    fn masks_in_registers_count_where_they_are_constants() {
        for (write, idle) in [
            ("v14 = 255", true),
            ("w14 = 255", true),
            ("w14 = -1", true),
            ("v14 = 0xff ll", true),
            ("v14 = 254", false),
            ("v14 = 255\nv14 = 1", false),
            ("v14 = load 8 [r1]", false),
            ("v14 = size(inode.i_mode)", false),
            ("v14 = v12", false),
        ] {
            let text = |mask| format!("b0: v12 = load 8 [r1]\n{write}\n{mask}\nstore 1 [r1] = v12\nr0 = v14\nexit");
            becomes(&text("v12 &= v14"), run, &text(if idle { "" } else { "v12 &= v14" }));
        }
    }
}
