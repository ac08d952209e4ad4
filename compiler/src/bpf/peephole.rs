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

/// Widens copies that the next instruction narrows.
pub fn copies(code: &mut Code) {
    for block in &mut code.blocks {
        for at in 1..block.insts.len() {
            let (before, after) = block.insts.split_at_mut(at);
            if let (
                Some((Inst::Mov { dst, src: Src::Reg(_), wide, reloc: None }, _)),
                (Inst::Alu { dst: changed, wide: false, src, .. }, _),
            ) = (before.last_mut().map(|last| (&mut last.0, last.1)), &after[0])
                && dst == changed
                && *src != Src::Reg(*dst)
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
