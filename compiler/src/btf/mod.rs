//! BTF, the kernel's type information: reading, searching and writing.
//!
//! BTF is one blob: a header, a sequence of type records numbered from 1 in file order, and a section of
//! NUL-terminated names. A record refers to others by number ([`TypeId`]). A chain such as
//!
//! ```text
//! [121] STRUCT 'vm_area_struct' size=184
//!         'vm_file' type_id=77 bits_offset=1024
//! [77]  PTR '(anon)' type_id=412
//! [412] STRUCT 'file' size=184
//! ```
//!
//! is followed with [`Btf::ty`] and [`Btf::members`].
//!
//! Invariants: a [`Btf`] was checked completely when it was parsed, so that no method on one fails or panics.
//! An id out of range reads as void.
//!
//! Absent: big-endian BTF, and split BTF (that of modules, whose ids continue those of the kernel).

mod core;
mod elf;
mod read;
mod write;

pub use self::core::{FieldPath, field, field_names};
pub use self::elf::{OpenError, from_elf};
pub use self::read::{Btf, BtfError, Kind, Member, Param, Type, TypeId};
pub use self::write::{Builder, Def, Linkage, SectionVar};

#[cfg(test)]
mod tests;
