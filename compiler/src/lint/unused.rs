//! An item that no rule and no test uses, not even through other items.
//!
//! ```text
//! const ADMIN = 1000
//! on file_open when task.uid == 0 deny
//! ```
//!
//! Items of a file that others import are not reported, since one policy need not use all of them.
//!
//! The analysis is by name: any mention of the name of an item counts as a use, whatever it refers to. A name
//! that begins with `_` is kept on purpose.

use std::collections::{HashMap, HashSet};

use krs_grammar::ast::{self, ActionKind, Expr, ExprKind, HookKind, ItemKind, SetSource, TypeKind};

use crate::diag::{Diagnostic, code};
use crate::hir::resolve::prefix;

pub(super) fn run(input: &super::Input<'_>, found: &mut Vec<Diagnostic>) {
    let &super::Input { own, library, given, .. } = input;
    let mut items: Vec<Owned<'_>> = Vec::new();
    own.iter().for_each(|file| owned(&file.items, &mut items));
    if items.is_empty() {
        return;
    }
    let mut roots = Mentions::default();
    own.iter().for_each(|file| roots.roots(&file.items));
    // Items of the policy replace those of the library with the same name, also for uses in the library.
    for item in library.iter().flat_map(|file| &file.items) {
        roots.item(item);
    }
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    let prefixed: Vec<Vec<String>> = items.iter().map(|item| item.prefixed()).collect();
    for (index, item) in items.iter().enumerate() {
        for name in item.names.iter().copied().chain(prefixed[index].iter().map(String::as_str)) {
            by_name.entry(name).or_default().push(index);
        }
    }
    let mut used = vec![false; items.len()];
    let mut seen: HashSet<&str> = HashSet::new();
    let mut open: Vec<&str> = roots.names;
    while let Some(name) = open.pop() {
        if !seen.insert(name) {
            continue;
        }
        for &index in by_name.get(name).into_iter().flatten() {
            if !std::mem::replace(&mut used[index], true) {
                open.extend(items[index].mentions.names.iter().copied());
            }
        }
    }
    let given = |span: ast::Span| usize::from(span.file.0) < given;
    let kept = |item: &Owned<'_>| item.ident.name.starts_with('_') || !given(item.ident.span);
    for (item, _) in items.iter().zip(used).filter(|(item, used)| !used && !kept(item)) {
        let (what, name) = (item.what, &item.ident.name);
        found.push(
            Diagnostic::warning(code::UNUSED_ITEM, item.ident.span, format!("the {what} `{name}` is never used"))
                .label("no rule uses it")
                .help(if item.what == "view" {
                    "remove it, or use one of its fields".to_owned()
                } else {
                    format!("remove it, or rename it to `_{name}` to keep it")
                }),
        );
    }
}

/// An item that can be reported.
struct Owned<'a> {
    what: &'static str,
    ident: &'a ast::Ident,
    /// Names by which it can be used.
    names: Vec<&'a str>,
    /// Members of `flags` and `enum`, which can also be used as `PREFIX_NAME`.
    members: &'a [ast::NamesMember],
    mentions: Mentions<'a>,
}

impl Owned<'_> {
    fn prefixed(&self) -> Vec<String> {
        if self.members.is_empty() {
            return Vec::new();
        }
        let prefix = prefix(&self.ident.name);
        self.members.iter().map(|member| format!("{prefix}_{}", member.name.name)).collect()
    }
}

/// Collects the items that can be reported.
fn owned<'a>(all: &'a [ast::Item], items: &mut Vec<Owned<'a>>) {
    for item in all {
        let (what, ident) = match &item.kind {
            ItemKind::Const(item) => ("constant", &item.name),
            ItemKind::Param(item) => ("parameter", &item.name),
            ItemKind::Set(item) => ("set", &item.name),
            ItemKind::Def(item) => ("definition", &item.name),
            ItemKind::Label(item) => ("label", &item.name),
            ItemKind::Flags(item) => ("flags type", &item.name),
            ItemKind::Enum(item) => ("enum", &item.name),
            ItemKind::View(item) => ("view", &item.target),
            ItemKind::Where(block) => {
                owned(&block.items, items);
                continue;
            }
            ItemKind::Use(_) | ItemKind::Hook(_) | ItemKind::Rule(_) | ItemKind::Test(_) | ItemKind::Error => continue,
        };
        let mut names = vec![ident.name.as_str()];
        let mut members: &[ast::NamesMember] = &[];
        match &item.kind {
            ItemKind::Flags(item) | ItemKind::Enum(item) => {
                members = &item.members;
                names.extend(item.members.iter().map(|member| member.name.name.as_str()));
            }
            ItemKind::View(item) => names = item.fields.iter().map(|field| field.name.name.as_str()).collect(),
            _ => {}
        }
        let mut mentions = Mentions::default();
        mentions.item(item);
        items.push(Owned { what, ident, names, members, mentions });
    }
}

/// Names that occur in an item.
#[derive(Default)]
struct Mentions<'a> {
    names: Vec<&'a str>,
}

impl<'a> Mentions<'a> {
    fn ident(&mut self, ident: &'a ast::Ident) {
        self.names.push(&ident.name);
    }

    /// Adds the names in hooks, rules and tests, which are used by themselves.
    fn roots(&mut self, items: &'a [ast::Item]) {
        for item in items {
            match &item.kind {
                ItemKind::Where(block) => {
                    self.expr(&block.condition);
                    self.roots(&block.items);
                }
                ItemKind::Hook(_) | ItemKind::Rule(_) | ItemKind::Test(_) => self.item(item),
                _ => {}
            }
        }
    }

    fn item(&mut self, item: &'a ast::Item) {
        match &item.kind {
            ItemKind::Use(_) | ItemKind::Label(_) | ItemKind::Error => {}
            ItemKind::Const(item) => {
                item.ty.iter().for_each(|ty| self.ty(ty));
                self.expr(&item.value);
            }
            ItemKind::Param(item) => {
                self.ty(&item.ty);
                self.expr(&item.default);
            }
            ItemKind::Set(item) => {
                self.ty(&item.ty);
                if let SetSource::Elements(elements) = &item.source {
                    elements.iter().for_each(|element| self.expr(element));
                }
            }
            ItemKind::Flags(item) | ItemKind::Enum(item) => {
                item.repr.iter().for_each(|ty| self.ty(ty));
                item.members.iter().for_each(|member| self.expr(&member.value));
            }
            ItemKind::View(item) => {
                item.fields.iter().for_each(|field| self.field(field));
            }
            ItemKind::Hook(item) => match &item.kind {
                HookKind::Describe { params, values } => {
                    params.iter().filter_map(|param| param.ty.as_ref()).for_each(|ty| self.ty(ty));
                    values.iter().for_each(|field| self.field(field));
                }
                HookKind::Alias(target) => self.ident(target),
            },
            ItemKind::Def(item) => {
                item.params.iter().for_each(|param| self.ty(&param.ty));
                item.ty.iter().for_each(|ty| self.ty(ty));
                self.expr(&item.body);
            }
            ItemKind::Where(block) => {
                self.expr(&block.condition);
                block.items.iter().for_each(|item| self.item(item));
            }
            ItemKind::Rule(rule) => {
                rule.attributes.iter().flat_map(|attribute| &attribute.args).for_each(|arg| self.expr(arg));
                rule.when.iter().chain(&rule.unless).for_each(|expr| self.expr(expr));
                rule.actions.iter().for_each(|action| self.action(action));
            }
            ItemKind::Test(test) => {
                for (place, value) in &test.with {
                    self.expr(place);
                    self.expr(value);
                }
                for expect in &test.expect {
                    if let ast::Expect::Action(action) = expect {
                        self.action(action);
                    }
                }
            }
        }
    }

    fn field(&mut self, field: &'a ast::ViewField) {
        field.ty.iter().for_each(|ty| self.ty(ty));
        self.expr(&field.value);
    }

    fn action(&mut self, action: &'a ast::Action) {
        match &action.kind {
            ActionKind::Deny { .. } | ActionKind::Kill { .. } => {}
            ActionKind::Audit(audit) => audit.fields.iter().for_each(|field| self.expr(&field.value)),
            ActionKind::Mark { label, on } | ActionKind::Unmark { label, on } => {
                self.ident(label);
                on.iter().for_each(|expr| self.expr(expr));
            }
        }
    }

    fn ty(&mut self, ty: &'a ast::Type) {
        match &ty.kind {
            TypeKind::Name(name) => self.names.push(name),
            TypeKind::Tuple(all) => all.iter().for_each(|ty| self.ty(ty)),
        }
    }

    fn expr(&mut self, expr: &'a Expr) {
        match &expr.kind {
            ExprKind::Int(_)
            | ExprKind::Duration(_)
            | ExprKind::Str(_)
            | ExprKind::Bool(_)
            | ExprKind::Null
            | ExprKind::Error => {}
            ExprKind::Name(name) => self.names.push(name),
            ExprKind::List(all) | ExprKind::Tuple(all) => all.iter().for_each(|expr| self.expr(expr)),
            ExprKind::Field { base, name } => {
                self.expr(base);
                self.ident(name);
            }
            ExprKind::Index { base, index } => {
                self.expr(base);
                self.expr(index);
            }
            ExprKind::Call { function, args } => {
                self.ident(function);
                args.iter().for_each(|arg| self.expr(arg));
            }
            ExprKind::Any { of, body, .. } => {
                self.expr(of);
                self.expr(body);
            }
            ExprKind::Cast { value, ty } => {
                self.expr(value);
                self.ty(ty);
            }
            ExprKind::Unary { value, .. } => self.expr(value),
            ExprKind::Binary { left, right, .. } => {
                self.expr(left);
                self.expr(right);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::codes;

    const RULE: &str = "on file_open when task.uid == 0 deny\n";

    #[test]
    fn unused_items_are_found() {
        for item in [
            "const ADMIN = 1000",
            "def root(c: cred): bool = c.euid == 0",
            "flags Own: u32 { A = 1 B = 2 }",
            "enum Own: u32 { A = 1 }",
            "view file { my_flags = f_flags }",
        ] {
            assert_eq!(codes(&format!("{item}\n{RULE}")), ["KRS0904"], "{item}");
        }
        assert_eq!(codes(&format!("const A = 1\nconst B = A\n{RULE}")), ["KRS0904", "KRS0904"]);
    }

    #[test]
    fn used_items_are_left_alone() {
        for text in [
            "const ADMIN = 1000\non file_open when task.uid == ADMIN deny",
            "const A = 1\nconst B = A\non file_open when task.uid == B deny",
            "const A = 1\ndef f(x: u32): bool = x == A\non file_open when f(task.uid) deny",
            "flags Own: u32 { A = 1 B = 2 }\non file_open when file.f_flags & OWN_A deny",
            "flags Own: u32 { A = 1 B = 2 }\nview file { mine: Own = f_flags }\non file_open when file.mine & B deny",
            "view file { my_flags = f_flags }\non file_open when file.my_flags == 0 deny",
            "const _KEPT = 1\non file_open deny",
        ] {
            let found = codes(text);
            assert!(!found.contains(&"KRS0904"), "{text}: {found:?}");
        }
    }
}
