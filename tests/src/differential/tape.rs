//! Numbers that choices are made by, one after the other; behind the end there are zeros, and 0 is always the simplest
//! choice. (The idea is that of Hypothesis: MacIver and Donaldson, *Test-case reduction via test-case generation*, 2020.)

/// A row of numbers and how far it is used.
#[derive(Clone, Debug)]
pub struct Tape<'t> {
    words: &'t [u16],
    at: usize,
}

impl<'t> Tape<'t> {
    /// From the beginning.
    #[must_use]
    pub fn new(words: &'t [u16]) -> Tape<'t> {
        Tape { words, at: 0 }
    }

    fn next(&mut self) -> u16 {
        let word = self.words.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        word
    }

    /// 64 bits: four of the numbers.
    pub fn word(&mut self) -> u64 {
        (0..4).fold(0, |word, _| word << 16 | u64::from(self.next()))
    }

    /// A number below `end`, which is at most 65536; 0 where that is 0. A smaller number makes no larger choice, so that
    /// what halves numbers looks for the smallest choice by halves.
    pub fn below(&mut self, end: usize) -> usize {
        (usize::from(self.next()) * end) >> 16
    }

    /// True in so many cases of a hundred; never behind the end.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) >= 100 - percent
    }

    /// One of them.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
