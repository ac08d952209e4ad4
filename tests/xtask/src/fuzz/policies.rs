//! `cargo xtask fuzz --policies N`: random policies, whose results from the model of the language, the
//! evaluator and the shipped object are compared; with `--kernel`, also those of running kernels.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use krs_tests::differential::case::{self, Question};
use krs_tests::differential::{self, Tried, model};

use crate::tools::{Profile, Tools};
use crate::vm::{self, GuestEnd, GuestSpec};
use crate::{host, kernel, matrix};

/// Policies of one boot.
const BOOT_POLICIES: usize = 40;
/// Longest silence of a boot, which prints nothing before its end.
const BOOT_SILENCE: Duration = Duration::from_secs(900);

/// Tests this number of policies on this machine.
pub(super) fn here(seed: u64, policies: usize, output: &Path) -> Result<ExitCode> {
    std::fs::create_dir_all(output).with_context(|| format!("{} cannot be made", output.display()))?;
    let (mut tried, mut failures) = (Tried::default(), 0);
    let questions: [(&str, Question); 3] =
        [("meaning", differential::examine), ("order", differential::reorder), ("model", model::examine)];
    for seed in seed..seed.saturating_add(policies as u64) {
        for (name, question) in questions {
            match case::ask(seed, question) {
                Ok(more) => tried += more,
                Err(why) => {
                    failures += 1;
                    let path = output.join(format!("{name}-{seed}.txt"));
                    std::fs::write(&path, &why).with_context(|| format!("{} cannot be written", path.display()))?;
                    println!("{}:\n{why}", path.display());
                }
            }
        }
    }
    println!(
        "{} policies, {} rules, {} scenes, {} denials, {} events, {} instructions; {failures} failures",
        tried.policies, tried.rules, tried.scenes, tried.denied, tried.events, tried.instructions
    );
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Loads this number of policies on kernels and performs acts under each.
pub(super) fn on_kernels(versions: &str, seed: u64, policies: usize) -> Result<ExitCode> {
    let kernels = kernel::select(versions)?;
    host::require(&[host::QEMU, host::BUSYBOX])?;
    let tools = Tools::build(Profile::Release)?;
    let images = kernels.iter().map(|kernel| kernel.image()).collect::<Result<Vec<_>>>()?;
    let mut code = ExitCode::SUCCESS;
    let mut first = seed;
    let mut left = policies;
    while left > 0 {
        let count = left.min(BOOT_POLICIES);
        let folder = tempfile::Builder::new().prefix("krs-random-").tempdir()?;
        // Seeds whose policies do not compile are skipped, and the next boot continues with the first unused
        // seed.
        let next = matrix::write_random(folder.path(), first, count)?;
        for image in &images {
            let script = "cd /random; . /krs/prelude.sh; random_policies";
            let mut spec = GuestSpec::new(script);
            spec.silence = BOOT_SILENCE;
            spec.files = tools.guest_files();
            spec.files.push((host::repository().join("tests/matrix/prelude.sh"), "krs/prelude.sh".to_owned()));
            spec.files.push((folder.path().to_owned(), "random".to_owned()));
            let result = vm::run(image, &spec, &mut |_| ())?;
            println!("Linux {}, from seed {first}: {}", image.version, result.output.trim_end());
            let right = result.output.contains(&format!("{count} policies, 0 wrong"));
            if let Some(failure) = result.failure() {
                bail!("Linux {}: {failure}", image.version);
            }
            if !right || result.end != GuestEnd::Exit(0) {
                code = ExitCode::FAILURE;
            }
        }
        first = next;
        left -= count;
    }
    Ok(code)
}
