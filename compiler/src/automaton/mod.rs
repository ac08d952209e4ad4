//! Many patterns on one text as one automaton: a run over the text tells which of them fit.
//!
//! ```text
//! 0  under "/srv/x"          /  →  s  →  r  →  v  →  /  →  x     here, or where `/` follows: row 1
//! 1  like "/srv/x/*.key"                                 /  →  …    row 2, of 0 and 1
//! ```
//!
//! Patterns that begin alike share their beginning (`nfa.rs`); the states are the sets of places that a text can have come
//! to (`subset.rs`), those from which one pattern is left are shared with others that end alike (`tails.rs`), and all are
//! packed into words (`comb.rs`). An automaton that could be large is bounded by [`STATES_MAX`]
//! where it stands for one pattern, else by four times as many as its patterns have places: whoever asks for it takes fewer.
//!
//! The words are a comb: the moves of all states lie in one another's gaps. A state is the place of its first word.
//!
//! ```text
//! word                bits 0..8 whose it is: a class, or ROW, GATE, FALLS, FREE; bits 8..31 a state, or a row with FINAL
//! words[state + c]    if it is `c`'s: where a byte of class `c` leads
//! words[state]        else, if it is of class 0: where all other bytes lead; if FALLS: the state that is asked instead,
//!                     which has a word of class 0; if GATE: the tail that is entered; or else nothing fits any more
//! words[state + ROW]  if it is ROW's: the row of a text that ends here; of a gate, also if it is nobody's: the
//!                     row of what fits behind it, whatever row is found there
//! ```
//!
//! A dense table, such as those of `regex-automata`, has a word for each state and class: for ten thousand prefixes
//! that is fifty times as many.
//!
//! Invariants: no two states have the same place, so that a word can be one's only; what is FINAL does not depend on what
//! follows; a state that falls does so once; a tail has no gates, and what is asked for a byte at a gate is asked of its tail at
//! once; row 0 is of no pattern and has no rules.
//!
//! Absent: where in the text something was found.

mod comb;
mod nfa;
mod subset;
mod tails;

use crate::hir::TextTest;

/// Whose a word is that tells the row of a text that ends.
pub const ROW: u8 = 1;
/// Whose a word is that names the tail that a gate leads to.
pub const GATE: u8 = 253;
/// Whose a word is that names the state to ask instead.
pub const FALLS: u8 = 254;
/// Nobody's.
pub const FREE: u8 = 255;
/// The first class of bytes that have words of their own.
const FIRST_CLASS: u8 = 2;

/// A word with this leads to no state but has come to a row.
pub const FINAL: u32 = 1 << 31;

/// The most states of the automaton of one pattern.
pub const STATES_MAX: usize = 1 << 14;

/// An automaton, packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Automaton {
    /// By byte: its class. 0 are those that no pattern names.
    pub classes: Vec<u8>,
    /// Moves.
    pub words: Vec<u32>,
    /// Where a text begins.
    pub start: u32,
    /// By row: what fits, ascending. Row 0 is empty, and no two are the same.
    pub rows: Vec<Vec<u32>>,
    /// How many states it has.
    pub states: usize,
}

/// There would be too many states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooComplex;

impl Automaton {
    /// The automaton of one pattern, whose row is 1.
    ///
    /// # Errors
    /// Where it would have more than [`STATES_MAX`] states.
    pub fn one(pattern: &TextTest) -> Result<Automaton, TooComplex> {
        Automaton::build([(pattern, 0)], STATES_MAX)
    }

    /// The automaton of several patterns, each with a number, which need not differ.
    ///
    /// # Errors
    /// Where it would have more than four times as many states as its patterns have places.
    pub fn several<'t>(patterns: impl IntoIterator<Item = (&'t TextTest, u32)>) -> Result<Automaton, TooComplex> {
        Automaton::build(patterns, 0)
    }

    fn build<'t>(
        patterns: impl IntoIterator<Item = (&'t TextTest, u32)>,
        states_max: usize,
    ) -> Result<Automaton, TooComplex> {
        let mut nfa = nfa::Nfa::default();
        for (pattern, number) in patterns {
            nfa.add(pattern, number)?;
        }
        let nfa = nfa.shared();
        let states_max = states_max.max(64 + 4 * nfa.nodes.len());
        let states = subset::states(&nfa, states_max)?;
        drop(nfa);
        Ok(comb::pack(states))
    }

    /// The row of a text, as the code on the kernel finds it.
    #[must_use]
    pub fn row(&self, text: &[u8]) -> u32 {
        let (mut state, mut gate) = (self.start, 0);
        let row = |found: u32, gate: u32| match found & !(FINAL >> 8) {
            0 => 0,
            row => {
                if gate == 0 {
                    row
                } else {
                    gate
                }
            }
        };
        for byte in text {
            let class = self.classes[usize::from(*byte)];
            if let Some(tail) = self.word(state, 0, GATE) {
                (state, gate) = (tail, self.words[state as usize + usize::from(ROW)] >> 8 & !(FINAL >> 8));
            }
            let next = self.word(state, class, class).or_else(|| self.word(state, 0, 0)).or_else(|| {
                let model = self.word(state, 0, FALLS)?;
                self.word(model, class, class).or_else(|| self.word(model, 0, 0))
            });
            match next {
                None => return 0,
                Some(next) if next & FINAL >> 8 != 0 => return row(next, gate),
                Some(next) => state = next,
            }
        }
        self.word(state, ROW, ROW).map_or(0, |found| row(found, gate))
    }

    /// What a state has for a class, if it is whose it should be.
    fn word(&self, state: u32, class: u8, whose: u8) -> Option<u32> {
        let word = self.words[state as usize + usize::from(class)];
        (word as u8 == whose).then_some(word >> 8)
    }

    /// What fits a text.
    #[must_use]
    pub fn fitting(&self, text: &[u8]) -> &[u32] {
        &self.rows[self.row(text) as usize]
    }
}

#[cfg(test)]
mod tests;
