//! Block placement: the order of blocks in the encoded program, and tail duplication of short exits.
//!
//! ```text
//! b0: if .. then b2 else b1           b0: if .. then b2 else b1
//! b1: .. goto b3                      b1: ..                      falls through to b3
//! b2: .. exit                         b3: .. exit
//! b3: .. exit                         b2: .. exit
//! ```
//!
//! [`duplicate_exits`] then replaces jumps to short exits by copies of the exits.
//!
//! Invariant: edges lead to later blocks only.

use std::collections::BTreeSet;

use crate::isa::jmp::inverse;
use crate::mir::analysis::cfg::{for_each_target, reorder, skip_forwarding};
use crate::mir::passes::split_cold::EXIT_INSTS_MAX;
use crate::mir::{Block, BlockId, Body, Terminator};

/// Orders blocks so that a block follows a predecessor if its other predecessors are already placed. Most
/// paths then run without a jump. The cold region stays after the other blocks.
pub fn place_blocks(body: &mut Body) {
    let count = body.blocks.len();
    for at in 0..count {
        let mut end = body.blocks[at].terminator.clone();
        for_each_target(&mut end, |to| *to = skip_forwarding(body, *to));
        body.blocks[at].terminator = end;
    }
    // For each block, its number of edges from reachable blocks that are not placed yet.
    let mut edges = vec![0u32; count];
    let mut reachable = vec![false; count];
    reachable[0] = true;
    for at in 0..count {
        if reachable[at] {
            for to in body.blocks[at].terminator.targets() {
                reachable[to.0 as usize] = true;
                edges[to.0 as usize] += 1;
            }
        }
    }
    let cold_start = body.cold_start as usize;
    let mut ready = BTreeSet::from([0]);
    let mut order: Vec<usize> = Vec::with_capacity(count);
    let mut next = Some(0);
    while let Some(at) = next.or_else(|| ready.first().copied()) {
        ready.remove(&at);
        order.push(at);
        let targets: Vec<usize> = body.blocks[at].terminator.targets().map(|to| to.0 as usize).collect();
        for to in &targets {
            edges[*to] -= 1;
            if edges[*to] == 0 {
                ready.insert(*to);
            }
        }
        // Prefer the block that followed before, then the false successor.
        let mut follow: Vec<usize> = targets
            .into_iter()
            .rev()
            .filter(|to| ready.contains(to) && (*to < cold_start) == (at < cold_start))
            .collect();
        follow.sort_by_key(|to| *to != at + 1);
        next = follow.first().copied();
    }
    body.cold_start = order.iter().filter(|at| **at < cold_start).count() as u32;
    reorder(body, &order);
}

/// Duplicates short exits: at jumps to them, and after branches that would need a jump because neither
/// successor follows or because the comparison has no inverse.
pub fn duplicate_exits(body: &mut Body) {
    let count = body.blocks.len();
    let exit = |body: &Body, to: BlockId| -> Option<Block> {
        let block = &body.blocks[skip_forwarding(body, to).0 as usize];
        (block.terminator == Terminator::Exit && block.insts.len() <= EXIT_INSTS_MAX).then(|| block.clone())
    };
    let mut order = Vec::with_capacity(count);
    let mut cold_start = body.cold_start;
    for at in 0..count {
        order.push(at);
        let next = BlockId(at as u32 + 1);
        match body.blocks[at].terminator.clone() {
            Terminator::Jump(to) if to != next => {
                if let Some(copy) = exit(body, to) {
                    let block = &mut body.blocks[at];
                    block.insts.extend(copy.insts);
                    (block.terminator, block.terminator_span) = (copy.terminator, copy.terminator_span);
                }
            }
            Terminator::Branch { op, then, otherwise, .. } if otherwise != next => {
                let invertible = inverse(op).is_some();
                let copy = match then == next {
                    true if invertible => None,
                    // If neither successor follows, a duplicate only saves a jump, which does not pay in cold
                    // code.
                    false if body.blocks[at].cold => None,
                    true => exit(body, otherwise).map(|copy| (copy, false)),
                    false => {
                        let held = || exit(body, then).filter(|_| invertible).map(|copy| (copy, true));
                        exit(body, otherwise).map(|copy| (copy, false)).or_else(held)
                    }
                };
                if let Some((copy, holds)) = copy {
                    let new = body.blocks.len();
                    order.push(new);
                    if let Terminator::Branch { then, otherwise, .. } = &mut body.blocks[at].terminator {
                        *(if holds { then } else { otherwise }) = BlockId(new as u32);
                    }
                    body.blocks.push(copy);
                    cold_start += u32::from(at < body.cold_start as usize);
                }
            }
            _ => {}
        }
    }
    body.cold_start = cold_start;
    reorder(body, &order);
}
