//! The kernels of the tests: Debian's own, fetched by apt and kept in the cache.
//!
//! ```text
//! ~/.cache/krs/kernels/6.12/vmlinuz    the kernel image that boots
//! ~/.cache/krs/kernels/6.12/btf        its types, the bytes of /sys/kernel/btf/vmlinux
//! ~/.cache/krs/kernels/6.12/package    linux-image-6.12.118+deb13-cloud-amd64 6.12.118-1 trixie
//! ```
//!
//! A kernel is fetched once, in the newest version that its suite has at that time. A cached kernel is used
//! without a network until its folder is removed. The suites are read with a private apt configuration, so
//! that the machine's own is unchanged; the archive's address is taken from the machine's configuration.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{host, vmlinux};

/// Environment variable with the address of a Debian mirror, for systems other than Debian.
const ARCHIVE_VARIABLE: &str = "KRS_DEBIAN_ARCHIVE";
/// Keyring that verifies every suite; it is part of Debian, and a separate package elsewhere.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The flavour without drivers for hardware: a third of the size.
const FLAVOUR: &str = "cloud-amd64";

/// One kernel of the matrix.
#[derive(Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Version by which users name it, and name of its folder in the cache.
    pub version: &'static str,
    /// Suites that have it; the first that does is used.
    suites: &'static [Suite],
    /// Prefix of the package's name; the patch version and the flavour follow.
    package_prefix: &'static str,
}

#[derive(Debug, PartialEq, Eq)]
struct Suite {
    archive: Archive,
    name: &'static str,
}

/// Archive of a suite; Debian keeps the security suites apart from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Archive {
    Main,
    Security,
}

const fn suite(name: &'static str) -> Suite {
    let archive = Archive::Main;
    Suite { archive, name }
}

/// The kernels, oldest first. A new kernel is a new row.
pub const KERNELS: &[Kernel] = &[
    Kernel {
        version: "5.10",
        // Suites whose support has ended leave the main archive first.
        suites: &[suite("bullseye"), Suite { archive: Archive::Security, name: "bullseye-security" }],
        package_prefix: "linux-image-5.10.",
    },
    Kernel { version: "6.1", suites: &[suite("bookworm")], package_prefix: "linux-image-6.1." },
    Kernel {
        version: "6.12",
        suites: &[suite("trixie"), suite("bookworm-backports")],
        package_prefix: "linux-image-6.12.",
    },
    Kernel { version: "6.18", suites: &[suite("trixie-backports")], package_prefix: "linux-image-6.18." },
    Kernel {
        version: "7.2",
        suites: &[suite("forky")],
        // From 7.0 on `linux-image-*` is a package without a kernel.
        package_prefix: "linux-binary-7.2.",
    },
];

/// A kernel in the cache.
#[derive(Clone, Debug)]
pub struct Image {
    /// Version as in [`Kernel::version`].
    pub version: &'static str,
    /// Path of the kernel image.
    pub vmlinuz: PathBuf,
    /// Path of its types: the raw bytes of `.BTF`.
    pub btf: PathBuf,
    /// Package that it came from: name, version, suite.
    pub package: String,
}

/// Kernels that the user selected: a version of [`KERNELS`], several separated by commas, or `all`.
pub fn select(wanted: &str) -> Result<Vec<&'static Kernel>> {
    if wanted == "all" {
        return Ok(KERNELS.iter().collect());
    }
    wanted
        .split(',')
        .map(|version| {
            KERNELS.iter().find(|kernel| kernel.version == version).with_context(|| {
                let known: Vec<&str> = KERNELS.iter().map(|k| k.version).collect();
                format!("no kernel `{version}`: there are {} and `all`", known.join(", "))
            })
        })
        .collect()
}

impl Kernel {
    /// Returns the kernel from the cache, and fetches it first if it is missing.
    pub fn image(&'static self) -> Result<Image> {
        let kernels = host::cache()?.join("kernels");
        let folder = kernels.join(self.version);
        if !folder.is_dir() {
            fs::create_dir_all(&kernels)?;
            // Two runs at once must not fetch the same kernel into the same folder.
            let lock = File::create(kernels.join(".lock"))?;
            lock.lock()?;
            if !folder.is_dir() {
                self.fetch(&kernels, &folder).with_context(|| format!("cannot fetch Linux {}", self.version))?;
            }
        }
        Ok(Image {
            version: self.version,
            vmlinuz: folder.join("vmlinuz"),
            btf: folder.join("btf"),
            package: fs::read_to_string(folder.join("package"))?.trim().to_owned(),
        })
    }

    /// Fills `folder`, which appears only when it is complete.
    fn fetch(&self, kernels: &Path, folder: &Path) -> Result<()> {
        if host::find("apt-get").is_none() {
            bail!(
                "kernels are fetched by apt, which is not here: run this on Debian or Ubuntu (a container will do), \
                 or copy {} from such a machine",
                kernels.display()
            );
        }
        host::require(&[host::DPKG_DEB])?;
        let scratch = tempfile::Builder::new().prefix(".fetch-").tempdir_in(kernels)?;
        for suite in self.suites {
            let apt = PrivateApt::new(&scratch.path().join(suite.name), suite)?;
            let Some(package) = apt.newest(self.package_prefix)? else {
                continue;
            };
            eprintln!("fetching {package} ({})", suite.name);
            let deb = apt.download(&package)?;
            let unpacked = scratch.path().join("unpacked");
            host::run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&unpacked))?;
            let vmlinuz = find_vmlinuz(&unpacked)?;
            let complete = scratch.path().join("complete");
            fs::create_dir(&complete)?;
            let btf = vmlinux::btf(&fs::read(&vmlinuz)?).with_context(|| format!("no BTF in {package}"))?;
            fs::write(complete.join("btf"), btf)?;
            fs::rename(vmlinuz, complete.join("vmlinuz"))?;
            // The name has the form `name_version_architecture.deb`.
            let file_name = deb.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let version = file_name.split('_').nth(1).unwrap_or("?").replace("%3a", ":");
            fs::write(complete.join("package"), format!("{package} {version} {}\n", suite.name))?;
            return Ok(fs::rename(complete, folder)?);
        }
        let suites: Vec<&str> = self.suites.iter().map(|suite| suite.name).collect();
        bail!("none of the suites {} has a package {}*-{FLAVOUR}", suites.join(", "), self.package_prefix)
    }
}

fn find_vmlinuz(unpacked: &Path) -> Result<PathBuf> {
    let boot = unpacked.join("boot");
    for entry in fs::read_dir(&boot).into_iter().flatten() {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-")) {
            return Ok(path);
        }
    }
    for entry in fs::read_dir(unpacked.join("usr/lib/modules")).into_iter().flatten() {
        let path = entry?.path().join("vmlinuz");
        if path.is_file() {
            return Ok(path);
        }
    }
    bail!("the package holds no vmlinuz")
}

/// An apt configuration with one suite, whose files are all in a separate folder.
struct PrivateApt {
    folder: PathBuf,
}

impl PrivateApt {
    fn new(folder: &Path, suite: &Suite) -> Result<Self> {
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let archive = archive_address(suite.archive)?;
        // `target=Packages` omits translations, icons and the like, which are most of a suite's index.
        let source = format!("deb [arch=amd64 target=Packages signed-by={KEYRING}] {archive} {} main\n", suite.name);
        fs::write(folder.join("sources.list"), source)?;
        let apt = Self { folder: folder.to_owned() };
        host::run(apt.command("apt-get").args(["--quiet", "update"]))
            .with_context(|| format!("cannot read the suite {}", suite.name))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder);
        let at = |name: &str| self.folder.join(name).display().to_string();
        for option in [
            format!("Dir::Etc::sourcelist={}", at("sources.list")),
            "Dir::Etc::sourceparts=-".to_owned(),
            format!("Dir::State::lists={}", at("lists")),
            format!("Dir::Cache={}", at("cache")),
            // The unprivileged user that apt would become cannot read a private folder.
            "APT::Sandbox::User=root".to_owned(),
            // The machine's architecture may differ.
            "APT::Architecture=amd64".to_owned(),
        ] {
            command.arg("-o").arg(option);
        }
        command
    }

    /// Package with this prefix and the flavour that has the highest version in its name.
    fn newest(&self, prefix: &str) -> Result<Option<String>> {
        let names = host::run(self.command("apt-cache").args(["pkgnames", prefix]))?;
        Ok(String::from_utf8_lossy(&names)
            .lines()
            .filter(|name| name.ends_with(FLAVOUR))
            .max_by_key(|name| version_key(name))
            .map(str::to_owned))
    }

    fn download(&self, package: &str) -> Result<PathBuf> {
        host::run(self.command("apt-get").args(["--quiet", "download", package]))?;
        fs::read_dir(&self.folder)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|ending| ending == "deb"))
            .with_context(|| format!("apt-get did not leave {package} in its folder"))
    }
}

/// Numbers in a name, in order: `6.12.118+deb13` is greater than `6.12.99+deb13`.
fn version_key(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// Address of Debian's packages: from the environment variable, else from the apt sources of a Debian
/// machine.
fn archive_address(archive: Archive) -> Result<String> {
    if let Ok(address) = std::env::var(ARCHIVE_VARIABLE) {
        return Ok(match archive {
            Archive::Main => address,
            Archive::Security => format!("{}-security", address.trim_end_matches('/')),
        });
    }
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |key: &str| {
        release.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name == key).then(|| value.trim_matches('"').to_owned())
        })
    };
    if value("ID").as_deref() == Some("debian")
        && let Some(codename) = value("VERSION_CODENAME")
    {
        let suite = match archive {
            Archive::Main => codename,
            Archive::Security => format!("{codename}-security"),
        };
        if let Some(address) = address_of_suite(&apt_sources(), &suite) {
            return Ok(address);
        }
    }
    bail!(
        "this machine's apt sources don't say where Debian's packages are: set {ARCHIVE_VARIABLE} to the address of a \
         Debian mirror (on Ubuntu install `debian-archive-keyring` too)"
    )
}

/// Text of all apt sources of this machine.
fn apt_sources() -> Vec<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(folder) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(folder.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.sort();
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect()
}

/// Finds the address that serves a suite, in both forms of apt sources (sources.list(5)).
fn address_of_suite(sources: &[String], suite: &str) -> Option<String> {
    let one_line = |line: &str| {
        let rest = line.trim().strip_prefix("deb ")?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        let mut words = rest.split_whitespace();
        let address = words.next()?;
        (words.next()? == suite).then(|| address.to_owned())
    };
    let stanza = |stanza: &str| {
        let field = |name: &str| {
            stanza.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        field("Suites")?.split_whitespace().find(|&word| word == suite)?;
        Some(field("URIs")?.split_whitespace().next()?.to_owned())
    };
    sources.iter().find_map(|text| text.lines().find_map(one_line).or_else(|| text.split("\n\n").find_map(stanza)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_apt_sources_give_the_address() {
        let list = "# a comment\ndeb [signed-by=/k.gpg] http://mirror.test/debian bookworm main\n";
        let deb822 = "Types: deb\nURIs: http://other.test/debian\nSuites: trixie trixie-updates\n\n\
                      Types: deb\nURIs: http://other.test/sec\nSuites: trixie-security\n";
        let sources = [list.to_owned(), deb822.to_owned()];
        let address = |suite| address_of_suite(&sources, suite);
        assert_eq!(address("bookworm").as_deref(), Some("http://mirror.test/debian"));
        assert_eq!(address("trixie").as_deref(), Some("http://other.test/debian"));
        assert_eq!(address("trixie-security").as_deref(), Some("http://other.test/sec"));
        assert_eq!(address("sid"), None);
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(version_key("linux-6.12.118+deb13") > version_key("linux-6.12.99+deb13"));
        assert!(version_key("linux-5.10.0-46") > version_key("linux-5.10.0-9"));
    }
}
