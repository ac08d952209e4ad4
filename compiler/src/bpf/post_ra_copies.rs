//! Copy propagation and dead-code elimination after register allocation.
//!
//! ```text
//! r2 = r0
//! store 4 [r10 - 24] = r2          store 4 [r10 - 24] = r0
//! ```
//!
//! Within a block, reads of a copy are replaced by reads of its source; instructions whose result is not read
//! are removed.
//!
//! Absent: arguments of calls, which must be in their registers, and operands of branches: the verifier of
//! 5.10 learns the bounds of the register that is compared, not those of its copies.

use std::collections::BTreeMap;

use crate::mir::{Body, Inst, Operand, Reg};

/// Runs the pass on a body.
pub fn run(code: &mut Body) {
    for block in &mut code.blocks {
        let mut same: BTreeMap<Reg, Reg> = BTreeMap::new();
        for (inst, _) in &mut block.insts {
            read_from(inst, |reg| same.get(&reg).copied().unwrap_or(reg));
            match *inst {
                Inst::Call { .. } | Inst::Invoke { .. } => same.retain(|copy, of| copy.0 > 5 && of.0 > 5),
                Inst::Mov { dst, src: Operand::Reg(src), wide: true, reloc: None } => {
                    same.retain(|copy, of| *copy != dst && *of != dst);
                    if dst != src {
                        same.insert(dst, src);
                    }
                }
                ref other => {
                    if let Some(dst) = other.def() {
                        same.retain(|copy, of| *copy != dst && *of != dst);
                    }
                }
            }
        }
    }
    drop_unread(code);
}

/// Renames the registers that an instruction reads and does not write.
fn read_from(inst: &mut Inst, to: impl Fn(Reg) -> Reg) {
    let src = |src: &mut Operand| {
        if let Operand::Reg(reg) = src {
            *reg = to(*reg);
        }
    };
    match inst {
        Inst::Mov { src: from, .. } | Inst::Alu { src: from, .. } => src(from),
        Inst::Load { base, .. } | Inst::Copy { base, .. } => *base = to(*base),
        Inst::Store { base, src: from, .. } => {
            *base = to(*base);
            src(from);
        }
        Inst::AtomicAdd { base, src } => {
            *base = to(*base);
            *src = to(*src);
        }
        Inst::Spill { src, .. } => *src = to(*src),
        Inst::Wide { .. }
        | Inst::Address { .. }
        | Inst::Swap { .. }
        | Inst::Reload { .. }
        | Inst::Call { .. }
        | Inst::Invoke { .. } => {}
    }
}

/// A set of machine registers, one bit each.
type Registers = u16;

fn bit(reg: Reg) -> Registers {
    1 << reg.0
}

/// Removes instructions whose result is not read, in one pass from the last block.
fn drop_unread(code: &mut Body) {
    let mut entering: Vec<Registers> = vec![0; code.blocks.len()];
    for at in (0..code.blocks.len()).rev() {
        let mut read = code.blocks[at].terminator.targets().fold(0, |all, to| all | entering[to.0 as usize]);
        code.blocks[at].terminator.uses(|reg| read |= bit(reg));
        let mut kept = Vec::with_capacity(code.blocks[at].insts.len());
        for (inst, span) in std::mem::take(&mut code.blocks[at].insts).into_iter().rev() {
            let call = matches!(inst, Inst::Call { .. } | Inst::Invoke { .. });
            if let Some(dst) = inst.def()
                && read & bit(dst) == 0
                && !call
            {
                continue;
            }
            // A call clobbers `r1` to `r5`: a read after it follows another write.
            debug_assert!(!call || read & 0x3e == 0, "a register that a call clobbers is read");
            inst.def().into_iter().for_each(|dst| read &= !bit(dst));
            inst.uses(|reg| read |= bit(reg));
            kept.push((inst, span));
        }
        kept.reverse();
        code.blocks[at].insts = kept;
        entering[at] = read;
    }
}
