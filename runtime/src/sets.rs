//! `krsi set`: what is in the sets of a loaded policy that change, and changing it.
//!
//! All elements are read before the first goes into the map, and room is counted before: what is wrong changes nothing.
//! An element is one system call, and programs see each at once. What is in a set before and after a change is in it all
//! the while.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use aya::maps::MapError;
use krsi_abi::manifest::{Manifest, Set};

use crate::elements::{self, Key};
use crate::failure::{self, Failure};
use crate::list;
use crate::load::not_loaded;
use crate::pins::{self, Pins};
use crate::set_map::{self, Table};

/// What to do to a set.
#[derive(clap::Subcommand)]
pub enum Action {
    /// Add elements; those that are there already stay
    Add(Elements),
    /// Remove elements; those that are not there are passed over
    Remove(Elements),
    /// Print the elements, one a line, as `--from` reads them
    List,
    /// Remove all elements
    Clear,
    /// Make these the elements: new ones are added before old ones are removed
    Replace(Elements),
}

/// Elements on the command line, or in a file.
#[derive(clap::Args)]
pub struct Elements {
    /// `443`, `READ|EXEC`, `10.0.0.0/8`, `/usr/bin/curl`; the parts of a tuple go together by `,`
    #[arg(required_unless_present = "from", conflicts_with = "from", allow_negative_numbers = true)]
    elements: Vec<String>,
    /// Read them from this file, one a line, `#` begins a comment; `-` is the standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

/// Where a set's map is pinned, below a policy's folder.
pub fn pin(folder: &Path, set: &str) -> PathBuf {
    // No set has a `-` in its name, and no other map has one.
    folder.join("maps").join(format!("set-{set}"))
}

/// Runs the command; what to print.
pub fn run(policy: &str, set: &str, action: &Action) -> Result<String, Failure> {
    pins::check_name(policy)?;
    // Reading needs no lock. A change waits for loads to end: they take the elements along.
    let _lock = match action {
        Action::List => None,
        _ => Some(Pins::lock()?),
    };
    let folder = pins::folder(policy);
    if !folder.exists() {
        return Err(not_loaded(policy));
    }
    let manifest = list::manifest(policy)?;
    let set = find(&manifest, policy, set)?;
    let pin = pin(&folder, &set.name);
    let mut table = set_map::open(&pin, set)?;
    let there = table.keys().map_err(|error| failure::at(&pin, "read", error))?;
    let mut change = Change { set, table: table.as_mut(), there };
    let name = &set.name;
    match action {
        Action::List => Ok(lines(&manifest, set, &change.there)),
        Action::Add(given) => {
            let keys = given.read(&manifest, set)?;
            let added = change.add(&keys)?;
            let already = keys.len() - added;
            let rest = if already > 0 { format!(", {already} there already") } else { String::new() };
            Ok(format!("added {added} to {name}{rest}\n"))
        }
        Action::Remove(given) => {
            let keys = given.read(&manifest, set)?;
            let gone: Vec<&Key> = keys.iter().filter(|key| change.there.contains(key)).collect();
            change.remove(&gone)?;
            let missing = keys.len() - gone.len();
            let rest = if missing > 0 { format!(", {missing} not there") } else { String::new() };
            Ok(format!("removed {} from {name}{rest}\n", gone.len()))
        }
        Action::Clear => {
            let all = change.there.clone();
            change.remove(&all.iter().collect::<Vec<_>>())?;
            Ok(format!("removed {} from {name}\n", all.len()))
        }
        Action::Replace(given) => {
            let keys = given.read(&manifest, set)?;
            let before = change.there.clone();
            let added = change.add(&keys).map_err(|failure| match keys.len() > set.max as usize {
                true => failure,
                false => failure
                    .note("new elements are added before old ones are removed, so that none is missing meanwhile")
                    .help("or remove old ones first: `krsi set ... remove` or `clear`"),
            })?;
            let old: Vec<&Key> = before.iter().filter(|key| !keys.contains(key)).collect();
            change.remove(&old)?;
            Ok(format!("replaced {name}: added {added}, removed {}, {} now\n", old.len(), keys.len()))
        }
    }
}

fn lines(manifest: &Manifest, set: &Set, keys: &BTreeSet<Key>) -> String {
    let mut sorted: Vec<&Key> = keys.iter().collect();
    sorted.sort_by_cached_key(|key| elements::order(set, key));
    sorted.into_iter().fold(String::new(), |out, key| out + &elements::show(manifest, set, key) + "\n")
}

fn find<'m>(manifest: &'m Manifest, policy: &str, name: &str) -> Result<&'m Set, Failure> {
    if let Some(set) = manifest.sets.iter().find(|set| set.name == name) {
        return Ok(set);
    }
    let failure = Failure::usage(format!("`{policy}` has no set `{name}` that can be changed"));
    if manifest.sets.is_empty() {
        return Err(failure.help("none of its sets can be; in the source such a set is `set NAME: TYPE dynamic max N`"));
    }
    Err(failure.instead_of(name, manifest.sets.iter().map(|set| set.name.as_str())))
}

impl Elements {
    /// The keys; no two the same.
    fn read(&self, manifest: &Manifest, set: &Set) -> Result<BTreeSet<Key>, Failure> {
        let Some(file) = &self.from else {
            return self.elements.iter().map(|text| elements::parse(manifest, set, text)).collect();
        };
        let mut text = String::new();
        let read = if file == Path::new("-") {
            std::io::stdin().read_to_string(&mut text)
        } else {
            std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text))
        };
        read.map_err(|error| failure::at(file, "read", error))?;
        elements::lines(&text)
            .map(|(line, text)| {
                elements::parse(manifest, set, text).map_err(|mut failure| {
                    failure.message = format!("{}:{line}: {}", file.display(), failure.message);
                    failure
                })
            })
            .collect()
    }
}

/// A set, and the elements that it had when the change began.
struct Change<'s> {
    set: &'s Set,
    table: &'s mut dyn Table,
    there: BTreeSet<Key>,
}

impl Change<'_> {
    /// Adds what is missing, if there is room for all of it; tells how many that were.
    fn add(&mut self, keys: &BTreeSet<Key>) -> Result<usize, Failure> {
        let new: Vec<&Key> = keys.iter().filter(|key| !self.there.contains(key)).collect();
        let (have, max) = (self.there.len(), self.set.max as usize);
        if have + new.len() > max {
            return Err(full(self.set, have, new.len()));
        }
        for key in &new {
            self.table.insert(key).map_err(|error| self.refused("added to", &error))?;
        }
        Ok(new.len())
    }

    fn remove(&mut self, keys: &[&Key]) -> Result<(), Failure> {
        for key in keys {
            match self.table.remove(key) {
                // Another tool was faster.
                Err(MapError::KeyNotFound) => {}
                done => done.map_err(|error| self.refused("removed from", &error))?,
            }
        }
        Ok(())
    }

    fn refused(&self, what: &str, error: &MapError) -> Failure {
        let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        Failure::refused(format!("the kernel lets nothing be {what} `{}`: {cause}", self.set.name))
            .help("run the command again: what was done stays, and what is left is done then")
    }
}

fn full(set: &Set, have: usize, new: usize) -> Failure {
    let room = (set.max as usize).saturating_sub(have);
    Failure::refused(format!("`{}` is full: it has {have} of {}, and {new} more do not fit", set.name, set.max))
        .note(format!("there is room for {room}; nothing was changed"))
        .help("give it more room in the source, `dynamic max N`, build the policy and load it: its elements are kept")
}

/// What became of the sets of a policy that another replaces.
#[derive(Debug, Default)]
pub struct Carried {
    /// By set: elements that were kept.
    pub kept: Vec<(String, usize)>,
    /// What was not kept, each a sentence.
    pub dropped: Vec<String>,
}

/// Copies the elements of a loaded policy into the sets of the same name and type of one that is to replace it.
pub fn carry(old_name: &str, staging: &Path, manifest: &Manifest) -> Result<Carried, Failure> {
    let mut carried = Carried::default();
    let folder = pins::folder(old_name);
    let Ok(old) = list::manifest(old_name) else {
        carried.dropped.push("the manifest of the replaced policy cannot be read: its sets were not kept".into());
        return Ok(carried);
    };
    for from in &old.sets {
        let pin_from = pin(&folder, &from.name);
        let keys = match set_map::open(&pin_from, from).map(|table| table.keys()) {
            Ok(Ok(keys)) => keys,
            _ => {
                carried
                    .dropped
                    .push(format!("set {} of the replaced policy cannot be read: it was not kept", from.name));
                continue;
            }
        };
        if keys.is_empty() {
            continue;
        }
        let Some(to) = manifest.sets.iter().find(|to| to.name == from.name) else {
            carried.dropped.push(format!("set {} is no more, and what it held is gone: {}", from.name, keys.len()));
            continue;
        };
        let (before, now) = (elements::type_of(&old, from), elements::type_of(manifest, to));
        if before != now || elements::key_bytes(from) != elements::key_bytes(to) {
            carried.dropped.push(format!(
                "set {} was of {before} and is of {now}, and what it held is gone: {}",
                from.name,
                keys.len()
            ));
            continue;
        }
        if keys.len() > to.max as usize {
            return Err(Failure::refused(format!(
                "set `{}` has {} elements, and room for {} in the new policy",
                to.name,
                keys.len(),
                to.max
            ))
            .note("nothing was changed")
            .help("remove elements first, or give it more room; `--fresh` loads the policy with empty sets"));
        }
        let pin_to = pin(staging, &to.name);
        let mut table = set_map::open(&pin_to, to)?;
        for key in &keys {
            table.insert(key).map_err(|error| failure::at(&pin_to, "filled", error))?;
        }
        carried.kept.push((to.name.clone(), keys.len()));
    }
    Ok(carried)
}
