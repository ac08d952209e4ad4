//! Suffix sharing between different patterns.
//!
//! ```text
//! 0  like "/srv/a/*.key"      a ┐
//! 1  like "/srv/b/*.key"      b ┴→  /  →  *  .  →  k  →  e  →  y      row 1 if entered by `a`, row 2 by `b`
//! ```
//!
//! Two nodes from which only one pattern can still match are equivalent if they differ only in the number of
//! the pattern. The deterministic states of equivalent nodes are built once. Each pattern enters them through
//! an entry state, which records its row: the output is emitted on entry instead of at the end, as in a
//! subsequential transducer.
//!
//! Absent: nodes from which several patterns can match. Their suffixes would need an output on more than one edge.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::nfa::{Nfa, Node, SelfLoop};
use crate::glob::Bytes;

/// Minimum number of nodes of a suffix that is shared. An entry has two words and costs some instructions,
/// which a shorter suffix does not save.
const NODES_MIN: u32 = 3;

/// Patterns that can still match from a node on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Possible {
    None,
    /// Only the pattern with this number.
    One(u32),
    Several,
}

impl Possible {
    fn or(self, other: Possible) -> Possible {
        match (self, other) {
            (one, Possible::None) | (Possible::None, one) => one,
            (a, b) if a == b => a,
            _ => Possible::Several,
        }
    }
}

/// Equivalence of NFA nodes up to the number of the pattern.
pub struct Suffixes {
    /// Patterns that can still match, by node.
    pub possible: Vec<Possible>,
    /// Representatives of the equivalence classes, by node.
    representative: Vec<u32>,
    /// True for nodes whose suffix is worth an entry.
    worth: Vec<bool>,
}

/// A node without pattern numbers, its targets replaced by representatives.
#[derive(PartialEq, Eq, Hash)]
struct Anonymous {
    self_loop: SelfLoop,
    accepts: bool,
    bytes: Vec<(u8, u32)>,
    sets: Vec<(Bytes, u32)>,
    epsilon: Vec<u32>,
}

impl Suffixes {
    /// Computes the equivalence from the leaves up.
    pub fn of(nfa: &Nfa) -> Suffixes {
        let possible = possible(nfa);
        let count = nfa.nodes.len();
        let mut representative: Vec<u32> = (0..count as u32).collect();
        let (mut sizes, mut uses) = (vec![1u32; count], vec![0u32; count]);
        let mut known: HashMap<u64, u32> = HashMap::new();
        for (at, node) in nfa.nodes.iter().enumerate().rev() {
            if !matches!(possible[at], Possible::One(_)) {
                continue;
            }
            let own = anonymous(node, &representative);
            let mut hasher = DefaultHasher::new();
            own.hash(&mut hasher);
            // On a hash collision, nodes are not shared.
            let first = *known.entry(hasher.finish()).or_insert(at as u32);
            if first != at as u32 && anonymous(&nfa.nodes[first as usize], &representative) == own {
                representative[at] = first;
            } else {
                let next = |sum: u32, to| sum.saturating_add(sizes[to as usize]);
                sizes[at] = own.targets().fold(1, next);
            }
            uses[representative[at] as usize] += 1;
        }
        let worth = |of: &u32| uses[*of as usize] > 1 && sizes[*of as usize] >= NODES_MIN;
        Suffixes { possible, worth: representative.iter().map(worth).collect(), representative }
    }

    /// Returns the number of the pattern if only one can match from these nodes on and the suffix is worth an
    /// entry.
    pub fn number(&self, nodes: &[u32]) -> Option<u32> {
        let first = self.possible[*nodes.first()? as usize];
        let Possible::One(number) = first else { return None };
        let all = nodes.iter().all(|node| self.possible[*node as usize] == first);
        (all && nodes.iter().any(|node| self.worth[*node as usize])).then_some(number)
    }

    /// Replaces nodes by their representatives.
    pub fn representatives(&self, mut nodes: Vec<u32>) -> Vec<u32> {
        nodes.iter_mut().for_each(|node| *node = self.representative[*node as usize]);
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }
}

fn anonymous(Node { self_loop, accepts, bytes, sets, epsilon }: &Node, representative: &[u32]) -> Anonymous {
    let target = |to: u32| representative[to as usize];
    let mut node = Anonymous {
        self_loop: *self_loop,
        accepts: !accepts.is_empty(),
        bytes: bytes.iter().map(|(byte, to)| (*byte, target(*to))).collect(),
        sets: sets.iter().map(|(set, to)| (*set, target(*to))).collect(),
        epsilon: epsilon.iter().map(|to| target(*to)).collect(),
    };
    node.epsilon.sort_unstable();
    node
}

impl Anonymous {
    fn targets(&self) -> impl Iterator<Item = u32> {
        let (bytes, sets) = (self.bytes.iter().map(|(_, to)| *to), self.sets.iter().map(|(_, to)| *to));
        bytes.chain(sets).chain(self.epsilon.iter().copied())
    }
}

fn possible(nfa: &Nfa) -> Vec<Possible> {
    let mut possible = vec![Possible::None; nfa.nodes.len()];
    for (at, node) in nfa.nodes.iter().enumerate().rev() {
        let next = node.bytes.iter().map(|(_, to)| to).chain(node.sets.iter().map(|(_, to)| to)).chain(&node.epsilon);
        let here = node.accepts.iter().map(|number| Possible::One(*number));
        possible[at] = here.chain(next.map(|to| possible[*to as usize])).fold(Possible::None, Possible::or);
    }
    possible
}
