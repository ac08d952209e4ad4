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
    act(&manifest, Change { set, table: table.as_mut(), there }, action)
}

/// Does what was asked to a set; what to print.
fn act(manifest: &Manifest, mut change: Change<'_>, action: &Action) -> Result<String, Failure> {
    let set = change.set;
    let name = &set.name;
    match action {
        Action::List => Ok(lines(manifest, set, &change.there)),
        Action::Add(given) => {
            let keys = given.read(manifest, set)?;
            let added = change.add(&keys)?;
            let already = keys.len() - added;
            let rest = if already > 0 { format!(", {already} there already") } else { String::new() };
            Ok(format!("added {added} to {name}{rest}\n"))
        }
        Action::Remove(given) => {
            let keys = given.read(manifest, set)?;
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
            let keys = given.read(manifest, set)?;
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
    let folder = pins::folder(old_name);
    let Ok(old) = list::manifest(old_name) else {
        let dropped = vec!["the manifest of the replaced policy cannot be read: its sets were not kept".into()];
        return Ok(Carried { dropped, ..Carried::default() });
    };
    let read = |set: &Set| set_map::open(&pin(&folder, &set.name), set).ok()?.keys().ok();
    let fill = |set: &Set, keys: &BTreeSet<Key>| {
        let pin = pin(staging, &set.name);
        let mut table = set_map::open(&pin, set)?;
        keys.iter().try_for_each(|key| table.insert(key).map_err(|error| failure::at(&pin, "filled", error)))
    };
    carry_sets(&old, manifest, read, fill)
}

/// Takes the elements of the old sets, as far as they can be read, and fills the new ones.
fn carry_sets(
    old: &Manifest,
    manifest: &Manifest,
    read: impl Fn(&Set) -> Option<BTreeSet<Key>>,
    mut fill: impl FnMut(&Set, &BTreeSet<Key>) -> Result<(), Failure>,
) -> Result<Carried, Failure> {
    let mut carried = Carried::default();
    for from in &old.sets {
        let Some(keys) = read(from) else {
            carried.dropped.push(format!("set {} of the replaced policy cannot be read: it was not kept", from.name));
            continue;
        };
        if keys.is_empty() {
            continue;
        }
        let Some(to) = manifest.sets.iter().find(|to| to.name == from.name) else {
            carried.dropped.push(format!("set {} is no more, and what it held is gone: {}", from.name, keys.len()));
            continue;
        };
        let (before, now) = (elements::type_of(old, from), elements::type_of(manifest, to));
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
        fill(to, &keys)?;
        carried.kept.push((to.name.clone(), keys.len()));
    }
    Ok(carried)
}

#[cfg(test)]
mod tests {
    use super::*;
    use krsi_abi::manifest::{Part, Ty};

    /// A set's map in memory, with what was done to it. It takes so many insertions.
    struct Memory {
        keys: BTreeSet<Key>,
        done: Vec<String>,
        room: usize,
    }

    impl Memory {
        fn of(keys: impl IntoIterator<Item = Key>) -> Memory {
            Memory { keys: keys.into_iter().collect(), done: Vec::new(), room: usize::MAX }
        }

        fn note(&mut self, what: &str, key: &Key) {
            self.done.push(format!("{what}{}", key.data[0]));
        }
    }

    impl Table for Memory {
        fn insert(&mut self, key: &Key) -> Result<(), MapError> {
            if self.room == 0 {
                return Err(MapError::OutOfBounds { index: 0, max_entries: 0 });
            }
            self.room -= 1;
            self.note("+", key);
            self.keys.insert(key.clone());
            Ok(())
        }

        fn remove(&mut self, key: &Key) -> Result<(), MapError> {
            self.note("-", key);
            if self.keys.remove(key) { Ok(()) } else { Err(MapError::KeyNotFound) }
        }

        fn keys(&self) -> Result<BTreeSet<Key>, MapError> {
            Ok(self.keys.clone())
        }
    }

    fn ports(max: u32) -> Set {
        Set { name: "ports".into(), parts: vec![Part::Number(Ty::Int { bytes: 1, signed: false })], max }
    }

    /// Keys of numbers: one word in the machine's byte order.
    fn keys(numbers: &[u64]) -> BTreeSet<Key> {
        numbers.iter().map(|number| Key { data: number.to_ne_bytes().to_vec(), bits: 0 }).collect()
    }

    fn given(elements: &[&str]) -> Elements {
        Elements { elements: elements.iter().map(|text| (*text).to_owned()).collect(), from: None }
    }

    /// What a change prints and does to a set of at most 5 that has 1, 2 and 3.
    fn done(action: &Action) -> (Result<String, String>, Vec<String>) {
        let (set, mut table) = (ports(5), Memory::of(keys(&[1, 2, 3])));
        let there = table.keys.clone();
        let printed = act(&Manifest::default(), Change { set: &set, table: &mut table, there }, action);
        (printed.map_err(|failure| failure.to_string()), table.done)
    }

    #[test]
    fn changes_of_a_set() {
        for (action, printed, operations) in [
            (Action::List, "1\n2\n3\n", &[][..]),
            (Action::Add(given(&["2", "7", "9"])), "added 2 to ports, 1 there already\n", &["+7", "+9"]),
            (Action::Add(given(&["7", "7"])), "added 1 to ports\n", &["+7"]),
            (Action::Remove(given(&["3", "1", "8"])), "removed 2 from ports, 1 not there\n", &["-1", "-3"]),
            (Action::Remove(given(&["3"])), "removed 1 from ports\n", &["-3"]),
            (Action::Clear, "removed 3 from ports\n", &["-1", "-2", "-3"]),
            // New ones first.
            (
                Action::Replace(given(&["3", "4", "5"])),
                "replaced ports: added 2, removed 2, 3 now\n",
                &["+4", "+5", "-1", "-2"],
            ),
        ] {
            assert_eq!(
                done(&action),
                (Ok(printed.to_owned()), operations.iter().map(|&text| text.to_owned()).collect())
            );
        }
    }

    #[test]
    fn a_change_that_does_not_fit_changes_nothing() {
        let (failed, operations) = done(&Action::Add(given(&["3", "4", "5", "6"])));
        let why = failed.expect_err("six do not fit into five");
        assert!(why.starts_with("error: `ports` is full: it has 3 of 5, and 3 more do not fit\n"), "{why}");
        assert!(why.contains("note: there is room for 2; nothing was changed\n"), "{why}");
        assert_eq!(operations, [""; 0]);
        // New and old ones do not fit together, though the new ones do.
        let (failed, operations) = done(&Action::Replace(given(&["4", "5", "6"])));
        let why = failed.expect_err("six do not fit into five");
        assert!(why.contains("new elements are added before old ones are removed"), "{why}");
        assert_eq!(operations, [""; 0]);
        let (failed, _) = done(&Action::Replace(given(&["4", "5", "6", "7", "8", "9"])));
        assert!(!failed.expect_err("six do not fit into five").contains("before old ones"));
        // Five do.
        assert!(done(&Action::Replace(given(&["1", "2", "3", "4", "5"]))).0.is_ok());
        let (failed, operations) = done(&Action::Add(given(&["4", "256"])));
        assert!(failed.expect_err("256 is no u8").contains("it can be 0 to 255"));
        assert_eq!(operations, [""; 0]);
    }

    /// What another tool has removed is no failure; what the kernel refuses is.
    #[test]
    fn the_kernel_refuses() {
        let set = ports(5);
        let mut table = Memory::of(keys(&[1]));
        let there = keys(&[1, 2]);
        let printed = act(&Manifest::default(), Change { set: &set, table: &mut table, there }, &Action::Clear);
        assert_eq!(printed.expect("it is gone, as was asked"), "removed 2 from ports\n");
        let mut table = Memory { room: 1, ..Memory::of([]) };
        let change = Change { set: &set, table: &mut table, there: BTreeSet::new() };
        let failure = act(&Manifest::default(), change, &Action::Add(given(&["1", "2"]))).expect_err("one fits");
        let text = failure.to_string();
        assert!(text.starts_with("error: the kernel lets nothing be added to `ports`: "), "{text}");
        assert_eq!(failure.code, crate::failure::REFUSED);
    }

    #[test]
    fn elements_are_read_from_files() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("list");
        let read = |text: &str| {
            std::fs::write(&file, text).expect("it can be written");
            let given = Elements { elements: vec![], from: Some(file.clone()) };
            given.read(&Manifest::default(), &ports(5)).map_err(|failure| failure.message)
        };
        assert_eq!(read("# all\n7\n\n 9 # and this\n7\n"), Ok(keys(&[7, 9])));
        let why = read("7\n\n300\n").expect_err("300 is no u8");
        assert!(why.ends_with("list:3: `300` is no element of `ports`"), "{why}");
        let given = Elements { elements: vec![], from: Some(folder.path().join("none")) };
        let why = given.read(&Manifest::default(), &ports(5)).expect_err("there is no file").to_string();
        assert!(why.contains("none` cannot be read: "), "{why}");
    }

    #[test]
    fn numbers_are_listed_in_their_order() {
        let signed = Set { parts: vec![Part::Number(Ty::Int { bytes: 4, signed: true })], ..ports(5) };
        let numbers: BTreeSet<Key> = [5i64, -1, 0, 300, -300]
            .iter()
            .map(|number| Key { data: number.to_ne_bytes().to_vec(), bits: 0 })
            .collect();
        assert_eq!(lines(&Manifest::default(), &signed, &numbers), "-300\n-1\n0\n5\n300\n");
    }

    #[test]
    fn sets_are_found_by_name() {
        let manifest = Manifest { sets: vec![ports(5)], ..Manifest::default() };
        assert_eq!(find(&manifest, "p", "ports").expect("it is there").max, 5);
        let why = find(&manifest, "p", "port").expect_err("it is not there").to_string();
        assert_eq!(why, "error: `p` has no set `port` that can be changed\n  help: did you mean `ports`?\n");
        let why = find(&Manifest::default(), "p", "ports").expect_err("it is not there").to_string();
        assert!(why.contains("none of its sets can be"), "{why}");
        assert_eq!(pin(Path::new("p"), "ports"), Path::new("p/maps/set-ports"));
    }

    /// Elements go into the set of the same name and type; what is lost is told.
    #[test]
    fn sets_are_carried_over() {
        let number = |bytes| vec![Part::Number(Ty::Int { bytes, signed: false })];
        let set = |name: &str, parts, max| Set { name: name.into(), parts, max };
        let old = Manifest {
            sets: vec![
                set("kept", number(2), 9),
                set("empty", number(2), 9),
                set("gone", number(2), 9),
                set("other", number(2), 9),
                set("bad", number(2), 9),
            ],
            ..Manifest::default()
        };
        let new = |max| Manifest {
            sets: vec![set("other", number(4), 9), set("kept", number(2), max), set("new", number(2), 9)],
            ..Manifest::default()
        };
        let read = |set: &Set| match &*set.name {
            "kept" => Some(keys(&[1, 2])),
            "gone" => Some(keys(&[3])),
            "other" => Some(keys(&[4, 5, 6])),
            "bad" => None,
            _ => Some(keys(&[])),
        };
        let mut filled = Vec::new();
        let carried = carry_sets(&old, &new(2), read, |set, keys| {
            filled.push((set.name.clone(), keys.clone()));
            Ok(())
        });
        let carried = carried.expect("two fit");
        assert_eq!(filled, [("kept".to_owned(), keys(&[1, 2]))]);
        assert_eq!(carried.kept, [("kept".to_owned(), 2)]);
        assert_eq!(
            carried.dropped,
            [
                "set gone is no more, and what it held is gone: 1",
                "set other was of u16 and is of u32, and what it held is gone: 3",
                "set bad of the replaced policy cannot be read: it was not kept",
            ]
        );
        let failure = carry_sets(&old, &new(1), read, |_, _| Ok(())).expect_err("two do not fit");
        assert_eq!(failure.message, "set `kept` has 2 elements, and room for 1 in the new policy");
        let failed = carry_sets(&old, &new(2), read, |_, _| Err(Failure::usage("full")));
        assert_eq!(failed.expect_err("it is not filled").message, "full");
    }
}
