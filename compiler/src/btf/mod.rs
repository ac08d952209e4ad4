//! The kernel's types: BTF read, searched and laid out.
//!
//! BTF is one blob: a header, a run of type records numbered from 1 in the order they stand, and a section of NUL-terminated names.
//! A record names others by their number ([`TypeId`]), so a chain such as
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
//! Invariants: a [`Btf`] was checked whole when it was parsed, so nothing that takes one can fail or panic; an id that it does not have
//! reads as void.
//!
//! Absent: byte orders other than little-endian, and split BTF (that of modules, which counts on from the kernel's).

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
