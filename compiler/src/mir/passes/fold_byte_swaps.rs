//! Byte-swap folding: a value that is swapped and only compared with constants is compared with swapped
//! constants.
//!
//! ```text
//! v12 = load 2 [v11 + 2]               v12 = load 2 [v11 + 2]
//! v12 = be16 v12                       if w12 == 0x3500 then b1 else b2
//! if v12 == 0x35 then b1 else b2
//! ```
//!
//! Absent: ordered comparisons, and 64-bit values, whose constants would not fit into an immediate.

use std::collections::BTreeMap;

use crate::isa::jmp;
use crate::mir::{Body, Inst, Operand, Reg, Terminator};

/// The byte swap of a register.
struct Swapped {
    /// Position of the swap and its width.
    block: usize,
    index: usize,
    bits: u32,
}

/// Runs the pass on a body.
pub fn run(code: &mut Body) {
    let swapped = candidates(code);
    if swapped.is_empty() {
        return;
    }
    for block in &mut code.blocks {
        if let Terminator::Branch { wide, left, right: Operand::Imm(imm), .. } = &mut block.terminator
            && let Some(swapped) = swapped.get(left)
        {
            let number = imm.cast_unsigned().swap_bytes() >> (32 - swapped.bits);
            // The upper halves of both sides are zero.
            (*imm, *wide) = (number.cast_signed(), false);
        }
    }
    let mut left_out: Vec<(usize, usize)> = swapped.values().map(|swapped| (swapped.block, swapped.index)).collect();
    left_out.sort_unstable();
    for (block, index) in left_out.into_iter().rev() {
        code.blocks[block].insts.remove(index);
    }
}

/// Registers that are loaded, or copied from a loaded register, swapped once in the same block, and then only
/// compared with constants.
fn candidates(code: &Body) -> BTreeMap<Reg, Swapped> {
    let mut writes: BTreeMap<Reg, u32> = BTreeMap::new();
    // For each register, the width of its first load in bits.
    let mut loaded: BTreeMap<Reg, u32> = BTreeMap::new();
    let mut swapped: BTreeMap<Reg, Swapped> = BTreeMap::new();
    for (block, insts) in code.blocks.iter().map(|block| &block.insts).enumerate() {
        let mut here: BTreeMap<Reg, u32> = BTreeMap::new();
        for (index, (inst, _)) in insts.iter().enumerate() {
            let Some(dst) = inst.def().filter(|dst| !dst.is_machine()) else { continue };
            *writes.entry(dst).or_default() += 1;
            match inst {
                Inst::Load { bytes, .. } => _ = here.insert(dst, 8 * bytes),
                Inst::Mov { src: Operand::Reg(of), wide: true, .. } => {
                    if let Some(bits) = here.get(of).or_else(|| loaded.get(of).filter(|_| writes.get(of) == Some(&1))) {
                        here.insert(dst, *bits);
                    }
                }
                Inst::Swap { bits, .. } => {
                    let bits = bits.cast_unsigned();
                    if here.remove(&dst) == Some(bits) && bits <= 32 {
                        swapped.insert(dst, Swapped { block, index, bits });
                    }
                }
                _ => _ = here.remove(&dst),
            }
        }
        here.into_iter().for_each(|(reg, bits)| _ = loaded.entry(reg).or_insert(bits));
    }
    swapped.retain(|reg, _| writes[reg] == 2);
    for block in &code.blocks {
        for (inst, _) in &block.insts {
            if !matches!(inst, Inst::Swap { .. }) {
                inst.uses(|reg| _ = swapped.remove(&reg));
            }
        }
        match &block.terminator {
            Terminator::Branch {
                op: jmp::JEQ | jmp::JNE | jmp::JSET, wide, left, right: Operand::Imm(imm), ..
            } => {
                let above = |bits| imm.cast_unsigned().checked_shr(bits).unwrap_or(0) != 0 || *wide && *imm < 0;
                // A constant that does not fit into the width has no swapped form.
                if swapped.get(left).is_some_and(|known| above(known.bits)) {
                    swapped.remove(left);
                }
            }
            other => other.uses(|reg| _ = swapped.remove(&reg)),
        }
    }
    swapped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mir::{Block, BlockId};
    use crate::testing::bodies::{becomes, stays};

    fn load(bytes: u32) -> Inst {
        Inst::Load { dst: Reg(12), base: Reg(11), offset: 2, bytes, reloc: None, argument: None }
    }

    /// Runs the pass on a load, a swap and a comparison, and returns the result.
    fn spared(load: Inst, bits: i32, op: u8, right: Operand) -> (Vec<Inst>, Terminator) {
        let insts = [load, Inst::Swap { dst: Reg(12), bits }].map(|inst| (inst, Default::default()));
        let end = Terminator::Branch { op, wide: true, left: Reg(12), right, then: BlockId(1), otherwise: BlockId(1) };
        let block = |insts, end| Block {
            insts,
            terminator: end,
            terminator_span: Default::default(),
            cold: false,
            dear: false,
        };
        let blocks = vec![block(insts.into(), end), block(vec![], Terminator::Exit)];
        let mut code = Body { blocks, next: 14, frame_bytes: 0, sunk: 2, flags: Vec::new() };
        run(&mut code);
        let first = code.blocks.swap_remove(0);
        (first.insts.into_iter().map(|(inst, _)| inst).collect(), first.terminator)
    }

    fn right(end: &Terminator) -> Option<(bool, i32)> {
        match end {
            Terminator::Branch { wide, right: Operand::Imm(imm), .. } => Some((*wide, *imm)),
            _ => None,
        }
    }

    #[test]
    fn constants_are_brought_into_the_order_of_what_is_compared() {
        let (insts, end) = spared(load(2), 16, jmp::JEQ, Operand::Imm(443));
        assert_eq!((insts, right(&end)), (vec![load(2)], Some((false, 0xbb01))));
        let (insts, end) = spared(load(4), 32, jmp::JNE, Operand::Imm(0x7f00_0001));
        assert_eq!((insts, right(&end)), (vec![load(4)], Some((false, 0x0100_007f))));
    }

    #[test]
    fn what_counts_as_a_number_stays() {
        for (load, bits, op, right) in [
            (load(2), 16, jmp::JLT, Operand::Imm(1024)),
            (load(2), 16, jmp::JEQ, Operand::Reg(Reg(13))),
            (load(2), 16, jmp::JEQ, Operand::Imm(-1)),
            (load(4), 32, jmp::JEQ, Operand::Imm(-1)),
            (load(4), 16, jmp::JEQ, Operand::Imm(443)),
            (load(8), 64, jmp::JEQ, Operand::Imm(1)),
        ] {
            assert_eq!(spared(load, bits, op, right).0.len(), 2, "{op} {right:?}");
        }
    }

    #[test]
    fn a_copy_of_a_load_is_compared_in_its_own_order() {
        becomes(
            "b0: v11 = r1
                 v13 = load 2 [v11]
                 v12 = v13
                 v12 = be16 v12
                 if v12 & 255 then b1 else b1
             b1: r0 = 0
                 exit",
            run,
            "b0: v11 = r1
                 v13 = load 2 [v11]
                 v12 = v13
                 if w12 & 65280 then b1 else b1
             b1: r0 = 0
                 exit",
        );
        // The load can be in an earlier block.
        becomes(
            "b0: v11 = r1
                 v13 = load 4 [v11]
                 goto b1
             b1: v12 = v13
                 v12 = be32 v12
                 if w12 == -1 then b2 else b2
             b2: r0 = 0
                 exit",
            run,
            "b0: v11 = r1
                 v13 = load 4 [v11]
                 goto b1
             b1: v12 = v13
                 if w12 == -1 then b2 else b2
             b2: r0 = 0
                 exit",
        );
    }

    /// Every comparison of the register gets a swapped constant.
    #[test]
    fn all_comparisons_of_a_register_are_changed() {
        becomes(
            "b0: v11 = r1
                 v12 = load 2 [v11]
                 v12 = be16 v12
                 if v12 == 53 then b2 else b1
             b1: if v12 != 65535 then b2 else b2
             b2: r0 = 0
                 exit",
            run,
            "b0: v11 = r1
                 v12 = load 2 [v11]
                 if w12 == 13568 then b2 else b1
             b1: if w12 != 65535 then b2 else b2
             b2: r0 = 0
                 exit",
        );
    }

    #[test]
    fn a_number_that_is_read_otherwise_stays() {
        for (write, read) in [
            // Read by an instruction.
            ("v12 = load 2 [v11]", "store 2 [v11] = v12"),
            ("v12 = load 2 [v11]", "v13 = v12"),
            // Written a third time, or not by a load.
            ("v12 = load 2 [v11]\nv12 = load 2 [v11]", ""),
            ("v12 = v11", ""),
            ("v12 = load 2 [v11]\nv12 += 1", ""),
            ("v13 = load 2 [v11]\nw12 = w13", ""),
            // The copied register has several values.
            ("v13 = load 2 [v11]\nv13 += 1\nv12 = v13", ""),
            // The load is wider or narrower than the swap.
            ("v12 = load 4 [v11]", ""),
            ("v12 = load 1 [v11]", ""),
        ] {
            stays(
                &format!("b0: v11 = r1\n{write}\nv12 = be16 v12\n{read}\nif v12 == 53 then b1 else b1\nb1: exit"),
                run,
            );
        }
        // Constants that do not fit into 16 bits.
        for right in ["65536", "-1"] {
            for reg in ["v12", "w12"] {
                stays(
                    &format!("b0: v12 = load 2 [r1]\nv12 = be16 v12\nif {reg} == {right} then b1 else b1\nb1: exit"),
                    run,
                );
            }
        }
        // A single ordered comparison keeps the swap.
        stays(
            "b0: v12 = load 2 [r1]
                 v12 = be16 v12
                 if v12 == 53 then b2 else b1
             b1: if v12 < 1024 then b2 else b2
             b2: exit",
            run,
        );
    }

    /// The register is not known to hold a loaded value at the entry of another block.
    #[test]
    fn a_swap_in_another_block_stays() {
        stays(
            "b0: v12 = load 2 [r1]
                 goto b1
             b1: v12 = be16 v12
                 if v12 == 53 then b2 else b2
             b2: exit",
            run,
        );
    }

    /// The width of a register with two loads is that of the load before the copy.
    #[test]
    fn a_copy_of_a_register_with_two_loads_stays() {
        stays(
            "b0: v13 = load 2 [r1]
                 goto b1
             b1: v13 = load 4 [r1]
                 goto b2
             b2: v12 = v13
                 v12 = be16 v12
                 if v12 == 53 then b3 else b3
             b3: exit",
            run,
        );
    }

    #[test]
    fn two_registers_of_one_block_are_both_changed() {
        becomes(
            "b0: v11 = load 2 [r1]
                 v11 = be16 v11
                 v12 = load 2 [r1 + 2]
                 v12 = be16 v12
                 if v11 == 1 then b1 else b2
             b1: if v12 == 2 then b2 else b2
             b2: exit",
            run,
            "b0: v11 = load 2 [r1]
                 v12 = load 2 [r1 + 2]
                 if w11 == 256 then b1 else b2
             b1: if w12 == 512 then b2 else b2
             b2: exit",
        );
    }
}
