//! Definitions of registers: how many there are, and the blocks that contain them.
//!
//! ```text
//! b0: v11 = r1          counts: v11 1, v12 2        blocks: v12 in b0 and b1
//!     v12 = 0
//! b1: v12 += 1
//! ```
//!
//! A virtual register with one definition has the same value wherever it is read.

use crate::mir::{BlockId, Body, Reg};

/// For each register, its number of definitions.
pub fn counts(body: &Body) -> Vec<u32> {
    let mut counts = vec![0u32; body.next as usize];
    for (inst, _) in body.blocks.iter().flat_map(|block| &block.insts) {
        if let Some(reg) = inst.def() {
            counts[reg.0 as usize] += 1;
        }
    }
    counts
}

/// Returns true for a virtual register with one definition.
pub fn is_single(counts: &[u32], reg: Reg) -> bool {
    !reg.is_machine() && counts[reg.0 as usize] == 1
}

/// For each register, the blocks that define it, ascending.
pub struct DefiningBlocks(Vec<Vec<u32>>);

impl DefiningBlocks {
    /// Collects the defining blocks of all registers.
    pub fn of(body: &Body) -> DefiningBlocks {
        let mut blocks = vec![Vec::new(); body.next as usize];
        for (at, block) in body.blocks.iter().enumerate() {
            for reg in block.insts.iter().filter_map(|(inst, _)| inst.def()) {
                let known: &mut Vec<u32> = &mut blocks[reg.0 as usize];
                if known.last() != Some(&(at as u32)) {
                    known.push(at as u32);
                }
            }
        }
        DefiningBlocks(blocks)
    }

    /// Returns true if no block after `first` and up to `second` defines the register. Blocks on a path
    /// between the two have numbers between theirs.
    pub fn none_between(&self, reg: Reg, first: BlockId, second: BlockId) -> bool {
        let blocks = &self.0[reg.0 as usize];
        blocks.partition_point(|at| *at <= first.0) == blocks.partition_point(|at| *at <= second.0)
    }
}
