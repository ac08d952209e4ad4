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
