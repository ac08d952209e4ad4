//! A copy of the repository in which mutants are built and tested.
//!
//! ```text
//! target/mutants/worker-0/tree     the sources; unchanged files keep their times, so builds are incremental
//! target/mutants/worker-0/target   cargo's target folder
//! target/mutants/worker-0/log      output of the latest command
//! ```
//!
//! One change is applied at a time, and reverted before the next.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::patch::{self, Change, Find};
use super::stages::Stage;
use crate::host;

/// Address space of one process. A mutant of a loop may allocate without end.
const MEMORY_KIB: u64 = 12 << 20;
/// Time limit of one build, which takes some ten seconds.
const BUILD_MAX: Duration = Duration::from_secs(900);

/// The result of one test program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    Passed,
    /// Names of the tests that failed; empty if the program died.
    Failed(Vec<String>),
    TimedOut,
    /// The last lines of the compiler's output.
    NotBuilt(String),
    /// No test has the given name.
    NoSuchTest,
}

/// A copy of the repository.
pub struct Worker {
    folder: PathBuf,
    /// Files that differ from the repository, with their original text.
    changed: Vec<(PathBuf, String)>,
}

impl Worker {
    /// Creates the copy, or updates it.
    pub fn new(number: usize) -> Result<Worker> {
        let folder = super::scratch().join(format!("worker-{number}"));
        fs::create_dir_all(folder.join("tree"))?;
        let worker = Worker { folder, changed: Vec::new() };
        let files = sources(host::repository())?;
        for file in &files {
            let text = fs::read(host::repository().join(file))?;
            let copy = worker.tree().join(file);
            if fs::read(&copy).ok().as_ref() != Some(&text) {
                fs::create_dir_all(copy.parent().context("a file has a folder")?)?;
                fs::write(copy, text)?;
            }
        }
        remove_others(&worker.tree(), &worker.tree(), &files)?;
        Ok(worker)
    }

    /// The copy of the repository.
    pub fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    /// Applies a change. If an error is returned, nothing is applied.
    pub fn apply(&mut self, changes: &[Change], find: Find) -> Result<()> {
        ensure!(self.changed.is_empty(), "a change is already applied");
        let mut files = Vec::new();
        for Change { file, hunks } in changes {
            let path = self.tree().join(file);
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?;
            let new = patch::apply(&text, hunks, find).with_context(|| file.clone())?;
            files.push((path, text, new));
        }
        for (path, text, new) in files {
            fs::write(&path, new)?;
            self.changed.push((path, text));
        }
        Ok(())
    }

    /// Reverts the applied change.
    pub fn restore(&mut self) -> Result<()> {
        for (path, text) in self.changed.drain(..) {
            fs::write(path, text)?;
        }
        Ok(())
    }

    /// Builds a test program; returns the compiler's errors if that fails.
    pub fn build(&self, stage: &Stage) -> Result<Option<String>> {
        let build: Vec<&str> = ["test", "--quiet", "--no-run"].into_iter().chain(stage.arguments()).collect();
        let (status, log) = self.cargo(&build, BUILD_MAX)?;
        let status = status.with_context(|| format!("a build did not end within {} s", BUILD_MAX.as_secs()))?;
        Ok((!status.success()).then(|| errors(&log)))
    }

    /// Builds a test program and runs it, or only the named tests.
    pub fn test(&self, stage: &Stage, only: &[&str], time_max: Duration) -> Result<Run> {
        if let Some(errors) = self.build(stage)? {
            return Ok(Run::NotBuilt(errors));
        }
        let mut test: Vec<&str> = ["test"].into_iter().chain(stage.arguments()).collect();
        if !only.is_empty() {
            test.extend(["--", "--exact"].iter().chain(only));
        }
        let (status, log) = self.cargo(&test, time_max)?;
        Ok(match status {
            None => Run::TimedOut,
            Some(status) if !status.success() => Run::Failed(failed(&log)),
            Some(_) if !only.is_empty() && !log.contains(&format!("test result: ok. {} passed", only.len())) => {
                Run::NoSuchTest
            }
            Some(_) => Run::Passed,
        })
    }

    /// Runs cargo. The status is absent after a timeout.
    fn cargo(&self, arguments: &[&str], time_max: Duration) -> Result<(Option<ExitStatus>, String)> {
        let log = self.folder.join("log");
        let out = fs::File::create(&log)?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut child = Command::new("sh")
            .args(["-c", &format!("ulimit -v {MEMORY_KIB}; exec \"$0\" \"$@\"")])
            .arg(cargo)
            .args(arguments)
            .current_dir(self.tree())
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .env("CARGO_TERM_COLOR", "never")
            .env_remove("KRS_UPDATE")
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out)
            .process_group(0)
            .spawn()
            .context("cannot run sh")?;
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if started.elapsed() > time_max {
                // The test program is a child of cargo, in the same group.
                host::run(Command::new("sh").args(["-c", &format!("kill -s KILL -- -{}", child.id())]))?;
                child.wait()?;
                break None;
            }
            std::thread::sleep(Duration::from_millis(30));
        };
        Ok((status, String::from_utf8_lossy(&fs::read(&log)?).into_owned()))
    }
}

/// Calls a function with each item; the workers share the items.
pub fn each<T: Sync>(
    workers: &mut [Worker],
    items: &[T],
    work: impl Fn(&mut Worker, usize, &T) -> Result<()> + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let run = |worker: &mut Worker| loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(item) = items.get(index) else { return Ok(()) };
        work(worker, index, item)?;
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = workers.iter_mut().map(|worker| scope.spawn(|| run(worker))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a panic ends the task"))
    })
}

/// The names in lines `test NAME ... FAILED`, sorted.
fn failed(log: &str) -> Vec<String> {
    let mut names: Vec<String> = log
        .lines()
        .filter_map(|line| Some(line.strip_prefix("test ")?.strip_suffix("FAILED")?.split_once(" ... ")?.0.to_owned()))
        .collect();
    names.sort();
    names
}

/// Lines of a compiler's output that name errors.
fn errors(log: &str) -> String {
    let lines: Vec<&str> =
        log.lines().filter(|line| line.starts_with("error") || line.contains("-->")).take(4).collect();
    lines.join("; ")
}

/// The files of the repository that git tracks or would track, relative to it.
fn sources(repository: &Path) -> Result<BTreeSet<PathBuf>> {
    let list = host::run(Command::new("git").current_dir(repository).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let names = String::from_utf8(list).context("a file's name is not UTF-8")?;
    // A file that was deleted is listed until that is committed.
    let files = names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
    Ok(files.filter(|file| repository.join(file).is_file()).collect())
}

/// Removes files that are no longer in the repository.
fn remove_others(tree: &Path, folder: &Path, files: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(tree, &path, files)?;
        } else if !files.contains(path.strip_prefix(tree)?) && path.file_name().is_none_or(|name| name != "Cargo.lock")
        {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// A hash of the sources that results depend on: those of the product and of its tests.
pub fn version(repository: &Path) -> Result<u64> {
    let mut all = super::sample::hash(b"");
    for file in sources(repository)? {
        let name = file.to_string_lossy();
        let counts = ["grammar/", "compiler/", "runtime/", "stdlib/", "examples/", "tests/", "Cargo"];
        let other = ["tests/xtask/", "tests/faults/", "tests/matrix/", "tests/guest/", "tests/bench/"];
        if counts.iter().any(|start| name.starts_with(start)) && !other.iter().any(|start| name.starts_with(start)) {
            let text = fs::read(repository.join(&file))?;
            all = super::sample::hash(format!("{all} {name} {}", super::sample::hash(&text)).as_bytes());
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_tests_are_read_from_the_output() {
        let log = "test a::b ... ok\ntest c - should panic ... FAILED\ntest a::a ... FAILED\nFAILED\n\
                   test result: FAILED. 1 passed; 2 failed\n";
        assert_eq!(failed(log), ["a::a", "c - should panic"]);
    }
}
