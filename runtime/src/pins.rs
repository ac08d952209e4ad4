//! The folders below `/sys/fs/bpf/krsi`: one per policy, and those that an interrupted command left behind.
//!
//! ```text
//! /sys/fs/bpf/krsi/NAME/programs/HOOK   one program per hook
//!                      /maps/manifest   the policy's manifest
//!                      /maps/events     the ring buffer, if any rule audits or denies
//!                      /maps/lost       event counters
//!                      /maps/constants  parameters and tables
//!                      /maps/modes      mode and effective action of each rule
//!                      /maps/set-NAME   the elements of a dynamic set
//!                      /maps/KIND-labels  labels of tasks, inodes or sockets
//!                      /maps/parts-HOOK   the tail-called programs of HOOK, if any
//!                      /links/HOOK      the link that keeps the program attached
//!                  staging~NAME         being loaded, incomplete
//!                  ready~NAME           complete, to be renamed to NAME
//!                  trash~NAME           to be removed
//!                  stray~NUMBER         could not be removed
//! ```
//!
//! A load creates `staging~NAME` and renames it to `ready~NAME` once it is complete; from then on the policy
//! counts as loaded. It then renames an older NAME to `trash~NAME`, renames `ready~NAME` to NAME, and removes
//! the trash. Each rename is one atomic system call, so the next holder of the lock can derive the remaining
//! steps from the names alone ([`plan`]): `ready` folders are renamed, `trash` and `staging` folders are
//! removed. What cannot be removed is renamed to `stray`, so that it does not prevent later commands.
//!
//! The new links are attached before the old ones are removed, so a replacement never leaves a moment without a
//! policy: while both are attached, each denies what its rules deny. Rules that deny the renames and removals
//! themselves are the exception: those of the same policy are suspended for the one system call that they deny
//! ([`crate::suspend`]).

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use krsi_abi::PIN_ROOT;

use crate::bpffs::Bpffs;
use crate::cli;
use crate::failure::{self, Failure};
use crate::load::not_loaded;
use crate::lock;
use crate::suspend::Enforcement;

const STAGING: &str = "staging~";
const READY: &str = "ready~";
const TRASH: &str = "trash~";
const STRAY: &str = "stray~";

/// The operations used for loading, unloading and recovery. Each is one system call or changes nothing. The
/// tests implement them in memory and interrupt a command before any of them.
pub trait Folders {
    /// Returns the names in a folder, in no particular order; none if the folder does not exist.
    fn names(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Returns true if the folder or pin exists.
    fn exists(&self, path: &Path) -> bool;
    /// Returns true for a folder, but not for a symbolic link to one.
    fn is_folder(&self, path: &Path) -> bool;
    /// Creates a folder that does not exist.
    fn make(&self, folder: &Path) -> io::Result<()>;
    /// Renames a folder to a name that does not exist.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a pin from its folder.
    fn remove_pin(&self, pin: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_folder(&self, folder: &Path) -> io::Result<()>;
    /// Sets the enforcement of the policy in a folder. A folder without a mode map is left alone.
    fn set_enforcement(&self, name: &str, enforcement: Enforcement) -> Result<(), Failure>;
    /// Returns the ids of the programs pinned in a folder.
    fn programs(&self, folder: &Path) -> Vec<u32>;
    /// Counts the given programs that the kernel still holds.
    fn running(&self, programs: &[u32]) -> usize;
    /// Sleeps between two calls of [`Folders::running`].
    fn pause(&self);
    /// Returns a sentence for each loaded policy with rules that can deny an operation.
    fn denials(&self, operation: &str) -> Vec<String>;
    /// Prints a warning to standard error.
    fn warn(&self, text: &str);
}

/// The folder `/sys/fs/bpf/krsi`, locked against other commands that change it.
#[derive(Debug)]
pub struct Pins<F = Bpffs> {
    folders: F,
    _lock: Option<File>,
}

/// The folder of all policies, `/sys/fs/bpf/krsi`.
#[cfg(not(test))]
pub fn root() -> PathBuf {
    PathBuf::from(PIN_ROOT)
}

/// The folder of the current test, with plain files in place of pins.
#[cfg(test)]
pub fn root() -> PathBuf {
    crate::command_tests::ROOT.with_borrow(|root| root.clone().unwrap_or_else(|| PathBuf::from(PIN_ROOT)))
}

/// The folder of a loaded policy.
pub fn folder(name: &str) -> PathBuf {
    root().join(name)
}

/// Path of the pinned program array for a hook's tail calls, in a policy's folder. The pin is needed because
/// the kernel clears a program array when the last user-space reference is gone (`prog_array_map_clear`).
pub fn tail_call_array(folder: &Path, hook: &str) -> PathBuf {
    folder.join("maps").join(format!("parts-{hook}"))
}

/// Checks a policy name. bpffs does not allow dots in names, and `~` marks unfinished folders.
pub fn check_name(name: &str) -> Result<(), Failure> {
    let fits = !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if fits {
        return Ok(());
    }
    Err(Failure::usage(format!("invalid policy name `{}`", name.escape_debug()))
        .help("a name consists of 1 to 64 letters, digits, `-` and `_`"))
}

/// Returns the sorted names of the loaded policies. Needs no lock, since unfinished folders are left out.
pub fn loaded() -> Result<Vec<String>, Failure> {
    match lock::open()? {
        Some(_) => loaded_in(&Bpffs),
        None => Ok(Vec::new()),
    }
}

/// Returns the folder of a loaded policy.
pub fn find(name: &str) -> Result<PathBuf, Failure> {
    check_name(name)?;
    lock::open()?;
    let folder = folder(name);
    match folder.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(folder),
        Ok(_) => Err(failure::at(&folder, "read", "it is not a folder, so no policy is loaded under this name")
            .help(format!("remove it: `rm {}`", folder.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(not_loaded(name)),
        Err(error) => Err(failure::at(&folder, "read", error)),
    }
}

fn loaded_in(folders: &impl Folders) -> Result<Vec<String>, Failure> {
    let root = root();
    let names = folders.names(&root).map_err(|error| failure::at(&root, "read", error))?;
    let mut names: Vec<String> = names.into_iter().filter(|name| !name.contains('~')).collect();
    names.sort();
    Ok(names)
}

/// One step of recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Remove the folder and its contents.
    Remove(String),
    /// Rename the folder to a name that does not exist.
    Rename(String, String),
    /// Resume the policy's rules, which an interrupted command may have suspended.
    Enforce(String),
}

/// Computes the steps that complete interrupted commands, from the names of the folders. Running all steps, or
/// some of them and then the steps of a new plan, leads to the same state.
///
/// A `ready` folder is renamed and fully enforced before the policy that it replaces is removed, so that the
/// older policy stays in force until then.
pub fn plan(names: &[String]) -> Vec<Step> {
    let mut left: Vec<String> = names.to_vec();
    left.sort();
    let mut steps = Vec::new();
    for ready in left.clone() {
        let Some(name) = ready.strip_prefix(READY) else {
            continue;
        };
        if left.iter().any(|known| known == name) {
            let trash = format!("{TRASH}{name}");
            if left.contains(&trash) {
                steps.push(Step::Remove(trash.clone()));
            } else {
                left.push(trash.clone());
            }
            steps.push(Step::Rename(name.to_owned(), trash));
        } else {
            left.push(name.to_owned());
        }
        steps.push(Step::Rename(ready.clone(), name.to_owned()));
    }
    left.sort();
    steps.extend(left.iter().filter(|name| !name.contains('~')).cloned().map(Step::Enforce));
    let unfinished = |name: &&String| [STAGING, TRASH, STRAY].iter().any(|prefix| name.starts_with(prefix));
    steps.extend(left.iter().filter(unfinished).cloned().map(Step::Remove));
    steps
}

impl Pins {
    /// Takes the lock, waiting for at most `timeout`, and completes interrupted commands. Creates the folder if it is
    /// missing.
    pub fn lock(timeout: Duration) -> Result<Pins, Failure> {
        let interactive = io::stderr().is_terminal();
        let lock = lock::take(timeout, &mut |text| {
            if interactive {
                cli::print_stderr(text);
            }
        })?;
        let pins = Pins { folders: Bpffs, _lock: Some(lock) };
        pins.recover(None)?;
        Ok(pins)
    }
}

/// The failure of an operation on the pins, with notes on the loaded rules that may have denied it.
pub fn denied(path: &Path, operation: &str, error: io::Error) -> Failure {
    with_denials(&Bpffs, path, operation, error)
}

/// The failure of an operation on the pins, with notes on the rules that may have denied it.
fn with_denials(folders: &impl Folders, path: &Path, operation: &str, error: io::Error) -> Failure {
    let failure = failure::at(path, operation, error);
    let denials = folders.denials(operation);
    if denials.is_empty() {
        return failure;
    }
    denials.into_iter().fold(failure, Failure::note).help(
        "turn the rule off with `krsi mode POLICY off RULE`, or exempt krsi in it: `unless task.comm == \"krsi\"`",
    )
}

impl<F: Folders> Pins<F> {
    /// Completes interrupted commands. A step that fails is a failure only for policy `own`, and otherwise a warning,
    /// so that what is left of one policy does not prevent commands on others.
    fn recover(&self, own: Option<&str>) -> Result<(), Failure> {
        let root = &root();
        let names = self.folders.names(root).map_err(|error| with_denials(&self.folders, root, "read", error))?;
        let mut failed = Vec::new();
        for step in plan(&names) {
            let (Step::Remove(name) | Step::Rename(name, _) | Step::Enforce(name)) = &step;
            let policy = name.rsplit('~').next().unwrap_or(name).to_owned();
            // The remaining steps of a policy assume that the earlier ones are done.
            if failed.contains(&policy) {
                continue;
            }
            let Err(failure) = self.run(&step) else { continue };
            if own == Some(&policy) {
                return Err(failure);
            }
            failed.push(policy);
            match step {
                // What an earlier command has set aside is tried again, without a word.
                Step::Remove(name) if name.starts_with(STRAY) => {}
                Step::Remove(name) => self.folders.warn(&format!(
                    "an interrupted command left `{name}`, which cannot be removed: {}{}",
                    failure.message,
                    self.set_aside(&name).map_or_else(String::new, |stray| format!("; it is now `{stray}`"))
                )),
                _ => self.folders.warn(&format!("an interrupted command cannot be completed: {}", failure.message)),
            }
        }
        Ok(())
    }

    /// Renames a folder that cannot be removed, and returns its new name.
    fn set_aside(&self, name: &str) -> Option<String> {
        let free = |number: &u32| !self.folders.exists(&folder(&format!("{STRAY}{number}")));
        let stray = format!("{STRAY}{}", (1..1000).find(free)?);
        self.folders.rename(&folder(name), &folder(&stray)).ok()?;
        Some(stray)
    }

    fn run(&self, step: &Step) -> Result<(), Failure> {
        match step {
            Step::Remove(name) => self.remove(name),
            Step::Rename(from, to) => {
                let (old, new) = (folder(from), folder(to));
                self.retry_suspended(from, &old, || self.folders.rename(&old, &new))
                    .map_err(|error| with_denials(&self.folders, &old, "rename", error))
            }
            Step::Enforce(name) => self.folders.set_enforcement(name, Enforcement::Full),
        }
    }

    /// Performs an operation on a path. If it fails, suspends the rules of the policy itself and of the one
    /// that it replaces that may have denied it, with whatever errno, and tries once more.
    fn retry_suspended(&self, name: &str, path: &Path, operation: impl Fn() -> io::Result<()>) -> io::Result<()> {
        let first = match operation() {
            Ok(()) => return Ok(()),
            Err(error) if !self.folders.exists(path) => return Err(error),
            Err(error) => error,
        };
        let name = name.rsplit('~').next().unwrap_or(name);
        let enforce = |prefixes: &[&str], enforcement| -> io::Result<()> {
            for folder in prefixes.iter().map(|prefix| format!("{prefix}{name}")) {
                if self.folders.exists(&self::folder(&folder)) {
                    self.folders
                        .set_enforcement(&folder, enforcement)
                        .map_err(|failure| io::Error::other(failure.message))?;
                }
            }
            Ok(())
        };
        // If suspending fails, the first error says more.
        let result = enforce(&["", STAGING, READY, TRASH], Enforcement::Restricted)
            .map_err(|_| first)
            .and_then(|()| operation());
        // Trash is about to be removed and stays suspended; a staged policy is resumed by `commit`.
        enforce(&["", READY], Enforcement::Full).and(result)
    }

    /// Creates a new folder to load a policy into.
    pub fn stage(&self, name: &str) -> Result<PathBuf, Failure> {
        let staging = folder(&format!("{STAGING}{name}"));
        for folder in [staging.clone(), staging.join("programs"), staging.join("maps"), staging.join("links")] {
            self.folders.make(&folder).map_err(|error| with_denials(&self.folders, &folder, "create", error))?;
        }
        Ok(staging)
    }

    /// Makes the staged policy the loaded policy of that name.
    pub fn commit(&self, name: &str) -> Result<(), Failure> {
        let staging = format!("{STAGING}{name}");
        // Resumes rules that were suspended while the pins were created.
        self.run(&Step::Enforce(staging.clone()))?;
        self.run(&Step::Rename(staging, format!("{READY}{name}")))?;
        self.recover(Some(name))
    }

    /// Removes the staged policy.
    pub fn abandon(&self, name: &str) -> Result<(), Failure> {
        self.remove(&format!("{STAGING}{name}"))
    }

    /// Removes the loaded policy of that name.
    pub fn unload(&self, name: &str) -> Result<(), Failure> {
        self.run(&Step::Rename(name.to_owned(), format!("{TRASH}{name}")))?;
        self.recover(Some(name))
    }

    /// Removes a policy's folder, suspending all its rules first. Returns when the kernel has detached the programs.
    fn remove(&self, name: &str) -> Result<(), Failure> {
        let folder = folder(name);
        let programs = self.folders.programs(&folder.join("programs"));
        // If the modes cannot be written, the rules stay in force until the kernel has detached their programs.
        let _ = self.folders.set_enforcement(name, Enforcement::Suspended);
        if let Err(failure) = self.remove_contents(name, &folder) {
            let detaching = self.folders.names(&folder.join("links")).is_ok_and(|links| links.is_empty());
            if !detaching {
                return Err(failure);
            }
            self.wait_until_detached(&programs);
            self.remove_contents(name, &folder)?;
        }
        self.wait_until_detached(&programs);
        Ok(())
    }

    /// Removes the pins and then the folder itself. The links go first, so that a partly removed policy is not
    /// attached.
    fn remove_contents(&self, name: &str, folder: &Path) -> Result<(), Failure> {
        for part in ["links", "programs", "maps"] {
            self.remove_tree(name, &folder.join(part))?;
        }
        self.remove_tree(name, folder)
    }

    /// Removes a pin, or a folder with all that is in it, which can be more than a load creates.
    fn remove_tree(&self, name: &str, path: &Path) -> Result<(), Failure> {
        if !self.folders.is_folder(path) {
            if !self.folders.exists(path) {
                return Ok(());
            }
            return self
                .retry_suspended(name, path, || self.folders.remove_pin(path))
                .map_err(|error| with_denials(&self.folders, path, "remove", error));
        }
        for entry in self.folders.names(path).map_err(|error| with_denials(&self.folders, path, "read", error))? {
            self.remove_tree(name, &path.join(entry))?;
        }
        self.remove_folder(name, path)
    }

    fn remove_folder(&self, name: &str, folder: &Path) -> Result<(), Failure> {
        match self.retry_suspended(name, folder, || self.folders.remove_folder(folder)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound || self.folders.exists(folder) => {
                Err(with_denials(&self.folders, folder, "remove", error))
            }
            _ => Ok(()),
        }
    }

    /// Waits until the kernel has detached the programs.
    ///
    /// The kernel frees a link some time after its pin is gone, and removes the link's id before it detaches
    /// the program. However, it holds the program until it is detached (`bpf_link_free`), so the program ids
    /// show when that is done.
    fn wait_until_detached(&self, programs: &[u32]) {
        let start = Instant::now();
        let remaining = || {
            let remaining = self.folders.running(programs);
            if remaining > 0 {
                self.folders.pause();
            }
            remaining
        };
        wait(remaining, io::stderr().is_terminal(), || start.elapsed(), cli::print_stderr);
    }
}

/// Maximum time to wait for the kernel to detach programs. Each takes a grace period of RCU tasks:
/// milliseconds, but seconds on a busy machine with many programs.
const DETACH_TIMEOUT: Duration = Duration::from_secs(20);

/// Time to wait before printing that the command waits.
const NOTICE_DELAY: Duration = Duration::from_secs(1);

/// Waits until no program remains. Prints a notice if `interactive`, and a warning in any case if it gives up.
fn wait(
    mut remaining: impl FnMut() -> usize,
    interactive: bool,
    elapsed: impl Fn() -> Duration,
    mut print: impl FnMut(&str),
) {
    let mut notice_due = interactive;
    loop {
        let programs = match remaining() {
            0 => return,
            1 => "1 program".to_owned(),
            count => format!("{count} programs"),
        };
        if elapsed() >= DETACH_TIMEOUT {
            print(&format!(
                "warning: the kernel has not detached {programs} within {} s; until it does, the removed rules stay in force \
                 (list programs with `bpftool prog`)",
                DETACH_TIMEOUT.as_secs()
            ));
            return;
        }
        if notice_due && elapsed() >= NOTICE_DELAY {
            print(&format!("waiting for the kernel to detach {programs}"));
            notice_due = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::{BTreeMap, BTreeSet};
    use std::rc::Rc;

    use super::*;

    /// Applies a step to a list of names, as the file system would.
    fn apply(names: &mut Vec<String>, step: &Step) {
        match step {
            Step::Enforce(name) => assert!(names.contains(name), "{name} does not exist"),
            Step::Remove(name) => names.retain(|known| known != name),
            Step::Rename(from, to) => {
                assert!(names.contains(from), "{from} does not exist");
                assert!(!names.contains(to), "{to} already exists");
                names.retain(|known| known != from);
                names.push(to.clone());
            }
        }
    }

    /// Recovery from any set of folders ends in the same state, even if recovery itself is killed at any step.
    #[test]
    fn recovery_can_be_killed_anywhere() {
        let parts = ["a", "staging~a", "ready~a", "trash~a"];
        for mask in 0..16u32 {
            let names: Vec<String> = parts
                .iter()
                .enumerate()
                .filter(|(at, _)| mask & 1 << at != 0)
                .map(|(_, name)| (*name).to_owned())
                .collect();
            let expected: &[&str] =
                if names.iter().any(|name| name == "a" || name == "ready~a") { &["a"] } else { &[] };
            for killed_after in 0..8 {
                let mut state = names.clone();
                for step in plan(&state).iter().take(killed_after) {
                    apply(&mut state, step);
                }
                for step in plan(&state) {
                    apply(&mut state, &step);
                }
                assert_eq!(state, expected, "{names:?} killed after {killed_after} steps");
            }
        }
    }

    /// The order of the steps matters: the new policy is in force before the old one is removed.
    #[test]
    fn plans() {
        let remove = |name: &str| Step::Remove(name.into());
        let rename = |from: &str, to: &str| Step::Rename(from.into(), to.into());
        let enforce = |name: &str| Step::Enforce(name.into());
        for (names, steps) in [
            (&[][..], vec![]),
            (&["a"], vec![enforce("a")]),
            (&["staging~a"], vec![remove("staging~a")]),
            (&["trash~a", "a"], vec![enforce("a"), remove("trash~a")]),
            (&["ready~a"], vec![rename("ready~a", "a"), enforce("a")]),
            (&["ready~a", "a"], vec![rename("a", "trash~a"), rename("ready~a", "a"), enforce("a"), remove("trash~a")]),
            (&["ready~a", "trash~a"], vec![rename("ready~a", "a"), enforce("a"), remove("trash~a")]),
            // Policies are independent of each other.
            (&["ready~b", "a", "trash~a"], vec![rename("ready~b", "b"), enforce("a"), enforce("b"), remove("trash~a")]),
        ] {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(plan(&names), steps, "{names:?}");
        }
    }

    /// A policy's folder in memory.
    #[derive(Clone)]
    struct Held {
        /// Distinguishes policies of one name.
        label: &'static str,
        /// Shared with the policy's programs, which keep running after their pins are gone.
        enforcement: Rc<Cell<Enforcement>>,
        /// Operations that its rules deny: `mkdir`, `mknod`, `rename`, `unlink`, `rmdir`.
        denies: &'static [&'static str],
        folders: BTreeSet<String>,
        pins: BTreeSet<String>,
    }

    impl Held {
        fn has_link(&self) -> bool {
            self.pins.iter().any(|pin| pin.starts_with("links/"))
        }
    }

    /// A program whose link is gone but that the kernel has not detached yet.
    #[derive(Clone)]
    struct Detaching {
        enforcement: Rc<Cell<Enforcement>>,
        denies: &'static [&'static str],
        /// Number of calls of `running` until it is detached.
        polls: usize,
    }

    /// The pins in memory. Programs outlive their links for a while, and any operation can be the last.
    #[derive(Default)]
    struct Memory {
        held: RefCell<BTreeMap<String, Held>>,
        detaching: RefCell<Vec<Detaching>>,
        /// Number of operations until the command is killed.
        left: Cell<Option<usize>>,
        /// Number of operations that changed something.
        changes: Cell<usize>,
        /// True if modes cannot be written.
        fixed_modes: Cell<bool>,
        /// The error of an operation that rules deny.
        errno: Cell<Option<io::ErrorKind>>,
    }

    /// Splits a path into the policy's folder name and the rest.
    fn split(path: &Path) -> (String, String) {
        let below = path.strip_prefix(PIN_ROOT).expect("a path below the root").to_str().expect("text");
        let (name, rest) = below.split_once('/').unwrap_or((below, ""));
        (name.to_owned(), rest.to_owned())
    }

    impl Memory {
        fn copy(&self) -> Memory {
            let held = self.held.borrow();
            let held = held.iter().map(|(name, held)| {
                let enforcement = Rc::new(Cell::new(held.enforcement.get()));
                (name.clone(), Held { enforcement, ..held.clone() })
            });
            // Programs of the original are detached by the time the copy is used.
            Memory { held: RefCell::new(held.collect()), ..Memory::default() }
        }

        fn step(&self, operation: &str) -> io::Result<()> {
            match self.left.get() {
                Some(0) => return Err(io::Error::other("killed")),
                left => self.left.set(left.map(|left| left - 1)),
            }
            let denies = |enforcement: Enforcement, denies: &[&str]| {
                enforcement == Enforcement::Full && denies.contains(&operation)
            };
            let held =
                self.held.borrow().values().any(|held| held.has_link() && denies(held.enforcement.get(), held.denies));
            let detaching = self.detaching.borrow().iter().any(|late| denies(late.enforcement.get(), late.denies));
            if held || detaching {
                return Err(self.errno.get().unwrap_or(io::ErrorKind::PermissionDenied).into());
            }
            self.changes.set(self.changes.get() + 1);
            Ok(())
        }

        /// Adds a pin to a folder, as a load does.
        fn pin(&self, name: &str, pin: &str) -> io::Result<()> {
            self.step("mknod")?;
            self.held.borrow_mut().get_mut(name).expect("the folder exists").pins.insert(pin.to_owned());
            Ok(())
        }

        /// Folder and label of each complete policy that is fully enforced.
        fn enforced(&self) -> Vec<(String, &'static str)> {
            let held = self.held.borrow();
            let enforced = held.iter().filter(|(_, held)| {
                PINS.iter().all(|pin| held.pins.contains(*pin)) && held.enforcement.get() == Enforcement::Full
            });
            enforced.map(|(name, held)| (name.clone(), held.label)).collect()
        }
    }

    impl Folders for Memory {
        fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
            if self.left.get() == Some(0) {
                return Err(io::Error::other("killed"));
            }
            if folder == Path::new(PIN_ROOT) {
                return Ok(self.held.borrow().keys().cloned().collect());
            }
            let (name, part) = split(folder);
            let held = self.held.borrow();
            let pins = held.get(&name).map(|held| held.pins.clone()).unwrap_or_default();
            let folders = held.get(&name).map(|held| held.folders.clone()).unwrap_or_default();
            let within = |path: &String| path.strip_prefix(&format!("{part}/")).map(str::to_owned);
            Ok(pins.iter().chain(&folders).filter_map(within).collect())
        }

        fn exists(&self, path: &Path) -> bool {
            let (name, rest) = split(path);
            let held = self.held.borrow();
            held.get(&name)
                .is_some_and(|held| rest.is_empty() || held.folders.contains(&rest) || held.pins.contains(&rest))
        }

        fn is_folder(&self, path: &Path) -> bool {
            let (name, rest) = split(path);
            let held = self.held.borrow();
            held.get(&name).is_some_and(|held| rest.is_empty() || held.folders.contains(&rest))
        }

        fn make(&self, folder: &Path) -> io::Result<()> {
            self.step("mkdir")?;
            let (name, part) = split(folder);
            let mut held = self.held.borrow_mut();
            if part.is_empty() {
                let made = Held {
                    label: LABEL.get(),
                    enforcement: Rc::new(Cell::new(Enforcement::Restricted)),
                    denies: DENIES.get(),
                    folders: BTreeSet::new(),
                    pins: BTreeSet::new(),
                };
                assert!(held.insert(name, made).is_none(), "it already exists");
            } else {
                held.get_mut(&name).expect("the policy's folder comes first").folders.insert(part);
            }
            Ok(())
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step("rename")?;
            let mut held = self.held.borrow_mut();
            let moved = held.remove(&split(from).0).ok_or(io::ErrorKind::NotFound)?;
            assert!(held.insert(split(to).0, moved).is_none(), "{} already exists", to.display());
            Ok(())
        }

        fn remove_pin(&self, pin: &Path) -> io::Result<()> {
            self.step("unlink")?;
            let (name, pin) = split(pin);
            let mut all = self.held.borrow_mut();
            let held = all.get_mut(&name).ok_or(io::ErrorKind::NotFound)?;
            assert!(pin.starts_with("links/") || !held.has_link(), "{pin} of {name} was removed before a link");
            assert!(held.pins.remove(&pin), "{pin} does not exist");
            if pin.starts_with("links/") {
                let (enforcement, denies) = (held.enforcement.clone(), held.denies);
                self.detaching.borrow_mut().push(Detaching { enforcement, denies, polls: 3 });
            }
            Ok(())
        }

        fn remove_folder(&self, folder: &Path) -> io::Result<()> {
            // The kernel looks up the folder before it calls any hook (`do_rmdir`).
            if self.left.get() != Some(0) && !self.exists(folder) {
                return Err(io::ErrorKind::NotFound.into());
            }
            self.step("rmdir")?;
            let (name, part) = split(folder);
            let mut all = self.held.borrow_mut();
            if part.is_empty() {
                let gone = all.remove(&name).ok_or(io::ErrorKind::NotFound)?;
                assert!(gone.folders.is_empty() && gone.pins.is_empty(), "{name} is not empty");
                return Ok(());
            }
            let held = all.get_mut(&name).ok_or(io::ErrorKind::NotFound)?;
            assert!(!held.pins.iter().any(|pin| pin.starts_with(&part)), "{part} of {name} is not empty");
            if held.folders.remove(&part) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
        }

        fn set_enforcement(&self, name: &str, enforcement: Enforcement) -> Result<(), Failure> {
            let held = self.held.borrow();
            let held = held.get(name).ok_or_else(|| Failure::usage("no such folder"))?;
            // As in `suspend::with_enforcement`: nothing to do, no modes yet, or `Restricted` would resume rules.
            if held.enforcement.get() == enforcement
                || !held.pins.contains("maps/modes")
                || enforcement == Enforcement::Restricted && held.enforcement.get() == Enforcement::Suspended
            {
                return Ok(());
            }
            if self.fixed_modes.get() {
                return Err(Failure::usage("the modes cannot be written"));
            }
            self.step("bpf").map_err(|error| Failure::usage(error.to_string()))?;
            held.enforcement.set(enforcement);
            Ok(())
        }

        fn programs(&self, _: &Path) -> Vec<u32> {
            vec![7]
        }

        fn running(&self, programs: &[u32]) -> usize {
            assert_eq!(programs, [7]);
            let mut detaching = self.detaching.borrow_mut();
            detaching.iter_mut().for_each(|late| late.polls -= 1);
            detaching.retain(|late| late.polls > 0);
            detaching.len()
        }

        fn pause(&self) {}

        fn denials(&self, operation: &str) -> Vec<String> {
            vec![format!("a rule denies to {operation} it")]
        }

        fn warn(&self, _: &str) {}
    }

    thread_local! {
        /// Label and denied operations of the next folder.
        static LABEL: Cell<&'static str> = const { Cell::new("old") };
        static DENIES: Cell<&'static [&'static str]> = const { Cell::new(&[]) };
    }

    const PINS: [&str; 5] = ["maps/manifest", "maps/modes", "programs/h", "links/g", "links/h"];

    /// Performs the operations of `krsi load` on the pins, after it has taken the lock.
    fn load(pins: &Pins<Memory>, label: &'static str, denies: &'static [&'static str]) -> Result<(), Failure> {
        pins.recover(None)?;
        LABEL.set(label);
        DENIES.set(denies);
        let stage = || -> Result<(), Failure> {
            pins.stage("p")?;
            for pin in PINS {
                pins.folders.pin("staging~p", pin).map_err(|error| Failure::usage(error.to_string()))?;
            }
            pins.commit("p")
        };
        stage().inspect_err(|_| {
            let _ = pins.abandon("p");
        })
    }

    fn unload(pins: &Pins<Memory>) -> Result<(), Failure> {
        pins.recover(None)?;
        pins.unload("p")
    }

    fn pins_of(folders: Memory) -> Pins<Memory> {
        Pins { folders, _lock: None }
    }

    fn with_old(denies: &'static [&'static str]) -> Pins<Memory> {
        let pins = pins_of(Memory::default());
        load(&pins, "old", denies).expect("nothing denies the load");
        pins
    }

    /// Returns the label of the only policy, which must be complete and in force; `None` if there is no folder.
    fn settled(memory: &Memory, context: &str) -> Option<&'static str> {
        let held = memory.held.borrow();
        let names: Vec<&String> = held.keys().collect();
        if names.is_empty() {
            return None;
        }
        assert_eq!(names, ["p"], "{context}");
        assert_eq!(memory.enforced().len(), 1, "{context}: it is not fully enforced");
        Some(held["p"].label)
    }

    /// Interrupts a command after each of its operations, and recovery after each of its own. In the end, only
    /// policy `from` or `to` may exist. If `always`, one policy must be in force at every moment.
    fn interrupt_everywhere(
        from: Option<&'static [&'static str]>,
        command: impl Fn(&Pins<Memory>) -> Result<(), Failure>,
        to: Option<&'static str>,
        always: bool,
    ) {
        let before = from.map(|_| "old");
        for killed_after in 0.. {
            let pins = from.map_or_else(|| pins_of(Memory::default()), with_old);
            pins.folders.left.set(Some(killed_after));
            let done = command(&pins);
            let context = format!("{from:?} to {to:?}, killed after {killed_after}");
            if always {
                assert!(!pins.folders.enforced().is_empty(), "{context}: nothing is in force");
            }
            // Listed policies are complete; a rule that blocks krsi may be suspended.
            for name in loaded_in(&pins.folders.copy()).expect("they can be listed") {
                assert!(PINS.iter().all(|pin| pins.folders.held.borrow()[&name].pins.contains(*pin)), "{context}");
            }
            for recovery_killed_after in 0.. {
                let again = pins_of(pins.folders.copy());
                again.folders.left.set(Some(recovery_killed_after));
                let recovered = again.recover(None);
                let context = format!("{context}, recovery after {recovery_killed_after}");
                if always {
                    assert!(!again.folders.enforced().is_empty(), "{context}: nothing is in force");
                }
                let last = pins_of(again.folders.copy());
                last.recover(None).unwrap_or_else(|why| panic!("{context}: {why}"));
                let there = settled(&last.folders, &context);
                assert!(there == before || there == to, "{context}: {there:?}");
                let changes = last.folders.changes.get();
                last.recover(None).expect("nothing is left to do");
                assert_eq!(last.folders.changes.get(), changes, "{context}: a second recovery changes something");
                if recovered.is_ok() && again.folders.left.get() != Some(0) {
                    break;
                }
            }
            if pins.folders.left.get() != Some(0) {
                done.unwrap_or_else(|why| panic!("{context}: {why}"));
                assert_eq!(settled(&pins.folders, &context), to, "{context}");
                return;
            }
        }
    }

    /// Sets of denied operations: none, each one, and all that a load or unload performs.
    const DENIERS: [&[&str]; 5] = [&[], &["rmdir"], &["unlink"], &["rename"], &["rmdir", "unlink", "rename", "mknod"]];

    #[test]
    fn a_first_load_can_be_killed_anywhere() {
        for denies in DENIERS {
            interrupt_everywhere(None, |pins| load(pins, "new", denies), Some("new"), false);
        }
    }

    #[test]
    fn a_replacement_can_be_killed_anywhere() {
        for old in &DENIERS[..4] {
            for new in DENIERS {
                let always = old.is_empty() && new.is_empty();
                interrupt_everywhere(Some(old), |pins| load(pins, "new", new), Some("new"), always);
            }
        }
    }

    #[test]
    fn an_unload_can_be_killed_anywhere() {
        for denies in DENIERS {
            interrupt_everywhere(Some(denies), unload, None, false);
        }
    }

    /// A rule with `deny ENOENT` does not make an existing pin look missing.
    #[test]
    fn denials_with_any_errno_are_handled() {
        for kind in [io::ErrorKind::NotFound, io::ErrorKind::AlreadyExists, io::ErrorKind::CrossesDevices] {
            let pins = pins_of(Memory::default());
            pins.folders.errno.set(Some(kind));
            for label in ["old", "new"] {
                load(&pins, label, &["rmdir", "unlink", "rename"]).expect("its own rules are suspended");
                assert_eq!(settled(&pins.folders, label), Some(label));
            }
            unload(&pins).expect("its own rules are suspended");
            assert_eq!(settled(&pins.folders, "unloaded"), None);
            // A rule of another policy is not suspended, so the removal fails.
            let pins = with_old(&[]);
            pins.folders.errno.set(Some(kind));
            let mut other = pins.folders.held.borrow()["p"].clone();
            (other.enforcement, other.denies) = (Rc::new(Cell::new(Enforcement::Full)), &["rmdir"]);
            pins.folders.held.borrow_mut().insert("other".into(), other);
            assert!(unload(&pins).is_err(), "{kind}");
        }
    }

    /// Rules of the old policy that deny mkdir are not suspended during a load, which can take long.
    #[test]
    fn a_policy_that_denies_new_folders_is_not_replaced() {
        let pins = with_old(&["mkdir"]);
        let failure = load(&pins, "new", &[]).expect_err("no folder can be created").to_string();
        assert!(failure.contains("note: a rule denies to create it"), "{failure}");
        assert_eq!(settled(&pins.folders, "refused"), Some("old"));
        unload(&pins).expect("no folder is created");
        assert_eq!(settled(&pins.folders, "unloaded"), None);
    }

    /// Rules of another policy are not suspended: a denied operation fails with an explanation and leaves the
    /// policy in force.
    #[test]
    fn another_policy_denies() {
        for operation in ["rename", "unlink"] {
            let pins = with_old(&[]);
            let mut other = pins.folders.held.borrow()["p"].clone();
            other.enforcement = Rc::new(Cell::new(Enforcement::Full));
            other.denies = if operation == "rename" { &["rename"] } else { &["unlink"] };
            pins.folders.held.borrow_mut().insert("other".into(), other);
            let failure = unload(&pins).expect_err("it is denied").to_string();
            let verb = if operation == "rename" { "rename" } else { "remove" };
            assert!(failure.contains(&format!("note: a rule denies to {verb} it")), "{failure}");
            assert!(failure.contains("`krsi mode POLICY off RULE`"), "{failure}");
            let held = pins.folders.held.borrow();
            assert_eq!(held["other"].enforcement.get(), Enforcement::Full);
            match operation {
                "rename" => assert_eq!(held["p"].enforcement.get(), Enforcement::Full, "the policy is unchanged"),
                // Trash stays suspended until it can be removed.
                _ => assert_eq!(held["trash~p"].enforcement.get(), Enforcement::Suspended),
            }
        }
    }

    /// A folder where a load has put a pin is removed with what is in it.
    #[test]
    fn folders_in_the_place_of_pins_are_removed() {
        let pins = with_old(&[]);
        let mut trash = pins.folders.held.borrow()["p"].clone();
        trash.enforcement = Rc::new(Cell::new(Enforcement::Full));
        for folder in ["links/h", "links/h/deep"] {
            trash.pins.remove(folder);
            trash.folders.insert(folder.to_owned());
        }
        pins.folders.held.borrow_mut().insert("trash~q".into(), trash);
        pins.recover(None).expect("all of it can be removed");
        assert_eq!(settled(&pins.folders, "recovered"), Some("old"));
    }

    /// What cannot be removed is set aside, and removed by a later command once that is possible.
    #[test]
    fn strays_do_not_prevent_other_commands() {
        let pins = with_old(&[]);
        let mut other = pins.folders.held.borrow()["p"].clone();
        other.enforcement = Rc::new(Cell::new(Enforcement::Full));
        other.denies = &["unlink"];
        pins.folders.held.borrow_mut().insert("other".into(), other);
        assert!(unload(&pins).is_err());
        load(&pins, "new", &[]).expect("it does not remove anything");
        let names = || pins.folders.held.borrow().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(), ["other", "p", "stray~1"]);
        assert_eq!(pins.folders.held.borrow()["stray~1"].enforcement.get(), Enforcement::Suspended);
        pins.recover(None).expect("the stray stays");
        assert_eq!(names(), ["other", "p", "stray~1"]);
        pins.folders.held.borrow_mut().get_mut("other").expect("it is loaded").denies = &[];
        pins.recover(None).expect("nothing denies it now");
        assert_eq!(names(), ["other", "p"]);
    }

    /// If the modes cannot be written, removal continues once the kernel has detached the programs.
    #[test]
    fn removal_waits_for_programs_that_deny_it() {
        let pins = with_old(&["rmdir"]);
        pins.folders.fixed_modes.set(true);
        unload(&pins).expect("the programs are detached eventually");
        assert_eq!(settled(&pins.folders, "unloaded"), None);
        // A program that denies the removal of its own link stays attached, so waiting does not help.
        let pins = with_old(&["unlink"]);
        pins.folders.fixed_modes.set(true);
        assert!(unload(&pins).is_err());
    }

    /// The command ends after the kernel has detached the programs.
    #[test]
    fn removal_waits_for_detached_programs() {
        let pins = with_old(&[]);
        unload(&pins).expect("nothing denies it");
        assert!(pins.folders.detaching.borrow().is_empty());
    }

    #[test]
    fn paths_of_pins() {
        assert_eq!(folder("web"), Path::new("/sys/fs/bpf/krsi/web"));
        assert_eq!(
            tail_call_array(&folder("web"), "file_open"),
            Path::new("/sys/fs/bpf/krsi/web/maps/parts-file_open")
        );
    }

    /// Unfinished folders are not listed.
    #[test]
    fn only_complete_policies_are_listed() {
        let pins = with_old(&[]);
        let held = pins.folders.held.borrow()["p"].clone();
        for name in ["a", "staging~q", "ready~r", "trash~s"] {
            pins.folders.held.borrow_mut().insert(name.into(), held.clone());
        }
        assert_eq!(loaded_in(&pins.folders).expect("they can be read"), ["a", "p"]);
    }

    #[test]
    fn waiting_prints_one_notice_and_ends() {
        let printed = |interactive: bool, detached_after_s: u64| {
            let (now, mut lines) = (Cell::new(0), Vec::new());
            let remaining = || {
                now.set(now.get() + 300);
                usize::from(now.get() < 1000 * detached_after_s)
            };
            wait(remaining, interactive, || Duration::from_millis(now.get()), |text| lines.push(text.to_owned()));
            lines
        };
        assert_eq!(printed(true, 0), [""; 0]);
        assert_eq!(printed(true, 1), [""; 0]);
        assert_eq!(printed(false, 9), [""; 0]);
        assert_eq!(printed(true, 9), ["waiting for the kernel to detach 1 program"]);
        assert_eq!(printed(false, 99).len(), 1);
        let late = printed(true, 99);
        assert!(late.len() == 2 && late[1].starts_with("warning: the kernel has not detached 1 program"), "{late:?}");
        assert!(late[1].contains("within 20 s"), "{late:?}");
    }

    #[test]
    fn invalid_policy_names_are_rejected() {
        for name in ["", "a.b", "../x", "a b", "staging~a", "ä", &"x".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        for name in ["no-exec_2", "x", &"x".repeat(64)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
    }
}
