//! The folder of all policies, `/sys/fs/bpf/krsi`: its owner and mode, and its lock.
//!
//! Whoever can write to the folder can rename a policy away, and whoever can open it can hold its lock. The BPF file
//! system is often mounted with mode 1777, so any user could create the folder first. It must therefore belong to root
//! and admit nobody else.
//!
//! Absent: the contents of the folder; [`crate::pins`] has them.

use std::fmt::Write as _;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};

use crate::failure::{self, Failure};
use crate::pins;
use crate::terminal::escape;

/// Time between two attempts to take the lock.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);
/// Time to wait before printing that the command waits.
const NOTICE_DELAY: Duration = Duration::from_secs(1);

/// The user who must own the folder: root, or in unit tests the user who runs them.
fn owner() -> u32 {
    if cfg!(test) { rustix::process::geteuid().as_raw() } else { 0 }
}

/// Opens the folder of all policies and checks its owner and mode. Returns `None` if it does not exist.
pub fn open() -> Result<Option<File>, Failure> {
    let root = pins::root();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file: OwnedFd = match rustix::fs::open(&root, flags, Mode::empty()) {
        Ok(file) => file,
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        // A symbolic link, or not a folder.
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR) => {
            return Err(unsafe_folder(&root, "is not a folder"));
        }
        Err(error) => return Err(failure::at(&root, "open", io::Error::from(error))),
    };
    let file = File::from(file);
    let metadata = file.metadata().map_err(|error| failure::at(&root, "read", error))?;
    if let Some(problem) = problem(metadata.uid(), metadata.mode(), owner()) {
        return Err(unsafe_folder(&root, &problem));
    }
    if let Some(parent) = root.parent() {
        let above = parent.metadata().map_err(|error| failure::at(parent, "read", error))?;
        if let Some(problem) = problem_above(above.uid(), above.mode(), owner()) {
            return Err(unsafe_folder(parent, &problem));
        }
    }
    Ok(Some(file))
}

/// Returns the reason why a folder with this owner and mode cannot hold policies.
fn problem(uid: u32, mode: u32, owner: u32) -> Option<String> {
    match (uid == owner, mode & 0o077 == 0) {
        (false, _) => Some(format!("belongs to user {uid}, not to root")),
        (true, false) => Some(format!("has mode {:04o}, so that other users can open it", mode & 0o7777)),
        (true, true) => None,
    }
}

/// Returns the reason why another user could rename a folder within a folder of this owner and mode.
fn problem_above(uid: u32, mode: u32, owner: u32) -> Option<String> {
    match (uid == owner || uid == 0, mode & 0o022 == 0 || mode & 0o1000 != 0) {
        (false, _) => Some(format!("belongs to user {uid}, not to root")),
        (true, false) => Some(format!("has mode {:04o}, so that other users can rename what is in it", mode & 0o7777)),
        (true, true) => None,
    }
}

fn unsafe_folder(folder: &Path, problem: &str) -> Failure {
    let folder = folder.display();
    Failure::usage(format!("`{folder}` {problem}: another user could unload the policies in it or hold their lock"))
        .note("no policy is loaded from it or into it")
        .help(format!(
            "look at what is in it and remove it, or give it to root alone: `chown root:root {folder} && chmod 0700 {folder}`"
        ))
        .help("so that no other user can create it, mount the BPF file system with `-o mode=0700`, as systemd does")
}

/// Creates the folder of all policies if it is missing, and takes its lock. Waits for at most `timeout`.
pub fn take(timeout: Duration, print: &mut dyn FnMut(&str)) -> Result<File, Failure> {
    let root = pins::root();
    if let Err(error) = DirBuilder::new().mode(0o700).create(&root)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        let denied = error.kind() == io::ErrorKind::PermissionDenied;
        let failure = pins::denied(&root, "create", error);
        return Err(match denied {
            true => failure,
            false => failure.help("mount the BPF file system: `mount -t bpf bpf /sys/fs/bpf`"),
        });
    }
    let file = open()?.ok_or_else(|| failure::at(&root, "open", "it was removed"))?;
    let start = Instant::now();
    let mut noticed = false;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
            Err(error) => return Err(pins::denied(&root, "lock", error.into())),
        }
        if start.elapsed() >= timeout {
            return Err(locked(&root, holder(&file), timeout));
        }
        if !noticed && start.elapsed() >= NOTICE_DELAY {
            noticed = true;
            let by = holder(&file).map_or_else(|| "another process".to_owned(), |holder| holder.text());
            print(&format!("waiting for the lock of `{}`, which {by} holds", root.display()));
        }
        std::thread::sleep(RETRY_INTERVAL);
    }
}

/// Returns true while a command holds the lock of the folder.
pub fn is_held(root: &File) -> bool {
    flock(root, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
}

fn locked(root: &Path, holder: Option<Holder>, timeout: Duration) -> Failure {
    let by = holder.as_ref().map_or_else(|| "another process".to_owned(), Holder::text);
    let failure =
        Failure::usage(format!("{by} holds the lock of `{}`; gave up after {} s", root.display(), timeout.as_secs()));
    match holder {
        Some(Holder { pid, .. }) => failure.help(format!(
            "wait until that command ends, or end it with `kill {pid}`; `--lock-timeout SECONDS` waits longer"
        )),
        None => failure.help("wait until that command ends; `--lock-timeout SECONDS` waits longer"),
    }
}

/// The process that holds the lock.
struct Holder {
    pid: u32,
    comm: String,
    stopped: bool,
}

impl Holder {
    fn text(&self) -> String {
        let mut text = format!("process {}", self.pid);
        if !self.comm.is_empty() {
            let _ = write!(text, " (\"{}\"{})", escape(&self.comm), if self.stopped { ", stopped" } else { "" });
        }
        text
    }
}

/// Finds the process that holds the lock of a file.
fn holder(file: &File) -> Option<Holder> {
    let metadata = file.metadata().ok()?;
    let (major, minor) = (rustix::fs::major(metadata.dev()), rustix::fs::minor(metadata.dev()));
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let pid = holder_in(&locks, &format!("{major:02x}:{minor:02x}:{}", metadata.ino()))?;
    let read = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let comm = String::from_utf8_lossy(&read("comm")).trim_end().to_owned();
    let stopped = String::from_utf8_lossy(&read("status")).lines().any(|line| line.starts_with("State:\tT"));
    Some(Holder { pid, comm, stopped })
}

/// Returns the process that holds a flock(2) lock of a file, from the text of `/proc/locks`:
///
/// ```text
/// 1: FLOCK  ADVISORY  WRITE 811 00:1a:12345 0 EOF
/// ```
///
/// A line with `->` is a process that waits.
fn holder_in(locks: &str, file: &str) -> Option<u32> {
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (kind, _, _) = (words.next()?, words.next()?, words.next()?);
        let (pid, of) = (words.next()?, words.next()?);
        (kind == "FLOCK" && of == file).then(|| pid.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    fn with_root(mode: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("krsi");
        fs::create_dir(&root).expect("it is new");
        fs::set_permissions(&root, Permissions::from_mode(mode)).expect("it is ours");
        crate::command_tests::ROOT.set(Some(root));
        folder
    }

    #[test]
    fn only_roots_own_folder_is_used() {
        assert_eq!(problem(0, 0o40700, 0), None);
        assert_eq!(problem(65534, 0o40700, 0).as_deref(), Some("belongs to user 65534, not to root"));
        for mode in [0o40755, 0o41777, 0o40710, 0o40701] {
            assert!(problem(0, mode, 0).is_some_and(|text| text.contains("other users can open it")), "{mode:o}");
        }
        // Nobody else can rename root's folder where the sticky bit is set, as in the default mode of bpffs.
        for mode in [0o40700, 0o40755, 0o41777] {
            assert_eq!(problem_above(0, mode, 0), None);
        }
        assert!(problem_above(0, 0o40777, 0).is_some() && problem_above(65534, 0o40700, 0).is_some());
    }

    #[test]
    fn folders_are_checked_when_opened() {
        let folder = with_root(0o700);
        assert!(open().expect("it is safe").is_some());
        fs::set_permissions(pins::root(), Permissions::from_mode(0o755)).expect("it is ours");
        let failure = open().expect_err("others can open it").to_string();
        assert!(failure.contains("has mode 0755") && failure.contains("chmod 0700"), "{failure}");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(pins::root(), &link).expect("it is new");
        crate::command_tests::ROOT.set(Some(link));
        assert!(open().expect_err("it is a link").message.contains("is not a folder"));
        crate::command_tests::ROOT.set(Some(folder.path().join("none")));
        assert!(open().expect("it does not exist").is_none());
        let file = take(Duration::ZERO, &mut |_| {}).expect("it is created");
        assert_eq!(file.metadata().expect("it is open").mode() & 0o7777, 0o700);
    }

    #[test]
    fn waiting_ends() {
        let _folder = with_root(0o700);
        let held = take(Duration::ZERO, &mut |_| {}).expect("it is free");
        let failure = take(Duration::ZERO, &mut |_| {}).expect_err("it is taken").to_string();
        assert!(failure.contains(&format!("process {} (\"", std::process::id())), "{failure}");
        assert!(failure.contains(&format!("`kill {}`", std::process::id())), "{failure}");
        drop(held);
        take(Duration::ZERO, &mut |_| {}).expect("it is free again");
    }

    #[test]
    fn holders_are_found() {
        let locks = "1: POSIX  ADVISORY  WRITE 5 00:1a:77 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 6 00:1a:78 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 811 00:1a:77 0 EOF\n\
                     3: -> FLOCK  ADVISORY  WRITE 900 00:1a:77 0 EOF\n";
        assert_eq!(holder_in(locks, "00:1a:77"), Some(811));
        assert_eq!(holder_in(locks, "00:1a:79"), None);
        let holder = Holder { pid: 811, comm: "a\u{1b}[2J".into(), stopped: true };
        assert_eq!(holder.text(), r#"process 811 ("a\u{1b}[2J", stopped)"#);
        let text = locked(Path::new("/x"), None, Duration::from_secs(3)).to_string();
        assert!(text.starts_with("error: another process holds the lock of `/x`; gave up after 3 s"), "{text}");
    }
}
