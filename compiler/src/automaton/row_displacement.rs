//! Row-displacement compression: the sparse rows of the transition table are overlaid in one array (Tarjan and
//! Yao, *Storing a Sparse Table*, 1979).
//!
//! ```text
//! index     0      1      2      3
//! state 0   a→s3          c→s4             base 0
//! state 1          a→s7          c→s9      base 1
//! words     a→s3   a→s7   c→s4   c→s9      each tagged with its class, to tell the states apart
//! ```
//!
//! States with many transitions are placed first, at the first index at which all their words are free; the
//! others fill the gaps.
//!
//! Invariant: no two states are placed at the same index.

use std::collections::HashSet;

use super::subset::{DEAD, DefaultMove, State, States};
use super::{Automaton, DEFAULT, FINAL, FREE, ROW, SUFFIX};

/// Maximum number of gaps that are tried for a state before it is placed at the end of the array.
const TRIES_MAX: usize = 64;

/// Marker of a state that has not been placed.
const UNPLACED: u32 = u32::MAX;

/// Packs the states of an automaton.
#[must_use]
pub fn pack(States { classes, states, start, rows }: States) -> Automaton {
    // A transition to a sink stores the row of the sink, so a sink needs words only as the initial state or as
    // a suffix.
    let suffix = |state: &State| match state.default {
        DefaultMove::Suffix { state, .. } => Some(state),
        _ => None,
    };
    let entered: HashSet<u32> = states.iter().filter_map(suffix).chain([start]).collect();
    let needed = |at: u32| !states[at as usize].sink || entered.contains(&at);
    let mut order: Vec<u32> = (0..states.len() as u32).filter(|at| needed(*at)).collect();
    order.sort_by_key(|at| std::cmp::Reverse(offsets(&states[*at as usize]).count()));
    let mut array = Array::default();
    let mut bases = vec![UNPLACED; states.len()];
    for at in order {
        let offsets: Vec<u8> = offsets(&states[at as usize]).collect();
        bases[at as usize] = array.place(&offsets);
    }
    let last = bases.iter().filter(|base| **base != UNPLACED).max().copied().unwrap_or(0);
    // One word per class follows the last base, so that every lookup is in bounds.
    let width = classes.iter().copied().max().unwrap_or(0).max(ROW);
    let mut words = vec![FINAL | u32::from(FREE); (last + u32::from(width) + 1) as usize];
    let target = |to: u32| match states[to as usize].sink {
        true => FINAL | states[to as usize].row << 8,
        false => bases[to as usize] << 8,
    };
    for (state, base) in states.iter().zip(&bases).filter(|(_, base)| **base != UNPLACED) {
        let mut put = |offset: u8, tag: u8, target: u32| {
            words[*base as usize + usize::from(offset)] = target | u32::from(tag);
        };
        match state.default {
            DefaultMove::To(DEAD) => {}
            DefaultMove::To(to) => put(0, 0, target(to)),
            DefaultMove::Inherit(from) => put(0, DEFAULT, bases[from as usize] << 8),
            DefaultMove::Suffix { state, row } => {
                put(0, SUFFIX, bases[state as usize] << 8);
                put(ROW, FREE, FINAL | row << 8);
            }
        }
        if state.row != 0 {
            put(ROW, ROW, FINAL | state.row << 8);
        }
        state.moves.iter().for_each(|(class, to)| put(*class, *class, target(*to)));
    }
    Automaton { classes, words, start: bases[start as usize], rows, states: states.len() }
}

/// Returns the offsets of the words of a state.
fn offsets(state: &State) -> impl Iterator<Item = u8> {
    let default = (state.default != DefaultMove::To(DEAD)).then_some(0);
    let row = (state.row != 0 || matches!(state.default, DefaultMove::Suffix { .. })).then_some(ROW);
    default.into_iter().chain(row).chain(state.moves.iter().map(|(class, _)| *class))
}

/// Occupied words and bases of the array.
#[derive(Default)]
struct Array {
    words: Vec<bool>,
    bases: Vec<bool>,
    /// Number of words of the last state, and the index at which its search ended. A state with the same number
    /// searches from there, since nothing before was free.
    count: usize,
    from: usize,
}

impl Array {
    /// Places a state: returns an unused base from which all offsets are free.
    fn place(&mut self, offsets: &[u8]) -> u32 {
        let first = usize::from(offsets.first().copied().unwrap_or(0));
        if self.count != offsets.len() {
            (self.count, self.from) = (offsets.len(), 0);
        }
        let taken = |list: &[bool], at: usize| list.get(at).copied().unwrap_or(false);
        let (mut at, mut tries) = (self.from.max(first), 0);
        let base = loop {
            if !taken(&self.words, at) {
                let base = at - first;
                let fits = !taken(&self.bases, base)
                    && offsets.iter().all(|offset| !taken(&self.words, base + usize::from(*offset)));
                if fits {
                    break base;
                }
                tries += 1;
                if tries == TRIES_MAX {
                    at = at.max(self.words.len()).max(self.bases.len() + first);
                    continue;
                }
            }
            at += 1;
        };
        // Gaps that were too small remain for states with fewer words.
        self.from = if tries < TRIES_MAX { at } else { self.from + TRIES_MAX };
        let end = offsets.iter().map(|offset| base + usize::from(*offset) + 1).max().unwrap_or(0);
        self.words.resize(self.words.len().max(end), false);
        self.bases.resize(self.bases.len().max(base + 1), false);
        offsets.iter().for_each(|offset| self.words[base + usize::from(*offset)] = true);
        self.bases[base] = true;
        base as u32
    }
}

#[cfg(test)]
mod tests {
    use super::Array;

    /// A state gets the lowest unused base from which all its words are free, which keeps the table small.
    #[test]
    fn states_are_placed_without_gaps() {
        let mut array = Array::default();
        for (offsets, wanted, why) in [
            (&[5][..], 0, "word 5"),
            (&[5], 1, "word 6, which follows the one of the first state"),
            (&[4], 3, "word 7"),
            (&[0], 8, "word 8"),
            (&[0, 1], 2, "bases 0 and 1 are used, words 2 and 3 are free"),
            (&[0, 1], 9, "words 9 and 10: word 4 has no free neighbour, and words 5 to 8 are taken"),
        ] {
            assert_eq!(array.place(offsets), wanted, "{offsets:?}: {why}");
        }
    }
}
