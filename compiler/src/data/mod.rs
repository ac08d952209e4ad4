//! Data that the programs of a policy share: maps, read-only data, and state.
//!
//! ```text
//! krs_events: ring buffer of 262144 bytes      maps, by name
//! .rodata, .rodata.texts, .rodata.match        constants (see `constants`)
//! .bss                                         state: counters, by offset
//! ```
//!
//! Lowering to `mir` and the run-time library add data while they generate code, and refer to it by
//! relocations. `object` writes it.
//!
//! Absent: rule modes, which the section `.data` has, and the functions that use the data.

pub mod constants;

use self::constants::Constants;
use crate::relocation::RelocationKind;

/// The data that all programs and functions of a policy share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data {
    /// Maps, sorted by name.
    pub maps: Vec<Map>,
    /// Size of the ring buffer in bytes.
    pub events_bytes: u32,
    /// Read-only data of all programs.
    pub constants: Constants,
    /// Size of the section `.bss` in bytes.
    pub state: u32,
    /// Offset in `.bss` of the counters of unreadable values, one for each rule.
    pub unreadable: Option<u32>,
    /// Offset in `.bss` of the counters of events over a limit, one for each rule.
    pub limited: Option<u32>,
    /// Offset in `.bss` of the windows of limits, one for each rule: the start of the window and its number
    /// of events.
    pub windows: Option<u32>,
    /// Offset in the constants of the files that the loader finds: a device and an inode number of 8 bytes
    /// each.
    pub files: u32,
    /// Offset in `.bss` of the count of labels that found no room, if the policy has labels.
    pub labels_lost: Option<u32>,
    /// The most levels of a group of rows among the constants (see `rt::find`).
    pub levels: u32,
}

impl Data {
    /// Adds a map unless it exists.
    pub fn map(&mut self, map: Map) -> RelocationKind {
        let name = map.name.clone();
        match self.maps.binary_search_by(|known| known.name.cmp(&name)) {
            Ok(at) => debug_assert!(self.maps[at] == map, "two maps of one name"),
            Err(at) => self.maps.insert(at, map),
        }
        RelocationKind::Map(name)
    }

    /// Adds the ring buffer that events are written to.
    pub fn events(&mut self) -> RelocationKind {
        self.map(Map {
            name: krsi_abi::EVENTS_MAP.into(),
            kind: MapKind::RingBuf,
            key: 0,
            value: 0,
            entries: self.events_bytes,
        })
    }

    /// Adds state, aligned to 8 bytes, and returns its offset.
    pub fn state(&mut self, bytes: u32) -> u32 {
        let offset = self.state.next_multiple_of(8);
        self.state = offset + bytes;
        offset
    }
}

/// A map of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Symbol in the object.
    pub name: String,
    /// Kind of the map.
    pub kind: MapKind,
    /// Bytes of a key.
    pub key: u32,
    /// Bytes of a value.
    pub value: u32,
    /// The most elements; of a ring buffer, its bytes.
    pub entries: u32,
}

/// The types of `enum bpf_map_type` that programs here use; 5.10 has all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of bpf.h")]
#[repr(u32)]
pub enum MapKind {
    Hash = 1,
    /// A hash map that allocates memory when an element is added, for sets with a large capacity.
    GrowingHash = 0x101,
    /// An array of programs, the targets of tail calls.
    ProgArray = 3,
    PerCpuArray = 6,
    LpmTrie = 11,
    RingBuf = 27,
}

impl MapKind {
    /// Name of the kind in plain words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            MapKind::Hash | MapKind::GrowingHash => "hash",
            MapKind::ProgArray => "programs",
            MapKind::PerCpuArray => "array for each processor",
            MapKind::LpmTrie => "trie of prefixes",
            MapKind::RingBuf => "ring buffer",
        }
    }

    /// The number of the type in the kernel.
    #[must_use]
    pub fn number(self) -> u32 {
        self as u32 & 0xff
    }

    /// Flags of the creation: `BPF_F_NO_PREALLOC` for maps that allocate memory when an element is added, as
    /// every trie must.
    #[must_use]
    pub fn flags(self) -> u32 {
        match self {
            MapKind::LpmTrie | MapKind::GrowingHash => 1,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MapKind;

    /// The kernel requires `BPF_F_NO_PREALLOC` (1) for a trie and rejects it for arrays and ring buffers.
    /// Without it, a hash for a million elements would allocate the memory for all of them at creation.
    #[test]
    fn maps_have_the_flags_that_the_kernel_requires() {
        use MapKind::{GrowingHash, Hash, LpmTrie, PerCpuArray, ProgArray, RingBuf};
        for (kind, number, flags) in [
            (Hash, 1, 0),
            (GrowingHash, 1, 1),
            (ProgArray, 3, 0),
            (PerCpuArray, 6, 0),
            (LpmTrie, 11, 1),
            (RingBuf, 27, 0),
        ] {
            assert_eq!((kind.number(), kind.flags()), (number, flags), "{}", kind.words());
        }
    }
}
