//! The pipeline of passes from a lowered function body to machine code.
//!
//! ```text
//! decision graph --lower--> mir --PIPELINE--> mir with machine registers --encode--> bpf program
//! ```
//!
//! [`PIPELINE`] is the only list of passes. `krsic build -Z no-NAME` leaves out the passes of an
//! optimisation, `-Z print-after=PASS` prints the body after a pass, `-Z stop-after=PASS` also ends there,
//! `-Z verify-each` checks the invariants after each, and `-Z time-passes` adds up their times.
//!
//! Absent: the clock. The command passes one in, so that the library does not read the time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::bpf::{placement, post_ra_copies, regalloc, spills};
use crate::mir::analysis::cfg;
use crate::mir::passes::{
    copy_propagation, dce, demanded_bits, expand_reads, fold_byte_swaps, fold_immediates, gvn, jump_threading,
    mask_bit_tests, rename_live_ranges, resolve_flags, simplify, split_cold, split_live_ranges, widen_moves,
};
use crate::mir::{self, Body};
use crate::optimise::{Optimisation, Optimise};

/// A transformation of a body.
#[derive(Clone, Copy)]
pub struct Pass {
    /// Name of the pass in `-Z print-after=NAME`.
    pub name: &'static str,
    /// The optimisation that it belongs to; `None` for a pass that later ones require.
    pub optimisation: Option<Optimisation>,
    /// The reason for its place in the pipeline.
    pub reason: &'static str,
    run: Run,
}

/// The function of a pass.
#[derive(Clone, Copy)]
enum Run {
    /// Changes the body in place.
    Body(fn(&mut Body)),
    /// Changes the body; returns true if another round of its group may find more.
    Round(fn(&mut Body) -> bool),
    /// Changes the body, with the enabled optimisations as options.
    Options(fn(&mut Body, Optimise)),
    /// Changes the body; fails with the bytes of stack that it needs, if they are too many.
    Stack(fn(&mut Body) -> Result<(), u32>),
}

/// A step of the pipeline.
pub enum Step {
    /// A pass that runs once.
    Once(Pass),
    /// Passes that create opportunities for each other: they are repeated until none requests another round.
    Rounds(&'static [Pass]),
}

/// The most rounds of a group. Policies need two or three; the limit bounds the time for adversarial ones.
const ROUNDS_MAX: u32 = 8;

const fn pass(name: &'static str, optimisation: Optimisation, reason: &'static str, run: Run) -> Pass {
    Pass { name, optimisation: Some(optimisation), reason, run }
}

/// The passes that remove tests and computations whose results are known.
const REDUNDANCY: &[Pass] = &[
    pass(
        "simplify",
        Optimisation::Simplify,
        "first, since a test that known bits decide makes blocks unreachable",
        Run::Body(simplify::run),
    ),
    pass(
        "thread-jumps",
        Optimisation::ThreadJumps,
        "before gvn: fewer paths meet at a block, so more values dominate it",
        Run::Round(jump_threading::run),
    ),
    pass(
        "simplify-cfg",
        Optimisation::ThreadJumps,
        "after thread-jumps: an unreachable block would count as a predecessor",
        Run::Body(simplify_cfg),
    ),
    pass(
        "gvn",
        Optimisation::Gvn,
        "last of the group: equal registers let thread-jumps compare tests in the next round",
        Run::Round(gvn::run),
    ),
];

/// All passes over a body, in order.
pub const PIPELINE: &[Step] = &[
    Step::Rounds(REDUNDANCY),
    Step::Once(Pass {
        name: "expand-reads",
        optimisation: None,
        reason: "after gvn, which numbers a read while it is one instruction",
        run: Run::Body(expand_reads::run),
    }),
    Step::Once(Pass {
        name: "resolve-flags",
        optimisation: None,
        reason: "after thread-jumps, which removes most tests of availability flags",
        run: Run::Body(resolve_flags::run),
    }),
    Step::Once(pass(
        "split-cold",
        Optimisation::SplitCold,
        "before register allocation, which weighs hot and cold uses differently",
        Run::Body(split_cold::run),
    )),
    Step::Once(pass(
        "rename-live-ranges",
        Optimisation::RenameLiveRanges,
        "after split-cold: its duplicates define the registers of their originals a second time",
        Run::Body(rename_live_ranges::run),
    )),
    Step::Rounds(REDUNDANCY),
    Step::Once(pass(
        "split-live-ranges",
        Optimisation::SplitLiveRanges,
        "after gvn, which would merge the new names with the old ones",
        Run::Body(split_live_ranges::run),
    )),
    Step::Once(pass(
        "fold-immediates",
        Optimisation::FoldImmediates,
        "before dce, which removes the moves of the constants",
        Run::Body(fold_immediates::run),
    )),
    Step::Once(pass(
        "widen-moves",
        Optimisation::WidenMoves,
        "before propagate-copies, which takes 64-bit copies only",
        Run::Body(widen_moves::run),
    )),
    Step::Once(pass(
        "propagate-copies",
        Optimisation::PropagateCopies,
        "before fold-byte-swaps, which must see the register that is loaded",
        Run::Body(copy_propagation::run),
    )),
    Step::Once(pass(
        "fold-byte-swaps",
        Optimisation::FoldByteSwaps,
        "after fold-immediates: the constants that values are compared with are immediates",
        Run::Body(fold_byte_swaps::run),
    )),
    Step::Once(pass(
        "demanded-bits",
        Optimisation::DemandedBits,
        "after fold-immediates: masks and shift counts are immediates",
        Run::Body(demanded_bits::run),
    )),
    Step::Once(pass(
        "dce",
        Optimisation::Dce,
        "before register allocation: a dead value would take a register",
        Run::Body(dce::run),
    )),
    Step::Once(Pass {
        name: "mask-bit-tests",
        optimisation: None,
        reason: "after simplify and fold-immediates: masks are immediates, and no pass undoes it",
        run: Run::Body(mask_bit_tests::run),
    }),
    Step::Once(Pass {
        name: "regalloc",
        optimisation: None,
        reason: "assigns machine registers, and spill slots to what finds none",
        run: Run::Options(regalloc::run),
    }),
    Step::Once(pass(
        "coalesce-slots",
        Optimisation::CoalesceSlots,
        "before eliminate-reloads, which then finds more registers that hold a slot's value",
        Run::Body(spills::coalesce_slots),
    )),
    Step::Once(pass(
        "eliminate-reloads",
        Optimisation::EliminateReloads,
        "before post-ra-copies: a reload from a register becomes a copy",
        Run::Body(spills::eliminate_reloads),
    )),
    Step::Once(pass(
        "post-ra-copies",
        Optimisation::PostRaCopies,
        "after regalloc, which makes copies of values that end in one register",
        Run::Body(post_ra_copies::run),
    )),
    Step::Once(pass(
        "sink-spills",
        Optimisation::SinkSpills,
        "after eliminate-reloads: a store that nothing loads is gone",
        Run::Body(spills::sink_stores),
    )),
    Step::Once(Pass {
        name: "assign-offsets",
        optimisation: None,
        reason: "last use of spill slots: those that are not live together share an offset",
        run: Run::Stack(spills::assign_offsets),
    }),
    Step::Once(pass(
        "place-blocks",
        Optimisation::PlaceBlocks,
        "after all passes that need hot code in front of cold code",
        Run::Body(placement::place_blocks),
    )),
    Step::Once(pass(
        "duplicate-exits",
        Optimisation::DuplicateExits,
        "after place-blocks: the order tells which jumps remain",
        Run::Body(placement::duplicate_exits),
    )),
];

/// Removes blocks that are unreachable.
fn simplify_cfg(body: &mut Body) {
    let reachable = cfg::reachable(body);
    cfg::keep_only(body, &reachable);
}

/// The names of all passes, in order, each once. `lower` is the body before the first pass.
pub fn pass_names() -> impl Iterator<Item = &'static str> {
    let mut seen = Vec::new();
    ["lower"].into_iter().chain(passes().map(|pass| pass.name)).filter(move |name| {
        let new = !seen.contains(name);
        seen.push(*name);
        new
    })
}

fn passes() -> impl Iterator<Item = &'static Pass> {
    PIPELINE.iter().flat_map(|step| match step {
        Step::Once(pass) => std::slice::from_ref(pass),
        Step::Rounds(passes) => passes,
    })
}

/// The pass of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Pass> {
    passes().find(|pass| pass.name == name)
}

impl Pass {
    /// Runs the pass once; returns true if another round may find more.
    ///
    /// # Errors
    /// The bytes of stack that the body would take, if they are more than the kernel provides.
    pub fn run(&self, body: &mut Body, optimise: Optimise) -> Result<bool, u32> {
        match self.run {
            Run::Body(run) => run(body),
            Run::Round(run) => return Ok(run(body)),
            Run::Options(run) => run(body, optimise),
            Run::Stack(run) => run(body)?,
        }
        Ok(false)
    }
}

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

    /// Prints and verifies a body after a pass; returns true if compilation ends there.
    fn after(&self, pass: &'static str, round: u32, name: &str, body: &Body) -> bool {
        if self.wanted.print_after.contains(&pass) || self.wanted.stop_after == Some(pass) {
            let round = if round > 1 { format!(", round {round}") } else { String::new() };
            let _ = writeln!(self.printed.borrow_mut(), "; {name} after {pass}{round}\n{}", mir::text::print(body));
        }
        if self.wanted.verify_each || cfg!(debug_assertions) {
            mir::verify::verify(body)
                .unwrap_or_else(|why| panic!("{name} is invalid after {pass}: {why}\n{}", mir::text::print(body)));
        }
        self.wanted.stop_after == Some(pass)
    }

    fn timed<T>(&self, pass: &'static str, run: impl FnOnce() -> T) -> T {
        let Some(clock) = self.wanted.clock else { return run() };
        let start = clock();
        let done = run();
        let mut times = self.times.borrow_mut();
        let entry = times.entry(pass).or_default();
        *entry = (entry.0 + 1, entry.1 + clock().saturating_sub(start));
        done
    }
}

/// Runs the pipeline over the body of the function `name`. Returns `None` if `-Z stop-after` ended it.
///
/// # Errors
/// The bytes of stack that the body would take, if they are more than the kernel provides.
pub fn run(name: &str, mut body: Body, optimise: Optimise, observer: &Observer<'_>) -> Result<Option<Body>, u32> {
    if observer.after("lower", 1, name, &body) {
        return Ok(None);
    }
    for step in PIPELINE {
        let (passes, rounds) = match step {
            Step::Once(pass) => (std::slice::from_ref(pass), 1),
            Step::Rounds(passes) => (*passes, ROUNDS_MAX),
        };
        for round in 1..=rounds {
            let mut again = false;
            for pass in passes {
                if pass.optimisation.is_none_or(|optimisation| optimise.does(optimisation)) {
                    again |= observer.timed(pass.name, || pass.run(&mut body, optimise))?;
                    if observer.after(pass.name, round, name, &body) {
                        return Ok(None);
                    }
                }
            }
            if !again {
                break;
            }
        }
    }
    Ok(Some(body))
}
