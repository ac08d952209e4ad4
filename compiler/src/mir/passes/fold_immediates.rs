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
