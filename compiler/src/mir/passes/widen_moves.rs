//! Move widening: a 32-bit copy whose upper half is not observed becomes a 64-bit copy.
//!
//! ```text
//! w12 = w11                   v12 = v11
//! w12 += 1                    w12 += 1
//! ```
//!
//! A 64-bit copy can be removed by copy propagation or by assigning both registers the same machine register.

use crate::mir::{Body, Inst, Operand};

/// Runs the pass. A 32-bit operation reads the low halves of its operands only, so the upper half of the copy
/// is not observed, even where the copy is both operands.
pub fn run(body: &mut Body) {
    for block in &mut body.blocks {
        for at in 1..block.insts.len() {
            let (before, after) = block.insts.split_at_mut(at);
            if let (
                Some((Inst::Mov { dst, src: Operand::Reg(_), wide, reloc: None }, _)),
                (Inst::Alu { dst: changed, wide: false, .. }, _),
            ) = (before.last_mut().map(|last| (&mut last.0, last.1)), &after[0])
                && dst == changed
            {
                *wide = true;
            }
        }
    }
}
