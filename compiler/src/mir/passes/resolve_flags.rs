//! Resolution of availability flags, the last step of partial redundancy elimination.
//!
//! ```text
//! b0: v12 = 0                                   b0: v12 = -1
//!     v13 = 0
//! b1: v12 = load 8 [v11]                        b1: v12 = load 8 [v11]
//!     v13 = 1
//! b2: if v13 != 0 then b4 else b3               b2: if v12 != -1 then b4 else b3
//! ```
//!
//! A value that is expensive to read and that only some paths have read is guarded by a flag. Jump threading
//! removes the test of the flag from the paths on which its value is known. At the tests that remain, a value
//! that cannot be -1, for example, serves as the flag itself: it is initialised to -1 at the start of the
//! entry block. Any other value is read again, which costs a verifier less than a second variable would.

use std::collections::BTreeMap;

use crate::mir::{Body, Flag, Inst, Operand, Reg, Terminator};

/// Runs the pass on a body.
pub fn run(body: &mut Body) {
    let flags: BTreeMap<Reg, Flag> =
        std::mem::take(&mut body.flags).into_iter().map(|flag| (flag.flag, flag)).collect();
    if flags.is_empty() {
        return;
    }
    let initial: BTreeMap<Reg, i32> = flags.values().filter_map(|flag| Some((flag.value, flag.never?))).collect();
    for (at, block) in body.blocks.iter_mut().enumerate() {
        block.insts.retain(|(inst, _)| inst.def().is_none_or(|dst| !flags.contains_key(&dst)));
        let first =
            block.insts.iter_mut().take_while(|(inst, _)| matches!(inst, Inst::Mov { src: Operand::Imm(_), .. }));
        for (inst, _) in first.filter(|_| at == 0) {
            if let Inst::Mov { dst, src, .. } = inst
                && let Some(never) = initial.get(dst)
            {
                *src = Operand::Imm(*never);
            }
        }
        let Terminator::Branch { left, right, otherwise, .. } = &mut block.terminator else { continue };
        match flags.get(left) {
            Some(Flag { value, never: Some(never), .. }) => (*left, *right) = (*value, Operand::Imm(*never)),
            Some(_) => block.terminator = Terminator::Jump(*otherwise),
            None => {}
        }
    }
}
