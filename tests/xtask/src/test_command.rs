//! `cargo xtask test`: runs every test, and prints the result in one line at the end.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::tools::{Profile, Tools, target_folder};
use crate::{host, kernel, matrix};

/// Run every test: those of cargo, then the kernel matrix.
#[derive(clap::Args)]
pub struct Arguments {
    /// Kernels to test on: 5.10, 6.1, 6.12, 6.18, 7.2, several separated by commas, or all.
    #[arg(long, default_value = "all", value_name = "VERSION")]
    kernel: String,
    /// Leave out cargo's tests.
    #[arg(long)]
    matrix_only: bool,
    /// Run each case on each kernel, also those that a default run leaves out.
    #[arg(long)]
    thorough: bool,
    /// Build profile of the tools that run in the guests; `dev` uses those that cargo's tests have built.
    #[arg(long, default_value = "dev", value_enum)]
    profile: Profile,
    /// Run only these cases of `tests/matrix`, and no other test.
    #[arg(value_name = "CASE")]
    cases: Vec<String>,
}

/// Numbers of tests that passed and failed.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    passed: usize,
    failed: usize,
}

/// Runs the `test` task.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let started = Instant::now();
    let kernels = kernel::select(&arguments.kernel)?;
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let update = set("KRS_UPDATE");
    check_update(update, set("CI"), kernels.len())?;
    let mut count = Count::default();
    if !arguments.matrix_only && arguments.cases.is_empty() {
        println!("== cargo test --workspace");
        count = cargo_tests()?;
    }
    let fast = started.elapsed();
    println!("== kernel matrix");
    let tools = Tools::build(arguments.profile)?;
    let built = started.elapsed() - fast;
    let extent = matrix::Extent { only: &arguments.cases, thorough: arguments.thorough, update };
    let report = matrix::run(&kernels, &tools, extent)?;
    println!("\n{}", report.print());
    let times = target_folder()?.join("matrix-times.txt");
    std::fs::write(&times, report.times())?;
    println!("all times: {}", times.display());
    count.passed += report.passed();
    count.failed += report.failed();
    let all = started.elapsed();
    println!(
        "took {} s: cargo's tests {}, the build of the tools {}, the matrix {}",
        all.as_secs(),
        fast.as_secs(),
        built.as_secs(),
        (all - fast - built).as_secs()
    );
    println!("{} passed, {} failed", count.passed, count.failed);
    Ok(if count.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Checks that `KRS_UPDATE` is safe. With it tests pass by rewriting their expectations, which must not
/// happen if nobody reads the difference, nor with the outputs of several kernels written over each other.
fn check_update(update: bool, ci: bool, kernels: usize) -> Result<()> {
    ensure!(
        !(update && ci),
        "`KRS_UPDATE` is set while `CI` is: every test would pass by rewriting its expectation; unset `KRS_UPDATE`"
    );
    ensure!(!update || kernels == 1, "with `KRS_UPDATE` name one kernel: `cargo xtask test --kernel 6.12 CASE`");
    Ok(())
}

/// Runs cargo's tests, prints their output, and adds up lines like `test result: ok. 12 passed; 0 failed`.
fn cargo_tests() -> Result<Count> {
    let mut child = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(host::repository())
        .args(["test", "--workspace", "--quiet", "--no-fail-fast"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo")?;
    let mut count = Count::default();
    for line in BufReader::new(child.stdout.take().context("cargo has no output")?).lines() {
        let line = line?;
        println!("{line}");
        if let Some(result) = line.strip_prefix("test result: ") {
            count.passed += number_before(result, "passed");
            count.failed += number_before(result, "failed");
        }
    }
    // A test that does not compile, or a process that dies, prints no such line.
    if !child.wait()?.success() && count.failed == 0 {
        count.failed = 1;
    }
    Ok(count)
}

/// Returns the number before a word: `12` for `passed` in `ok. 12 passed; 0 failed`.
fn number_before(text: &str, word: &str) -> usize {
    let mut words = text.split_whitespace().map(|w| w.trim_end_matches([';', '.']));
    let mut before = "";
    words
        .find_map(|current| {
            let number = (current == word).then(|| before.parse().ok()).flatten();
            before = current;
            number
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_the_line_of_a_test_program() {
        let line = "FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s";
        assert_eq!((number_before(line, "passed"), number_before(line, "failed")), (12, 3));
    }

    #[test]
    fn expectations_are_rewritten_for_one_kernel_and_never_in_ci() {
        let rows = [
            (false, false, 5, true),
            (false, true, 5, true),
            (true, false, 1, true),
            (true, false, 2, false),
            (true, true, 1, false),
        ];
        for (update, ci, kernels, fine) in rows {
            assert_eq!(check_update(update, ci, kernels).is_ok(), fine, "{update} {ci} {kernels}");
        }
        let error = check_update(true, true, 1).expect_err("CI is set").to_string();
        assert!(error.contains("unset `KRS_UPDATE`"), "{error}");
    }
}
