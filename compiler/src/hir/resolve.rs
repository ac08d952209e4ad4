//! Name resolution: the items of the standard library and of the policy, by name.
//!
//! ```text
//! const ADMIN = 1000      named["ADMIN"] = Const, hides a constant ADMIN of the library
//! ```
//!
//! Invariant: no two of the policy's own items have the same name; an item of the policy hides one of the
//! library.
//!
//! Absent: types and expressions; an item is found before its type is known.

use std::collections::{HashMap, HashSet};

use krs_grammar::ast::{self, ItemKind};

use crate::diag::{Diagnostic, code};

/// An item that an expression or a type can refer to.
#[derive(Clone, Copy, Debug)]
pub enum NamedItem<'a> {
    /// A constant, a `const` item.
    Const(&'a ast::Const),
    /// A definition, a `def` item.
    Def(&'a ast::Def),
    /// A `flags` item (true) or an `enum` item (false).
    Names(&'a ast::Names, bool),
    /// A parameter, a `param` item.
    Param(&'a ast::Param),
    /// A set, a `set` item.
    Set(&'a ast::Set),
    /// A label, a `label` item.
    Label(&'a ast::Label),
}

impl<'a> NamedItem<'a> {
    /// Returns the name in its definition.
    #[must_use]
    pub fn ident(self) -> &'a ast::Ident {
        match self {
            NamedItem::Const(item) => &item.name,
            NamedItem::Def(item) => &item.name,
            NamedItem::Names(item, _) => &item.name,
            NamedItem::Param(item) => &item.name,
            NamedItem::Set(item) => &item.name,
            NamedItem::Label(item) => &item.name,
        }
    }
}

/// A rule with its context.
#[derive(Debug)]
pub struct RuleItem<'a> {
    /// Syntax of the rule.
    pub rule: &'a ast::Rule,
    /// The item, which has its documentation and span.
    pub item: &'a ast::Item,
    /// Conditions of the enclosing `where` blocks, outermost first.
    pub around: Vec<&'a ast::Expr>,
}

/// The items of a policy and of the library.
#[derive(Debug, Default)]
pub struct Items<'a> {
    /// Items that expressions and types can refer to, by name.
    pub named: HashMap<&'a str, NamedItem<'a>>,
    /// Names of items with a syntax error.
    broken: HashSet<&'a str>,
    /// True if a file could not be read, so that any name may be one of its items.
    unread: bool,
    /// Names of `flags` and `enum` items by the prefix of their members: `Prot` by `PROT`.
    pub prefixes: HashMap<String, &'a str>,
    /// Fields that views add, by struct and name.
    pub views: HashMap<(&'a str, &'a str), &'a ast::ViewField>,
    /// Described parameters by hook.
    pub hooks: HashMap<&'a str, &'a [ast::HookParam]>,
    /// Values that a hook's description derives from its parameters, by hook and name.
    pub values: HashMap<(&'a str, &'a str), &'a ast::ViewField>,
    /// Targets of hook aliases, by alias.
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
    /// The policy's tests, in source order, each with its span.
    pub tests: Vec<(&'a ast::Test, ast::Span)>,
    /// The policy's own labels, in source order.
    pub labels: Vec<&'a ast::Label>,
}

/// Returns the prefix for the members of a type: `SA_FAMILY` for `SaFamily`.
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

/// Collects the items of the library and of the policy, and reports duplicate names.
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
    /// Returns true if a name may refer to an item with a syntax error or in an unreadable file. Its uses are
    /// not reported, since that error is.
    #[must_use]
    pub fn is_broken(&self, name: &str) -> bool {
        self.unread || self.broken.contains(name)
    }

    fn add(&mut self, item: &'a ast::Item) {
        match &item.kind {
            ItemKind::Const(item) => {
                self.named.insert(&item.name.name, NamedItem::Const(item));
            }
            ItemKind::Def(item) => {
                self.named.insert(&item.name.name, NamedItem::Def(item));
            }
            ItemKind::Param(item) => {
                self.named.insert(&item.name.name, NamedItem::Param(item));
            }
            ItemKind::Set(item) => {
                self.named.insert(&item.name.name, NamedItem::Set(item));
            }
            ItemKind::Label(item) => {
                self.named.insert(&item.name.name, NamedItem::Label(item));
            }
            ItemKind::Flags(names) | ItemKind::Enum(names) => {
                let flags = matches!(item.kind, ItemKind::Flags(_));
                self.named.insert(&names.name.name, NamedItem::Names(names, flags));
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

    /// Splits a prefixed name such as `PROT_EXEC` into type and member.
    #[must_use]
    pub fn prefixed<'n>(&self, name: &'n str) -> Option<(&'a str, &'n str)> {
        name.match_indices('_').find_map(|(at, _)| {
            let of = *self.prefixes.get(&name[..at])?;
            let Some(NamedItem::Names(names, _)) = self.named.get(of) else {
                return None;
            };
            let member = &name[at + 1..];
            names.members.iter().any(|m| m.name.name == member).then_some((of, member))
        })
    }

    /// Returns the members of all `flags` and `enum` items with their prefix.
    pub fn prefixed_names(&self) -> impl Iterator<Item = String> {
        self.named.values().flat_map(|named| match named {
            NamedItem::Names(names, _) => {
                let prefix = prefix(&names.name.name);
                names.members.iter().map(|member| format!("{prefix}_{}", member.name.name)).collect()
            }
            _ => Vec::new(),
        })
    }

    /// Returns the names of the fields that views add to a struct, in alphabetical order.
    pub fn view_fields(&self, of: &str) -> impl Iterator<Item = &'a str> {
        let mut names: Vec<&str> =
            self.views.keys().filter(|(target, _)| *target == of).map(|(_, name)| *name).collect();
        names.sort_unstable();
        names.into_iter()
    }
}

/// Names that the policy has defined so far.
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
                    Diagnostic::error(code::INVALID_BLOCK_ITEM, item.span, "a `where` block can contain only rules")
                        .label("not a rule")
                        .also(block.condition.span, "the condition of this block applies to rules")
                        .help("move it out of the block; its name is visible everywhere"),
                ),
            }
        }
    }

    /// Returns true if the item is to be added; reports a duplicate name.
    fn admits(&mut self, item: &'a ast::Item, diagnostics: &mut Vec<Diagnostic>) -> bool {
        let (table, name) = match &item.kind {
            ItemKind::Error => return false,
            // Library modules are part of every policy, and `imports` has replaced a `use` of a file by its
            // items.
            ItemKind::Use(_) => return false,
            ItemKind::Where(_) => return false,
            ItemKind::Test(test) => {
                if let Some(first) = self.tests.insert(&test.name.value, test.name.span) {
                    diagnostics.push(
                        Diagnostic::error(code::DUPLICATE_ITEM, test.name.span, "duplicate test name")
                            .label("second definition")
                            .also(first, "first defined here")
                            .help("rename one of them"),
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
                    .label("second definition")
                    .also(first.span, "first defined here")
                    .help("rename one of them"),
            );
            return false;
        }
        table.insert(&name.name, name);
        true
    }
}
