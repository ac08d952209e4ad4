//! CO-RE relocation: replaces a value computed for the object's own types by the one for the kernel's types.
//!
//! ```text
//! local  struct vm_area_struct { 0: void *vm_file; }     "0:0"       names: vm_file
//! target struct vm_area_struct { 0: (anon) { ... } }     byte 160
//! ```
//!
//! Follows `Documentation/bpf/llvm_reloc.rst` and `tools/lib/bpf/relo_core.c`: the members of the spec are
//! looked up by name in the kernel's type of the same name, including anonymous members.
//!
//! Absent: candidates in modules, and relocations of type ids, which objects of krs do not contain.

use crate::btf::{Btf, Kind, Type, TypeId};

/// Relocation kind for the offset of a field in bytes. All kinds are from `enum bpf_core_relo_kind`.
pub const FIELD_BYTE_OFFSET: u32 = 0;
/// Relocation kind for the size of a field in bytes.
pub const FIELD_BYTE_SIZE: u32 = 1;
const FIELD_EXISTS: u32 = 2;
const FIELD_SIGNED: u32 = 3;
const FIELD_LSHIFT: u32 = 4;
const FIELD_RSHIFT: u32 = 5;
const ENUMVAL_EXISTS: u32 = 10;
const ENUMVAL_VALUE: u32 = 11;

/// A component of a spec: a named member or an array element.
enum Step<'b> {
    Name(&'b str),
    Index(u32),
}

/// A field and its place relative to the root type.
#[derive(Clone, Copy)]
struct Field {
    bit: u32,
    bits: u32,
    ty: TypeId,
}

/// Returns the value of a relocation for the target kernel; `None` if the kernel lacks the field or enumerator.
///
/// # Errors
/// If the relocation itself is malformed.
pub fn resolve(local: &Btf, target: &Btf, ty: TypeId, spec: &str, kind: u32) -> Result<Option<u64>, String> {
    let indices: Vec<u32> = spec
        .split(':')
        .map(|index| index.parse().map_err(|_| format!("`{spec}` is not an access spec")))
        .collect::<Result<_, _>>()?;
    let name = essential(local.name(ty));
    if matches!(kind, ENUMVAL_EXISTS | ENUMVAL_VALUE) {
        let (Kind::Enum | Kind::Enum64, [index]) = (local.kind(ty), indices.as_slice()) else {
            return Err(format!("`{spec}` of `{name}` is not an enumerator"));
        };
        let value = local.values(ty).nth(*index as usize).ok_or_else(|| format!("`{name}` has no value {index}"))?.0;
        let value = essential(value);
        let found = candidates(target, &[Kind::Enum, Kind::Enum64], name)
            .into_iter()
            .find_map(|ty| target.values(ty).find(|(name, _)| essential(name) == value).map(|(_, number)| number));
        return Ok(match kind {
            ENUMVAL_EXISTS => Some(u64::from(found.is_some())),
            _ => found.map(i64::cast_unsigned),
        });
    }
    let (steps, local_field) =
        steps(local, ty, &indices).ok_or_else(|| format!("`{spec}` does not exist in `{name}`"))?;
    let found = candidates(target, &[local.kind(ty)], name)
        .into_iter()
        .find_map(|ty| follow(target, ty, &steps))
        .filter(|found| compatible(local, local_field.ty, target, found.ty));
    if kind == FIELD_EXISTS {
        return Ok(Some(u64::from(found.is_some())));
    }
    let Some(found) = found else { return Ok(None) };
    let size = target.size(found.ty);
    // A bitfield is loaded as the smallest aligned word that contains it.
    let (byte, bytes) = if found.bits > 0 {
        let mut bytes = size.max(1);
        let mut byte = found.bit / 8 / bytes * bytes;
        while found.bit + found.bits - 8 * byte > 8 * bytes {
            bytes *= 2;
            if bytes > 8 {
                return Err(format!("`{spec}` of `{name}`: no word holds the bitfield"));
            }
            byte = found.bit / 8 / bytes * bytes;
        }
        (byte, bytes)
    } else {
        (found.bit / 8, size)
    };
    let bits = if found.bits > 0 { found.bits } else { 8 * bytes };
    Ok(Some(u64::from(match kind {
        FIELD_BYTE_OFFSET => byte,
        FIELD_BYTE_SIZE => bytes,
        FIELD_SIGNED => u32::from(matches!(
            target.ty(target.strip(found.ty)),
            Type::Int { signed: true, .. } | Type::Enum { signed: true, .. }
        )),
        FIELD_LSHIFT if found.bits > 0 => 64 - (found.bit + found.bits - 8 * byte),
        FIELD_LSHIFT => 64 - 8 * bytes,
        FIELD_RSHIFT => 64 - bits,
        _ => return Err(format!("unknown relocation kind {kind}")),
    })))
}

/// Removes the flavour suffix of a name, which begins with three underscores.
fn essential(name: &str) -> &str {
    name.find("___").filter(|at| *at > 0).map_or(name, |at| &name[..at])
}

fn candidates(target: &Btf, kinds: &[Kind], name: &str) -> Vec<TypeId> {
    kinds.iter().filter_map(|kind| target.find(*kind, name)).collect()
}

/// Converts a spec to names; also returns the field that it denotes.
fn steps<'b>(btf: &'b Btf, root: TypeId, indices: &[u32]) -> Option<(Vec<Step<'b>>, Field)> {
    let (first, rest) = indices.split_first()?;
    if *first != 0 {
        return None;
    }
    let mut steps = Vec::new();
    let mut at = Field { bit: 0, bits: 0, ty: root };
    for index in rest {
        let ty = btf.strip(at.ty);
        if let Type::Array { element, count } = btf.ty(ty) {
            (*index < count).then_some(())?;
            steps.push(Step::Index(*index));
            at = Field { bit: at.bit + 8 * btf.size(element) * index, bits: 0, ty: element };
        } else {
            let member = btf.members(ty).nth(*index as usize)?;
            if !member.name.is_empty() {
                steps.push(Step::Name(member.name));
            }
            at = Field { bit: at.bit + member.bit_offset, bits: member.bitfield_bits, ty: member.ty };
        }
    }
    Some((steps, at))
}

fn follow(btf: &Btf, root: TypeId, steps: &[Step<'_>]) -> Option<Field> {
    let (mut at, mut last) = (Field { bit: 0, bits: 0, ty: root }, false);
    for step in steps {
        (at, last) = match step {
            Step::Name(name) => member(btf, at, name, 0)?,
            Step::Index(index) => {
                let Type::Array { element, count } = btf.ty(btf.strip(at.ty)) else { return None };
                // A flexible array at the end of a struct accepts any index.
                (*index < count || count == 0 && last).then_some(())?;
                (Field { bit: at.bit + 8 * btf.size(element) * index, bits: 0, ty: element }, false)
            }
        };
    }
    Some(at)
}

/// Finds a member; also returns true if it is the last one of a struct.
fn member(btf: &Btf, within: Field, name: &str, depth: usize) -> Option<(Field, bool)> {
    if depth > 32 {
        return None;
    }
    let composite = btf.strip(within.ty);
    let mut members = btf.members(composite);
    while let Some(member) = members.next() {
        let at = Field { bit: within.bit + member.bit_offset, bits: member.bitfield_bits, ty: member.ty };
        if member.name.is_empty() {
            if let Some(found) = self::member(btf, at, name, depth + 1) {
                return Some(found);
            }
        } else if essential(member.name) == name {
            return Some((at, members.len() == 0 && btf.kind(composite) == Kind::Struct));
        }
    }
    None
}

/// Type compatibility, as in `bpf_core_fields_are_compat`.
fn compatible(local: &Btf, one: TypeId, target: &Btf, other: TypeId) -> bool {
    let (one, other) = (local.strip(one), target.strip(other));
    let composite = |kind| matches!(kind, Kind::Struct | Kind::Union);
    let (a, b) = (local.kind(one), target.kind(other));
    if composite(a) && composite(b) {
        return true;
    }
    match (local.ty(one), target.ty(other)) {
        (Type::Ptr(_), Type::Ptr(_)) | (Type::Float { .. }, Type::Float { .. }) => true,
        (Type::Int { .. }, Type::Int { .. }) => true,
        (Type::Enum { name: a, .. }, Type::Enum { name: b, .. }) => {
            let (a, b) = (essential(a), essential(b));
            a.is_empty() || b.is_empty() || a == b
        }
        (Type::Fwd { name: a }, Type::Fwd { name: b }) => a == b,
        (Type::Array { element: a, .. }, Type::Array { element: b, .. }) => compatible(local, a, target, b),
        _ => false,
    }
}
