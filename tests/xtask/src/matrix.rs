//! The kernel matrix: every case of `tests/matrix` on every kernel.
//!
//! ```text
//! tests/matrix/prelude.sh            what the scripts share
//! tests/matrix/CASE/*.krs            policies, compiled here to CASE/*.o; what they use is in a folder below
//! tests/matrix/CASE/*.krs.sh         prints such a policy, where it would be thousands of lines
//! tests/matrix/CASE/act.sh           runs in the guest, in its folder, by `sh -eu`
//! tests/matrix/CASE/expect.txt       what it must print; without the file, what it prints is free
//! tests/matrix/CASE/lsm              the kernel's `lsm=` list, where the case wants its own
//! tests/matrix/CASE/random           `SEED COUNT`: so many random policies are made beside it, with acts and what must come of them
//! ```
//!
//! With `KRS_UPDATE=1` what a case prints becomes what is expected; run it on one kernel and read the difference.
//!
//! A case passes if its script ends with 0 and prints what is expected. A new case is a new folder.
//!
//! Cases that want the same `lsm=` list share a boot, one after the other, each with an empty BPF file system
//! before it. A case that takes the guest down fails, and the cases after it run in a new one. A guest that dies before
//! the first case is started once more; if that one dies too, the kernel's remaining cases are one failure, and the other
//! kernels go on. A fault that a kernel reports without dying is a failure of its own, with the console shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use krs_tests::differential::live;

use crate::host;
use crate::kernel::{Image, Kernel};
use crate::tools::Tools;
use crate::vm::{self, GuestSpec};

/// For one case, in the guest; some ten times what the longest takes on a machine that does nothing else.
const CASE_SECONDS: u64 = 400;
/// A boot is never silent for longer than a case and its own start: [`script`] prints a line at both ends of a case.
const SILENCE: Duration = Duration::from_secs(CASE_SECONDS + 60);
/// Kernels that run at the same time: a guest uses one core.
const GUESTS_AT_ONCE: usize = 2;
/// What a kernel's fault is listed under.
const KERNEL_LOG: &str = "(kernel log)";
/// What a guest that does not come to its first case is listed under.
const BOOT: &str = "(boot)";

/// One folder.
#[derive(Clone, Debug)]
struct Case {
    name: String,
    folder: PathBuf,
    expected: Option<String>,
    lsm: String,
}

/// How a case went on a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed(String),
}

/// A verdict, and how long the case took in the guest; 0 where it did not come to its end.
struct Outcome {
    verdict: Verdict,
    seconds: u64,
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, seconds: 0 }
    }
}

/// What came of a run of the matrix.
#[derive(Debug, Default)]
pub struct Report {
    /// By case, then by kernel in the order asked for.
    verdicts: BTreeMap<String, BTreeMap<&'static str, Verdict>>,
    kernels: Vec<&'static str>,
    /// The case that took longest, and on which kernel.
    longest: Option<(u64, String, &'static str)>,
}

impl Report {
    /// Cases times kernels that passed.
    pub fn passed(&self) -> usize {
        self.count(|verdict| *verdict == Verdict::Passed)
    }

    /// Cases times kernels that did not.
    pub fn failed(&self) -> usize {
        self.count(|verdict| *verdict != Verdict::Passed)
    }

    fn count(&self, wanted: impl Fn(&Verdict) -> bool) -> usize {
        self.verdicts.values().flat_map(BTreeMap::values).filter(|verdict| wanted(verdict)).count()
    }

    /// A row for each case, a column for each kernel, and under the table what failed and how.
    pub fn print(&self) -> String {
        let mut text = String::new();
        let width = self.verdicts.keys().map(String::len).max().unwrap_or(0);
        let mut head = format!("{:width$}", "");
        for kernel in &self.kernels {
            write!(head, "  {kernel:>6}").expect("a string takes all");
        }
        writeln!(text, "{head}").expect("a string takes all");
        for (case, verdicts) in &self.verdicts {
            let mut row = format!("{case:width$}");
            for kernel in &self.kernels {
                let mark = match verdicts.get(kernel) {
                    Some(Verdict::Passed) => "ok",
                    Some(Verdict::Failed(_)) => "FAILED",
                    None => "-",
                };
                write!(row, "  {mark:>6}").expect("a string takes all");
            }
            writeln!(text, "{row}").expect("a string takes all");
        }
        if let Some((seconds, case, kernel)) = &self.longest {
            writeln!(text, "longest: {case} on Linux {kernel}, {seconds} s of {CASE_SECONDS}")
                .expect("a string takes all");
        }
        for (case, verdicts) in &self.verdicts {
            for (kernel, verdict) in verdicts {
                if let Verdict::Failed(why) = verdict {
                    writeln!(text, "\n-- {case} on Linux {kernel}\n{}", why.trim_end()).expect("a string takes all");
                }
            }
        }
        text
    }
}

/// Runs all cases, or those named, on the kernels.
pub fn run(kernels: &[&'static Kernel], tools: &Tools, only: &[String]) -> Result<Report> {
    let cases = cases(only)?;
    // bpftool is part of the matrix, if not of every guest.
    host::require(&[host::QEMU, host::BUSYBOX, host::BPFTOOL])?;
    let scratch = tempfile::Builder::new().prefix("krs-matrix-").tempdir()?;
    for case in &cases {
        stage(case, tools, scratch.path())?;
    }
    // All fetched before the first boot, so that a download does not eat a guest's time.
    let images: Vec<Image> = kernels.iter().map(|kernel| kernel.image()).collect::<Result<_>>()?;
    let report =
        Mutex::new(Report { kernels: images.iter().map(|image| image.version).collect(), ..Report::default() });
    let queue = Mutex::new(images.iter());
    let errors = Mutex::new(Vec::new());
    let lock = "no thread panics while it holds this";
    std::thread::scope(|scope| {
        for _ in 0..GUESTS_AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(image) = queue.lock().expect(lock).next() else {
                        return;
                    };
                    match run_on(image, &cases, tools, scratch.path()) {
                        Ok(outcomes) => {
                            let failed = outcomes.iter().filter(|(_, o)| o.verdict != Verdict::Passed).count();
                            println!("Linux {}: {} cases, {failed} failed", image.version, outcomes.len());
                            let mut report = report.lock().expect(lock);
                            for (case, Outcome { verdict, seconds }) in outcomes {
                                let longest = Some((seconds, case.clone(), image.version));
                                if seconds > 0 && longest > report.longest {
                                    report.longest = longest;
                                }
                                report.verdicts.entry(case).or_default().insert(image.version, verdict);
                            }
                        }
                        Err(error) => errors.lock().expect(lock).push(error),
                    }
                }
            });
        }
    });
    if let Some(error) = errors.into_inner().expect(lock).into_iter().next() {
        return Err(error);
    }
    Ok(report.into_inner().expect(lock))
}

fn cases(only: &[String]) -> Result<Vec<Case>> {
    let top = host::repository().join("tests/matrix");
    let mut cases = Vec::new();
    for entry in fs::read_dir(&top)? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !folder.is_dir() || !(only.is_empty() || only.contains(&name)) {
            continue;
        }
        ensure!(folder.join("act.sh").is_file(), "{} has no act.sh", folder.display());
        cases.push(Case {
            name,
            expected: fs::read_to_string(folder.join("expect.txt")).ok(),
            lsm: fs::read_to_string(folder.join("lsm"))
                .map_or_else(|_| vm::LSM_WITH_BPF.to_owned(), |list| list.trim().to_owned()),
            folder,
        });
    }
    for name in only {
        ensure!(cases.iter().any(|case| case.name == *name), "no case `{name}` in {}", top.display());
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

/// Copies a case's files and compiles its policies beside them.
fn stage(case: &Case, tools: &Tools, scratch: &Path) -> Result<()> {
    let staged = scratch.join(&case.name);
    copy(&case.folder, &staged)?;
    for entry in fs::read_dir(&case.folder)? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if let Some(policy) = name.strip_suffix(".sh").filter(|name| name.ends_with(".krs")) {
            let text = host::run(Command::new("sh").arg("-eu").arg(&file))?;
            fs::write(staged.join(policy), text)?;
        }
    }
    for entry in fs::read_dir(&staged)? {
        let file = entry?.path();
        if file.extension().is_some_and(|ending| ending == "krs") {
            let name = file.file_name().context("a file has a name")?;
            host::run(Command::new(&tools.krsic).current_dir(&staged).arg("build").arg(name))
                .with_context(|| format!("a policy of the case {} does not compile", case.name))?;
        }
    }
    // Last, since their objects are made by the compiler as a library.
    if let Ok(text) = fs::read_to_string(case.folder.join("random")) {
        let mut numbers = text.split_whitespace().map(str::parse);
        let (Some(Ok(seed)), Some(Ok(count))) = (numbers.next(), numbers.next()) else {
            bail!("`random` of {} has no seed and count", case.name)
        };
        write_random(&staged, seed, count as usize)?;
    }
    Ok(())
}

/// Copies a folder with what is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() { copy(&entry.path(), &to)? } else { fs::copy(entry.path(), to).map(drop)? }
    }
    Ok(())
}

/// Writes random policies, their acts and what must come of them into a folder; the seed that the next ones begin with.
pub fn write_random(folder: &Path, seed: u64, count: usize) -> Result<u64> {
    let mut next = seed;
    for (index, (seed, batch)) in live::batches(seed).take(count).enumerate() {
        next = seed + 1;
        for (ending, bytes) in batch.files() {
            fs::write(folder.join(format!("{index}.{ending}")), bytes)?;
        }
    }
    Ok(next)
}

/// All cases on one kernel, with as many boots as it takes.
fn run_on(image: &Image, cases: &[Case], tools: &Tools, scratch: &Path) -> Result<Vec<(String, Outcome)>> {
    let mut outcomes: Vec<(String, Outcome)> = Vec::new();
    let mut by_lsm: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        by_lsm.entry(&case.lsm).or_default().push(case);
    }
    let mut faults = String::new();
    for (lsm, mut waiting) in by_lsm {
        let mut died = false;
        while !waiting.is_empty() {
            let mut spec = GuestSpec::new(script(&waiting));
            spec.silence = SILENCE;
            spec.lsm = lsm.to_owned();
            spec.files = tools.guest_files();
            spec.files.push((host::repository().join("tests/matrix/prelude.sh"), "krs/prelude.sh".to_owned()));
            for case in &waiting {
                spec.files.push((scratch.join(&case.name), format!("cases/{}", case.name)));
            }
            let result = vm::run(image, &spec, &mut |_| ())?;
            let outputs = split(&result.output);
            let mut done = 0;
            for (case, output) in waiting.iter().zip(&outputs) {
                let outcome = match output.end {
                    Some((status, seconds)) => Outcome { verdict: judge(case, &output.text, status), seconds },
                    None => Verdict::Failed(format!(
                        "{}\nprinted before that:\n{}",
                        result.failure().unwrap_or_else(|| "the guest ended within this case".to_owned()),
                        output.text
                    ))
                    .into(),
                };
                outcomes.push((case.name.clone(), outcome));
                done += 1;
            }
            if done == 0 {
                let why = format!("{}\n{}", result.failure().unwrap_or_default(), result.output);
                if died {
                    let why = format!("no guest came to `{}`, and {} more: {why}", waiting[0].name, waiting.len() - 1);
                    outcomes.push((BOOT.to_owned(), Verdict::Failed(why).into()));
                    break;
                }
                println!("Linux {}: the guest died before the first case; once more. It was: {why}", image.version);
                died = true;
                continue;
            }
            // A fault within a case that ended: shown once, as nobody knows whose it was.
            if outputs.last().is_some_and(|output| output.end.is_some())
                && let Some(failure) = result.failure()
            {
                writeln!(faults, "{failure}")?;
            }
            waiting.drain(..done);
        }
    }
    let kernel_log = if faults.is_empty() { Verdict::Passed } else { Verdict::Failed(faults) };
    outcomes.push((KERNEL_LOG.to_owned(), kernel_log.into()));
    Ok(outcomes)
}

/// The guest's script: each case between two marks, in a BPF file system emptied before.
fn script(cases: &[&Case]) -> String {
    let mut script = String::new();
    for case in cases {
        let name = vm::quote(&case.name);
        writeln!(
            script,
            "rm -rf /sys/fs/bpf/* /tmp/*\n\
             cd /cases/{name}\n\
             echo 'krs-case'\n\
             read since _ </proc/uptime\n\
             timeout {CASE_SECONDS} sh -eu -c '. /krs/prelude.sh; . ./act.sh' 2>&1\n\
             status=$?\n\
             read now _ </proc/uptime\n\
             printf '\\nkrs-case-end %s %s\\n' $status $((${{now%.*}} - ${{since%.*}}))"
        )
        .expect("a string takes all");
    }
    script
}

/// What a case printed, and its status and seconds if it came to its end.
struct CaseOutput {
    text: String,
    end: Option<(i32, u64)>,
}

/// What `krsi` says where the kernel takes its time to detach programs: that the machine is slow is no news of a case.
fn is_about_waiting(line: &str) -> bool {
    line.starts_with("waiting for the kernel to detach ") || line.starts_with("warning: the kernel has not detached ")
}

fn split(output: &str) -> Vec<CaseOutput> {
    let mut found: Vec<CaseOutput> = Vec::new();
    for line in output.lines() {
        if line == "krs-case" {
            found.push(CaseOutput { text: String::new(), end: None });
        } else if let Some(case) = found.last_mut()
            && case.end.is_none()
        {
            if let Some(numbers) = line.strip_prefix("krs-case-end ") {
                let (status, seconds) = numbers.split_once(' ').unwrap_or((numbers, ""));
                case.end = Some((status.parse().unwrap_or(-1), seconds.parse().unwrap_or(0)));
                // The mark brings an empty line along.
                if case.text.ends_with('\n') {
                    case.text.pop();
                }
            } else if !is_about_waiting(line) {
                case.text.push_str(line);
                case.text.push('\n');
            }
        }
    }
    found
}

fn judge(case: &Case, output: &str, status: i32) -> Verdict {
    if status != 0 {
        let reason = match status {
            143 | 124 | 137 => format!("not done after {CASE_SECONDS} s"),
            _ => format!("ended with status {status}"),
        };
        return Verdict::Failed(format!("{reason}, printed:\n{output}"));
    }
    if std::env::var_os("KRS_UPDATE").is_some() {
        return match fs::write(case.folder.join("expect.txt"), output) {
            Ok(()) => Verdict::Passed,
            Err(error) => Verdict::Failed(error.to_string()),
        };
    }
    match &case.expected {
        Some(expected) if expected.trim_end() != output.trim_end() => {
            Verdict::Failed(format!("expected:\n{}\nprinted:\n{output}", expected.trim_end()))
        }
        _ => Verdict::Passed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_dies_leaves_the_last_case_without_status() {
        let outputs = split(
            "noise\nkrs-case\none\nwaiting for the kernel to detach 2 programs\n\nkrs-case-end 0 7\nkrs-case\ntwo\n",
        );
        let seen: Vec<_> = outputs.iter().map(|output| (output.text.as_str(), output.end)).collect();
        assert_eq!(seen, [("one\n", Some((0, 7))), ("two\n", None)]);
    }
}
