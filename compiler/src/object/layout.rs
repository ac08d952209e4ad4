//! The types that an object declares: each kernel struct that programs read, with the fields that they read.
//!
//! ```text
//! struct vm_area_struct { 0: void *vm_file; 8: unsigned long vm_flags; }
//! ```
//!
//! Loaders match types by name and kind and search anonymous members themselves, so that neither the kernel's
//! offset nor the neighbours of a field matter here. Fields are sorted by name, each at the next suitably
//! aligned offset.

use std::collections::BTreeMap;

use crate::access::{Access, Shape, Step};
use crate::btf::{Builder, Def, Member, TypeId};

/// The accessed fields of a struct or union.
#[derive(Clone, Debug, Default)]
struct Fields(BTreeMap<String, Field>);

#[derive(Clone, Debug)]
struct Field {
    shape: Shape,
    /// Fields within it, if the shape (or an array's element) is a struct or union.
    inner: Fields,
}

/// The types of an object, as they are collected.
#[derive(Clone, Debug, Default)]
pub struct Types {
    /// Fields by `is_struct` and tag.
    roots: BTreeMap<(bool, String), Fields>,
    /// Enumerators, by the tag of the enum.
    enums: BTreeMap<String, BTreeMap<String, i64>>,
}

/// The target of an access in the declared types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// Type id of the root.
    pub ty: TypeId,
    /// CO-RE access spec, such as `0:1:2`.
    pub spec: String,
    /// Offset in bytes from the root.
    pub offset: u32,
    /// Width of a bitfield in bits; 0 for other fields.
    pub bits: u32,
}

/// The types after their declaration in BTF.
#[derive(Debug)]
pub struct Declared {
    types: Types,
    roots: BTreeMap<(bool, String), TypeId>,
    enums: BTreeMap<String, TypeId>,
    /// Each type in C syntax.
    pub text: Vec<String>,
}

impl Types {
    /// Records that a field is read.
    pub fn field(&mut self, access: &Access) {
        let mut fields = self.roots.entry((access.is_struct, access.root.clone())).or_default();
        for step in &access.steps {
            if let Step::Field { name, shape } = step {
                let field = fields
                    .0
                    .entry(name.clone())
                    .or_insert_with(|| Field { shape: shape.clone(), inner: Fields::default() });
                match (&mut field.shape, shape) {
                    // An access to the first element does not know the length of the array.
                    (Shape::Array { element: known, count: most }, Shape::Array { element, count })
                        if known == element =>
                    {
                        *most = (*most).max(*count);
                    }
                    (known, shape) => debug_assert_eq!(known, shape, "a field has one type"),
                }
                fields = &mut field.inner;
            }
        }
    }

    /// Records that an enumerator is used.
    pub fn enumerator(&mut self, of: &str, name: &str, value: Option<i64>) {
        let known = self.enums.entry(of.to_owned()).or_default().entry(name.to_owned()).or_insert(0);
        if let Some(value) = value {
            *known = value;
        }
    }

    /// Adds all types to the object's BTF.
    #[must_use]
    pub fn declare(self, btf: &mut Builder) -> Declared {
        let (mut roots, mut enums, mut text) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for ((is_struct, name), fields) in &self.roots {
            let id = composite(btf, name, *is_struct, fields).0;
            roots.insert((*is_struct, name.clone()), id);
            text.push(type_text(name, *is_struct, fields));
        }
        for (name, values) in &self.enums {
            let list: Vec<(&str, i64)> = values.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            let signed = list.iter().any(|(_, value)| *value < 0);
            enums.insert(name.clone(), btf.add(Def::Enum { name, bytes: 4, signed, values: &list }));
            let list: Vec<String> = list.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            text.push(format!("enum {name} {{ {} }}", list.join(", ")));
        }
        Declared { types: self, roots, enums, text }
    }
}

impl Declared {
    /// Returns the target of an access in the declared types.
    ///
    /// # Panics
    /// If the access was not recorded before the declaration.
    #[must_use]
    pub fn local(&self, access: &Access) -> Local {
        let key = (access.is_struct, access.root.clone());
        let mut at = (&self.types.roots[&key], access.is_struct);
        let (mut spec, mut offset, mut bits) = (String::from("0"), 0, 0);
        let mut array: Option<&Shape> = None;
        for step in &access.steps {
            match step {
                Step::Field { name, .. } => {
                    let (fields, is_struct) = at;
                    let index = fields.0.keys().position(|known| known == name).expect("every access was recorded");
                    let field = &fields.0[name];
                    spec.push_str(&format!(":{index}"));
                    offset += layout_of(fields, is_struct).1[index];
                    bits = if let Shape::Bits { bits, .. } = field.shape { bits } else { 0 };
                    array = Some(&field.shape);
                    at = (&field.inner, inner_is_struct(&field.shape));
                }
                Step::Index(index) => {
                    spec.push_str(&format!(":{index}"));
                    if let Some(Shape::Array { element, .. }) = array {
                        offset += index * size(element, at.0).0;
                        array = Some(element);
                    }
                }
            }
        }
        Local { ty: self.roots[&key], spec, offset, bits }
    }

    /// Returns the type of an enum and the index of an enumerator as an access spec.
    ///
    /// # Panics
    /// If the enumerator was not recorded before the declaration.
    #[must_use]
    pub fn enumerator(&self, of: &str, name: &str) -> (TypeId, String) {
        let index = self.types.enums[of].keys().position(|known| known == name).expect("every enumerator was recorded");
        (self.enums[of], index.to_string())
    }
}

fn inner_is_struct(shape: &Shape) -> bool {
    match shape {
        Shape::Array { element, .. } => inner_is_struct(element),
        Shape::Union => false,
        _ => true,
    }
}

/// Size and alignment of a shape, in bytes.
fn size(shape: &Shape, inner: &Fields) -> (u32, u32) {
    match shape {
        Shape::Int { bytes, .. } | Shape::Bits { bytes, .. } | Shape::Enum { bytes, .. } => (*bytes, *bytes),
        Shape::Pointer => (8, 8),
        Shape::Struct | Shape::Union => {
            let (bytes, _, align) = layout_of(inner, matches!(shape, Shape::Struct));
            (bytes, align)
        }
        Shape::Array { element, count } => {
            let (bytes, align) = size(element, inner);
            (bytes * count, align)
        }
    }
}

/// Size, field offsets and alignment of a struct or union, in bytes.
fn layout_of(fields: &Fields, is_struct: bool) -> (u32, Vec<u32>, u32) {
    let (mut end, mut align, mut offsets) = (0u32, 1u32, Vec::with_capacity(fields.0.len()));
    for field in fields.0.values() {
        let (bytes, own) = size(&field.shape, &field.inner);
        align = align.max(own);
        if is_struct {
            let at = end.next_multiple_of(own);
            offsets.push(at);
            end = at + bytes;
        } else {
            offsets.push(0);
            end = end.max(bytes);
        }
    }
    (end.next_multiple_of(align), offsets, align)
}

fn composite(btf: &mut Builder, name: &str, is_struct: bool, fields: &Fields) -> (TypeId, u32) {
    let (bytes, offsets, _) = layout_of(fields, is_struct);
    let types: Vec<TypeId> = fields.0.values().map(|field| declared(btf, &field.shape, &field.inner)).collect();
    let members: Vec<Member<'_>> = fields
        .0
        .iter()
        .zip(types)
        .zip(&offsets)
        .map(|(((name, field), ty), offset)| Member {
            name,
            ty,
            bit_offset: 8 * offset,
            bitfield_bits: if let Shape::Bits { bits, .. } = field.shape { bits } else { 0 },
        })
        .collect();
    let id = if is_struct {
        btf.add(Def::Struct { name, bytes, members: &members })
    } else {
        btf.add(Def::Union { name, bytes, members: &members })
    };
    (id, bytes)
}

fn declared(btf: &mut Builder, shape: &Shape, inner: &Fields) -> TypeId {
    match shape {
        Shape::Bits { of: Some(name), bytes, signed, .. } => {
            btf.intern(Def::Enum { name, bytes: *bytes, signed: *signed, values: &[] })
        }
        Shape::Int { bytes, signed } | Shape::Bits { bytes, signed, .. } => {
            btf.int(integer(*bytes, *signed), *bytes, *signed)
        }
        // Only the tag matters, not the enumerators.
        Shape::Enum { name, bytes } => btf.intern(Def::Enum { name, bytes: *bytes, signed: false, values: &[] }),
        Shape::Pointer => btf.ptr(TypeId::VOID),
        Shape::Struct | Shape::Union => composite(btf, "", matches!(shape, Shape::Struct), inner).0,
        Shape::Array { element, count } => {
            let element = declared(btf, element, inner);
            btf.array(element, *count)
        }
    }
}

fn integer(bytes: u32, signed: bool) -> &'static str {
    match (bytes, signed) {
        (1, false) => "unsigned char",
        (1, true) => "signed char",
        (2, false) => "unsigned short",
        (2, true) => "short",
        (4, false) => "unsigned int",
        (4, true) => "int",
        (_, false) => "unsigned long",
        (_, true) => "long",
    }
}

fn type_text(name: &str, is_struct: bool, fields: &Fields) -> String {
    let (_, offsets, _) = layout_of(fields, is_struct);
    let list: Vec<String> = fields
        .0
        .iter()
        .zip(offsets)
        .map(|((name, field), offset)| format!("{offset}: {};", member_text(name, &field.shape, &field.inner)))
        .collect();
    let keyword = if is_struct { "struct" } else { "union" };
    let space = if name.is_empty() { "" } else { " " };
    format!("{keyword}{space}{name} {{ {} }}", list.join(" "))
}

fn member_text(name: &str, shape: &Shape, inner: &Fields) -> String {
    match shape {
        Shape::Int { bytes, signed } => format!("{} {name}", integer(*bytes, *signed)),
        Shape::Bits { bytes, signed, bits, .. } => format!("{} {name} : {bits}", integer(*bytes, *signed)),
        Shape::Enum { name: tag, .. } => format!("enum {tag} {name}"),
        Shape::Pointer => format!("void *{name}"),
        Shape::Struct | Shape::Union => format!("{} {name}", type_text("", matches!(shape, Shape::Struct), inner)),
        Shape::Array { element, count } => {
            format!("{}[{count}]", member_text(name, element, inner))
        }
    }
}
