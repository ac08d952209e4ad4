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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bodies::{becomes, stays};
    #[test]
    fn a_copy_of_a_settled_register_is_coalesced() {
        becomes(
            "b0: v11 = r1
                 v12 = load 8 [v11]
                 v12 += 1
                 v13 = v12
                 v14 = v13
                 store 8 [v11] = v14
                 if v13 == 0 then b1 else b1
             b1: r0 = v13
                 exit",
            run,
            "b0: v11 = r1
                 v12 = load 8 [v11]
                 v12 += 1
                 store 8 [v11] = v12
                 if v12 == 0 then b1 else b1
             b1: r0 = v12
                 exit",
        );
    }

    #[test]
    fn a_copy_whose_source_or_result_changes_stays() {
        for (copy, after) in [
            ("v13 = v12", "v12 += 1"),
            ("v13 = v12", "v12 = load 8 [v11]"),
            ("v13 = v12", "v13 += 1"),
            ("w13 = w12", ""),
            ("r1 = v12", "call 5/1"),
        ] {
            stays(&format!("b0: v11 = load 8 [r1]\nv12 = load 8 [v11]\n{copy}\n{after}\nr0 = v13\nexit"), run);
        }
        // The result of a call is in `r0` only until the next call.
        stays("b0: call 5/0\nv12 = r0\ncall 6/0\nr0 = v12\nexit", run);
        // A copy of a machine register stays even if no call follows.
        stays("b0: call 5/0\nv12 = r0\nstore 8 [r10 - 8] = v12\nexit", run);
    }

    #[test]
    fn a_copy_of_what_another_block_writes_stays() {
        stays(
            "b0: v11 = load 8 [r1]
                 v12 = load 8 [v11]
                 if v11 == 0 then b1 else b2
             b1: v12 = load 8 [v11 + 8]
                 goto b2
             b2: v13 = v12
                 r0 = v13
                 exit",
            run,
        );
        stays(
            "b0: v11 = load 8 [r1]
                 v12 = load 8 [v11]
                 v13 = v12
                 if v11 == 0 then b1 else b2
             b1: v12 = load 8 [v11 + 8]
                 store 8 [v11] = v12
                 goto b2
             b2: r0 = v13
                 exit",
            run,
        );
        stays(
            "b0: v11 = load 8 [r1]
                 v12 = 1
                 if v11 == 0 then b1 else b2
             b1: v12 = load 8 [v11 + 8]
                 v13 = v12
                 store 8 [v11] = v13
                 goto b2
             b2: r0 = v12
                 exit",
            run,
        );
    }
}
