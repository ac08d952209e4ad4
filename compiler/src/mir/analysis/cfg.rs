//! The control-flow graph: reachability, predecessors, dominators, and edits of the block order.
//!
//! ```text
//! b0 -> b1, b2      immediate dominators: b1 -> b0, b2 -> b0, b3 -> b0
//! b1 -> b3          single predecessors:  b1 <- b0, b2 <- b0
//! b2 -> b3
//! ```
//!
//! Edges lead to later blocks only, so one traversal in block order visits all predecessors of a block before
//! the block. Dominators follow from that order as in Cooper, Harvey and Kennedy, *A Simple, Fast Dominance
//! Algorithm* (2001), without an iteration.

use crate::mir::{Block, BlockId, Body, Terminator};

/// The largest number of dominators that [`dominates`] visits. A dominator that is further away counts as
/// none, which costs an optimisation and keeps the passes linear.
const DOMINATOR_STEPS_MAX: usize = 256;

/// For each block, true if it is reachable from the entry.
pub fn reachable(body: &Body) -> Vec<bool> {
    let mut reachable = vec![false; body.blocks.len()];
    reachable[0] = true;
    for at in 0..body.blocks.len() {
        if reachable[at] {
            body.blocks[at].terminator.targets().for_each(|to| reachable[to.0 as usize] = true);
        }
    }
    reachable
}

/// The only edge into a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Predecessor that the edge leaves.
    pub from: BlockId,
    /// For a conditional branch, the result of the comparison that takes this edge.
    pub holds: Option<bool>,
}

/// For each block, its incoming edge if there is exactly one from reachable blocks.
pub fn single_edges(body: &Body) -> Vec<Option<Edge>> {
    let mut edges: Vec<(u32, Option<Edge>)> = vec![(0, None); body.blocks.len()];
    let reachable = reachable(body);
    for (at, block) in body.blocks.iter().enumerate().filter(|(at, _)| reachable[*at]) {
        let then = match block.terminator {
            Terminator::Branch { then, .. } => Some(then),
            Terminator::Jump(_) | Terminator::Exit => None,
        };
        for to in block.terminator.targets() {
            let seen = &mut edges[to.0 as usize];
            *seen = (seen.0 + 1, Some(Edge { from: BlockId(at as u32), holds: then.map(|then| then == to) }));
        }
    }
    edges.into_iter().map(|(count, edge)| edge.filter(|_| count == 1)).collect()
}

/// For each block, its immediate dominator; none for the entry and for unreachable blocks.
pub fn immediate_dominators(body: &Body) -> Vec<Option<usize>> {
    let mut dominators: Vec<Option<usize>> = vec![None; body.blocks.len()];
    let reachable = reachable(body);
    for at in (0..body.blocks.len()).filter(|at| reachable[*at]) {
        for to in body.blocks[at].terminator.targets() {
            let to = to.0 as usize;
            dominators[to] = Some(match dominators[to] {
                None => at,
                Some(known) => {
                    let (mut a, mut b) = (known, at);
                    while a != b {
                        if a > b {
                            a = dominators[a].unwrap_or(0);
                        } else {
                            b = dominators[b].unwrap_or(0);
                        }
                    }
                    a
                }
            });
        }
    }
    dominators
}

/// Returns true if block `high` strictly dominates block `low` within `DOMINATOR_STEPS_MAX` steps.
pub fn dominates(dominators: &[Option<usize>], high: usize, low: usize) -> bool {
    let mut at = low;
    for _ in 0..DOMINATOR_STEPS_MAX {
        match dominators[at] {
            Some(next) if next > high => at = next,
            other => return other == Some(high),
        }
    }
    false
}

/// Follows blocks that contain nothing but a jump, and returns the first other block.
pub fn skip_forwarding(body: &Body, mut at: BlockId) -> BlockId {
    loop {
        let block = &body.blocks[at.0 as usize];
        match block.terminator {
            Terminator::Jump(to) if block.insts.is_empty() => at = to,
            _ => return at,
        }
    }
}

/// Calls `each` with the successors of a terminator, which it can replace.
pub fn for_each_target(terminator: &mut Terminator, mut each: impl FnMut(&mut BlockId)) {
    match terminator {
        Terminator::Jump(to) => each(to),
        Terminator::Branch { then, otherwise, .. } => {
            each(then);
            each(otherwise);
        }
        Terminator::Exit => {}
    }
}

/// Removes the blocks that are not kept; no kept block may have an edge to one of them.
pub fn keep_only(body: &mut Body, kept: &[bool]) {
    let order: Vec<usize> = (0..body.blocks.len()).filter(|at| kept[*at]).collect();
    body.cold_start = order.iter().filter(|at| **at < body.cold_start as usize).count() as u32;
    reorder(body, &order);
}

/// Puts blocks into the given order. Blocks that the order omits are removed; no other block may have an edge
/// to them.
pub fn reorder(body: &mut Body, order: &[usize]) {
    let mut places = vec![BlockId(0); body.blocks.len()];
    for (to, from) in order.iter().enumerate() {
        places[*from] = BlockId(to as u32);
    }
    let mut blocks: Vec<Option<Block>> = std::mem::take(&mut body.blocks).into_iter().map(Some).collect();
    body.blocks = order.iter().filter_map(|from| blocks[*from].take()).collect();
    for block in &mut body.blocks {
        for_each_target(&mut block.terminator, |to| *to = places[to.0 as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mir::text::parse;

    /// Immediate dominators of a nest of branches, computed by hand.
    #[test]
    fn dominators_are_the_blocks_of_every_path() {
        let code = parse(
            "b0: v11 = r1
                 if v11 == 1 then b1 else b4
             b1: if v11 == 2 then b2 else b3
             b2: goto b5
             b3: goto b5
             b4: goto b6
             b5: goto b6
             b6: goto b8
             b7: goto b8
             b8: r0 = 0
                 exit",
        );
        // The unreachable b7 does not count as a predecessor of b8.
        let wanted = [None, Some(0), Some(1), Some(1), Some(0), Some(1), Some(0), None, Some(6)];
        assert_eq!(immediate_dominators(&code), wanted);
        for (high, low, wanted) in
            [(0, 8, true), (1, 5, true), (1, 6, false), (2, 5, false), (4, 6, false), (6, 8, true)]
        {
            assert_eq!(dominates(&immediate_dominators(&code), high, low), wanted, "b{high} dominates b{low}");
        }
    }

    #[test]
    fn blocks_that_only_jump_are_passed() {
        let code = parse("b0: goto b1\nb1: goto b3\nb2: r0 = 0\ngoto b3\nb3: exit");
        assert_eq!(
            [0, 1, 2, 3].map(|at| skip_forwarding(&code, BlockId(at))),
            [BlockId(3), BlockId(3), BlockId(2), BlockId(3)]
        );
    }
}
