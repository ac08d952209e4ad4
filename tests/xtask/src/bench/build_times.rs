//! Times of `krsic` as a whole process, compared with `clang -O2` on the same policy in C: with the kernel's
//! types from vmlinux.h, as such programs usually have them, and with only the few declarations that the
//! program needs.
//!
//! Times are of processes, from start to end, in one run, the two compilers in alternation: absolute times
//! vary between machines, so the ratio is the result.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::host;
use crate::tools::Tools;

const POLICY: &str = "examples/no-anonymous-exec.krs";
const IN_C: &str = "tests/bench/no-anonymous-exec.c";

const WITH_VMLINUX: &str = "clang with vmlinux.h";

/// The running kernel's types as a C header, if bpftool can generate it.
fn vmlinux() -> Option<Vec<u8>> {
    let bpftool = host::find(host::BPFTOOL.program)?;
    let made = Command::new(bpftool)
        .args(["btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c"])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    made.status.success().then_some(made.stdout)
}

/// Times of one command.
pub struct Row {
    /// Name of the command: `krsic build`.
    pub name: &'static str,
    /// Shortest time of all runs, in milliseconds.
    pub least_ms: f64,
    /// Median time, in milliseconds.
    pub median_ms: f64,
}

/// Measures the build times of both compilers.
pub fn measure(tools: &Tools, clang: Option<&Path>, scratch: &Path, rounds: u32) -> Result<Vec<Row>> {
    let (ours, theirs) = (scratch.join("krs.o"), scratch.join("c.o"));
    let policy = host::repository().join(POLICY);
    let mut check = Command::new(&tools.krsic);
    check.arg("check").arg(&policy);
    let mut build = Command::new(&tools.krsic);
    build.arg("build").arg(&policy).arg("-o").arg(&ours);
    let mut commands = vec![("krsic check", check), ("krsic build", build)];
    if let Some(clang) = clang {
        let compile = || {
            let mut command = super::clang(clang);
            command.arg(host::repository().join(IN_C)).arg("-o").arg(&theirs);
            command
        };
        // The usual setup: all types of the kernel in a header that bpftool generates.
        if let Some(header) = vmlinux() {
            std::fs::write(scratch.join("vmlinux.h"), header)?;
            let mut command = compile();
            command.arg("-DVMLINUX").arg("-I").arg(scratch);
            commands.push((WITH_VMLINUX, command));
        }
        commands.push(("clang", compile()));
    }
    let mut times: Vec<Vec<Duration>> = commands.iter().map(|_| Vec::new()).collect();
    // The first round fills the caches and is not counted.
    for round in 0..=rounds {
        for ((name, command), times) in commands.iter_mut().zip(&mut times) {
            let started = Instant::now();
            let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
            let elapsed = started.elapsed();
            ensure!(status.is_ok_and(|status| status.success()), "`{name}` failed");
            if round > 0 {
                times.push(elapsed);
            }
        }
    }
    Ok(commands
        .iter()
        .zip(&mut times)
        .map(|((name, _), times)| {
            times.sort();
            let ms = |time: &Duration| time.as_secs_f64() * 1e3;
            Row { name, least_ms: ms(&times[0]), median_ms: ms(&times[times.len() / 2]) }
        })
        .collect())
}
