//! Immediate folding: a register that holds one constant everywhere is replaced by an immediate operand.
//!
//! ```text
//! v12 = 7                           v12 = 7
//! if v11 == v12 then b1 else b2     if v11 == 7 then b1 else b2
//! ```
//!
//! Dead-code elimination removes the move afterwards.
//!
//! Absent: left operands and addresses, which have no immediate form.

use std::collections::BTreeMap;

use crate::mir::{Body, Inst, Operand, Reg, Terminator};

/// Runs the pass on a body.
pub fn run(body: &mut Body) {
    let mut known: BTreeMap<Reg, Option<i32>> = BTreeMap::new();
    for (inst, _) in body.blocks.iter().flat_map(|block| &block.insts) {
        let Some(dst) = inst.def().filter(|dst| !dst.is_machine()) else { continue };
        let constant = match inst {
            Inst::Mov { src: Operand::Imm(imm), wide: true, reloc: None, .. } => Some(*imm),
            _ => None,
        };
        // A register with a second definition is not constant.
        known.entry(dst).and_modify(|known| *known = None).or_insert(constant);
    }
    let put = |src: &mut Operand| {
        if let Operand::Reg(reg) = src
            && let Some(Some(imm)) = known.get(reg)
        {
            *src = Operand::Imm(*imm);
        }
    };
    for block in &mut body.blocks {
        for (inst, _) in &mut block.insts {
            match inst {
                // A 32-bit move reads the low half of either operand.
                Inst::Mov { src, reloc: None, .. } | Inst::Alu { src, reloc: None, .. } | Inst::Store { src, .. } => {
                    put(src)
                }
                _ => {}
            }
        }
        if let Terminator::Branch { right, .. } = &mut block.terminator {
            put(right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bodies::{becomes, stays};
    #[test]
    fn constants_are_propagated_into_operands() {
        becomes(
            "b0: v11 = r1
                 v12 = 5
                 v13 = v12
                 w14 = v12
                 v14 += v12
                 store 2 [v11] = v12
                 r1 = v12
                 call 5/1
                 if v11 < v12 then b1 else b1
             b1: r0 = v12
                 exit",
            run,
            "b0: v11 = r1
                 v12 = 5
                 v13 = 5
                 w14 = 5
                 v14 += 5
                 store 2 [v11] = 5
                 r1 = 5
                 call 5/1
                 if v11 < 5 then b1 else b1
             b1: r0 = 5
                 exit",
        );
    }

    #[test]
    fn registers_that_hold_no_single_constant_stay() {
        for write in [
            // Written twice, in any order.
            "v12 = 5\nv12 = 6",
            "v12 = 5\nv12 = load 8 [v11]",
            "v12 = load 8 [v11]\nv12 = 5",
            "v12 = 5\nv12 += 1",
            // An immediate operand is sign-extended; a 32-bit move clears the upper half.
            "w12 = -1",
            // The number is not known before the program is loaded.
            "v12 = size(inode.i_mode)",
            "v12 = 0x100000000 ll",
            "v12 = v11",
        ] {
            stays(&format!("b0: v11 = r1\n{write}\nr0 = v12\nexit"), run);
        }
    }

    #[test]
    fn left_operands_and_addresses_stay_registers() {
        stays(
            "b0: v11 = 5
                 v12 = load 8 [v11]
                 store 8 [v11] = v12
                 atomic [r10] += v11
                 if v11 == 5 then b1 else b1
             b1: r0 = 0
                 exit",
            run,
        );
    }
}
