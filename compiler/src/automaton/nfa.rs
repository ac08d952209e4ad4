//! Patterns as a graph of places: what may follow where a text has come to.
//!
//! It grows as a tree, so that patterns that begin alike share their beginning, and is then folded from its leaves, so that
//! those with the same number that end alike share their end.
//!
//! Invariant: what a node leads to has a larger number.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::TooComplex;
use crate::glob::{self, Bytes, Piece};
use crate::hir::TextTest;

/// More nodes than this fit no table.
const NODES_MAX: usize = 1 << 22;

/// A place in patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Node {
    /// What leads back here.
    pub stays: Stays,
    /// What fits a text that ends here, ascending.
    pub fits: Vec<u32>,
    /// Where a byte leads.
    pub bytes: Vec<(u8, u32)>,
    /// Where one of several bytes leads.
    pub sets: Vec<(Bytes, u32)>,
    /// Where nothing leads.
    pub free: Vec<u32>,
}

/// Bytes that lead from a place to itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stays {
    /// None.
    #[default]
    No,
    /// All but the slash.
    Names,
    /// All.
    Any,
}

impl Stays {
    /// As a set, where there is one.
    #[must_use]
    pub fn bytes(self) -> Option<Bytes> {
        match self {
            Stays::No => None,
            Stays::Names => Some(Bytes::NAMES),
            Stays::Any => Some(Bytes::of(0..=u8::MAX)),
        }
    }
}

/// Places of patterns; a text begins at the first.
#[derive(Clone, Debug)]
pub struct Nfa {
    /// At least one.
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
        let fits = |nfa: &mut Nfa, node: u32| {
            let fits = &mut nfa.nodes[node as usize].fits;
            if let Err(at) = fits.binary_search(&number) {
                fits.insert(at, number);
            }
        };
        let end = match pattern {
            TextTest::OneOf(texts) => {
                for text in texts {
                    let end = self.text(0, text);
                    fits(self, end);
                }
                return self.bounded();
            }
            TextTest::Under(directory) if directory.is_empty() => self.run(0, Stays::Any),
            TextTest::Under(directory) => {
                let end = self.text(0, directory);
                fits(self, end);
                let below = self.byte(end, b'/');
                self.run(below, Stays::Any)
            }
            TextTest::StartsWith(text) => {
                let end = self.text(0, text);
                self.run(end, Stays::Any)
            }
            TextTest::EndsWith(text) => {
                let any = self.run(0, Stays::Any);
                self.text(any, text)
            }
            TextTest::Contains(text) => {
                let any = self.run(0, Stays::Any);
                let end = self.text(any, text);
                self.run(end, Stays::Any)
            }
            TextTest::Like(pattern) => {
                let pieces = glob::parse(pattern).map_err(|_| TooComplex)?;
                self.pieces(0, &pieces)
            }
        };
        fits(self, end);
        self.bounded()
    }

    fn bounded(&self) -> Result<(), TooComplex> {
        if self.nodes.len() > NODES_MAX { Err(TooComplex) } else { Ok(()) }
    }

    fn node(&mut self, stays: Stays) -> u32 {
        self.nodes.push(Node { stays, ..Node::default() });
        self.nodes.len() as u32 - 1
    }

    fn byte(&mut self, from: u32, byte: u8) -> u32 {
        match self.nodes[from as usize].bytes.iter().find(|(known, _)| *known == byte) {
            Some((_, to)) => *to,
            None => {
                let to = self.node(Stays::No);
                let bytes = &mut self.nodes[from as usize].bytes;
                // Most places have one way on, and there are many.
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
                let to = self.node(Stays::No);
                self.nodes[from as usize].sets.push((set, to));
                to
            }
        }
    }

    fn run(&mut self, from: u32, stays: Stays) -> u32 {
        let known = self.nodes[from as usize].free.iter().find(|to| self.nodes[**to as usize].stays == stays);
        match known {
            Some(to) => *to,
            None => {
                let to = self.node(stays);
                self.nodes[from as usize].free.push(to);
                to
            }
        }
    }

    fn pieces(&mut self, from: u32, pieces: &[Piece]) -> u32 {
        pieces.iter().fold(from, |from, piece| match piece {
            Piece::Byte(byte) => self.byte(from, *byte),
            Piece::OneOf(set) => self.set(from, *set),
            Piece::Names => self.run(from, Stays::Names),
            Piece::Any => self.run(from, Stays::Any),
            Piece::Choice(choices) => {
                let ends: Vec<u32> = choices.iter().map(|choice| self.pieces(from, choice)).collect();
                // Where they meet again is a place of this pattern's own: what follows does so after each of them.
                let join = self.node(Stays::No);
                ends.into_iter().for_each(|end| self.nodes[end as usize].free.push(join));
                join
            }
        })
    }

    /// Makes nodes from which the same follows one.
    #[must_use]
    pub fn shared(self) -> Nfa {
        let count = self.nodes.len();
        // From the leaves: the number of each among those that are kept, in that order. Those that differ and have one hash
        // are not looked for again.
        let mut kept: Vec<Node> = Vec::with_capacity(count);
        let mut known: HashMap<u64, u32> = HashMap::with_capacity(count);
        let mut place = vec![0u32; count];
        for (at, mut node) in self.nodes.into_iter().enumerate().rev() {
            node.lead(|to| place[to as usize]);
            node.bytes.sort_unstable();
            node.free.sort_unstable();
            node.free.dedup();
            let mut hasher = DefaultHasher::new();
            node.hash(&mut hasher);
            let new = kept.len() as u32;
            let same = *known.entry(hasher.finish()).or_insert(new);
            place[at] = if same < new && kept[same as usize] == node { same } else { new };
            if place[at] == new {
                kept.push(node);
            }
        }
        // The first node was the last to be kept, or is the same as an earlier one.
        let last = place[0];
        kept.truncate(last as usize + 1);
        kept.reverse();
        kept.iter_mut().for_each(|node| node.lead(|to| last - to));
        Nfa { nodes: kept }
    }
}

impl Node {
    /// Leads elsewhere.
    fn lead(&mut self, to: impl Fn(u32) -> u32) {
        let edges = self.bytes.iter_mut().map(|(_, to)| to).chain(self.sets.iter_mut().map(|(_, to)| to));
        edges.chain(&mut self.free).for_each(|edge| *edge = to(*edge));
    }
}
