//! `cargo xtask fuzz`: generated texts, through the whole compiler.
//!
//! A text is made by [`generate`] from the grammar, from random tokens or from a person's policy with a few
//! changes, or by [`growth`], so that the effort grows with each line. [`examine`] runs the compiler over it
//! as a library and detects panics, diagnostics without a real position, messages that cannot be printed and
//! texts that take too long. A failing text is reduced by [`shrink`] and written to a file.
//!
//! Invariant: a run is determined by its seed; the same seed gives the same texts in the same order, however
//! long each takes.
//!
//! With `--policies N` it compares the compiled code with the meaning of the policy instead: see
//! [`policies`].

mod examine;
mod generate;
mod growth;
mod policies;
mod random;
mod shrink;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use examine::{Failure, Runner};
use generate::Generator;

use crate::host;

/// Run the compiler on generated texts, and report panics and other failures.
///
/// Ten times as many in the same time, with all debug checks: `cargo run --profile fuzz -p xtask -- fuzz`.
/// `--policies 10000` finds objects that differ from the meaning of their policies, and
/// `--policies 1000 --kernel all` runs random policies on kernels.
#[derive(clap::Args)]
pub struct Arguments {
    /// Duration of the run.
    #[arg(long, default_value_t = 60, value_name = "N")]
    seconds: u64,
    /// Instead generate N random policies, and check that each object behaves as the typed policy specifies.
    #[arg(long, value_name = "N", conflicts_with_all = ["seconds", "replay"])]
    policies: Option<usize>,
    /// Run those policies on kernels: 5.10, 6.1, 6.12, 6.18, 7.2, several separated by commas, or all.
    #[arg(long, value_name = "VERSION", requires = "policies")]
    kernel: Option<String>,
    /// Seed of the random numbers; by default KRS_SEED of the environment, or a new one each time.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Folder of the failing texts.
    #[arg(long, default_value = "target/fuzz", value_name = "FOLDER")]
    output: PathBuf,
    /// Examine this file instead of generated texts.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
}

/// Runs the `fuzz` task.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    examine::silence_panics();
    if let Some(path) = &arguments.replay {
        let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        return Ok(match Runner::new(examine::TIME_MAX).examine(&text) {
            None => {
                println!("nothing is wrong with it");
                ExitCode::SUCCESS
            }
            Some(failure) => {
                println!("{failure}");
                ExitCode::FAILURE
            }
        });
    }
    let seed = arguments.seed.unwrap_or_else(krs_tests::differential::case::base_seed);
    println!("seed {seed}: `--seed {seed}` or KRS_SEED={seed} tries the same again");
    match (arguments.policies, &arguments.kernel) {
        (Some(policies), None) => return policies::here(seed, policies, &arguments.output),
        (Some(policies), Some(versions)) => return policies::on_kernels(versions, seed, policies),
        (None, _) => {}
    }
    let corpus = corpus(host::repository());
    std::fs::create_dir_all(&arguments.output)
        .with_context(|| format!("{} cannot be made", arguments.output.display()))?;
    let mut runner = Runner::new(examine::TIME_MAX);
    let note = arguments.output.join("current.krs");
    runner.note = Some(note.clone());
    let limit = Limit::Time(Duration::from_secs(arguments.seconds));
    let report = campaign(seed, &corpus, runner, limit, &mut |found| {
        let path = write(&arguments.output, found)?;
        println!("{}: {}", path.display(), found.failure);
        Ok(())
    })?;
    let _ = std::fs::remove_file(&note);
    std::fs::write(arguments.output.join("slowest.krs"), &report.slow)?;
    println!("{report}");
    Ok(if report.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The end of a run.
#[derive(Clone, Copy)]
enum Limit {
    Time(Duration),
    #[cfg(test)]
    Texts(usize),
}

/// A failing text, after reduction.
struct Found {
    text: String,
    failure: Failure,
}

/// The totals of a run.
struct Report {
    texts: usize,
    bytes: usize,
    built: usize,
    failures: usize,
    /// Number of texts for each diagnostic code.
    codes: BTreeMap<&'static str, usize>,
    slowest: Duration,
    /// The text with the longest time.
    slow: String,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} texts of {} KiB; {} built; the slowest took {} ms; {} failures",
            self.texts,
            self.bytes / 1024,
            self.built,
            self.slowest.as_millis(),
            self.failures
        )?;
        let codes: Vec<String> = self.codes.iter().map(|(code, times)| format!("{code} {times}")).collect();
        write!(f, "{}", codes.join(", "))
    }
}

fn campaign(
    seed: u64,
    corpus: &[String],
    mut runner: Runner,
    limit: Limit,
    found: &mut dyn FnMut(&Found) -> Result<()>,
) -> Result<Report> {
    let started = Instant::now();
    let mut generator = Generator::new(seed, corpus);
    let mut report = Report {
        texts: 0,
        bytes: 0,
        built: 0,
        failures: 0,
        codes: BTreeMap::new(),
        slowest: Duration::ZERO,
        slow: String::new(),
    };
    let mut known: Vec<String> = Vec::new();
    loop {
        let done = match limit {
            Limit::Time(time) => started.elapsed() >= time,
            #[cfg(test)]
            Limit::Texts(count) => report.texts >= count,
        };
        if done {
            break;
        }
        let text = generator.text();
        report.texts += 1;
        report.bytes += text.len();
        let failure = runner.examine(&text);
        if runner.took > report.slowest {
            report.slowest = runner.took;
            report.slow.clone_from(&text);
        }
        report.built += usize::from(runner.built);
        for code in &runner.codes {
            *report.codes.entry(code).or_default() += 1;
        }
        if let Some(failure) = failure {
            report.failures += 1;
            // One text for each kind of failure is enough.
            if known.contains(&failure.place) {
                continue;
            }
            known.push(failure.place.clone());
            let text = shrink::shrink(&text, &failure, &mut runner);
            found(&Found { text, failure })?;
        }
    }
    Ok(report)
}

fn write(folder: &Path, found: &Found) -> Result<PathBuf> {
    let mut hash = DefaultHasher::new();
    found.text.hash(&mut hash);
    let path = folder.join(format!("{}-{:08x}.krs", found.failure.kind, hash.finish() as u32));
    std::fs::write(&path, &found.text).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(path)
}

/// Policies written by people, and the examples of the book.
fn corpus(repository: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    let mut folders: Vec<PathBuf> = ["examples", "stdlib", "tests", "docs"].map(|name| repository.join(name)).into();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            match path.extension().and_then(|ending| ending.to_str()) {
                Some("krs") => texts.push(text),
                Some("md") => texts.extend(
                    text.split("```krs")
                        .skip(1)
                        .filter_map(|rest| Some(rest.split_once('\n')?.1.split_once("```")?.0.to_owned())),
                ),
                _ => {}
            }
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundreds_of_texts_do_no_harm() {
        examine::silence_panics();
        let corpus = corpus(host::repository());
        let mut all = String::new();
        // The limit allows for an unoptimised build beside other tests.
        let runner = Runner::new(20 * examine::TIME_MAX);
        let report = campaign(20_251, &corpus, runner, Limit::Texts(600), &mut |found| {
            all.push_str(&format!("{}\n{}\n\n", found.failure, found.text));
            Ok(())
        })
        .expect("nothing is written");
        assert_eq!(report.failures, 0, "{all}");
        // Otherwise only the parser would be tested.
        assert!(report.built > 20, "{report}");
    }
}
