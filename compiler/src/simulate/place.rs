//! Locates fields by name in the structs of a kernel.
//!
//! For example, `inode.i_uid.val` of 6.12 has 4 bytes at offset 4.
//!
//! Absent: access specs, which [`super::core`] resolves.

use crate::btf::{Btf, Kind, Type, TypeId, field};
use crate::hir::{Access, Step};

/// The place of a field in a struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldPlace {
    /// Offset in bits from the start of the struct.
    pub bit: u32,
    /// Width of a bitfield in bits; 0 for other fields.
    pub bits: u32,
    /// Type of the field.
    pub ty: TypeId,
}

impl FieldPlace {
    /// Offset in bytes from the start of the struct.
    #[must_use]
    pub fn byte(self) -> u32 {
        self.bit / 8
    }
}

/// Finds the root struct or union of an access.
#[must_use]
pub fn root(btf: &Btf, name: &str, is_struct: bool) -> Option<TypeId> {
    btf.find(if is_struct { Kind::Struct } else { Kind::Union }, name)
}

/// Locates a field; `None` if the kernel has no such field.
#[must_use]
pub fn place(btf: &Btf, access: &Access) -> Option<FieldPlace> {
    let mut at = FieldPlace { bit: 0, bits: 0, ty: root(btf, &access.root, access.is_struct)? };
    for step in &access.steps {
        at = match step {
            Step::Field { name, .. } => {
                let found = field(btf, at.ty, name)?;
                FieldPlace { bit: at.bit + found.bit_offset, bits: found.bitfield_bits, ty: found.ty }
            }
            Step::Index(index) => {
                let Type::Array { element, count } = btf.ty(btf.strip(at.ty)) else { return None };
                // A flexible array accepts any index; the reader knows its length.
                if *index >= count && count > 0 {
                    return None;
                }
                FieldPlace { bit: at.bit + 8 * btf.size(element) * index, bits: 0, ty: element }
            }
        };
    }
    Some(at)
}
