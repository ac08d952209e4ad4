//! The host machine: its folders, the programs it has, and the installation of missing ones.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

/// A program of the machine that a task needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Name of the program, looked up in `PATH` and the `sbin` folders.
    pub program: &'static str,
    /// Debian package that contains the program.
    pub package: &'static str,
    /// Purpose of the program, as it completes "needed to ...".
    pub purpose: &'static str,
}

/// Emulator that boots kernels in software.
pub const QEMU: Tool = Tool { program: "qemu-system-x86_64", package: "qemu-system-x86", purpose: "boot a kernel" };
/// The guest's shell and commands; must be statically linked, because a dynamic one needs its libraries too.
pub const BUSYBOX: Tool = Tool { program: "busybox", package: "busybox-static", purpose: "give the guest a shell" };
/// Tool that loads objects with libbpf.
pub const BPFTOOL: Tool =
    Tool { program: "bpftool", package: "bpftool", purpose: "load objects in the guest the way libbpf does" };
/// Tool that unpacks kernel packages.
pub const DPKG_DEB: Tool = Tool { program: "dpkg-deb", package: "dpkg", purpose: "unpack kernel packages" };

/// Finds a program in `PATH`, and in the `sbin` folders where a user's `PATH` lacks them.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Ensures that the tools are present. Missing ones are installed if possible, that is, as root on a system
/// with apt; otherwise the error names the packages to install.
pub fn require(tools: &[Tool]) -> Result<()> {
    let missing: Vec<Tool> = tools.iter().copied().filter(|tool| find(tool.program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    let purposes: Vec<String> = missing.iter().map(|tool| format!("  {} to {}", tool.program, tool.purpose)).collect();
    if find("apt-get").is_none() {
        bail!(
            "these programs are needed:\n{}\nInstall them by your system's package manager (on Debian they are \
             in {}), or run this in a Debian 12 container.",
            purposes.join("\n"),
            packages.join(" ")
        );
    }
    if !is_root() {
        bail!(
            "these programs are needed:\n{}\nInstall them: sudo apt-get install --no-install-recommends {}",
            purposes.join("\n"),
            packages.join(" ")
        );
    }
    eprintln!("installing {} (needed to go on)", packages.join(", "));
    let install = || {
        run(Command::new("apt-get")
            .args(["install", "--yes", "--quiet", "--no-install-recommends"])
            .args(&packages)
            .env("DEBIAN_FRONTEND", "noninteractive"))
    };
    // A fresh machine has no package lists yet, or stale ones: fetch them only in that case.
    if install().is_err() {
        run(Command::new("apt-get").args(["update", "--quiet"]))?;
        install()?;
    }
    Ok(())
}

/// Returns true if this process may install packages.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|status| status.uid() == 0)
}

/// Runs a command with its output captured; the error shows the output if the command fails.
pub fn run(command: &mut Command) -> Result<Vec<u8>> {
    let name = describe(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run `{name}`"))?;
    ensure!(
        output.status.success(),
        "`{name}` failed ({}):\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}

fn describe(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Root folder of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this crate lies two folders below the top")
}

/// Folder of downloaded files: `KRS_CACHE`, else `krs` in the user's cache folder. It is outside the
/// repository, so that every clone shares it.
pub fn cache() -> Result<PathBuf> {
    let folder = if let Some(folder) = std::env::var_os("KRS_CACHE") {
        PathBuf::from(folder)
    } else if let Some(folder) = std::env::var_os("XDG_CACHE_HOME") {
        PathBuf::from(folder).join("krs")
    } else {
        PathBuf::from(std::env::var_os("HOME").context("neither KRS_CACHE nor HOME says where to cache")?)
            .join(".cache/krs")
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make the cache folder {}", folder.display()))?;
    Ok(folder)
}
