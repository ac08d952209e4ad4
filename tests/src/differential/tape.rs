//! Numbers that choices are made by, one after the other; behind the end there are zeros, and 0 is always the simplest
//! choice. (The idea is that of Hypothesis: MacIver and Donaldson, *Test-case reduction via test-case generation*, 2020.)

/// A row of numbers and how far it is used.
#[derive(Clone, Debug)]
pub struct Tape<'t> {
    words: &'t [u64],
    at: usize,
}

impl<'t> Tape<'t> {
    /// From the beginning.
    #[must_use]
    pub fn new(words: &'t [u64]) -> Tape<'t> {
        Tape { words, at: 0 }
    }

    /// The next number.
    pub fn word(&mut self) -> u64 {
        let word = self.words.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        word
    }

    /// A number below `end`; 0 where that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let word = self.word();
        if end == 0 { 0 } else { (word % end as u64) as usize }
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

    /// Numbers that were taken, those behind the end too.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.at
    }
}

/// Random words from a seed: SplitMix64.
#[must_use]
pub fn words(seed: u64, count: usize) -> Vec<u64> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// Makes words that fail shorter and smaller, as long as they fail, in at most so many tries.
pub fn shrink(mut words: Vec<u64>, mut tries: usize, mut fails: impl FnMut(&[u64]) -> bool) -> Vec<u64> {
    let mut attempt = |candidate: Vec<u64>, words: &mut Vec<u64>, tries: &mut usize| {
        if *tries == 0 || candidate == *words {
            return false;
        }
        *tries -= 1;
        let better = fails(&candidate);
        if better {
            *words = candidate;
        }
        better
    };
    loop {
        let before = words.clone();
        // Behind the end there are zeros.
        let mut size = words.len().next_power_of_two();
        while size > 0 {
            let mut at = 0;
            while at < words.len() {
                let end = (at + size).min(words.len());
                let mut zeroed = words.clone();
                zeroed[at..end].fill(0);
                attempt(zeroed, &mut words, &mut tries);
                at = end;
            }
            size /= 2;
        }
        for at in 0..words.len() {
            for small in [1, words[at] % 10, words[at] % 100, words[at] / 2] {
                if small < words[at] {
                    let mut smaller = words.clone();
                    smaller[at] = small;
                    attempt(smaller, &mut words, &mut tries);
                }
            }
        }
        if words == before || tries == 0 {
            return words;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_becomes_zero() {
        let shrunk = shrink(words(7, 50), 10_000, |words| words[17] % 100 > 30 && words[40] % 2 == 1);
        assert!(shrunk[17] < 100 && shrunk[40] == 1, "{shrunk:?}");
        assert_eq!(shrunk.iter().filter(|word| **word != 0).count(), 2);
    }
}
