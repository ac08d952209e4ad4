//! Redundant-test elimination: no path evaluates a test whose result it already knows.
//!
//! ```text
//! n0 test A ? n1 : n2                   n0 test A ? n1 : n4
//! n1 test B ? n5 : n2                   n1 test B ? n5 : n3
//! n2 test A ? n3 : n4
//! n3 test C ? n5 : n4                   n3 test C ? n5 : n4
//! ```
//!
//! Rules share conditions in arbitrary combinations. The pass walks the graph in topological order and
//! propagates the known results along each edge, restricted to the tests that are still reachable. A node is
//! cloned for predecessors with different known results, so that a join does not lose them. The clones are
//! limited to a budget of [`COPIES_MAX`] plain tests; beyond it, paths join with nothing known, and tests are
//! repeated.
//!
//! The result is the reduction of an ordered decision diagram (Bryant, *Graph-Based Algorithms for Boolean
//! Function Manipulation*, 1986), reached by expanding a graph instead of reducing a tree, and with three
//! results: true, false and unknown.
//!
//! Known results are dropped at every node that is not a test: code after a lookup or an action is cold or
//! depends on the row found.

use std::collections::HashMap;

use super::build::Build;
use super::{Graph, Node, NodeId, order};
use crate::hir::Atom;

/// Budget for clones, in plain tests. A graph with fewer nodes than this has its number of nodes as the budget.
const COPIES_MAX: u32 = 64;
/// Cost (as estimated by [`order`]) of a test that counts as one plain test.
const PLAIN_COST: u32 = 8;
/// Upper bound on the size of one test, in plain tests.
const SIZE_MAX: u32 = 16;

/// Estimates the code size of a node in plain tests. Expensive tests, such as a path walk, use up the budget
/// quickly.
fn size(node: &Node) -> u32 {
    atom(node).map_or(1, |atom| (order::atom(atom) / PLAIN_COST).clamp(1, SIZE_MAX))
}

/// Results excluded by the path so far: sets of atoms as bit masks.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Known {
    not_true: u64,
    not_false: u64,
    not_unknown: u64,
}

impl Known {
    /// Adds the outcome of testing whether an atom is `sense`.
    fn learn(mut self, bit: u64, sense: bool, holds: bool) -> Known {
        let (not_sense, not_opposite) =
            if sense { (&mut self.not_true, &mut self.not_false) } else { (&mut self.not_false, &mut self.not_true) };
        if holds {
            *not_opposite |= bit;
            self.not_unknown |= bit;
        } else {
            *not_sense |= bit;
        }
        self
    }

    /// Adds that an atom is neither true nor false.
    fn learn_unreadable(mut self, bit: u64) -> Known {
        self.not_true |= bit;
        self.not_false |= bit;
        self
    }

    /// Returns the outcome of testing whether an atom is `sense`, if it follows from what is known.
    fn outcome(self, bit: u64, sense: bool) -> Option<bool> {
        let (not_sense, not_opposite) =
            if sense { (self.not_true, self.not_false) } else { (self.not_false, self.not_true) };
        if not_sense & bit != 0 {
            Some(false)
        } else if not_opposite & self.not_unknown & bit != 0 {
            Some(true)
        } else {
            None
        }
    }

    /// Forgets all atoms but those in the mask.
    fn only(self, bits: u64) -> Known {
        Known { not_true: self.not_true & bits, not_false: self.not_false & bits, not_unknown: self.not_unknown & bits }
    }
}

fn atom(node: &Node) -> Option<&Atom> {
    match node {
        Node::Test { atom, .. } => Some(atom),
        _ => None,
    }
}

/// Assigns, by node, a bit to each atom that is tested more than once, in the order of first tests. Other
/// nodes, and atoms beyond the 64th, have no bit.
fn bits(graph: &Graph) -> Vec<u64> {
    let mut uses: HashMap<&Atom, u32> = HashMap::new();
    graph.nodes.iter().filter_map(atom).for_each(|atom| *uses.entry(atom).or_default() += 1);
    let mut assigned: HashMap<&Atom, u64> = HashMap::new();
    let mut next = 1u64;
    graph
        .nodes
        .iter()
        .map(|node| match atom(node) {
            Some(atom) if uses[atom] > 1 => *assigned.entry(atom).or_insert_with(|| {
                let bit = next;
                next <<= 1;
                bit
            }),
            _ => 0,
        })
        .collect()
}

/// Returns, by node, the atoms tested at the node or after it, up to the next node that drops known results.
fn relevant(graph: &Graph, bits: &[u64]) -> Vec<u64> {
    let mut relevant = vec![0; graph.nodes.len()];
    for (at, node) in graph.nodes.iter().enumerate().rev() {
        if let Node::Test { .. } | Node::Guard { .. } = node {
            relevant[at] = node.edges().map(|to| relevant[to.index()]).fold(bits[at], |all, one| all | one);
        }
    }
    relevant
}

/// Edge to a clone of a node.
#[derive(Clone, Copy)]
struct Target {
    /// Node of the original graph.
    node: NodeId,
    /// Index into the clones of the node.
    clone: usize,
}

/// Removes tests whose results are known, cloning nodes within the budget.
pub fn eliminate(graph: Graph) -> Graph {
    let bits = bits(&graph);
    if bits.iter().all(|bit| *bit == 0) {
        return graph;
    }
    let relevant = relevant(&graph, &bits);
    let count = graph.nodes.len();
    let mut budget = COPIES_MAX.min(count as u32);
    // By node: its clones, each as the results known on entry, and the successors of each clone.
    let mut clones: Vec<Vec<Known>> = vec![Vec::new(); count];
    let mut edges: Vec<Vec<Vec<Target>>> = vec![Vec::new(); count];
    // A test that cannot be unknown is true if it is not false, on every path.
    let always = graph.nodes.iter().zip(&bits).filter_map(|(node, bit)| match node {
        Node::Test { atom, .. } if !atom.may_be_unknown() => Some(*bit),
        _ => None,
    });
    let always = always.fold(0, |all, bit| all | bit);
    let nothing = Known { not_unknown: always, ..Known::default() };
    clones[0].push(nothing.only(relevant[0]));
    for (at, node) in graph.nodes.iter().enumerate() {
        for known in clones[at].clone() {
            let targets = node.edges().enumerate().map(|(edge, to)| {
                let known = match node {
                    Node::Test { .. } if edge == 2 => known.learn_unreadable(bits[at]),
                    Node::Test { sense, .. } => known.learn(bits[at], *sense, edge == 0),
                    _ => known,
                };
                let mut to = to;
                while let Node::Test { sense, then, otherwise, .. } = &graph.nodes[to.index()]
                    && let Some(holds) = known.outcome(bits[to.index()], *sense)
                {
                    to = if holds { *then } else { *otherwise };
                }
                let there = &mut clones[to.index()];
                let known = Known { not_unknown: known.not_unknown | always, ..known };
                let own = known.only(relevant[to.index()]);
                let nothing = nothing.only(relevant[to.index()]);
                let find = |wanted, there: &[Known]| there.iter().position(|known| *known == wanted);
                let clone = find(own, there).unwrap_or_else(|| {
                    let cost = if there.is_empty() { 0 } else { size(&graph.nodes[to.index()]) };
                    let own = if cost <= budget { own } else { nothing };
                    find(own, there).unwrap_or_else(|| {
                        budget = budget.saturating_sub(cost);
                        there.push(own);
                        there.len() - 1
                    })
                });
                Target { node: to, clone }
            });
            let targets = targets.collect();
            edges[at].push(targets);
        }
    }
    let mut build = Build::new(true);
    let mut ids: Vec<Vec<NodeId>> = vec![Vec::new(); count];
    for (at, node) in graph.nodes.iter().enumerate().rev() {
        for targets in &edges[at] {
            let mut node = node.clone();
            node.edges_mut().zip(targets).for_each(|(to, target)| *to = ids[target.node.index()][target.clone]);
            let id = match &node {
                // A test with one successor is not needed.
                Node::Test { then, otherwise, unreadable: None, .. } if then == otherwise => *then,
                _ => build.push(node),
            };
            ids[at].push(id);
        }
    }
    build.finish(graph.hook, graph.part, ids[0][0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_follows_exactly_if_it_is_the_only_one_left() {
        // After each pair of tests, the results among true, false and unknown that are left.
        let tests = [(true, true), (true, false), (false, true), (false, false)];
        for first in tests {
            for second in tests {
                for always_known in [false, true] {
                    let mut known = Known { not_unknown: u64::from(always_known), ..Known::default() };
                    let mut left = vec![Some(true), Some(false)];
                    left.extend((!always_known).then_some(None));
                    for (sense, holds) in [first, second] {
                        known = known.learn(1, sense, holds);
                        left.retain(|answer| (*answer == Some(sense)) == holds);
                    }
                    for sense in [true, false] {
                        let is = left.iter().map(|answer| *answer == Some(sense)).collect::<Vec<_>>();
                        let wanted = match (is.contains(&true), is.contains(&false)) {
                            (true, false) => Some(true),
                            (false, true) => Some(false),
                            (true, true) => None,
                            // The two outcomes contradict each other, so no path has both.
                            (false, false) => continue,
                        };
                        assert_eq!(known.outcome(1, sense), wanted, "{first:?} {second:?} {sense} {left:?}");
                        assert_eq!(known.outcome(2, sense), None, "another atom");
                        assert_eq!(known.only(2).outcome(1, sense), None, "after the atom is dropped");
                    }
                }
            }
        }
    }
}
