//! `cargo xtask bench`: what policies cost, beside the same in C by `clang -O2`.
//!
//! ```text
//! tests/bench/NAME.krs, NAME.c      a policy and the same by hand; work.rs lists them and what is done under each
//! tests/bench/RESULTS.md, *.svg     what `cargo xtask bench --write` measured last
//! ```
//!
//! Everything runs in one guest whose time is a count of instructions, one after the other: no program, an empty one, clang's and
//! ours. The kernel itself counts the time of a program; what an empty one takes is taken off. Both must answer alike and
//! record the same events, or the task fails. Nothing fails because of a number.

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

/// What there is to compare with.
const CLANG: Tool = Tool { program: "clang", package: "clang", purpose: "compile the same in C" };
/// Takes out what only debuggers read, as build systems do.
const STRIP: Tool = Tool { program: "llvm-strip", package: "llvm", purpose: "strip what clang made" };

/// Measure what policies cost and how long they take to build, beside clang.
#[derive(clap::Args)]
pub struct Arguments {
    /// On which kernel: 5.10, 6.1, 6.12, 6.18 or 7.2.
    #[arg(long, default_value = "6.12", value_name = "VERSION")]
    kernel: String,
    /// Only this part.
    #[arg(long, value_enum)]
    part: Option<Part>,
    /// Only these policies of tests/bench.
    #[arg(long, value_name = "NAME")]
    policy: Vec<String>,
    /// Only these series of rules.
    #[arg(long, value_name = "NAME")]
    series: Vec<String>,
    /// Rules of the longest series.
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    rules: usize,
    /// How often each command runs whose time is taken.
    #[arg(long, default_value_t = 40)]
    rounds: u32,
    /// How to build our tools.
    #[arg(long, default_value = "release", value_enum)]
    profile: Profile,
    /// Write tests/bench/RESULTS.md and the plots; of the file only the part that was measured.
    #[arg(long)]
    write: bool,
}

/// Parts of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// A dozen policies beside clang's.
    Policies,
    /// From 10 to 100,000 rules on a hook.
    Series,
    /// The compiler as a process.
    Build,
}

/// Runs the task.
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

/// `clang -O2` for BPF, as libbpf programs are built.
fn clang(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror", "-c"]).stdin(Stdio::null());
    command
}

/// Compiles and strips.
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

/// An object as a file.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    /// Of all programs and functions. A 64-bit immediate takes two slots and is one.
    instructions: usize,
    /// Of the file.
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
                // BPF_LD | BPF_IMM | BPF_DW
                at += if data[at] == 0x18 { 16 } else { 8 };
                instructions += 1;
            }
        }
        Ok(Self { instructions, bytes: bytes.len() })
    }
}
