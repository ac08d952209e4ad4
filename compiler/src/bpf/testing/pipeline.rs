//! Each pass, and all of them in any combination, leave what a program does as it is.
//!
//! ```text
//! random program -> outcomes for some seeds == outcomes after the pass for the same seeds
//! ```
//!
//! Absent: which transformations a pass performs; its own tests state that.

use proptest::prelude::*;

use super::random::{Choices, choices, program};
use super::run::{Outcome, run, run_program};
use super::text::print;
use crate::bpf::vcode::Code;
use crate::bpf::{allocate, copies, demand, encode, flow, layout, narrow, peephole, swaps, webs};
use crate::optimise::{Optimisation, Optimise};

const SEEDS: std::ops::Range<u64> = 0..6;

type Pass = fn(&mut Code);

/// Passes over virtual registers, each of which can stand alone.
const PASSES: [(&str, Pass); 14] = [
    ("narrow", narrow::narrow),
    ("copies::expand", copies::expand),
    ("jump threading", |code| flow::optimise(code, only(&[Optimisation::Passing]))),
    ("common subexpressions", |code| flow::optimise(code, only(&[Optimisation::Again]))),
    ("flow", |code| flow::optimise(code, Optimise::default())),
    ("sink_cold", layout::sink_cold),
    ("webs", webs::split),
    ("sink_cold and split_cold", |code| {
        layout::sink_cold(code);
        layout::split_cold(code);
    }),
    ("peephole::constants", peephole::constants),
    ("peephole::copies", peephole::copies),
    ("peephole::joined", peephole::joined),
    ("swaps", swaps::spare),
    ("demand", demand::spare),
    ("chain and copy_exits", |code| {
        layout::chain(code);
        layout::copy_exits(code);
    }),
];

fn only(wanted: &[Optimisation]) -> Optimise {
    let others = Optimisation::ALL.iter().filter(|one| !wanted.contains(one));
    others.fold(Optimise::default(), |all, one| all.without(*one))
}

fn outcomes(code: &Code) -> Vec<Outcome> {
    SEEDS.map(|seed| run(code, seed)).collect()
}

/// From virtual registers to slots, as `lower` does it; `None` where the frame is too small.
fn encoded(mut code: Code, optimise: Optimise) -> Option<crate::bpf::Program> {
    flow::optimise(&mut code, optimise);
    let mut code = allocate::allocate(code, optimise).ok()?;
    if optimise.does(Optimisation::Chains) {
        layout::chain(&mut code);
    }
    if optimise.does(Optimisation::Exits) {
        layout::copy_exits(&mut code);
    }
    Some(encode::encode("p", "p", &code, optimise).expect("it is small"))
}

fn check(choices: &Choices, off: u64) -> Result<(), TestCaseError> {
    let before = program(choices);
    let wanted = outcomes(&before);
    for (name, pass) in PASSES {
        let mut after = before.clone();
        pass(&mut after);
        prop_assert!(outcomes(&after) == wanted, "{name}\n{}\n{}", print(&before), print(&after));
    }
    let left_out = Optimisation::ALL.iter().filter(|one| off >> **one as u32 & 1 != 0);
    let some = left_out.fold(Optimise::default(), |all, one| all.without(*one));
    for optimise in [Optimise::default(), some] {
        if let Some(program) = encoded(before.clone(), optimise) {
            let found: Vec<Outcome> = SEEDS.map(|seed| run_program(&program, seed)).collect();
            prop_assert!(found == wanted, "{optimise:?}\n{}\n{:?}", print(&before), program.insns);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn passes_preserve_what_a_program_does(choices in choices(), off in any::<u64>()) {
        check(&choices, off)?;
    }
}
