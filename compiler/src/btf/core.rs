//! Fields by name, in the form that CO-RE relocations require.
//!
//! In C, members of an anonymous struct or union are named like members of the enclosing struct. A CO-RE access
//! spec lists the index at every level, anonymous ones included: `vm_start` in the `vm_area_struct` of 6.12 is
//! `0:0:0:0`, the first member of a struct within a union.
//!
//! Invariant: offsets are relative to the struct passed to [`field`]. Absent: pointers (each hop is a separate
//! field) and the parsing of access specs, which are only written, by [`FieldPath::spec`].

use super::read::{Btf, Kind, TypeId};

/// The path from a struct to one of its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath {
    /// Member index at each level; all but the last belong to anonymous members.
    pub indices: Vec<u32>,
    /// The struct or union that directly contains the field: the one that was searched, or an anonymous one
    /// within it.
    pub within: TypeId,
    /// Type of the field.
    pub ty: TypeId,
    /// Offset in bits from the start of the struct.
    pub bit_offset: u32,
    /// Width of a bitfield in bits; 0 for other fields.
    pub bitfield_bits: u32,
}

impl FieldPath {
    /// The access spec, relative to a pointer to the struct: `0:1:2`.
    #[must_use]
    pub fn spec(&self) -> String {
        let mut spec = String::from("0");
        for index in &self.indices {
            spec.push(':');
            spec.push_str(&index.to_string());
        }
        spec
    }
}

/// Finds a field of a struct or union, including its anonymous members. Typedefs and modifiers of the struct
/// are skipped.
#[must_use]
pub fn field(btf: &Btf, composite: TypeId, name: &str) -> Option<FieldPath> {
    if name.is_empty() {
        return None;
    }
    let mut path =
        FieldPath { indices: Vec::new(), within: TypeId::VOID, ty: TypeId::VOID, bit_offset: 0, bitfield_bits: 0 };
    let mut seen = Vec::new();
    descend(btf, btf.strip(composite), name, &mut seen, &mut path).then_some(path)
}

/// All names that [`field`] finds in a struct or union, in order.
#[must_use]
pub fn field_names(btf: &Btf, composite: TypeId) -> Vec<&str> {
    let mut names = Vec::new();
    collect(btf, btf.strip(composite), &mut Vec::new(), &mut names);
    names
}

fn collect<'a>(btf: &'a Btf, composite: TypeId, seen: &mut Vec<TypeId>, names: &mut Vec<&'a str>) {
    if !mark_visited(composite, seen) {
        return;
    }
    for member in btf.members(composite) {
        if !member.name.is_empty() {
            names.push(member.name);
        } else if let Some(inner) = anonymous(btf, member.ty) {
            collect(btf, inner, seen, names);
        }
    }
}

fn descend(btf: &Btf, composite: TypeId, name: &str, seen: &mut Vec<TypeId>, path: &mut FieldPath) -> bool {
    if !mark_visited(composite, seen) {
        return false;
    }
    for (index, member) in (0u32..).zip(btf.members(composite)) {
        let inner = if member.name.is_empty() { anonymous(btf, member.ty) } else { None };
        if member.name != name && inner.is_none() {
            continue;
        }
        let outer_bits = path.bit_offset;
        path.indices.push(index);
        path.bit_offset = outer_bits.saturating_add(member.bit_offset);
        match inner {
            None => {
                path.within = composite;
                path.ty = member.ty;
                path.bitfield_bits = member.bitfield_bits;
                return true;
            }
            Some(inner) if descend(btf, inner, name, seen, path) => return true,
            Some(_) => {
                path.indices.pop();
                path.bit_offset = outer_bits;
            }
        }
    }
    false
}

/// Maximum number of anonymous members that a search visits; no kernel struct has half as many.
const ANONYMOUS_MAX: usize = 256;

/// Records a visit to an anonymous struct. C does not allow two fields of one name, so a second visit to the
/// same struct finds nothing new; in forged BTF, where a struct can contain itself, the search would never end.
fn mark_visited(composite: TypeId, seen: &mut Vec<TypeId>) -> bool {
    let new = !seen.contains(&composite) && seen.len() < ANONYMOUS_MAX;
    if new {
        seen.push(composite);
    }
    new
}

/// The struct or union that an unnamed member embeds, if it is one.
fn anonymous(btf: &Btf, member: TypeId) -> Option<TypeId> {
    let inner = btf.strip(member);
    matches!(btf.kind(inner), Kind::Struct | Kind::Union).then_some(inner)
}
