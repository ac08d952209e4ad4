//! Places in kernel memory, and the mapping from BTF types to krs types.
//!
//! ```text
//! file.f_path      Place { base: file, access: file.f_path, ty: struct path }
//! ```
//!
//! Absent: views; this module knows only the fields that BTF has.

use std::sync::Arc;

use krs_grammar::ast::Span;

use super::{Access, Int, Names, NamesId, Ptr, Shape, Step, Ty, Value};
use crate::btf::{self, Btf, Kind, Type, TypeId};

/// A location in memory that is reached from a pointer: a struct, a union, an array or a field.
#[derive(Clone, Debug)]
pub struct Place {
    /// Span of the source text.
    pub span: Span,
    /// A pointer to the root of the access.
    pub base: Arc<Value>,
    /// The path from the root; without steps for the root itself.
    pub access: Access,
    /// The BTF type, typedefs included.
    pub ty: TypeId,
}

/// The type of a field in BTF.
#[derive(Clone, Copy, Debug)]
pub struct FieldType {
    /// Declared type in BTF.
    pub ty: TypeId,
    /// Width of a bitfield; 0 for other fields.
    pub bitfield_bits: u32,
}

/// Looks up a field, also in anonymous members.
#[must_use]
pub fn field(btf: &Btf, of: TypeId, name: &str) -> Option<FieldType> {
    let found = btf::field(btf, of, name)?;
    Some(FieldType { ty: found.ty, bitfield_bits: found.bitfield_bits })
}

/// Returns true if an array is the last member of its struct, so that it may be a flexible array member.
#[must_use]
pub fn is_last(btf: &Btf, access: &Access) -> bool {
    let kind = if access.is_struct { Kind::Struct } else { Kind::Union };
    let (Some(mut at), mut last) = (btf.find(kind, &access.root), false) else { return false };
    for step in &access.steps {
        (at, last) = match step {
            Step::Field { name, .. } => {
                let Some(found) = btf::field(btf, btf.strip(at), name) else { return false };
                let index = found.indices.last().map(|index| *index as usize + 1);
                (found.ty, index == Some(btf.members(found.within).count()))
            }
            Step::Index(_) => match btf.ty(btf.strip(at)) {
                Type::Array { element, .. } => (element, false),
                _ => return false,
            },
        };
    }
    last
}

/// Appends the names of all fields, those of anonymous members included.
pub fn field_names<'b>(btf: &'b Btf, of: TypeId, names: &mut Vec<&'b str>) {
    names.extend(btf::field_names(btf, of));
}

/// Returns the definition of a struct or union; the id may be that of a forward declaration.
#[must_use]
pub fn definition(btf: &Btf, id: TypeId) -> Option<TypeId> {
    let id = btf.strip(id);
    match btf.ty(id) {
        Type::Struct { .. } | Type::Union { .. } => Some(id),
        Type::Fwd { name } => btf.find(Kind::Struct, name).or_else(|| btf.find(Kind::Union, name)),
        _ => None,
    }
}

/// Returns the tag of a struct or union, or the typedef of an anonymous one, such as `kuid_t`.
#[must_use]
pub fn tag(btf: &Btf, mut id: TypeId) -> &str {
    let mut last = "";
    for _ in 0..64 {
        match btf.ty(id) {
            Type::Typedef { name, target } => (last, id) = (name, target),
            Type::Modifier(target) => id = target,
            Type::Struct { name, .. } | Type::Union { name, .. } | Type::Fwd { name } => {
                return if name.is_empty() { last } else { name };
            }
            _ => return last,
        }
    }
    last
}

/// Describes a type in C notation.
#[must_use]
pub fn describe(btf: &Btf, id: TypeId) -> String {
    describe_within(btf, id, 8)
}

fn describe_within(btf: &Btf, id: TypeId, depth: u32) -> String {
    if depth == 0 {
        return "...".into();
    }
    let inner = |id| describe_within(btf, id, depth - 1);
    match btf.ty(id) {
        Type::Void | Type::Other => "void".into(),
        Type::Int { name, .. } | Type::Typedef { name, .. } => name.into(),
        Type::Ptr(target) => format!("{} *", inner(target)),
        Type::Array { element, count } => format!("{}[{count}]", inner(element)),
        Type::Struct { name: "", .. } => "an unnamed struct".into(),
        Type::Union { name: "", .. } => "an unnamed union".into(),
        Type::Struct { name, .. } | Type::Fwd { name } => format!("struct {name}"),
        Type::Union { name, .. } => format!("union {name}"),
        Type::Enum { name: "", .. } => "an unnamed enum".into(),
        Type::Enum { name, .. } => format!("enum {name}"),
        Type::Modifier(target) => inner(target),
        Type::Func { .. } | Type::FuncProto { .. } => "a function".into(),
        Type::Float { .. } => "a float".into(),
    }
}

/// Returns the shape of a field for CO-RE; `None` for a type that no program can read.
#[must_use]
pub fn shape(btf: &Btf, field: FieldType) -> Option<Shape> {
    Some(match btf.ty(btf.strip(field.ty)) {
        Type::Int { bytes, signed, .. } if bytes <= 8 => match field.bitfield_bits {
            0 => Shape::Int { bytes, signed },
            bits => Shape::Bits { bytes, signed, bits, of: None },
        },
        Type::Enum { name, bytes, signed } => match field.bitfield_bits {
            0 => Shape::Enum { name: name.to_owned(), bytes },
            bits => Shape::Bits { bytes, signed, bits, of: Some(name.to_owned()) },
        },
        Type::Ptr(_) => Shape::Pointer,
        Type::Struct { .. } => Shape::Struct,
        Type::Union { .. } => Shape::Union,
        Type::Array { element, count } => {
            let element = shape(btf, FieldType { ty: element, bitfield_bits: 0 })?;
            // A flexible array member has at least its first element.
            Shape::Array { element: Box::new(element), count: count.max(1) }
        }
        _ => return None,
    })
}

/// The krs equivalent of a BTF type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// A value of a krs type.
    As(Ty),
    /// A struct, a union or an array, whose fields or elements can be read.
    Aggregate,
    /// A type that no program can load.
    Not,
}

/// Classifies a BTF type. `names` returns the names of an enum.
pub fn reads(btf: &Btf, id: TypeId, nullable: bool, names: &mut impl FnMut(TypeId) -> Option<NamesId>) -> Reads {
    let id = btf.strip(id);
    match btf.ty(id) {
        Type::Int { boolean: true, bytes: 1, .. } => Reads::As(Ty::Bool),
        Type::Int { bytes: bytes @ (1 | 2 | 4 | 8), signed, .. } => Reads::As(Ty::Int(Int::plain(bytes, signed))),
        Type::Enum { bytes: bytes @ (1 | 2 | 4 | 8), signed, .. } => {
            Reads::As(Ty::Int(Int { bytes, signed, names: names(id) }))
        }
        Type::Ptr(target) => Reads::As(Ty::Ptr(Ptr { target, nullable })),
        Type::Struct { .. } | Type::Union { .. } => Reads::Aggregate,
        Type::Array { element, count } => match btf.ty(btf.strip(element)) {
            Type::Int { bytes: 1, boolean: false, .. } if count > 0 => {
                // `char`, `unsigned char` and `u8` are all 1-byte integers; only arrays of the first hold text.
                if is_char(btf, element) { Reads::As(Ty::Str { bytes: count }) } else { Reads::Aggregate }
            }
            _ => Reads::Aggregate,
        },
        _ => Reads::Not,
    }
}

fn is_char(btf: &Btf, id: TypeId) -> bool {
    matches!(btf.ty(btf.strip(id)), Type::Int { name: "char", .. })
}

/// Returns the enumerators of a kernel enum; `None` for an anonymous one.
#[must_use]
pub fn enum_names(btf: &Btf, id: TypeId) -> Option<Names> {
    let name = btf.name(id);
    if name.is_empty() {
        return None;
    }
    let members = btf.values(id).map(|(name, value)| (name.to_owned(), value)).collect();
    Some(Names { name: name.to_owned(), flags: false, members, kernel: true })
}

impl Place {
    /// Returns the place of the struct or union that a pointer points to.
    #[must_use]
    pub fn behind(btf: &Btf, pointer: &Value, target: TypeId) -> Option<Place> {
        let root = definition(btf, target)?;
        let name = btf.name(root);
        if name.is_empty() {
            return None;
        }
        Some(Place {
            span: pointer.span,
            base: Arc::new(pointer.clone()),
            access: Access { is_struct: btf.kind(root) == Kind::Struct, root: name.to_owned(), steps: Vec::new() },
            ty: root,
        })
    }

    /// Returns the place one step further along the access.
    #[must_use]
    pub fn step(&self, step: Step, ty: TypeId, span: Span) -> Place {
        let mut access = self.access.clone();
        access.steps.push(step);
        Place { span, base: Arc::clone(&self.base), access, ty }
    }
}
