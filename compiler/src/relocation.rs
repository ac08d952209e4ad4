//! Values that a loader fills in: addresses of maps and data, and facts about kernel types (CO-RE).
//!
//! ```text
//! inode.i_mode                 offset of the field          exists(inode.i_mode)    1 if the kernel has it
//! size(inode.i_size)           its size in bytes            state[8]                address in `.bss`
//! ```
//!
//! Instructions of `mir` and of `bpf` carry these; `object` turns them into ELF relocations and CO-RE
//! records.

use std::fmt;

use krsi_abi::manifest::RuleId;

use crate::access::Access;

/// A section of constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// Values that the loader sets, and search tables.
    Tables,
    /// Texts that are compared as a whole.
    Texts,
    /// Automata that texts are matched against.
    Automata,
}

impl Section {
    /// All sections, in the order of their discriminants.
    pub const ALL: [Section; 3] = [Section::Tables, Section::Texts, Section::Automata];

    /// Returns the name of the section in the object.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Section::Tables => krsi_abi::CONSTANTS_SECTION,
            Section::Texts => ".rodata.texts",
            Section::Automata => ".rodata.match",
        }
    }

    /// Returns the symbol at the start of the section.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Section::Tables => "krs_constants",
            Section::Texts => "krs_texts",
            Section::Automata => "krs_automata",
        }
    }

    /// Returns a name of the contents for diagnostics.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Section::Tables => "tables",
            Section::Texts => "texts",
            Section::Automata => "patterns",
        }
    }
}

/// A place in the code that a loader fills in.
#[derive(Clone, Debug, PartialEq)]
pub struct Relocation {
    /// The first slot of the instruction.
    pub slot: u32,
    /// Value that the loader fills in.
    pub kind: RelocationKind,
}

impl Relocation {
    /// Returns the function that the instruction calls, if it is a call.
    #[must_use]
    pub fn callee(&self) -> Option<&'static str> {
        match self.kind {
            RelocationKind::Function(name) => Some(name),
            _ => None,
        }
    }
}

/// A value that a loader fills in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RelocationKind {
    /// On a 64-bit immediate load: the map of this name.
    Map(String),
    /// On a 64-bit immediate load: the address of a constant, by its offset.
    Constant(Section, u32),
    /// On a 64-bit immediate load: the address of state, by its offset.
    State(u32),
    /// On a call: the function of this name.
    Function(&'static str),
    /// On a 64-bit immediate load: the address of the rule's counter of lost events.
    Lost(RuleId),
    /// On a 64-bit immediate load: the address of the rule's mode (`krsi_abi::modes`).
    EffectiveAction(RuleId),
    /// On a load from memory: its offset. On an ALU instruction: its immediate.
    FieldOffset(Access),
    /// On an ALU instruction: its immediate becomes the size of the field in bytes.
    FieldSize(Access),
    /// On an ALU instruction: its immediate becomes 1 if the kernel has the field, or else 0.
    FieldExists(Access),
    /// On an ALU instruction: its immediate becomes the left shift of a 64-bit load of a bitfield's storage.
    FieldShiftLeft(Access),
    /// On an ALU instruction: its immediate becomes the right shift that follows, arithmetic or logical.
    FieldShiftRight(Access),
    /// On an ALU instruction: its immediate becomes 1 if the kernel has the enumerator, or else 0.
    EnumValueExists {
        /// Tag of the enum type.
        name: String,
        /// Name of the enumerator.
        value: String,
    },
    /// On an ALU instruction: its immediate becomes the enumerator's value.
    EnumValue {
        /// Tag of the enum type.
        name: String,
        /// Name of the enumerator.
        value: String,
        /// Its value on the kernel that the policy was checked against.
        local: i64,
    },
}

impl fmt::Display for RelocationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RelocationKind::Map(name) => f.write_str(name),
            RelocationKind::Constant(Section::Tables, offset) => write!(f, "constants[{offset}]"),
            RelocationKind::Constant(section, offset) => write!(f, "{}[{offset}]", section.words()),
            RelocationKind::State(offset) => write!(f, "state[{offset}]"),
            RelocationKind::Function(name) => f.write_str(name),
            RelocationKind::Lost(rule) => write!(f, "krs_lost[{}]", rule.0),
            RelocationKind::EffectiveAction(rule) => write!(f, "krs_modes[{}]", rule.0),
            RelocationKind::FieldOffset(access) => write!(f, "{access}"),
            RelocationKind::FieldSize(access) => write!(f, "size({access})"),
            RelocationKind::FieldExists(access) => write!(f, "exists({access})"),
            RelocationKind::FieldShiftLeft(access) => write!(f, "shift_left({access})"),
            RelocationKind::FieldShiftRight(access) => write!(f, "shift_right({access})"),
            RelocationKind::EnumValueExists { value, .. } => write!(f, "exists({value})"),
            RelocationKind::EnumValue { value, .. } => f.write_str(value),
        }
    }
}
