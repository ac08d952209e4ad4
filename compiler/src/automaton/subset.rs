//! Sets of places to states: one for each set that a text can have come to.
//!
//! Where only one pattern is left, and others go on in the same way, its states are theirs too: what leads there says whose
//! they are from then on (`tails.rs`).

use std::collections::HashMap;
use std::rc::Rc;

use super::nfa::{Nfa, Node, Stays};
use super::tails::{Ends, Tails};
use super::{FIRST_CLASS, GATE, TooComplex};
use crate::glob::Bytes;

/// The state that nothing leads out of and nothing fits.
pub const DEAD: u32 = 0;

/// States, not packed.
#[derive(Debug)]
pub struct States {
    /// By byte.
    pub classes: Vec<u8>,
    /// [`DEAD`] first.
    pub states: Vec<State>,
    /// Where a text begins.
    pub start: u32,
    /// By row.
    pub rows: Vec<Vec<u32>>,
}

/// Where bytes lead.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Of a text that ends here; in a tail any but 0 is that of the gate.
    pub row: u32,
    /// Where the bytes lead that have no move.
    pub others: Others,
    /// By class, ascending.
    pub moves: Vec<(u8, u32)>,
    /// Whatever follows leads back here.
    pub rests: bool,
}

/// Where bytes lead that have no move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// There.
    To(u32),
    /// To where they lead from that state.
    As(u32),
    /// This is a gate. All bytes do as from the state `tail`, and what fits from here on is the row.
    Gate {
        /// The first state of a tail.
        tail: u32,
        /// Not 0.
        row: u32,
    },
}

impl Default for Others {
    fn default() -> Others {
        Others::To(DEAD)
    }
}

/// Bytes that every pattern treats alike are a class; class 0 are most of those that none names.
struct Classes {
    by_byte: Vec<u8>,
    /// A byte of each class, by class.
    examples: Vec<u8>,
}

fn classes(nfa: &Nfa) -> Result<Classes, TooComplex> {
    let mut kinds = vec![0u32; 256];
    let mut named = [false; 256];
    let mut sets: Vec<Bytes> = Vec::new();
    for node in &nfa.nodes {
        node.bytes.iter().for_each(|(byte, _)| named[usize::from(*byte)] = true);
        for set in node.sets.iter().map(|(set, _)| *set).chain(node.stays.bytes()) {
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
    let others = (0..256).max_by_key(|kind| counts[*kind]).unwrap_or(0) as u32;
    let mut numbers: HashMap<u32, u8> = HashMap::new();
    let (mut by_byte, mut examples) = (vec![0u8; 256], vec![0u8; usize::from(FIRST_CLASS)]);
    for byte in 0..256usize {
        // Named bytes have a class of their own, by a key that no kind has.
        let key = if named[byte] { 256 + byte as u32 } else { kinds[byte] };
        if key == others {
            examples[0] = byte as u8;
            continue;
        }
        by_byte[byte] = match numbers.get(&key) {
            Some(class) => *class,
            None => {
                let class = u8::try_from(examples.len()).ok().filter(|class| *class < GATE).ok_or(TooComplex)?;
                examples.push(byte as u8);
                numbers.insert(key, class);
                class
            }
        };
    }
    Ok(Classes { by_byte, examples })
}

/// What a set of bytes is among classes.
struct Set {
    /// It has the bytes of class 0.
    others: bool,
    /// By class.
    has: Vec<bool>,
    /// The classes that it treats otherwise than class 0.
    apart: Vec<u8>,
}

struct Build<'n> {
    nfa: &'n Nfa,
    classes: Classes,
    sets: HashMap<Bytes, Set>,
    /// By node that leads anywhere by nothing: what is reached so and counts for something, perhaps itself.
    reached: Vec<Vec<u32>>,
    tails: Tails,
    /// By nodes, outside of tails and in them.
    known: [HashMap<Rc<[u32]>, u32>; 2],
    /// By tail and number.
    gates: HashMap<(u32, u32), u32>,
    /// By state.
    made: Vec<Made>,
    states_max: usize,
}

/// What a state is made of.
#[derive(Clone)]
enum Made {
    /// Nodes.
    Of {
        /// Ascending.
        nodes: Rc<[u32]>,
        /// They stand for any from which the same follows, and only one pattern is left.
        tail: bool,
    },
    /// What leads into a tail.
    Gate {
        /// A state.
        tail: u32,
        /// What fits there.
        number: u32,
    },
}

/// Makes the states of a graph.
pub fn states(nfa: &Nfa, states_max: usize) -> Result<States, TooComplex> {
    let classes = classes(nfa)?;
    let mut sets = HashMap::new();
    for node in &nfa.nodes {
        for bytes in node.sets.iter().map(|(set, _)| *set).chain(node.stays.bytes()) {
            sets.entry(bytes).or_insert_with(|| set(bytes, &classes));
        }
    }
    let mut build = Build {
        nfa,
        classes,
        sets,
        reached: reached(nfa),
        tails: Tails::of(nfa),
        known: Default::default(),
        gates: HashMap::new(),
        made: Vec::new(),
        states_max,
    };
    build.state(Vec::new(), false)?;
    let start = build.state(build.places(std::iter::once(0), false), false)?;
    let (mut states, mut rows) = (vec![State { rests: true, ..State::default() }], vec![Vec::new()]);
    let mut known_rows: HashMap<Vec<u32>, u32> = HashMap::from([(Vec::new(), 0)]);
    let mut row_of = |fitting: Vec<u32>| {
        *known_rows.entry(fitting).or_insert_with_key(|row| {
            rows.push(row.clone());
            rows.len() as u32 - 1
        })
    };
    // Where others lead: the first state from which they do.
    let mut models: HashMap<u32, u32> = HashMap::new();
    while states.len() < build.made.len() {
        let at = states.len() as u32;
        let (nodes, tail) = match build.made[at as usize].clone() {
            Made::Of { nodes, tail } => (nodes, tail),
            Made::Gate { tail, number } => {
                let row = row_of(vec![number]);
                let fits = build.fits(tail);
                let others = Others::Gate { tail, row };
                states.push(State { row: if fits { row } else { 0 }, others, ..State::default() });
                continue;
            }
        };
        let (others, mut moves) = build.moves(&nodes, tail)?;
        let rests = moves.is_empty() && others == at;
        let mut others = Others::To(others);
        if let (Others::To(to), false) = (others, rests)
            && to != DEAD
        {
            let model = *models.entry(to).or_insert(at);
            if model != at
                && let Some(fewer) = differences(&moves, &states[model as usize].moves, to, moves.len())
            {
                (others, moves) = (Others::As(model), fewer);
            }
        }
        let row = if tail { u32::from(build.fits(at)) } else { row_of(build.fitting(&nodes)) };
        states.push(State { row, others, moves, rests });
    }
    Ok(States { classes: build.classes.by_byte, states, start, rows })
}

fn set(bytes: Bytes, classes: &Classes) -> Set {
    let has: Vec<bool> = classes.examples.iter().map(|byte| bytes.has(*byte)).collect();
    let apart = (usize::from(FIRST_CLASS)..has.len()).filter(|class| has[*class] != has[0]).map(|class| class as u8);
    Set { others: has[0], apart: apart.collect(), has }
}

fn reached(nfa: &Nfa) -> Vec<Vec<u32>> {
    let mut reached: Vec<Vec<u32>> = vec![Vec::new(); nfa.nodes.len()];
    for (at, Node { stays, fits, bytes, sets, free }) in nfa.nodes.iter().enumerate().rev() {
        if free.is_empty() {
            continue;
        }
        let counts = *stays != Stays::No || !fits.is_empty() || !bytes.is_empty() || !sets.is_empty();
        let mut all: Vec<u32> = if counts { vec![at as u32] } else { Vec::new() };
        for &to in free {
            match nfa.nodes[to as usize].free.is_empty() {
                true => all.push(to),
                false => all.extend_from_slice(&reached[to as usize]),
            }
        }
        all.sort_unstable();
        all.dedup();
        reached[at] = all;
    }
    reached
}

/// The moves that differ from a model's, where there are fewer of them; both lead others to the same state.
fn differences(moves: &[(u8, u32)], model: &[(u8, u32)], others: u32, most: usize) -> Option<Vec<(u8, u32)>> {
    let (mut a, mut b) = (moves.iter().peekable(), model.iter().peekable());
    let mut found = Vec::new();
    while found.len() < most {
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
                found.push((y.0, others));
                b.next();
            }
            (Some(_), None) => unreachable!("what has no model comes before it"),
        }
    }
    None
}

impl Build<'_> {
    /// The state of some nodes, or the gate to it.
    fn state(&mut self, nodes: Vec<u32>, tail: bool) -> Result<u32, TooComplex> {
        if let Some(known) = self.known[usize::from(tail)].get(nodes.as_slice()) {
            return Ok(*known);
        }
        if !tail && let Some(number) = self.tails.number(&nodes) {
            let tail = self.state(self.tails.same(nodes), true)?;
            if let Some(known) = self.gates.get(&(tail, number)) {
                return Ok(*known);
            }
            let gate = self.make(Made::Gate { tail, number })?;
            self.gates.insert((tail, number), gate);
            return Ok(gate);
        }
        let nodes: Rc<[u32]> = nodes.into();
        let state = self.make(Made::Of { nodes: Rc::clone(&nodes), tail })?;
        self.known[usize::from(tail)].insert(nodes, state);
        Ok(state)
    }

    fn make(&mut self, made: Made) -> Result<u32, TooComplex> {
        if self.made.len() >= self.states_max {
            return Err(TooComplex);
        }
        self.made.push(made);
        Ok(self.made.len() as u32 - 1)
    }

    /// The places of a state that leads here.
    fn places(&self, targets: impl Iterator<Item = u32>, tail: bool) -> Vec<u32> {
        let mut all = Vec::new();
        for to in targets {
            match self.nfa.nodes[to as usize].free.is_empty() {
                true => all.push(to),
                false => all.extend_from_slice(&self.reached[to as usize]),
            }
        }
        all.sort_unstable();
        all.dedup();
        let all = self.settled(all);
        if tail { self.tails.same(all) } else { all }
    }

    /// Without places from which only that can fit which fits already, whatever follows.
    fn settled(&self, mut nodes: Vec<u32>) -> Vec<u32> {
        let node = |at: &u32| &self.nfa.nodes[*at as usize];
        let settled = |at: &u32| node(at).stays == Stays::Any && !node(at).fits.is_empty();
        if nodes.len() > 1 && nodes.iter().any(settled) {
            let fits: Vec<u32> = nodes.iter().filter(|at| settled(at)).flat_map(|at| &node(at).fits).copied().collect();
            nodes.retain(|at| match self.tails.ends[*at as usize] {
                Ends::One(number) => !fits.contains(&number) || settled(at),
                _ => true,
            });
        }
        nodes
    }

    fn fitting(&self, nodes: &[u32]) -> Vec<u32> {
        let fits = |node: &u32| &self.nfa.nodes[*node as usize].fits;
        let mut all: Vec<u32> = nodes.iter().flat_map(fits).copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether something fits a text that ends in a state of a tail.
    fn fits(&self, state: u32) -> bool {
        match &self.made[state as usize] {
            Made::Of { nodes, .. } => nodes.iter().any(|node| !self.nfa.nodes[*node as usize].fits.is_empty()),
            Made::Gate { .. } => false,
        }
    }

    /// Where bytes of class 0 lead from a state, and where those of classes lead that lead elsewhere.
    fn moves(&mut self, nodes: &[u32], tail: bool) -> Result<(u32, Vec<(u8, u32)>), TooComplex> {
        let mut single: Vec<(u8, u32)> = Vec::new();
        let mut wide: Vec<(&Set, u32)> = Vec::new();
        let mut classes: Vec<u8> = Vec::new();
        let nfa = self.nfa;
        for &at in nodes {
            let node = &nfa.nodes[at as usize];
            single.extend(node.bytes.iter().map(|(byte, to)| (self.classes.by_byte[usize::from(*byte)], *to)));
            let stays = node.stays.bytes().map(|set| (set, at));
            wide.extend(node.sets.iter().copied().chain(stays).map(|(set, to)| (&self.sets[&set], to)));
        }
        single.sort_unstable();
        classes.extend(single.iter().map(|(class, _)| *class));
        classes.extend(wide.iter().flat_map(|(set, _)| &set.apart));
        classes.sort_unstable();
        classes.dedup();
        let others = self.places(wide.iter().filter(|(set, _)| set.others).map(|(_, to)| *to), tail);
        let mut found: Vec<(u8, Vec<u32>)> = Vec::with_capacity(classes.len());
        let mut at = 0;
        for class in classes {
            let begin = at;
            while single.get(at).is_some_and(|(known, _)| *known == class) {
                at += 1;
            }
            let several = wide.iter().filter(|(set, _)| set.has[usize::from(class)]).map(|(_, to)| *to);
            found.push((class, self.places(single[begin..at].iter().map(|(_, to)| *to).chain(several), tail)));
        }
        let others = self.state(others, tail)?;
        let mut moves = Vec::with_capacity(found.len());
        for (class, nodes) in found {
            let to = self.state(nodes, tail)?;
            if to != others {
                moves.push((class, to));
            }
        }
        Ok((others, moves))
    }
}
