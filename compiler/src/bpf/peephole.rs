//! Small things, before registers are given out.
//!
//! A constant stands where it is used, where an instruction takes one; a copy whose upper half the next instruction
//! clears is a whole copy, which often vanishes.
//!
//! A register that is a copy of another is that one, where the other changes no more.
//!
//! Invariant: no instruction is added.

use std::collections::BTreeMap;

use super::vcode::{Code, End, Inst, Src, V};

/// Puts constants where they are used.
pub fn constants(code: &mut Code) {
    let mut known: BTreeMap<V, Option<i32>> = BTreeMap::new();
    for (inst, _) in code.blocks.iter().flat_map(|block| &block.insts) {
        let Some(dst) = inst.def().filter(|dst| !dst.is_machine()) else { continue };
        let constant = match inst {
            Inst::Mov { src: Src::Imm(imm), wide: true, reloc: None, .. } => Some(*imm),
            _ => None,
        };
        // Written twice, it is none.
        known.entry(dst).and_modify(|known| *known = None).or_insert(constant);
    }
    let put = |src: &mut Src| {
        if let Src::Reg(reg) = src
            && let Some(Some(imm)) = known.get(reg)
        {
            *src = Src::Imm(*imm);
        }
    };
    for block in &mut code.blocks {
        for (inst, _) in &mut block.insts {
            match inst {
                // A 32-bit move takes the low half of either.
                Inst::Mov { src, reloc: None, .. } | Inst::Alu { src, reloc: None, .. } | Inst::Store { src, .. } => {
                    put(src)
                }
                _ => {}
            }
        }
        if let End::Branch { right, .. } = &mut block.end {
            put(right);
        }
    }
}

/// Widens copies that the next instruction narrows. A 32-bit operation reads the low halves of its operands only, so that
/// the upper half of the copy does not matter, even where the copy is both operands.
pub fn copies(code: &mut Code) {
    for block in &mut code.blocks {
        for at in 1..block.insts.len() {
            let (before, after) = block.insts.split_at_mut(at);
            if let (
                Some((Inst::Mov { dst, src: Src::Reg(_), wide, reloc: None }, _)),
                (Inst::Alu { dst: changed, wide: false, .. }, _),
            ) = (before.last_mut().map(|last| (&mut last.0, last.1)), &after[0])
                && dst == changed
            {
                *wide = true;
            }
        }
    }
}

/// Takes a register itself for a copy of it, where all that changes it stands before the copy in the same block.
pub fn joined(code: &mut Code) {
    // Of each register: the block of its last write, where that is the only one that has any; the index there; how many.
    let mut writes: Vec<(Option<usize>, usize, u32)> = vec![(None, 0, 0); code.next as usize];
    for (at, block) in code.blocks.iter().enumerate() {
        for (index, (inst, _)) in block.insts.iter().enumerate() {
            if let Some(reg) = inst.def() {
                let known = &mut writes[reg.0 as usize];
                let only = known.2 == 0 || known.0 == Some(at);
                *known = (only.then_some(at), index, known.2 + 1);
            }
        }
    }
    let mut same: BTreeMap<V, V> = BTreeMap::new();
    for (at, block) in code.blocks.iter_mut().enumerate() {
        let mut index = 0;
        block.insts.retain(|(inst, _)| {
            index += 1;
            let Inst::Mov { dst, src: Src::Reg(src), wide: true, reloc: None } = inst else { return true };
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
    let rename = |reg: V| same.get(&reg).copied().unwrap_or(reg);
    for block in &mut code.blocks {
        block.insts.iter_mut().for_each(|(inst, _)| inst.rename(rename));
        block.end.rename(rename);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{becomes, stays};
    use super::*;

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
            constants,
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
            // An operand is extended with its sign, a 32-bit move with zeros.
            "w12 = -1",
            // Only a loader knows the number.
            "v12 = size(inode.i_mode)",
            "v12 = 0x100000000 ll",
            "v12 = v11",
        ] {
            stays(&format!("b0: v11 = r1\n{write}\nr0 = v12\nexit"), constants);
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
            constants,
        );
    }

    #[test]
    fn a_copy_before_a_narrow_operation_is_widened() {
        for operation in ["w12 += 1", "w12 += w11", "w12 += w12", "w12 = -w12", "w12 &= size(inode.i_mode)"] {
            becomes(
                &format!("b0: v11 = r1\nw12 = w11\n{operation}\nr0 = v12\nexit"),
                copies,
                &format!("b0: v11 = r1\nv12 = v11\n{operation}\nr0 = v12\nexit"),
            );
        }
    }

    #[test]
    fn a_copy_whose_upper_half_is_read_stays_narrow() {
        for next in ["v12 += 1", "w13 += 1", "store 8 [v11] = v12", "w13 = w12", "v12 = be16 v12"] {
            stays(&format!("b0: v11 = r1\nw12 = w11\n{next}\nr0 = v12\nexit"), copies);
        }
        stays("b0: v11 = r1\nw12 = -1\nw12 += 1\nr0 = v12\nexit", copies);
        stays("b0: v11 = r1\nw12 = w11\nstore 8 [v11] = v12\nw12 += 1\nr0 = v12\nexit", copies);
    }

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
            joined,
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
            stays(&format!("b0: v11 = load 8 [r1]\nv12 = load 8 [v11]\n{copy}\n{after}\nr0 = v13\nexit"), joined);
        }
        // A result of a call is in `r0` until the next one.
        stays("b0: call 5/0\nv12 = r0\ncall 6/0\nr0 = v12\nexit", joined);
        // Machine registers are read at calls and exits only.
        stays("b0: call 5/0\nv12 = r0\nstore 8 [r10 - 8] = v12\nexit", joined);
    }

    /// The value is the copy's only where all writes stand before it in its block.
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
            joined,
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
            joined,
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
            joined,
        );
    }
}
