//! `cargo xtask mutants`: measures how many faults the tests without guests catch.
//!
//! ```text
//! cargo xtask mutants --sample 300 --seed 1   random mutants, as cargo-mutants makes them
//! cargo xtask mutants --faults                every patch of tests/faults against the test that it names
//! cargo xtask mutants --faults NAME           one patch
//! cargo xtask mutants --faults --check        only that patches apply and that their tests exist
//! cargo xtask mutants --faults --find NAME    runs all tests, to find the one that catches a new patch
//! ```
//!
//! `cargo mutants` itself builds every test program for a mutant and then runs them all, which takes a minute
//! and more for each. Here it only lists the mutants. The tests run in stages of one test program each, the
//! cheap ones first: a mutant that the unit tests of its crate catch costs one incremental build of that
//! crate.
//!
//! Mutants and patches are applied to a copy of the repository below `target/mutants`, which is kept, with
//! its own target folder, so that a later run starts with a warm build. The repository itself is never
//! changed.
//!
//! Absent: guests; nothing here boots a kernel or loads a program.

mod faults;
mod patch;
mod report;
mod sample;
mod stages;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};

use crate::host;

/// Measure how many faults the tests without guests catch.
#[derive(clap::Args)]
pub struct Arguments {
    /// Number of random mutants to try.
    #[arg(long, value_name = "N", default_value_t = 60)]
    sample: usize,
    /// Seed of the draw: one seed always draws the same mutants, and a larger sample contains a smaller one.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Try only mutants of this package: krs-grammar, krsic, krsi-abi or krsi.
    #[arg(long, value_name = "P")]
    package: Option<String>,
    /// Number of mutants tried at a time; each job has its own copy and target folder.
    #[arg(long, value_name = "J", default_value_t = 1)]
    jobs: usize,
    /// Print the mutants that would be tried, and try none.
    #[arg(long)]
    list: bool,
    /// Apply the patches of `tests/faults` instead of random mutants.
    #[arg(long)]
    faults: bool,
    /// Only check that the patches apply and that the tests that they name exist.
    #[arg(long, requires = "faults")]
    check: bool,
    /// Run all tests on a patch until one fails, and print which.
    #[arg(long, requires = "faults")]
    find: bool,
    /// Names of patches, without `.patch`; all by default.
    #[arg(value_name = "NAME", requires = "faults")]
    names: Vec<String>,
}

/// Runs the task and prints its report.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    ensure!(arguments.jobs > 0, "at least one job is needed");
    if !arguments.faults {
        return sample::run(&sample::Options {
            count: arguments.sample,
            seed: arguments.seed,
            package: arguments.package.as_deref(),
            jobs: arguments.jobs,
            list: arguments.list,
        });
    }
    let selected = faults::read(host::repository(), &arguments.names)?;
    if arguments.check {
        return faults::check(host::repository(), &selected);
    }
    if arguments.find { faults::find(&selected, arguments.jobs) } else { faults::run(&selected, arguments.jobs) }
}

/// The folder of copies, target folders and results.
fn scratch() -> PathBuf {
    host::repository().join("target/mutants")
}
