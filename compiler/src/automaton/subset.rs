//! Subset construction: one deterministic state for each set of NFA nodes that some text reaches.
//!
//! ```text
//! like "/a*", under "/ab"        {0} --/--> {1} --a--> {2, 3} --b--> {3, 4} ..
//! ```
//!
//! A state from which only one pattern can still match is built from representative nodes and shared between
//! patterns with equal suffixes. An entry state in front of it records the pattern (`suffixes`).
//!
//! Invariant: state [`DEAD`], that of the empty set, is first.

use std::collections::HashMap;
use std::rc::Rc;

use super::nfa::{Nfa, Node, SelfLoop};
use super::suffixes::{Possible, Suffixes};
use super::{FIRST_CLASS, SUFFIX, TooComplex};
use crate::glob::Bytes;

/// The state from which no text is accepted.
pub const DEAD: u32 = 0;

/// Deterministic automaton before compression.
#[derive(Debug)]
pub struct States {
    /// Class of each byte.
    pub classes: Vec<u8>,
    /// All states; [`DEAD`] is first.
    pub states: Vec<State>,
    /// State in which a text begins.
    pub start: u32,
    /// Numbers of the patterns that match, by row.
    pub rows: Vec<Vec<u32>>,
}

/// Deterministic state: its transitions, and the row of a text that ends in it.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Row of a text that ends here. In a suffix, any nonzero row stands for that of the entry.
    pub row: u32,
    /// Transition for all bytes without a move.
    pub default: DefaultMove,
    /// Transitions by class, ascending.
    pub moves: Vec<(u8, u32)>,
    /// Every byte leads back here.
    pub sink: bool,
}

/// Transition for the bytes without a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultMove {
    /// A transition to a state.
    To(u32),
    /// The same transitions as a state, which are moves or `To`.
    Inherit(u32),
    /// The state is the entry of a shared suffix: all bytes are looked up in its first state.
    Suffix {
        /// First state of the suffix.
        state: u32,
        /// Row of the texts that the suffix accepts; not 0.
        row: u32,
    },
}

impl Default for DefaultMove {
    fn default() -> DefaultMove {
        DefaultMove::To(DEAD)
    }
}

/// Byte classes: bytes that no pattern distinguishes share one. Class 0 is the largest class of bytes that no
/// pattern names.
struct Classes {
    by_byte: Vec<u8>,
    /// One byte of each class, by class.
    examples: Vec<u8>,
}

fn classes(nfa: &Nfa) -> Result<Classes, TooComplex> {
    let mut kinds = vec![0u32; 256];
    let mut named = [false; 256];
    let mut sets: Vec<Bytes> = Vec::new();
    for node in &nfa.nodes {
        node.bytes.iter().for_each(|(byte, _)| named[usize::from(*byte)] = true);
        for set in node.sets.iter().map(|(set, _)| *set).chain(node.self_loop.bytes()) {
            if !sets.contains(&set) {
                sets.push(set);
            }
        }
    }
    for set in sets {
        let mut known = HashMap::new();
        for byte in 0..=u8::MAX {
            let kind = &mut kinds[usize::from(byte)];
            let next = known.len() as u32;
            *kind = *known.entry((*kind, set.has(byte))).or_insert(next);
        }
    }
    let mut counts = vec![0; 256];
    (0..256).filter(|byte| !named[*byte]).for_each(|byte| counts[kinds[byte] as usize] += 1);
    let largest = (0..256).max_by_key(|kind| counts[*kind]).unwrap_or(0) as u32;
    let mut numbers: HashMap<u32, u8> = HashMap::new();
    let (mut by_byte, mut examples) = (vec![0u8; 256], vec![0u8; usize::from(FIRST_CLASS)]);
    for byte in 0..256usize {
        // A named byte is a class by itself; its key differs from all kinds.
        let key = if named[byte] { 256 + byte as u32 } else { kinds[byte] };
        if key == largest {
            examples[0] = byte as u8;
            continue;
        }
        by_byte[byte] = match numbers.get(&key) {
            Some(class) => *class,
            None => {
                let class = u8::try_from(examples.len()).ok().filter(|class| *class < SUFFIX).ok_or(TooComplex)?;
                examples.push(byte as u8);
                numbers.insert(key, class);
                class
            }
        };
    }
    Ok(Classes { by_byte, examples })
}

/// A set of bytes in terms of classes.
struct ClassSet {
    /// The set contains class 0.
    default: bool,
    /// True for the classes that the set contains.
    has: Vec<bool>,
    /// Classes that are in the set if class 0 is not, or the reverse.
    exceptions: Vec<u8>,
}

struct Build<'n> {
    nfa: &'n Nfa,
    classes: Classes,
    sets: HashMap<Bytes, ClassSet>,
    /// The epsilon closure of each node with epsilon edges, without nodes that have no other edge and accept nothing.
    closures: Vec<Vec<u32>>,
    suffixes: Suffixes,
    /// States by their nodes, outside of suffixes and in them.
    known: [HashMap<Rc<[u32]>, u32>; 2],
    /// Entry states by suffix and pattern number.
    entries: HashMap<(u32, u32), u32>,
    /// Origin of each state.
    origins: Vec<Origin>,
    states_max: usize,
}

/// Origin of a deterministic state.
#[derive(Clone)]
enum Origin {
    /// A set of nodes.
    Nodes {
        /// Ids of the nodes, ascending.
        nodes: Rc<[u32]>,
        /// The state belongs to a shared suffix, and its nodes are representatives.
        suffix: bool,
    },
    /// The entry of a shared suffix.
    Entry {
        /// First state of the suffix.
        suffix: u32,
        /// Number of the pattern that the suffix accepts.
        number: u32,
    },
}

/// Builds the deterministic states of an automaton.
pub fn states(nfa: &Nfa, states_max: usize) -> Result<States, TooComplex> {
    let classes = classes(nfa)?;
    let mut sets = HashMap::new();
    for node in &nfa.nodes {
        for bytes in node.sets.iter().map(|(set, _)| *set).chain(node.self_loop.bytes()) {
            sets.entry(bytes).or_insert_with(|| class_set(bytes, &classes));
        }
    }
    let mut build = Build {
        nfa,
        classes,
        sets,
        closures: closures(nfa),
        suffixes: Suffixes::of(nfa),
        known: Default::default(),
        entries: HashMap::new(),
        origins: Vec::new(),
        states_max,
    };
    build.state(Vec::new(), false)?;
    let start = build.state(build.closure(std::iter::once(0), false), false)?;
    let (mut states, mut rows) = (vec![State { sink: true, ..State::default() }], vec![Vec::new()]);
    let mut known_rows: HashMap<Vec<u32>, u32> = HashMap::from([(Vec::new(), 0)]);
    let mut row_of = |numbers: Vec<u32>| {
        *known_rows.entry(numbers).or_insert_with_key(|row| {
            rows.push(row.clone());
            rows.len() as u32 - 1
        })
    };
    // By default target: the first state that has it, from which the others inherit.
    let mut bases: HashMap<u32, u32> = HashMap::new();
    while states.len() < build.origins.len() {
        let at = states.len() as u32;
        let (nodes, suffix) = match build.origins[at as usize].clone() {
            Origin::Nodes { nodes, suffix } => (nodes, suffix),
            Origin::Entry { suffix, number } => {
                let row = row_of(vec![number]);
                let accepts = build.accepts(suffix);
                let default = DefaultMove::Suffix { state: suffix, row };
                states.push(State { row: if accepts { row } else { 0 }, default, ..State::default() });
                continue;
            }
        };
        let (default, mut moves) = build.moves(&nodes, suffix)?;
        let sink = moves.is_empty() && default == at;
        let mut default = DefaultMove::To(default);
        if let (DefaultMove::To(to), false) = (default, sink)
            && to != DEAD
        {
            let base = *bases.entry(to).or_insert(at);
            if base != at
                && let Some(fewer) = differences(&moves, &states[base as usize].moves, to, moves.len())
            {
                (default, moves) = (DefaultMove::Inherit(base), fewer);
            }
        }
        let row = if suffix { u32::from(build.accepts(at)) } else { row_of(build.accepted(&nodes)) };
        states.push(State { row, default, moves, sink });
    }
    Ok(States { classes: build.classes.by_byte, states, start, rows })
}

fn class_set(bytes: Bytes, classes: &Classes) -> ClassSet {
    let has: Vec<bool> = classes.examples.iter().map(|byte| bytes.has(*byte)).collect();
    let differs = |class: &usize| has[*class] != has[0];
    let exceptions = (usize::from(FIRST_CLASS)..has.len()).filter(differs).map(|class| class as u8).collect();
    ClassSet { default: has[0], exceptions, has }
}

fn closures(nfa: &Nfa) -> Vec<Vec<u32>> {
    let mut closures: Vec<Vec<u32>> = vec![Vec::new(); nfa.nodes.len()];
    for (at, Node { self_loop, accepts, bytes, sets, epsilon }) in nfa.nodes.iter().enumerate().rev() {
        if epsilon.is_empty() {
            continue;
        }
        let needed = *self_loop != SelfLoop::No || !accepts.is_empty() || !bytes.is_empty() || !sets.is_empty();
        let mut all: Vec<u32> = if needed { vec![at as u32] } else { Vec::new() };
        for &to in epsilon {
            match nfa.nodes[to as usize].epsilon.is_empty() {
                true => all.push(to),
                false => all.extend_from_slice(&closures[to as usize]),
            }
        }
        all.sort_unstable();
        all.dedup();
        closures[at] = all;
    }
    closures
}

/// Returns the moves that differ from those of a base with the same default, if they are fewer than `limit`.
fn differences(moves: &[(u8, u32)], base: &[(u8, u32)], default: u32, limit: usize) -> Option<Vec<(u8, u32)>> {
    let (mut a, mut b) = (moves.iter().peekable(), base.iter().peekable());
    let mut found = Vec::new();
    while found.len() < limit {
        match (a.peek(), b.peek()) {
            (None, None) => return Some(found),
            (Some(x), Some(y)) if x.0 == y.0 => {
                if x.1 != y.1 {
                    found.push(**x);
                }
                a.next();
                b.next();
            }
            (Some(x), y) if y.is_none_or(|y| x.0 < y.0) => {
                found.push(**x);
                a.next();
            }
            (_, Some(y)) => {
                found.push((y.0, default));
                b.next();
            }
            (Some(_), None) => unreachable!("the guard of the third arm holds without `y`"),
        }
    }
    None
}

impl Build<'_> {
    /// Returns the state of a set of nodes, or the entry of the suffix that it begins.
    fn state(&mut self, nodes: Vec<u32>, suffix: bool) -> Result<u32, TooComplex> {
        if let Some(known) = self.known[usize::from(suffix)].get(nodes.as_slice()) {
            return Ok(*known);
        }
        if !suffix && let Some(number) = self.suffixes.number(&nodes) {
            let suffix = self.state(self.suffixes.representatives(nodes), true)?;
            if let Some(known) = self.entries.get(&(suffix, number)) {
                return Ok(*known);
            }
            let entry = self.add(Origin::Entry { suffix, number })?;
            self.entries.insert((suffix, number), entry);
            return Ok(entry);
        }
        let nodes: Rc<[u32]> = nodes.into();
        let state = self.add(Origin::Nodes { nodes: Rc::clone(&nodes), suffix })?;
        self.known[usize::from(suffix)].insert(nodes, state);
        Ok(state)
    }

    fn add(&mut self, origin: Origin) -> Result<u32, TooComplex> {
        if self.origins.len() >= self.states_max {
            return Err(TooComplex);
        }
        self.origins.push(origin);
        Ok(self.origins.len() as u32 - 1)
    }

    /// Returns the epsilon closure of some nodes, without nodes that no longer matter.
    fn closure(&self, targets: impl Iterator<Item = u32>, suffix: bool) -> Vec<u32> {
        let mut all = Vec::new();
        for to in targets {
            match self.nfa.nodes[to as usize].epsilon.is_empty() {
                true => all.push(to),
                false => all.extend_from_slice(&self.closures[to as usize]),
            }
        }
        all.sort_unstable();
        all.dedup();
        let all = self.without_decided(all);
        if suffix { self.suffixes.representatives(all) } else { all }
    }

    /// Removes nodes from which only a pattern can match that already matches whatever follows.
    fn without_decided(&self, mut nodes: Vec<u32>) -> Vec<u32> {
        let node = |at: &u32| &self.nfa.nodes[*at as usize];
        let decides = |at: &u32| node(at).self_loop == SelfLoop::Any && !node(at).accepts.is_empty();
        if nodes.len() > 1 && nodes.iter().any(decides) {
            let decided: Vec<u32> =
                nodes.iter().filter(|at| decides(at)).flat_map(|at| &node(at).accepts).copied().collect();
            nodes.retain(|at| match self.suffixes.possible[*at as usize] {
                Possible::One(number) => !decided.contains(&number) || decides(at),
                _ => true,
            });
        }
        nodes
    }

    fn accepted(&self, nodes: &[u32]) -> Vec<u32> {
        let accepts = |node: &u32| &self.nfa.nodes[*node as usize].accepts;
        let mut all: Vec<u32> = nodes.iter().flat_map(accepts).copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Returns whether a text that ends in a state of a suffix is accepted.
    fn accepts(&self, state: u32) -> bool {
        match &self.origins[state as usize] {
            Origin::Nodes { nodes, .. } => nodes.iter().any(|node| !self.nfa.nodes[*node as usize].accepts.is_empty()),
            Origin::Entry { .. } => false,
        }
    }

    /// Returns the transition for class 0, and the transitions of the classes that differ from it.
    fn moves(&mut self, nodes: &[u32], suffix: bool) -> Result<(u32, Vec<(u8, u32)>), TooComplex> {
        let mut single: Vec<(u8, u32)> = Vec::new();
        let mut wide: Vec<(&ClassSet, u32)> = Vec::new();
        let mut classes: Vec<u8> = Vec::new();
        let nfa = self.nfa;
        for &at in nodes {
            let node = &nfa.nodes[at as usize];
            single.extend(node.bytes.iter().map(|(byte, to)| (self.classes.by_byte[usize::from(*byte)], *to)));
            let self_loop = node.self_loop.bytes().map(|set| (set, at));
            wide.extend(node.sets.iter().copied().chain(self_loop).map(|(set, to)| (&self.sets[&set], to)));
        }
        single.sort_unstable();
        classes.extend(single.iter().map(|(class, _)| *class));
        classes.extend(wide.iter().flat_map(|(set, _)| &set.exceptions));
        classes.sort_unstable();
        classes.dedup();
        let default = self.closure(wide.iter().filter(|(set, _)| set.default).map(|(_, to)| *to), suffix);
        let mut found: Vec<(u8, Vec<u32>)> = Vec::with_capacity(classes.len());
        let mut at = 0;
        for class in classes {
            let begin = at;
            while single.get(at).is_some_and(|(known, _)| *known == class) {
                at += 1;
            }
            let several = wide.iter().filter(|(set, _)| set.has[usize::from(class)]).map(|(_, to)| *to);
            found.push((class, self.closure(single[begin..at].iter().map(|(_, to)| *to).chain(several), suffix)));
        }
        let default = self.state(default, suffix)?;
        let mut moves = Vec::with_capacity(found.len());
        for (class, nodes) in found {
            let to = self.state(nodes, suffix)?;
            if to != default {
                moves.push((class, to));
            }
        }
        Ok((default, moves))
    }
}
