//! The object: programs with everything that a loader needs to fit them to a kernel.
//!
//! ```text
//! section lsm/file_mprotect, file_mprotect: 41 instructions
//!   address 9: krs_modes + 0
//!   address 14: krs_events
//!   core 5: byte offset of vm_area_struct.vm_file as type 2 "0:0"
//!   line 0: policy.krs:1:23
//! section .maps
//!   krs_events: ring buffer of 262144 bytes
//! section .bss: 16 bytes
//! section .BTF: 963 bytes
//!   struct vm_area_struct { 0: void *vm_file; }
//! ```
//!
//! Invariants: the object's types contain only the fields that programs read, laid out by name and not as in
//! any kernel, so that a policy yields the same code regardless of the kernel it was checked against. An
//! instruction with a CO-RE relocation carries the value that is correct for these types, which libbpf compares
//! before it patches anything.
//!
//! Absent: section numbers, string offsets and symbol tables, which [`elf`] creates.

use crate::btf::{Linkage, TypeId};

pub mod btf_ext;
pub mod elf;
pub mod layout;
pub mod lower;
pub mod print;

use crate::data::Map;
use crate::data::constants::Constants;
use crate::isa::Insn;
use crate::relocation::Section;

/// An object before its encoding as a file.
#[derive(Clone, Debug)]
pub struct Object {
    /// The programs, which share a section per hook, followed by the functions that they call, which share one
    /// section.
    pub programs: Vec<Program>,
    /// Maps, sorted by name.
    pub maps: Vec<Map>,
    /// Read-only data, by section.
    pub constants: Constants,
    /// Size of the section `.bss` in bytes.
    pub state: u32,
    /// The section `.data`: the initial modes of the policy.
    pub modes: Vec<u8>,
    /// The encoded manifest, in its own section.
    pub manifest: Vec<u8>,
    /// The declared types, in C syntax.
    pub types: Vec<String>,
    /// Contents of the `.BTF` section.
    pub btf: Vec<u8>,
    /// Contents of the `.BTF.ext` section.
    pub btf_ext: Vec<u8>,
}

/// A program or function of an object.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its symbol: the name of a hook, a tail-called program, or a function.
    pub name: String,
    /// The section: `lsm/file_mprotect`, or `.text` for all functions.
    pub section: String,
    /// Number of slots before it in the section.
    pub start: u32,
    /// Instructions, with local values where loaders insert those of the kernel.
    pub insns: Vec<Insn>,
    /// Addresses that loaders insert, by slot.
    pub addresses: Vec<(u32, Address)>,
    /// CO-RE relocations, sorted by slot.
    pub core: Vec<CoreRelocation>,
    /// Line information, sorted by slot.
    pub lines: Vec<Line>,
    /// Its `FUNC` type in the object's BTF.
    pub function: TypeId,
    /// Global if the verifier checks it separately.
    pub linkage: Linkage,
}

/// The target of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A map, by name.
    Map(String),
    /// A constant in this section; the instruction already contains its offset.
    Constants(Section),
    /// The state section; the instruction already contains the offset.
    State,
    /// The modes section; the instruction already contains the offset.
    Modes,
    /// A function, by its symbol.
    Function(&'static str),
}

/// A CO-RE relocation of an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreRelocation {
    /// Slot of the instruction.
    pub slot: u32,
    /// Root type of the access spec.
    pub ty: TypeId,
    /// CO-RE access spec, such as `0:1:2`.
    pub spec: String,
    /// The property that the loader computes.
    pub kind: CoreRelocationKind,
    /// Description in the printed form.
    pub text: String,
}

/// `enum bpf_core_relo_kind`, restricted to the kinds that aya knows as well. (It rejects an object with kind
/// 12, `TYPE_MATCHES`.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of bpf.h")]
#[repr(u32)]
pub enum CoreRelocationKind {
    FieldByteOffset = 0,
    FieldByteSize = 1,
    FieldExists = 2,
    FieldLeftShift = 4,
    FieldRightShift = 5,
    EnumValueExists = 10,
    EnumValue = 11,
}

/// The source line of a sequence of instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Slot of the first instruction.
    pub slot: u32,
    /// Name of the file.
    pub file: String,
    /// Text of the line.
    pub text: String,
    /// Line number, counted from 1.
    pub line: u32,
    /// Column, counted from 1.
    pub column: u32,
}
