//! The reference of hooks and types, from the standard library and the kernels.
//!
//! ```text
//! file_mprotect(vma: *vm_area_struct, reqprot: Prot, prot: Prot)    a HookPage
//!   deny, on 5.10, 6.1, 6.12, 6.18 and 7.2
//!   Before mprotect(2) or pkey_mprotect(2) changes the protection of an area. ...
//! flags Prot: u64 { NONE = 0  READ = 1 ... }                        a TypePage
//! ```
//!
//! Invariants: pages are plain data, sorted by name; equal libraries and kernels yield equal pages; the
//! embedded kernels are always included.
//!
//! Absent: the layout of a page, which `command/` and [`markdown`] provide.

use std::collections::{BTreeMap, HashMap};

use krs_grammar::ast::{self, FileId, HookKind, ItemKind};
use serde::Serialize;

use crate::diag::Diagnostic;
use crate::hir::resolve::{Items, resolve};
use crate::hir::type_names::{TypeName, TypeNames};
use crate::kernel::{self, Kernel};
use crate::stdlib;

mod hooks;
pub mod markdown;
mod types;

pub use hooks::{Acts, HookPage, Parameter, Presence};
pub use types::{Described, Field, Member, TypeKind, TypePage};

/// The syntax trees of the standard library.
pub struct Library {
    files: Vec<ast::File>,
}

impl Library {
    /// Parses the standard library.
    #[must_use]
    pub fn read() -> Library {
        let files = stdlib::FILES.iter().enumerate();
        Library { files: files.map(|(id, (_, text))| krs_grammar::parse(FileId(id as u16), text).file).collect() }
    }
}

/// An item of the library with its doc comment.
#[derive(Clone, Copy)]
struct Documented<'a> {
    doc: &'a str,
    /// Name of the file: `files.krs`.
    file: &'a str,
    kind: &'a ItemKind,
}

/// Generates pages about hooks and types.
pub struct Reference<'a> {
    items: &'a Items<'a>,
    /// Descriptions of hooks, by name.
    hooks: BTreeMap<&'a str, Documented<'a>>,
    names: BTreeMap<&'a str, Documented<'a>>,
    views: BTreeMap<&'a str, Documented<'a>>,
    defs: BTreeMap<&'a str, Documented<'a>>,
    /// The target kernel, if given, then the embedded ones from the newest to the oldest.
    kernels: Vec<&'a Kernel>,
    words: HashMap<*const Kernel, TypeNames<'a>>,
}

/// Resolves the names of the library's items.
#[must_use]
pub fn items(library: &Library) -> Items<'_> {
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    resolve(&library.files, &[], &mut diagnostics)
}

impl<'a> Reference<'a> {
    /// Creates a reference for the embedded kernels and, if given, for a target kernel.
    #[must_use]
    pub fn new(library: &'a Library, items: &'a Items<'a>, target: Option<&'a Kernel>) -> Reference<'a> {
        let kernels = target.into_iter().chain(kernel::embedded().iter().rev()).collect();
        let mut reference = Reference {
            items,
            hooks: BTreeMap::new(),
            names: BTreeMap::new(),
            views: BTreeMap::new(),
            defs: BTreeMap::new(),
            kernels,
            words: HashMap::new(),
        };
        for (tree, (file, _)) in library.files.iter().zip(stdlib::FILES) {
            for item in &tree.items {
                let file = file.strip_prefix("std/").unwrap_or(file);
                let found = Documented { doc: item.doc.as_deref().unwrap_or(""), file, kind: &item.kind };
                let (table, name) = match &item.kind {
                    ItemKind::Hook(hook) if matches!(hook.kind, HookKind::Describe { .. }) => {
                        (&mut reference.hooks, &hook.name)
                    }
                    ItemKind::Flags(item) | ItemKind::Enum(item) => (&mut reference.names, &item.name),
                    ItemKind::View(view) => (&mut reference.views, &view.target),
                    ItemKind::Def(def) => (&mut reference.defs, &def.name),
                    _ => continue,
                };
                table.insert(&name.name, found);
            }
        }
        reference
    }

    fn words(&mut self, kernel: &'a Kernel) -> &mut TypeNames<'a> {
        let items = self.items;
        self.words.entry(std::ptr::from_ref(kernel)).or_insert_with(|| TypeNames::new(items, kernel))
    }
}

/// Splits a type name from the reason why there is none.
fn word(found: TypeName) -> (String, Option<String>) {
    match found {
        Ok(ty) => (ty, None),
        Err(why) => ("?".to_owned(), Some(why)),
    }
}

/// The first sentence of a text, on one line.
#[must_use]
pub fn summary(doc: &str) -> String {
    let line = one_line(doc);
    match line.find(". ") {
        Some(end) => line[..=end].to_owned(),
        None => line,
    }
}

/// The text with each run of white space as one space.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Describes a list of embedded kernels: `all`, `none`, `6.12+`, `5.10-6.1`, or their names if they are not
/// consecutive.
#[must_use]
pub fn span_of(names: &[String]) -> String {
    let all = kernel::NAMES;
    let positions: Vec<usize> = names.iter().filter_map(|name| all.iter().position(|known| known == name)).collect();
    let (Some(&first), Some(&last)) = (positions.iter().min(), positions.iter().max()) else {
        return "none".to_owned();
    };
    if positions.len() != last - first + 1 {
        return names.join(" ");
    }
    match (first, last) {
        (0, last) if last == all.len() - 1 => "all".to_owned(),
        (first, last) if last == all.len() - 1 => format!("{}+", all[first]),
        (first, last) if first == last => all[first].to_owned(),
        (first, last) => format!("{}-{}", all[first], all[last]),
    }
}

/// Predicate for members that serde omits when they are empty.
fn is_empty<T>(of: &[T]) -> bool {
    of.is_empty()
}

/// A page that can be listed by name.
pub trait Listed: Serialize {
    /// The name of the hook or type.
    fn name(&self) -> &str;
}

#[cfg(test)]
mod tests;
