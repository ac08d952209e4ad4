//! What names mean: the items of the standard library and of the policy, found by name.
//!
//! A policy's own item hides the library's of the same name; two of a policy's own with one name are
//! an error. Expressions are not looked into here: an item is an item before its type is known.

use std::collections::{HashMap, HashSet};

use krs_grammar::ast::{self, ItemKind};

use crate::diag::{Diagnostic, code};

/// An item that an expression or a type can name.
#[derive(Clone, Copy, Debug)]
pub enum Named<'a> {
    /// `const`
    Const(&'a ast::Const),
    /// `def`
    Def(&'a ast::Def),
    /// `flags` (true) or `enum`
    Names(&'a ast::Names, bool),
    /// `param`
    Param(&'a ast::Param),
    /// `set`
    Set(&'a ast::Set),
    /// `label`
    Label(&'a ast::Label),
}

impl<'a> Named<'a> {
    /// The name where it is defined.
    #[must_use]
    pub fn ident(self) -> &'a ast::Ident {
        match self {
            Named::Const(item) => &item.name,
            Named::Def(item) => &item.name,
            Named::Names(item, _) => &item.name,
            Named::Param(item) => &item.name,
            Named::Set(item) => &item.name,
            Named::Label(item) => &item.name,
        }
    }
}

/// A rule where it stands.
#[derive(Debug)]
pub struct RuleItem<'a> {
    /// The rule.
    pub rule: &'a ast::Rule,
    /// Its docs and place.
    pub item: &'a ast::Item,
    /// Conditions of the `where` blocks around it, outermost first.
    pub around: Vec<&'a ast::Expr>,
}

/// All items by name.
#[derive(Debug, Default)]
pub struct Items<'a> {
    /// Constants, definitions and types.
    pub named: HashMap<&'a str, Named<'a>>,
    /// Names of items that could not be read.
    broken: HashSet<&'a str>,
    /// A file could not be read: any name may be one of its items.
    unread: bool,
    /// `flags` and `enum` by the prefix of their kernel names: `Prot` by `PROT`.
    pub prefixes: HashMap<String, &'a str>,
    /// Fields by struct and name.
    pub views: HashMap<(&'a str, &'a str), &'a ast::ViewField>,
    /// What is said about a hook's parameters.
    pub hooks: HashMap<&'a str, &'a [ast::HookParam]>,
    /// What a hook's description makes of its parameters, by hook and name.
    pub values: HashMap<(&'a str, &'a str), &'a ast::ViewField>,
    /// Other names of hooks.
    pub aliases: HashMap<&'a str, &'a ast::Ident>,
    /// The policy's own definitions, in source order.
    pub defs: Vec<&'a ast::Def>,
    /// The policy's own constants, in source order.
    pub consts: Vec<&'a ast::Const>,
    /// The policy's own `flags` and `enum`s, in source order.
    pub names: Vec<&'a ast::Names>,
    /// The policy's rules, in source order.
    pub rules: Vec<RuleItem<'a>>,
    /// The policy's own parameters, in source order.
    pub params: Vec<&'a ast::Param>,
    /// The policy's own sets, in source order.
    pub sets: Vec<&'a ast::Set>,
    /// The policy's own views, in source order.
    pub own_views: Vec<&'a ast::View>,
    /// The policy's own hooks, in source order.
    pub own_hooks: Vec<&'a ast::Hook>,
    /// The policy's tests, in source order, each with its place.
    pub tests: Vec<(&'a ast::Test, ast::Span)>,
    /// The policy's own labels, in source order.
    pub labels: Vec<&'a ast::Label>,
}

/// `SaFamily` has the prefix `SA_FAMILY`.
#[must_use]
pub fn prefix(type_name: &str) -> String {
    let mut text = String::with_capacity(type_name.len() + 4);
    let mut after_lower = false;
    for c in type_name.chars() {
        if c.is_ascii_uppercase() && after_lower {
            text.push('_');
        }
        after_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        text.push(c.to_ascii_uppercase());
    }
    text
}

/// Collects items: first the library's, then the policy's.
pub fn resolve<'a>(library: &'a [ast::File], policy: &'a [ast::File], diagnostics: &mut Vec<Diagnostic>) -> Items<'a> {
    let mut items = Items::default();
    for file in library {
        for item in &file.items {
            items.add(item);
        }
    }
    let mut own = Own::default();
    for file in policy {
        items.broken.extend(file.broken.iter().map(String::as_str));
        items.unread |=
            file.items.iter().any(|item| matches!(&item.kind, ItemKind::Use(of) if matches!(**of, ast::Use::File(_))));
        for item in &file.items {
            if let ItemKind::Where(block) = &item.kind {
                own.block(block, &mut vec![&block.condition], &mut items, diagnostics);
                continue;
            }
            if own.admits(item, diagnostics) {
                items.add(item);
                match &item.kind {
                    ItemKind::Rule(rule) => items.rules.push(RuleItem { rule, item, around: Vec::new() }),
                    ItemKind::Def(def) => items.defs.push(def),
                    ItemKind::Const(item) => items.consts.push(item),
                    ItemKind::Param(item) => items.params.push(item),
                    ItemKind::Set(item) => items.sets.push(item),
                    ItemKind::Label(item) => items.labels.push(item),
                    ItemKind::Flags(names) | ItemKind::Enum(names) => items.names.push(names),
                    ItemKind::Test(test) => items.tests.push((test, item.span)),
                    ItemKind::View(view) => items.own_views.push(view),
                    ItemKind::Hook(hook) => items.own_hooks.push(hook),
                    _ => {}
                }
            }
        }
    }
    items
}

impl<'a> Items<'a> {
    /// Whether a name may be that of an item which could not be read. What uses it is not reported: the item is, or its file.
    #[must_use]
    pub fn is_broken(&self, name: &str) -> bool {
        self.unread || self.broken.contains(name)
    }

    fn add(&mut self, item: &'a ast::Item) {
        match &item.kind {
            ItemKind::Const(item) => {
                self.named.insert(&item.name.name, Named::Const(item));
            }
            ItemKind::Def(item) => {
                self.named.insert(&item.name.name, Named::Def(item));
            }
            ItemKind::Param(item) => {
                self.named.insert(&item.name.name, Named::Param(item));
            }
            ItemKind::Set(item) => {
                self.named.insert(&item.name.name, Named::Set(item));
            }
            ItemKind::Label(item) => {
                self.named.insert(&item.name.name, Named::Label(item));
            }
            ItemKind::Flags(names) | ItemKind::Enum(names) => {
                let flags = matches!(item.kind, ItemKind::Flags(_));
                self.named.insert(&names.name.name, Named::Names(names, flags));
                self.prefixes.insert(prefix(&names.name.name), &names.name.name);
            }
            ItemKind::View(view) => {
                for field in &view.fields {
                    self.views.insert((&view.target.name, &field.name.name), field);
                }
            }
            ItemKind::Hook(hook) => match &hook.kind {
                ast::HookKind::Describe { params, values } => {
                    self.hooks.insert(&hook.name.name, params);
                    for value in values {
                        self.values.insert((&hook.name.name, &value.name.name), value);
                    }
                }
                ast::HookKind::Alias(target) => {
                    self.aliases.insert(&hook.name.name, target);
                }
            },
            _ => {}
        }
    }

    /// The type and member that `PROT_EXEC` names.
    #[must_use]
    pub fn prefixed<'n>(&self, name: &'n str) -> Option<(&'a str, &'n str)> {
        name.match_indices('_').find_map(|(at, _)| {
            let of = *self.prefixes.get(&name[..at])?;
            let Some(Named::Names(names, _)) = self.named.get(of) else {
                return None;
            };
            let member = &name[at + 1..];
            names.members.iter().any(|m| m.name.name == member).then_some((of, member))
        })
    }

    /// Every member of a `flags` or `enum` item with its type's prefix.
    pub fn prefixed_names(&self) -> impl Iterator<Item = String> {
        self.named.values().flat_map(|named| match named {
            Named::Names(names, _) => {
                let prefix = prefix(&names.name.name);
                names.members.iter().map(|member| format!("{prefix}_{}", member.name.name)).collect()
            }
            _ => Vec::new(),
        })
    }

    /// Names of the fields that views give a struct, in alphabetical order.
    pub fn view_fields(&self, of: &str) -> impl Iterator<Item = &'a str> {
        let mut names: Vec<&str> =
            self.views.keys().filter(|(target, _)| *target == of).map(|(_, name)| *name).collect();
        names.sort_unstable();
        names.into_iter()
    }
}

/// What the policy itself has defined so far.
#[derive(Default)]
struct Own<'a> {
    named: HashMap<&'a str, &'a ast::Ident>,
    rules: HashMap<&'a str, &'a ast::Ident>,
    tests: HashMap<&'a [u8], ast::Span>,
}

impl<'a> Own<'a> {
    /// Collects the rules of a `where` block and of those inside it.
    fn block(
        &mut self,
        block: &'a ast::Where,
        around: &mut Vec<&'a ast::Expr>,
        items: &mut Items<'a>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        for item in &block.items {
            match &item.kind {
                ItemKind::Error => {}
                ItemKind::Where(inner) => {
                    around.push(&inner.condition);
                    self.block(inner, around, items, diagnostics);
                    around.pop();
                }
                ItemKind::Rule(rule) => {
                    if self.admits(item, diagnostics) {
                        items.rules.push(RuleItem { rule, item, around: around.clone() });
                    }
                }
                _ => diagnostics.push(
                    Diagnostic::error(code::INVALID_BLOCK_ITEM, item.span, "only rules stand in a `where` block")
                        .label("no rule")
                        .also(block.condition.span, "the condition of this block is for rules")
                        .help("move it out of the block; its name is known everywhere"),
                ),
            }
        }
    }

    /// Reports what is there twice.
    fn admits(&mut self, item: &'a ast::Item, diagnostics: &mut Vec<Diagnostic>) -> bool {
        let (table, name) = match &item.kind {
            ItemKind::Error => return false,
            // Modules are part of every policy, and `imports` has put files in the place of their `use`.
            ItemKind::Use(_) => return false,
            ItemKind::Where(_) => return false,
            ItemKind::Test(test) => {
                if let Some(first) = self.tests.insert(&test.name.value, test.name.span) {
                    diagnostics.push(
                        Diagnostic::error(code::DUPLICATE_ITEM, test.name.span, "two tests have one name")
                            .label("again here")
                            .also(first, "first defined here")
                            .help("say what this one shows that the other does not"),
                    );
                    return false;
                }
                return true;
            }
            ItemKind::View(_) => return true,
            ItemKind::Hook(hook) if matches!(hook.kind, ast::HookKind::Describe { .. }) => return true,
            ItemKind::Hook(hook) => (&mut self.named, &hook.name),
            ItemKind::Const(item) => (&mut self.named, &item.name),
            ItemKind::Param(item) => (&mut self.named, &item.name),
            ItemKind::Set(item) => (&mut self.named, &item.name),
            ItemKind::Label(item) => (&mut self.named, &item.name),
            ItemKind::Def(item) => (&mut self.named, &item.name),
            ItemKind::Flags(item) | ItemKind::Enum(item) => (&mut self.named, &item.name),
            ItemKind::Rule(rule) => match &rule.name {
                Some(name) => (&mut self.rules, name),
                None => return true,
            },
        };
        let code = if matches!(item.kind, ItemKind::Rule(_)) { code::DUPLICATE_RULE } else { code::DUPLICATE_ITEM };
        if let Some(first) = table.get(name.name.as_str()) {
            diagnostics.push(
                Diagnostic::error(code, name.span, format!("`{}` is defined twice", name.name))
                    .label("again here")
                    .also(first.span, "first defined here")
                    .help("give one of them another name"),
            );
            return false;
        }
        table.insert(&name.name, name);
        true
    }
}
