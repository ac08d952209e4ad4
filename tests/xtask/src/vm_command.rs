//! `cargo xtask vm`: runs a command on a test kernel, with its output and exit code.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::kernel::{self, Image};
use crate::tools::{Profile, Tools};
use crate::vm::{self, GuestEnd, GuestSpec};

/// Run a command as root on a test kernel, with the built tools in the guest.
///
/// The guest has krsi, krsic, krs-guest (which performs named acts), bpftool, busybox's commands and the
/// files of --add. The exit code is the command's, or 125 if the guest itself failed.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask vm --kernel 6.12 -- krsi doctor\n  cargo xtask vm --kernel all --add policy.o \
                        -- 'krsi load policy.o && krs-guest anon-mprotect-exec'"
)]
pub struct Arguments {
    /// Kernels to boot: 5.10, 6.1, 6.12, 6.18, 7.2, several separated by commas, or all.
    #[arg(long, default_value = "6.12", value_name = "VERSION")]
    kernel: String,
    /// Add a file or folder to the guest, at PLACE or else in /root, the command's working directory.
    /// Programs are added with their shared libraries.
    #[arg(long, value_name = "FILE[=PLACE]")]
    add: Vec<String>,
    /// Give up when nothing was printed for this long.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
    /// Build profile of the tools.
    #[arg(long, default_value = "dev", value_enum)]
    profile: Profile,
    /// Add no built tools to the guest.
    #[arg(long)]
    bare: bool,
    /// The kernel's lsm= list.
    #[arg(long, default_value = vm::LSM_WITH_BPF, value_name = "LIST")]
    lsm: String,
    /// Print the kernel's console, too.
    #[arg(long)]
    console: bool,
    /// Command to run; a single word with blanks is a line for the guest's shell.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Exit code of the task if the guest failed rather than the command.
const GUEST_FAILED: u8 = 125;

/// Runs the `vm` task.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let kernels = kernel::select(&arguments.kernel)?;
    let spec = spec(arguments)?;
    let mut code = 0;
    for kernel in &kernels {
        let image = kernel.image()?;
        if kernels.len() > 1 {
            println!("== {} ({})", image.version, image.package);
        }
        let ended_with = boot(&image, &spec, arguments.console)?;
        if code == 0 {
            code = ended_with;
        }
    }
    Ok(ExitCode::from(code))
}

fn spec(arguments: &Arguments) -> Result<GuestSpec> {
    let command = match &arguments.command[..] {
        [line] => line.clone(),
        words => words.iter().map(|word| vm::quote(word)).collect::<Vec<_>>().join(" "),
    };
    let mut spec = GuestSpec::new(command);
    spec.lsm.clone_from(&arguments.lsm);
    spec.silence = Duration::from_secs(arguments.timeout);
    if !arguments.bare {
        spec.files = Tools::build(arguments.profile)?.guest_files();
    }
    for addition in &arguments.add {
        let (file, place) = match addition.split_once('=') {
            Some((file, place)) => (PathBuf::from(file), place.to_owned()),
            None => {
                let file = PathBuf::from(addition);
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                (file, format!("root/{name}"))
            }
        };
        ensure!(file.exists(), "there is no {}", file.display());
        spec.files.push((file, place));
    }
    Ok(spec)
}

fn boot(image: &Image, spec: &GuestSpec, show_console: bool) -> Result<u8> {
    let result = vm::run(image, spec, &mut vm::to_stdout)?;
    if show_console {
        eprintln!("{}", result.console);
    }
    if let Some(failure) = result.failure() {
        eprintln!("error: Linux {}: {failure}", image.version);
        return Ok(GUEST_FAILED);
    }
    let GuestEnd::Exit(status) = result.end else {
        return Ok(GUEST_FAILED);
    };
    Ok(u8::try_from(status).unwrap_or(1))
}
