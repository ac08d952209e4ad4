//! What a way has asked is not asked again on it.
//!
//! ```text
//! n0 test A ? n1 : n2                   n0 test A ? n1 : n4
//! n1 test B ? n5 : n2                   n1 test B ? n5 : n3
//! n2 test A ? n3 : n4
//! n3 test C ? n5 : n4                   n3 test C ? n5 : n4
//! ```
//!
//! Rules share conditions in all combinations. A way carries the answers that it has, as far as something behind it asks for
//! them; ways with different answers get nodes of their own, so that what one knows is not lost where it meets another. A
//! graph grows by a bounded number of nodes: beyond it ways meet, and ask again. It is the construction of an ordered
//! decision diagram (Bryant, 1986) from the other end, with three answers: true, false, unknown.
//!
//! Answers are dropped where something is recorded or searched for: what is behind is rare, or depends on what was found.

use std::collections::HashMap;

use super::build::Build;
use super::{Graph, Node, NodeId, order};
use crate::hir::Atom;

/// Plain tests by which a graph grows, at most; and never by more than it has nodes.
const COPIES_MAX: u32 = 64;
/// What costs this much is as large as a plain test.
const PLAIN_COST: u32 = 8;
/// As many plain tests as the largest test counts for.
const SIZE_MAX: u32 = 16;

/// How much code a node makes, in plain tests: what walks a path is not copied lightly.
fn size(node: &Node) -> u32 {
    atom(node).map_or(1, |atom| (order::atom(atom) / PLAIN_COST).clamp(1, SIZE_MAX))
}

/// Answers to atoms, a bit for each: what they are known not to be.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Answers {
    not_true: u64,
    not_false: u64,
    not_unknown: u64,
}

impl Answers {
    /// What is known where it was asked whether an atom is known to be `sense`, and it was so or not.
    fn learn(mut self, bit: u64, sense: bool, holds: bool) -> Answers {
        let (not_so, not_other) =
            if sense { (&mut self.not_true, &mut self.not_false) } else { (&mut self.not_false, &mut self.not_true) };
        if holds {
            *not_other |= bit;
            self.not_unknown |= bit;
        } else {
            *not_so |= bit;
        }
        self
    }

    /// Whether an atom is known to be `sense`, where that is known.
    fn answer(self, bit: u64, sense: bool) -> Option<bool> {
        let (not_so, not_other) = if sense { (self.not_true, self.not_false) } else { (self.not_false, self.not_true) };
        if not_so & bit != 0 {
            Some(false)
        } else if not_other & self.not_unknown & bit != 0 {
            Some(true)
        } else {
            None
        }
    }

    fn only(self, bits: u64) -> Answers {
        Answers {
            not_true: self.not_true & bits,
            not_false: self.not_false & bits,
            not_unknown: self.not_unknown & bits,
        }
    }
}

fn atom(node: &Node) -> Option<&Atom> {
    match node {
        Node::Test { atom, .. } => Some(atom),
        _ => None,
    }
}

/// The bit of each atom that is asked more than once, in the order of their first questions; as many as there are bits.
fn bits(graph: &Graph) -> Vec<u64> {
    let mut asked: HashMap<&Atom, u32> = HashMap::new();
    graph.nodes.iter().filter_map(atom).for_each(|atom| *asked.entry(atom).or_default() += 1);
    let mut known: HashMap<&Atom, u64> = HashMap::new();
    let mut next = 1u64;
    graph
        .nodes
        .iter()
        .map(|node| match atom(node) {
            Some(atom) if asked[atom] > 1 => *known.entry(atom).or_insert_with(|| {
                let bit = next;
                next <<= 1;
                bit
            }),
            _ => 0,
        })
        .collect()
}

/// What is still asked behind each node, itself included, up to where answers are dropped.
fn relevant(graph: &Graph, bits: &[u64]) -> Vec<u64> {
    let mut relevant = vec![0; graph.nodes.len()];
    for (at, node) in graph.nodes.iter().enumerate().rev() {
        if let Node::Test { .. } | Node::Guard { .. } = node {
            relevant[at] = node.edges().map(|to| relevant[to.index()]).fold(bits[at], |all, one| all | one);
        }
    }
    relevant
}

/// A node for ways with certain answers.
#[derive(Clone, Copy)]
struct Lead {
    node: NodeId,
    /// Index into the node's list.
    which: usize,
}

/// Gives ways that know different answers nodes of their own.
pub fn once(graph: Graph) -> Graph {
    let bits = bits(&graph);
    if bits.iter().all(|bit| *bit == 0) {
        return graph;
    }
    let relevant = relevant(&graph, &bits);
    let count = graph.nodes.len();
    let mut room = COPIES_MAX.min(count as u32);
    // By node: what the ways know that lead to it; and where each of them leads from there.
    let mut known: Vec<Vec<Answers>> = vec![Vec::new(); count];
    let mut edges: Vec<Vec<Vec<Lead>>> = vec![Vec::new(); count];
    // What is always known is never neither true nor false.
    let always = graph.nodes.iter().zip(&bits).filter_map(|(node, bit)| match node {
        Node::Test { atom, .. } if !atom.may_be_unknown() => Some(*bit),
        _ => None,
    });
    let always = always.fold(0, |all, bit| all | bit);
    let nothing = Answers { not_unknown: always, ..Answers::default() };
    known[0].push(nothing.only(relevant[0]));
    for (at, node) in graph.nodes.iter().enumerate() {
        for answers in known[at].clone() {
            let leads = node.edges().enumerate().map(|(edge, to)| {
                let answers = match node {
                    Node::Test { sense, .. } => answers.learn(bits[at], *sense, edge == 0),
                    _ => answers,
                };
                let mut to = to;
                while let Node::Test { sense, then, otherwise, .. } = &graph.nodes[to.index()]
                    && let Some(holds) = answers.answer(bits[to.index()], *sense)
                {
                    to = if holds { *then } else { *otherwise };
                }
                let there = &mut known[to.index()];
                let answers = Answers { not_unknown: answers.not_unknown | always, ..answers };
                let own = answers.only(relevant[to.index()]);
                let nothing = nothing.only(relevant[to.index()]);
                let which = |of, there: &[Answers]| there.iter().position(|known| *known == of);
                let which = which(own, there).unwrap_or_else(|| {
                    let copied = if there.is_empty() { 0 } else { size(&graph.nodes[to.index()]) };
                    let own = if copied <= room { own } else { nothing };
                    which(own, there).unwrap_or_else(|| {
                        room = room.saturating_sub(copied);
                        there.push(own);
                        there.len() - 1
                    })
                });
                Lead { node: to, which }
            });
            let leads = leads.collect();
            edges[at].push(leads);
        }
    }
    let mut build = Build::new(true);
    let mut ids: Vec<Vec<NodeId>> = vec![Vec::new(); count];
    for (at, node) in graph.nodes.iter().enumerate().rev() {
        for leads in &edges[at] {
            let mut node = node.clone();
            node.edges_mut().zip(leads).for_each(|(to, lead)| *to = ids[lead.node.index()][lead.which]);
            let id = match &node {
                // What both answers lead to need not be asked.
                Node::Test { then, otherwise, .. } if then == otherwise => *then,
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
    fn an_answer_is_given_only_where_it_is_known() {
        // By all that can be asked before, which of true, false and unknown are left.
        let questions = [(true, true), (true, false), (false, true), (false, false)];
        for first in questions {
            for second in questions {
                for always_known in [false, true] {
                    let mut answers = Answers { not_unknown: u64::from(always_known), ..Answers::default() };
                    let mut left = vec![Some(true), Some(false)];
                    left.extend((!always_known).then_some(None));
                    for (sense, holds) in [first, second] {
                        answers = answers.learn(1, sense, holds);
                        left.retain(|answer| (*answer == Some(sense)) == holds);
                    }
                    for sense in [true, false] {
                        let is = left.iter().map(|answer| *answer == Some(sense)).collect::<Vec<_>>();
                        let wanted = match (is.contains(&true), is.contains(&false)) {
                            (true, false) => Some(true),
                            (false, true) => Some(false),
                            (true, true) => None,
                            // The two contradict each other: no path has both.
                            (false, false) => continue,
                        };
                        assert_eq!(answers.answer(1, sense), wanted, "{first:?} {second:?} {sense} {left:?}");
                        assert_eq!(answers.answer(2, sense), None, "another atom");
                        assert_eq!(answers.only(2).answer(1, sense), None, "it was dropped");
                    }
                }
            }
        }
    }
}
