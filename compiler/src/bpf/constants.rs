//! What programs only read: sections of the object, each the value of a map of its own.
//!
//! ```text
//! .rodata          what the load sets, and tables: code names what it reads by its offset
//! .rodata.texts    texts that `krs_same` compares, wherever they begin
//! .rodata.match    automata that `krs_match` runs: states are words, counted from the beginning
//! ```
//!
//! They are several because a kernel bounds a value ([`MAP_VALUE_BYTES_MAX`]), and divided by who reads them, so that no function has to
//! choose.
//!
//! Invariant: what was put somewhere stays there; the same bytes are there once, where they may be shared.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::library::words;
use crate::limits::MAP_VALUE_BYTES_MAX;

/// A section of constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// What the load sets, and what is searched.
    Tables,
    /// What is compared.
    Texts,
    /// What texts are run through.
    Automata,
}

impl Section {
    /// All of them.
    pub const ALL: [Section; 3] = [Section::Tables, Section::Texts, Section::Automata];

    /// Its name in the object.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Section::Tables => krsi_abi::CONSTANTS_SECTION,
            Section::Texts => ".rodata.texts",
            Section::Automata => ".rodata.match",
        }
    }

    /// Its symbol.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Section::Tables => "krs_constants",
            Section::Texts => "krs_texts",
            Section::Automata => "krs_automata",
        }
    }

    /// What is there, in a user's words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Section::Tables => "tables",
            Section::Texts => "texts",
            Section::Automata => "patterns",
        }
    }

    /// The most bytes that can be put there.
    #[must_use]
    pub fn room(self) -> usize {
        match self {
            Section::Tables | Section::Automata => MAP_VALUE_BYTES_MAX,
            Section::Texts => MAP_VALUE_BYTES_MAX - words::READ_BYTES,
        }
    }
}

/// All sections of constants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Constants {
    /// By [`Section`].
    sections: [Bytes; 3],
}

/// The bytes of a section.
#[derive(Clone, Debug, Default, PartialEq)]
struct Bytes {
    all: Vec<u8>,
    /// What may be shared, by its hash: where it begins, and its bytes.
    shared: HashMap<u64, (u32, u32)>,
}

impl Constants {
    /// The bytes of a section.
    #[must_use]
    pub fn bytes(&self, section: Section) -> &[u8] {
        &self.sections[section as usize].all
    }

    /// The bytes of a section, where a function relies on it, as an immediate.
    #[must_use]
    pub fn end(&self, section: Section) -> i32 {
        self.bytes(section).len() as i32
    }

    /// A section that has more than there is room for.
    #[must_use]
    pub fn full(&self) -> Option<Section> {
        Section::ALL.into_iter().find(|section| self.bytes(*section).len() > section.room())
    }

    /// Adds constants, aligned to 8 bytes: where they are.
    pub fn add(&mut self, section: Section, bytes: &[u8]) -> u32 {
        let all = &mut self.sections[section as usize].all;
        all.resize(all.len().next_multiple_of(8), 0);
        let at = all.len() as u32;
        all.extend_from_slice(bytes);
        at
    }

    /// Adds constants that may say where they are, if the very same are not there yet; `placed` is what they are there, and
    /// `bytes` what they are anywhere.
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

    /// Adds constants, if the very same are not there yet.
    pub fn share(&mut self, section: Section, bytes: &[u8]) -> u32 {
        self.share_placed(section, bytes, |_| bytes.into())
    }

    /// Makes a section longer, so that so much can be read from wherever something begins: where the end was.
    pub fn pad(&mut self, section: Section, bytes: usize) -> i32 {
        let all = &mut self.sections[section as usize].all;
        let end = all.len();
        all.resize(end + bytes, 0);
        end as i32
    }
}
