//! Dead-code elimination: instructions whose result is not read are removed.
//!
//! ```text
//! v12 = load 8 [v11]
//! v13 = load 8 [v11 + 8]      v13 = load 8 [v11 + 8]
//! r0 = v13                    r0 = v13
//! ```
//!
//! Calls, stores and atomic operations have effects and stay.

use std::collections::BTreeSet;

use crate::mir::{Body, Inst, Reg};

/// Runs the pass on a body.
pub fn run(body: &mut Body) {
    // For each block, the registers that are live at its entry.
    let mut live_in: Vec<Vec<Reg>> = vec![Vec::new(); body.blocks.len()];
    let mut read: BTreeSet<Reg> = BTreeSet::new();
    for (at, block) in body.blocks.iter_mut().enumerate().rev() {
        read.clear();
        block.terminator.targets().for_each(|to| read.extend(&live_in[to.0 as usize]));
        block.terminator.uses(|reg| _ = read.insert(reg));
        let mut kept = Vec::with_capacity(block.insts.len());
        for (inst, span) in block.insts.drain(..).rev() {
            let has_effect =
                matches!(inst, Inst::Call { .. } | Inst::Invoke { .. } | Inst::Store { .. } | Inst::AtomicAdd { .. });
            // Machine registers hold arguments and results of calls.
            if has_effect || inst.def().is_none_or(|reg| reg.is_machine() || read.contains(&reg)) {
                inst.def().map(|reg| read.remove(&reg));
                inst.uses(|reg| _ = read.insert(reg));
                kept.push((inst, span));
            }
        }
        kept.reverse();
        block.insts = kept;
        live_in[at] = read.iter().copied().collect();
    }
}
