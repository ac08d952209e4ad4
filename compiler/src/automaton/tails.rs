//! What follows alike from places of different patterns.
//!
//! ```text
//! 0  like "/srv/a/*.key"      a ┐
//! 1  like "/srv/b/*.key"      b ┴→  /  →  *  .  →  k  →  e  →  y      a tail: row 1 or 2, by which of a and b led there
//! ```
//!
//! A place of which only one pattern can come to its end is *the same* as another such place if they differ in nothing but the
//! pattern's number. States of such places are there once, for all patterns; a *gate* before them knows the number.
//!
//! Absent: places from which several patterns can fit. Which of them would have to be told on every way.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::nfa::{Nfa, Node, Stays};
use crate::glob::Bytes;

/// A gate has two words and costs some instructions; a tail of fewer places has not many more.
const PLACES_MIN: u32 = 3;

/// What can still fit from a place on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    Nothing,
    /// Only this.
    One(u32),
    Several,
}

impl Ends {
    fn or(self, other: Ends) -> Ends {
        match (self, other) {
            (one, Ends::Nothing) | (Ends::Nothing, one) => one,
            (a, b) if a == b => a,
            _ => Ends::Several,
        }
    }
}

/// Tails, by the places that lead there.
pub struct Tails {
    /// By node: what can still fit.
    pub ends: Vec<Ends>,
    /// By node: one that is the same, perhaps itself.
    same: Vec<u32>,
    /// By node: it is worth a gate.
    worth: Vec<bool>,
}

/// What follows, without numbers.
#[derive(PartialEq, Eq, Hash)]
struct Shape {
    stays: Stays,
    fits: bool,
    bytes: Vec<(u8, u32)>,
    sets: Vec<(Bytes, u32)>,
    free: Vec<u32>,
}

impl Tails {
    /// Of the patterns of a graph.
    pub fn of(nfa: &Nfa) -> Tails {
        let ends = ends(nfa);
        let count = nfa.nodes.len();
        let mut same: Vec<u32> = (0..count as u32).collect();
        let (mut places, mut uses) = (vec![1u32; count], vec![0u32; count]);
        let mut known: HashMap<u64, u32> = HashMap::new();
        for (at, node) in nfa.nodes.iter().enumerate().rev() {
            if !matches!(ends[at], Ends::One(_)) {
                continue;
            }
            let shape = shape(node, &same);
            let mut hasher = DefaultHasher::new();
            shape.hash(&mut hasher);
            // Those that differ and have one hash are not looked for again.
            let first = *known.entry(hasher.finish()).or_insert(at as u32);
            if first != at as u32 && self::shape(&nfa.nodes[first as usize], &same) == shape {
                same[at] = first;
            } else {
                let next = |sum: u32, to| sum.saturating_add(places[to as usize]);
                places[at] = shape.leads().fold(1, next);
            }
            uses[same[at] as usize] += 1;
        }
        let worth = |of: &u32| uses[*of as usize] > 1 && places[*of as usize] >= PLACES_MIN;
        Tails { ends, worth: same.iter().map(worth).collect(), same }
    }

    /// The number of the only pattern that these nodes leave, where that is worth a gate.
    pub fn number(&self, nodes: &[u32]) -> Option<u32> {
        let first = self.ends[*nodes.first()? as usize];
        let Ends::One(number) = first else { return None };
        let all = nodes.iter().all(|node| self.ends[*node as usize] == first);
        (all && nodes.iter().any(|node| self.worth[*node as usize])).then_some(number)
    }

    /// The nodes that stand for these.
    pub fn same(&self, mut nodes: Vec<u32>) -> Vec<u32> {
        nodes.iter_mut().for_each(|node| *node = self.same[*node as usize]);
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }
}

fn shape(Node { stays, fits, bytes, sets, free }: &Node, same: &[u32]) -> Shape {
    let same = |to: u32| same[to as usize];
    let mut shape = Shape {
        stays: *stays,
        fits: !fits.is_empty(),
        bytes: bytes.iter().map(|(byte, to)| (*byte, same(*to))).collect(),
        sets: sets.iter().map(|(set, to)| (*set, same(*to))).collect(),
        free: free.iter().map(|to| same(*to)).collect(),
    };
    shape.free.sort_unstable();
    shape
}

impl Shape {
    fn leads(&self) -> impl Iterator<Item = u32> {
        let (bytes, sets) = (self.bytes.iter().map(|(_, to)| *to), self.sets.iter().map(|(_, to)| *to));
        bytes.chain(sets).chain(self.free.iter().copied())
    }
}

fn ends(nfa: &Nfa) -> Vec<Ends> {
    let mut ends = vec![Ends::Nothing; nfa.nodes.len()];
    for (at, node) in nfa.nodes.iter().enumerate().rev() {
        let next = node.bytes.iter().map(|(_, to)| to).chain(node.sets.iter().map(|(_, to)| to)).chain(&node.free);
        let here = node.fits.iter().map(|number| Ends::One(*number));
        ends[at] = here.chain(next.map(|to| ends[*to as usize])).fold(Ends::Nothing, Ends::or);
    }
    ends
}
