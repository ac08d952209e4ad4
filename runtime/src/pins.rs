//! The folders below `/sys/fs/bpf/krsi`: one for each policy, and what an interrupted command left.
//!
//! ```text
//! /sys/fs/bpf/krsi/NAME/programs/HOOK   one program a hook
//!                      /maps/manifest   what the policy is
//!                      /maps/events     the ring buffer, if any rule audits or denies
//!                      /maps/lost       counters of lost events
//!                      /maps/constants  parameters and tables
//!                      /maps/modes      what each rule does where it fires
//!                      /maps/set-NAME   the elements of a set that changes
//!                      /maps/KIND-labels  which tasks, inodes and sockets have labels
//!                      /maps/parts-HOOK   the programs that HOOK goes on with, where they are several
//!                      /links/HOOK      what keeps the programs attached
//!                  staging~NAME         being loaded: of no worth until it is whole
//!                  ready~NAME           whole; it is to become NAME
//!                  trash~NAME           to be removed
//! ```
//!
//! A load makes `staging~NAME`, renames it to `ready~NAME` once it is whole, which is the moment from which on the
//! policy counts as loaded, moves an older NAME to `trash~NAME`, renames `ready~NAME` to NAME, and removes the
//! trash. Each rename is one system call that happens or does not, so whoever holds the lock next can tell from
//! the names alone what is left to do ([`plan`]): ready is moved on, trash and staging go.
//!
//! Links are attached before anything older goes, so that on a replacement there is no moment without a policy:
//! while both are attached, what either denies is denied. Rules that deny the renames and removals themselves are the
//! exception: those of the same policy are set aside for the one system call that they deny ([`crate::aside`]).

use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use krsi_abi::PIN_ROOT;
use rustix::fs::{FlockOperation, flock};

use crate::aside::Force;
use crate::bpffs::Bpffs;
use crate::cli;
use crate::failure::{self, Failure};

const STAGING: &str = "staging~";
const READY: &str = "ready~";
const TRASH: &str = "trash~";

/// The operations that loading, unloading and recovery are made of: each is one system call, or changes nothing. The tests
/// have them in memory and interrupt them anywhere.
pub trait Folders {
    /// Names in a folder, in no order; none where it is not there.
    fn names(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// True where the folder or pin is there.
    fn exists(&self, path: &Path) -> bool;
    /// Makes a folder.
    fn make(&self, folder: &Path) -> io::Result<()>;
    /// Renames a folder; none has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a pin.
    fn remove_pin(&self, pin: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_folder(&self, folder: &Path) -> io::Result<()>;
    /// Puts so much of the policy in force that a folder holds. A folder without modes stays as it is.
    fn switch(&self, name: &str, force: Force) -> Result<(), Failure>;
    /// Ids of the programs pinned in a folder.
    fn programs(&self, folder: &Path) -> Vec<u32>;
    /// How many of these programs the kernel still has.
    fn running(&self, programs: &[u32]) -> usize;
    /// Lets some time pass between two looks at what is running.
    fn pause(&self);
    /// Rules of loaded policies that can deny an operation, each policy's as a sentence.
    fn denials(&self, what: &str) -> Vec<String>;
}

/// `/sys/fs/bpf/krsi`, locked against other commands that change it.
#[derive(Debug)]
pub struct Pins<F = Bpffs> {
    folders: F,
    _lock: Option<File>,
}

/// `/sys/fs/bpf/krsi`
#[cfg(not(test))]
pub fn root() -> PathBuf {
    PathBuf::from(PIN_ROOT)
}

/// A folder of the test, where files stand for pins.
#[cfg(test)]
pub fn root() -> PathBuf {
    crate::commands::ROOT.with_borrow(|root| root.clone().unwrap_or_else(|| PathBuf::from(PIN_ROOT)))
}

/// Folder of a loaded policy.
pub fn folder(name: &str) -> PathBuf {
    root().join(name)
}

/// The pin of the array of a hook's further programs, in a policy's folder. The kernel empties it when no pin holds it.
pub fn parts(folder: &Path, hook: &str) -> PathBuf {
    folder.join("maps").join(format!("parts-{hook}"))
}

/// Whether a policy can be called so. Dots are not allowed in names below bpffs, `~` marks what is unfinished.
pub fn check_name(name: &str) -> Result<(), Failure> {
    let fits = !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if fits {
        return Ok(());
    }
    Err(Failure::usage(format!("`{}` cannot be a policy's name", name.escape_debug()))
        .help("a name is 1 to 64 letters, digits, `-` and `_`"))
}

/// Names of the loaded policies, sorted. Needs no lock: unfinished ones are left out.
pub fn loaded() -> Result<Vec<String>, Failure> {
    loaded_in(&Bpffs)
}

fn loaded_in(folders: &impl Folders) -> Result<Vec<String>, Failure> {
    let root = root();
    let names = folders.names(&root).map_err(|error| failure::at(&root, "read", error))?;
    let mut names: Vec<String> = names.into_iter().filter(|name| !name.contains('~')).collect();
    names.sort();
    Ok(names)
}

/// A step that makes the folders what their names say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Remove the folder and what is in it.
    Remove(String),
    /// Give the folder another name; none has it.
    Rename(String, String),
    /// Put all of the policy in force, where a command was interrupted that had set rules aside.
    Enforce(String),
}

/// What is left to do where a command was interrupted, from the names that are there. Running the steps, or any
/// part of them and then this again, ends in the same state.
///
/// What is ready takes its place and is put in force before what it replaces is removed: the older policy counts until then.
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
    let unfinished = |name: &&String| name.starts_with(STAGING) || name.starts_with(TRASH);
    steps.extend(left.iter().filter(unfinished).cloned().map(Step::Remove));
    steps
}

impl Pins {
    /// Takes the lock and finishes what an interrupted command left. Makes the folder where it is missing.
    pub fn lock() -> Result<Pins, Failure> {
        let root = &root();
        if let Err(error) = fs::create_dir(root)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            let denied = error.kind() == io::ErrorKind::PermissionDenied;
            let failure = failure::at(root, "made", error);
            return Err(match denied {
                true => failure,
                false => failure.help("mount the BPF file system: `mount -t bpf bpf /sys/fs/bpf`"),
            });
        }
        let lock = File::open(root).map_err(|error| explained(&Bpffs, root, "opened", error))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| explained(&Bpffs, root, "locked", error.into()))?;
        let pins = Pins { folders: Bpffs, _lock: Some(lock) };
        pins.recover()?;
        Ok(pins)
    }
}

/// The failure of an operation on the pins, with the rules that may have denied it.
fn explained(folders: &impl Folders, path: &Path, what: &str, error: io::Error) -> Failure {
    let failure = failure::at(path, what, error);
    let denials = folders.denials(what);
    if denials.is_empty() {
        return failure;
    }
    denials
        .into_iter()
        .fold(failure, Failure::note)
        .help("`krsi mode POLICY off RULE` turns such a rule off, or spare this program in it: `unless task.comm == \"krsi\"`")
}

impl<F: Folders> Pins<F> {
    fn recover(&self) -> Result<(), Failure> {
        let root = &root();
        for step in plan(&self.folders.names(root).map_err(|error| explained(&self.folders, root, "read", error))?) {
            self.run(&step)?;
        }
        Ok(())
    }

    fn run(&self, step: &Step) -> Result<(), Failure> {
        match step {
            Step::Remove(name) => self.remove(name),
            Step::Rename(from, to) => {
                let (old, new) = (folder(from), folder(to));
                self.passing(from, &old, || self.folders.rename(&old, &new))
                    .map_err(|error| explained(&self.folders, &old, "renamed", error))
            }
            Step::Enforce(name) => self.folders.switch(name, Force::Full),
        }
    }

    /// Does work on a path that rules of the policy itself, or of the one that it replaces, may deny, with any errno. Where it
    /// fails it is done again with such rules set aside.
    fn passing(&self, name: &str, path: &Path, work: impl Fn() -> io::Result<()>) -> io::Result<()> {
        let first = match work() {
            Ok(()) => return Ok(()),
            Err(error) if !self.folders.exists(path) => return Err(error),
            Err(error) => error,
        };
        let name = name.rsplit('~').next().unwrap_or(name);
        let switch = |prefixes: &[&str], force| -> io::Result<()> {
            for folder in prefixes.iter().map(|prefix| format!("{prefix}{name}")) {
                if self.folders.exists(&self::folder(&folder)) {
                    self.folders.switch(&folder, force).map_err(|failure| io::Error::other(failure.message))?;
                }
            }
            Ok(())
        };
        // A policy that cannot be switched keeps the error that says more.
        let done = switch(&["", STAGING, READY, TRASH], Force::Passing).map_err(|_| first).and_then(|()| work());
        // What is trash goes, and what is being removed stays without force.
        switch(&["", READY], Force::Full).and(done)
    }

    /// A new empty folder to load a policy into.
    pub fn stage(&self, name: &str) -> Result<PathBuf, Failure> {
        let staging = folder(&format!("{STAGING}{name}"));
        for folder in [staging.clone(), staging.join("programs"), staging.join("maps"), staging.join("links")] {
            self.folders.make(&folder).map_err(|error| explained(&self.folders, &folder, "made", error))?;
        }
        Ok(staging)
    }

    /// Makes what was staged the policy of that name.
    pub fn commit(&self, name: &str) -> Result<(), Failure> {
        let staging = format!("{STAGING}{name}");
        // Rules that were set aside while the pins were made.
        self.run(&Step::Enforce(staging.clone()))?;
        self.run(&Step::Rename(staging, format!("{READY}{name}")))?;
        self.recover()
    }

    /// Removes what was staged.
    pub fn abandon(&self, name: &str) -> Result<(), Failure> {
        self.remove(&format!("{STAGING}{name}"))
    }

    /// Removes a policy.
    pub fn unload(&self, name: &str) -> Result<(), Failure> {
        self.run(&Step::Rename(name.to_owned(), format!("{TRASH}{name}")))?;
        self.recover()
    }

    /// Removes a folder. No rule of it does anything from the first step on. Returns when the programs have run for the last
    /// time.
    fn remove(&self, name: &str) -> Result<(), Failure> {
        let folder = folder(name);
        let programs = self.folders.programs(&folder.join("programs"));
        // Where the modes cannot be written, rules count until the kernel has detached their programs.
        let _ = self.folders.switch(name, Force::Nothing);
        if let Err(failure) = self.clear(name, &folder) {
            let detaching = self.folders.names(&folder.join("links")).is_ok_and(|links| links.is_empty());
            if !detaching {
                return Err(failure);
            }
            self.detached(&programs);
            self.clear(name, &folder)?;
        }
        self.detached(&programs);
        Ok(())
    }

    /// Removes the pins and the folders, links first, so that what is half removed does nothing.
    fn clear(&self, name: &str, folder: &Path) -> Result<(), Failure> {
        let failed = |path: &Path, what: &str, error| explained(&self.folders, path, what, error);
        for part in ["links", "programs", "maps"] {
            let part = folder.join(part);
            for pin in self.folders.names(&part).map_err(|error| failed(&part, "read", error))? {
                let pin = part.join(pin);
                self.passing(name, &pin, || self.folders.remove_pin(&pin))
                    .map_err(|error| failed(&pin, "removed", error))?;
            }
            self.remove_folder(name, &part)?;
        }
        self.remove_folder(name, folder)
    }

    fn remove_folder(&self, name: &str, folder: &Path) -> Result<(), Failure> {
        match self.passing(name, folder, || self.folders.remove_folder(folder)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound || self.folders.exists(folder) => {
                Err(explained(&self.folders, folder, "removed", error))
            }
            _ => Ok(()),
        }
    }

    /// Waits until the kernel has detached programs.
    ///
    /// The kernel lets go of a link some time after its pin is gone, and of its id before it detaches the program; but it holds
    /// the program until it has (`bpf_link_free`). So the programs' ids tell.
    fn detached(&self, programs: &[u32]) {
        let start = Instant::now();
        let left = || {
            let left = self.folders.running(programs);
            if left > 0 {
                self.folders.pause();
            }
            left
        };
        wait(left, io::stderr().is_terminal(), || start.elapsed(), cli::tell);
    }
}

/// How long to wait for the kernel to detach what was removed. Each program takes a grace period of RCU tasks: milliseconds, but
/// on a busy machine with many programs seconds.
const DETACH: Duration = Duration::from_secs(20);

/// How long to wait without a word.
const SILENT: Duration = Duration::from_secs(1);

/// Waits until nothing is left. Says that it waits where somebody looks on, and that it has given up in any case.
fn wait(mut left: impl FnMut() -> usize, watched: bool, elapsed: impl Fn() -> Duration, mut say: impl FnMut(&str)) {
    let mut silent = watched;
    loop {
        let programs = match left() {
            0 => return,
            1 => "1 program".to_owned(),
            count => format!("{count} programs"),
        };
        if elapsed() >= DETACH {
            say(&format!(
                "warning: the kernel has not detached {programs} within {} s: what they deny is denied until it has; \
                 `bpftool prog` shows them",
                DETACH.as_secs()
            ));
            return;
        }
        if silent && elapsed() >= SILENT {
            say(&format!("waiting for the kernel to detach {programs}"));
            silent = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::{BTreeMap, BTreeSet};
    use std::rc::Rc;

    use super::*;

    /// Does a step to a list of names as the file system would.
    fn apply(names: &mut Vec<String>, step: &Step) {
        match step {
            Step::Enforce(name) => assert!(names.contains(name), "{name} is not there"),
            Step::Remove(name) => names.retain(|known| known != name),
            Step::Rename(from, to) => {
                assert!(names.contains(from), "{from} is not there");
                assert!(!names.contains(to), "{to} is there already");
                names.retain(|known| known != from);
                names.push(to.clone());
            }
        }
    }

    /// Whatever is left, and wherever recovery itself is killed, it ends in the same state.
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

    /// Steps in the order in which they count: the new policy is in force before the old one is removed.
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
            // Policies do not mix.
            (&["ready~b", "a", "trash~a"], vec![rename("ready~b", "b"), enforce("a"), enforce("b"), remove("trash~a")]),
        ] {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(plan(&names), steps, "{names:?}");
        }
    }

    /// A policy's folder in memory.
    #[derive(Clone)]
    struct Held {
        /// Tells the policies of one name apart.
        label: &'static str,
        /// Its programs have it as well, and run on without their pins.
        force: Rc<Cell<Force>>,
        /// Operations that its rules deny: `mkdir`, `rename`, `unlink`, `rmdir`.
        denies: &'static [&'static str],
        folders: BTreeSet<String>,
        pins: BTreeSet<String>,
    }

    impl Held {
        fn has_link(&self) -> bool {
            self.pins.iter().any(|pin| pin.starts_with("links/"))
        }
    }

    /// A program whose link is gone and that the kernel has not detached yet.
    #[derive(Clone)]
    struct Detaching {
        force: Rc<Cell<Force>>,
        denies: &'static [&'static str],
        /// How often somebody has to look until it is detached.
        looks: usize,
    }

    /// The pins in memory. The kernel keeps programs for a while after their links; each operation may be the last.
    #[derive(Default)]
    struct Memory {
        held: RefCell<BTreeMap<String, Held>>,
        detaching: RefCell<Vec<Detaching>>,
        /// Operations until the command is killed.
        left: Cell<Option<usize>>,
        /// Operations that changed something.
        changes: Cell<usize>,
        /// Modes cannot be written.
        fixed_modes: Cell<bool>,
        /// The error of what rules deny.
        errno: Cell<Option<io::ErrorKind>>,
    }

    /// `NAME`, or `NAME` and what is below it.
    fn split(path: &Path) -> (String, String) {
        let below = path.strip_prefix(PIN_ROOT).expect("a path below the root").to_str().expect("text");
        let (name, rest) = below.split_once('/').unwrap_or((below, ""));
        (name.to_owned(), rest.to_owned())
    }

    impl Memory {
        fn copy(&self) -> Memory {
            let held = self.held.borrow();
            let held = held.iter().map(|(name, held)| {
                let force = Rc::new(Cell::new(held.force.get()));
                (name.clone(), Held { force, ..held.clone() })
            });
            // What is being detached is detached by then.
            Memory { held: RefCell::new(held.collect()), ..Memory::default() }
        }

        fn step(&self, operation: &str) -> io::Result<()> {
            match self.left.get() {
                Some(0) => return Err(io::Error::other("killed")),
                left => self.left.set(left.map(|left| left - 1)),
            }
            let denies = |force: Force, denies: &[&str]| force == Force::Full && denies.contains(&operation);
            let held = self.held.borrow().values().any(|held| held.has_link() && denies(held.force.get(), held.denies));
            let detaching = self.detaching.borrow().iter().any(|late| denies(late.force.get(), late.denies));
            if held || detaching {
                return Err(self.errno.get().unwrap_or(io::ErrorKind::PermissionDenied).into());
            }
            self.changes.set(self.changes.get() + 1);
            Ok(())
        }

        /// Pins something into a folder, as a load does.
        fn pin(&self, name: &str, pin: &str) -> io::Result<()> {
            self.step("mknod")?;
            self.held.borrow_mut().get_mut(name).expect("the folder is there").pins.insert(pin.to_owned());
            Ok(())
        }

        /// Folder and label of all that has its links, and force.
        fn enforced(&self) -> Vec<(String, &'static str)> {
            let held = self.held.borrow();
            let whole = held
                .iter()
                .filter(|(_, held)| PINS.iter().all(|pin| held.pins.contains(*pin)) && held.force.get() == Force::Full);
            whole.map(|(name, held)| (name.clone(), held.label)).collect()
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
            Ok(pins.iter().filter_map(|pin| pin.strip_prefix(&format!("{part}/")).map(str::to_owned)).collect())
        }

        fn exists(&self, path: &Path) -> bool {
            let (name, rest) = split(path);
            let held = self.held.borrow();
            held.get(&name)
                .is_some_and(|held| rest.is_empty() || held.folders.contains(&rest) || held.pins.contains(&rest))
        }

        fn make(&self, folder: &Path) -> io::Result<()> {
            self.step("mkdir")?;
            let (name, part) = split(folder);
            let mut held = self.held.borrow_mut();
            if part.is_empty() {
                let made = Held {
                    label: LABEL.get(),
                    force: Rc::new(Cell::new(Force::Passing)),
                    denies: DENIES.get(),
                    folders: BTreeSet::new(),
                    pins: BTreeSet::new(),
                };
                assert!(held.insert(name, made).is_none(), "it is there already");
            } else {
                held.get_mut(&name).expect("the policy's folder comes first").folders.insert(part);
            }
            Ok(())
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step("rename")?;
            let mut held = self.held.borrow_mut();
            let moved = held.remove(&split(from).0).ok_or(io::ErrorKind::NotFound)?;
            assert!(held.insert(split(to).0, moved).is_none(), "{} is there already", to.display());
            Ok(())
        }

        fn remove_pin(&self, pin: &Path) -> io::Result<()> {
            self.step("unlink")?;
            let (name, pin) = split(pin);
            let mut all = self.held.borrow_mut();
            let held = all.get_mut(&name).ok_or(io::ErrorKind::NotFound)?;
            assert!(pin.starts_with("links/") || !held.has_link(), "{pin} of {name} went before a link");
            assert!(held.pins.remove(&pin), "{pin} is not there");
            if pin.starts_with("links/") {
                let (force, denies) = (held.force.clone(), held.denies);
                self.detaching.borrow_mut().push(Detaching { force, denies, looks: 3 });
            }
            Ok(())
        }

        fn remove_folder(&self, folder: &Path) -> io::Result<()> {
            // The kernel looks for the folder before it asks anybody (`do_rmdir`).
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

        fn switch(&self, name: &str, force: Force) -> Result<(), Failure> {
            let held = self.held.borrow();
            let held = held.get(name).ok_or_else(|| Failure::usage("no such folder"))?;
            // As `aside::switched`: nothing to do, no modes yet, or no way back by `Passing`.
            if held.force.get() == force
                || !held.pins.contains("maps/modes")
                || force == Force::Passing && held.force.get() == Force::Nothing
            {
                return Ok(());
            }
            if self.fixed_modes.get() {
                return Err(Failure::usage("the modes cannot be written"));
            }
            self.step("bpf").map_err(|error| Failure::usage(error.to_string()))?;
            held.force.set(force);
            Ok(())
        }

        fn programs(&self, _: &Path) -> Vec<u32> {
            vec![7]
        }

        fn running(&self, programs: &[u32]) -> usize {
            assert_eq!(programs, [7]);
            let mut detaching = self.detaching.borrow_mut();
            detaching.iter_mut().for_each(|late| late.looks -= 1);
            detaching.retain(|late| late.looks > 0);
            detaching.len()
        }

        fn pause(&self) {}

        fn denials(&self, what: &str) -> Vec<String> {
            vec![format!("something denies that it is {what}")]
        }
    }

    thread_local! {
        /// What the next folder is made for.
        static LABEL: Cell<&'static str> = const { Cell::new("old") };
        static DENIES: Cell<&'static [&'static str]> = const { Cell::new(&[]) };
    }

    const PINS: [&str; 5] = ["maps/manifest", "maps/modes", "programs/h", "links/g", "links/h"];

    /// What `krsi load` does to the pins, after the lock is taken.
    fn load(pins: &Pins<Memory>, label: &'static str, denies: &'static [&'static str]) -> Result<(), Failure> {
        pins.recover()?;
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
        pins.recover()?;
        pins.unload("p")
    }

    fn pins_of(folders: Memory) -> Pins<Memory> {
        Pins { folders, _lock: None }
    }

    fn with_old(denies: &'static [&'static str]) -> Pins<Memory> {
        let pins = pins_of(Memory::default());
        load(&pins, "old", denies).expect("nothing keeps it from being loaded");
        pins
    }

    /// The policy is wholly there, in force and alone, or nothing is there; its label.
    fn settled(memory: &Memory, context: &str) -> Option<&'static str> {
        let held = memory.held.borrow();
        let names: Vec<&String> = held.keys().collect();
        if names.is_empty() {
            return None;
        }
        assert_eq!(names, ["p"], "{context}");
        assert_eq!(memory.enforced().len(), 1, "{context}: it is not wholly in force");
        Some(held["p"].label)
    }

    /// Interrupts a command after each of its operations, and recovery after each of its own. `from` and `to` are the only
    /// policies that may be there in the end. With `always` one policy is in force at every moment.
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
            // Nothing that is listed is unfinished; a rule in the way may be set aside.
            for name in loaded_in(&pins.folders.copy()).expect("they can be listed") {
                assert!(PINS.iter().all(|pin| pins.folders.held.borrow()[&name].pins.contains(*pin)), "{context}");
            }
            for recovery_killed_after in 0.. {
                let again = pins_of(pins.folders.copy());
                again.folders.left.set(Some(recovery_killed_after));
                let recovered = again.recover();
                let context = format!("{context}, recovery after {recovery_killed_after}");
                if always {
                    assert!(!again.folders.enforced().is_empty(), "{context}: nothing is in force");
                }
                let last = pins_of(again.folders.copy());
                last.recover().unwrap_or_else(|why| panic!("{context}: {why}"));
                let there = settled(&last.folders, &context);
                assert!(there == before || there == to, "{context}: {there:?}");
                let changes = last.folders.changes.get();
                last.recover().expect("nothing is left to do");
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

    /// Policies that deny nothing of what krsi does, and ones that deny each operation to everybody.
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

    /// `deny ENOENT` does not make what is there look gone.
    #[test]
    fn a_denial_has_any_error() {
        for kind in [io::ErrorKind::NotFound, io::ErrorKind::AlreadyExists, io::ErrorKind::CrossesDevices] {
            let pins = pins_of(Memory::default());
            pins.folders.errno.set(Some(kind));
            for label in ["old", "new"] {
                load(&pins, label, &["rmdir", "unlink", "rename"]).expect("its own rules are set aside");
                assert_eq!(settled(&pins.folders, label), Some(label));
            }
            unload(&pins).expect("its own rules are set aside");
            assert_eq!(settled(&pins.folders, "unloaded"), None);
            // Rules that stay in force keep the folder.
            let pins = with_old(&[]);
            pins.folders.errno.set(Some(kind));
            let mut other = pins.folders.held.borrow()["p"].clone();
            (other.force, other.denies) = (Rc::new(Cell::new(Force::Full)), &["rmdir"]);
            pins.folders.held.borrow_mut().insert("other".into(), other);
            assert!(unload(&pins).is_err(), "{kind}");
        }
    }

    /// Rules on folders that the old policy denies to make are not set aside while the new one is loaded, which takes long.
    #[test]
    fn a_policy_that_denies_new_folders_keeps_its_place() {
        let pins = with_old(&["mkdir"]);
        let failure = load(&pins, "new", &[]).expect_err("no folder can be made").to_string();
        assert!(failure.contains("note: something denies that it is made"), "{failure}");
        assert_eq!(settled(&pins.folders, "refused"), Some("old"));
        unload(&pins).expect("no folder is made");
        assert_eq!(settled(&pins.folders, "unloaded"), None);
    }

    /// Rules of another policy are not set aside: what they deny fails, is explained, and leaves the policy in force.
    #[test]
    fn another_policy_denies() {
        for operation in ["rename", "unlink"] {
            let pins = with_old(&[]);
            let mut other = pins.folders.held.borrow()["p"].clone();
            other.force = Rc::new(Cell::new(Force::Full));
            other.denies = if operation == "rename" { &["rename"] } else { &["unlink"] };
            pins.folders.held.borrow_mut().insert("other".into(), other);
            let failure = unload(&pins).expect_err("it is denied").to_string();
            let what = if operation == "rename" { "renamed" } else { "removed" };
            assert!(failure.contains(&format!("note: something denies that it is {what}")), "{failure}");
            assert!(failure.contains("`krsi mode POLICY off RULE`"), "{failure}");
            let held = pins.folders.held.borrow();
            assert_eq!(held["other"].force.get(), Force::Full);
            match operation {
                "rename" => assert_eq!(held["p"].force.get(), Force::Full, "the policy stays as it was"),
                // What is trash stays without force until somebody can remove it.
                _ => assert_eq!(held["trash~p"].force.get(), Force::Nothing),
            }
        }
    }

    /// Without modes that can be written, removal goes on when the kernel has detached the programs.
    #[test]
    fn removal_waits_for_programs_that_deny_it() {
        let pins = with_old(&["rmdir"]);
        pins.folders.fixed_modes.set(true);
        unload(&pins).expect("the programs are detached in the end");
        assert_eq!(settled(&pins.folders, "unloaded"), None);
        // A program that denies the removal of its link stays: there is nothing to wait for.
        let pins = with_old(&["unlink"]);
        pins.folders.fixed_modes.set(true);
        assert!(unload(&pins).is_err());
    }

    /// The command ends when the programs have run for the last time.
    #[test]
    fn removal_ends_after_the_last_run() {
        let pins = with_old(&[]);
        unload(&pins).expect("nothing denies it");
        assert!(pins.folders.detaching.borrow().is_empty());
    }

    #[test]
    fn paths_of_pins() {
        assert_eq!(folder("web"), Path::new("/sys/fs/bpf/krsi/web"));
        assert_eq!(parts(&folder("web"), "file_open"), Path::new("/sys/fs/bpf/krsi/web/maps/parts-file_open"));
    }

    /// Unfinished folders are no policies.
    #[test]
    fn listed_are_whole_policies_by_name() {
        let pins = with_old(&[]);
        let held = pins.folders.held.borrow()["p"].clone();
        for name in ["a", "staging~q", "ready~r", "trash~s"] {
            pins.folders.held.borrow_mut().insert(name.into(), held.clone());
        }
        assert_eq!(loaded_in(&pins.folders).expect("they can be read"), ["a", "p"]);
    }

    #[test]
    fn waiting_is_told_once_and_ends() {
        let said = |watched: bool, detached_after_s: u64| {
            let (now, mut words) = (Cell::new(0), Vec::new());
            let left = || {
                now.set(now.get() + 300);
                usize::from(now.get() < 1000 * detached_after_s)
            };
            wait(left, watched, || Duration::from_millis(now.get()), |text| words.push(text.to_owned()));
            words
        };
        assert_eq!(said(true, 0), [""; 0]);
        assert_eq!(said(true, 1), [""; 0]);
        assert_eq!(said(false, 9), [""; 0]);
        assert_eq!(said(true, 9), ["waiting for the kernel to detach 1 program"]);
        assert_eq!(said(false, 99).len(), 1);
        let late = said(true, 99);
        assert!(late.len() == 2 && late[1].starts_with("warning: the kernel has not detached 1 program"), "{late:?}");
        assert!(late[1].contains("within 20 s"), "{late:?}");
    }

    #[test]
    fn names_that_no_pin_can_have_are_refused() {
        for name in ["", "a.b", "../x", "a b", "staging~a", "ä", &"x".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        for name in ["no-exec_2", "x", &"x".repeat(64)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
    }
}
