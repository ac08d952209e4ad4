//! Each pass preserves the behaviour of random programs, and so does the pipeline with a random set of
//! optimisations left out.
//!
//! ```text
//! random program -> outcomes for some seeds == outcomes after the pass for the same seeds
//! ```
//!
//! Absent: the transformations that a pass performs; its own tests state them.

use proptest::prelude::*;

use super::random::{Choices, choices, program};
use super::run::{Outcome, run, run_program};
use crate::bpf::{Program, encode};
use crate::driver::{self, Observer};
use crate::mir::text::print;
use crate::mir::{Body, verify};
use crate::optimise::{Optimisation, Optimise};

const SEEDS: std::ops::Range<u64> = 0..6;

/// Passes before register allocation, each of which can run alone.
fn passes() -> impl Iterator<Item = &'static str> {
    driver::pass_names().skip(1).take_while(|name| *name != "regalloc")
}

fn outcomes(body: &Body) -> Vec<Outcome> {
    SEEDS.map(|seed| run(body, seed)).collect()
}

/// The encoded program; `None` if it needs too much stack.
fn encoded(body: Body, optimise: Optimise) -> Option<Program> {
    let body = driver::run("p", body, optimise, &Observer::none()).ok()?.expect("nothing asks to stop");
    Some(encode::encode("p", "p", &body, optimise).expect("it is small"))
}

fn check(choices: &Choices, off: u64) -> Result<(), TestCaseError> {
    let before = program(choices);
    let wanted = outcomes(&before);
    for name in passes() {
        let mut after = before.clone();
        let pass = driver::find(name).expect("the name is of the list");
        pass.run(&mut after, Optimise::default()).expect("it needs no stack");
        verify::verify(&after).expect("the pass keeps the invariants");
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
