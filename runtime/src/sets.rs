//! `krsi set`: lists and changes the dynamic sets of a loaded policy.
//!
//! All elements are parsed, and the room for them is checked, before the first is written, so a command with an
//! invalid element changes nothing. Each element is written by one system call and is visible to programs at
//! once. An element that is in the set before and after a change is never missing in between.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aya::maps::MapError;
use krsi_abi::manifest::{Manifest, Set};

use crate::elements::{self, Key};
use crate::failure::{self, Failure};
use crate::input;
use crate::list;
use crate::pins::{self, Pins};
use crate::set_map::{self, Table};

/// Subcommands of `krsi set`.
#[derive(clap::Subcommand)]
pub enum Action {
    /// Add elements; ignores those that are already present
    Add(Elements),
    /// Remove elements; ignores those that are not present
    Remove(Elements),
    /// Print the elements, one per line, in the format of `--from`
    List,
    /// Remove all elements of the set
    Clear,
    /// Replace the elements; adds new ones before it removes old ones
    Replace(Elements),
}

/// Elements on the command line or in a file.
#[derive(clap::Args)]
pub struct Elements {
    /// Elements such as `443`, `READ|EXEC`, `10.0.0.0/8`, `/usr/bin/curl`; separate the values of a tuple with `,`
    #[arg(required_unless_present = "from", conflicts_with = "from", allow_negative_numbers = true)]
    elements: Vec<String>,
    /// Read the elements from a file, one per line, with `#` comments; `-` is standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

/// Path of the pinned map of a set, in a policy's folder.
pub fn pin(folder: &Path, set: &str) -> PathBuf {
    // Names of sets have no `-`, so this cannot be the pin of another map.
    folder.join("maps").join(format!("set-{set}"))
}

/// Runs the command and returns its output.
pub fn run(policy: &str, set: &str, action: &Action, lock_timeout: Duration) -> Result<String, Failure> {
    pins::check_name(policy)?;
    // Reading needs no lock. A change waits for concurrent loads, which copy the elements.
    let _lock = match action {
        Action::List => None,
        _ => Some(Pins::lock(lock_timeout)?),
    };
    let folder = pins::find(policy)?;
    let manifest = list::manifest(policy)?;
    let set = find(&manifest, policy, set)?;
    let pin = pin(&folder, &set.name);
    let mut table = set_map::open(&pin, set)?;
    let before = table.keys().map_err(|error| failure::at(&pin, "read", error))?;
    apply(&manifest, Change { set, table: table.as_mut(), before }, action)
}

/// Applies an action to a set and returns the output.
fn apply(manifest: &Manifest, mut change: Change<'_>, action: &Action) -> Result<String, Failure> {
    let set = change.set;
    let name = &set.name;
    match action {
        Action::List => Ok(format_elements(manifest, set, &change.before)),
        Action::Add(given) => {
            let keys = given.read(manifest, set)?;
            let added = change.add(&keys)?;
            let already = keys.len() - added;
            let rest = if already > 0 { format!(", {already} already present") } else { String::new() };
            Ok(format!("added {added} to {name}{rest}\n"))
        }
        Action::Remove(given) => {
            let keys = given.read(manifest, set)?;
            let gone: Vec<&Key> = keys.iter().filter(|key| change.before.contains(key)).collect();
            change.remove(&gone)?;
            let missing = keys.len() - gone.len();
            let rest = if missing > 0 { format!(", {missing} not present") } else { String::new() };
            Ok(format!("removed {} from {name}{rest}\n", gone.len()))
        }
        Action::Clear => {
            let all = change.before.clone();
            change.remove(&all.iter().collect::<Vec<_>>())?;
            Ok(format!("removed {} from {name}\n", all.len()))
        }
        Action::Replace(given) => {
            let keys = given.read(manifest, set)?;
            let before = change.before.clone();
            let added = change.add(&keys).map_err(|failure| match keys.len() > set.max as usize {
                true => failure,
                false => failure
                    .note(
                        "new elements are added before old ones are removed, so that no element is missing in between",
                    )
                    .help("or remove old elements first with `krsi set ... remove` or `clear`"),
            })?;
            let old: Vec<&Key> = before.iter().filter(|key| !keys.contains(key)).collect();
            change.remove(&old)?;
            Ok(format!("replaced {name}: added {added}, removed {}, {} now\n", old.len(), keys.len()))
        }
    }
}

fn format_elements(manifest: &Manifest, set: &Set, keys: &BTreeSet<Key>) -> String {
    let mut sorted: Vec<&Key> = keys.iter().collect();
    sorted.sort_by_cached_key(|key| elements::sort_key(set, key));
    sorted.into_iter().fold(String::new(), |out, key| out + &elements::show(manifest, set, key) + "\n")
}

fn find<'m>(manifest: &'m Manifest, policy: &str, name: &str) -> Result<&'m Set, Failure> {
    if let Some(set) = manifest.sets.iter().find(|set| set.name == name) {
        return Ok(set);
    }
    let failure = Failure::usage(format!("`{policy}` has no dynamic set `{name}`"));
    if manifest.sets.is_empty() {
        return Err(
            failure.help("it has no dynamic sets; the source declares them with `set NAME: TYPE dynamic max N`")
        );
    }
    Err(failure.suggest(name, manifest.sets.iter().map(|set| set.name.as_str())))
}

impl Elements {
    /// Parses the elements to distinct keys.
    fn read(&self, manifest: &Manifest, set: &Set) -> Result<BTreeSet<Key>, Failure> {
        let Some(file) = &self.from else {
            return self.elements.iter().map(|text| elements::parse(manifest, set, text)).collect();
        };
        let bytes = if file == Path::new("-") {
            input::bounded(std::io::stdin())
                .map_err(|error| failure::at(file, "read", error))?
                .ok_or_else(|| failure::at(file, "read", "it is larger than 256 MiB"))?
        } else {
            input::read(file).map_err(|failure| failure.help("give `--from -` to read standard input"))?
        };
        let text = String::from_utf8(bytes).map_err(|_| failure::at(file, "read", "it is not UTF-8"))?;
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

/// A change of a set, with the elements that it had before.
struct Change<'s> {
    set: &'s Set,
    table: &'s mut dyn Table,
    before: BTreeSet<Key>,
}

impl Change<'_> {
    /// Adds the missing keys if there is room for all of them, and returns their number.
    fn add(&mut self, keys: &BTreeSet<Key>) -> Result<usize, Failure> {
        let new: Vec<&Key> = keys.iter().filter(|key| !self.before.contains(key)).collect();
        let (have, max) = (self.before.len(), self.set.max as usize);
        if have + new.len() > max {
            return Err(full(self.set, have, new.len()));
        }
        for key in &new {
            self.table.insert(key).map_err(|error| self.failed("add to", &error))?;
        }
        Ok(new.len())
    }

    fn remove(&mut self, keys: &[&Key]) -> Result<(), Failure> {
        for key in keys {
            match self.table.remove(key) {
                // Another tool has removed it meanwhile.
                Err(MapError::KeyNotFound) => {}
                done => done.map_err(|error| self.failed("remove from", &error))?,
            }
        }
        Ok(())
    }

    fn failed(&self, operation: &str, error: &MapError) -> Failure {
        let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        Failure::refused(format!("cannot {operation} set `{}`: {cause}", self.set.name))
            .help("run the command again to complete the change; elements already changed stay changed")
    }
}

fn full(set: &Set, have: usize, new: usize) -> Failure {
    let room = (set.max as usize).saturating_sub(have);
    Failure::refused(format!(
        "set `{}` is full: it has {have} of {} elements, and {new} more do not fit",
        set.name, set.max
    ))
    .note(format!("there is room for {room}; nothing was changed"))
    .help("raise `dynamic max` in the source, then build and load the policy again; the set keeps its elements")
}

/// Sets carried over from a replaced policy.
#[derive(Debug, Default)]
pub struct Carried {
    /// Names of the kept sets, with their number of elements.
    pub kept: Vec<(String, usize)>,
    /// Warnings about sets that were not kept, each a sentence.
    pub dropped: Vec<String>,
}

/// Copies the elements of a loaded policy's sets into the sets of the same name and type of its replacement in
/// `staging`.
pub fn carry(old_name: &str, staging: &Path, manifest: &Manifest) -> Result<Carried, Failure> {
    let folder = pins::folder(old_name);
    let Ok(old) = list::manifest(old_name) else {
        let dropped = vec!["cannot read the manifest of the replaced policy: its sets were not kept".into()];
        return Ok(Carried { dropped, ..Carried::default() });
    };
    let read = |set: &Set| set_map::open(&pin(&folder, &set.name), set).ok()?.keys().ok();
    let fill = |set: &Set, keys: &BTreeSet<Key>| {
        let pin = pin(staging, &set.name);
        let mut table = set_map::open(&pin, set)?;
        keys.iter().try_for_each(|key| table.insert(key).map_err(|error| failure::at(&pin, "fill", error)))
    };
    carry_sets(&old, manifest, read, fill)
}

/// Reads the elements of the old sets, where possible, and fills the new ones.
fn carry_sets(
    old: &Manifest,
    manifest: &Manifest,
    read: impl Fn(&Set) -> Option<BTreeSet<Key>>,
    mut fill: impl FnMut(&Set, &BTreeSet<Key>) -> Result<(), Failure>,
) -> Result<Carried, Failure> {
    let mut carried = Carried::default();
    for from in &old.sets {
        let Some(keys) = read(from) else {
            carried.dropped.push(format!("cannot read set `{}` of the replaced policy: it was not kept", from.name));
            continue;
        };
        if keys.is_empty() {
            continue;
        }
        let Some(to) = manifest.sets.iter().find(|to| to.name == from.name) else {
            carried.dropped.push(format!("the new policy has no set `{}`: dropped {}", from.name, count(keys.len())));
            continue;
        };
        let (before, now) = (elements::type_of(old, from), elements::type_of(manifest, to));
        if before != now || elements::key_bytes(from) != elements::key_bytes(to) {
            carried.dropped.push(format!(
                "the type of set `{}` changed from {before} to {now}: dropped {}",
                from.name,
                count(keys.len())
            ));
            continue;
        }
        if keys.len() > to.max as usize {
            return Err(Failure::refused(format!(
                "set `{}` has {} elements, but room for {} in the new policy",
                to.name,
                keys.len(),
                to.max
            ))
            .note("nothing was changed")
            .help("remove elements first, or raise `dynamic max`; `--fresh` loads the policy with empty sets"));
        }
        fill(to, &keys)?;
        carried.kept.push((to.name.clone(), keys.len()));
    }
    Ok(carried)
}

/// Formats a number of elements.
fn count(elements: usize) -> String {
    format!("{elements} element{}", if elements == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use krsi_abi::manifest::{Part, Ty};

    /// A set's map in memory that records the operations on it.
    struct Memory {
        keys: BTreeSet<Key>,
        done: Vec<String>,
        /// Number of insertions until the map is full.
        room: usize,
    }

    impl Memory {
        fn of(keys: impl IntoIterator<Item = Key>) -> Memory {
            Memory { keys: keys.into_iter().collect(), done: Vec::new(), room: usize::MAX }
        }

        fn note(&mut self, operation: &str, key: &Key) {
            self.done.push(format!("{operation}{}", key.data[0]));
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

    /// Keys of numbers, each one word in host byte order.
    fn keys(numbers: &[u64]) -> BTreeSet<Key> {
        numbers.iter().map(|number| Key { data: number.to_ne_bytes().to_vec(), bits: 0 }).collect()
    }

    fn given(elements: &[&str]) -> Elements {
        Elements { elements: elements.iter().map(|text| (*text).to_owned()).collect(), from: None }
    }

    /// The output and the operations of a change of a set of at most 5 elements that contains 1, 2 and 3.
    fn done(action: &Action) -> (Result<String, String>, Vec<String>) {
        let (set, mut table) = (ports(5), Memory::of(keys(&[1, 2, 3])));
        let before = table.keys.clone();
        let printed = apply(&Manifest::default(), Change { set: &set, table: &mut table, before }, action);
        (printed.map_err(|failure| failure.to_string()), table.done)
    }

    #[test]
    fn a_policy_that_is_not_loaded_has_no_sets() {
        let message = |policy| run(policy, "s", &Action::List, Duration::ZERO).expect_err("there is none").message;
        assert_eq!(message("a/b"), "invalid policy name `a/b`");
        let name = format!("no-policy-of-{}", std::process::id());
        assert_eq!(message(&name), format!("no policy `{name}` is loaded"));
    }

    #[test]
    fn changes_of_a_set() {
        for (action, printed, operations) in [
            (Action::List, "1\n2\n3\n", &[][..]),
            (Action::Add(given(&["2", "7", "9"])), "added 2 to ports, 1 already present\n", &["+7", "+9"]),
            (Action::Add(given(&["7", "7"])), "added 1 to ports\n", &["+7"]),
            (Action::Remove(given(&["3", "1", "8"])), "removed 2 from ports, 1 not present\n", &["-1", "-3"]),
            (Action::Remove(given(&["3"])), "removed 1 from ports\n", &["-3"]),
            (Action::Clear, "removed 3 from ports\n", &["-1", "-2", "-3"]),
            // New elements are added first.
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
        assert!(
            why.starts_with("error: set `ports` is full: it has 3 of 5 elements, and 3 more do not fit\n"),
            "{why}"
        );
        assert!(why.contains("note: there is room for 2; nothing was changed\n"), "{why}");
        assert_eq!(operations, [""; 0]);
        // The new elements fit, but not together with the old ones.
        let (failed, operations) = done(&Action::Replace(given(&["4", "5", "6"])));
        let why = failed.expect_err("six do not fit into five");
        assert!(why.contains("new elements are added before old ones are removed"), "{why}");
        assert_eq!(operations, [""; 0]);
        let (failed, _) = done(&Action::Replace(given(&["4", "5", "6", "7", "8", "9"])));
        assert!(!failed.expect_err("six do not fit into five").contains("before old ones"));
        // Five elements fit.
        assert!(done(&Action::Replace(given(&["1", "2", "3", "4", "5"]))).0.is_ok());
        let (failed, operations) = done(&Action::Add(given(&["4", "256"])));
        assert!(failed.expect_err("256 is not a u8").contains("the range is 0 to 255"));
        assert_eq!(operations, [""; 0]);
    }

    /// An element that another tool has removed is not a failure, but an error of the kernel is.
    #[test]
    fn errors_of_the_kernel() {
        let set = ports(5);
        let mut table = Memory::of(keys(&[1]));
        let before = keys(&[1, 2]);
        let printed = apply(&Manifest::default(), Change { set: &set, table: &mut table, before }, &Action::Clear);
        assert_eq!(printed.expect("a missing element is ignored"), "removed 2 from ports\n");
        let mut table = Memory { room: 1, ..Memory::of([]) };
        let change = Change { set: &set, table: &mut table, before: BTreeSet::new() };
        let failure = apply(&Manifest::default(), change, &Action::Add(given(&["1", "2"]))).expect_err("one fits");
        let text = failure.to_string();
        assert!(text.starts_with("error: cannot add to set `ports`: "), "{text}");
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
        let why = read("7\n\n300\n").expect_err("300 is not a u8");
        assert!(why.ends_with("list:3: `300` is not a valid element of `ports`"), "{why}");
        let given = Elements { elements: vec![], from: Some(folder.path().join("none")) };
        let why = given.read(&Manifest::default(), &ports(5)).expect_err("there is no file").to_string();
        assert!(why.contains("cannot read `") && why.contains("none`: "), "{why}");
    }

    #[test]
    fn numbers_are_listed_in_numeric_order() {
        let signed = Set { parts: vec![Part::Number(Ty::Int { bytes: 4, signed: true })], ..ports(5) };
        let numbers: BTreeSet<Key> = [5i64, -1, 0, 300, -300]
            .iter()
            .map(|number| Key { data: number.to_ne_bytes().to_vec(), bits: 0 })
            .collect();
        assert_eq!(format_elements(&Manifest::default(), &signed, &numbers), "-300\n-1\n0\n5\n300\n");
    }

    #[test]
    fn sets_are_found_by_name() {
        let manifest = Manifest { sets: vec![ports(5)], ..Manifest::default() };
        assert_eq!(find(&manifest, "p", "ports").expect("it exists").max, 5);
        let why = find(&manifest, "p", "port").expect_err("it does not exist").to_string();
        assert_eq!(why, "error: `p` has no dynamic set `port`\n  help: did you mean `ports`?\n");
        let why = find(&Manifest::default(), "p", "ports").expect_err("it does not exist").to_string();
        assert!(why.contains("it has no dynamic sets"), "{why}");
        assert_eq!(pin(Path::new("p"), "ports"), Path::new("p/maps/set-ports"));
    }

    /// Elements are copied to the set of the same name and type; dropped elements are reported.
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
                "the new policy has no set `gone`: dropped 1 element",
                "the type of set `other` changed from u16 to u32: dropped 3 elements",
                "cannot read set `bad` of the replaced policy: it was not kept",
            ]
        );
        let failure = carry_sets(&old, &new(1), read, |_, _| Ok(())).expect_err("two do not fit");
        assert_eq!(failure.message, "set `kept` has 2 elements, but room for 1 in the new policy");
        let failed = carry_sets(&old, &new(2), read, |_, _| Err(Failure::usage("full")));
        assert_eq!(failed.expect_err("it is not filled").message, "full");
    }
}
