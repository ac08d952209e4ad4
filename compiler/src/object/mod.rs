//! The object: programs with everything that a loader needs to fit them to a kernel.
//!
//! ```text
//! section lsm/file_mprotect: 43 instructions
//!   relocation 14: krs_events
//! map krs_events: ring buffer, 262144 bytes
//! types
//!   struct vm_area_struct { 0: void *vm_file; }
//! core lsm/file_mprotect+5: byte offset of vm_area_struct.vm_file "0:0"
//! ```
//!
//! Invariants: the types of the object hold only the fields that programs read, laid out by their names and
//! not by any kernel, so that the same policy gives the same code whatever kernel it was checked against; an
//! instruction with a CO-RE relocation carries the value that holds in these types, which libbpf compares
//! before it changes anything.
//!
//! Absent: section numbers, string offsets and symbol tables, which `elf` makes.

use crate::btf::{Linkage, TypeId};

pub mod btf_ext;
pub mod elf;
pub mod layout;
pub mod lower;
pub mod print;

use crate::bpf::{Constants, Insn, Map, Section};

/// An object before it is a file.
#[derive(Clone, Debug)]
pub struct Object {
    /// Those of each hook, which share a section, then the functions that they call, which share one too.
    pub programs: Vec<Program>,
    /// By name.
    pub maps: Vec<Map>,
    /// What programs only read, in sections.
    pub constants: Constants,
    /// Bytes of the section `.bss`.
    pub state: u32,
    /// The section `.data`: the modes that the policy begins with.
    pub modes: Vec<u8>,
    /// The manifest's bytes.
    pub manifest: Vec<u8>,
    /// The types, in words.
    pub types: Vec<String>,
    /// The `.BTF` section.
    pub btf: Vec<u8>,
    /// The `.BTF.ext` section.
    pub btf_ext: Vec<u8>,
}

/// One program of an object.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its symbol: a hook's name, a further part's, or a function's.
    pub name: String,
    /// `lsm/file_mprotect`, or `.text` for all functions.
    pub section: String,
    /// Slots of the section before it.
    pub start: u32,
    /// With local values where loaders will put the kernel's.
    pub insns: Vec<Insn>,
    /// Addresses that loaders fill in, by slot.
    pub symbols: Vec<(u32, Symbol)>,
    /// CO-RE relocations, by slot.
    pub core: Vec<Core>,
    /// Slot, file, text, line and column, by slot.
    pub lines: Vec<Line>,
    /// Its function type.
    pub function: TypeId,
    /// Whether the verifier checks it by itself.
    pub linkage: Linkage,
}

/// What an address is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Symbol {
    /// A map.
    Map(String),
    /// A constant of this section; the instruction has its offset already.
    Constants(Section),
    /// State; the instruction has its offset already.
    State,
    /// Modes; the instruction has its offset already.
    Modes,
    /// A function.
    Function(&'static str),
}

/// A CO-RE relocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// The instruction.
    pub slot: u32,
    /// The root type.
    pub ty: TypeId,
    /// `0:1:2`
    pub spec: String,
    /// What is asked.
    pub kind: CoreKind,
    /// In words.
    pub text: String,
}

/// `enum bpf_core_relo_kind`, as far as aya knows it too. (It refuses an object with kind 12, `TYPE_MATCHES`.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of bpf.h")]
#[repr(u32)]
pub enum CoreKind {
    FieldByteOffset = 0,
    FieldByteSize = 1,
    FieldExists = 2,
    FieldLeftShift = 4,
    FieldRightShift = 5,
    EnumValueExists = 10,
    EnumValue = 11,
}

/// Where instructions come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// From this slot on.
    pub slot: u32,
    /// The file's name.
    pub file: String,
    /// The line's text.
    pub text: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
}
