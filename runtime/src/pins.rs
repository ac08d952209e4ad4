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
//! the names alone what is left to do ([`recover`]): trash and staging go, ready is moved on.
//!
//! Links are attached before anything older goes, so that on a replacement there is no moment without a policy:
//! while both are attached, what either denies is denied.

use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aya::programs::{ProgramInfo, loaded_programs};
use krsi_abi::PIN_ROOT;
use rustix::fs::{FlockOperation, flock};

use crate::cli;
use crate::failure::{self, Failure};

const STAGING: &str = "staging~";
const READY: &str = "ready~";
const TRASH: &str = "trash~";

/// `/sys/fs/bpf/krsi`, locked against other commands that change it.
#[derive(Debug)]
pub struct Pins {
    _lock: File,
}

/// Folder of a loaded policy.
pub fn folder(name: &str) -> PathBuf {
    Path::new(PIN_ROOT).join(name)
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
    let mut names: Vec<String> = entries(Path::new(PIN_ROOT))?.into_iter().filter(|name| !name.contains('~')).collect();
    names.sort();
    Ok(names)
}

fn entries(folder: &Path) -> Result<Vec<String>, Failure> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failure::at(folder, "read", error)),
    }
}

/// A step that makes the folders what their names say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Remove the folder and what is in it.
    Remove(String),
    /// Give the folder another name; none has it.
    Rename(String, String),
}

/// What is left to do where a command was interrupted, from the names that are there. Running the steps, or any
/// part of them and then this again, ends in the same state.
pub fn plan(names: &[String]) -> Vec<Step> {
    let has = |name: &str| names.iter().any(|known| known == name);
    let mut steps = Vec::new();
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    for name in &sorted {
        if name.starts_with(STAGING) || name.starts_with(TRASH) {
            steps.push(Step::Remove((*name).clone()));
        }
    }
    for ready in &sorted {
        let Some(name) = ready.strip_prefix(READY) else {
            continue;
        };
        if has(name) {
            let trash = format!("{TRASH}{name}");
            steps.push(Step::Rename(name.to_owned(), trash.clone()));
            steps.push(Step::Rename((*ready).clone(), name.to_owned()));
            steps.push(Step::Remove(trash));
        } else {
            steps.push(Step::Rename((*ready).clone(), name.to_owned()));
        }
    }
    steps
}

impl Pins {
    /// Takes the lock and finishes what an interrupted command left. Makes the folder where it is missing.
    pub fn lock() -> Result<Pins, Failure> {
        let root = Path::new(PIN_ROOT);
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
        let lock = File::open(root).map_err(|error| failure::at(root, "opened", error))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| failure::at(root, "locked", error))?;
        let pins = Pins { _lock: lock };
        pins.recover()?;
        Ok(pins)
    }

    fn recover(&self) -> Result<(), Failure> {
        for step in plan(&entries(Path::new(PIN_ROOT))?) {
            self.run(&step)?;
        }
        Ok(())
    }

    fn run(&self, step: &Step) -> Result<(), Failure> {
        match step {
            Step::Remove(name) => remove(&folder(name)),
            Step::Rename(from, to) => {
                let (from, to) = (folder(from), folder(to));
                fs::rename(&from, &to).map_err(|error| failure::at(&from, "renamed", error))
            }
        }
    }

    /// A new empty folder to load a policy into.
    pub fn stage(&self, name: &str) -> Result<PathBuf, Failure> {
        let staging = folder(&format!("{STAGING}{name}"));
        for folder in [staging.clone(), staging.join("programs"), staging.join("maps"), staging.join("links")] {
            fs::create_dir(&folder).map_err(|error| failure::at(&folder, "made", error))?;
        }
        Ok(staging)
    }

    /// Makes what was staged the policy of that name.
    pub fn commit(&self, name: &str) -> Result<(), Failure> {
        self.run(&Step::Rename(format!("{STAGING}{name}"), format!("{READY}{name}")))?;
        self.recover()
    }

    /// Removes what was staged.
    pub fn abandon(&self, name: &str) -> Result<(), Failure> {
        remove(&folder(&format!("{STAGING}{name}")))
    }

    /// Removes a policy.
    pub fn unload(&self, name: &str) -> Result<(), Failure> {
        self.run(&Step::Rename(name.to_owned(), format!("{TRASH}{name}")))?;
        self.recover()
    }
}

/// How long to wait for the kernel to detach what was removed. Each program takes a grace period of RCU tasks: milliseconds, but
/// on a busy machine with many programs seconds.
const DETACH: Duration = Duration::from_secs(20);

/// How long to wait without a word.
const SILENT: Duration = Duration::from_secs(1);

/// Removes a folder: links first, so that what is half removed does nothing. Returns when the programs have run for
/// the last time.
fn remove(folder: &Path) -> Result<(), Failure> {
    let programs = program_ids(&folder.join("programs"))?;
    for part in ["links", "programs", "maps"] {
        let part = folder.join(part);
        for name in entries(&part)? {
            let pin = part.join(name);
            fs::remove_file(&pin).map_err(|error| failure::at(&pin, "removed", error))?;
        }
        remove_folder(&part)?;
    }
    remove_folder(folder)?;
    // The kernel lets go of a link some time after its pin is gone, and of its id before it detaches the program; but
    // it holds the program until it has (`bpf_link_free`). So the programs' ids tell.
    let start = Instant::now();
    let left = || {
        let left = loaded_programs().filter_map(Result::ok).filter(|program| programs.contains(&program.id())).count();
        if left > 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        left
    };
    wait(left, io::stderr().is_terminal(), || start.elapsed(), cli::tell);
    Ok(())
}

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

/// Ids of the programs pinned in a folder.
fn program_ids(folder: &Path) -> Result<Vec<u32>, Failure> {
    let names = entries(folder)?;
    Ok(names.into_iter().filter_map(|name| Some(ProgramInfo::from_pin(folder.join(name)).ok()?.id())).collect())
}

fn remove_folder(folder: &Path) -> Result<(), Failure> {
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failure::at(folder, "removed", error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Does a step to a list of names as the file system would.
    fn apply(names: &mut Vec<String>, step: &Step) {
        match step {
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
    }

    #[test]
    fn names_that_no_pin_can_have_are_refused() {
        for name in ["", "a.b", "../x", "a b", "staging~a", "ä", &"x".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name("no-exec_2").is_ok());
    }
}
