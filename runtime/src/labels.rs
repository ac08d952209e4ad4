//! Labels of a loaded policy: counting the labelled objects, and carrying labels over to a replacement policy.
//!
//! Labels of the two policies correspond by name. The old policy's programs run until the new ones are
//! attached, so labels are copied twice: before that, while nothing else writes to the new maps, and
//! afterwards, to include objects that the old policy marked in between.
//!
//! An entry of a label map is an object's key and a value with one byte per label; a byte other than 0 sets the
//! label.

use std::collections::HashMap as StdHashMap;
use std::path::{Path, PathBuf};

use aya::maps::{HashMap, Map, MapData, MapError};
use krsi_abi::labels::{LABELS_MAX, Object};
use krsi_abi::manifest::Manifest;

use crate::failure::{self, Failure};
use crate::pins;

/// Path of the pinned label map for a kind of object, in a policy's folder.
pub fn pin(folder: &Path, on: Object) -> PathBuf {
    folder.join("maps").join(match on {
        Object::Task => "task-labels",
        Object::Inode => "inode-labels",
        Object::Socket => "socket-labels",
    })
}

/// Kinds of objects on which a policy has labels.
pub fn kinds(manifest: &Manifest) -> impl Iterator<Item = Object> {
    Object::ALL.into_iter().filter(|on| manifest.labels.iter().any(|label| label.on == *on))
}

/// Names of the labels on a kind of object, in the order of their bytes in a map value.
fn names(manifest: &Manifest, on: Object) -> Vec<&str> {
    manifest.labels.iter().filter(|label| label.on == on).map(|label| label.name.as_str()).collect()
}

/// Checks the manifest's labels against their limits and the size of the state section.
pub fn verify(manifest: &Manifest, state_bytes: u64) -> Result<(), String> {
    for on in Object::ALL {
        if names(manifest, on).len() > LABELS_MAX {
            return Err(format!("it has more than {LABELS_MAX} labels on {}", on.word()));
        }
    }
    match manifest.labels_lost {
        Some(at) if u64::from(at) + 8 > state_bytes => {
            Err("the counter of lost labels lies outside the state section".into())
        }
        None if !manifest.labels.is_empty() => Err("it has labels but no counter of lost labels".into()),
        _ => Ok(()),
    }
}

/// An object's key and the value with its labels.
type Entry = (Vec<u8>, Vec<u8>);

/// A label map, independent of its key and value sizes.
trait Table {
    fn entries(&self) -> Result<Vec<Entry>, MapError>;
    /// Returns the value of a key, if present.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, MapError>;
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), MapError>;
}

struct Hash<const K: usize, const V: usize>(HashMap<MapData, [u8; K], [u8; V]>);

/// Converts a key or value to an array. `N` and the length of the slice both come from the manifest.
fn bytes<const N: usize>(of: &[u8]) -> [u8; N] {
    of.try_into().unwrap_or([0; N])
}

impl<const K: usize, const V: usize> Table for Hash<K, V> {
    fn entries(&self) -> Result<Vec<Entry>, MapError> {
        let mut found = Vec::new();
        for key in self.0.keys() {
            let key = key?;
            // The entry may have been removed meanwhile.
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
    let read = |error: MapError| failure::at(&pin, "open", error);
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
            // `LABELS_MAX` labels, followed by the 8 bytes of the former task.
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

/// Counts the objects with each label, in the order of the manifest's labels.
pub fn counts(name: &str, manifest: &Manifest) -> Result<Vec<usize>, Failure> {
    let folder = pins::folder(name);
    let mut counts = Vec::with_capacity(manifest.labels.len());
    // The manifest sorts labels by kind of object.
    for on in kinds(manifest) {
        let entries =
            open(&folder, manifest, on)?.entries().map_err(|error| failure::at(&pin(&folder, on), "read", error))?;
        counts.extend(count(&entries, names(manifest, on).len()));
    }
    Ok(counts)
}

/// Counts the entries that have each of the first `labels` labels.
fn count(entries: &[Entry], labels: usize) -> impl Iterator<Item = usize> {
    (0..labels).map(|byte| entries.iter().filter(|(_, value)| value.get(byte).is_some_and(|set| *set != 0)).count())
}

/// Adds the labels of the loaded policy `old` to those of its replacement in `staging`.
pub fn carry(old: &str, staging: &Path, manifest: &Manifest) -> Result<(), Failure> {
    let folder = pins::folder(old);
    let Ok(before) = crate::list::manifest(old) else {
        // Labels of an unreadable policy cannot be carried over.
        return Ok(());
    };
    for on in kinds(manifest).filter(|on| kinds(&before).any(|known| known == *on)) {
        let from = open(&folder, &before, on)?;
        let mut to = open(staging, manifest, on)?;
        let entries = from.entries().map_err(|error| failure::at(&pin(&folder, on), "read", error))?;
        carry_entries(entries, &before, to.as_mut(), manifest, on)
            .map_err(|error| failure::at(&pin(staging, on), "write", error))?;
    }
    Ok(())
}

/// Adds the labels of entries of the old map to a map of the new policy, keeping the labels already there.
fn carry_entries(
    entries: Vec<Entry>,
    before: &Manifest,
    to: &mut dyn Table,
    manifest: &Manifest,
    on: Object,
) -> Result<(), MapError> {
    let places: StdHashMap<&str, usize> = names(manifest, on).into_iter().zip(0..).collect();
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

/// Returns the value `new` with the labels of `old` added; `moves` maps old label indices to new ones.
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
            assert_ne!(self.0.get(key).map(Vec::as_slice), Some(value), "an unchanged value is not written");
            self.0.insert(key.to_vec(), value.to_vec());
            Ok(())
        }
    }

    /// A manifest with the given labels, in order.
    fn manifest(labels: &[(Object, &str)]) -> Manifest {
        let label = |(on, name): &(Object, &str)| Label { name: (*name).into(), on: *on, inherit: false };
        Manifest { labels: labels.iter().map(label).collect(), labels_lost: Some(0), ..Manifest::default() }
    }

    #[test]
    fn carried_labels_are_merged() {
        use Object::{Inode, Task};
        let old = manifest(&[(Task, "a"), (Task, "c"), (Inode, "i")]);
        let new = manifest(&[(Task, "b"), (Task, "c"), (Task, "d"), (Inode, "i")]);
        // Bytes of labels, then 8 bytes of the former task.
        let value = |labels: [u8; 3]| [&labels[..], &[0; 13]].concat();
        let mut map = Memory::default();
        // The new policy's programs have marked object 1 with `b` and object 4 with all labels.
        map.put(&[1], &value([1, 0, 0])).expect("memory");
        map.put(&[4], &value([1, 1, 1])).expect("memory");
        let entries = vec![
            (vec![1], value([0, 1, 0])), // `c`
            (vec![2], value([1, 1, 0])), // `a`, which no longer exists, and `c`
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
    fn manifests_with_invalid_labels() {
        let all: Vec<(Object, &str)> = vec![(Object::Task, "a"); LABELS_MAX];
        assert_eq!(verify(&manifest(&all), 8), Ok(()));
        let over = [&all[..], &all[..1]].concat();
        assert!(verify(&manifest(&over), 8).is_err_and(|why| why.contains("more than 64 labels on task")));
        let one = Manifest { labels_lost: Some(16), ..manifest(&all[..1]) };
        assert_eq!(verify(&one, 24), Ok(()));
        assert!(verify(&one, 23).is_err_and(|why| why.contains("outside")));
        let uncounted = Manifest { labels_lost: None, ..one };
        assert!(verify(&uncounted, 24).is_err_and(|why| why.contains("no counter")));
        assert_eq!(verify(&Manifest::default(), 0), Ok(()));
    }

    #[test]
    fn keys_have_the_length_of_their_map() {
        assert_eq!((bytes::<2>(&[1, 2]), bytes::<3>(&[1, 2])), ([1, 2], [0; 3]));
    }

    #[test]
    fn labels_correspond_by_name() {
        // `a c` becomes `b c d`: `a` is dropped, and `c` is now the second label.
        assert_eq!(translate(&[1, 1, 0, 0], &[None, Some(1)], &[1, 0, 0, 0]), [1, 1, 0, 0]);
        assert_eq!(translate(&[1, 0, 0, 0], &[None, Some(1)], &[0, 0, 0, 0]), [0, 0, 0, 0]);
    }
}
