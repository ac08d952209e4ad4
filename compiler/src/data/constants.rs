//! Constants: read-only sections of the object, each the value of one array map.
//!
//! ```text
//! .rodata          values that the loader sets, and search tables, by offset
//! .rodata.texts    texts that `krs_same` compares, at any offset
//! .rodata.match    automata that `krs_match` runs; states are word indexes from the start of the section
//! ```
//!
//! There are several because the kernel bounds the size of a map value ([`MAP_VALUE_BYTES_MAX`]), and they
//! are divided by reader, so that no function has to select a section at run time.
//!
//! Invariant: an offset stays valid once it is returned; identical shared contents are stored once.
//!
//! Absent: state that programs change, which is in `.bss`, and rule modes, which are in `.data`.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::limits::{MAP_VALUE_BYTES_MAX, TEXT_READ_BYTES};
use crate::relocation::Section;

/// The contents of all sections of constants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Constants {
    /// The contents, indexed by [`Section`].
    sections: [Bytes; 3],
}

/// The contents of one section.
#[derive(Clone, Debug, Default, PartialEq)]
struct Bytes {
    all: Vec<u8>,
    /// Offset and size of shared contents, by hash.
    shared: HashMap<u64, (u32, u32)>,
}

impl Constants {
    /// Returns the contents of a section.
    #[must_use]
    pub fn bytes(&self, section: Section) -> &[u8] {
        &self.sections[section as usize].all
    }

    /// Returns the size of a section as an immediate, for functions that check bounds.
    #[must_use]
    pub fn end(&self, section: Section) -> i32 {
        self.bytes(section).len() as i32
    }

    /// Returns the maximum size of a section's contents, without padding for reads past the end.
    #[must_use]
    pub fn room(section: Section) -> usize {
        match section {
            Section::Tables | Section::Automata => MAP_VALUE_BYTES_MAX,
            Section::Texts => MAP_VALUE_BYTES_MAX - TEXT_READ_BYTES,
        }
    }

    /// Returns a section that exceeds its maximum size, if there is one.
    #[must_use]
    pub fn full(&self) -> Option<Section> {
        Section::ALL.into_iter().find(|section| self.bytes(*section).len() > Constants::room(*section))
    }

    /// Adds constants at a multiple of 8 and returns their offset.
    pub fn add(&mut self, section: Section, bytes: &[u8]) -> u32 {
        let all = &mut self.sections[section as usize].all;
        all.resize(all.len().next_multiple_of(8), 0);
        let at = all.len() as u32;
        all.extend_from_slice(bytes);
        at
    }

    /// Adds constants that may contain their own offset, unless identical ones exist. `bytes` is the
    /// position-independent form by which they are compared; `placed` returns the contents for an offset.
    pub fn share_placed(&mut self, section: Section, bytes: &[u8], placed: impl Fn(u32) -> Vec<u8>) -> u32 {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let hash = hasher.finish();
        let Bytes { all, shared } = &self.sections[section as usize];
        if let Some((at, length)) = shared.get(&hash).copied()
            && length as usize == bytes.len()
            && all[at as usize..(at + length) as usize] == placed(at)
        {
            return at;
        }
        let at = all.len().next_multiple_of(8) as u32;
        self.add(section, &placed(at));
        self.sections[section as usize].shared.insert(hash, (at, bytes.len() as u32));
        at
    }

    /// Adds constants, unless identical ones exist.
    pub fn share(&mut self, section: Section, bytes: &[u8]) -> u32 {
        self.share_placed(section, bytes, |_| bytes.into())
    }

    /// Pads a section so that `bytes` can be read from any offset of its contents, and returns the end of the
    /// contents.
    pub fn pad(&mut self, section: Section, bytes: usize) -> i32 {
        let all = &mut self.sections[section as usize].all;
        let end = all.len();
        all.resize(end + bytes, 0);
        end as i32
    }
}
