//! Small things, before registers are given out.
//!
//! A constant stands where it is used, where an instruction takes one; a copy whose upper half the next instruction
//! clears is a whole copy, which often vanishes.
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
