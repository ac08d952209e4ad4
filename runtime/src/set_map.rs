//! The map of a set that changes: hashes and tries with keys of the lengths that there are.

use std::collections::BTreeSet;
use std::path::Path;

use aya::maps::lpm_trie::{self, LpmTrie};
use aya::maps::{HashMap, Map, MapData, MapError};
use krsi_abi::manifest::Set;

use crate::elements::{self, Key};
use crate::failure::{self, Failure};

/// What every such map does.
pub trait Table {
    /// Adds an element, or leaves it.
    fn insert(&mut self, key: &Key) -> Result<(), MapError>;
    /// Removes an element that is there.
    fn remove(&mut self, key: &Key) -> Result<(), MapError>;
    /// All elements.
    fn keys(&self) -> Result<BTreeSet<Key>, MapError>;
}

struct Hash<const N: usize>(HashMap<MapData, [u8; N], u8>);

struct Trie<const N: usize>(LpmTrie<MapData, [u8; N], u8>);

/// A key's bytes; its length was taken from the set, as the map's was.
fn bytes<const N: usize>(key: &Key) -> [u8; N] {
    key.data.as_slice().try_into().unwrap_or([0; N])
}

impl<const N: usize> Table for Hash<N> {
    fn insert(&mut self, key: &Key) -> Result<(), MapError> {
        self.0.insert(bytes(key), 1, 0)
    }

    fn remove(&mut self, key: &Key) -> Result<(), MapError> {
        self.0.remove(&bytes(key))
    }

    fn keys(&self) -> Result<BTreeSet<Key>, MapError> {
        self.0.keys().map(|key| Ok(Key { data: key?.to_vec(), bits: 0 })).collect()
    }
}

impl<const N: usize> Table for Trie<N> {
    fn insert(&mut self, key: &Key) -> Result<(), MapError> {
        self.0.insert(&lpm_trie::Key::new(key.bits, bytes(key)), 1, 0)
    }

    fn remove(&mut self, key: &Key) -> Result<(), MapError> {
        self.0.remove(&lpm_trie::Key::new(key.bits, bytes(key)))
    }

    fn keys(&self) -> Result<BTreeSet<Key>, MapError> {
        let key = |key: lpm_trie::Key<[u8; N]>| Key { data: key.data().to_vec(), bits: key.prefix_len() };
        self.0.keys().map(|found| Ok(key(found?))).collect()
    }
}

/// Opens a set's map where it is pinned.
pub fn open(pin: &Path, set: &Set) -> Result<Box<dyn Table>, Failure> {
    let read = |error: MapError| failure::at(pin, "opened", error);
    let data = MapData::from_pin(pin).map_err(read)?;
    let table: Box<dyn Table> = match (elements::is_trie(set), elements::key_bytes(set)) {
        (false, 8) => Box::new(Hash::<8>(Map::HashMap(data).try_into().map_err(read)?)),
        (false, 16) => Box::new(Hash::<16>(Map::HashMap(data).try_into().map_err(read)?)),
        (false, 24) => Box::new(Hash::<24>(Map::HashMap(data).try_into().map_err(read)?)),
        (false, 256) => Box::new(Hash::<256>(Map::HashMap(data).try_into().map_err(read)?)),
        (true, 16) => Box::new(Trie::<16>(Map::LpmTrie(data).try_into().map_err(read)?)),
        (true, 24) => Box::new(Trie::<24>(Map::LpmTrie(data).try_into().map_err(read)?)),
        (_, bytes) => {
            return Err(Failure::usage(format!("set `{}` has keys of {bytes} bytes", set.name))
                .help("use a `krsi` as new as the policy"));
        }
    };
    Ok(table)
}
