//! Which bits of a register anybody asks for: what computes only others is left out.
//!
//! ```text
//! v12 &= 0xff
//! *(u8 *)(v13 + 72) = v12              *(u8 *)(v13 + 72) = v12
//! ```
//!
//! Jumps only lead forward, so that one pass from the end to the beginning has seen all who ask before what they ask for.
//!
//! Absent: registers of the machine, whose bits all count.

use std::collections::BTreeMap;

use super::insn::{alu, jmp};
use super::vcode::{Code, End, Inst, Src, V};

const ALL: u64 = u64::MAX;
const LOW: u64 = u32::MAX as u64;

/// Which bits are asked for.
struct Asked {
    /// By register.
    bits: Vec<u64>,
    /// Registers that hold a constant wherever they are read.
    constants: BTreeMap<V, u64>,
}

impl Asked {
    fn of(&self, reg: V) -> u64 {
        if reg.is_machine() { ALL } else { self.bits[reg.0 as usize] }
    }

    fn ask(&mut self, reg: V, bits: u64) {
        self.bits[reg.0 as usize] |= bits;
    }

    fn ask_src(&mut self, src: Src, bits: u64) {
        if let Src::Reg(reg) = src {
            self.ask(reg, bits);
        }
    }

    fn constant(&self, src: Src) -> Option<u64> {
        match src {
            Src::Imm(imm) => Some(i64::from(imm).cast_unsigned()),
            Src::Reg(reg) => self.constants.get(&reg).copied(),
        }
    }

    /// An operation changes no bit that is asked for.
    fn is_idle(&self, inst: &Inst) -> bool {
        let Inst::Alu { op, wide, dst, src, reloc: None } = inst else { return false };
        let Some(by) = self.constant(*src) else { return false };
        let asked = self.of(*dst);
        let same = match *op {
            alu::AND => asked & !by == 0,
            alu::OR | alu::XOR => asked & by == 0,
            _ => false,
        };
        // One of 32 bits clears what is above.
        same && (*wide || asked & !LOW == 0)
    }

    /// A shift to the left and back changes no bit that is asked for.
    fn are_idle(&self, left: &Inst, back: &Inst) -> bool {
        let shift = |inst: &Inst| match inst {
            Inst::Alu { op, wide: true, dst, src: Src::Imm(by), reloc: None } => Some((*op, *dst, *by)),
            _ => None,
        };
        match (shift(left), shift(back)) {
            (Some((alu::LSH, dst, by)), Some((alu::RSH | alu::ARSH, same, again))) if (dst, by) == (same, again) => {
                self.of(dst) & !(ALL >> by) == 0
            }
            _ => false,
        }
    }

    /// Asks for what an instruction reads.
    fn ask_for(&mut self, inst: &Inst) {
        match *inst {
            Inst::Mov { dst, src, wide, .. } => self.ask_src(src, self.of(dst) & if wide { ALL } else { LOW }),
            Inst::Alu { op, wide, dst, src, ref reloc } => {
                let whole = if wide { ALL } else { LOW };
                let asked = self.of(dst) & whole;
                // What a loader fills in is nothing to go by.
                let by = self.constant(src).filter(|_| reloc.is_none());
                let shift = by.map(|by| by as u32 & if wide { 63 } else { 31 });
                let bits = match (op, shift) {
                    (alu::AND, _) => asked & by.unwrap_or(ALL),
                    (alu::OR | alu::XOR, _) => asked,
                    // Bits above do not reach those below.
                    (alu::ADD | alu::SUB | alu::MUL | alu::NEG, _) => {
                        ALL.checked_shr(asked.leading_zeros()).unwrap_or(0)
                    }
                    (alu::LSH, Some(by)) => asked >> by,
                    (alu::RSH, Some(by)) => asked << by & whole,
                    _ => whole,
                };
                self.ask(dst, bits);
                match op {
                    alu::AND | alu::OR | alu::XOR | alu::ADD | alu::SUB | alu::MUL => self.ask_src(src, bits | asked),
                    _ => self.ask_src(src, ALL),
                }
            }
            Inst::Swap { dst, bits } => self.ask(dst, ALL >> (64 - bits)),
            Inst::Store { base, src, bytes, .. } => {
                self.ask(base, ALL);
                self.ask_src(src, ALL >> (64 - 8 * bytes));
            }
            _ => inst.uses(|reg| self.bits[reg.0 as usize] = ALL),
        }
    }

    fn ask_at_end(&mut self, end: &End) {
        if let End::Branch { op, wide, left, right, .. } = *end {
            let whole = if wide { ALL } else { LOW };
            let tested = match right {
                Src::Imm(imm) if op == jmp::JSET => i64::from(imm).cast_unsigned(),
                _ => ALL,
            };
            self.ask(left, whole & tested);
            self.ask_src(right, whole);
        }
    }
}

/// Leaves out what changes no bit that anybody asks for.
pub fn spare(code: &mut Code) {
    let mut asked = Asked { bits: vec![0; code.next as usize], constants: constants(code) };
    for block in code.blocks.iter_mut().rev() {
        asked.ask_at_end(&block.end);
        let mut kept = Vec::with_capacity(block.insts.len());
        let mut insts = std::mem::take(&mut block.insts);
        while let Some((inst, span)) = insts.pop() {
            if insts.last().is_some_and(|(before, _)| asked.are_idle(before, &inst)) {
                insts.pop();
            } else if !asked.is_idle(&inst) {
                asked.ask_for(&inst);
                kept.push((inst, span));
            }
        }
        kept.reverse();
        block.insts = kept;
    }
}

/// Registers that are written once, with a constant.
fn constants(code: &Code) -> BTreeMap<V, u64> {
    let mut constants: BTreeMap<V, Option<u64>> = BTreeMap::new();
    for (inst, _) in code.blocks.iter().flat_map(|block| &block.insts) {
        let Some(dst) = inst.def().filter(|dst| !dst.is_machine()) else { continue };
        let constant = match inst {
            Inst::Mov { src: Src::Imm(imm), wide: true, reloc: None, .. } => Some(i64::from(*imm).cast_unsigned()),
            Inst::Mov { src: Src::Imm(imm), wide: false, reloc: None, .. } => Some(u64::from(imm.cast_unsigned())),
            Inst::Wide { value, .. } => Some(*value),
            _ => None,
        };
        constants.entry(dst).and_modify(|known| *known = None).or_insert(constant);
    }
    constants.into_iter().filter_map(|(reg, constant)| Some((reg, constant?))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::RelocationKind;
    use super::super::library::field;
    use super::super::vcode::{B, Block};
    use super::*;

    fn with(op: u8, wide: bool, imm: i32) -> Inst {
        Inst::Alu { op, wide, dst: V(12), src: Src::Imm(imm), reloc: None }
    }

    /// What is left of instructions whose result so many bytes are stored of.
    fn spared(insts: Vec<Inst>, bytes: u32) -> Vec<Inst> {
        let store = Inst::Store { base: V(13), offset: 0, src: Src::Reg(V(12)), bytes };
        let insts = insts.into_iter().chain([store]).map(|inst| (inst, Default::default())).collect();
        let first = Block { insts, end: End::Jump(B(1)), end_span: Default::default(), cold: false, dear: false };
        let last = Block { insts: vec![], end: End::Exit, ..first.clone() };
        let mut code = Code { blocks: vec![first, last], next: 15, frame_bytes: 0, sunk: 2 };
        spare(&mut code);
        let mut insts: Vec<Inst> = code.blocks.swap_remove(0).insts.into_iter().map(|(inst, _)| inst).collect();
        insts.pop();
        insts
    }

    #[test]
    fn bits_that_nobody_asks_for_are_not_computed() {
        let large = Inst::Wide { dst: V(14), value: 0xffff << 32 };
        let or = Inst::Alu { op: alu::OR, wide: true, dst: V(12), src: Src::Reg(V(14)), reloc: None };
        let extended = [with(alu::LSH, true, 48), with(alu::ARSH, true, 48)];
        for (insts, bytes, left) in [
            (vec![with(alu::AND, false, 0xff)], 1, 0),
            (vec![with(alu::OR, true, 0x100)], 1, 0),
            (extended.to_vec(), 2, 0),
            // What is added above does not reach what is stored.
            (vec![with(alu::AND, true, 0xffff), with(alu::ADD, true, 1)], 2, 1),
        ] {
            assert_eq!(spared(insts.clone(), bytes), insts[insts.len() - left..]);
            assert_eq!(spared(insts.clone(), 8), insts);
        }
        assert_eq!(spared(vec![large.clone(), or], 4), [large]);
    }

    #[test]
    fn what_moves_down_is_asked_for() {
        for moved in [with(alu::RSH, true, 8), with(alu::ARSH, true, 8), with(alu::DIV, true, 3)] {
            let insts = vec![with(alu::AND, true, 0xff), moved];
            assert_eq!(spared(insts.clone(), 1), insts);
        }
        // By how much is known when it is loaded.
        let reloc = Some(RelocationKind::FieldShiftRight(field("inode", &[])));
        let loaded = Inst::Alu { op: alu::RSH, wide: true, dst: V(12), src: Src::Imm(0), reloc };
        let insts = vec![with(alu::AND, true, 0xff), loaded];
        assert_eq!(spared(insts.clone(), 1), insts);
        let swapped = vec![with(alu::AND, true, 0xff), Inst::Swap { dst: V(12), bits: 16 }];
        assert_eq!(spared(swapped.clone(), 1), swapped);
    }
}
