//! Project tasks: `cargo xtask TASK`.
//!
//! one module a task (`*_command`, `bench`, `fuzz`, `matrix`, `mutants`), and under them what they share: `kernel` and `vmlinux` get kernels,
//! `initramfs` and `vm` boot them, `tools` builds what is tested, `host` knows this machine.

mod bench;
mod demo_command;
mod fuzz;
mod host;
mod initramfs;
mod kernel;
mod kernels_command;
mod matrix;
mod mutants;
mod test_command;
mod tools;
mod vm;
mod vm_command;
mod vmlinux;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Project tasks of krs.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run a command as root on a test kernel, with the built tools at hand.
    Vm(vm_command::Arguments),
    /// Show a policy at work, from its source to a kernel that says no.
    Demo(demo_command::Arguments),
    /// Measure what policies cost and how long they take to build, beside clang.
    Bench(bench::Arguments),
    /// Feed the compiler texts that nobody would write.
    Fuzz(fuzz::Arguments),
    /// Run every test: those of cargo, then the kernel matrix.
    Test(test_command::Arguments),
    /// Measure how many faults the tests without guests catch.
    Mutants(mutants::Arguments),
    /// Make the kernels that the compiler embeds, from Debian's packages.
    Kernels(kernels_command::Arguments),
    /// Write the BTF of a test kernel to a file, without booting it.
    Btf {
        /// Which kernel: 5.10, 6.1, 6.12, 6.18 or 7.2.
        #[arg(long, value_name = "VERSION")]
        kernel: String,
        /// Where to write it.
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Vm(arguments) => vm_command::run(&arguments),
        Task::Demo(arguments) => demo_command::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Test(arguments) => test_command::run(&arguments),
        Task::Mutants(arguments) => mutants::run(&arguments),
        Task::Kernels(arguments) => kernels_command::run(&arguments),
        Task::Btf { kernel, file } => {
            let image = single(&kernel)?.image()?;
            std::fs::copy(&image.btf, &file)?;
            eprintln!("{}: {}", file.display(), image.package);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The one kernel of this version.
fn single(version: &str) -> Result<&'static kernel::Kernel> {
    match kernel::select(version)?[..] {
        [kernel] => Ok(kernel),
        _ => anyhow::bail!("name one kernel"),
    }
}
