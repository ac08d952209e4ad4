//! Types of expressions: names, fields, elements, calls. Operators are in `operators`.
//!
//! An expression that was found wrong is [`Operand::Error`], and whatever is made of it is so silently:
//! one mistake, one message.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use krs_grammar::ast::{self, Expr, ExprKind, Span};

use crate::diag::{Code, Diagnostic, code};
use crate::hir::lower::Lists;
use crate::hir::place::{self, Place, Reads};
use crate::hir::resolve::Items;
use crate::hir::{
    Access, Cond, End, FileId, Hook, HookId, Int, Label, Names, NamesId, Param, ParamId, Set, SetId, Ty, Value,
    ValueKind,
};
use crate::kernel::Kernel;
use crate::source::Sources;

mod ancestors;
mod calls;
mod dynamic_sets;
mod extent;
mod fields;
mod files;
mod labels;
mod modes;
mod named_sets;
mod names;
mod network;
mod paths;
mod patterns;
pub(in crate::hir) mod sets;
pub(in crate::hir) mod text;
mod versions;

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
    /// One end of a connection.
    End(Box<End>),
    /// `inode("...")`
    File(FileId),
}

impl Operand {
    /// The same, written elsewhere.
    fn at(mut self, place: Span) -> Operand {
        match &mut self {
            Operand::Value(Value { span, .. }) | Operand::Place(Place { span, .. }) => *span = place,
            _ => {}
        }
        self
    }
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
    /// The rule is on others too.
    pub others: bool,
    /// Parameters of the `def` being expanded.
    pub params: Option<Vec<(String, Operand)>>,
    /// The ancestor at hand, and what it is called.
    pub bound: Option<(String, Value)>,
    /// The struct whose view is being expanded.
    pub this: Option<Rc<Place>>,
    /// Names of the items being expanded, to find circles.
    pub inside: Vec<String>,
    /// The first of them is checked for its own sake, and a circle through it is reported.
    pub defining: bool,
    /// What is said here is said for every kernel, and can stand for the same text elsewhere.
    pub shares: bool,
}

/// The checker of one policy.
pub struct Checker<'a> {
    pub(in crate::hir) items: &'a Items<'a>,
    pub(in crate::hir) kernel: &'a Kernel,
    pub(in crate::hir) hooks: Vec<Hook>,
    pub(in crate::hir) names: Vec<Names>,
    pub(in crate::hir) sets: Vec<Arc<Set>>,
    pub(in crate::hir) params: Vec<Param>,
    pub(in crate::hir) files: Vec<String>,
    pub(in crate::hir) labels: Vec<Label>,
    /// Those that have no name.
    anonymous_sets: HashMap<Arc<Set>, SetId>,
    /// What the sets that have a name are.
    pub(in crate::hir) named_sets: HashMap<&'a str, sets::Named>,
    /// Parameters by name.
    pub(in crate::hir) named_params: HashMap<&'a str, Option<ParamId>>,
    /// All files, and those of sets.
    pub(in crate::hir) lists: Option<(&'a Sources, &'a Lists)>,
    pub(in crate::hir) scope: Scope,
    pub(in crate::hir) diagnostics: Vec<Diagnostic>,
    pub(in crate::hir) extent: extent::Extent,
    /// Constants that have been computed.
    constants: HashMap<&'a str, Operand>,
    /// Fields that have been read.
    accesses: HashSet<Arc<Access>>,
    /// What the texts of paths led to, by hook.
    paths: HashMap<(HookId, &'a str), paths::Known>,
}

impl<'a> Checker<'a> {
    pub(in crate::hir) fn new(items: &'a Items<'a>, kernel: &'a Kernel) -> Checker<'a> {
        Checker {
            items,
            kernel,
            hooks: Vec::new(),
            names: Vec::new(),
            sets: Vec::new(),
            params: Vec::new(),
            files: Vec::new(),
            labels: Vec::new(),
            anonymous_sets: HashMap::new(),
            named_sets: HashMap::new(),
            named_params: HashMap::new(),
            lists: None,
            scope: Scope::default(),
            diagnostics: Vec::new(),
            extent: extent::Extent::default(),
            constants: HashMap::new(),
            accesses: HashSet::new(),
            paths: HashMap::new(),
        }
    }

    pub(in crate::hir) fn report(&mut self, diagnostic: Diagnostic) -> Operand {
        self.diagnostics.push(diagnostic);
        Operand::Error
    }

    pub(in crate::hir) fn error(&mut self, code: Code, span: Span, message: impl Into<String>) -> Operand {
        self.report(Diagnostic::error(code, span, message))
    }

    /// Checks an expression. `hint` is the type whose names may stand alone in it.
    pub(in crate::hir) fn expr(&mut self, expr: &'a Expr, hint: Option<NamesId>) -> Operand {
        self.bounded(expr, |checker| checker.unbounded(expr, hint))
    }

    fn unbounded(&mut self, expr: &'a Expr, hint: Option<NamesId>) -> Operand {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Error => Operand::Error,
            ExprKind::Null => Operand::Null,
            ExprKind::Bool(value) => Operand::Cond(Cond::Const(*value)),
            ExprKind::Int(value) | ExprKind::Duration(value) => {
                if let Some(of) = hint {
                    self.decimal_mode(*value, of, span);
                }
                Operand::Number(Number { value: i128::from(*value), names: None, pattern: false })
            }
            ExprKind::Str(text) => Operand::Text(text.clone()),
            ExprKind::List(_) => Operand::List,
            ExprKind::Tuple(_) => self.report(
                Diagnostic::error(code::UNSUPPORTED_FEATURE, span, "tuples are not available yet")
                    .help("compare each part, joined by `and`"),
            ),
            ExprKind::Name(name) => self.name(name, span, hint),
            ExprKind::Field { base, name } => self.path(base, name, span),
            ExprKind::Index { base, index } => self.index(base, index, span),
            ExprKind::Call { function, args } => self.call(function, args, span),
            ExprKind::Any { every, name, of, body } => self.any(*every, name, of, body, span),
            ExprKind::Cast { value, ty } => self.cast(value, ty, span, hint),
            ExprKind::Unary { op, value, op_span } => self.unary(*op, *op_span, value, span, hint),
            ExprKind::Binary { op, op_span, left, right } => self.binary(*op, *op_span, left, right, span, hint),
        }
    }

    /// A type in words, with its article.
    pub(in crate::hir) fn describe(&self, ty: Ty) -> String {
        match ty {
            Ty::Int(int) => match int.names {
                Some(names) => format!("a `{}`", self.names[names.index()].name),
                None => format!("{} {}", if int.bytes == 8 || int.signed { "an" } else { "a" }, spell(int))
                    .replace("an u64", "a u64"),
            },
            Ty::Bool => "a bool".into(),
            Ty::Ip => "an address".into(),
            Ty::Ptr(pointer) => format!("a pointer to `{}`", place::describe(&self.kernel.btf, pointer.target)),
            Ty::Str { .. } | Ty::Text { path: false } => "a string".into(),
            Ty::Text { path: true } => "a path".into(),
        }
    }

    /// The string or other value that a place is, where it is one.
    pub(in crate::hir) fn value_of_place(&mut self, place: Place) -> Result<Value, Box<Place>> {
        match self.reads(place.ty, true) {
            Reads::As(ty) => Ok(self.load(place, ty)),
            _ => Err(Box::new(place)),
        }
    }

    /// What is at a place, as one value.
    pub(in crate::hir) fn load(&mut self, place: Place, ty: Ty) -> Value {
        let Place { span, base, access, .. } = place;
        let access = match self.accesses.get(&access) {
            Some(known) => Arc::clone(known),
            None => {
                let access = Arc::new(access);
                self.accesses.insert(Arc::clone(&access));
                access
            }
        };
        Value { span, ty, kind: ValueKind::Load { base, access } }
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
