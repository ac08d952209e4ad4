//! Project tasks: `cargo xtask TASK`.
//!
//! Each task is a module (`*_command`, `bench`, `fuzz`, `matrix`, `mutants`). They share the others: `kernel`
//! and `vmlinux` fetch kernels, `initramfs` and `vm` boot them, `tools` builds the programs under test, and
//! `host` describes this machine.

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
    /// Run a command as root on a test kernel, with the built tools in the guest.
    Vm(vm_command::Arguments),
    /// Show a policy at work, from its source to a kernel that denies a call.
    Demo(demo_command::Arguments),
    /// Measure the cost of policies and the time to build them, compared with clang.
    Bench(bench::Arguments),
    /// Run the compiler on generated texts, and report panics and other failures.
    Fuzz(fuzz::Arguments),
    /// Run every test: those of cargo, then the kernel matrix.
    Test(test_command::Arguments),
    /// Measure how many faults the tests without guests catch.
    Mutants(mutants::Arguments),
    /// Generate the kernels that the compiler embeds, from Debian's packages.
    Kernels(kernels_command::Arguments),
    /// Write the BTF of a test kernel to a file, without booting the kernel.
    Btf {
        /// Kernel to read: 5.10, 6.1, 6.12, 6.18 or 7.2.
        #[arg(long, value_name = "VERSION")]
        kernel: String,
        /// Path of the file to write.
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

/// Returns the only kernel of this version.
fn single(version: &str) -> Result<&'static kernel::Kernel> {
    match kernel::select(version)?[..] {
        [kernel] => Ok(kernel),
        _ => anyhow::bail!("name one kernel"),
    }
}
