//! `cargo xtask bench`: how long the compiler takes as a whole process, and how much code it makes, beside
//! `clang -O2` on the same policy in C where clang is installed: with the kernel's types from vmlinux.h, as such programs
//! usually have them, and with nothing but the few declarations that the program needs.
//!
//! Times are of processes, from start to end, in one run, the two compilers by turns: machines are noisy, so what counts is the
//! ratio. Nothing here fails because of a time.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use object::{Object as _, ObjectSection as _};

use crate::host;
use crate::tools::{Profile, Tools};

/// Measure the compiler, beside clang where it is installed.
#[derive(clap::Args)]
pub struct Arguments {
    /// How often each command runs.
    #[arg(long, default_value_t = 40)]
    rounds: u32,
}

const POLICY: &str = "examples/no-anonymous-exec.krs";
const IN_C: &str = "tests/bench/no-anonymous-exec.c";

const WITH_VMLINUX: &str = "clang with vmlinux.h";

/// The running kernel's types as a C header, where bpftool can make it.
fn vmlinux() -> Option<Vec<u8>> {
    let bpftool = host::find(host::BPFTOOL.program)?;
    let made = Command::new(bpftool)
        .args(["btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c"])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    made.status.success().then_some(made.stdout)
}

/// Least and median.
struct Times {
    sorted: Vec<Duration>,
}

impl Times {
    fn least(&self) -> f64 {
        self.sorted[0].as_secs_f64() * 1e3
    }

    fn median(&self) -> f64 {
        self.sorted[self.sorted.len() / 2].as_secs_f64() * 1e3
    }
}

/// Runs the task.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    ensure!(arguments.rounds > 0, "at least one round");
    let tools = Tools::build(Profile::Release)?;
    let scratch = tempfile::Builder::new().prefix("krs-bench-").tempdir()?;
    let (ours, theirs) = (scratch.path().join("krs.o"), scratch.path().join("c.o"));
    let policy = host::repository().join(POLICY);
    let clang = host::find("clang");

    let mut check = Command::new(&tools.krsic);
    check.arg("check").arg(&policy);
    let mut build = Command::new(&tools.krsic);
    build.arg("build").arg(&policy).arg("-o").arg(&ours);
    let mut commands = vec![("krsic check", check), ("krsic build", build)];
    if let Some(clang) = &clang {
        let compile = || {
            let mut command = Command::new(clang);
            command.args(["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-c"]);
            command.arg(host::repository().join(IN_C)).arg("-o").arg(&theirs);
            command
        };
        // What most people do: all types of the kernel in a header that bpftool makes.
        if let Some(header) = vmlinux() {
            std::fs::write(scratch.path().join("vmlinux.h"), header)?;
            let mut command = compile();
            command.arg("-DVMLINUX").arg("-I").arg(scratch.path());
            commands.push((WITH_VMLINUX, command));
        }
        commands.push(("clang", compile()));
    }
    let mut times: Vec<Vec<Duration>> = commands.iter().map(|_| Vec::new()).collect();
    // The first round fills the caches and is not counted.
    for round in 0..=arguments.rounds {
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
    println!("{POLICY}, {} runs of each command as a whole process\n", arguments.rounds);
    println!("{:20} {:>10} {:>10}", "", "least", "median");
    let times: Vec<Times> = times
        .into_iter()
        .map(|mut sorted| {
            sorted.sort();
            Times { sorted }
        })
        .collect();
    for ((name, _), times) in commands.iter().zip(&times) {
        println!("{name:20} {:>7.1} ms {:>7.1} ms", times.least(), times.median());
    }
    println!("\n{:20} {:>12} {:>10} {:>12}", "", "instructions", "slots", "object bytes");
    let (instructions, slots, bytes) = code(&ours)?;
    println!("{:20} {instructions:>12} {slots:>10} {bytes:>12}", "krsic");
    if clang.is_some() {
        let (instructions, slots, bytes) = code(&theirs)?;
        println!("{:20} {instructions:>12} {slots:>10} {bytes:>12}", "clang");
        println!();
        let build = times[1].median();
        for ((name, _), times) in commands.iter().zip(&times).skip(2) {
            println!("{name} takes {:.1} times as long as krsic build (medians)", times.median() / build);
        }
    } else {
        println!("\nclang is not installed, so there is nothing to compare with: apt-get install clang");
    }
    Ok(ExitCode::SUCCESS)
}

/// Instructions, 8-byte slots and bytes of an object's programs. A 64-bit immediate takes two slots.
fn code(path: &Path) -> Result<(usize, usize, usize)> {
    let bytes = std::fs::read(path)?;
    let file = object::File::parse(&*bytes).context("no object")?;
    let (mut instructions, mut slots) = (0, 0);
    for section in file.sections() {
        if !section.name().is_ok_and(|name| name.starts_with("lsm/")) {
            continue;
        }
        let data = section.data()?;
        slots += data.len() / 8;
        let mut at = 0;
        while at < data.len() {
            // BPF_LD | BPF_IMM | BPF_DW
            at += if data[at] == 0x18 { 16 } else { 8 };
            instructions += 1;
        }
    }
    Ok((instructions, slots, bytes.len()))
}
