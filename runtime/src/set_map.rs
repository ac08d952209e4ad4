//! The maps of dynamic sets: hash maps and LPM tries for each supported key size.
//!
//! aya's map types have the key size as a type parameter; [`Table`] hides it.

use std::collections::BTreeSet;
use std::path::Path;

use aya::maps::lpm_trie::{self, LpmTrie};
use aya::maps::{HashMap, Map, MapData, MapError};
use krsi_abi::manifest::Set;

use crate::elements::{self, Key};
use crate::failure::{self, Failure};

/// A set's map, independent of its type and key size.
pub trait Table {
    /// Adds an element, which may be present already.
    fn insert(&mut self, key: &Key) -> Result<(), MapError>;
    /// Removes an element; fails if it is not present.
    fn remove(&mut self, key: &Key) -> Result<(), MapError>;
    /// Returns all elements of the set.
    fn keys(&self) -> Result<BTreeSet<Key>, MapError>;
}

struct Hash<const N: usize>(HashMap<MapData, [u8; N], u8>);

struct Trie<const N: usize>(LpmTrie<MapData, [u8; N], u8>);

/// Converts a key to an array. `N` and the key's length both come from the set's type.
fn bytes<const N: usize>(key: &Key) -> [u8; N] {
    key.data.as_slice().try_into().unwrap_or([0; N])
}

/// Converts a key to that of a trie: the prefix length in bits, then the bytes.
fn trie_key<const N: usize>(key: &Key) -> lpm_trie::Key<[u8; N]> {
    lpm_trie::Key::new(key.bits, bytes(key))
}

/// Converts a key of a trie.
fn from_trie_key<const N: usize>(key: &lpm_trie::Key<[u8; N]>) -> Key {
    Key { data: key.data().to_vec(), bits: key.prefix_len() }
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
        self.0.insert(&trie_key(key), 1, 0)
    }

    fn remove(&mut self, key: &Key) -> Result<(), MapError> {
        self.0.remove(&trie_key(key))
    }

    fn keys(&self) -> Result<BTreeSet<Key>, MapError> {
        self.0.keys().map(|found| Ok(from_trie_key(&found?))).collect()
    }
}

/// Opens the pinned map of a set.
pub fn open(pin: &Path, set: &Set) -> Result<Box<dyn Table>, Failure> {
    let read = |error: MapError| failure::at(pin, "open", error);
    let data = MapData::from_pin(pin).map_err(read)?;
    let table: Box<dyn Table> = match (elements::is_trie(set), elements::key_bytes(set)) {
        (false, 8) => Box::new(Hash::<8>(Map::HashMap(data).try_into().map_err(read)?)),
        (false, 16) => Box::new(Hash::<16>(Map::HashMap(data).try_into().map_err(read)?)),
        (false, 24) => Box::new(Hash::<24>(Map::HashMap(data).try_into().map_err(read)?)),
        (false, 256) => Box::new(Hash::<256>(Map::HashMap(data).try_into().map_err(read)?)),
        (true, 16) => Box::new(Trie::<16>(Map::LpmTrie(data).try_into().map_err(read)?)),
        (true, 24) => Box::new(Trie::<24>(Map::LpmTrie(data).try_into().map_err(read)?)),
        (_, bytes) => {
            return Err(Failure::usage(format!("set `{}` has an unknown key size of {bytes} bytes", set.name))
                .help("use a `krsi` at least as new as the `krsic` that built the policy"));
        }
    };
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct bpf_lpm_trie_key` has the length of the prefix in bits, regardless of the key size.
    #[test]
    fn keys_of_tries() {
        for bits in [0, 8, 104, 128] {
            let key = Key { data: (0..16).collect(), bits };
            let trie = trie_key::<16>(&key);
            assert_eq!(
                (trie.prefix_len(), trie.data()),
                (bits, *b"\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f")
            );
            assert_eq!(from_trie_key(&trie), key);
        }
    }

    /// A key of the wrong length becomes zero instead of being truncated to another element.
    #[test]
    fn keys_have_the_length_of_their_map() {
        let key = Key { data: vec![1, 2, 3, 4, 5, 6, 7, 8], bits: 0 };
        assert_eq!(bytes::<8>(&key), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(bytes::<16>(&key), [0; 16]);
    }
}
