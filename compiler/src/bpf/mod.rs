//! BPF machine code: the programs and functions of a policy, as the object contains them.
//!
//! ```text
//! file_mprotect:
//!   ; policy.krs:1: prot & EXEC
//!      0  r2 = *(u64 *)(r1 + 16)                  # prot
//!      1  if w2 & 0x4 goto 4
//! ```
//!
//! Invariants of programs: jumps lead forward, to the first slot of an instruction; the last instruction is
//! `exit`; each relocation is of a kind that its instruction accepts (see [`RelocationKind`]); the
//! instructions are those of 5.10, the v3 instruction set without atomics that fetch; a program on an `int`
//! hook returns 0 or a negative errno. Functions of [`library`] contain loops, too.
//!
//! Absent: offsets of kernel fields. An instruction that reads a field has a relocation, and its offset is 0
//! until `object` has laid out the types that the object declares.

use krs_grammar::ast::Span;

pub mod constants;
pub mod encode;
pub mod event;
pub mod helper;
pub mod library;
pub mod lower;
pub mod placement;
pub mod post_ra_copies;
pub mod print;
pub mod regalloc;
pub mod spills;
pub mod stack;
pub mod verify;

pub use crate::isa::Insn;
pub use crate::relocation::RelocationKind;
pub use constants::{Constants, Section};

/// All programs of a policy, in the order in which it mentions their hooks, and the data that they share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Code {
    /// One program for each hook; the further programs of a split hook follow its first one.
    pub programs: Vec<Program>,
    /// Functions that programs and other functions call, sorted by name.
    pub functions: Vec<Function>,
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
    /// The most levels of a group of rows among the constants (see `library::find`).
    pub levels: u32,
    /// Ancestor queries, each with a set of functions.
    pub ancestor_queries: Vec<lower::AncestorQuery>,
}

/// A function that programs call.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Symbol in the object.
    pub name: &'static str,
    /// The number of times that the verifier checks it.
    pub checked: Checked,
    /// Number of parameters, at most 5.
    pub params: u32,
    /// Instructions of the function.
    pub insns: Vec<Insn>,
    /// Relocations, sorted by slot.
    pub relocations: Vec<Relocation>,
    /// Text that a verifier's log quotes, by slot, ascending from 0.
    pub notes: Vec<(u32, &'static str)>,
}

/// The number of times that the verifier checks a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Once, for all values of its arguments, which are numbers: a global function.
    Once,
    /// At each call, with the arguments of the call, which can be pointers: a static function, which should
    /// be short.
    EachCall,
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

impl Code {
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

    /// Adds state, aligned to 8 bytes.
    pub fn state(&mut self, bytes: u32) -> RelocationKind {
        let offset = self.state.next_multiple_of(8);
        self.state = offset + bytes;
        RelocationKind::State(offset)
    }

    /// Adds a function unless it exists. `make` can add the functions and data that it needs.
    pub fn function(&mut self, name: &'static str, make: impl FnOnce(&mut Code) -> Function) -> &'static str {
        if !self.functions.iter().any(|known| known.name == name) {
            let function = make(self);
            self.functions.push(function);
            self.functions.sort_by_key(|function| function.name);
        }
        name
    }
}

/// A program of a hook.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Symbol of the program: the hook's name, or for a further program of a split hook a name derived from
    /// it (see [`lower::split`]).
    pub name: String,
    /// The hook that it attaches to.
    pub hook: String,
    /// Instruction slots of 8 bytes; a 64-bit immediate load takes two.
    pub insns: Vec<Insn>,
    /// Relocations, sorted by slot.
    pub relocations: Vec<Relocation>,
    /// Source text of the instructions from a slot up to the next entry. The first entry is for slot 0.
    pub lines: Vec<(u32, Span)>,
    /// Loads of arguments from the context.
    pub arguments: Vec<krsi_abi::manifest::ArgumentLoad>,
}

/// A place in the code that a loader fills in.
#[derive(Clone, Debug, PartialEq)]
pub struct Relocation {
    /// The first slot of the instruction.
    pub slot: u32,
    /// Value that the loader fills in.
    pub kind: RelocationKind,
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
