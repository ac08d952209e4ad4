//! The kernel matrix: every case of `tests/matrix` on every kernel.
//!
//! ```text
//! tests/matrix/prelude.sh            functions that the scripts share
//! tests/matrix/CASE/*.krs            policies, compiled here to CASE/*.o; files they use are in a subfolder
//! tests/matrix/CASE/*.krs.sh         prints such a policy where it would be thousands of lines long
//! tests/matrix/CASE/act.sh           runs in the guest, in the case's folder, by `sh -eu`
//! tests/matrix/CASE/expect.txt       the output that the script must print
//! tests/matrix/CASE/default-kernels  the kernels of a default run, if not all; `--thorough` adds the others
//! tests/matrix/CASE/lsm              the kernel's `lsm=` list, if the case needs another
//! tests/matrix/CASE/random           `COUNT`: number of random policies to make, with acts and results;
//!                                    the seed is printed: the environment's `KRS_SEED`, or a fresh one
//! tests/matrix/CASE/kill-points      `STEP`: the script kills commands at every STEPth call only, and at all that
//!                                    write or rename; from a call that the seed gives. `--thorough` kills at all calls
//! ```
//!
//! With `KRS_UPDATE=1` the output of a case becomes the expected one, on one kernel only; the difference must
//! be read.
//!
//! A case passes if its script ends with 0 and prints the expected output. A new case is a new folder.
//!
//! `plan` decides which cases share a boot. Within a boot each case starts with an empty BPF file system. A
//! case that crashes the guest fails, and the cases after it run in a new guest. A guest that dies before the
//! first case is started once more; if that one dies too, the remaining cases of the boot are one failure,
//! and the other boots continue. A fault that a kernel reports without dying is a separate failure, shown
//! with the console.

mod plan;
mod report;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use krs_tests::differential::live;

use crate::host;
use crate::kernel::{self, Image, Kernel};
use crate::tools::Tools;
use crate::vm::{self, GuestSpec};

pub use report::Report;
use report::{Outcome, Verdict};

/// Time limit of one case in the guest: some ten times the longest case on an otherwise idle machine.
const CASE_SECONDS: u64 = 400;
/// Longest silence of a boot, one case and the guest's start: [`script`] prints a line before and after each
/// case.
const SILENCE: Duration = Duration::from_secs(CASE_SECONDS + 60);
/// Guests that run at the same time; each uses one core.
const GUESTS_AT_ONCE: usize = 2;
/// Row of the report for a kernel's faults.
const KERNEL_LOG: &str = "(kernel log)";
/// Row of the report for a guest that does not reach its first case.
const BOOT: &str = "(boot)";

/// One folder of `tests/matrix`.
#[derive(Clone, Debug)]
struct Case {
    name: String,
    folder: PathBuf,
    expected: String,
    lsm: String,
    /// The kernels of a default run; `None` for all.
    default_kernels: Option<String>,
}

impl Case {
    fn runs_on(&self, kernel: &str, extent: Extent) -> bool {
        let few = self.default_kernels.as_ref().filter(|_| !extent.thorough && extent.only.is_empty());
        few.is_none_or(|few| few.split_whitespace().any(|version| version == kernel))
    }
}

/// Part of the matrix to run.
#[derive(Clone, Copy, Debug)]
pub struct Extent<'a> {
    /// Names of cases; empty for all.
    pub only: &'a [String],
    /// Run each case on each kernel, even if the case names fewer for a default run.
    pub thorough: bool,
    /// Make the printed output the expected one.
    pub update: bool,
}

/// Runs the cases on the kernels.
pub fn run(kernels: &[&'static Kernel], tools: &Tools, extent: Extent) -> Result<Report> {
    let cases = cases(extent)?;
    // The matrix needs bpftool, although not every guest does.
    host::require(&[host::QEMU, host::BUSYBOX, host::BPFTOOL])?;
    let scratch = tempfile::Builder::new().prefix("krs-matrix-").tempdir()?;
    for case in &cases {
        stage(case, tools, scratch.path(), extent.thorough)?;
    }
    // All kernels are fetched before the first boot, so that no guest waits for a download.
    let images: Vec<Image> = kernels.iter().map(|kernel| kernel.image()).collect::<Result<_>>()?;
    let (mut runs, mut left_out) = (Vec::new(), Vec::new());
    for (kernel, image) in images.iter().enumerate() {
        for (index, case) in cases.iter().enumerate() {
            if case.runs_on(image.version, extent) {
                runs.push(plan::Run { kernel, case: index, name: &case.name, lsm: &case.lsm });
            } else {
                left_out.push((case.name.clone(), image.version));
            }
        }
    }
    let report = Report::new(images.iter().map(|image| image.version).collect(), left_out);
    let report = Mutex::new(report);
    let queue = Mutex::new(plan::boots(&runs).into_iter());
    let errors = Mutex::new(Vec::new());
    let lock = "no thread panics while it holds this";
    std::thread::scope(|scope| {
        for _ in 0..GUESTS_AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(boot) = queue.lock().expect(lock).next() else {
                        return;
                    };
                    let (image, started) = (&images[boot.kernel], Instant::now());
                    let waiting: Vec<&Case> = boot.cases.iter().map(|case| &cases[*case]).collect();
                    match run_boot(image, &boot.lsm, waiting, tools, scratch.path(), extent.update) {
                        Ok(outcomes) => {
                            let failed = outcomes.iter().filter(|(_, o)| o.verdict != Verdict::Passed).count();
                            println!(
                                "Linux {}: {} cases in {} s (estimate: {} s), {failed} failed",
                                image.version,
                                boot.cases.len(),
                                started.elapsed().as_secs(),
                                boot.seconds
                            );
                            let mut report = report.lock().expect(lock);
                            for (case, outcome) in outcomes {
                                report.add(&case, image.version, outcome);
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

fn cases(extent: Extent) -> Result<Vec<Case>> {
    let only = extent.only;
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
            expected: match fs::read_to_string(folder.join("expect.txt")) {
                Err(_) if extent.update => String::new(),
                read => read.with_context(|| format!("{} has no expect.txt", folder.display()))?,
            },
            default_kernels: default_kernels(&folder)?,
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

/// Kernels that a case names for a default run; each must be known.
fn default_kernels(folder: &Path) -> Result<Option<String>> {
    let file = folder.join("default-kernels");
    if !file.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&file)?;
    for version in text.split_whitespace() {
        kernel::select(version).with_context(|| format!("in {}", file.display()))?;
    }
    ensure!(!text.trim().is_empty(), "{} names no kernel", file.display());
    Ok(Some(text))
}

/// Copies a case's files and compiles its policies beside them.
fn stage(case: &Case, tools: &Tools, scratch: &Path, thorough: bool) -> Result<()> {
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
    // Last, because the compiler as a library writes their objects.
    if let Ok(text) = fs::read_to_string(case.folder.join("random")) {
        let count = text.trim().parse().with_context(|| format!("`random` of {} is no count", case.name))?;
        let seed = krs_tests::differential::case::base_seed();
        println!("{}: from seed {seed}; KRS_SEED={seed} makes the same policies again", case.name);
        write_random(&staged, seed, count)?;
    }
    if let Ok(text) = fs::read_to_string(case.folder.join("kill-points")) {
        let step: u64 = text.trim().parse().with_context(|| format!("`kill-points` of {} is no number", case.name))?;
        let seed = krs_tests::differential::case::base_seed();
        fs::write(staged.join("kill-points"), kill_points(seed, if thorough { 1 } else { step }))?;
        if !thorough {
            println!("{}: kills at every {step}th call; KRS_SEED={seed} chooses the same ones again", case.name);
        }
    }
    Ok(())
}

/// The calls at which the script of a case kills commands: the first, and the step to the next.
fn kill_points(seed: u64, step: u64) -> String {
    format!("{} {step}\n", seed % step.max(1) + 1)
}

/// Copies a folder and its contents.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() { copy(&entry.path(), &to)? } else { fs::copy(entry.path(), to).map(drop)? }
    }
    Ok(())
}

/// Writes random policies, their acts and the expected results into a folder; returns the seed from which the
/// next ones continue.
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

/// Runs the cases of one boot, with further boots if guests die.
fn run_boot(
    image: &Image,
    lsm: &str,
    mut waiting: Vec<&Case>,
    tools: &Tools,
    scratch: &Path,
    update: bool,
) -> Result<Vec<(String, Outcome)>> {
    let mut outcomes: Vec<(String, Outcome)> = Vec::new();
    let mut faults = String::new();
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
                Some((status, seconds)) => {
                    Outcome { verdict: judge(case, &output.text, status, update), seconds: Some(seconds) }
                }
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
        // A fault within a case that ended is shown once, because its case is unknown.
        if outputs.last().is_some_and(|output| output.end.is_some())
            && let Some(failure) = result.failure()
        {
            writeln!(faults, "{failure}")?;
        }
        waiting.drain(..done);
    }
    let kernel_log = if faults.is_empty() { Verdict::Passed } else { Verdict::Failed(faults) };
    outcomes.push((KERNEL_LOG.to_owned(), kernel_log.into()));
    Ok(outcomes)
}

/// The guest's script: each case between two marker lines, in a BPF file system emptied before. A policy that
/// a failed case left loaded may deny the removal; it is unloaded with its file system, shortly after the
/// unmount.
fn script(cases: &[&Case]) -> String {
    let mut script = String::new();
    for case in cases {
        let name = vm::quote(&case.name);
        writeln!(
            script,
            "rm -rf /sys/fs/bpf/* || {{ umount -l /sys/fs/bpf && mount -t bpf bpf /sys/fs/bpf && sleep 2; }}\n\
             rm -rf /tmp/*\n\
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

/// Output of a case, and its status and seconds if it ended.
struct CaseOutput {
    text: String,
    end: Option<(i32, u64)>,
}

/// Returns true for messages of `krsi` about slow detachment of programs: the speed of the machine is not
/// part of a case's result.
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
                // The marker line is preceded by an empty line.
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

fn judge(case: &Case, output: &str, status: i32, update: bool) -> Verdict {
    if status != 0 {
        let reason = match status {
            143 | 124 | 137 => format!("not done after {CASE_SECONDS} s"),
            _ => format!("ended with status {status}"),
        };
        return Verdict::Failed(format!("{reason}, printed:\n{output}"));
    }
    if update {
        return match fs::write(case.folder.join("expect.txt"), output) {
            Ok(()) => Verdict::Passed,
            Err(error) => Verdict::Failed(error.to_string()),
        };
    }
    if case.expected.trim_end() == output.trim_end() {
        return Verdict::Passed;
    }
    Verdict::Failed(format!("expected:\n{}\nprinted:\n{output}", case.expected.trim_end()))
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

    fn case(default_kernels: Option<&str>) -> Case {
        Case {
            name: "a".to_owned(),
            folder: PathBuf::new(),
            expected: "made\n".to_owned(),
            lsm: "bpf".to_owned(),
            default_kernels: default_kernels.map(str::to_owned),
        }
    }

    #[test]
    fn a_case_passes_with_status_0_and_the_expected_output_only() {
        let rows: [(&str, i32, bool); 6] = [
            ("made\n", 0, true),
            ("made", 0, true),
            ("", 0, false),
            ("made\nmore\n", 0, false),
            ("made\n", 1, false),
            ("made\n", 143, false),
        ];
        for (output, status, passes) in rows {
            let verdict = judge(&case(None), output, status, false);
            assert_eq!(verdict == Verdict::Passed, passes, "{output:?} with status {status}");
        }
    }

    #[test]
    fn a_case_of_few_kernels_runs_on_the_others_when_thorough_or_named() {
        let names = ["a".to_owned()];
        let extent = |only, thorough| Extent { only, thorough, update: false };
        let few = case(Some("5.10 7.2\n"));
        for (kernel, default) in [("5.10", true), ("6.1", false), ("7.2", true), ("7", false)] {
            assert_eq!(few.runs_on(kernel, extent(&[], false)), default, "{kernel}");
            assert!(few.runs_on(kernel, extent(&[], true)) && few.runs_on(kernel, extent(&names, false)), "{kernel}");
            assert!(case(None).runs_on(kernel, extent(&[], false)), "{kernel}");
        }
    }

    #[test]
    fn kill_points_begin_within_the_first_step() {
        assert_eq!([kill_points(9, 4), kill_points(8, 4), kill_points(9, 1)], ["2 4\n", "1 4\n", "1 1\n"]);
    }

    #[test]
    fn every_case_of_the_repository_can_be_read() {
        let cases = cases(Extent { only: &[], thorough: false, update: false }).expect("all have their files");
        assert!(cases.len() > 40, "{}", cases.len());
    }

    /// The case must run on every kernel in a default run.
    #[test]
    fn every_example_is_put_to_work_by_a_case() {
        let top = host::repository();
        let cases = cases(Extent { only: &[], thorough: false, update: false }).expect("all have their files");
        let mut examples = 0;
        for entry in fs::read_dir(top.join("examples")).expect("the folder is there") {
            let example = entry.expect("it can be read").path();
            let name = example.file_name().expect("a file has a name");
            let linked = |case: &Case| fs::canonicalize(case.folder.join(name)).is_ok_and(|file| file == example);
            assert!(
                cases.iter().any(|case| case.default_kernels.is_none() && linked(case)),
                "no case of tests/matrix links to {}",
                example.display()
            );
            examples += 1;
        }
        assert!(examples >= 19, "{examples}");
    }
}
