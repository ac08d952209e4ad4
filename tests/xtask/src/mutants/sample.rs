//! Random mutants: the sample of a seed, and its results.
//!
//! ```text
//! compiler/src/glob.rs:88:24: replace < with <= in long: caught by krsic --lib (glob::tests::literal), 14 s
//! runtime/src/pins.rs:204:9: replace remove -> Result<(), Failure> with Ok(()): missed, 31 s
//! ```
//!
//! A sixth of the sample is drawn from the grammar, a sixth from the runtime, and the rest from the compiler
//! with its contract crate: in proportion to their sizes, 60 mutants would hold three of the grammar and six
//! of the runtime. Within each part all mutants are equally likely. A mutant has a number made of the seed
//! and its name, and those with the lowest numbers are taken, so that a larger sample contains a smaller one.
//! `.cargo/mutants.toml` lists the exclusions.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use super::patch::{self, Find};
use super::report::{self, Entry, Outcome, Results};
use super::stages::{Stage, Stages};
use super::worker::{self, Run, Worker};
use crate::host;

/// One incremental build of a crate and its tests, for the estimate.
const BUILD_SECONDS: u64 = 12;
/// Fraction of the mutants that pass their first stage, for the estimate: one in this number.
const LATE: u64 = 3;

/// Arguments of the task.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    pub count: usize,
    pub seed: u64,
    pub package: Option<&'a str>,
    pub jobs: usize,
    pub list: bool,
}

/// A mutant as cargo-mutants lists it.
#[derive(Clone, Debug, Deserialize)]
struct Mutant {
    name: String,
    package: String,
    file: String,
    diff: String,
}

/// The time that each test program takes on sources without a fault.
pub type Times = BTreeMap<Stage, Duration>;

/// Runs a sample and prints the table.
pub fn run(options: &Options<'_>) -> Result<ExitCode> {
    let mutants = draw(list()?, options);
    ensure!(!mutants.is_empty(), "there are no mutants to try");
    if options.list {
        mutants.iter().for_each(|mutant| println!("{}", mutant.name));
        return Ok(ExitCode::SUCCESS);
    }
    let version = worker::version(host::repository())?;
    std::fs::create_dir_all(super::scratch())?;
    let path = super::scratch().join(format!("results-{version:016x}.jsonl"));
    let results = Results::open(&path)?;
    let todo: Vec<&Mutant> = mutants.iter().filter(|mutant| results.get(&mutant.name).is_none()).collect();
    println!(
        "{} mutants with seed {}, {} of them tried before",
        mutants.len(),
        options.seed,
        mutants.len() - todo.len()
    );
    println!("results are kept in {}", path.display());
    let results = Mutex::new(results);
    if !todo.is_empty() {
        let mut workers = (0..options.jobs).map(Worker::new).collect::<Result<Vec<_>>>()?;
        let stages = Stages::read(&workers[0].tree())?;
        let used: Vec<&Stage> = stages
            .all()
            .iter()
            .filter(|stage| todo.iter().any(|mutant| stages.of_package(&mutant.package).contains(stage)))
            .collect();
        let times = baseline(&workers[0], &used)?;
        println!("about {} minutes to go", estimate(&todo, &stages, &times) / 60 / options.jobs as u64);
        let started = Instant::now();
        worker::each(&mut workers, &todo, |worker, index, mutant| {
            let entry = attempt(worker, mutant, &stages.of_package(&mutant.package), &times, options.jobs)?;
            let left = started.elapsed().as_secs() / (index as u64 + 1) * (todo.len() - index - 1) as u64;
            println!("[{}/{}, {} min left] {}", index + 1, todo.len(), left / 60, describe(&entry));
            results.lock().unwrap_or_else(PoisonError::into_inner).put(entry)
        })?;
    }
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let entries: Vec<&Entry> = mutants.iter().filter_map(|mutant| results.get(&mutant.name)).collect();
    println!("\ncargo xtask mutants --sample {} --seed {}\n{}", options.count, options.seed, report::print(&entries));
    Ok(ExitCode::SUCCESS)
}

/// All mutants. cargo-mutants is installed where it is missing.
fn list() -> Result<Vec<Mutant>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    if host::run(Command::new(&cargo).args(["mutants", "--version"])).is_err() {
        eprintln!("installing cargo-mutants (needed to make mutants)");
        host::run(Command::new(&cargo).args(["install", "cargo-mutants", "--locked"]))?;
    }
    let text = host::run(Command::new(&cargo).current_dir(host::repository()).args([
        "mutants",
        "--workspace",
        "--list",
        "--json",
        "--diff",
    ]))?;
    serde_json::from_slice(&text).context("cannot read the list of cargo-mutants")
}

/// The mutants that the seed draws, in the order in which they are tried.
fn draw(mut mutants: Vec<Mutant>, options: &Options<'_>) -> Vec<Mutant> {
    mutants.retain(|mutant| options.package.is_none_or(|package| mutant.package == package));
    mutants.sort_by_key(|mutant| hash(format!("{} {}", options.seed, mutant.name).as_bytes()));
    let sixth = options.count.div_ceil(6);
    let mut left = BTreeMap::from([("grammar", sixth), ("runtime", sixth)]);
    left.insert("compiler", options.count.saturating_sub(2 * sixth));
    if options.package.is_some() {
        left.values_mut().for_each(|left| *left = options.count);
    }
    mutants.retain(|mutant| {
        let left = left.entry(report::group(&mutant.package)).or_default();
        *left = left.wrapping_sub(1);
        *left < usize::MAX / 2
    });
    mutants
}

/// FNV-1a, followed by the last step of splitmix64, which mixes the low bits into the high ones.
pub fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ hash >> 31
}

/// Runs the test programs on sources without a fault; they must pass.
pub fn baseline(worker: &Worker, stages: &[&Stage]) -> Result<Times> {
    let mut times = Times::new();
    for stage in stages {
        // Built first, so that only the tests are timed.
        worker.build(stage)?;
        let started = Instant::now();
        match worker.test(stage, &[], Duration::from_secs(1800))? {
            Run::Passed => times.insert((*stage).clone(), started.elapsed()),
            run => bail!("{stage} fails without a fault: {run:?}"),
        };
        println!("{stage}: {:.1} s without a fault", started.elapsed().as_secs_f32());
    }
    Ok(times)
}

/// An estimate of the seconds that the mutants take.
fn estimate(mutants: &[&Mutant], stages: &Stages, times: &Times) -> u64 {
    let of_package: BTreeMap<&str, u64> = mutants
        .iter()
        .map(|mutant| {
            let of_mutant = stages.of_package(&mutant.package);
            let seconds: Vec<u64> = of_mutant
                .iter()
                .filter_map(|stage| times.get(stage))
                .map(|time| time.as_secs() + BUILD_SECONDS)
                .collect();
            (mutant.package.as_str(), seconds.first().unwrap_or(&0) + seconds.iter().skip(1).sum::<u64>() / LATE)
        })
        .collect();
    mutants.iter().map(|mutant| of_package[mutant.package.as_str()]).sum()
}

fn attempt(worker: &mut Worker, mutant: &Mutant, stages: &[&Stage], times: &Times, jobs: usize) -> Result<Entry> {
    let started = Instant::now();
    let mut changes = patch::parse(&mutant.diff).with_context(|| mutant.name.clone())?;
    changes.iter_mut().for_each(|change| change.file.clone_from(&mutant.file));
    worker.apply(&changes, Find::AtLine).with_context(|| mutant.name.clone())?;
    let found = first_failure(worker, stages, times, jobs);
    worker.restore()?;
    let (outcome, stage, tests) = found?;
    let seconds = started.elapsed().as_secs();
    Ok(Entry { name: mutant.name.clone(), package: mutant.package.clone(), outcome, stage, tests, seconds })
}

/// Runs the stages until one fails.
pub fn first_failure(
    worker: &Worker,
    stages: &[&Stage],
    times: &Times,
    jobs: usize,
) -> Result<(Outcome, Option<String>, Vec<String>)> {
    for stage in stages {
        let usual = times.get(stage).copied().unwrap_or_default();
        let outcome = match worker.test(stage, &[], Duration::from_secs(60) + usual * 5 * jobs as u32)? {
            Run::Passed | Run::NoSuchTest => continue,
            Run::Failed(tests) => (Outcome::Caught, Some(stage.to_string()), tests),
            Run::TimedOut => (Outcome::Timeout, Some(stage.to_string()), Vec::new()),
            Run::NotBuilt(_) => (Outcome::Unviable, None, Vec::new()),
        };
        return Ok(outcome);
    }
    Ok((Outcome::Missed, None, Vec::new()))
}

/// One line for a mutant that was tried.
fn describe(entry: &Entry) -> String {
    let Entry { name, outcome, stage, tests, seconds, .. } = entry;
    let by = match outcome {
        Outcome::Caught => format!("caught by {} ({})", stage.as_deref().unwrap_or("?"), some(tests)),
        Outcome::Timeout => format!("timeout in {}", stage.as_deref().unwrap_or("?")),
        Outcome::Missed => "MISSED".to_owned(),
        Outcome::Unviable => "unviable".to_owned(),
    };
    format!("{name}: {by}, {seconds} s")
}

/// The first names of a list, and how many more there are.
pub fn some(tests: &[String]) -> String {
    match tests {
        [] => "the program died".to_owned(),
        [first, second, rest @ ..] if rest.len() > 1 => format!("{first}, {second} and {} more", rest.len()),
        all => all.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutants() -> Vec<Mutant> {
        let packages = [("krsic", 500), ("krs-grammar", 60), ("krsi", 40), ("krsi-abi", 20)];
        let one = |package: &str, at: usize| Mutant {
            name: format!("{package} {at}"),
            package: package.to_owned(),
            file: String::new(),
            diff: String::new(),
        };
        packages.iter().flat_map(|(package, count)| (0..*count).map(|at| one(package, at))).collect()
    }

    fn drawn(count: usize, seed: u64, package: Option<&str>) -> Vec<String> {
        let options = Options { count, seed, package, jobs: 1, list: true };
        draw(mutants(), &options).into_iter().map(|mutant| mutant.name).collect()
    }

    #[test]
    fn a_sixth_is_of_the_grammar_and_a_sixth_of_the_runtime() {
        let names = drawn(60, 7, None);
        let count = |start: &str| names.iter().filter(|name| name.starts_with(start)).count();
        assert_eq!((count("krs-grammar "), count("krsi "), names.len()), (10, 10, 60));
    }

    #[test]
    fn a_larger_sample_contains_a_smaller_one() {
        let (small, large) = (drawn(30, 7, None), drawn(60, 7, None));
        assert!(small.iter().all(|name| large.contains(name)));
    }

    #[test]
    fn a_seed_draws_the_same_mutants_and_another_seed_others() {
        assert_eq!(drawn(30, 7, None), drawn(30, 7, None));
        assert_ne!(drawn(30, 7, None), drawn(30, 8, None));
    }

    #[test]
    fn a_package_can_be_drawn_from_alone() {
        let names = drawn(10, 7, Some("krsi-abi"));
        assert!(names.len() == 10 && names.iter().all(|name| name.starts_with("krsi-abi ")), "{names:?}");
    }
}
