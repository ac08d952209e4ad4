//! Pages of types and definitions: `flags` and `enum` items, enums, structs and unions of the kernel with their
//! views, and `def` items.

use std::collections::{BTreeSet, HashSet};

use krs_grammar::ast::{self, ItemKind};
use krs_grammar::print::expr_text;
use serde::Serialize;

use super::{Documented, Listed, Reference, is_empty, one_line, summary, word};
use crate::btf::{Btf, Kind, TypeId};
use crate::hir::place;
use crate::hir::resolve::prefix;
use crate::kernel::{self, Kernel};

/// The kind of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TypeKind {
    /// A `flags` type, with named bits.
    Flags,
    /// A type with named values, of the library or the kernel.
    Enum,
    /// A struct of the kernel.
    Struct,
    /// A union of the kernel.
    Union,
    /// A definition, which is called with arguments.
    Def,
}

impl TypeKind {
    /// The keyword of the kind: `flags`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TypeKind::Flags => "flags",
            TypeKind::Enum => "enum",
            TypeKind::Struct => "struct",
            TypeKind::Union => "union",
            TypeKind::Def => "def",
        }
    }
}

/// A named value of a type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Name that is valid next to a value of the type: `EXEC`.
    pub name: String,
    /// Name that is valid anywhere: `PROT_EXEC`.
    pub anywhere: String,
    /// Value on the newest kernel that has it.
    pub value: i64,
    /// The embedded kernels that lack it.
    #[serde(skip_serializing_if = "is_empty")]
    pub missing_on: Vec<String>,
    /// Doc comment, on one line.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub doc: String,
}

/// A field that the library's view adds to a struct.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Described {
    /// Name of the field.
    pub name: String,
    /// Type of the field in krs.
    #[serde(rename = "type")]
    pub ty: String,
    /// Defining expression of the field.
    pub expands_to: String,
    /// Doc comment, on one line.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub doc: String,
}

/// A field of a kernel struct.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Name of the field.
    pub name: String,
    /// Type in krs, or in C if policies cannot read the field.
    #[serde(rename = "type")]
    pub ty: String,
    /// The embedded kernels that have the struct but not the field.
    #[serde(skip_serializing_if = "is_empty")]
    pub missing_on: Vec<String>,
}

/// A complete description of a type or definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TypePage {
    /// Name of the type: `Prot`.
    pub name: String,
    /// Kind of the type.
    pub kind: TypeKind,
    /// First line of its declaration: `flags Prot: u64`, `def anonymous(vma: vm_area_struct): bool`.
    pub signature: String,
    /// First sentence of the docs.
    pub summary: String,
    /// Doc comment of the item.
    pub doc: String,
    /// The library file that describes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The embedded kernels that lack it.
    #[serde(skip_serializing_if = "is_empty")]
    pub missing_on: Vec<String>,
    /// Named values of a `flags` or `enum` type.
    #[serde(skip_serializing_if = "is_empty")]
    pub members: Vec<Member>,
    /// Fields that the library adds to a struct.
    #[serde(skip_serializing_if = "is_empty")]
    pub view: Vec<Described>,
    /// Fields of a struct in BTF.
    #[serde(skip_serializing_if = "is_empty")]
    pub fields: Vec<Field>,
    /// Body of a definition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

impl Listed for TypePage {
    fn name(&self) -> &str {
        &self.name
    }
}

/// Finds a struct, union or enum by name.
fn find(btf: &Btf, name: &str) -> Option<TypeId> {
    [Kind::Struct, Kind::Union, Kind::Enum, Kind::Enum64].into_iter().find_map(|kind| btf.find(kind, name))
}

impl<'a> Reference<'a> {
    /// The names of everything that the library describes (`flags` and `enum` types, structs and definitions),
    /// sorted.
    #[must_use]
    pub fn library_types(&self) -> Vec<&'a str> {
        let tables = [&self.names, &self.views, &self.defs];
        let mut names: Vec<&'a str> = tables.into_iter().flat_map(|table| table.keys().copied()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The names of all types of the library and the kernels, sorted.
    #[must_use]
    pub fn type_names(&self) -> Vec<&'a str> {
        let mut names: BTreeSet<&'a str> = self.library_types().into_iter().collect();
        for kernel in &self.kernels {
            names.extend(kernel.btf.ids().filter(|id| is_named(&kernel.btf, *id)).map(|id| kernel.btf.name(id)));
        }
        names.into_iter().filter(|name| !name.is_empty()).collect()
    }

    /// The page of a type or definition, from the library or a kernel.
    #[must_use]
    pub fn type_page(&mut self, name: &str) -> Option<TypePage> {
        if let Some(found) = self.names.get(name).copied() {
            let mut page = names(found)?;
            for member in &mut page.members {
                // A name that only one type has needs no prefix.
                if self.owners(&member.name) > 1 {
                    member.anywhere = format!("{}_{}", prefix(name), member.name);
                }
            }
            return Some(page);
        }
        if let Some(found) = self.defs.get(name).copied() {
            return def(found);
        }
        let with_type: Vec<&'a Kernel> =
            self.kernels.iter().copied().filter(|kernel| find(&kernel.btf, name).is_some()).collect();
        let first = *with_type.first()?;
        let id = find(&first.btf, name)?;
        let missing_on =
            lacking(&kernel::embedded().iter().rev().collect::<Vec<_>>(), |kernel| find(&kernel.btf, name).is_some());
        let kind = match first.btf.kind(id) {
            Kind::Struct => TypeKind::Struct,
            Kind::Union => TypeKind::Union,
            _ => TypeKind::Enum,
        };
        let found = self.views.get(name).copied();
        let doc = found.map_or("", |found| found.doc);
        let mut page = TypePage {
            name: name.to_owned(),
            kind,
            signature: format!("{} {name}", kind.name()),
            summary: summary(doc),
            doc: doc.to_owned(),
            file: found.map(|found| found.file.to_owned()),
            missing_on,
            members: Vec::new(),
            view: Vec::new(),
            fields: Vec::new(),
            body: None,
        };
        if kind == TypeKind::Enum {
            page.members = enumerators(name, &with_type);
        } else {
            page.view = self.view(found, &with_type, name);
            page.fields = self.fields(name, &with_type);
        }
        Some(page)
    }

    /// Number of library types with a member of this name.
    fn owners(&self, member: &str) -> usize {
        let has = |found: &&Documented<'_>| match found.kind {
            ItemKind::Flags(item) | ItemKind::Enum(item) => item.members.iter().any(|known| known.name.name == member),
            _ => false,
        };
        self.names.values().filter(has).count()
    }

    fn view(&mut self, found: Option<Documented<'a>>, with_type: &[&'a Kernel], of: &str) -> Vec<Described> {
        let Some(Documented { kind: ItemKind::View(view), .. }) = found else { return Vec::new() };
        let described = view.fields.iter().map(|field| {
            // An older kernel may have a field that a newer one lacks.
            let mut types = with_type.iter().filter_map(|kernel| {
                let id = find(&kernel.btf, of)?;
                self.words(kernel).view(id, field).ok()
            });
            Described {
                name: field.name.name.clone(),
                ty: types.next().unwrap_or_else(|| "?".to_owned()),
                expands_to: one_line(&expr_text(&field.value)),
                doc: one_line(field.doc.as_deref().unwrap_or("")),
            }
        });
        described.collect()
    }

    fn fields(&mut self, of: &str, with_type: &[&'a Kernel]) -> Vec<Field> {
        // A struct can have hundreds of fields, so that each kernel's names are collected once.
        let known: Vec<(&'a Kernel, HashSet<&'a str>)> = with_type
            .iter()
            .map(|kernel| {
                let mut found = Vec::new();
                if let Some(id) = find(&kernel.btf, of) {
                    place::field_names(&kernel.btf, id, &mut found);
                }
                (*kernel, found.into_iter().collect())
            })
            .collect();
        let mut names: Vec<&'a str> = Vec::new();
        let mut first_with: Vec<&'a Kernel> = Vec::new();
        let mut seen: HashSet<&'a str> = HashSet::new();
        for kernel in with_type {
            let Some(id) = find(&kernel.btf, of) else { continue };
            let mut found = Vec::new();
            place::field_names(&kernel.btf, id, &mut found);
            for name in found {
                if !name.is_empty() && seen.insert(name) {
                    names.push(name);
                    first_with.push(kernel);
                }
            }
        }
        let fields = names.into_iter().zip(first_with).map(|(name, kernel)| {
            let ty = find(&kernel.btf, of).map(|id| self.words(kernel).field(id, name));
            let (ty, _) = word(ty.unwrap_or_else(|| Err(String::new())));
            let missing_on = lacking(with_type, |kernel| {
                known.iter().any(|(other, names)| std::ptr::eq(*other, kernel) && names.contains(name))
            });
            Field { name: name.to_owned(), ty, missing_on }
        });
        fields.collect()
    }
}

/// Returns true for a struct, union or enum.
fn is_named(btf: &Btf, id: TypeId) -> bool {
    matches!(btf.kind(id), Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64)
}

/// The embedded kernels for which the predicate is false, the oldest first. `kernels` begins with the newest.
fn lacking(kernels: &[&Kernel], holds: impl Fn(&Kernel) -> bool) -> Vec<String> {
    let embedded = kernels.iter().rev().filter(|kernel| kernel::NAMES.contains(&kernel.name.as_str()));
    embedded.filter(|kernel| !holds(kernel)).map(|kernel| kernel.name.clone()).collect()
}

/// The page of a `flags` or `enum` item.
fn names(found: Documented<'_>) -> Option<TypePage> {
    let (item, kind) = match found.kind {
        ItemKind::Flags(item) => (item, TypeKind::Flags),
        ItemKind::Enum(item) => (item, TypeKind::Enum),
        _ => return None,
    };
    let name = &item.name.name;
    let repr = item.repr.as_deref().map_or_else(|| "u64".to_owned(), type_text);
    let members = item.members.iter().filter_map(|member| {
        Some(Member {
            name: member.name.name.clone(),
            anywhere: member.name.name.clone(),
            value: constant(&member.value)?,
            missing_on: Vec::new(),
            doc: one_line(member.doc.as_deref().unwrap_or("")),
        })
    });
    Some(TypePage {
        name: name.clone(),
        kind,
        signature: format!("{} {name}: {repr}", kind.name()),
        summary: summary(found.doc),
        doc: found.doc.to_owned(),
        file: Some(found.file.to_owned()),
        missing_on: Vec::new(),
        members: members.collect(),
        view: Vec::new(),
        fields: Vec::new(),
        body: None,
    })
}

fn def(found: Documented<'_>) -> Option<TypePage> {
    let ItemKind::Def(def) = found.kind else { return None };
    let params: Vec<String> =
        def.params.iter().map(|param| format!("{}: {}", param.name.name, type_text(&param.ty))).collect();
    let result = def.ty.as_ref().map(|ty| format!(": {}", type_text(ty))).unwrap_or_default();
    Some(TypePage {
        name: def.name.name.clone(),
        kind: TypeKind::Def,
        signature: format!("def {}({}){result}", def.name.name, params.join(", ")),
        summary: summary(found.doc),
        doc: found.doc.to_owned(),
        file: Some(found.file.to_owned()),
        missing_on: Vec::new(),
        members: Vec::new(),
        view: Vec::new(),
        fields: Vec::new(),
        body: Some(one_line(&expr_text(&def.body))),
    })
}

/// The enumerators of all given kernels.
fn enumerators(of: &str, with_type: &[&Kernel]) -> Vec<Member> {
    let values = |kernel: &Kernel| -> Vec<(String, i64)> {
        let Some(id) = find(&kernel.btf, of) else { return Vec::new() };
        kernel.btf.values(id).map(|(name, value)| (name.to_owned(), value)).collect()
    };
    let mut members: Vec<Member> = Vec::new();
    for kernel in with_type {
        for (name, value) in values(kernel) {
            if members.iter().any(|member| member.name == name) {
                continue;
            }
            let missing_on = lacking(with_type, |kernel| values(kernel).iter().any(|(known, _)| *known == name));
            members.push(Member { anywhere: name.clone(), name, value, missing_on, doc: String::new() });
        }
    }
    members
}

fn type_text(ty: &ast::Type) -> String {
    match &ty.kind {
        ast::TypeKind::Name(name) => name.clone(),
        ast::TypeKind::Tuple(parts) => format!("({})", parts.iter().map(type_text).collect::<Vec<_>>().join(", ")),
    }
}

/// Evaluates a member's value in the library: an integer, possibly shifted, negated or combined with `|`.
fn constant(expr: &ast::Expr) -> Option<i64> {
    match &expr.kind {
        ast::ExprKind::Int(value) => Some(*value as i64),
        ast::ExprKind::Binary { op: ast::BinaryOp::Shl, left, right, .. } => {
            constant(left)?.checked_shl(u32::try_from(constant(right)?).ok()?)
        }
        ast::ExprKind::Binary { op: ast::BinaryOp::BitOr, left, right, .. } => Some(constant(left)? | constant(right)?),
        ast::ExprKind::Unary { op: ast::UnaryOp::Neg, value, .. } => constant(value)?.checked_neg(),
        _ => None,
    }
}
