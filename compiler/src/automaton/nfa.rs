//! Nondeterministic automaton of several patterns.
//!
//! ```text
//! like "/a*"      n0 --/--> n1 --a--> n2 --ε--> n3    n3 loops on all bytes but `/` and accepts
//! ```
//!
//! Patterns are inserted into a trie, which shares equal prefixes. [`Nfa::merge_equal`] then merges equal nodes
//! from the leaves up, which shares equal suffixes of patterns with the same number.
//!
//! Invariants: apart from self loops, an edge leads to a node with a larger index, so the graph is acyclic;
//! node 0 is the initial one.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::TooComplex;
use crate::glob::{self, Bytes, Piece};
use crate::text_test::TextTest;

/// Maximum number of nodes. A larger automaton would exceed the 23 bits of a target in any case.
const NODES_MAX: usize = 1 << 22;

/// State of the nondeterministic automaton.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Node {
    /// Bytes that lead back to the node.
    pub self_loop: SelfLoop,
    /// Numbers of the patterns that match a text ending here, ascending.
    pub accepts: Vec<u32>,
    /// Edges for single bytes.
    pub bytes: Vec<(u8, u32)>,
    /// Edges for sets of bytes.
    pub sets: Vec<(Bytes, u32)>,
    /// Edges that consume no byte.
    pub epsilon: Vec<u32>,
}

/// Bytes of the loop from a node to itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SelfLoop {
    /// The node has no loop.
    #[default]
    No,
    /// All bytes but `/`.
    Names,
    /// All bytes, `/` included.
    Any,
}

impl SelfLoop {
    /// Returns the bytes of the loop, if there is one.
    #[must_use]
    pub fn bytes(self) -> Option<Bytes> {
        match self {
            SelfLoop::No => None,
            SelfLoop::Names => Some(Bytes::NAMES),
            SelfLoop::Any => Some(Bytes::of(0..=u8::MAX)),
        }
    }
}

/// Nondeterministic automaton of several patterns.
#[derive(Clone, Debug)]
pub struct Nfa {
    /// Nodes, the initial one first; not empty.
    pub nodes: Vec<Node>,
}

impl Default for Nfa {
    fn default() -> Nfa {
        Nfa { nodes: vec![Node::default()] }
    }
}

impl Nfa {
    /// Adds a pattern with a number.
    pub fn add(&mut self, pattern: &TextTest, number: u32) -> Result<(), TooComplex> {
        let accepts = |nfa: &mut Nfa, node: u32| {
            let accepts = &mut nfa.nodes[node as usize].accepts;
            if let Err(at) = accepts.binary_search(&number) {
                accepts.insert(at, number);
            }
        };
        let end = match pattern {
            TextTest::OneOf(texts) => {
                for text in texts {
                    let end = self.text(0, text);
                    accepts(self, end);
                }
                return self.bounded();
            }
            TextTest::Under(directory) => {
                let end = self.text(0, directory);
                accepts(self, end);
                let below = self.byte(end, b'/');
                self.run(below, SelfLoop::Any)
            }
            TextTest::StartsWith(text) => {
                let end = self.text(0, text);
                self.run(end, SelfLoop::Any)
            }
            TextTest::EndsWith(text) => {
                let any = self.run(0, SelfLoop::Any);
                self.text(any, text)
            }
            TextTest::Contains(text) => {
                let any = self.run(0, SelfLoop::Any);
                let end = self.text(any, text);
                self.run(end, SelfLoop::Any)
            }
            TextTest::Like(pattern) => {
                let pieces = glob::parse(pattern).map_err(|_| TooComplex)?;
                self.pieces(0, &pieces)
            }
        };
        accepts(self, end);
        self.bounded()
    }

    fn bounded(&self) -> Result<(), TooComplex> {
        if self.nodes.len() > NODES_MAX { Err(TooComplex) } else { Ok(()) }
    }

    fn node(&mut self, self_loop: SelfLoop) -> u32 {
        self.nodes.push(Node { self_loop, ..Node::default() });
        self.nodes.len() as u32 - 1
    }

    fn byte(&mut self, from: u32, byte: u8) -> u32 {
        match self.nodes[from as usize].bytes.iter().find(|(known, _)| *known == byte) {
            Some((_, to)) => *to,
            None => {
                let to = self.node(SelfLoop::No);
                let bytes = &mut self.nodes[from as usize].bytes;
                // There are many nodes, and most of them have one edge.
                bytes.reserve_exact(usize::from(bytes.is_empty()));
                bytes.push((byte, to));
                to
            }
        }
    }

    fn text(&mut self, from: u32, text: &[u8]) -> u32 {
        text.iter().fold(from, |from, byte| self.byte(from, *byte))
    }

    fn set(&mut self, from: u32, set: Bytes) -> u32 {
        match self.nodes[from as usize].sets.iter().find(|(known, _)| *known == set) {
            Some((_, to)) => *to,
            None => {
                let to = self.node(SelfLoop::No);
                self.nodes[from as usize].sets.push((set, to));
                to
            }
        }
    }

    fn run(&mut self, from: u32, self_loop: SelfLoop) -> u32 {
        let known =
            self.nodes[from as usize].epsilon.iter().find(|to| self.nodes[**to as usize].self_loop == self_loop);
        match known {
            Some(to) => *to,
            None => {
                let to = self.node(self_loop);
                self.nodes[from as usize].epsilon.push(to);
                to
            }
        }
    }

    fn pieces(&mut self, from: u32, pieces: &[Piece]) -> u32 {
        pieces.iter().fold(from, |from, piece| match piece {
            Piece::Byte(byte) => self.byte(from, *byte),
            Piece::OneOf(set) => self.set(from, *set),
            Piece::Names => self.run(from, SelfLoop::Names),
            Piece::Any => self.run(from, SelfLoop::Any),
            Piece::Choice(choices) => {
                let ends: Vec<u32> = choices.iter().map(|choice| self.pieces(from, choice)).collect();
                // The join is not shared with other patterns: what follows it would follow their alternatives
                // as well.
                let join = self.node(SelfLoop::No);
                ends.into_iter().for_each(|end| self.nodes[end as usize].epsilon.push(join));
                join
            }
        })
    }

    /// Merges nodes with equal edges and accepted patterns.
    #[must_use]
    pub fn merge_equal(self) -> Nfa {
        let count = self.nodes.len();
        // From the leaves up: `merged` maps a node to its index in `kept`. On a hash collision, nodes are not
        // merged.
        let mut kept: Vec<Node> = Vec::with_capacity(count);
        let mut known: HashMap<u64, u32> = HashMap::with_capacity(count);
        let mut merged = vec![0u32; count];
        for (at, mut node) in self.nodes.into_iter().enumerate().rev() {
            node.map_targets(|to| merged[to as usize]);
            node.bytes.sort_unstable();
            node.epsilon.sort_unstable();
            node.epsilon.dedup();
            let mut hasher = DefaultHasher::new();
            node.hash(&mut hasher);
            let new = kept.len() as u32;
            let same = *known.entry(hasher.finish()).or_insert(new);
            merged[at] = if same < new && kept[same as usize] == node { same } else { new };
            if merged[at] == new {
                kept.push(node);
            }
        }
        // Node 0 was kept last, or has been merged into another one.
        let last = merged[0];
        kept.truncate(last as usize + 1);
        kept.reverse();
        kept.iter_mut().for_each(|node| node.map_targets(|to| last - to));
        Nfa { nodes: kept }
    }
}

impl Node {
    /// Replaces the target of each edge.
    fn map_targets(&mut self, to: impl Fn(u32) -> u32) {
        let edges = self.bytes.iter_mut().map(|(_, to)| to).chain(self.sets.iter_mut().map(|(_, to)| to));
        edges.chain(&mut self.epsilon).for_each(|edge| *edge = to(*edge));
    }
}
