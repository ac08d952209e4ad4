//! Types of expressions: names, fields, elements, calls. Operators are in `operators`.
//!
//! An expression that was found wrong is [`Operand::Error`], and whatever is made of it is so silently:
//! one mistake, one message.

use krs_grammar::ast::{self, Expr, ExprKind, Span};

use super::kernels;
use super::place::{self, Place, Reads};
use super::resolve::{Items, Named};
use super::suggest::{did_you_mean, list};
use super::{Arg, ArgId, Cond, Hook, HookId, Int, Names, NamesId, Ptr, Step, TaskField, Ty, Value, ValueKind};
use crate::btf::{Kind, Type, TypeId};
use crate::diag::{Code, Diagnostic, code};
use crate::kernel::Kernel;

/// What an expression turned out to be.
#[derive(Clone, Debug)]
pub enum Operand {
    /// Wrong, and reported.
    Error,
    /// `null`
    Null,
    /// A number that takes the type of what it meets.
    Number(Number),
    /// A string literal.
    Text(Vec<u8>),
    /// A brace list.
    List,
    /// A condition.
    Cond(Cond),
    /// A value of the kernel.
    Value(Value),
    /// A struct, a union or an array.
    Place(Place),
    /// `task`
    Task,
}

/// A constant without a width.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// Its value.
    pub value: i128,
    /// The type whose name it was written with.
    pub names: Option<NamesId>,
    /// Made by `~`: its sign bits are ones, as many as the other operand has room for.
    pub pattern: bool,
}

/// What names mean at this point.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The hook whose arguments can be named.
    pub hook: Option<HookId>,
    /// Parameters of the `def` being expanded.
    pub params: Option<Vec<(String, Operand)>>,
    /// The struct whose view is being expanded.
    pub this: Option<Place>,
    /// Names of the items being expanded, to find circles.
    pub inside: Vec<String>,
    /// The first of them is checked for its own sake, and a circle through it is reported.
    pub defining: bool,
}

/// The checker of one policy.
pub struct Checker<'a> {
    pub(super) items: &'a Items<'a>,
    pub(super) kernel: &'a Kernel,
    pub(super) hooks: Vec<Hook>,
    pub(super) names: Vec<Names>,
    pub(super) scope: Scope,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Fields of `task` that the language has and this version does not.
const TASK_LATER: &[&str] = &["exe", "parent", "cgroup", "caps", "ns", "ancestors", "tty", "start_time", "cred", "mm"];

/// Functions and values that the language has and this version does not.
const LATER: &[(&str, &str)] = &[
    ("inode", "compare the inode number: `file.f_inode.i_ino == 1234`"),
    ("starts_with", "compare the whole string with `==`"),
    ("ends_with", "compare the whole string with `==`"),
    ("contains", "compare the whole string with `==`"),
    ("first_of", "name the field that your kernel has"),
    ("now", "every event carries its time"),
    ("hook", "every event carries its hook"),
];

impl<'a> Checker<'a> {
    pub(super) fn new(items: &'a Items<'a>, kernel: &'a Kernel) -> Checker<'a> {
        Checker {
            items,
            kernel,
            hooks: Vec::new(),
            names: Vec::new(),
            scope: Scope::default(),
            diagnostics: Vec::new(),
        }
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) -> Operand {
        self.diagnostics.push(diagnostic);
        Operand::Error
    }

    pub(super) fn error(&mut self, code: Code, span: Span, message: impl Into<String>) -> Operand {
        self.report(Diagnostic::error(code, span, message))
    }

    /// Checks an expression. `hint` is the type whose names may stand alone in it.
    pub(super) fn expr(&mut self, expr: &'a Expr, hint: Option<NamesId>) -> Operand {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Error => Operand::Error,
            ExprKind::Null => Operand::Null,
            ExprKind::Bool(value) => Operand::Cond(Cond::Const(*value)),
            ExprKind::Int(value) | ExprKind::Duration(value) => {
                Operand::Number(Number { value: i128::from(*value), names: None, pattern: false })
            }
            ExprKind::Str(text) => Operand::Text(text.clone()),
            ExprKind::List(_) => Operand::List,
            ExprKind::Tuple(_) => self.report(
                Diagnostic::error(code::NOT_YET, span, "tuples are not available yet")
                    .help("compare each part, joined by `and`"),
            ),
            ExprKind::Name(name) => self.name(name, span, hint),
            ExprKind::Field { base, name } => self.field(base, name, span),
            ExprKind::Index { base, index } => self.index(base, index, span),
            ExprKind::Call { function, args } => self.call(function, args, span),
            ExprKind::Cast { value, ty } => self.cast(value, ty, span, hint),
            ExprKind::Unary { op, value, op_span } => self.unary(*op, *op_span, value, span, hint),
            ExprKind::Binary { op, op_span, left, right } => self.binary(*op, *op_span, left, right, span, hint),
        }
    }

    fn name(&mut self, name: &str, span: Span, hint: Option<NamesId>) -> Operand {
        if let Some(operand) = self.visible(name, span) {
            return operand;
        }
        if let Some(names) = hint
            && let Some(&(_, value)) = self.names[names.index()].members.iter().find(|(known, _)| known == name)
        {
            return self.member(names, name, value, span);
        }
        if let Some((of, member)) = self.items.prefixed(name) {
            let Some(names) = self.names_of(of) else {
                return Operand::Error;
            };
            let value = self.names[names.index()].members.iter().find(|(known, _)| known == member);
            return match value {
                Some(&(_, value)) => self.member(names, name, value, span),
                None => Operand::Error,
            };
        }
        // A name that only one type has needs no help: `S_ISVTX`, `SIGKILL`.
        if let [of] = self.owners(name)[..] {
            let Some(names) = self.names_of(of) else {
                return Operand::Error;
            };
            let value = self.names[names.index()].members.iter().find(|(known, _)| known == name);
            if let Some(&(_, value)) = value {
                return self.member(names, name, value, span);
            }
        }
        if let Some((of, value)) = self.enumerator(name) {
            return self.member(of, name, value, span);
        }
        self.unknown_name(name, span, hint)
    }

    /// The types that have a member of this name, sorted.
    fn owners(&self, name: &str) -> Vec<&'a str> {
        let mut owners: Vec<&'a str> = self
            .items
            .named
            .values()
            .filter_map(|named| match named {
                Named::Names(names, _) if names.members.iter().any(|m| m.name.name == name) => {
                    Some(names.name.name.as_str())
                }
                _ => None,
            })
            .collect();
        owners.sort_unstable();
        owners
    }

    /// What a name means without regard to the type that is expected here.
    fn visible(&mut self, name: &str, span: Span) -> Option<Operand> {
        if let Some(this) = self.scope.this.clone() {
            if let Some(operand) = self.raw_field(&this, name, span) {
                return Some(operand);
            }
        } else if let Some(params) = &self.scope.params {
            if let Some((_, operand)) = params.iter().find(|(known, _)| known == name) {
                let mut operand = operand.clone();
                match &mut operand {
                    Operand::Value(value) => value.span = span,
                    Operand::Place(place) => place.span = span,
                    _ => {}
                }
                return Some(operand);
            }
            if name == "task" {
                return Some(Operand::Task);
            }
        } else {
            if let Some(operand) = self.arg(name, span) {
                return Some(operand);
            }
            if name == "task" {
                return Some(Operand::Task);
            }
        }
        match self.items.named.get(name) {
            Some(Named::Const(item)) => Some(self.constant(item, span)),
            _ => None,
        }
    }

    /// Whether an expression is made of names that only an expected type can explain, and of numbers.
    pub(super) fn needs_hint(&mut self, expr: &'a Expr) -> bool {
        match &expr.kind {
            ExprKind::Name(name) => {
                let known = self.diagnostics.len();
                let needs = self.visible(name, expr.span).is_none() && self.items.prefixed(name).is_none();
                self.diagnostics.truncate(known);
                needs
            }
            ExprKind::Unary { value, .. } => self.needs_hint(value),
            ExprKind::Binary { op, left, right, .. } if !op.is_comparison() => {
                self.needs_hint(left) || self.needs_hint(right)
            }
            _ => false,
        }
    }

    fn member(&mut self, names: NamesId, name: &str, value: i64, span: Span) -> Operand {
        let of = &self.names[names.index()];
        if of.kernel {
            let signed = of.members.iter().any(|(_, value)| *value < 0);
            let large =
                of.members.iter().any(|(_, value)| *value > i64::from(u32::MAX) || *value < i64::from(i32::MIN));
            let ty = Ty::Int(Int { bytes: if large { 8 } else { 4 }, signed, names: Some(names) });
            let kind = ValueKind::Enumerator { of: of.name.clone(), name: name.to_owned(), value };
            return Operand::Value(Value { span, ty, kind });
        }
        Operand::Number(Number { value: i128::from(value), names: Some(names), pattern: false })
    }

    /// An enumerator of any of the kernel's enums, by its name.
    fn enumerator(&mut self, name: &str) -> Option<(NamesId, i64)> {
        if !name.bytes().any(|b| b.is_ascii_uppercase()) {
            return None;
        }
        let btf = &self.kernel.btf;
        let (id, value) = btf.ids().find_map(|id| {
            if !matches!(btf.kind(id), Kind::Enum | Kind::Enum64) || btf.name(id).is_empty() {
                return None;
            }
            btf.values(id).find(|(known, _)| *known == name).map(|(_, value)| (id, value))
        })?;
        Some((self.enum_names(id)?, value))
    }

    fn unknown_name(&mut self, name: &str, span: Span, hint: Option<NamesId>) -> Operand {
        let mut error =
            Diagnostic::error(code::UNKNOWN_NAME, span, format!("no `{name}` here")).label("not known here");
        if let Some((_, instead)) = LATER.iter().find(|(later, _)| *later == name) {
            return self.report(
                Diagnostic::error(code::NOT_YET, span, format!("`{name}` is not available yet")).help(*instead),
            );
        }
        if let Some(Named::Def(_)) = self.items.named.get(name) {
            return self
                .report(error.help(format!("`{name}` is a definition: call it with its arguments, `{name}(...)`")));
        }
        // A bare flag beside a value of another type, or beside none.
        let owners = self.owners(name);
        if !owners.is_empty() {
            let full: Vec<String> =
                owners.iter().take(4).map(|of| format!("{}_{name}", super::resolve::prefix(of))).collect();
            error = error.note(match hint {
                Some(hint) => format!("the other side is a `{}`, which has no `{name}`", self.names[hint.index()].name),
                None => "the other side does not say which type's name this is".to_owned(),
            });
            return self.report(error.help(format!(
                "with its type's prefix it can stand anywhere: {}",
                list(full.iter().map(String::as_str), "or")
            )));
        }
        let mut candidates: Vec<&str> = Vec::new();
        if let Some(names) = hint {
            candidates.extend(self.names[names.index()].members.iter().map(|(name, _)| name.as_str()));
        }
        let mut arguments = Vec::new();
        if let Some(this) = &self.scope.this {
            place::field_names(&self.kernel.btf, self.kernel.btf.strip(this.ty), &mut candidates);
        } else if let Some(params) = &self.scope.params {
            candidates.extend(params.iter().map(|(name, _)| name.as_str()));
        } else if let Some(hook) = self.scope.hook
            && let Some(hook) = self.kernel.hook(&self.hooks[hook.index()].name)
        {
            arguments = hook.args.iter().map(|arg| arg.name.to_owned()).collect();
        }
        candidates.extend(arguments.iter().map(String::as_str));
        candidates.push("task");
        let constants: Vec<&str> = self
            .items
            .named
            .values()
            .filter(|n| matches!(n, Named::Const(_)))
            .map(|n| n.ident().name.as_str())
            .collect();
        candidates.extend(constants);
        if let Some(help) = did_you_mean(name, candidates.iter().copied()) {
            error = error.help(help);
        }
        if let Some(hook) = self.scope.hook.filter(|_| self.scope.params.is_none()) {
            let hook = self.hooks[hook.index()].name.clone();
            if let Some(help) = kernels::argument_elsewhere(self.kernel, &hook, name) {
                error = error.note(help);
            }
            if !arguments.is_empty() {
                error = error.note(format!("`{hook}` has {}", list(arguments.iter().map(String::as_str), "and")));
            } else {
                error = error.note(format!("`{hook}` has no arguments"));
            }
        }
        self.report(error)
    }

    /// An argument of the rule's hook.
    fn arg(&mut self, name: &str, span: Span) -> Option<Operand> {
        let id = self.scope.hook?;
        let hook_name = self.hooks[id.index()].name.clone();
        if let Some(index) = self.hooks[id.index()].args.iter().position(|arg| arg.name == name) {
            let ty = self.hooks[id.index()].args[index].ty;
            return Some(Operand::Value(Value { span, ty, kind: ValueKind::Arg(ArgId(index as u32)) }));
        }
        let kernel = self.kernel;
        let hook = kernel.hook(&hook_name)?;
        let arg = hook.args.iter().find(|arg| arg.name == name)?;
        let param =
            self.items.hooks.get(hook_name.as_str()).and_then(|params| params.iter().find(|p| p.name.name == name));
        if let Some(problem) = &arg.problem {
            return Some(
                self.report(
                    Diagnostic::error(
                        code::UNUSABLE_ARGUMENT,
                        span,
                        format!("BPF cannot read `{name}` of `{hook_name}`"),
                    )
                    .label(format!("a `{}`", place::describe(&kernel.btf, arg.ty)))
                    .note(problem.to_string())
                    .help("test another argument of the hook"),
                ),
            );
        }
        // What nobody has described may be null.
        let nullable = param.is_none_or(|param| param.nullable);
        let ty = match self.reads(arg.ty, nullable) {
            Reads::As(ty) => ty,
            Reads::Aggregate | Reads::Not => {
                return Some(
                    self.report(
                        Diagnostic::error(
                            code::UNUSABLE_ARGUMENT,
                            span,
                            format!("BPF cannot read `{name}` of `{hook_name}`"),
                        )
                        .label(format!("a `{}` passed by value", place::describe(&kernel.btf, arg.ty)))
                        .help("test another argument of the hook"),
                    ),
                );
            }
        };
        let ty = match param.and_then(|param| param.ty.as_ref()) {
            Some(refined) => self.refine(ty, refined),
            None => ty,
        };
        let place = match kernels::place(kernel, &hook_name, name, arg.slot) {
            Ok(place) => place,
            Err(diagnostic) => return Some(self.report(diagnostic(span))),
        };
        let args = &mut self.hooks[id.index()].args;
        args.push(Arg { name: name.to_owned(), ty, place });
        let index = args.len() - 1;
        Some(Operand::Value(Value { span, ty, kind: ValueKind::Arg(ArgId(index as u32)) }))
    }

    /// A type that BTF gave, with the names that the library or the policy gives it.
    fn refine(&mut self, ty: Ty, refined: &'a ast::Type) -> Ty {
        let Ty::Int(int) = ty else { return ty };
        match &refined.kind {
            ast::TypeKind::Name(name) => match self.items.named.get(name.as_str()) {
                Some(Named::Names(..)) => match self.names_of(name) {
                    Some(names) => Ty::Int(Int { names: Some(names), ..int }),
                    None => ty,
                },
                _ => match integer(name) {
                    Some(_) => ty,
                    None => {
                        self.unknown_type(name, refined.span);
                        ty
                    }
                },
            },
            ast::TypeKind::Tuple(_) => ty,
        }
    }

    pub(super) fn unknown_type(&mut self, name: &str, span: Span) {
        let types =
            self.items.named.values().filter(|n| matches!(n, Named::Names(..))).map(|n| n.ident().name.as_str());
        let mut error = Diagnostic::error(code::UNKNOWN_TYPE, span, format!("no type `{name}`")).label("not known");
        error = match did_you_mean(name, types.chain(["u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "bool"])) {
            Some(help) => error.help(help),
            None => error.help(
                "types are `u8` to `u64`, `i8` to `i64`, `bool`, `flags` and `enum` items, and the kernel's structs",
            ),
        };
        self.report(error);
    }

    /// The id of a `flags` or `enum` item; its members are evaluated on first use.
    pub(super) fn names_of(&mut self, name: &str) -> Option<NamesId> {
        if let Some(index) = self.names.iter().position(|names| !names.kernel && names.name == name) {
            return Some(NamesId(index as u32));
        }
        let Some(&Named::Names(item, flags)) = self.items.named.get(name) else {
            return None;
        };
        let outer = std::mem::take(&mut self.scope);
        let id = NamesId(self.names.len() as u32);
        self.names.push(Names { name: name.to_owned(), flags, members: Vec::new(), kernel: false });
        let int = match &item.repr {
            Some(ast::Type { kind: ast::TypeKind::Name(repr), span }) => integer(repr).or_else(|| {
                self.unknown_type(repr, *span);
                None
            }),
            _ => None,
        }
        .unwrap_or(Int::plain(8, false));
        for member in &item.members {
            // Earlier members can be used in later ones, which is why they are added one by one.
            let value = match self.expr(&member.value, Some(id)) {
                Operand::Number(number) if number.value >= int.min() && number.value <= int.max() => number.value,
                Operand::Number(number) => {
                    self.error(
                        code::OUT_OF_RANGE,
                        member.value.span,
                        format!("{} does not fit into the {} of `{name}`", number.value, spell(int)),
                    );
                    continue;
                }
                Operand::Error => continue,
                _ => {
                    self.error(
                        code::NOT_CONSTANT,
                        member.value.span,
                        format!("the value of `{}` must be a number", member.name.name),
                    );
                    continue;
                }
            };
            // The top bit of a u64 becomes the sign of the i64 that stands for it.
            self.names[id.index()].members.push((member.name.name.clone(), value as i64));
        }
        self.scope = outer;
        Some(id)
    }

    fn enum_names(&mut self, id: TypeId) -> Option<NamesId> {
        let names = place::enum_names(&self.kernel.btf, id)?;
        if let Some(index) = self.names.iter().position(|known| known.kernel && known.name == names.name) {
            return Some(NamesId(index as u32));
        }
        self.names.push(names);
        Some(NamesId(self.names.len() as u32 - 1))
    }

    fn reads(&mut self, id: TypeId, nullable: bool) -> Reads {
        let kernel = self.kernel;
        let mut pending = None;
        let reads = place::reads(&kernel.btf, id, nullable, &mut |id| {
            pending = Some(id);
            None
        });
        match (reads, pending) {
            (Reads::As(Ty::Int(int)), Some(id)) => Reads::As(Ty::Int(Int { names: self.enum_names(id), ..int })),
            (reads, _) => reads,
        }
    }

    fn constant(&mut self, item: &'a ast::Const, span: Span) -> Operand {
        if !self.enter(&item.name, span) {
            return Operand::Error;
        }
        let outer = std::mem::take(&mut self.scope);
        self.scope.inside.clone_from(&outer.inside);
        self.scope.defining = outer.defining;
        self.scope.inside.push(item.name.name.clone());
        let hint = match &item.ty {
            Some(ast::Type { kind: ast::TypeKind::Name(name), .. }) => self.names_of(name),
            _ => None,
        };
        let known = self.diagnostics.len();
        let mut operand = self.expr(&item.value, hint);
        match &mut operand {
            Operand::Number(number) => {
                if let Some(ast::Type { kind: ast::TypeKind::Name(name), span }) = &item.ty {
                    match (integer(name), hint) {
                        (Some(int), _) if number.value < int.min() || number.value > int.max() => {
                            let value = number.value;
                            operand = self.error(
                                code::OUT_OF_RANGE,
                                item.value.span,
                                format!("a {name} cannot hold {value}"),
                            );
                        }
                        (Some(_), _) => {}
                        (None, Some(_)) => number.names = hint,
                        (None, None) => {
                            self.unknown_type(name, *span);
                            operand = Operand::Error;
                        }
                    }
                }
            }
            Operand::Error | Operand::Text(_) | Operand::Cond(Cond::Const(_)) => {}
            _ => {
                operand = self.report(
                    Diagnostic::error(
                        code::NOT_CONSTANT,
                        item.value.span,
                        format!("the value of `{}` is not constant", item.name.name),
                    )
                    .help("a condition that reads values is a `def`"),
                );
            }
        }
        // A constant is checked where it is defined and again where it is used: say it once.
        if !outer.inside.is_empty() || !outer.defining {
            self.forget(known);
        }
        self.scope = outer;
        operand
    }

    /// Whether an item can be expanded here. A circle is reported once, where the item that it begins with is checked.
    fn enter(&mut self, item: &ast::Ident, span: Span) -> bool {
        let Some(at) = self.scope.inside.iter().position(|name| *name == item.name) else {
            return true;
        };
        if at == 0 && self.scope.defining {
            let names = self.scope.inside.iter().map(String::as_str).chain([item.name.as_str()]);
            let circle = names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" needs ");
            self.report(
                Diagnostic::error(code::CYCLE, span, format!("`{}` is defined by itself", item.name))
                    .label("here it needs itself")
                    .note(circle)
                    .help("definitions are written out where they are used, so they cannot recurse"),
            );
        }
        false
    }

    /// Drops what was said about another item's text, which is checked for itself, but for a circle.
    fn forget(&mut self, known: usize) {
        let circles: Vec<Diagnostic> = self.diagnostics.drain(known..).filter(|d| d.code == code::CYCLE).collect();
        self.diagnostics.extend(circles);
    }

    fn field(&mut self, base: &'a Expr, name: &'a ast::Ident, span: Span) -> Operand {
        // `hook.name`, `task.exe` and the like have words of their own.
        if let ExprKind::Name(object) = &base.kind
            && object == "hook"
            && self.visible(object, base.span).is_none()
        {
            return self.report(
                Diagnostic::error(code::NOT_YET, span, format!("`hook.{}` is not available yet", name.name))
                    .help("every event carries its hook"),
            );
        }
        let operand = self.expr(base, None);
        let place = match operand {
            Operand::Error => return Operand::Error,
            Operand::Task => return self.task_field(name, span),
            Operand::Place(place) => place,
            Operand::Value(value) => {
                match value.ty {
                    Ty::Ptr(Ptr { target, .. }) => match Place::behind(&self.kernel.btf, &value, target) {
                        Some(place) => place,
                        None => {
                            let what = place::describe(&self.kernel.btf, target);
                            return self.report(
                            Diagnostic::error(code::NO_FIELDS, name.span, format!("no field `{}` behind a pointer to `{what}`", name.name))
                                .also(base.span, format!("a pointer to `{what}`"))
                                .help("only structs with a name have fields; the pointer itself can be compared with `null`"),
                        );
                        }
                    },
                    ty => match self.behind_view(base) {
                        Some(place) => place,
                        None => {
                            let what = self.describe(ty);
                            return self.report(
                                Diagnostic::error(code::NO_FIELDS, name.span, format!("{what} has no fields"))
                                    .label("no field")
                                    .also(base.span, format!("this is {what}")),
                            );
                        }
                    },
                }
            }
            Operand::Null | Operand::Number(_) | Operand::Text(_) | Operand::List | Operand::Cond(_) => {
                return self.report(
                    Diagnostic::error(code::NO_FIELDS, name.span, "this value has no fields").label("no field"),
                );
            }
        };
        let tag = place::tag(&self.kernel.btf, place.ty).to_owned();
        if let Some(view) = self.items.views.get(&(tag.as_str(), name.name.as_str())).copied() {
            return self.view_field(view, &place, span);
        }
        match self.raw_field(&place, &name.name, span) {
            Some(operand) => operand,
            None => self.unknown_field(&place, &tag, name),
        }
    }

    /// The struct that a view has put a value in the place of: `cred.uid` is a number, and `cred.uid.val` is still
    /// what the kernel calls it.
    fn behind_view(&mut self, base: &'a Expr) -> Option<Place> {
        let ExprKind::Field { base: outer, name } = &base.kind else {
            return None;
        };
        let place = match self.expr(outer, None) {
            Operand::Place(place) => place,
            Operand::Value(value) => match value.ty {
                Ty::Ptr(pointer) => Place::behind(&self.kernel.btf, &value, pointer.target)?,
                _ => return None,
            },
            _ => return None,
        };
        match self.raw_field(&place, &name.name, base.span)? {
            Operand::Place(place) => Some(place),
            _ => None,
        }
    }

    fn task_field(&mut self, name: &ast::Ident, span: Span) -> Operand {
        let u32 = Ty::Int(Int::plain(4, false));
        let (field, ty) = match name.name.as_str() {
            "pid" => (TaskField::Pid, u32),
            "tgid" => (TaskField::Tgid, u32),
            "uid" => (TaskField::Uid, u32),
            "gid" => (TaskField::Gid, u32),
            "euid" => (TaskField::Euid, u32),
            "comm" => (TaskField::Comm, Ty::Str { bytes: 16 }),
            other => {
                const NOW: [&str; 6] = ["pid", "tgid", "uid", "gid", "euid", "comm"];
                let exists = TASK_LATER.contains(&other)
                    || self
                        .kernel
                        .btf
                        .find(Kind::Struct, "task_struct")
                        .is_some_and(|task| place::field(&self.kernel.btf, task, other).is_some());
                let has = format!("`task` has {}", list(NOW, "and"));
                let error = if exists {
                    Diagnostic::error(code::NOT_YET, name.span, format!("`task.{other}` is not available yet"))
                } else {
                    Diagnostic::error(code::UNKNOWN_FIELD, name.span, format!("`task` has no field `{other}`"))
                };
                let error = match did_you_mean(other, NOW) {
                    Some(help) if !exists => error.help(help),
                    _ => error,
                };
                return self.report(error.note(has));
            }
        };
        Operand::Value(Value { span, ty, kind: ValueKind::Task(field) })
    }

    fn view_field(&mut self, view: &'a ast::ViewField, place: &Place, span: Span) -> Operand {
        let outer = std::mem::take(&mut self.scope);
        self.scope.this = Some(place.clone());
        let known = self.diagnostics.len();
        let mut operand = self.expr(&view.value, None);
        self.scope = outer;
        if self.diagnostics.len() > known {
            // The words belong to the place that uses the view; the view may be somebody else's.
            let inner = self.diagnostics.drain(known..).next();
            let mut error = Diagnostic::error(
                code::UNKNOWN_FIELD,
                span,
                format!("`{}` cannot be read on this kernel", view.name.name),
            )
            .label("a field of a view")
            .also(view.value.span, "which stands for this");
            if let Some(inner) = inner {
                error.code = inner.code;
                error = error.note(inner.message);
                error.help.extend(inner.help);
            }
            return self.report(error);
        }
        if let Operand::Value(value) = &mut operand
            && let Some(ty) = &view.ty
        {
            value.ty = self.refine(value.ty, ty);
        }
        match &mut operand {
            Operand::Value(value) => value.span = span,
            Operand::Place(place) => place.span = span,
            _ => {}
        }
        operand
    }

    /// A field by the name that BTF has.
    fn raw_field(&mut self, place: &Place, name: &str, span: Span) -> Option<Operand> {
        let kernel = self.kernel;
        let found = place::field(&kernel.btf, kernel.btf.strip(place.ty), name)?;
        let Some(shape) = place::shape(&kernel.btf, found) else {
            let what = place::describe(&kernel.btf, found.ty);
            return Some(
                self.report(
                    Diagnostic::error(code::UNREADABLE, span, format!("`{name}` cannot be read"))
                        .label(if found.shared {
                            "its bits share a word with another field, which the kernel does not let BPF read over"
                                .to_owned()
                        } else {
                            format!("{what} is no integer, pointer, string, struct or array")
                        })
                        .help("test another field"),
                ),
            );
        };
        let next = place.step(Step::Field { name: name.to_owned(), shape }, found.ty, span);
        // The struct that holds the field: the root, or what is embedded on the way.
        let holder = place::tag(&kernel.btf, place.ty).to_owned();
        Some(self.found(next, &holder, name))
    }

    /// A value where the place is one, otherwise the place.
    fn found(&mut self, place: Place, root: &str, name: &str) -> Operand {
        let half_made = self.scope.hook.is_some_and(|hook| kernels::half_made(&self.hooks[hook.index()].name));
        let nullable = half_made || !kernels::never_null(root, name);
        match self.reads(place.ty, nullable) {
            Reads::As(Ty::Str { .. }) | Reads::Aggregate => Operand::Place(place),
            Reads::As(ty) => Operand::Value(place.load(ty)),
            Reads::Not => Operand::Error,
        }
    }

    fn unknown_field(&mut self, place: &Place, tag: &str, name: &ast::Ident) -> Operand {
        let kernel = self.kernel;
        if name.name == "path" && ["file", "linux_binprm"].contains(&tag) {
            return self.report(
                Diagnostic::error(code::NOT_YET, name.span, "full paths are not available yet")
                    .help("test the file itself: its inode's number, owner, mode or file system"),
            );
        }
        let mut names = Vec::new();
        place::field_names(&kernel.btf, kernel.btf.strip(place.ty), &mut names);
        names.extend(self.items.view_fields(tag));
        let mut error =
            Diagnostic::error(code::UNKNOWN_FIELD, name.span, format!("no field `{}` in `{tag}`", name.name))
                .label("no such field");
        if let Some(elsewhere) = kernels::field_elsewhere(kernel, tag, &name.name) {
            error = error.note(elsewhere);
        }
        error = match did_you_mean(&name.name, names.iter().copied()) {
            Some(help) => error.help(help),
            None if names.len() <= 12 => error.help(format!("it has {}", list(names.iter().copied(), "and"))),
            None => error,
        };
        self.report(error)
    }

    fn index(&mut self, base: &'a Expr, index: &'a Expr, span: Span) -> Operand {
        let place = match self.expr(base, None) {
            Operand::Error => return Operand::Error,
            Operand::Place(place) => place,
            _ => {
                return self.report(
                    Diagnostic::error(code::BAD_OPERAND, base.span, "only an array can be indexed")
                        .label("this is no array"),
                );
            }
        };
        let kernel = self.kernel;
        let Type::Array { element, count } = kernel.btf.ty(kernel.btf.strip(place.ty)) else {
            let what = place::describe(&kernel.btf, place.ty);
            return self.report(
                Diagnostic::error(code::BAD_OPERAND, base.span, "only an array can be indexed")
                    .label(format!("this is {what}")),
            );
        };
        let number = match self.expr(index, None) {
            Operand::Error => return Operand::Error,
            Operand::Number(number) => number.value,
            _ => {
                return self.report(
                    Diagnostic::error(code::NOT_CONSTANT, index.span, "an index must be a constant")
                        .label("known only when the hook runs")
                        .help("the kernel's verifier accepts constant offsets only; name each element that matters"),
                );
            }
        };
        if number < 0 || number >= i128::from(count) {
            return self.report(
                Diagnostic::error(code::BAD_INDEX, index.span, format!("the array has no element {number}"))
                    .label(match count {
                        0 => "its length is known only at run time".to_owned(),
                        count => format!("it has 0 to {}", count - 1),
                    })
                    .also(base.span, format!("`{}`", place::describe(&kernel.btf, place.ty))),
            );
        }
        let next = place.step(Step::Index(number as u32), element, span);
        self.found(next, "", "")
    }

    fn call(&mut self, function: &'a ast::Ident, args: &'a [Expr], span: Span) -> Operand {
        let def = match self.items.named.get(function.name.as_str()) {
            Some(Named::Def(def)) => *def,
            _ => {
                if let Some((_, instead)) = LATER.iter().find(|(later, _)| *later == function.name) {
                    return self.report(
                        Diagnostic::error(
                            code::NOT_YET,
                            function.span,
                            format!("`{}(...)` is not available yet", function.name),
                        )
                        .help(*instead),
                    );
                }
                let defs: Vec<&str> = self
                    .items
                    .named
                    .values()
                    .filter(|n| matches!(n, Named::Def(_)))
                    .map(|n| n.ident().name.as_str())
                    .collect();
                let mut error =
                    Diagnostic::error(code::UNKNOWN_NAME, function.span, format!("no definition `{}`", function.name))
                        .label("not known");
                if let Some(help) = did_you_mean(&function.name, defs.iter().copied()) {
                    error = error.help(help);
                }
                return self.report(error);
            }
        };
        if !self.enter(&def.name, span) {
            return Operand::Error;
        }
        if args.len() != def.params.len() {
            let count = |n: usize| {
                if n == 1 { "1 argument".to_owned() } else { format!("{n} arguments") }
            };
            return self.report(
                Diagnostic::error(
                    code::BAD_CALL,
                    span,
                    format!("`{}` takes {}, not {}", def.name.name, count(def.params.len()), args.len()),
                )
                .also(def.name.span, "defined here"),
            );
        }
        let mut params = Vec::with_capacity(args.len());
        for (param, arg) in def.params.iter().zip(args) {
            let operand = self.argument(param, arg);
            if matches!(operand, Operand::Error) {
                return Operand::Error;
            }
            params.push((param.name.name.clone(), operand));
        }
        let outer = std::mem::take(&mut self.scope);
        self.scope.params = Some(params);
        self.scope.inside.clone_from(&outer.inside);
        self.scope.defining = outer.defining;
        self.scope.inside.push(def.name.name.clone());
        let known = self.diagnostics.len();
        let mut operand = self.expr(&def.body, None);
        if def.ty.as_ref().is_some_and(is_bool) {
            operand = match self.cond_of(operand, &def.body) {
                Some(cond) => Operand::Cond(cond),
                None => Operand::Error,
            };
        }
        // The body is checked where it is defined.
        if self.diagnostics.len() > known {
            self.forget(known);
            operand = Operand::Error;
        }
        self.scope = outer;
        match &mut operand {
            Operand::Value(value) => value.span = span,
            Operand::Place(place) => place.span = span,
            _ => {}
        }
        operand
    }

    fn argument(&mut self, param: &'a ast::DefParam, arg: &'a Expr) -> Operand {
        let ast::TypeKind::Name(ty) = &param.ty.kind else {
            return Operand::Error;
        };
        let names = self.names_of(ty);
        let operand = self.expr(arg, names);
        let wanted = |checker: &mut Self, found: String| {
            checker.report(
                Diagnostic::error(code::MISMATCH, arg.span, format!("`{}` must be a `{ty}`", param.name.name))
                    .label(found)
                    .also(param.ty.span, "asked for here"),
            )
        };
        match operand {
            Operand::Error => Operand::Error,
            Operand::Value(value) => match value.ty {
                Ty::Ptr(pointer) => {
                    let tag = place::tag(&self.kernel.btf, pointer.target).to_owned();
                    if tag == *ty { Operand::Value(value) } else { wanted(self, format!("a pointer to `{tag}`")) }
                }
                Ty::Int(int) => match integer(ty) {
                    Some(to) if to.holds(int) => Operand::Value(value),
                    Some(_) => wanted(self, format!("a {}", spell(int))),
                    None if names.is_some() && (int.names.is_none() || int.names == names) => Operand::Value(value),
                    None => {
                        let found = self.describe(value.ty);
                        wanted(self, found)
                    }
                },
                Ty::Bool if ty == "bool" => Operand::Value(value),
                Ty::Str { .. } if ty == "str" => Operand::Value(value),
                other => {
                    let found = self.describe(other);
                    wanted(self, found)
                }
            },
            Operand::Place(place) => {
                let tag = place::tag(&self.kernel.btf, place.ty).to_owned();
                if tag == *ty || ty == "str" && matches!(self.reads(place.ty, false), Reads::As(Ty::Str { .. })) {
                    Operand::Place(place)
                } else {
                    wanted(self, format!("a `{}`", if tag.is_empty() { "struct" } else { &tag }))
                }
            }
            Operand::Number(number) => match integer(ty) {
                Some(int) if number.value < int.min() || number.value > int.max() => {
                    self.error(code::OUT_OF_RANGE, arg.span, format!("a {ty} cannot hold {}", number.value))
                }
                Some(_) => Operand::Number(number),
                None if names.is_some() => Operand::Number(number),
                None => wanted(self, "a number".to_owned()),
            },
            Operand::Cond(cond) if ty == "bool" => Operand::Cond(cond),
            Operand::Text(text) if ty == "str" => Operand::Text(text),
            Operand::Task if ty == "task_struct" => Operand::Task,
            _ => wanted(self, "something else".to_owned()),
        }
    }

    /// Checks a definition by itself, with parameters that stand for any argument.
    pub(super) fn def(&mut self, def: &'a ast::Def) {
        let mut params = Vec::new();
        for (index, param) in def.params.iter().enumerate() {
            let ast::TypeKind::Name(name) = &param.ty.kind else {
                self.error(code::NOT_YET, param.ty.span, "tuples are not available yet");
                return;
            };
            let ty = if let Some(int) = integer(name) {
                Ty::Int(int)
            } else if let Some(names) = self.names_of(name) {
                Ty::Int(Int { names: Some(names), ..Int::plain(8, false) })
            } else if name == "bool" {
                Ty::Bool
            } else if name == "str" {
                Ty::Str { bytes: 4096 }
            } else if let Some(target) =
                self.kernel.btf.find(Kind::Struct, name).or_else(|| self.kernel.btf.find(Kind::Union, name))
            {
                Ty::Ptr(Ptr { target, nullable: true })
            } else {
                self.unknown_type(name, param.ty.span);
                return;
            };
            let stand_in = ValueKind::Arg(ArgId(u32::MAX - index as u32));
            params.push((param.name.name.clone(), Operand::Value(Value { span: param.name.span, ty, kind: stand_in })));
        }
        self.scope =
            Scope { params: Some(params), inside: vec![def.name.name.clone()], defining: true, ..Scope::default() };
        let operand = self.expr(&def.body, None);
        match &def.ty {
            Some(ty) if is_bool(ty) => {
                self.cond_of(operand, &def.body);
            }
            _ => {}
        }
        self.scope = Scope::default();
    }

    /// Checks a constant by itself.
    pub(super) fn const_item(&mut self, item: &'a ast::Const) {
        self.scope = Scope { defining: true, ..Scope::default() };
        self.constant(item, item.name.span);
        self.scope = Scope::default();
    }

    /// A type in words, with its article.
    pub(super) fn describe(&self, ty: Ty) -> String {
        match ty {
            Ty::Int(int) => match int.names {
                Some(names) => format!("a `{}`", self.names[names.index()].name),
                None => format!("{} {}", if int.bytes == 8 || int.signed { "an" } else { "a" }, spell(int))
                    .replace("an u64", "a u64"),
            },
            Ty::Bool => "a bool".into(),
            Ty::Ptr(pointer) => format!("a pointer to `{}`", place::describe(&self.kernel.btf, pointer.target)),
            Ty::Str { .. } => "a string".into(),
        }
    }

    /// The string or other value that a place is, where it is one.
    pub(super) fn value_of_place(&mut self, place: Place) -> Result<Value, Box<Place>> {
        match self.reads(place.ty, true) {
            Reads::As(ty) => Ok(place.load(ty)),
            _ => Err(Box::new(place)),
        }
    }
}

/// `u8` to `i64`
#[must_use]
pub fn integer(name: &str) -> Option<Int> {
    Some(match name {
        "u8" => Int::plain(1, false),
        "u16" => Int::plain(2, false),
        "u32" => Int::plain(4, false),
        "u64" => Int::plain(8, false),
        "i8" => Int::plain(1, true),
        "i16" => Int::plain(2, true),
        "i32" => Int::plain(4, true),
        "i64" => Int::plain(8, true),
        _ => return None,
    })
}

/// `u32`
#[must_use]
pub fn spell(int: Int) -> String {
    format!("{}{}", if int.signed { "i" } else { "u" }, 8 * int.bytes)
}

fn is_bool(ty: &ast::Type) -> bool {
    matches!(&ty.kind, ast::TypeKind::Name(name) if name == "bool")
}
