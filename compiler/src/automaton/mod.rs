//! Multi-pattern automata: one run over a text determines which of many patterns match it.
//!
//! ```text
//! 0  under "/srv/x"          /  →  s  →  r  →  v  →  /  →  x     at the end, or before `/`: row 1
//! 1  like "/srv/x/*.key"                                 /  →  …    row 2, of patterns 0 and 1
//! ```
//!
//! Each set of patterns that some text matches is a *row*. The construction has these steps:
//!
//! 1. `nfa`: patterns to one NFA, in which equal prefixes are shared;
//! 2. `subset`: NFA to DFA by subset construction;
//! 3. `suffixes`: during step 2, states from which only one pattern can still match are shared between patterns
//!    with equal suffixes;
//! 4. `row_displacement`: DFA to one array of words, compressed.
//!
//! The automaton of one pattern has at most [`STATES_MAX`] states; that of several has at most four times as many
//! states as its NFA has nodes, and a caller that exceeds this retries with fewer patterns.
//!
//! The transitions of all states are interleaved in one array. A state is the index of its first word.
//!
//! ```text
//! word                bits 0..8: tag, a byte class or ROW, SUFFIX, DEFAULT, FREE; bits 8..31: state, or row if FINAL
//! words[state + c]    tagged `c`: transition for bytes of class `c`
//! words[state]        for all other bytes, by its tag:
//!                       0        transition
//!                       DEFAULT  state whose transitions apply instead; it has a word with tag 0
//!                       SUFFIX   first state of a shared suffix, in which the byte is looked up
//!                       other    no pattern can match any more
//! words[state + ROW]  tagged ROW: row of a text that ends here
//!                     at the entry of a suffix, with any tag: row of every text that the suffix accepts
//! ```
//!
//! A dense table, as in `regex-automata`, has a word for each state and class, which for ten thousand prefixes is
//! fifty times as many.
//!
//! Invariants: no two states have the same index, so each word belongs to one state; a FINAL word does not
//! depend on the rest of the text; the state that a default names has no default itself; a suffix contains no
//! entry of another suffix, and entering it consumes no byte; row 0 has no patterns.
//!
//! Absent: positions of matches in the text.

mod nfa;
mod row_displacement;
mod subset;
mod suffixes;

use crate::text_test::TextTest;

/// Tag of the word that holds the row of a text ending in the state.
pub const ROW: u8 = 1;
/// Tag of a word that names the shared suffix to enter.
pub const SUFFIX: u8 = 253;
/// Tag of a word that names the state whose transitions are the default.
pub const DEFAULT: u8 = 254;
/// Tag of a word that belongs to no state.
pub const FREE: u8 = 255;
/// First byte class with words of its own.
const FIRST_CLASS: u8 = 2;

/// Flag of a word whose target is a row instead of a state.
pub const FINAL: u32 = 1 << 31;

/// Maximum number of states of the automaton of one pattern.
pub const STATES_MAX: usize = 1 << 14;

/// A deterministic automaton in compressed form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Automaton {
    /// Class of each byte. Class 0 has bytes that no pattern names.
    pub classes: Vec<u8>,
    /// Transitions and rows of all states.
    pub words: Vec<u32>,
    /// State in which a text begins.
    pub start: u32,
    /// Numbers of the patterns that match, ascending, for each row. Row 0 is empty, and no two rows are equal.
    pub rows: Vec<Vec<u32>>,
    /// Number of states before compression.
    pub states: usize,
}

/// Error: the automaton would have too many states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooComplex;

impl Automaton {
    /// Builds the automaton of one pattern, whose row is 1.
    ///
    /// # Errors
    /// Returns an error if it would have more than [`STATES_MAX`] states.
    pub fn one(pattern: &TextTest) -> Result<Automaton, TooComplex> {
        Automaton::build([(pattern, 0)], STATES_MAX)
    }

    /// Builds the automaton of several patterns. Each has a number; patterns with equal numbers are alternatives.
    ///
    /// # Errors
    /// Returns an error if it would have more than four times as many states as the NFA has nodes.
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
        let nfa = nfa.merge_equal();
        let states_max = states_max.max(64 + 4 * nfa.nodes.len());
        let states = subset::states(&nfa, states_max)?;
        drop(nfa);
        Ok(row_displacement::pack(states))
    }

    /// Returns the row of a text, by the algorithm of the generated code.
    #[must_use]
    pub fn row(&self, text: &[u8]) -> u32 {
        // Row of the suffix that has been entered; 0 before.
        let (mut state, mut suffix_row) = (self.start, 0);
        let row = |found: u32, suffix_row: u32| match found & !(FINAL >> 8) {
            0 => 0,
            row => {
                if suffix_row == 0 {
                    row
                } else {
                    suffix_row
                }
            }
        };
        for byte in text {
            let class = self.classes[usize::from(*byte)];
            if let Some(suffix) = self.word(state, 0, SUFFIX) {
                (state, suffix_row) = (suffix, self.words[state as usize + usize::from(ROW)] >> 8 & !(FINAL >> 8));
            }
            let next = self.word(state, class, class).or_else(|| self.word(state, 0, 0)).or_else(|| {
                let default = self.word(state, 0, DEFAULT)?;
                self.word(default, class, class).or_else(|| self.word(default, 0, 0))
            });
            match next {
                None => return 0,
                Some(next) if next & FINAL >> 8 != 0 => return row(next, suffix_row),
                Some(next) => state = next,
            }
        }
        self.word(state, ROW, ROW).map_or(0, |found| row(found, suffix_row))
    }

    /// Returns the target of a word, if the word has the expected tag.
    fn word(&self, state: u32, offset: u8, tag: u8) -> Option<u32> {
        let word = self.words[state as usize + usize::from(offset)];
        (word as u8 == tag).then_some(word >> 8)
    }

    /// Returns the numbers of the patterns that match a text.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> &[u32] {
        &self.rows[self.row(text) as usize]
    }
}

#[cfg(test)]
mod tests;
