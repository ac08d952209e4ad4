//! What proptest draws and [`ask`] shrinks: rows of numbers, each for one part of a policy or for one scene.
//!
//! ```text
//! scenes   [31, 7], []       two scenes; the second of zeros, which is the simplest
//! rules    [512, 0, 9]       one rule
//! series   none              or rules of one shape: a row for the shape, and one for each rule
//! frame    []                hooks, labels, and the kernel
//! without  [index]           optimisations that are left out
//! ```
//!
//! A row is used by its own part alone, so that a rule that goes changes no other. Parts are shrunk in this order: with
//! one scene left, all other tries cost little.
//!
//! Invariant: a seed tells all.

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

/// The most numbers of a row. Most parts need fewer; some rows are shorter than needed, which makes simple parts.
const WORDS_MAX: usize = 200;

/// The most scenes of a policy.
pub const SCENES: usize = 24;

/// The most rules of one shape, and the most numbers for one.
const SERIES_MAX: usize = 27;
const SERIES_WORDS_MAX: usize = 6;

/// The longest time to make a failure smaller: somebody waits for the small form.
const SHRINK_MS: u64 = 8000;
const _: () = assert!(SHRINK_MS < 10_000, "a failure is shrunk within 10 s");

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

/// The base seed of a run: the environment's `KRS_SEED`, or else the clock, the same for the whole process.
///
/// # Panics
/// If `KRS_SEED` is no number.
#[must_use]
pub fn base_seed() -> u64 {
    static SEED: LazyLock<u64> = LazyLock::new(|| match std::env::var("KRS_SEED") {
        Ok(seed) => seed.parse().expect("KRS_SEED must be a number"),
        // Beside the fixed seeds, which are small, and short enough to be typed.
        Err(_) => UNIX_EPOCH.elapsed().map_or(1 << 20, |since| since.as_millis() as u64 % 1_000_000_000_000),
    });
    *SEED
}

/// Asks about the case of a seed.
///
/// # Errors
/// The smallest policy found that fails, and how.
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

/// Asks a question; a compiler that panics has failed like one that is wrong.
fn answer(question: Question, case: &Case) -> Result<Tried, String> {
    std::panic::catch_unwind(|| question(case))
        .unwrap_or_else(|panic| Err(panic.downcast_ref::<String>().map_or("a panic", String::as_str).to_owned()))
}

/// Makes a case that fails smaller while it fails, until a time: first fewer rows, since each costs a compilation and
/// many calls, then shorter rows, then smaller numbers.
struct Shrink {
    question: Question,
    until: Instant,
    /// The smallest one that is known to fail.
    case: Case,
    /// How it fails.
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

    /// Removes elements of a list, many at once while that can be done; `least` remain.
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

    /// Looks by halves for the smallest number that fails, at most `known`, which fails.
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
    /// All rows, one after the other.
    fn row(&mut self, at: usize) -> Option<&mut Words> {
        let series = self.series.iter_mut().flat_map(|series| series.rules.iter_mut().chain([&mut series.shape]));
        self.scenes.iter_mut().chain(&mut self.rules).chain(series).chain([&mut self.frame]).nth(at)
    }
}

fn runner(seed: u64) -> TestRunner {
    TestRunner::new(Config {
        rng_seed: RngSeed::Fixed(seed),
        // A seed is enough to see a failure again.
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
            // The first number that is 70 of a hundred.
            let small = Case { scenes: vec![vec![]], rules: vec![vec![45876]], ..Case::default() };
            assert_eq!(*failure, (small, "1".to_owned()));
        }
    }

    #[test]
    fn a_fault_in_a_policy_becomes_a_small_policy() {
        // Stands for a compiler that fails on one errno; to ask costs about what a real question costs.
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
