//! What can be named in a policy: hooks and types, with what the standard library and the kernels say about them.
//!
//! ```text
//! file_mprotect(vma: *vm_area_struct, reqprot: Prot, prot: Prot)    a HookPage
//!   deny, on 5.10, 6.1, 6.12, 6.18 and 7.2
//!   Before mprotect(2) or pkey_mprotect(2) changes the protection of an area. ...
//! flags Prot: u64 { NONE = 0  READ = 1 ... }                        a TypePage
//! ```
//!
//! Invariants: pages are plain data, sorted by name, and the same for the same library and kernels; the embedded kernels are
//! always among those told of.
//!
//! Absent: how a page is laid out for a reader, which `command/` and [`markdown`] do.

use std::collections::{BTreeMap, HashMap};

use krs_grammar::ast::{self, FileId, HookKind, ItemKind};
use serde::Serialize;

use crate::diag::Diagnostic;
use crate::hir::resolve::{Items, resolve};
use crate::hir::words::{Word, Words};
use crate::kernel::{self, Kernel};
use crate::stdlib;

mod hooks;
pub mod markdown;
mod types;

pub use hooks::{Acts, HookPage, Parameter, Presence};
pub use types::{Described, Field, Member, TypeKind, TypePage};

/// The library's trees.
pub struct Library {
    files: Vec<ast::File>,
}

impl Library {
    /// Reads the library.
    #[must_use]
    pub fn read() -> Library {
        let files = stdlib::FILES.iter().enumerate();
        Library { files: files.map(|(id, (_, text))| krs_grammar::parse(FileId(id as u16), text).file).collect() }
    }
}

/// An item of the library with its words.
#[derive(Clone, Copy)]
struct Documented<'a> {
    doc: &'a str,
    /// `files.krs`
    file: &'a str,
    kind: &'a ItemKind,
}

/// Answers questions about hooks and types.
pub struct Reference<'a> {
    items: &'a Items<'a>,
    /// Descriptions of hooks, `flags`, `enum`s, views and definitions, each by its name.
    hooks: BTreeMap<&'a str, Documented<'a>>,
    names: BTreeMap<&'a str, Documented<'a>>,
    views: BTreeMap<&'a str, Documented<'a>>,
    defs: BTreeMap<&'a str, Documented<'a>>,
    /// The one whose types count first, then the embedded ones from the newest.
    kernels: Vec<&'a Kernel>,
    words: HashMap<*const Kernel, Words<'a>>,
}

/// The items of the library, found by name.
#[must_use]
pub fn items(library: &Library) -> Items<'_> {
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    resolve(&library.files, &[], &mut diagnostics)
}

impl<'a> Reference<'a> {
    /// About a kernel and the embedded ones.
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

    fn words(&mut self, kernel: &'a Kernel) -> &mut Words<'a> {
        let items = self.items;
        self.words.entry(std::ptr::from_ref(kernel)).or_insert_with(|| Words::new(items, kernel))
    }
}

/// A name and what it is called.
fn word(found: Word) -> (String, Option<String>) {
    match found {
        Ok(ty) => (ty, None),
        Err(why) => ("?".to_owned(), Some(why)),
    }
}

/// The first sentence, on one line.
#[must_use]
pub fn summary(doc: &str) -> String {
    let line = one_line(doc);
    match line.find(". ") {
        Some(end) => line[..=end].to_owned(),
        None => line,
    }
}

/// The words of a text with one blank between.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The embedded kernels that something holds for, where not for all of `among`: `6.12+`, `5.10-6.1`.
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

/// Members that serde leaves out where they say nothing.
fn is_empty<T>(of: &[T]) -> bool {
    of.is_empty()
}

/// A page that lists can show a line of.
pub trait Listed: Serialize {
    /// Its name.
    fn name(&self) -> &str;
}

#[cfg(test)]
mod tests;
