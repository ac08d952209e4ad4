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
//! hook returns 0 or a negative errno. The functions
//! of `rt` contain loops, too.
//!
//! Absent: offsets of kernel fields. An instruction that reads a field has a relocation, and its offset is 0
//! until `object` has laid out the types that the object declares.

use krs_grammar::ast::Span;

pub mod encode;
pub mod placement;
pub mod post_ra_copies;
pub mod print;
pub mod regalloc;
pub mod spills;
pub mod stack;
pub mod verify;

use crate::data::Data;
use crate::isa::Insn;
use crate::relocation::Relocation;
use crate::rt::Function;

/// All programs of a policy, in the order in which it mentions their hooks, and what they share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Code {
    /// One program for each hook; the further programs of a split hook follow its first one.
    pub programs: Vec<Program>,
    /// Functions that programs and other functions call, sorted by name.
    pub functions: Vec<Function>,
    /// Maps, constants and state.
    pub data: Data,
}

/// A program of a hook.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Symbol of the program: the hook's name, or for a further program of a split hook a name derived from
    /// it (see `mir::lower::tail_calls`).
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
