//! Observation of the passes: bodies printed after a pass, invariants, and times.
//!
//! ```text
//! ; file_mprotect after dce
//! b0:
//!     v11 = r1
//! ```
//!
//! Absent: the clock. The command passes one in, so that the library does not read the time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::pass_names;
use crate::mir::{self, Body};

/// Requests of `-Z` that do not change the code.
#[derive(Clone, Debug, Default)]
pub struct Instrumentation {
    /// Passes after which the body is printed.
    pub print_after: Vec<&'static str>,
    /// The pass after which compilation ends.
    pub stop_after: Option<&'static str>,
    /// Checks the invariants after each pass, also in release builds.
    pub verify_each: bool,
    /// A clock: the time since a fixed moment. Passes are timed if there is one.
    pub clock: Option<fn() -> Duration>,
}

/// Observes the passes over all bodies of a policy.
pub struct Observer<'i> {
    wanted: &'i Instrumentation,
    printed: RefCell<String>,
    /// The number of runs of each pass, and their time.
    times: RefCell<BTreeMap<&'static str, (u32, Duration)>>,
}

/// The requests of [`Observer::none`], which are empty.
static NOTHING: Instrumentation =
    Instrumentation { print_after: Vec::new(), stop_after: None, verify_each: false, clock: None };

impl Observer<'static> {
    /// An observer without requests.
    #[must_use]
    pub fn none() -> Observer<'static> {
        Observer::new(&NOTHING)
    }
}

impl<'i> Observer<'i> {
    /// Creates an observer with no output yet.
    #[must_use]
    pub fn new(wanted: &'i Instrumentation) -> Observer<'i> {
        Observer { wanted, printed: RefCell::default(), times: RefCell::default() }
    }

    /// Forgets the printed bodies: the policy is compiled again with other options.
    pub fn restart(&self) {
        self.printed.borrow_mut().clear();
    }

    /// The printed bodies and the table of times.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = self.printed.borrow().clone();
        if self.wanted.clock.is_some() {
            let times = self.times.borrow();
            let all: Duration = times.values().map(|(_, time)| *time).sum();
            let _ = writeln!(text, "{:20} {:>7} {:>12}", "pass", "runs", "microseconds");
            for name in pass_names() {
                if let Some((runs, time)) = times.get(name) {
                    let _ = writeln!(text, "{name:20} {runs:>7} {:>12}", time.as_micros());
                }
            }
            let _ = writeln!(text, "{:20} {:>7} {:>12}", "all", "", all.as_micros());
        }
        text
    }

    /// Returns true if the invariants of each stage are checked.
    pub(super) fn verifies(&self) -> bool {
        self.wanted.verify_each || cfg!(debug_assertions)
    }

    /// Prints and verifies a body after a pass; returns true if compilation ends there.
    pub(super) fn after(&self, pass: &'static str, round: u32, name: &str, body: &Body) -> bool {
        if self.wanted.print_after.contains(&pass) || self.wanted.stop_after == Some(pass) {
            let round = if round > 1 { format!(", round {round}") } else { String::new() };
            let _ = writeln!(self.printed.borrow_mut(), "; {name} after {pass}{round}\n{}", mir::text::print(body));
        }
        if self.verifies() {
            mir::verify::verify(body)
                .unwrap_or_else(|why| panic!("{name} is invalid after {pass}: {why}\n{}", mir::text::print(body)));
        }
        self.wanted.stop_after == Some(pass)
    }

    /// Runs a pass, and adds up its time if there is a clock.
    pub(super) fn timed<T>(&self, pass: &'static str, run: impl FnOnce() -> T) -> T {
        let Some(clock) = self.wanted.clock else { return run() };
        let start = clock();
        let done = run();
        let mut times = self.times.borrow_mut();
        let entry = times.entry(pass).or_default();
        *entry = (entry.0 + 1, entry.1 + clock().saturating_sub(start));
        done
    }
}
