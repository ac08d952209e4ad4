//! Labels of a loaded policy: how many objects have each, and what a policy that takes another's place knows of them.
//!
//! Labels go by their names. The old policy's programs run until the new one's have been attached, so labels are
//! carried over twice: before that, when nobody else writes into the new maps, and after it, for what has been
//! marked in between.

use std::collections::HashMap as Known;
use std::path::{Path, PathBuf};

use aya::maps::{HashMap, Map, MapData, MapError};
use krsi_abi::labels::{LABELS_MAX, Object};
use krsi_abi::manifest::Manifest;

use crate::failure::{self, Failure};
use crate::pins;

/// Where the map of a kind of object is pinned, below a policy's folder.
pub fn pin(folder: &Path, on: Object) -> PathBuf {
    folder.join("maps").join(match on {
        Object::Task => "task-labels",
        Object::Inode => "inode-labels",
        Object::Socket => "socket-labels",
    })
}

/// Kinds of objects that a policy has labels on.
pub fn kinds(manifest: &Manifest) -> impl Iterator<Item = Object> {
    Object::ALL.into_iter().filter(|on| manifest.labels.iter().any(|label| label.on == *on))
}

/// Names of the labels on a kind of object, in the order of their bytes.
fn names(manifest: &Manifest, on: Object) -> Vec<&str> {
    manifest.labels.iter().filter(|label| label.on == on).map(|label| label.name.as_str()).collect()
}

/// What a manifest says about labels can be true.
pub fn verify(manifest: &Manifest, state_bytes: u64) -> Result<(), String> {
    for on in Object::ALL {
        if names(manifest, on).len() > LABELS_MAX {
            return Err(format!("it has more than {LABELS_MAX} labels on {}", on.word()));
        }
    }
    match manifest.labels_lost {
        Some(at) if u64::from(at) + 8 > state_bytes => Err("the count of lost labels lies outside of its state".into()),
        None if !manifest.labels.is_empty() => Err("it has labels and no count of the lost ones".into()),
        _ => Ok(()),
    }
}

/// An object's key, and its labels.
type Entry = (Vec<u8>, Vec<u8>);

/// A map of labels, whatever the lengths of its keys and values.
trait Table {
    fn entries(&self) -> Result<Vec<Entry>, MapError>;
    /// The value of a key, if it has one.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, MapError>;
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), MapError>;
}

struct Hash<const K: usize, const V: usize>(HashMap<MapData, [u8; K], [u8; V]>);

/// Bytes of a key or value; their number was taken from the manifest, as the map's was.
fn bytes<const N: usize>(of: &[u8]) -> [u8; N] {
    of.try_into().unwrap_or([0; N])
}

impl<const K: usize, const V: usize> Table for Hash<K, V> {
    fn entries(&self) -> Result<Vec<Entry>, MapError> {
        let mut found = Vec::new();
        for key in self.0.keys() {
            let key = key?;
            // What is gone by now is no entry.
            if let Some(value) = Table::get(self, &key)? {
                found.push((key.to_vec(), value));
            }
        }
        Ok(found)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, MapError> {
        match self.0.get(&bytes(key), 0) {
            Ok(value) => Ok(Some(value.to_vec())),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), MapError> {
        self.0.insert(bytes(key), bytes(value), 0)
    }
}

fn open(folder: &Path, manifest: &Manifest, on: Object) -> Result<Box<dyn Table>, Failure> {
    let pin = pin(folder, on);
    let read = |error: MapError| failure::at(&pin, "opened", error);
    let map = Map::HashMap(MapData::from_pin(&pin).map_err(read)?);
    fn of<const K: usize>(map: Map, words: u32) -> Result<Box<dyn Table>, MapError> {
        Ok(match words {
            1 => Box::new(Hash::<K, 8>(map.try_into()?)),
            2 => Box::new(Hash::<K, 16>(map.try_into()?)),
            3 => Box::new(Hash::<K, 24>(map.try_into()?)),
            4 => Box::new(Hash::<K, 32>(map.try_into()?)),
            5 => Box::new(Hash::<K, 40>(map.try_into()?)),
            6 => Box::new(Hash::<K, 48>(map.try_into()?)),
            7 => Box::new(Hash::<K, 56>(map.try_into()?)),
            8 => Box::new(Hash::<K, 64>(map.try_into()?)),
            // The most labels, and the former task behind them.
            _ => Box::new(Hash::<K, 72>(map.try_into()?)),
        })
    }
    let words = on.value_bytes(names(manifest, on).len()) / 8;
    match on.key_bytes() {
        16 => of::<16>(map, words),
        _ => of::<8>(map, words),
    }
    .map_err(read)
}

/// How many objects have each label, in the manifest's order.
pub fn counts(name: &str, manifest: &Manifest) -> Result<Vec<usize>, Failure> {
    let folder = pins::folder(name);
    let mut counts = Vec::with_capacity(manifest.labels.len());
    // Labels are ordered by what they are on.
    for on in kinds(manifest) {
        let entries =
            open(&folder, manifest, on)?.entries().map_err(|error| failure::at(&pin(&folder, on), "read", error))?;
        counts.extend(count(&entries, names(manifest, on).len()));
    }
    Ok(counts)
}

/// How many entries have each of so many labels.
fn count(entries: &[Entry], labels: usize) -> impl Iterator<Item = usize> {
    (0..labels).map(|byte| entries.iter().filter(|(_, value)| value.get(byte).is_some_and(|set| *set != 0)).count())
}

/// Adds the labels of a loaded policy to those of the one that is to take its place.
pub fn carry(old: &str, staging: &Path, manifest: &Manifest) -> Result<(), Failure> {
    let folder = pins::folder(old);
    let Ok(before) = crate::list::manifest(old) else {
        // What nobody can read nobody can carry over.
        return Ok(());
    };
    for on in kinds(manifest).filter(|on| kinds(&before).any(|known| known == *on)) {
        let from = open(&folder, &before, on)?;
        let mut to = open(staging, manifest, on)?;
        let entries = from.entries().map_err(|error| failure::at(&pin(&folder, on), "read", error))?;
        carry_entries(entries, &before, to.as_mut(), manifest, on)
            .map_err(|error| failure::at(&pin(staging, on), "written", error))?;
    }
    Ok(())
}

/// Adds the labels of entries to a map of the new policy, which keeps what it has.
fn carry_entries(
    entries: Vec<Entry>,
    before: &Manifest,
    to: &mut dyn Table,
    manifest: &Manifest,
    on: Object,
) -> Result<(), MapError> {
    let places: Known<&str, usize> = names(manifest, on).into_iter().zip(0..).collect();
    let moves: Vec<Option<usize>> = names(before, on).iter().map(|name| places.get(name).copied()).collect();
    let room = on.value_bytes(places.len()) as usize;
    for (key, value) in entries {
        let have = to.get(&key)?.unwrap_or_else(|| vec![0; room]);
        let want = translate(&value, &moves, &have);
        if want != have {
            to.put(&key, &want)?;
        }
    }
    Ok(())
}

/// A value with the labels of an older one added, each at its new place.
fn translate(old: &[u8], moves: &[Option<usize>], new: &[u8]) -> Vec<u8> {
    let mut value = new.to_vec();
    for (set, to) in old.iter().zip(moves) {
        if let Some(place) = to.and_then(|to| value.get_mut(to)) {
            *place |= u8::from(*set != 0);
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeMap;

    use krsi_abi::manifest::Label;

    /// A map in memory.
    #[derive(Default)]
    struct Memory(BTreeMap<Vec<u8>, Vec<u8>>);

    impl Table for Memory {
        fn entries(&self) -> Result<Vec<Entry>, MapError> {
            Ok(self.0.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
        }

        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, MapError> {
            Ok(self.0.get(key).cloned())
        }

        fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), MapError> {
            assert_ne!(self.0.get(key).map(Vec::as_slice), Some(value), "what is there already is not written");
            self.0.insert(key.to_vec(), value.to_vec());
            Ok(())
        }
    }

    /// Labels by their kind, in the manifest's order.
    fn manifest(labels: &[(Object, &str)]) -> Manifest {
        let label = |(on, name): &(Object, &str)| Label { name: (*name).into(), on: *on, inherit: false };
        Manifest { labels: labels.iter().map(label).collect(), labels_lost: Some(0), ..Manifest::default() }
    }

    #[test]
    fn labels_are_carried_and_what_is_there_stays() {
        use Object::{Inode, Task};
        let old = manifest(&[(Task, "a"), (Task, "c"), (Inode, "i")]);
        let new = manifest(&[(Task, "b"), (Task, "c"), (Task, "d"), (Inode, "i")]);
        // Bytes of labels, then 8 bytes of the former task.
        let value = |labels: [u8; 3]| [&labels[..], &[0; 13]].concat();
        let mut map = Memory::default();
        // The new policy's programs have marked object 1 with `b` and object 4 with all.
        map.put(&[1], &value([1, 0, 0])).expect("memory");
        map.put(&[4], &value([1, 1, 1])).expect("memory");
        let entries = vec![
            (vec![1], value([0, 1, 0])), // `c`
            (vec![2], value([1, 1, 0])), // `a`, which is no more, and `c`
            (vec![3], value([1, 0, 0])), // `a`
            (vec![4], value([0, 1, 0])), // `c`
        ];
        for _ in 0..2 {
            carry_entries(entries.clone(), &old, &mut map, &new, Task).expect("memory");
            let expected = [(vec![1], value([1, 1, 0])), (vec![2], value([0, 1, 0])), (vec![4], value([1, 1, 1]))];
            assert_eq!(map.entries().expect("memory"), expected);
        }
    }

    #[test]
    fn labels_are_counted_by_byte() {
        let entries: Vec<Entry> = [[1, 0, 0], [1, 1, 0], [0, 0, 9]].map(|value| (vec![], value.to_vec())).to_vec();
        assert_eq!(count(&entries, 3).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!(count(&entries, 2).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(count(&entries, 4).collect::<Vec<_>>(), [2, 1, 1, 0]);
    }

    #[test]
    fn kinds_and_names_of_labels() {
        use Object::{Inode, Socket, Task};
        let manifest = manifest(&[(Task, "a"), (Task, "b"), (Socket, "s")]);
        assert_eq!(kinds(&manifest).collect::<Vec<_>>(), [Task, Socket]);
        assert_eq!((names(&manifest, Task), names(&manifest, Inode)), (vec!["a", "b"], vec![]));
        let pins = Object::ALL.map(|on| pin(Path::new("p"), on));
        assert_eq!(pins, ["p/maps/task-labels", "p/maps/inode-labels", "p/maps/socket-labels"].map(PathBuf::from));
    }

    #[test]
    fn manifests_with_impossible_labels() {
        let all: Vec<(Object, &str)> = vec![(Object::Task, "a"); LABELS_MAX];
        assert_eq!(verify(&manifest(&all), 8), Ok(()));
        let over = [&all[..], &all[..1]].concat();
        assert!(verify(&manifest(&over), 8).is_err_and(|why| why.contains("more than 64 labels on task")));
        let one = Manifest { labels_lost: Some(16), ..manifest(&all[..1]) };
        assert_eq!(verify(&one, 24), Ok(()));
        assert!(verify(&one, 23).is_err_and(|why| why.contains("outside")));
        let uncounted = Manifest { labels_lost: None, ..one };
        assert!(verify(&uncounted, 24).is_err_and(|why| why.contains("no count")));
        assert_eq!(verify(&Manifest::default(), 0), Ok(()));
    }

    #[test]
    fn keys_have_the_length_of_their_map() {
        assert_eq!((bytes::<2>(&[1, 2]), bytes::<3>(&[1, 2])), ([1, 2], [0; 3]));
    }

    #[test]
    fn labels_go_by_their_names() {
        // `a c` becomes `b c d`: `a` is gone, `c` is the second one now.
        assert_eq!(translate(&[1, 1, 0, 0], &[None, Some(1)], &[1, 0, 0, 0]), [1, 1, 0, 0]);
        assert_eq!(translate(&[1, 0, 0, 0], &[None, Some(1)], &[0, 0, 0, 0]), [0, 0, 0, 0]);
    }
}
