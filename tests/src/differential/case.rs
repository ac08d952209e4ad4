//! What proptest draws and shrinks: rows of numbers, each for one part of a policy or for one scene.
//!
//! ```text
//! scenes   [31, 7], []       two scenes; the second of zeros, which is the simplest
//! rules    [512, 0, 9]       one rule
//! series   none              or rules of one shape: a row for the shape, and one for each rule
//! frame    []                hooks, labels, and the kernel
//! without  [index]           optimisations that are left out
//! ```
//!
//! A row is used by its own part alone, so that a rule that goes changes no other. What counts most stands first, for
//! parts are shrunk in this order: with one scene left, all other tries cost little.
//!
//! Invariant: a seed tells all.

use krsic::optimise::Optimisation;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::sample::subsequence;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use super::{Tried, describe};

/// A row of numbers, read by a [`Tape`](super::tape::Tape).
pub type Words = Vec<u16>;

/// The most numbers of a row. Most parts need fewer; some rows are shorter than needed, which makes simple parts.
const WORDS_MAX: usize = 200;

/// The most scenes of a policy.
pub const SCENES: usize = 24;

/// The most rules of one shape, and the most numbers for one.
const SERIES_MAX: usize = 27;
const SERIES_WORDS_MAX: usize = 6;

/// Tries to make a failure smaller.
const SHRINK_TRIES: u32 = 6000;

/// A policy and what it meets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// By scene.
    pub scenes: Vec<Words>,
    /// By rule.
    pub rules: Vec<Words>,
    /// Rules of one shape, sometimes.
    pub series: Option<Series>,
    /// What rules have in common.
    pub frame: Words,
    /// Optimisations that are left out.
    pub without: Vec<Optimisation>,
}

/// Rules of one shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// By rule.
    pub rules: Vec<Words>,
    /// What they have in common.
    pub shape: Words,
}

/// Cases of at most so many scenes and rules.
pub fn cases(scenes: usize, rules: usize) -> impl Strategy<Value = Case> {
    let series = (vec(vec(any::<u16>(), 0..=SERIES_WORDS_MAX), 1..=SERIES_MAX), words());
    let series = series.prop_map(|(rules, shape)| Series { rules, shape });
    let series = proptest::option::weighted(0.35, series);
    let without = proptest::option::weighted(0.4, subsequence(Optimisation::ALL, 0..=Optimisation::ALL.len()));
    let parts = (vec(words(), 1..=scenes), vec(words(), 1..=rules), series, words(), without);
    parts.prop_map(|(scenes, rules, series, frame, without)| Case {
        scenes,
        rules,
        series,
        frame,
        without: without.unwrap_or_default(),
    })
}

fn words() -> impl Strategy<Value = Words> {
    vec(any::<u16>(), 0..=WORDS_MAX)
}

/// What a strategy makes of a seed.
///
/// # Panics
/// When the strategy refuses what it has drawn, as none here does.
pub fn draw<T: std::fmt::Debug>(seed: u64, strategy: &impl Strategy<Value = T>) -> T {
    strategy.new_tree(&mut runner(seed)).expect("nothing is refused").current()
}

/// Scenes for a policy that is known.
#[must_use]
pub fn scenes(seed: u64) -> Vec<Words> {
    draw(seed, &vec(words(), SCENES / 2))
}

/// A question about a policy: how the two answers differ is an error.
pub type Question = fn(&Case) -> Result<Tried, String>;

/// Asks about the case of a seed.
///
/// # Errors
/// The smallest policy found that fails, and how.
pub fn ask(seed: u64, question: Question) -> Result<Tried, String> {
    smallest(seed, question).map_err(|failure| format!("{}\n{}", describe(&failure.0), failure.1))
}

fn smallest(seed: u64, question: Question) -> Result<Tried, Box<(Case, String)>> {
    let tried = std::cell::Cell::new(Tried::default());
    let test = |case| question(&case).map(|done| tried.set(done)).map_err(TestCaseError::fail);
    match runner(seed).run(&cases(SCENES, 5), test) {
        Ok(()) => Ok(tried.get()),
        Err(TestError::Fail(why, case)) => Err(Box::new((case, why.to_string()))),
        Err(TestError::Abort(why)) => Err(Box::new((Case::default(), why.to_string()))),
    }
}

fn runner(seed: u64) -> TestRunner {
    TestRunner::new(Config {
        cases: 1,
        rng_seed: RngSeed::Fixed(seed),
        // A seed is enough to see a failure again.
        failure_persistence: None,
        max_shrink_iters: SHRINK_TRIES,
        ..Config::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differential::tape::Tape;

    #[test]
    fn what_does_not_matter_goes() {
        fn fails(case: &Case) -> Result<Tried, String> {
            let large = case.rules.iter().filter(|words| Tape::new(words).percent(30)).count();
            if large > 0 { Err(format!("{large}")) } else { Ok(Tried::default()) }
        }
        let found: Vec<_> = (0..20).filter_map(|seed| smallest(seed, fails).err()).collect();
        assert!(found.len() > 5);
        for failure in found {
            // The first number that is 70 of a hundred.
            let small = Case { scenes: vec![vec![]], rules: vec![vec![45876]], ..Case::default() };
            assert_eq!(*failure, (small, "1".to_owned()));
        }
    }

    #[test]
    fn a_seed_tells_all() {
        let one = |seed| format!("{:?}", draw(seed, &cases(SCENES, 5)));
        assert_eq!(one(7), one(7));
        assert_ne!(one(7), one(8));
    }
}
