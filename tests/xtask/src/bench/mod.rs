//! `cargo xtask bench`: measures the cost of policies, compared with the same in C by `clang -O2`.
//!
//! ```text
//! tests/bench/NAME.krs, NAME.c      a policy and its equivalent in C; work.rs lists them with their acts
//! tests/bench/RESULTS.md, *.svg     the latest measurement of `cargo xtask bench --write`
//! ```
//!
//! All runs share one guest whose time is a count of instructions, in this order: no program, an empty one,
//! clang's and krsic's. The kernel itself counts the time of a program; the time of an empty one is
//! subtracted. Both compilers' programs must give the same results and record the same events, or the task
//! fails. No measured number makes it fail.

mod build_times;
mod guest;
mod plot;
mod report;
mod series;
mod work;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use object::{Object as _, ObjectSection as _, SectionKind};

use crate::host::{self, Tool};
use crate::tools::{Profile, Tools};

/// Compiler of the C programs for comparison.
const CLANG: Tool = Tool { program: "clang", package: "clang", purpose: "compile the same in C" };
/// Tool that removes debugging information, as build systems do.
const STRIP: Tool = Tool { program: "llvm-strip", package: "llvm", purpose: "strip what clang made" };

/// Measure the cost of policies and the time to build them, compared with clang.
#[derive(clap::Args)]
pub struct Arguments {
    /// Kernel to measure on: 5.10, 6.1, 6.12, 6.18 or 7.2.
    #[arg(long, default_value = "6.12", value_name = "VERSION")]
    kernel: String,
    /// Run only this part.
    #[arg(long, value_enum)]
    part: Option<Part>,
    /// Run only these policies of tests/bench.
    #[arg(long, value_name = "NAME")]
    policy: Vec<String>,
    /// Run only these series of rules.
    #[arg(long, value_name = "NAME")]
    series: Vec<String>,
    /// Number of rules of the longest series.
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    rules: usize,
    /// Number of runs of each timed command.
    #[arg(long, default_value_t = 40)]
    rounds: u32,
    /// Build profile of krsic and krsi.
    #[arg(long, default_value = "release", value_enum)]
    profile: Profile,
    /// Write tests/bench/RESULTS.md and the plots; only the measured part of the file is replaced.
    #[arg(long)]
    write: bool,
}

/// Parts of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Compare a dozen policies with clang's.
    Policies,
    /// Measure from 10 to 100,000 rules on a hook.
    Series,
    /// Time the compiler as a process.
    Build,
}

/// Runs the `bench` task.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    ensure!(arguments.rounds > 0, "at least one round");
    host::require(&[host::QEMU, host::BUSYBOX, CLANG, STRIP])?;
    let tools = Tools::build(arguments.profile)?;
    let image = crate::single(&arguments.kernel)?.image()?;
    let scratch = tempfile::Builder::new().prefix("krs-bench-").tempdir()?;
    let wanted = |part| arguments.part.is_none_or(|only| only == part);
    let mut report = report::Report::new(&image, &version(&CLANG)?);
    let mut agree = true;
    if wanted(Part::Policies) {
        let rows = work::measure(&tools, &image, scratch.path(), &arguments.policy)?;
        agree = report.policies(&rows);
        if arguments.write {
            plot::policies(&rows, &folder().join("policies.svg"))?;
        }
    }
    if wanted(Part::Series) {
        let rows = series::measure(&tools, &image, scratch.path(), arguments.rules, &arguments.series)?;
        report.series(&rows);
        if arguments.write {
            plot::series(&rows, &folder().join("series.svg"))?;
        }
    }
    if wanted(Part::Build) {
        let clang = host::find(CLANG.program);
        report.build_times(&build_times::measure(&tools, clang.as_deref(), scratch.path(), arguments.rounds)?);
    }
    let text = report.finish();
    println!("{text}");
    if arguments.write {
        let results = folder().join("RESULTS.md");
        let whole = match arguments.part {
            Some(_) => report::with_parts(&std::fs::read_to_string(&results)?, &text),
            None => text,
        };
        std::fs::write(results, whole)?;
    }
    Ok(if agree { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn folder() -> PathBuf {
    host::repository().join("tests/bench")
}

fn version(tool: &Tool) -> Result<String> {
    let said = host::run(Command::new(tool.program).arg("--version"))?;
    Ok(String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned())
}

/// `clang -O2` for BPF, with the options of libbpf programs.
fn clang(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror", "-c"]).stdin(Stdio::null());
    command
}

/// Compiles a C program and strips the object.
fn compile(source: &Path, definitions: &[String], to: &Path) -> Result<()> {
    host::run(&mut compiler(source, definitions, to)?)?;
    strip(to)
}

fn compiler(source: &Path, definitions: &[String], to: &Path) -> Result<Command> {
    let mut command = clang(&host::find(CLANG.program).context("clang is not there")?);
    command.args(definitions).arg("-I").arg(folder()).arg(source).arg("-o").arg(to);
    Ok(command)
}

fn strip(object: &Path) -> Result<()> {
    host::run(Command::new(host::find(STRIP.program).context("llvm-strip is not there")?).arg("-g").arg(object))?;
    Ok(())
}

/// Size of an object file.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    /// Instructions of all programs and functions. A 64-bit immediate takes two slots and counts as one.
    instructions: usize,
    /// Bytes of the file.
    bytes: usize,
}

impl Size {
    fn of(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path)?;
        let file = object::File::parse(&*bytes).context("no object")?;
        let mut instructions = 0;
        for section in file.sections().filter(|section| section.kind() == SectionKind::Text) {
            let data = section.data()?;
            let mut at = 0;
            while at < data.len() {
                // The opcode is BPF_LD | BPF_IMM | BPF_DW.
                at += if data[at] == 0x18 { 16 } else { 8 };
                instructions += 1;
            }
        }
        Ok(Self { instructions, bytes: bytes.len() })
    }
}
