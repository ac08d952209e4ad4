//! Copy propagation: uses of a 64-bit copy are replaced by uses of its source if neither is redefined.
//!
//! ```text
//! v11 = r1                    v11 = r1
//! v12 = v11
//! v13 = load 8 [v12]          v13 = load 8 [v11]
//! ```

use std::collections::BTreeMap;

use crate::mir::{Body, Inst, Operand, Reg};

/// Runs the pass. It replaces a copy that is the only definition of its register and whose source has all its
/// definitions before the copy, in the same block.
pub fn run(body: &mut Body) {
    // For each register: the only block that defines it, if there is one; the index of its last definition;
    // the number of its definitions.
    let mut writes: Vec<(Option<usize>, usize, u32)> = vec![(None, 0, 0); body.next as usize];
    for (at, block) in body.blocks.iter().enumerate() {
        for (index, (inst, _)) in block.insts.iter().enumerate() {
            if let Some(reg) = inst.def() {
                let known = &mut writes[reg.0 as usize];
                let only = known.2 == 0 || known.0 == Some(at);
                *known = (only.then_some(at), index, known.2 + 1);
            }
        }
    }
    let mut same: BTreeMap<Reg, Reg> = BTreeMap::new();
    for (at, block) in body.blocks.iter_mut().enumerate() {
        let mut index = 0;
        block.insts.retain(|(inst, _)| {
            index += 1;
            let Inst::Mov { dst, src: Operand::Reg(src), wide: true, reloc: None } = inst else { return true };
            let of = writes[src.0 as usize];
            let settled = !dst.is_machine()
                && !src.is_machine()
                && writes[dst.0 as usize].2 == 1
                && of.0 == Some(at)
                && of.1 + 1 < index;
            if settled {
                let src = same.get(src).copied().unwrap_or(*src);
                same.insert(*dst, src);
            }
            !settled
        });
    }
    let rename = |reg: Reg| same.get(&reg).copied().unwrap_or(reg);
    for block in &mut body.blocks {
        block.insts.iter_mut().for_each(|(inst, _)| inst.rename(rename));
        block.terminator.rename(rename);
    }
}
