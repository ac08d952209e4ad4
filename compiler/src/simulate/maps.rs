//! The state of maps while a machine runs.
//!
//! Each value is a separate region of memory, because programs hold pointers to it. There is one processor.

use std::collections::BTreeMap;

use super::image;
use super::memory::{Memory, Rights};

const HASH: u32 = 1;
const ARRAY: u32 = 2;
const PROGRAMS: u32 = 3;
const PER_CPU_HASH: u32 = 5;
const PER_CPU_ARRAY: u32 = 6;
const LRU_HASH: u32 = 9;
const LPM_TRIE: u32 = 11;
const RING_BUFFER: u32 = 27;

/// First of the addresses that represent maps; they are not mapped.
const HANDLES: u64 = 0xffff_c900_0000_0000;
const HANDLE_BYTES: u64 = 4096;

/// A map with its contents.
#[derive(Clone, Debug)]
pub struct Map {
    /// Declaration of the map.
    pub declared: image::Map,
    /// Address of each value, by key.
    values: BTreeMap<Vec<u8>, u64>,
}

/// The number that represents a map in registers.
#[must_use]
pub fn handle(index: usize) -> u64 {
    HANDLES + HANDLE_BYTES * index as u64
}

/// Returns the index of the map that a register refers to.
#[must_use]
pub fn of_handle(handle: u64) -> Option<usize> {
    let offset = handle.checked_sub(HANDLES)?;
    offset.is_multiple_of(HANDLE_BYTES).then_some((offset / HANDLE_BYTES) as usize)
}

impl Map {
    /// Creates an empty map, or an array of zeros.
    ///
    /// # Errors
    /// If the map type is not supported.
    pub fn new(declared: &image::Map, memory: &mut Memory) -> Result<Map, String> {
        let mut map = Map { declared: declared.clone(), values: BTreeMap::new() };
        match declared.kind {
            ARRAY | PER_CPU_ARRAY => {
                for index in 0..declared.entries as u32 {
                    let at = memory.add(vec![0; declared.value], Rights::Write, "value of an array");
                    map.values.insert(index.to_le_bytes().to_vec(), at);
                }
            }
            HASH | PROGRAMS | PER_CPU_HASH | LRU_HASH | LPM_TRIE | RING_BUFFER => {}
            other => return Err(format!("unsupported map type {other}")),
        }
        Ok(map)
    }

    /// Returns true for a ring buffer.
    #[must_use]
    pub fn is_ring_buffer(&self) -> bool {
        self.declared.kind == RING_BUFFER
    }

    /// Returns the address of a key's value; in a trie, that of the longest matching prefix.
    #[must_use]
    pub fn lookup(&self, key: &[u8]) -> Option<u64> {
        if self.declared.kind != LPM_TRIE {
            return self.values.get(key).copied();
        }
        let wanted = prefix(key);
        self.values
            .iter()
            .map(|(known, at)| (prefix(known), *at))
            .filter(|((bits, known), _)| *bits <= wanted.0 && same_bits(known, wanted.1, *bits))
            .max_by_key(|((bits, _), _)| *bits)
            .map(|(_, at)| at)
    }

    /// Inserts or replaces the value of a key.
    ///
    /// # Errors
    /// The errno that the kernel would return.
    pub fn update(&mut self, memory: &mut Memory, key: &[u8], value: &[u8], flags: u64) -> Result<(), i64> {
        const ENOENT: i64 = 2;
        const E2BIG: i64 = 7;
        const EEXIST: i64 = 17;
        let known = self.values.get(key).copied();
        match (known, flags) {
            (Some(_), 1) => return Err(EEXIST),
            (None, 2) => return Err(ENOENT),
            (Some(at), _) => {
                memory.poke(at, value);
            }
            (None, _) if matches!(self.declared.kind, ARRAY | PER_CPU_ARRAY) => return Err(E2BIG),
            (None, _) if self.values.len() >= self.declared.entries => {
                if self.declared.kind != LRU_HASH {
                    return Err(E2BIG);
                }
                self.values.pop_first();
            }
            (None, _) => {}
        }
        if known.is_none() {
            let at = memory.add(value.to_vec(), Rights::Write, "value of a map");
            self.values.insert(key.to_vec(), at);
        }
        Ok(())
    }

    /// Iterates over the keys and the addresses of their values.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&[u8], u64)> {
        self.values.iter().map(|(key, at)| (key.as_slice(), *at))
    }

    /// Makes the map full: it accepts no more keys.
    pub fn close(&mut self) {
        self.declared.entries = self.values.len();
    }

    /// Removes a key; returns true if it was present.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        self.values.remove(key).is_some()
    }
}

/// Prefix length and bytes of a trie key.
fn prefix(key: &[u8]) -> (u32, &[u8]) {
    let (bits, bytes) = key.split_at(key.len().min(4));
    (bits.try_into().map_or(0, u32::from_ne_bytes), bytes)
}

fn same_bits(one: &[u8], other: &[u8], bits: u32) -> bool {
    (0..bits as usize).all(|bit| {
        let mask = 0x80 >> (bit % 8);
        one.get(bit / 8).map(|byte| byte & mask) == other.get(bit / 8).map(|byte| byte & mask)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ring_buffers_take_records() {
        for (kind, takes) in
            [(RING_BUFFER, true), (HASH, false), (LRU_HASH, false), (LPM_TRIE, false), (PROGRAMS, false)]
        {
            let declared = image::Map { name: "m".into(), kind, key: 8, value: 8, entries: 4096 };
            let map = Map::new(&declared, &mut Memory::default()).expect("the kind is supported");
            assert_eq!(map.is_ring_buffer(), takes, "{kind}");
        }
    }

    #[test]
    fn trie_finds_longest_prefix() {
        let mut memory = Memory::default();
        let declared = image::Map { name: "m".into(), kind: LPM_TRIE, key: 8, value: 1, entries: 8 };
        let mut map = Map::new(&declared, &mut memory).expect("tries are supported");
        let key = |bits: u32, bytes: [u8; 4]| [bits.to_ne_bytes(), bytes].concat();
        for (bits, address, value) in [(8, [10, 0, 0, 0], 1), (16, [10, 1, 0, 0], 2), (0, [0; 4], 3)] {
            assert_eq!(map.update(&mut memory, &key(bits, address), &[value], 0), Ok(()));
        }
        let find =
            |address| memory.peek(map.lookup(&key(32, address)).expect("a prefix matches"), 1).map(<[u8]>::to_vec);
        assert_eq!(find([10, 1, 9, 9]), Some(vec![2]));
        assert_eq!(find([10, 2, 9, 9]), Some(vec![1]));
        assert_eq!(find([11, 2, 9, 9]), Some(vec![3]));
        assert!(map.delete(&key(0, [0; 4])));
        assert_eq!(map.lookup(&key(32, [11, 2, 9, 9])), None);
    }
}
