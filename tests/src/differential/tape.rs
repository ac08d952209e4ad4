//! A tape of numbers that determine random choices. Past its end the tape yields zeros, and 0 always means
//! the simplest choice. (The idea is from Hypothesis: MacIver and Donaldson, *Test-case reduction via
//! test-case generation*, 2020.)

/// A sequence of numbers and a position in it.
#[derive(Clone, Debug)]
pub struct Tape<'t> {
    words: &'t [u16],
    at: usize,
}

impl<'t> Tape<'t> {
    /// Starts at the beginning of the numbers.
    #[must_use]
    pub fn new(words: &'t [u16]) -> Tape<'t> {
        Tape { words, at: 0 }
    }

    fn next(&mut self) -> u16 {
        let word = self.words.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        word
    }

    /// Returns 64 bits, taken from four numbers.
    pub fn word(&mut self) -> u64 {
        (0..4).fold(0, |word, _| word << 16 | u64::from(self.next()))
    }

    /// Returns a number below `end`, which is at most 65536; 0 if `end` is 0. The result is monotonic in the
    /// drawn number, so a shrinker can search for the smallest choice by bisection.
    pub fn below(&mut self, end: usize) -> usize {
        (usize::from(self.next()) * end) >> 16
    }

    /// Returns true with the given probability in per cent; always false past the end.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) >= 100 - percent
    }

    /// Returns one of the elements.
    ///
    /// # Panics
    /// Panics if there are none.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
