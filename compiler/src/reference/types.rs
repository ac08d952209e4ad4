//! Pages of types: `flags` and `enum` items, the kernel's enums and structs with their views, and definitions.

use std::collections::{BTreeSet, HashSet};

use krs_grammar::ast::{self, ItemKind};
use krs_grammar::print::expr_text;
use serde::Serialize;

use super::{Documented, Listed, Reference, is_empty, one_line, summary, word};
use crate::btf::{Btf, Kind, TypeId};
use crate::hir::place;
use crate::hir::resolve::prefix;
use crate::kernel::{self, Kernel};

/// What a type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TypeKind {
    /// Bits with names.
    Flags,
    /// Values with names, by the library or by the kernel.
    Enum,
    /// A struct of the kernel.
    Struct,
    /// A union of the kernel.
    Union,
    /// A definition, which is called with arguments.
    Def,
}

impl TypeKind {
    /// `flags`
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

/// A name of a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// As it is used beside a value of the type: `EXEC`.
    pub name: String,
    /// As it can stand anywhere: `PROT_EXEC`.
    pub anywhere: String,
    /// Its value, on the newest kernel that has it.
    pub value: i64,
    /// The embedded kernels that lack it.
    #[serde(skip_serializing_if = "is_empty")]
    pub missing_on: Vec<String>,
    /// What it means.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub doc: String,
}

/// A field that the library gives a struct.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Described {
    /// Its name.
    pub name: String,
    /// In the words of krs.
    #[serde(rename = "type")]
    pub ty: String,
    /// What it stands for.
    pub stands_for: String,
    /// What it means.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub doc: String,
}

/// A field that BTF gives a struct.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// In the words of krs; in C where no policy can read it.
    #[serde(rename = "type")]
    pub ty: String,
    /// The embedded kernels that have the struct but lack the field.
    #[serde(skip_serializing_if = "is_empty")]
    pub missing_on: Vec<String>,
}

/// All about a type or a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TypePage {
    /// `Prot`
    pub name: String,
    /// What it is.
    pub kind: TypeKind,
    /// How it begins: `flags Prot: u64`, `def anonymous(vma: vm_area_struct): bool`.
    pub signature: String,
    /// The first sentence of the docs.
    pub summary: String,
    /// The docs.
    pub doc: String,
    /// The library's file that describes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The embedded kernels that lack it.
    #[serde(skip_serializing_if = "is_empty")]
    pub missing_on: Vec<String>,
    /// Of `flags` and `enum`s.
    #[serde(skip_serializing_if = "is_empty")]
    pub members: Vec<Member>,
    /// Of structs, by the library.
    #[serde(skip_serializing_if = "is_empty")]
    pub view: Vec<Described>,
    /// Of structs, by BTF.
    #[serde(skip_serializing_if = "is_empty")]
    pub fields: Vec<Field>,
    /// Of a definition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

impl Listed for TypePage {
    fn name(&self) -> &str {
        &self.name
    }
}

/// The struct, union or enum of a name.
fn find(btf: &Btf, name: &str) -> Option<TypeId> {
    [Kind::Struct, Kind::Union, Kind::Enum, Kind::Enum64].into_iter().find_map(|kind| btf.find(kind, name))
}

impl<'a> Reference<'a> {
    /// The names of all that the library describes: `flags`, `enum`s, structs and definitions; sorted.
    #[must_use]
    pub fn library_types(&self) -> Vec<&'a str> {
        let tables = [&self.names, &self.views, &self.defs];
        let mut names: Vec<&'a str> = tables.into_iter().flat_map(|table| table.keys().copied()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The names of all types that a policy can name, sorted; those of the kernels among them.
    #[must_use]
    pub fn type_names(&self) -> Vec<&'a str> {
        let mut names: BTreeSet<&'a str> = self.library_types().into_iter().collect();
        for kernel in &self.kernels {
            names.extend(kernel.btf.ids().filter(|id| is_named(&kernel.btf, *id)).map(|id| kernel.btf.name(id)));
        }
        names.into_iter().filter(|name| !name.is_empty()).collect()
    }

    /// The page of a type, whoever describes it.
    #[must_use]
    pub fn type_page(&mut self, name: &str) -> Option<TypePage> {
        if let Some(found) = self.names.get(name).copied() {
            let mut page = names(found)?;
            for member in &mut page.members {
                // What only one type has needs no prefix.
                if self.owners(&member.name) > 1 {
                    member.anywhere = format!("{}_{}", prefix(name), member.name);
                }
            }
            return Some(page);
        }
        if let Some(found) = self.defs.get(name).copied() {
            return def(found);
        }
        let having: Vec<&'a Kernel> =
            self.kernels.iter().copied().filter(|kernel| find(&kernel.btf, name).is_some()).collect();
        let first = *having.first()?;
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
            page.members = enumerators(name, &having);
        } else {
            page.view = self.view(found, &having, name);
            page.fields = self.fields(name, &having);
        }
        Some(page)
    }

    /// How many types of the library have a member of that name.
    fn owners(&self, member: &str) -> usize {
        let has = |found: &&Documented<'_>| match found.kind {
            ItemKind::Flags(item) | ItemKind::Enum(item) => item.members.iter().any(|known| known.name.name == member),
            _ => false,
        };
        self.names.values().filter(has).count()
    }

    fn view(&mut self, found: Option<Documented<'a>>, having: &[&'a Kernel], of: &str) -> Vec<Described> {
        let Some(Documented { kind: ItemKind::View(view), .. }) = found else { return Vec::new() };
        let described = view.fields.iter().map(|field| {
            // What a newer kernel lacks an older one may have.
            let mut tried = having.iter().filter_map(|kernel| {
                let id = find(&kernel.btf, of)?;
                self.words(kernel).view(id, field).ok()
            });
            Described {
                name: field.name.name.clone(),
                ty: tried.next().unwrap_or_else(|| "?".to_owned()),
                stands_for: one_line(&expr_text(&field.value)),
                doc: one_line(field.doc.as_deref().unwrap_or("")),
            }
        });
        described.collect()
    }

    fn fields(&mut self, of: &str, having: &[&'a Kernel]) -> Vec<Field> {
        // A struct has hundreds of fields, so each kernel's are looked through once.
        let known: Vec<(&'a Kernel, HashSet<&'a str>)> = having
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
        for kernel in having {
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
            let missing_on = lacking(having, |kernel| {
                known.iter().any(|(other, names)| std::ptr::eq(*other, kernel) && names.contains(name))
            });
            Field { name: name.to_owned(), ty, missing_on }
        });
        fields.collect()
    }
}

/// A struct, union or enum that a policy can name.
fn is_named(btf: &Btf, id: TypeId) -> bool {
    matches!(btf.kind(id), Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64)
}

/// The embedded ones among `kernels`, which begin with the newest, that something does not hold for; oldest first.
fn lacking(kernels: &[&Kernel], holds: impl Fn(&Kernel) -> bool) -> Vec<String> {
    let embedded = kernels.iter().rev().filter(|kernel| kernel::NAMES.contains(&kernel.name.as_str()));
    embedded.filter(|kernel| !holds(kernel)).map(|kernel| kernel.name.clone()).collect()
}

/// `flags` and `enum` items of the library.
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

/// The enumerators that any of the kernels has.
fn enumerators(of: &str, having: &[&Kernel]) -> Vec<Member> {
    let values = |kernel: &Kernel| -> Vec<(String, i64)> {
        let Some(id) = find(&kernel.btf, of) else { return Vec::new() };
        kernel.btf.values(id).map(|(name, value)| (name.to_owned(), value)).collect()
    };
    let mut members: Vec<Member> = Vec::new();
    for kernel in having {
        for (name, value) in values(kernel) {
            if members.iter().any(|member| member.name == name) {
                continue;
            }
            let missing_on = lacking(having, |kernel| values(kernel).iter().any(|(known, _)| *known == name));
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

/// The value of a member of the library: a number, or one shifted.
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
