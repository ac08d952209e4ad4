//! Files that a policy names: by `inode("...")`, resolved to device and inode numbers at load time, and as paths,
//! which are checked for symbolic links.
//!
//! A program compares `i_ino` and `i_sb->s_dev` of the kernel's inode. stat(2) does not always return these:
//! btrfs reports a separate device for each subvolume, and overlayfs reports the lower file. An inotify(7)
//! watch on the file exposes the fields themselves in `/proc/self/fdinfo`, on every supported kernel
//! (`inotify_fdinfo` in `fs/notify/fdinfo.c`):
//!
//! ```text
//! inotify wd:1 ino:9e7e sdev:800013 mask:800afce ignored_mask:0 ...
//! ```
//!
//! If stat(2) returns a different device, the numbers are not unique within the file system: a file in another
//! subvolume or layer can have the same pair.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use krsi_abi::manifest::{File, Literal};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::failure::Failure;
use crate::object::Object;

/// Number of bits of the minor number in a `dev_t` of the kernel (`MINORBITS`).
const MINOR_BITS: u32 = 20;

/// The numbers that identify a file in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The device number, `i_sb->s_dev`.
    device: u64,
    /// The inode number, `i_ino`.
    inode: u64,
    /// True if another file of the file system can have the same numbers.
    ambiguous: bool,
}

impl Object {
    /// Resolves the files and returns a warning for each that does not exist or is not unique. If `strict`,
    /// such a file is an error.
    pub fn resolve_files(&mut self, strict: bool) -> Result<Vec<String>, Failure> {
        self.set_files(strict, identify)
    }

    /// Returns a warning for each path of a comparison that leads through a symbolic link: the path of a file has
    /// every link resolved, so no file has this one. A path whose target the rule names, too, is left alone. If
    /// `strict`, such a path is an error.
    pub fn check_literals(&self, strict: bool) -> Result<Vec<String>, Failure> {
        let mut warnings = Vec::new();
        for literal in &self.manifest.literals {
            // A file that does not exist may be created later.
            let Ok(found) = std::fs::canonicalize(&literal.path) else { continue };
            // A rule for several systems names both places: `/lib/modules` and `/usr/lib/modules`.
            let same = |known: &Literal| known.rule == literal.rule && found == Path::new(&known.path);
            if same(literal) || self.manifest.literals.iter().any(same) {
                continue;
            }
            let (path, found) = (literal.path.escape_debug(), found.display().to_string());
            let found = found.escape_debug();
            let rule = self.manifest.rules.get(literal.rule.0 as usize).map_or("", |rule| rule.name.as_str());
            let problem = format!("`{path}` leads to `{found}` through a symbolic link");
            let consequence = format!("no file has the path that rule `{}` compares with", rule.escape_debug());
            if strict {
                return Err(Failure::refused(problem)
                    .note(consequence)
                    .help(format!("write `{found}` in the policy; without `--strict` this is a warning")));
            }
            warnings.push(format!("{problem}: {consequence}; write `{found}`"));
        }
        Ok(warnings)
    }

    /// Implements [`Object::resolve_files`] with a function that identifies a file.
    fn set_files(
        &mut self,
        strict: bool,
        identify: impl Fn(&Path) -> io::Result<Identity>,
    ) -> Result<Vec<String>, Failure> {
        let mut warnings = Vec::new();
        for file in self.manifest.files.clone() {
            let path = file.path.escape_debug();
            let (problem, consequence) = match identify(Path::new(&file.path)) {
                Ok(found) => {
                    self.set_word(file.offset, found.device)?;
                    self.set_word(file.offset + 8, found.inode)?;
                    if !found.ambiguous {
                        continue;
                    }
                    let problem = format!("`{path}` is in a subvolume or on a layered file system");
                    (problem, "another file can have the same inode number and match as well")
                }
                Err(error) => {
                    let problem = if error.kind() == io::ErrorKind::NotFound {
                        format!("file `{path}` does not exist")
                    } else {
                        format!("cannot identify `{path}`: {error}")
                    };
                    (problem, "no file will match it")
                }
            };
            if strict {
                return Err(Failure::refused(problem)
                    .note(format!("the policy compares with `inode(\"{path}\")`: {consequence}"))
                    .help("create the file before loading the policy; without `--strict` this is a warning"));
            }
            warnings.push(format!("{problem}: {consequence}"));
        }
        Ok(warnings)
    }
}

/// Identifies a file by an inotify watch on it.
fn identify(path: &Path) -> io::Result<Identity> {
    let watcher = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    inotify::add_watch(watcher.as_fd(), path, WatchFlags::DELETE_SELF)?;
    let described = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", watcher.as_raw_fd()))?;
    let (inode, device) = parse(&described).ok_or_else(|| {
        io::Error::other("`/proc/self/fdinfo` does not describe the inotify watch (CONFIG_INOTIFY_USER)")
    })?;
    let stat = std::fs::metadata(path)?.dev();
    let shown = u64::from(rustix::fs::major(stat)) << MINOR_BITS | u64::from(rustix::fs::minor(stat));
    Ok(Identity { device, inode, ambiguous: shown != device })
}

/// Parses the inode and device numbers of the only watch.
fn parse(described: &str) -> Option<(u64, u64)> {
    let line = described.lines().find_map(|line| line.strip_prefix("inotify "))?;
    let number = |name: &str| {
        let word = line.split_whitespace().find_map(|word| word.strip_prefix(name))?;
        u64::from_str_radix(word, 16).ok()
    };
    Some((number("ino:")?, number("sdev:")?))
}

/// Formats the numbers found at load time, from the constants of a loaded policy.
pub fn show(file: &File, constants: &[u8]) -> String {
    let word = |at: usize| constants.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_ne_bytes);
    let at = file.offset as usize;
    match (word(at), word(at + 8)) {
        (Some(File::NONE), _) | (_, Some(File::NONE)) => "did not exist when the policy was loaded".to_owned(),
        (Some(device), Some(inode)) => {
            let (major, minor) = (device >> MINOR_BITS, device & ((1 << MINOR_BITS) - 1));
            format!("inode {inode} of device {major}:{minor}")
        }
        _ => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_are_parsed() {
        let text = "pos:\t0\nflags:\t02004000\nmnt_id:\t15\ninotify wd:1 ino:9e7e sdev:800013 mask:800afce ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:7e9e0000640d1b6d\n";
        assert_eq!(parse(text), Some((0x9e7e, 0x0080_0013)));
        assert_eq!(parse("pos:\t0\n"), None);
    }

    #[test]
    fn resolved_files_are_shown() {
        let file = File { path: "/x".into(), offset: 8 };
        let mut constants = [0u64, 8 << 20 | 1, 1234].map(u64::to_ne_bytes).concat();
        assert_eq!(show(&file, &constants), "inode 1234 of device 8:1");
        constants[8..].fill(0xff);
        assert_eq!(show(&file, &constants), "did not exist when the policy was loaded");
    }

    /// The numbers equal those of stat(2) on file systems without subvolumes and layers.
    #[test]
    fn files_are_identified() {
        let found = identify(Path::new("/proc/self/status")).expect("every process has it");
        let stat = std::fs::metadata("/proc/self/status").expect("every process has it");
        assert_eq!(found.inode, stat.ino());
        assert!(!found.ambiguous);
        assert_eq!(
            found.device,
            u64::from(rustix::fs::major(stat.dev())) << 20 | u64::from(rustix::fs::minor(stat.dev()))
        );
        assert_eq!(
            identify(Path::new("/no/such/file")).expect_err("it does not exist").kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn file_numbers_are_written_to_the_constants() {
        let text = r#"r: on file_open when file.inode == inode("/etc/a") or file.inode == inode("/etc/b") deny"#;
        let mut object = crate::object::tests::built(text);
        assert_eq!(object.manifest.files.len(), 2);
        let find = |path: &Path| match path.to_str() {
            Some("/etc/a") => Ok(Identity { device: 8 << 20 | 1, inode: 77, ambiguous: false }),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let warnings = object.set_files(false, find).expect("a warning is not an error");
        assert_eq!(warnings, ["file `/etc/b` does not exist: no file will match it"]);
        let constants = crate::object::tests::section(&object, krsi_abi::CONSTANTS_SECTION);
        let shown = |path: &str| {
            let file = object.manifest.files.iter().find(|file| file.path == path).expect("it is named");
            show(file, &constants)
        };
        assert_eq!(shown("/etc/a"), "inode 77 of device 8:1");
        assert_eq!(shown("/etc/b"), "did not exist when the policy was loaded");
        let failure = object.set_files(true, find).expect_err("one is missing");
        assert_eq!((&*failure.message, failure.code), ("file `/etc/b` does not exist", crate::failure::REFUSED));
        let ambiguous = |_: &Path| Ok(Identity { device: 1, inode: 2, ambiguous: true });
        let warnings = object.set_files(false, ambiguous).expect("a warning is not an error");
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].ends_with("another file can have the same inode number and match as well"), "{warnings:?}");
        let unreadable = |_: &Path| Err(io::Error::from(io::ErrorKind::PermissionDenied));
        let warnings = object.set_files(false, unreadable).expect("a warning is not an error");
        assert!(warnings[0].starts_with("cannot identify `/etc/a`: "), "{warnings:?}");
    }

    /// The numbers that the kernel compares are those of the file at the path. `/proc` has one file system in all kernels.
    #[test]
    fn a_file_of_the_running_system_is_found() {
        let text =
            r#"r: on file_open when file.inode == inode("/proc/version") or file.inode == inode("/no/such/file") deny"#;
        let mut object = crate::object::tests::built(text);
        let warnings = object.resolve_files(false).expect("a warning is no refusal");
        assert_eq!(warnings, ["file `/no/such/file` does not exist: no file will match it"]);
        let constants = crate::object::tests::section(&object, krsi_abi::CONSTANTS_SECTION);
        let file = object.manifest.files.iter().find(|file| file.path == "/proc/version").expect("it is named");
        let stat = std::fs::metadata("/proc/version").expect("procfs is mounted");
        let (major, minor) = (rustix::fs::major(stat.dev()), rustix::fs::minor(stat.dev()));
        assert_eq!(show(file, &constants), format!("inode {} of device {major}:{minor}", stat.ino()));
        assert!(object.resolve_files(true).is_err());
    }

    /// `/proc/self` is a symbolic link on every Linux, and `/proc/version` is none.
    #[test]
    fn a_literal_through_a_link_is_reported() {
        let text = r#"r: on file_open when file.path == "/proc/version" or file.path in { "/no/such", "/proc/mounts" } deny
                      s: on file_open when file.path under "/proc/self" deny"#;
        let object = crate::object::tests::built(text);
        let paths: Vec<(&str, u32)> =
            object.manifest.literals.iter().map(|literal| (&*literal.path, literal.rule.0)).collect();
        assert_eq!(paths, [("/no/such", 0), ("/proc/mounts", 0), ("/proc/self", 1), ("/proc/version", 0)]);
        let warnings = object.check_literals(false).expect("a warning is no refusal");
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        for (warning, path, rule) in [(&warnings[0], "/proc/mounts", "r"), (&warnings[1], "/proc/self", "s")] {
            assert!(warning.starts_with(&format!("`{path}` leads to `/proc/")), "{warning}");
            assert!(warning.contains(&format!("no file has the path that rule `{rule}` compares with")), "{warning}");
        }
        let failure = object.check_literals(true).expect_err("strict");
        assert_eq!(failure.code, crate::failure::REFUSED);
    }

    #[test]
    fn constants_that_are_too_short() {
        let file = File { path: "/x".into(), offset: 8 };
        assert_eq!(show(&file, &[0; 23]), "?");
        assert_eq!(show(&file, &[0; 24]), "inode 0 of device 0:0");
        let mut none = [0; 24];
        none[16..].fill(0xff);
        assert_eq!(show(&file, &none), "did not exist when the policy was loaded");
    }
}
