//! Sets of places to states: one for each set that a text can have come to.

use std::collections::HashMap;
use std::rc::Rc;

use super::nfa::{Nfa, Node, Stays};
use super::{FALLS, FIRST_CLASS, TooComplex};
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
    /// Of a text that ends here.
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
                let class = u8::try_from(examples.len()).ok().filter(|class| *class < FALLS).ok_or(TooComplex)?;
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
    ends: Vec<Ends>,
    known: HashMap<Rc<[u32]>, u32>,
    /// By state: its nodes.
    nodes: Vec<Rc<[u32]>>,
    states_max: usize,
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
    let (reached, ends) = (reached(nfa), ends(nfa));
    let mut build = Build { nfa, classes, sets, reached, ends, known: HashMap::new(), nodes: Vec::new(), states_max };
    build.state(Vec::new())?;
    let start = build.state(build.places(std::iter::once(0)))?;
    let (mut states, mut rows) = (vec![State { rests: true, ..State::default() }], vec![Vec::new()]);
    let mut known_rows: HashMap<Vec<u32>, u32> = HashMap::from([(Vec::new(), 0)]);
    // Where others lead: the first state from which they do.
    let mut models: HashMap<u32, u32> = HashMap::new();
    while states.len() < build.nodes.len() {
        let at = states.len() as u32;
        let (others, mut moves) = build.moves(at)?;
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
        let row = build.fitting(at);
        let row = *known_rows.entry(row).or_insert_with_key(|row| {
            rows.push(row.clone());
            rows.len() as u32 - 1
        });
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

/// What can still fit from a place on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
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

fn ends(nfa: &Nfa) -> Vec<Ends> {
    let mut ends = vec![Ends::Nothing; nfa.nodes.len()];
    for (at, node) in nfa.nodes.iter().enumerate().rev() {
        let next = node.bytes.iter().map(|(_, to)| to).chain(node.sets.iter().map(|(_, to)| to)).chain(&node.free);
        let here = node.fits.iter().map(|number| Ends::One(*number));
        ends[at] = here.chain(next.map(|to| ends[*to as usize])).fold(Ends::Nothing, Ends::or);
    }
    ends
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
    fn state(&mut self, nodes: Vec<u32>) -> Result<u32, TooComplex> {
        if let Some(known) = self.known.get(nodes.as_slice()) {
            return Ok(*known);
        }
        if self.nodes.len() >= self.states_max {
            return Err(TooComplex);
        }
        let state = self.nodes.len() as u32;
        let nodes: Rc<[u32]> = nodes.into();
        self.nodes.push(Rc::clone(&nodes));
        self.known.insert(nodes, state);
        Ok(state)
    }

    /// The places of a state that leads here.
    fn places(&self, targets: impl Iterator<Item = u32>) -> Vec<u32> {
        let mut all = Vec::new();
        for to in targets {
            match self.nfa.nodes[to as usize].free.is_empty() {
                true => all.push(to),
                false => all.extend_from_slice(&self.reached[to as usize]),
            }
        }
        all.sort_unstable();
        all.dedup();
        self.settled(all)
    }

    /// Without places from which only that can fit which fits already, whatever follows.
    fn settled(&self, mut nodes: Vec<u32>) -> Vec<u32> {
        let node = |at: &u32| &self.nfa.nodes[*at as usize];
        let settled = |at: &u32| node(at).stays == Stays::Any && !node(at).fits.is_empty();
        if nodes.len() > 1 && nodes.iter().any(settled) {
            let fits: Vec<u32> = nodes.iter().filter(|at| settled(at)).flat_map(|at| &node(at).fits).copied().collect();
            nodes.retain(|at| match self.ends[*at as usize] {
                Ends::One(number) => !fits.contains(&number) || settled(at),
                _ => true,
            });
        }
        nodes
    }

    fn fitting(&self, state: u32) -> Vec<u32> {
        let fits = |node: &u32| &self.nfa.nodes[*node as usize].fits;
        let mut all: Vec<u32> = self.nodes[state as usize].iter().flat_map(fits).copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Where bytes of class 0 lead from a state, and where those of classes lead that lead elsewhere.
    fn moves(&mut self, state: u32) -> Result<(u32, Vec<(u8, u32)>), TooComplex> {
        let mut single: Vec<(u8, u32)> = Vec::new();
        let mut wide: Vec<(&Set, u32)> = Vec::new();
        let mut classes: Vec<u8> = Vec::new();
        let nfa = self.nfa;
        for &at in self.nodes[state as usize].iter() {
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
        let others = self.places(wide.iter().filter(|(set, _)| set.others).map(|(_, to)| *to));
        let mut found: Vec<(u8, Vec<u32>)> = Vec::with_capacity(classes.len());
        let mut at = 0;
        for class in classes {
            let begin = at;
            while single.get(at).is_some_and(|(known, _)| *known == class) {
                at += 1;
            }
            let several = wide.iter().filter(|(set, _)| set.has[usize::from(class)]).map(|(_, to)| *to);
            found.push((class, self.places(single[begin..at].iter().map(|(_, to)| *to).chain(several))));
        }
        let others = self.state(others)?;
        let mut moves = Vec::with_capacity(found.len());
        for (class, nodes) in found {
            let to = self.state(nodes)?;
            if to != others {
                moves.push((class, to));
            }
        }
        Ok((others, moves))
    }
}
