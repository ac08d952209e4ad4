//! Where a field that is told by names lies in a struct of a kernel.
//!
//! `inode.i_uid.val` of 6.12 is 4 bytes at 4.
//!
//! Absent: access specs, which `core` follows; this is for what is known by its names.

use crate::btf::{Btf, Kind, Type, TypeId, field};
use crate::hir::{Access, Step};

/// A place in a struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bits from the struct's start.
    pub bit: u32,
    /// Bits of a bitfield, or 0.
    pub bits: u32,
    /// What is there.
    pub ty: TypeId,
}

impl Place {
    /// Bytes from the struct's start.
    #[must_use]
    pub fn byte(self) -> u32 {
        self.bit / 8
    }
}

/// The struct or union that an access begins in.
#[must_use]
pub fn root(btf: &Btf, name: &str, is_struct: bool) -> Option<TypeId> {
    btf.find(if is_struct { Kind::Struct } else { Kind::Union }, name)
}

/// Where a field is; nothing where the kernel has none.
#[must_use]
pub fn place(btf: &Btf, access: &Access) -> Option<Place> {
    let mut at = Place { bit: 0, bits: 0, ty: root(btf, &access.root, access.is_struct)? };
    for step in &access.steps {
        at = match step {
            Step::Field { name, .. } => {
                let found = field(btf, at.ty, name)?;
                Place { bit: at.bit + found.bit_offset, bits: found.bitfield_bits, ty: found.ty }
            }
            Step::Index(index) => {
                let Type::Array { element, count } = btf.ty(btf.strip(at.ty)) else { return None };
                // The length of one that says none is known to whoever reads it.
                if *index >= count && count > 0 {
                    return None;
                }
                Place { bit: at.bit + 8 * btf.size(element) * index, bits: 0, ty: element }
            }
        };
    }
    Some(at)
}
