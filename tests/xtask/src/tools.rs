//! The programs under test, built by cargo.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::host;

/// Build profile of the tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// Build with optimisations, as users run it.
    Release,
    /// Build as `cargo test` does.
    Dev,
}

/// Paths of the built programs.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Path of the compiler, `krsic`.
    pub krsic: PathBuf,
    /// Path of the loader, `krsi`.
    pub krsi: PathBuf,
    /// Path of `krs-guest`, which performs acts in the guest: `tests/guest`.
    pub guest: PathBuf,
}

impl Tools {
    /// Builds the compiler, the loader and `krs-guest`.
    pub fn build(profile: Profile) -> Result<Self> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(host::repository()).args(["build", "--quiet"]).stdin(Stdio::null());
        let folder = match profile {
            Profile::Release => {
                cargo.args(["--release", "-p", "krsic", "-p", "krsi", "-p", "krs-guest"]);
                "release"
            }
            Profile::Dev => {
                // The whole workspace is built, as for the tests: with fewer packages cargo unifies features
                // differently, and would build dependencies a second time.
                cargo.args(["--workspace", "--bins"]);
                "debug"
            }
        };
        let status = cargo.status().context("cannot run cargo")?;
        ensure!(status.success(), "the tools do not build");
        let folder = target_folder()?.join(folder);
        let built = |name: &str| folder.join(name);
        if profile == Profile::Release {
            return Ok(Self { krsic: built("krsic"), krsi: built("krsi"), guest: built("krs-guest") });
        }
        // Debug information is six sevenths of the programs, and each guest unpacks and reads them under
        // emulation.
        let small = folder.join("without-debug");
        std::fs::create_dir_all(&small)?;
        let stripped = |name: &str| -> Result<PathBuf> {
            let to = small.join(name);
            host::run(Command::new("strip").arg("--strip-debug").arg("-o").arg(&to).arg(built(name)))
                .context("strip is part of binutils, as is the linker that has built the program")?;
            Ok(to)
        };
        Ok(Self { krsic: stripped("krsic")?, krsi: stripped("krsi")?, guest: stripped("krs-guest")? })
    }

    /// The three programs with their paths in the guest, and bpftool if this machine has it.
    pub fn guest_files(&self) -> Vec<(PathBuf, String)> {
        let mut files = vec![
            (self.krsic.clone(), "bin/krsic".to_owned()),
            (self.krsi.clone(), "bin/krsi".to_owned()),
            (self.guest.clone(), "bin/krs-guest".to_owned()),
        ];
        if let Some(bpftool) = host::find(host::BPFTOOL.program) {
            files.push((bpftool, "bin/bpftool".to_owned()));
        }
        files
    }
}

/// Cargo's target folder, which `CARGO_TARGET_DIR` or a configuration may have moved: this program is in it.
pub fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.ancestors().nth(2).context("this program lies in no target folder")?;
    Ok(folder.to_owned())
}
