//! Random cases, drawn by proptest and shrunk by [`ask`]: rows of numbers, each for one part of a policy or
//! one scene.
//!
//! ```text
//! scenes   [31, 7], []       two scenes; the second consists of zeros, the simplest choices
//! rules    [512, 0, 9]       one rule
//! series   none              or rules of one shape: a row for the shape, and one for each rule
//! frame    []                hooks, labels, and the kernel
//! without  [index]           disabled optimisations
//! ```
//!
//! A row affects only its own part, so removing a rule leaves the other rules unchanged. Parts are shrunk in
//! this order: with one scene left, all other attempts are cheap.
//!
//! Invariant: a seed determines the case completely.

use std::sync::LazyLock;
use std::time::{Duration, Instant, UNIX_EPOCH};

use krsic::optimise::Optimisation;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::sample::subsequence;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::Tried;

/// A row of numbers, read by a [`Tape`](super::tape::Tape).
pub type Words = Vec<u16>;

/// The maximum length of a row. Most parts need fewer numbers; some rows are shorter than needed, which makes
/// simple parts.
const WORDS_MAX: usize = 200;

/// The maximum number of scenes for a policy.
pub const SCENES: usize = 24;

/// The maximum number of rules of one shape, and the maximum length of their rows.
const SERIES_MAX: usize = 27;
const SERIES_WORDS_MAX: usize = 6;

/// The time limit for shrinking a failure, since a developer waits for the result.
const SHRINK_MS: u64 = 8000;
const _: () = assert!(SHRINK_MS < 10_000, "a failure is shrunk within 10 s");

/// A policy and its scenes, as rows of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// Rows for the scenes, one each.
    pub scenes: Vec<Words>,
    /// Rows for the rules, one each.
    pub rules: Vec<Words>,
    /// Rules of one shape, if any.
    pub series: Option<Series>,
    /// Row for the properties that all rules share.
    pub frame: Words,
    /// Optimisations that are disabled.
    pub without: Vec<Optimisation>,
}

/// Rules of one shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// Rows for the rules, one each.
    pub rules: Vec<Words>,
    /// Row for the shape that the rules share.
    pub shape: Words,
}

/// Returns a strategy for cases with at most the given numbers of scenes and rules.
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

/// Draws a value of a strategy from a seed.
///
/// # Panics
/// Panics if the strategy rejects a drawn value, which no strategy here does.
pub fn draw<T: std::fmt::Debug>(seed: u64, strategy: &impl Strategy<Value = T>) -> T {
    strategy.new_tree(&mut runner(seed)).expect("nothing is refused").current()
}

/// Draws scenes for a fixed policy.
#[must_use]
pub fn scenes(seed: u64) -> Vec<Words> {
    draw(seed, &vec(words(), SCENES / 2))
}

/// A property of a case; the error describes how the two answers differ.
pub type Question = fn(&Case) -> Result<Tried, String>;

/// Returns the base seed of a run, constant within a process: `KRS_SEED` from the environment, or else the
/// clock.
///
/// # Panics
/// Panics if `KRS_SEED` is not a number.
#[must_use]
pub fn base_seed() -> u64 {
    static SEED: LazyLock<u64> = LazyLock::new(|| match std::env::var("KRS_SEED") {
        Ok(seed) => seed.parse().expect("KRS_SEED must be a number"),
        // Distinct from the small fixed seeds, and short enough to type.
        Err(_) => UNIX_EPOCH.elapsed().map_or(1 << 20, |since| since.as_millis() as u64 % 1_000_000_000_000),
    });
    *SEED
}

/// Tests the case of a seed.
///
/// # Errors
/// Returns the smallest failing policy that was found, and how it fails.
pub fn ask(seed: u64, question: Question) -> Result<Tried, String> {
    smallest(seed, question, SHRINK_MS).map_err(|failure| failure.1)
}

fn smallest(seed: u64, question: Question, most_ms: u64) -> Result<Tried, Box<(Case, String)>> {
    let case = draw(seed, &cases(SCENES, 5));
    match answer(question, &case) {
        Ok(tried) => Ok(tried),
        Err(why) => {
            let until = Instant::now() + Duration::from_millis(most_ms);
            let mut shrink = Shrink { question, until, case, why };
            shrink.all();
            Err(Box::new((shrink.case, shrink.why)))
        }
    }
}

/// Evaluates a property; a compiler panic counts as a failure.
fn answer(question: Question, case: &Case) -> Result<Tried, String> {
    std::panic::catch_unwind(|| question(case))
        .unwrap_or_else(|panic| Err(panic.downcast_ref::<String>().map_or("a panic", String::as_str).to_owned()))
}

/// Shrinks a failing case within a time limit: first to fewer rows, since each row costs a compilation and
/// many calls, then to shorter rows, then to smaller numbers.
struct Shrink {
    question: Question,
    until: Instant,
    /// The smallest case that is known to fail.
    case: Case,
    /// Description of its failure.
    why: String,
}

impl Shrink {
    fn all(&mut self) {
        self.fewer(1, |case| Some(&mut case.scenes));
        self.attempt(|case| case.series = None);
        self.fewer(0, |case| Some(&mut case.rules));
        self.fewer(0, |case| Some(&mut case.series.as_mut()?.rules));
        self.attempt(|case| case.without.clear());
        self.fewer(0, |case| Some(&mut case.without));
        for at in 0.. {
            let Some(row) = self.case.row(at) else { break };
            let long = row.len();
            self.least(long, |case, length| case.row(at).into_iter().for_each(|row| row.truncate(length)));
        }
        for at in 0.. {
            let Some(row) = self.case.row(at) else { break };
            for word in 0..row.len() {
                let number = self.case.row(at).map_or(0, |row| usize::from(row[word]));
                self.least(number, |case, number| {
                    case.row(at).into_iter().for_each(|row| row[word] = number as u16);
                });
            }
        }
    }

    /// Keeps a change if the case still fails.
    fn attempt(&mut self, change: impl FnOnce(&mut Case)) -> bool {
        let mut case = self.case.clone();
        change(&mut case);
        if case == self.case || Instant::now() >= self.until {
            return false;
        }
        let failed = answer(self.question, &case).err();
        let fails = failed.is_some();
        if let Some(why) = failed {
            (self.case, self.why) = (case, why);
        }
        fails
    }

    /// Removes elements of a list in chunks of decreasing size; at least `least` remain.
    fn fewer<T>(&mut self, least: usize, list: fn(&mut Case) -> Option<&mut Vec<T>>) {
        let length = |shrink: &mut Self| list(&mut shrink.case).map_or(0, |list| list.len());
        let mut size = length(self);
        while size > 0 {
            let mut at = 0;
            while at < length(self) && length(self) > least {
                let end = (at + size).min(length(self)).min(at + length(self) - least);
                if !self.attempt(|case| list(case).into_iter().for_each(|list| drop(list.drain(at..end)))) {
                    at += size;
                }
            }
            size /= 2;
        }
    }

    /// Finds the smallest failing number by bisection; `known` is known to fail.
    fn least(&mut self, known: usize, set: impl Fn(&mut Case, usize)) {
        if self.attempt(|case| set(case, 0)) {
            return;
        }
        let (mut low, mut fails) = (1, known);
        while low < fails {
            let middle = low + (fails - low) / 2;
            if self.attempt(|case| set(case, middle)) { fails = middle } else { low = middle + 1 }
        }
    }
}

impl Case {
    /// Returns a row by its index among all rows.
    fn row(&mut self, at: usize) -> Option<&mut Words> {
        let series = self.series.iter_mut().flat_map(|series| series.rules.iter_mut().chain([&mut series.shape]));
        self.scenes.iter_mut().chain(&mut self.rules).chain(series).chain([&mut self.frame]).nth(at)
    }
}

fn runner(seed: u64) -> TestRunner {
    TestRunner::new(Config {
        rng_seed: RngSeed::Fixed(seed),
        // A seed suffices to reproduce a failure.
        failure_persistence: None,
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
        let found: Vec<_> = (0..20).filter_map(|seed| smallest(seed, fails, SHRINK_MS).err()).collect();
        assert!(found.len() > 5);
        for failure in found {
            // The smallest number that yields 70 per cent.
            let small = Case { scenes: vec![vec![]], rules: vec![vec![45876]], ..Case::default() };
            assert_eq!(*failure, (small, "1".to_owned()));
        }
    }

    #[test]
    fn a_fault_in_a_policy_becomes_a_small_policy() {
        // Simulates a compiler that fails on one errno. An evaluation costs about as much as that of a real
        // property.
        fn fails(case: &Case) -> Result<Tried, String> {
            let text = crate::differential::model::text(case);
            crate::differential::model::examine(case)?;
            if text.contains("deny EBUSY") { Err(text) } else { Ok(Tried::default()) }
        }
        let started = std::time::Instant::now();
        let failure = (1..).find_map(|seed| smallest(seed, fails, SHRINK_MS).err()).expect("one of the seeds fails");
        assert!(started.elapsed().as_secs() < 60, "it took {:?}", started.elapsed());
        assert_eq!(failure.0.rules.len() + failure.0.series.map_or(0, |series| series.rules.len()), 1);
    }

    #[test]
    fn shrinking_is_bound_by_time() {
        fn slow(case: &Case) -> Result<Tried, String> {
            std::thread::sleep(std::time::Duration::from_millis(10));
            if case.rules.is_empty() { Ok(Tried::default()) } else { Err(String::new()) }
        }
        let started = std::time::Instant::now();
        assert!((1..).any(|seed| smallest(seed, slow, 200).is_err()));
        assert!(started.elapsed().as_secs() < 30, "it took {:?}", started.elapsed());
    }

    #[test]
    fn a_seed_tells_all() {
        let one = |seed| format!("{:?}", draw(seed, &cases(SCENES, 5)));
        assert_eq!(one(7), one(7));
        assert_ne!(one(7), one(8));
    }
}
