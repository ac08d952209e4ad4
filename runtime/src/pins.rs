//! The folders below `/sys/fs/bpf/krsi`, one per policy, and the steps that change them.
//!
//! ```text
//! /sys/fs/bpf/krsi/NAME/programs/HOOK   one program per hook
//!                      /maps/manifest   the policy's manifest
//!                      /maps/events     the ring buffer, if any rule audits or denies
//!                      /maps/lost       event counters
//!                      /maps/constants  parameters and tables
//!                      /maps/modes      stage of the policy, mode and effective action of each rule
//!                      /maps/set-NAME   the elements of a dynamic set
//!                      /maps/KIND-labels  labels of tasks, inodes or sockets
//!                      /maps/parts-HOOK   the tail-called programs of HOOK, if any
//!                      /links/HOOK      the link that keeps the program attached
//!                  NAME~NUMBER          the same, of a newer or an older policy of that name
//! ```
//!
//! The stage in the map of modes, not the name of the folder, tells whether a policy is in force
//! ([`krsi_abi::modes::Stage`]). A policy is pending until its load has done everything else, and retired before its
//! removal begins, so that one write to the map begins or ends its enforcement as a whole:
//!
//! ```text
//! load      make NAME~1, pin all, rename it to NAME, enforce NAME
//! replace   make NAME~1, pin all, enforce NAME~1, retire NAME, remove NAME, rename NAME~1 to NAME
//! unload    retire NAME, remove NAME
//! ```
//!
//! Before any link is pinned, a load tries whether the rules on bpf(2) let this process undo what it does; if not, closing
//! the links detaches the programs.
//!
//! A command that dies leaves the older policy or the newer one in force, or both between the two writes of a
//! replacement. The next holder of the lock completes it ([`plan`]): of the policies of one name the newest in force
//! stays, and all others are retired and removed.
//!
//! Nothing that a rule denies to `krsi` makes a half: while a policy is loaded its rules have no effect, and once it is
//! retired they have none any more. A policy that denies the removal of its predecessor leaves that one attached without
//! effect, until the next unload.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use krsi_abi::PIN_ROOT;
use krsi_abi::modes::Stage;

use crate::bpffs::Bpffs;
use crate::cli;
use crate::failure::{self, Failure};
use crate::load::not_loaded;
use crate::lock;

/// The operations used for loading, unloading and recovery. Each is one system call or changes nothing, except
/// [`Folders::enforce`]. The tests implement them in memory and interrupt a command before any of them.
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
    /// Returns the stage of the policy in a folder; `None` if the folder has no modes. A policy whose modes cannot be
    /// read counts as one in force, so that it is not removed.
    fn stage(&self, folder: &Path) -> Option<Stage>;
    /// Ends the enforcement of the policy in a folder by one write. A folder without modes is left alone.
    fn retire(&self, folder: &Path) -> Result<(), Failure>;
    /// Enforces the policy in a folder by one write, and then retires the policy in `old` by another. Fails before the
    /// second if the new policy would not let itself be unloaded.
    fn enforce(&self, folder: &Path, old: Option<&Path>) -> Result<(), Failure>;
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

/// The folder of a loaded policy: that of its name, unless a policy in force has another one.
pub fn folder(name: &str) -> PathBuf {
    let plain = root().join(name);
    let Ok(names) = Bpffs.names(&root()) else { return plain };
    let names: Vec<String> =
        names.into_iter().filter(|entry| split(entry).is_some_and(|(policy, _)| policy == name)).collect();
    if names.iter().all(|entry| entry == name) {
        return plain;
    }
    live(&entries(&Bpffs, names), name).map_or(plain, Entry::folder)
}

/// Path of the pinned program array for a hook's tail calls, in a policy's folder. The pin is needed because
/// the kernel clears a program array when the last user-space reference is gone (`prog_array_map_clear`).
pub fn tail_call_array(folder: &Path, hook: &str) -> PathBuf {
    folder.join("maps").join(format!("parts-{hook}"))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Checks a policy name. bpffs does not allow dots in names, `~` separates the number of a folder, and a name that begins
/// with `-` looks like an option.
pub fn check_name(name: &str) -> Result<(), Failure> {
    if is_name(name) {
        return Ok(());
    }
    Err(Failure::usage(format!("invalid policy name `{}`", name.escape_debug()))
        .help("a name consists of 1 to 64 letters, digits, `-` and `_`, and does not begin with `-`"))
}

/// Splits the name of a folder into that of its policy and its number, which is 0 for a folder without one. `None` if a
/// load does not create such a name.
fn split(entry: &str) -> Option<(&str, u32)> {
    let (policy, number) = match entry.split_once('~') {
        None => (entry, 0),
        Some((policy, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => (policy, number.parse().ok()?),
        Some(_) => return None,
    };
    is_name(policy).then_some((policy, number))
}

/// A folder below the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name of the folder.
    pub name: String,
    /// The stage of its policy; `None` if it is incomplete, or not a folder of a policy.
    pub stage: Option<Stage>,
}

impl Entry {
    /// Path of the folder of the entry.
    pub fn folder(&self) -> PathBuf {
        root().join(&self.name)
    }

    /// Name of the policy, unless a load does not create such a folder.
    pub fn policy(&self) -> Option<&str> {
        split(&self.name).map(|(policy, _)| policy)
    }

    fn number(&self) -> u32 {
        split(&self.name).map_or(0, |(_, number)| number)
    }
}

fn entries(folders: &impl Folders, mut names: Vec<String>) -> Vec<Entry> {
    names.sort();
    let entry = |name: String| {
        let folder = root().join(&name);
        let stage = match folders.stage(&folder) {
            // A policy without rules has no modes, and is in force by its name. Links are removed before modes.
            None if is_name(&name) && folders.is_folder(&folder) => {
                let linked = folders.names(&folder.join("links")).is_ok_and(|links| !links.is_empty());
                Some(if linked { Stage::InForce } else { Stage::Retired })
            }
            stage => stage,
        };
        Entry { name, stage }
    };
    names.into_iter().map(entry).collect()
}

/// The newest policy of a name that is in force.
fn live<'e>(entries: &'e [Entry], policy: &str) -> Option<&'e Entry> {
    let of = entries.iter().filter(|entry| entry.stage == Some(Stage::InForce) && entry.policy() == Some(policy));
    of.max_by_key(|entry| entry.number())
}

/// The policies that are in force, and the folders that interrupted commands have left.
#[derive(Debug, Default)]
pub struct State {
    /// Sorted names of the policies in force.
    pub loaded: Vec<String>,
    /// Folders of other policies, and entries that are not policies.
    pub left: Vec<Entry>,
    /// A command holds the lock, so that what is left may be its work in progress.
    pub busy: bool,
}

/// Reads the state of all policies from the kernel. Needs no lock.
pub fn state() -> Result<State, Failure> {
    match lock::open()? {
        Some(root) => Ok(State { busy: lock::is_held(&root), ..state_in(&Bpffs)? }),
        None => Ok(State::default()),
    }
}

fn state_in(folders: &impl Folders) -> Result<State, Failure> {
    let root = root();
    let names = folders.names(&root).map_err(|error| with_denials(folders, &root, "read", error))?;
    let entries = entries(folders, names);
    let is_live =
        |entry: &&Entry| entry.policy().is_some_and(|policy| live(&entries, policy).is_some_and(|live| live == *entry));
    let mut loaded: Vec<String> =
        entries.iter().filter(is_live).filter_map(|entry| entry.policy().map(str::to_owned)).collect();
    loaded.sort();
    let left = entries.iter().filter(|entry| !is_live(entry)).cloned().collect();
    Ok(State { loaded, left, busy: false })
}

/// Returns the sorted names of the loaded policies.
pub fn loaded() -> Result<Vec<String>, Failure> {
    Ok(state()?.loaded)
}

/// Checks that a policy is loaded, or that pins of it are left to be removed.
pub fn check_unload(name: &str) -> Result<(), Failure> {
    let left = state()?.left;
    if left.iter().any(|entry| entry.policy() == Some(name)) {
        return Ok(());
    }
    find(name).map(drop)
}

/// Returns the folder of a loaded policy.
pub fn find(name: &str) -> Result<PathBuf, Failure> {
    check_name(name)?;
    let State { loaded, left, .. } = state()?;
    if loaded.iter().any(|known| known == name) {
        return Ok(folder(name));
    }
    match left.iter().any(|entry| entry.policy() == Some(name)) {
        true => Err(not_loaded(name).note(format!("an interrupted command left pins of `{name}`; see `krsi list`"))),
        false => Err(not_loaded(name)),
    }
}

/// One step of recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// End the enforcement of the policy in the folder.
    Retire(String),
    /// Remove the folder and its contents.
    Remove(String),
    /// Rename the folder to a name that does not exist.
    Rename(String, String),
}

/// Computes the steps that complete interrupted commands. Running all steps, or some of them and then the steps of a new
/// plan, leads to the same state.
///
/// The newest policy in force stays, and the others of its name are retired before anything is removed. Entries of
/// unknown names are removed unless they are in force.
pub fn plan(entries: &[Entry]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut policies: Vec<&str> = entries.iter().filter_map(Entry::policy).collect();
    policies.sort_unstable();
    policies.dedup();
    for policy in policies {
        let live = live(entries, policy);
        let others = entries.iter().filter(|entry| entry.policy() == Some(policy) && Some(*entry) != live);
        let in_force = others.clone().filter(|entry| entry.stage == Some(Stage::InForce));
        steps.extend(in_force.map(|entry| Step::Retire(entry.name.clone())));
        // A plain name that is not a policy's folder was not created by a load.
        let removed = others.filter(|entry| entry.name != policy || entry.stage.is_some());
        steps.extend(removed.map(|entry| Step::Remove(entry.name.clone())));
        steps.extend(
            live.filter(|live| live.name != policy).map(|live| Step::Rename(live.name.clone(), policy.to_owned())),
        );
    }
    let strays = entries.iter().filter(|entry| entry.policy().is_none() && entry.stage != Some(Stage::InForce));
    steps.extend(strays.map(|entry| Step::Remove(entry.name.clone())));
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

/// Retires a policy without the lock, whose folder its own rules may keep closed to `krsi`.
pub fn retire_unlocked(name: &str) {
    let _ = Bpffs.retire(&root().join(name));
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
    fn entries(&self) -> Result<Vec<Entry>, Failure> {
        let root = root();
        let names = self.folders.names(&root).map_err(|error| with_denials(&self.folders, &root, "read", error))?;
        Ok(entries(&self.folders, names))
    }

    /// Completes interrupted commands. What is left of one policy does not prevent commands on others: a step that fails
    /// is reported only for policy `own`, as a warning, and otherwise by `krsi list`.
    fn recover(&self, own: Option<&str>) -> Result<(), Failure> {
        let mut failed = Vec::new();
        for step in plan(&self.entries()?) {
            let (Step::Retire(name) | Step::Remove(name) | Step::Rename(name, _)) = &step;
            let policy = split(name).map_or(name.as_str(), |(policy, _)| policy);
            // A folder cannot be renamed to a name that is still in use.
            if matches!(step, Step::Rename(..)) && failed.iter().any(|known| known == policy) {
                continue;
            }
            let Err(failure) = self.run(&step) else { continue };
            if own == Some(policy) && !matches!(step, Step::Rename(..)) {
                self.folders.warn(&format!(
                    "the pins of an older `{policy}` stay in `{name}`, without effect, until `krsi unload {policy}`: {}",
                    failure.message
                ));
            }
            failed.push(policy.to_owned());
        }
        Ok(())
    }

    fn run(&self, step: &Step) -> Result<(), Failure> {
        match step {
            Step::Retire(name) => self.folders.retire(&root().join(name)),
            Step::Remove(name) => self.remove(name),
            Step::Rename(from, to) => {
                let (old, new) = (root().join(from), root().join(to));
                self.folders.rename(&old, &new).map_err(|error| with_denials(&self.folders, &old, "rename", error))
            }
        }
    }

    /// Creates a new folder to load a policy into.
    pub fn stage(&self, name: &str) -> Result<PathBuf, Failure> {
        let entries = self.entries()?;
        let used = entries.iter().filter(|entry| entry.policy() == Some(name)).map(Entry::number).max();
        let staging = root().join(format!("{name}~{}", used.unwrap_or(0) + 1));
        for folder in [staging.clone(), staging.join("programs"), staging.join("maps"), staging.join("links")] {
            self.folders.make(&folder).map_err(|error| with_denials(&self.folders, &folder, "create", error))?;
        }
        Ok(staging)
    }

    /// Makes the staged policy the loaded policy of that name.
    pub fn commit(&self, name: &str, staging: &Path) -> Result<(), Failure> {
        let plain = root().join(name);
        let old = live(&self.entries()?, name).map(Entry::folder);
        // The policy is not in force yet and cannot deny this. It is complete under either name.
        let renamed = !self.folders.exists(&plain) && self.folders.rename(staging, &plain).is_ok();
        let new = if renamed { &plain } else { staging };
        self.folders.enforce(new, old.as_deref()).inspect_err(|_| {
            let _ = self.abandon(new);
        })?;
        self.recover(Some(name))
    }

    /// Removes a policy that is not loaded completely.
    pub fn abandon(&self, staging: &Path) -> Result<(), Failure> {
        let name = staging.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        self.remove(name)
    }

    /// Removes the loaded policy of that name, and what is left of earlier ones.
    pub fn unload(&self, name: &str) -> Result<(), Failure> {
        let entries = self.entries()?;
        let of: Vec<&Entry> = entries.iter().filter(|entry| entry.policy() == Some(name)).collect();
        let in_force = of.iter().filter(|entry| entry.stage == Some(Stage::InForce));
        // If the modes cannot be written, the rules stay in force until the kernel has detached their programs.
        let retired = in_force.map(|entry| self.folders.retire(&entry.folder())).all(|retired| retired.is_ok());
        let mut done = Ok(());
        for entry in of {
            done = done.and(self.remove(&entry.name));
        }
        done.map_err(|failure| match retired {
            true => failure
                .note(format!("policy `{name}` is not enforced any more, but some of its pins are left"))
                .help("the next command that changes a policy removes them if it can"),
            false => failure,
        })
    }

    /// Removes a policy's folder. Returns when the kernel has detached the programs.
    fn remove(&self, name: &str) -> Result<(), Failure> {
        let folder = root().join(name);
        let programs = self.folders.programs(&folder.join("programs"));
        let in_force = self.folders.stage(&folder) == Some(Stage::InForce);
        if let Err(failure) = self.remove_contents(&folder) {
            let detaching = self.folders.names(&folder.join("links")).is_ok_and(|links| links.is_empty());
            // The rules of a retired policy deny nothing, so that waiting for their end does not help.
            if !detaching || !in_force {
                return Err(failure);
            }
            self.wait_until_detached(&programs);
            self.remove_contents(&folder)?;
        }
        self.wait_until_detached(&programs);
        Ok(())
    }

    /// Removes the pins and then the folder itself. The links go first, so that a partly removed policy is not
    /// attached.
    fn remove_contents(&self, folder: &Path) -> Result<(), Failure> {
        let mut done = Ok(());
        for part in ["links", "programs", "maps"] {
            let part = folder.join(part);
            done = done.and(self.remove_tree(&part));
            // Where rules deny the removal of folders, empty ones stay.
            if done.is_err() && self.folders.names(&part).map_or(true, |pins| !pins.is_empty()) {
                return done;
            }
        }
        done.and_then(|()| self.remove_tree(folder))
    }

    /// Removes a pin, or a folder with all that is in it, which can be more than a load creates.
    fn remove_tree(&self, path: &Path) -> Result<(), Failure> {
        let failed = |operation: &str, error| with_denials(&self.folders, path, operation, error);
        if self.folders.is_folder(path) {
            for entry in self.folders.names(path).map_err(|error| failed("read", error))? {
                self.remove_tree(&path.join(entry))?;
            }
            return self.folders.remove_folder(path).map_err(|error| failed("remove", error));
        }
        match self.folders.exists(path) {
            true => self.folders.remove_pin(path).map_err(|error| failed("remove", error)),
            false => Ok(()),
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

    fn of(entries: &[(&str, Option<Stage>)]) -> Vec<Entry> {
        entries.iter().map(|(name, stage)| Entry { name: (*name).to_owned(), stage: *stage }).collect()
    }

    /// Applies a step to the entries, as the kernel would.
    fn apply(entries: &mut Vec<Entry>, step: &Step) {
        let at = |entries: &[Entry], name: &str| entries.iter().position(|entry| entry.name == name);
        match step {
            Step::Retire(name) => {
                let at = at(entries, name).expect("it exists");
                entries[at].stage = Some(Stage::Retired);
            }
            Step::Remove(name) => entries.retain(|entry| entry.name != *name),
            Step::Rename(from, to) => {
                assert_eq!(at(entries, to), None, "{to} already exists");
                let at = at(entries, from).expect("it exists");
                entries[at].name.clone_from(to);
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
    }

    const STAGES: [Option<Stage>; 4] = [None, Some(Stage::InForce), Some(Stage::Pending), Some(Stage::Retired)];

    /// Recovery from any state ends with the newest policy in force, even if recovery itself is killed at any step, and
    /// that policy is in force throughout.
    #[test]
    fn recovery_can_be_killed_anywhere() {
        for stages in STAGES.iter().flat_map(|a| STAGES.iter().flat_map(move |b| STAGES.map(|c| [*a, *b, c]))) {
            let all: Vec<(&str, Option<Stage>)> = ["p", "p~1", "p~2"]
                .into_iter()
                .zip(stages)
                .filter(|(name, stage)| *name != "p" || stage.is_some())
                .collect();
            let start = of(&all);
            let newest = live(&start, "p").is_some();
            for killed_after in 0..8 {
                let mut state = start.clone();
                for step in plan(&state).iter().take(killed_after) {
                    apply(&mut state, step);
                    assert_eq!(live(&state, "p").is_some(), newest, "{all:?} after {step:?}");
                }
                for step in plan(&state) {
                    apply(&mut state, &step);
                }
                let expected = if newest { of(&[("p", Some(Stage::InForce))]) } else { vec![] };
                assert_eq!(state, expected, "{all:?} killed after {killed_after} steps");
            }
        }
    }

    /// The order of the steps matters: older policies are retired before anything is removed.
    #[test]
    fn plans() {
        let remove = |name: &str| Step::Remove(name.into());
        let retire = |name: &str| Step::Retire(name.into());
        let rename = |from: &str, to: &str| Step::Rename(from.into(), to.into());
        const LIVE: Option<Stage> = Some(Stage::InForce);
        const PENDING: Option<Stage> = Some(Stage::Pending);
        const RETIRED: Option<Stage> = Some(Stage::Retired);
        for (entries, steps) in [
            (&[][..], vec![]),
            (&[("a", LIVE)], vec![]),
            (&[("a", PENDING)], vec![remove("a")]),
            (&[("a", LIVE), ("a~1", None)], vec![remove("a~1")]),
            (&[("a", LIVE), ("a~1", PENDING)], vec![remove("a~1")]),
            (&[("a", LIVE), ("a~1", LIVE)], vec![retire("a"), remove("a"), rename("a~1", "a")]),
            (&[("a", RETIRED), ("a~1", LIVE)], vec![remove("a"), rename("a~1", "a")]),
            (&[("a~1", LIVE)], vec![rename("a~1", "a")]),
            (&[("a~2", LIVE), ("a~10", LIVE)], vec![retire("a~2"), remove("a~2"), rename("a~10", "a")]),
            // Policies are independent of each other.
            (&[("a", RETIRED), ("a-b", LIVE), ("a~1", LIVE)], vec![remove("a"), rename("a~1", "a")]),
            // Other entries: those in force and plain names are left alone.
            (&[("trash~a", None), ("x~y", LIVE), ("file", None)], vec![remove("trash~a")]),
        ] {
            assert_eq!(plan(&of(entries)), steps, "{entries:?}");
        }
    }

    #[test]
    fn names_of_folders() {
        assert_eq!(split("web"), Some(("web", 0)));
        assert_eq!((split("web~1"), split("web~20")), (Some(("web", 1)), Some(("web", 20))));
        for name in ["web~", "web~x", "~1", "web~1~2", "web~99999999999", "a b", "web~-1"] {
            assert_eq!(split(name), None, "{name}");
        }
    }

    /// A policy's folder in memory.
    #[derive(Clone)]
    struct Held {
        /// Distinguishes policies of one name.
        label: &'static str,
        /// Shared with the policy's programs, which keep running after their pins are gone.
        stage: Rc<Cell<Stage>>,
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
        stage: Rc<Cell<Stage>>,
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
        warnings: RefCell<Vec<String>>,
    }

    /// Splits a path into the policy's folder name and the rest.
    fn parts(path: &Path) -> (String, String) {
        let below = path.strip_prefix(PIN_ROOT).expect("a path below the root").to_str().expect("text");
        let (name, rest) = below.split_once('/').unwrap_or((below, ""));
        (name.to_owned(), rest.to_owned())
    }

    impl Memory {
        fn copy(&self) -> Memory {
            let held = self.held.borrow();
            let held = held.iter().map(|(name, held)| {
                let stage = Rc::new(Cell::new(held.stage.get()));
                (name.clone(), Held { stage, ..held.clone() })
            });
            // Programs of the original are detached by the time the copy is used.
            Memory { held: RefCell::new(held.collect()), ..Memory::default() }
        }

        fn step(&self, operation: &str) -> io::Result<()> {
            match self.left.get() {
                Some(0) => return Err(io::Error::other("killed")),
                left => self.left.set(left.map(|left| left - 1)),
            }
            let denies = |stage: Stage, denies: &[&str]| stage == Stage::InForce && denies.contains(&operation);
            let held = self.held.borrow().values().any(|held| held.has_link() && denies(held.stage.get(), held.denies));
            let detaching = self.detaching.borrow().iter().any(|late| denies(late.stage.get(), late.denies));
            if held || detaching {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            self.changes.set(self.changes.get() + 1);
            Ok(())
        }

        /// Adds a pin to a folder, as a load does.
        fn pin(&self, folder: &Path, pin: &str) -> io::Result<()> {
            self.step("mknod")?;
            self.held.borrow_mut().get_mut(&parts(folder).0).expect("it exists").pins.insert(pin.to_owned());
            Ok(())
        }

        /// The labels of the policies of which a rule is in force, each with true if all its links are.
        fn enforced(&self) -> Vec<(&'static str, bool)> {
            let held = self.held.borrow();
            let in_force = held.values().filter(|held| held.stage.get() == Stage::InForce && held.has_link());
            in_force.map(|held| (held.label, PINS.iter().all(|pin| held.pins.contains(*pin)))).collect()
        }

        fn write(&self, folder: &Path, stage: Stage) -> Result<(), Failure> {
            if self.fixed_modes.get() {
                return Err(Failure::usage("the modes cannot be written"));
            }
            self.step("bpf").map_err(|error| Failure::usage(error.to_string()))?;
            self.held.borrow()[&parts(folder).0].stage.set(stage);
            Ok(())
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
            let (name, part) = parts(folder);
            let held = self.held.borrow();
            let Some(held) = held.get(&name) else { return Ok(vec![]) };
            let within = |path: &String| match &*part {
                "" => Some(path.split('/').next()?.to_owned()),
                part => Some(path.strip_prefix(part)?.strip_prefix('/')?.to_owned()),
            };
            let mut names: Vec<String> = held.pins.iter().chain(&held.folders).filter_map(within).collect();
            names.sort();
            names.dedup();
            Ok(names)
        }

        fn exists(&self, path: &Path) -> bool {
            let (name, rest) = parts(path);
            let held = self.held.borrow();
            held.get(&name)
                .is_some_and(|held| rest.is_empty() || held.folders.contains(&rest) || held.pins.contains(&rest))
        }

        fn is_folder(&self, path: &Path) -> bool {
            let (name, rest) = parts(path);
            let held = self.held.borrow();
            held.get(&name).is_some_and(|held| rest.is_empty() || held.folders.contains(&rest))
        }

        fn make(&self, folder: &Path) -> io::Result<()> {
            self.step("mkdir")?;
            let (name, part) = parts(folder);
            let mut held = self.held.borrow_mut();
            if part.is_empty() {
                let made = Held {
                    label: LABEL.get(),
                    stage: Rc::new(Cell::new(Stage::Pending)),
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
            let moved = held.remove(&parts(from).0).ok_or(io::ErrorKind::NotFound)?;
            assert!(held.insert(parts(to).0, moved).is_none(), "{} already exists", to.display());
            Ok(())
        }

        fn remove_pin(&self, pin: &Path) -> io::Result<()> {
            self.step("unlink")?;
            let (name, pin) = parts(pin);
            let mut all = self.held.borrow_mut();
            let held = all.get_mut(&name).ok_or(io::ErrorKind::NotFound)?;
            assert!(pin.starts_with("links/") || !held.has_link(), "{pin} of {name} was removed before a link");
            assert!(held.pins.remove(&pin), "{pin} does not exist");
            if pin.starts_with("links/") {
                let (stage, denies) = (held.stage.clone(), held.denies);
                self.detaching.borrow_mut().push(Detaching { stage, denies, polls: 3 });
            }
            Ok(())
        }

        fn remove_folder(&self, folder: &Path) -> io::Result<()> {
            self.step("rmdir")?;
            let (name, part) = parts(folder);
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

        fn stage(&self, folder: &Path) -> Option<Stage> {
            let held = self.held.borrow();
            held.get(&parts(folder).0).filter(|held| held.pins.contains("maps/modes")).map(|held| held.stage.get())
        }

        fn retire(&self, folder: &Path) -> Result<(), Failure> {
            match self.stage(folder) {
                Some(_) => self.write(folder, Stage::Retired),
                None => Ok(()),
            }
        }

        fn enforce(&self, folder: &Path, old: Option<&Path>) -> Result<(), Failure> {
            self.write(folder, Stage::InForce)?;
            old.map_or(Ok(()), |old| self.write(old, Stage::Retired))
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

        fn warn(&self, text: &str) {
            self.warnings.borrow_mut().push(text.to_owned());
        }
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
        let staging = pins.stage("p")?;
        let pin = |pin| pins.folders.pin(&staging, pin).map_err(|error| Failure::usage(error.to_string()));
        PINS.into_iter().try_for_each(pin).inspect_err(|_| {
            let _ = pins.abandon(&staging);
        })?;
        pins.commit("p", &staging)
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

    fn names(pins: &Pins<Memory>) -> Vec<String> {
        pins.folders.held.borrow().keys().cloned().collect()
    }

    /// Adds another policy in force that denies an operation.
    fn add_other(pins: &Pins<Memory>, denies: &'static [&'static str]) {
        let mut other = pins.folders.held.borrow()["p"].clone();
        (other.label, other.denies, other.stage) = ("other", denies, Rc::new(Cell::new(Stage::InForce)));
        pins.folders.held.borrow_mut().insert("other".into(), other);
    }

    /// Interrupts a command after each of its operations, and recovery after each of its own. Until recovery, the rules
    /// in force are those of `from`, of `to`, or of both as a whole; after it, of one of them.
    fn interrupt_everywhere(
        from: Option<&'static [&'static str]>,
        command: impl Fn(&Pins<Memory>) -> Result<(), Failure>,
        to: Option<&'static str>,
    ) {
        let before = from.map(|_| "old");
        let wholly = |memory: &Memory, context: &str| {
            let enforced = memory.enforced();
            assert!(enforced.iter().all(|(_, complete)| *complete), "{context}: a part is in force: {enforced:?}");
            let labels: Vec<&str> = enforced.iter().map(|(label, _)| *label).collect();
            let expected = [before.into_iter().collect::<Vec<_>>(), to.into_iter().collect(), vec!["old", "new"]];
            let both = before.is_some() && to.is_some();
            assert!(expected.iter().take(2 + usize::from(both)).any(|known| *known == labels), "{context}: {labels:?}");
            // What is listed is what is in force.
            let state = state_in(memory).expect("it can be read");
            assert_eq!(state.loaded.is_empty(), labels.is_empty(), "{context}: {state:?}");
            labels.last().copied()
        };
        for killed_after in 0.. {
            let pins = from.map_or_else(|| pins_of(Memory::default()), with_old);
            pins.folders.left.set(Some(killed_after));
            let done = command(&pins);
            let killed = pins.folders.left.get() == Some(0);
            let context = format!("{from:?} to {to:?}, killed after {killed_after}");
            pins.folders.left.set(None);
            wholly(&pins.folders, &context);
            for recovery_killed_after in 0.. {
                let again = pins_of(pins.folders.copy());
                again.folders.left.set(Some(recovery_killed_after));
                let recovered = again.recover(None);
                let ended = again.folders.left.get() != Some(0) && recovered.is_ok();
                again.folders.left.set(None);
                let context = format!("{context}, recovery after {recovery_killed_after}");
                wholly(&again.folders, &context);
                let last = pins_of(again.folders.copy());
                last.recover(None).unwrap_or_else(|why| panic!("{context}: {why}"));
                assert!(last.folders.enforced().len() <= 1, "{context}: two are in force");
                let there = wholly(&last.folders, &context);
                let changes = last.folders.changes.get();
                last.recover(None).expect("nothing is left to do");
                assert_eq!(last.folders.changes.get(), changes, "{context}: a second recovery changes something");
                // The state can be left from everywhere.
                last.unload("p").unwrap_or_else(|why| panic!("{context}: {why}"));
                assert!(names(&last).is_empty(), "{context}: {there:?}");
                if ended {
                    break;
                }
            }
            if !killed {
                done.unwrap_or_else(|why| panic!("{context}: {why}"));
                assert_eq!(wholly(&pins.folders, &context), to, "{context}");
                return;
            }
        }
    }

    /// Sets of denied operations: none, each one, and all that a load or unload performs.
    const DENIERS: [&[&str]; 5] = [&[], &["rmdir"], &["unlink"], &["rename"], &["rmdir", "unlink", "rename", "mknod"]];

    #[test]
    fn a_first_load_can_be_killed_anywhere() {
        for denies in DENIERS {
            interrupt_everywhere(None, |pins| load(pins, "new", denies), Some("new"));
        }
    }

    #[test]
    fn a_replacement_can_be_killed_anywhere() {
        for old in &DENIERS[..4] {
            for new in DENIERS {
                interrupt_everywhere(Some(old), |pins| load(pins, "new", new), Some("new"));
            }
        }
    }

    #[test]
    fn an_unload_can_be_killed_anywhere() {
        for denies in DENIERS {
            interrupt_everywhere(Some(denies), unload, None);
        }
    }

    /// A policy that denies the removal of its predecessor leaves it without effect, and its own unload removes both.
    #[test]
    fn predecessors_that_cannot_be_removed() {
        let pins = with_old(&[]);
        load(&pins, "new", &["unlink"]).expect("the old policy is retired");
        assert_eq!((names(&pins), pins.folders.enforced()), (vec!["p".into(), "p~1".into()], vec![("new", true)]));
        let warnings = pins.folders.warnings.borrow().clone();
        assert!(warnings.len() == 1 && warnings[0].contains("stay in `p`, without effect"), "{warnings:?}");
        assert_eq!(state_in(&pins.folders).expect("it can be read").loaded, ["p"]);
        load(&pins, "third", &[]).expect("the second is retired");
        assert_eq!((names(&pins), pins.folders.enforced()), (vec!["p".into()], vec![("third", true)]));
        load(&pins, "fourth", &["rmdir", "rename"]).expect("the third is retired");
        unload(&pins).expect("it is retired first");
        assert!(names(&pins).is_empty());
    }

    /// Rules of the old policy that deny mkdir are in force during a load.
    #[test]
    fn a_policy_that_denies_new_folders_is_not_replaced() {
        let pins = with_old(&["mkdir"]);
        let failure = load(&pins, "new", &[]).expect_err("no folder can be created").to_string();
        assert!(failure.contains("note: a rule denies to create it"), "{failure}");
        assert_eq!(pins.folders.enforced(), [("old", true)]);
        unload(&pins).expect("no folder is created");
        assert!(names(&pins).is_empty());
    }

    /// Another policy that denies the removal does not keep the policy in force.
    #[test]
    fn another_policy_denies() {
        let pins = with_old(&[]);
        add_other(&pins, &["unlink"]);
        let failure = unload(&pins).expect_err("it is denied").to_string();
        assert!(failure.contains("note: a rule denies to remove it"), "{failure}");
        assert!(failure.contains("`krsi mode POLICY off RULE`"), "{failure}");
        assert!(failure.contains("policy `p` is not enforced any more"), "{failure}");
        assert_eq!(pins.folders.enforced(), [("other", true)]);
        // Commands go on, and remove what is left once they can.
        load(&pins, "new", &[]).expect("it removes nothing");
        assert_eq!(pins.folders.enforced(), [("other", true), ("new", true)]);
        pins.folders.held.borrow_mut().get_mut("other").expect("it is loaded").denies = &[];
        pins.recover(None).expect("nothing denies it now");
        assert_eq!(names(&pins), ["other", "p"]);
    }

    /// A folder where a load has put a pin is removed with what is in it.
    #[test]
    fn folders_in_the_place_of_pins_are_removed() {
        let pins = with_old(&[]);
        let mut stray = pins.folders.held.borrow()["p"].clone();
        stray.pins.clear();
        stray.folders.extend(["links/h".to_owned(), "links/h/deep".to_owned()]);
        pins.folders.held.borrow_mut().insert("trash~q".into(), stray);
        pins.recover(None).expect("all of it can be removed");
        assert_eq!(names(&pins), ["p"]);
    }

    /// If the modes cannot be written, removal continues once the kernel has detached the programs.
    #[test]
    fn removal_waits_for_programs_that_deny_it() {
        let pins = with_old(&["rmdir"]);
        pins.folders.fixed_modes.set(true);
        unload(&pins).expect("the programs are detached eventually");
        assert!(names(&pins).is_empty());
        // A program that denies the removal of its own link stays attached, so waiting does not help.
        let pins = with_old(&["unlink"]);
        pins.folders.fixed_modes.set(true);
        assert!(unload(&pins).is_err());
    }

    /// A policy that cannot be put into force is removed, and the old one stays.
    #[test]
    fn a_load_that_fails_at_the_end() {
        let pins = with_old(&[]);
        pins.folders.fixed_modes.set(true);
        assert!(load(&pins, "new", &[]).is_err());
        assert_eq!((names(&pins), pins.folders.enforced()), (vec!["p".into()], vec![("old", true)]));
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

    /// Only policies in force are listed, whatever the names of the other folders are.
    #[test]
    fn only_policies_in_force_are_listed() {
        let pins = with_old(&[]);
        let held = pins.folders.held.borrow()["p"].clone();
        let with = |stage| Held { stage: Rc::new(Cell::new(stage)), ..held.clone() };
        for (name, stage) in [
            ("a", Stage::InForce),
            ("q", Stage::Pending),
            ("r", Stage::Retired),
            ("p~1", Stage::Pending),
            ("s~3", Stage::InForce),
            ("trash~t", Stage::InForce),
        ] {
            pins.folders.held.borrow_mut().insert(name.into(), with(stage));
        }
        let state = state_in(&pins.folders).expect("they can be read");
        assert_eq!(state.loaded, ["a", "p", "s"]);
        let left: Vec<&str> = state.left.iter().map(|entry| &*entry.name).collect();
        assert_eq!(left, ["p~1", "q", "r", "trash~t"]);
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
        for name in ["", "a.b", "../x", "a b", "a~1", "-x", "ä", &"x".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        for name in ["no-exec_2", "x", &"x".repeat(64)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
    }
}
