//! The faults of `tests/faults`: realistic mistakes, each with the test that must notice it.
//!
//! ```text
//! A comparison with the constant on its left is not mirrored: `500 < x` means `x < 500`.
//!
//! kind: checker
//! caught-by: krs-tests --test meaning every_row_means_what_it_says
//! ---
//! --- a/compiler/src/hir/operators/compare.rs
//! +++ b/compiler/src/hir/operators/compare.rs
//! @@ -120,3 +120,3 @@
//! ```
//!
//! A fault that no test can notice has `survives: REASON` in place of `caught-by:`. The fast tests check that
//! every patch applies and that its test exists. Absent: several faults at a time; each patch is tried alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::patch::{self, Change, Find};
use super::report::Outcome;
use super::sample;
use super::stages::{Stage, Stages};
use super::worker::{self, Run, Worker};

/// Parts of the project that a fault may be in.
const KINDS: [&str; 9] = ["grammar", "checker", "lints", "decision", "bpf", "object", "btf", "runtime", "abi"];
/// Time limit of one test, which takes less than 20 s on two idle cores.
const TEST_MAX: Duration = Duration::from_secs(300);

/// The result that a fault must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// The named test fails.
    Caught(Stage, String),
    /// All tests pass, for this reason.
    Survives(String),
}

/// One file of `tests/faults`.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The file's name without `.patch`.
    pub name: String,
    kind: String,
    expected: Expectation,
    changes: Vec<Change>,
}

/// Reads the faults with these names, or all.
pub fn read(repository: &Path, names: &[String]) -> Result<Vec<Fault>> {
    let folder = repository.join("tests/faults");
    let mut faults = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "patch") {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if names.is_empty() || names.contains(&name) {
            let text = fs::read_to_string(&path)?;
            faults.push(parse(&name, &text).with_context(|| format!("tests/faults/{name}.patch"))?);
        }
    }
    if let Some(name) = names.iter().find(|name| !faults.iter().any(|fault| fault.name == **name)) {
        bail!("there is no tests/faults/{name}.patch");
    }
    // Faults of one package in a row have warm builds.
    faults.sort_by_key(|fault| (fault.changes[0].file.clone(), fault.name.clone()));
    Ok(faults)
}

fn parse(name: &str, text: &str) -> Result<Fault> {
    let (head, diff) = text.split_once("\n---\n").context("no line `---` divides the header from the diff")?;
    let value = |key: &str| head.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    let first = head.lines().next().unwrap_or_default();
    ensure!(first.split_whitespace().count() >= 4 && first.ends_with('.'), "the first line must be a sentence");
    let kind = value("kind:").context("the header has no line `kind:`")?;
    ensure!(KINDS.contains(&kind), "the kind is none of {}", KINDS.join(", "));
    let expected = match (value("caught-by:"), value("survives:")) {
        (Some(test), None) => caught_by(test)?,
        (None, Some(reason)) => Expectation::Survives(reason.to_owned()),
        _ => bail!("the header needs one line `caught-by:` or `survives:`"),
    };
    Ok(Fault { name: name.to_owned(), kind: kind.to_owned(), expected, changes: patch::parse(diff)? })
}

/// Reads `krsic --lib glob::tests::literal` or `krs-tests --test meaning rows`.
fn caught_by(text: &str) -> Result<Expectation> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [package, target @ .., name] = &words[..] else { bail!("`{text}` names no test") };
    ensure!(
        matches!(target, ["--lib"] | ["--bin" | "--test", _]),
        "`{text}` is not of the form `PACKAGE --lib NAME` or `PACKAGE --test TARGET NAME`"
    );
    let target = target.iter().map(|word| (*word).to_owned()).collect();
    Ok(Expectation::Caught(Stage { package: (*package).to_owned(), target }, (*name).to_owned()))
}

/// Checks that every patch applies and that every test exists, and prints the problems.
pub fn check(repository: &Path, faults: &[Fault]) -> Result<ExitCode> {
    let problems = problems(repository, faults)?;
    problems.iter().for_each(|problem| println!("{problem}"));
    println!("{} faults, {} problems", faults.len(), problems.len());
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn problems(repository: &Path, faults: &[Fault]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut known: BTreeMap<&Stage, BTreeSet<String>> = BTreeMap::new();
    for Fault { name, expected, changes, .. } in faults {
        for Change { file, hunks } in changes {
            let applied = fs::read_to_string(repository.join(file))
                .with_context(|| format!("cannot read {file}"))
                .and_then(|text| patch::apply(&text, hunks, Find::Unique));
            if let Err(error) = applied {
                problems.push(format!("{name}: does not apply to {file}: {error:#}"));
            }
        }
        if let Expectation::Caught(stage, test) = expected {
            if !known.contains_key(stage) {
                known.insert(stage, tests_of(repository, stage)?);
            }
            if !known[stage].contains(test) {
                problems.push(format!("{name}: {stage} has no test `{test}`"));
            }
        }
    }
    Ok(problems)
}

/// Names of the tests in a test program, read from its source.
fn tests_of(repository: &Path, stage: &Stage) -> Result<BTreeSet<String>> {
    let package = match stage.package.as_str() {
        "krs-grammar" => "grammar",
        "krsic" => "compiler",
        "krsi-abi" => "compiler/abi",
        "krsi" => "runtime",
        "krs-tests" => "tests",
        other => bail!("the package {other} is not known"),
    };
    let mut names = BTreeSet::new();
    let (root, top) = match &stage.target[..] {
        [kind, name] if kind == "--test" => (repository.join(package).join("tests"), Some(name.as_str())),
        _ => (repository.join(package).join("src"), None),
    };
    for file in rust_files(&root)? {
        let relative = file.strip_prefix(&root)?.with_extension("");
        let mut path: Vec<String> = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        // The file `NAME.rs` or the folder `NAME` is the root of a test program.
        if let Some(top) = top {
            if path.first().is_none_or(|first| first != top) {
                continue;
            }
            path.remove(0);
        }
        path.retain(|part| !["mod", "lib", "main"].contains(&part.as_str()));
        names.extend(tests_in(&fs::read_to_string(&file)?, &path));
    }
    Ok(names)
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}

/// Names of the functions below `#[test]`, with their modules. Relies on the indentation of rustfmt.
///
/// If a macro defines a test `$name`, the words between the braces of its use are names of tests.
fn tests_in(text: &str, path: &[String]) -> Vec<String> {
    let mut modules: Vec<(usize, String)> = Vec::new();
    let mut is_test = false;
    // The macro being defined, the macros that define tests, and a flag for lines inside a use of one.
    let (mut defined, mut makers, mut inside) = ("", Vec::new(), false);
    let mut names: Vec<String> = Vec::new();
    for line in text.lines() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let full = |modules: &[(usize, String)], name: &str| {
            let inner = modules.iter().map(|(_, module)| module.as_str());
            path.iter().map(String::as_str).chain(inner).chain([name]).collect::<Vec<_>>().join("::")
        };
        if let Some(module) =
            code.trim_start_matches("pub ").strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {"))
        {
            modules.retain(|(outer, _)| *outer < indent);
            modules.push((indent, module.to_owned()));
        } else if let Some(name) = code.strip_prefix("macro_rules! ") {
            defined = name.trim_end_matches(" {");
        } else if code == "#[test]" {
            is_test = true;
        } else if let Some(rest) = code.strip_prefix("fn ")
            && std::mem::take(&mut is_test)
        {
            modules.retain(|(outer, _)| *outer < indent);
            match rest.split(['(', '<']).next().unwrap_or_default() {
                name if name.starts_with('$') => makers.push(defined),
                name => names.push(full(&modules, name)),
            }
        } else if let Some(name) = code.strip_suffix("! {") {
            modules.retain(|(outer, _)| *outer < indent);
            inside = makers.contains(&name);
        } else if code.starts_with('}') {
            inside = false;
        } else if inside {
            names.extend(
                code.split(|c: char| !c.is_alphanumeric() && c != '_')
                    .filter(|word| !word.is_empty())
                    .map(|word| full(&modules, word)),
            );
        }
    }
    names
}

/// Applies each patch and runs its test, which must fail.
pub fn run(faults: &[Fault], jobs: usize) -> Result<ExitCode> {
    let mut workers = (0..jobs).map(Worker::new).collect::<Result<Vec<_>>>()?;
    let mut named: BTreeMap<&Stage, BTreeSet<&str>> = BTreeMap::new();
    for fault in faults {
        if let Expectation::Caught(stage, test) = &fault.expected {
            named.entry(stage).or_default().insert(test);
        }
    }
    for (stage, tests) in &named {
        let tests: Vec<&str> = tests.iter().copied().collect();
        match workers[0].test(stage, &tests, TEST_MAX * 4)? {
            Run::Passed => println!("{stage}: {} named tests pass without a fault", tests.len()),
            run => bail!("{stage}: the named tests do not pass without a fault: {run:?}"),
        }
    }
    let rows = Mutex::new(Vec::new());
    worker::each(&mut workers, faults, |worker, _, fault| {
        let started = Instant::now();
        let (good, text) = match &fault.expected {
            Expectation::Survives(reason) => (true, format!("survives: {reason}")),
            Expectation::Caught(stage, test) => {
                worker.apply(&fault.changes, Find::Unique).with_context(|| fault.name.clone())?;
                let run = worker.test(stage, &[test], TEST_MAX);
                worker.restore()?;
                match run? {
                    Run::Failed(tests) if tests.contains(test) => (true, format!("caught by {stage} {test}")),
                    Run::Failed(_) => (false, format!("DIES in {stage} {test}: a test must fail by an assertion")),
                    Run::TimedOut => (false, format!("TIMES OUT in {stage} {test}")),
                    Run::NotBuilt(errors) => (false, format!("BROKEN: does not compile: {errors}")),
                    Run::NoSuchTest => (false, format!("BROKEN: {stage} has no test {test}")),
                    Run::Passed => (false, format!("MISSED by {stage} {test}")),
                }
            }
        };
        let row = format!("{:9} {:40} {text}, {} s", fault.kind, fault.name, started.elapsed().as_secs());
        println!("{row}");
        rows.lock().unwrap_or_else(PoisonError::into_inner).push((good, fault.kind.clone(), row));
        Ok(())
    })?;
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort();
    let explained = faults.iter().filter(|fault| matches!(fault.expected, Expectation::Survives(_))).count();
    let bad: Vec<&str> = rows.iter().filter(|(good, ..)| !good).map(|(.., row)| row.as_str()).collect();
    println!("\n{:9}  faults  as expected", "");
    for kind in KINDS {
        let of_kind = rows.iter().filter(|row| row.1 == kind);
        println!("{kind:9}  {:6}  {:11}", of_kind.clone().count(), of_kind.filter(|row| row.0).count());
    }
    println!("{:9}  {:6}  {:11}", "all", rows.len(), rows.len() - bad.len());
    println!(
        "{} caught, {explained} survive for a stated reason, {} not as expected",
        rows.len() - explained - bad.len(),
        bad.len()
    );
    bad.iter().for_each(|row| println!("  {row}"));
    Ok(if bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs all tests on each patch until one fails, and prints the tests that failed.
pub fn find(faults: &[Fault], jobs: usize) -> Result<ExitCode> {
    let mut workers = (0..jobs).map(Worker::new).collect::<Result<Vec<_>>>()?;
    let stages = Stages::read(&workers[0].tree())?;
    worker::each(&mut workers, faults, |worker, _, fault| {
        let file = &fault.changes[0].file;
        let package = match file.split_once('/').unwrap_or_default() {
            ("grammar", _) => "krs-grammar",
            ("runtime", _) => "krsi",
            ("compiler", rest) if rest.starts_with("abi/") => "krsi-abi",
            _ => "krsic",
        };
        worker.apply(&fault.changes, Find::Unique).with_context(|| fault.name.clone())?;
        // Without a baseline each test program gets the time limit of the slowest.
        let of_package = stages.of_package(package);
        let usual = of_package.iter().map(|stage| ((*stage).clone(), Duration::from_secs(60))).collect();
        let found = sample::first_failure(worker, &of_package, &usual, jobs);
        worker.restore()?;
        let (outcome, stage, tests) = found?;
        let stage = stage.unwrap_or_default();
        match outcome {
            Outcome::Caught => println!("{}: {stage}: {}", fault.name, tests.join(" ")),
            Outcome::Timeout => println!("{}: timeout in {stage}", fault.name),
            Outcome::Missed => println!("{}: MISSED", fault.name),
            Outcome::Unviable => println!("{}: BROKEN: does not compile", fault.name),
        }
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;

    /// A refactoring that breaks a fault must replace it.
    #[test]
    fn every_patch_applies_and_names_a_test_that_exists() {
        let faults = read(host::repository(), &[]).unwrap();
        assert!(faults.len() >= FAULTS_MIN, "only {} faults are left", faults.len());
        let problems = problems(host::repository(), &faults).unwrap();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }

    /// Fewer faults would be a weaker check of the tests.
    const FAULTS_MIN: usize = 80;

    const HEAD: &str = "The comparison is off by one.\n\nkind: bpf\n";
    const DIFF: &str = "---\n--- a/x.rs\n+++ b/x.rs\n@@ -1 +1 @@\n-a\n+b\n";

    #[test]
    fn a_fault_has_a_header_and_a_diff() {
        let fault = parse("demo", &format!("{HEAD}caught-by: krsic --lib glob::tests::literal\n{DIFF}")).unwrap();
        let stage = Stage { package: "krsic".into(), target: vec!["--lib".into()] };
        assert_eq!(fault.expected, Expectation::Caught(stage, "glob::tests::literal".into()));
        assert_eq!(fault.changes[0].file, "x.rs");
        let fault = parse("demo", &format!("{HEAD}survives: the result is the same\n{DIFF}")).unwrap();
        assert_eq!(fault.expected, Expectation::Survives("the result is the same".into()));
    }

    #[test]
    fn a_header_without_a_sentence_a_kind_or_a_test_is_refused() {
        for wrong in [
            format!("{HEAD}{DIFF}"),
            format!("{HEAD}caught-by: krsic literal\n{DIFF}"),
            format!("{HEAD}caught-by: krsic --lib literal\nsurvives: x\n{DIFF}"),
            format!("Off by one.\n\nkind: bpf\ncaught-by: krsic --lib literal\n{DIFF}"),
            format!("The comparison is off by one.\n\nkind: other\ncaught-by: krsic --lib literal\n{DIFF}"),
        ] {
            assert!(parse("demo", &wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tests_are_named_with_the_modules_around_them() {
        let text = "\
#[test]
fn outer() {}

fn helper() {}

mod tests {
    #[test]
    #[should_panic]
    fn inner() {}

    mod deep {
        #[test]
        fn deepest() {}
    }
}
";
        assert_eq!(tests_in(text, &["bpf".into()]), ["bpf::outer", "bpf::tests::inner", "bpf::tests::deep::deepest"]);
    }

    #[test]
    fn tests_that_a_macro_defines_are_named_where_it_is_used() {
        let text = "\
macro_rules! files {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {}
        )*
    };
}

files! {
    paths
    since
}

other! {
    words
}
";
        assert_eq!(tests_in(text, &[]), ["paths", "since"]);
    }
}
