//! Hot/cold splitting: rarely executed blocks move after the others.
//!
//! ```text
//! b0: v12 = load ..                   b0: v12 = load ..
//!     if v12 & 4 then b1 else b2          if v12 & 4 then b2 else b1
//! b1 cold: call .. exit               b1: exit
//! b2: exit                            b2 cold: call .. exit
//! ```
//!
//! Recording an event is rare and calls a dozen helpers. Blocks with an expensive call count as cold, too,
//! unless every path begins with one. Blocks that only lead to such code, or are only reached from it, are
//! cold as well. Cold blocks that never return to hot code form a region at the end, so that the tests of the
//! common path follow each other without jumps. Blocks that both hot and cold code reach are duplicated up to
//! a budget, which makes more of the cold code end without a return to hot blocks.

use std::collections::BTreeMap;

use crate::mir::analysis::cfg::{for_each_target, reorder};
use crate::mir::{Block, BlockId, Body, Terminator};

/// The most instructions of an exit block that is always duplicated.
pub const EXIT_INSTS_MAX: usize = 2;
/// The most instructions, terminators included, of all blocks that are duplicated so that cold code need not
/// return to hot blocks.
const DUPLICATED_INSTS_MAX: usize = 300;

/// Runs the pass on a body.
pub fn run(body: &mut Body) {
    let count = body.blocks.len();
    // A block with an expensive call is cold unless the entry block has one.
    if !body.blocks[0].expensive {
        body.blocks.iter_mut().for_each(|block| block.cold |= block.expensive);
    }
    for at in (0..count).rev() {
        // A block all of whose successors are cold is as rare as they are.
        let block = &body.blocks[at];
        let rare = block.terminator != Terminator::Exit
            && block.terminator.targets().all(|to| body.blocks[to.0 as usize].cold);
        body.blocks[at].cold |= rare;
    }
    let mut before: Vec<(bool, bool)> = vec![(false, false); count];
    before[0].0 = true;
    for at in 0..count {
        let (hot, cold) = before[at];
        // Unreachable blocks are removed later.
        body.blocks[at].cold |= cold && !hot;
        let cold = body.blocks[at].cold;
        if hot || before[at].1 {
            body.blocks[at].terminator.targets().for_each(|to| {
                let seen = &mut before[to.0 as usize];
                if cold { seen.1 = true } else { seen.0 = true }
            });
        }
    }
    // Blocks that hot and cold code reach are duplicated within the budget; short exits always are.
    let after_cold = after_cold(body);
    let twice = |at: &usize| after_cold[*at] && before[*at].0 && !body.blocks[*at].cold;
    let all: usize = (0..count).filter(twice).map(|at| body.blocks[at].insts.len() + 1).sum();
    let short = |block: &Block| block.terminator == Terminator::Exit && block.insts.len() <= EXIT_INSTS_MAX;
    let copied: Vec<usize> =
        (0..count).filter(twice).filter(|at| all <= DUPLICATED_INSTS_MAX || short(&body.blocks[*at])).collect();
    let copies: BTreeMap<BlockId, BlockId> =
        copied.iter().enumerate().map(|(index, at)| (BlockId(*at as u32), BlockId((count + index) as u32))).collect();
    for at in &copied {
        let copy = Block { cold: true, ..body.blocks[*at].clone() };
        body.blocks.push(copy);
    }
    for block in body.blocks.iter_mut().filter(|block| block.cold) {
        for_each_target(&mut block.terminator, |to| *to = copies.get(to).copied().unwrap_or(*to));
    }
    // Each duplicate follows its original.
    let mut order: Vec<usize> = (0..body.blocks.len()).collect();
    order.sort_by_key(|at| if *at < count { (*at, 0) } else { (copied[*at - count], 1) });
    let mut sinks = vec![false; body.blocks.len()];
    for at in order.iter().rev() {
        let block = &body.blocks[*at];
        sinks[*at] = block.cold && block.terminator.targets().all(|to| sinks[to.0 as usize]);
    }
    if sinks[0] {
        // All code is cold.
        return;
    }
    let (stay, go): (Vec<usize>, Vec<usize>) = order.into_iter().partition(|at| !sinks[*at]);
    let cold_start = stay.len() as u32;
    reorder(body, &stay.into_iter().chain(go).collect::<Vec<_>>());
    body.cold_start = cold_start;
}

/// For each block, true if a cold block leads to it.
fn after_cold(body: &Body) -> Vec<bool> {
    let mut after = vec![false; body.blocks.len()];
    for at in 0..body.blocks.len() {
        if body.blocks[at].cold || after[at] {
            body.blocks[at].terminator.targets().for_each(|to| after[to.0 as usize] = true);
        }
    }
    after
}

#[cfg(test)]
mod tests;
