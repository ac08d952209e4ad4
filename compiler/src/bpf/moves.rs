//! Moves that are needless once registers have been given out.
//!
//! ```text
//! r2 = r0
//! *(u32 *)(r10 - 24) = r2          *(u32 *)(r10 - 24) = r0
//! ```
//!
//! A register that holds what another holds is that one for those who read it, within a block; what nothing reads is then
//! not computed.
//!
//! Absent: arguments of calls, which are in their registers and no others; and tests: the verifier of 5.10 learns the bounds of
//! the register that is tested, and not of those that hold the same.

use std::collections::BTreeMap;

use super::vcode::{Code, Inst, Src, V};

/// Leaves needless moves out.
pub fn spare(code: &mut Code) {
    for block in &mut code.blocks {
        let mut same: BTreeMap<V, V> = BTreeMap::new();
        for (inst, _) in &mut block.insts {
            read_from(inst, |reg| same.get(&reg).copied().unwrap_or(reg));
            match *inst {
                Inst::Call { .. } | Inst::Invoke { .. } => same.retain(|copy, of| copy.0 > 5 && of.0 > 5),
                Inst::Mov { dst, src: Src::Reg(src), wide: true, reloc: None } => {
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

/// Replaces the registers that an instruction only reads.
fn read_from(inst: &mut Inst, to: impl Fn(V) -> V) {
    let src = |src: &mut Src| {
        if let Src::Reg(reg) = src {
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

/// Machine registers, a bit for each.
type Registers = u16;

fn bit(reg: V) -> Registers {
    1 << reg.0
}

/// Drops what writes a register that nothing reads; jumps lead forward, so that one pass from the end finds all.
fn drop_unread(code: &mut Code) {
    let mut entering: Vec<Registers> = vec![0; code.blocks.len()];
    for at in (0..code.blocks.len()).rev() {
        let mut read = code.blocks[at].end.targets().fold(0, |all, to| all | entering[to.0 as usize]);
        code.blocks[at].end.uses(|reg| read |= bit(reg));
        let mut kept = Vec::with_capacity(code.blocks[at].insts.len());
        for (inst, span) in std::mem::take(&mut code.blocks[at].insts).into_iter().rev() {
            let call = matches!(inst, Inst::Call { .. } | Inst::Invoke { .. });
            if let Some(dst) = inst.def()
                && read & bit(dst) == 0
                && !call
            {
                continue;
            }
            if call {
                // `r0` to `r5`
                read &= !0x3f;
            }
            inst.def().into_iter().for_each(|dst| read &= !bit(dst));
            inst.uses(|reg| read |= bit(reg));
            kept.push((inst, span));
        }
        kept.reverse();
        code.blocks[at].insts = kept;
        entering[at] = read;
    }
}
