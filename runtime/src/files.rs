//! Files that a policy names by `inode("...")`: found when it is loaded.
//!
//! A program compares `i_ino` and `i_sb->s_dev` of the kernel's inode. What stat(2) says is not always these: btrfs gives each
//! subvolume a device of its own, overlayfs answers for the file below. So the kernel is asked for the very fields: a watch of
//! inotify(7) on the file is described in `/proc/self/fdinfo` by them, on every kernel that is supported
//! (`inotify_fdinfo` in `fs/notify/fdinfo.c`).
//!
//! ```text
//! inotify wd:1 ino:9e7e sdev:800013 mask:800afce ignored_mask:0 ...
//! ```
//!
//! Where stat(2) gives another device, numbers of one file system are not unique: a file in another subvolume, or of
//! another layer, can have both.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use krsi_abi::manifest::File;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::failure::Failure;
use crate::object::Object;

/// Bits of the minor number in the kernel's own form of a device.
const MINOR_BITS: u32 = 20;

/// A file, as the kernel's inode has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `s_dev`
    device: u64,
    /// `i_ino`
    inode: u64,
    /// Another file of the file system can have the same.
    ambiguous: bool,
}

impl Object {
    /// Finds the files; what is wrong with each that is not there or not unique. With `strict` that is a refusal.
    pub fn find_files(&mut self, strict: bool) -> Result<Vec<String>, Failure> {
        self.set_files(strict, identify)
    }

    /// The same, given how a file is found.
    fn set_files(
        &mut self,
        strict: bool,
        identify: impl Fn(&Path) -> io::Result<Identity>,
    ) -> Result<Vec<String>, Failure> {
        let mut warnings = Vec::new();
        for file in self.manifest.files.clone() {
            let path = file.path.escape_debug();
            let (problem, so) = match identify(Path::new(&file.path)) {
                Ok(found) => {
                    self.set_word(file.offset, found.device)?;
                    self.set_word(file.offset + 8, found.inode)?;
                    if !found.ambiguous {
                        continue;
                    }
                    let problem = format!("`{path}` lies in a subvolume or on layers of file systems");
                    (problem, "another file there can have the same numbers")
                }
                Err(error) => {
                    let problem = if error.kind() == io::ErrorKind::NotFound {
                        format!("there is no file `{path}`")
                    } else {
                        format!("`{path}` cannot be found: {error}")
                    };
                    (problem, "no file will be equal to it")
                }
            };
            if strict {
                return Err(Failure::refused(problem)
                    .note(format!("the policy compares with `inode(\"{path}\")`: {so}"))
                    .help("make the file before the load; without `--strict` this is a warning"));
            }
            warnings.push(format!("{problem}: {so}"));
        }
        Ok(warnings)
    }
}

/// Asks the kernel.
fn identify(path: &Path) -> io::Result<Identity> {
    let watcher = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    inotify::add_watch(watcher.as_fd(), path, WatchFlags::DELETE_SELF)?;
    let described = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", watcher.as_raw_fd()))?;
    let (inode, device) = parse(&described).ok_or_else(|| {
        io::Error::other("the kernel does not describe it in `/proc/self/fdinfo` (CONFIG_INOTIFY_USER)")
    })?;
    let stat = std::fs::metadata(path)?.dev();
    let shown = u64::from(rustix::fs::major(stat)) << MINOR_BITS | u64::from(rustix::fs::minor(stat));
    Ok(Identity { device, inode, ambiguous: shown != device })
}

/// The inode and the device of the one watch there is.
fn parse(described: &str) -> Option<(u64, u64)> {
    let line = described.lines().find_map(|line| line.strip_prefix("inotify "))?;
    let number = |name: &str| {
        let word = line.split_whitespace().find_map(|word| word.strip_prefix(name))?;
        u64::from_str_radix(word, 16).ok()
    };
    Some((number("ino:")?, number("sdev:")?))
}

/// What the load has found, from the constants of a loaded policy.
pub fn show(file: &File, constants: &[u8]) -> String {
    let word = |at: usize| constants.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_ne_bytes);
    let at = file.offset as usize;
    match (word(at), word(at + 8)) {
        (Some(File::NONE), _) | (_, Some(File::NONE)) => "not there when the policy was loaded".to_owned(),
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
    fn watches_are_read() {
        let text = "pos:\t0\nflags:\t02004000\nmnt_id:\t15\ninotify wd:1 ino:9e7e sdev:800013 mask:800afce ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:7e9e0000640d1b6d\n";
        assert_eq!(parse(text), Some((0x9e7e, 0x0080_0013)));
        assert_eq!(parse("pos:\t0\n"), None);
    }

    #[test]
    fn what_was_found_is_shown() {
        let file = File { path: "/x".into(), offset: 8 };
        let mut constants = [0u64, 8 << 20 | 1, 1234].map(u64::to_ne_bytes).concat();
        assert_eq!(show(&file, &constants), "inode 1234 of device 8:1");
        constants[8..].fill(0xff);
        assert_eq!(show(&file, &constants), "not there when the policy was loaded");
    }

    /// This kernel describes a file as stat(2) does, on file systems without subvolumes and layers.
    #[test]
    fn files_are_found() {
        let found = identify(Path::new("/proc/self/status")).expect("every process has it");
        let stat = std::fs::metadata("/proc/self/status").expect("every process has it");
        assert_eq!(found.inode, stat.ino());
        assert!(!found.ambiguous);
        assert_eq!(
            found.device,
            u64::from(rustix::fs::major(stat.dev())) << 20 | u64::from(rustix::fs::minor(stat.dev()))
        );
        assert_eq!(identify(Path::new("/no/such/file")).expect_err("it is not there").kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn numbers_of_files_go_into_the_constants() {
        let text = r#"r: on file_open when file.inode == inode("/etc/a") or file.inode == inode("/etc/b") deny"#;
        let mut object = crate::object::tests::built(text);
        assert_eq!(object.manifest.files.len(), 2);
        let find = |path: &Path| match path.to_str() {
            Some("/etc/a") => Ok(Identity { device: 8 << 20 | 1, inode: 77, ambiguous: false }),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let warnings = object.set_files(false, find).expect("a warning is no refusal");
        assert_eq!(warnings, ["there is no file `/etc/b`: no file will be equal to it"]);
        let constants = crate::object::tests::section(&object, krsi_abi::CONSTANTS_SECTION);
        let shown = |path: &str| {
            let file = object.manifest.files.iter().find(|file| file.path == path).expect("it is named");
            show(file, &constants)
        };
        assert_eq!(shown("/etc/a"), "inode 77 of device 8:1");
        assert_eq!(shown("/etc/b"), "not there when the policy was loaded");
        let failure = object.set_files(true, find).expect_err("one is missing");
        assert_eq!((&*failure.message, failure.code), ("there is no file `/etc/b`", crate::failure::REFUSED));
        let ambiguous = |_: &Path| Ok(Identity { device: 1, inode: 2, ambiguous: true });
        let warnings = object.set_files(false, ambiguous).expect("a warning is no refusal");
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].ends_with("another file there can have the same numbers"), "{warnings:?}");
        let unreadable = |_: &Path| Err(io::Error::from(io::ErrorKind::PermissionDenied));
        let warnings = object.set_files(false, unreadable).expect("a warning is no refusal");
        assert!(warnings[0].starts_with("`/etc/a` cannot be found: "), "{warnings:?}");
    }

    #[test]
    fn constants_that_are_too_short() {
        let file = File { path: "/x".into(), offset: 8 };
        assert_eq!(show(&file, &[0; 23]), "?");
        assert_eq!(show(&file, &[0; 24]), "inode 0 of device 0:0");
        let mut none = [0; 24];
        none[16..].fill(0xff);
        assert_eq!(show(&file, &none), "not there when the policy was loaded");
    }
}
