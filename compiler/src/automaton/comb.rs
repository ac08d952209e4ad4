//! Packs states into words: first those with many moves, wherever all of them find room, then the others into the gaps
//! (row displacement; Tarjan and Yao, 1979).

use std::collections::HashSet;

use super::subset::{DEAD, Others, State, States};
use super::{Automaton, FALLS, FINAL, FREE, GATE, ROW};

/// So many gaps are tried for a state before it goes behind all others.
const TRIES_MAX: usize = 64;

/// A place of which nothing is known yet.
const NOWHERE: u32 = u32::MAX;

/// Packs.
#[must_use]
pub fn pack(States { classes, states, start, rows }: States) -> Automaton {
    // What rests needs no place, but where a text begins there or a gate leads there.
    let gated = |state: &State| if let Others::Gate { tail, .. } = state.others { Some(tail) } else { None };
    let entered: HashSet<u32> = states.iter().filter_map(gated).chain([start]).collect();
    let placed = |at: u32| !states[at as usize].rests || entered.contains(&at);
    let mut order: Vec<u32> = (0..states.len() as u32).filter(|at| placed(*at)).collect();
    order.sort_by_key(|at| std::cmp::Reverse(offsets(&states[*at as usize]).count()));
    let mut room = Room::default();
    let mut places = vec![NOWHERE; states.len()];
    for at in order {
        let offsets: Vec<u8> = offsets(&states[at as usize]).collect();
        places[at as usize] = room.place(&offsets);
    }
    let last = places.iter().filter(|place| **place != NOWHERE).max().copied().unwrap_or(0);
    // Behind the last place as many as there are classes: whatever a state is asked, a word is there.
    let width = classes.iter().copied().max().unwrap_or(0).max(ROW);
    let mut words = vec![FINAL | u32::from(FREE); (last + u32::from(width) + 1) as usize];
    let leads = |to: u32| match states[to as usize].rests {
        true => FINAL | states[to as usize].row << 8,
        false => places[to as usize] << 8,
    };
    for (state, place) in states.iter().zip(&places).filter(|(_, place)| **place != NOWHERE) {
        let mut put = |offset: u8, whose: u8, what: u32| {
            words[*place as usize + usize::from(offset)] = what | u32::from(whose);
        };
        match state.others {
            Others::To(DEAD) => {}
            Others::To(to) => put(0, 0, leads(to)),
            Others::As(model) => put(0, FALLS, places[model as usize] << 8),
            Others::Gate { tail, row } => {
                put(0, GATE, places[tail as usize] << 8);
                put(ROW, FREE, FINAL | row << 8);
            }
        }
        if state.row != 0 {
            put(ROW, ROW, FINAL | state.row << 8);
        }
        state.moves.iter().for_each(|(class, to)| put(*class, *class, leads(*to)));
    }
    Automaton { classes, words, start: places[start as usize], rows, states: states.len() }
}

/// Where a state has words, from its place.
fn offsets(state: &State) -> impl Iterator<Item = u8> {
    let others = (state.others != Others::To(DEAD)).then_some(0);
    let row = (state.row != 0 || matches!(state.others, Others::Gate { .. })).then_some(ROW);
    others.into_iter().chain(row).chain(state.moves.iter().map(|(class, _)| *class))
}

/// Words and places that are taken.
#[derive(Default)]
struct Room {
    words: Vec<bool>,
    places: Vec<bool>,
    /// How many words the last state had, and where its search ended: one with as many finds nothing before that.
    count: usize,
    from: usize,
}

impl Room {
    /// A place that no state has, from which all offsets are free.
    fn place(&mut self, offsets: &[u8]) -> u32 {
        let first = usize::from(offsets.first().copied().unwrap_or(0));
        if self.count != offsets.len() {
            (self.count, self.from) = (offsets.len(), 0);
        }
        let taken = |list: &[bool], at: usize| list.get(at).copied().unwrap_or(false);
        let (mut at, mut tries) = (self.from.max(first), 0);
        let place = loop {
            if !taken(&self.words, at) {
                let place = at - first;
                let fits = !taken(&self.places, place)
                    && offsets.iter().all(|offset| !taken(&self.words, place + usize::from(*offset)));
                if fits {
                    break place;
                }
                tries += 1;
                if tries == TRIES_MAX {
                    at = at.max(self.words.len()).max(self.places.len() + first);
                    continue;
                }
            }
            at += 1;
        };
        // The gaps that were tried in vain are left to states with fewer words.
        self.from = if tries < TRIES_MAX { at } else { self.from + TRIES_MAX };
        let end = offsets.iter().map(|offset| place + usize::from(*offset) + 1).max().unwrap_or(0);
        self.words.resize(self.words.len().max(end), false);
        self.places.resize(self.places.len().max(place + 1), false);
        offsets.iter().for_each(|offset| self.words[place + usize::from(*offset)] = true);
        self.places[place] = true;
        place as u32
    }
}
