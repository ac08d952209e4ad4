//! Type checking of expressions: names, fields, elements and calls. Operators are checked in `operators`.
//!
//! ```text
//! file.inode.uid      Value { ty: u32, kind: Load { base: file->f_inode, access: inode.i_uid.val } }
//! ```
//!
//! Invariant: an erroneous expression is [`Operand::Error`], and so is any expression that contains it,
//! without a second report.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use krs_grammar::ast::{self, Expr, ExprKind, Span};

use crate::diag::{Code, Diagnostic, code};
use crate::hir::lower::SetFiles;
use crate::hir::place::{self, Place, Reads};
use crate::hir::resolve::Items;
use crate::hir::{
    Access, Cond, Endpoint, FileId, Hook, HookId, Int, Label, Names, NamesId, Param, ParamId, Set, SetId, Ty, Value,
    ValueKind,
};
use crate::kernel::Kernel;
use crate::source::Sources;

mod ancestors;
mod calls;
mod decimal_mode;
mod dynamic_sets;
mod endpoints;
mod expansion;
mod field_paths;
mod fields;
mod files;
mod first_of;
mod labels;
mod named_sets;
mod names;
mod patterns;
pub(in crate::hir) mod sets;
pub(in crate::hir) mod text;

/// The result of checking an expression.
#[derive(Clone, Debug)]
pub enum Operand {
    /// An error that has been reported.
    Error,
    /// The null pointer, `null`.
    Null,
    /// A number without a type; it takes that of the other operand.
    Number(Number),
    /// A constant string, without type.
    Text(Vec<u8>),
    /// A list in braces.
    List,
    /// A condition, possibly constant.
    Cond(Cond),
    /// A value that is known at run time.
    Value(Value),
    /// A struct, a union or an array.
    Place(Place),
    /// The current task, `task`.
    Task,
    /// An endpoint of a socket.
    Endpoint(Box<Endpoint>),
    /// A file that is looked up at load time, `inode("...")`.
    File(FileId),
}

impl Operand {
    /// Returns the operand with another span.
    fn at(mut self, place: Span) -> Operand {
        match &mut self {
            Operand::Value(Value { span, .. }) | Operand::Place(Place { span, .. }) => *span = place,
            _ => {}
        }
        self
    }
}

/// An integer constant without a width.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// Value as a mathematical number.
    pub value: i128,
    /// The enum or flag type whose member it is.
    pub names: Option<NamesId>,
    /// True for a result of `~`, which is truncated to the width of the other operand.
    pub pattern: bool,
}

/// The scope in which names are looked up.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The hook whose arguments are visible.
    pub hook: Option<HookId>,
    /// True if the rule is on other hooks, too.
    pub others: bool,
    /// Arguments of the `def` that is being expanded.
    pub params: Option<Vec<(String, Operand)>>,
    /// Variable and value of the enclosing `any` or `all`.
    pub bound: Option<(String, Value)>,
    /// The struct whose view is being expanded.
    pub this: Option<Rc<Place>>,
    /// Names of the items that are being expanded, for the detection of cycles.
    pub inside: Vec<String>,
    /// True if the first of these items is being checked itself. A cycle through it is reported only then.
    pub defining: bool,
    /// True if field paths may be shared with other rules: the rule is active on every kernel.
    pub shares: bool,
}

/// The state of checking one policy.
pub struct Checker<'a> {
    pub(in crate::hir) items: &'a Items<'a>,
    pub(in crate::hir) kernel: &'a Kernel,
    pub(in crate::hir) hooks: Vec<Hook>,
    pub(in crate::hir) names: Vec<Names>,
    pub(in crate::hir) sets: Vec<Arc<Set>>,
    pub(in crate::hir) params: Vec<Param>,
    pub(in crate::hir) files: Vec<String>,
    pub(in crate::hir) labels: Vec<Label>,
    /// Sets from lists in braces, for sharing equal ones.
    anonymous_sets: HashMap<Arc<Set>, SetId>,
    /// Checked `set` items by name.
    pub(in crate::hir) named_sets: HashMap<&'a str, sets::NamedSet>,
    /// Checked `param` items by name; `None` for an erroneous one.
    pub(in crate::hir) named_params: HashMap<&'a str, Option<ParamId>>,
    /// Text of all files, and the files that sets are read from.
    pub(in crate::hir) set_files: Option<(&'a Sources, &'a SetFiles)>,
    pub(in crate::hir) scope: Scope,
    pub(in crate::hir) diagnostics: Vec<Diagnostic>,
    pub(in crate::hir) expansion: expansion::Expansion,
    /// Evaluated constants by name.
    constants: HashMap<&'a str, Operand>,
    /// Accesses, for sharing equal ones.
    accesses: HashSet<Arc<Access>>,
    /// Memoised field paths, by hook and source text.
    field_paths: HashMap<(HookId, &'a str), field_paths::Memo>,
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
            set_files: None,
            scope: Scope::default(),
            diagnostics: Vec::new(),
            expansion: expansion::Expansion::default(),
            constants: HashMap::new(),
            accesses: HashSet::new(),
            field_paths: HashMap::new(),
        }
    }

    pub(in crate::hir) fn report(&mut self, diagnostic: Diagnostic) -> Operand {
        self.diagnostics.push(diagnostic);
        Operand::Error
    }

    pub(in crate::hir) fn error(&mut self, code: Code, span: Span, message: impl Into<String>) -> Operand {
        self.report(Diagnostic::error(code, span, message))
    }

    /// Checks an expression. Members of the type `hint` can be used in it without a prefix.
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
                Diagnostic::error(code::UNSUPPORTED_FEATURE, span, "tuples are not supported here")
                    .help("compare each component, joined with `and`"),
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

    /// Describes a type, with its article.
    pub(in crate::hir) fn describe(&self, ty: Ty) -> String {
        match ty {
            Ty::Int(int) => match int.names {
                Some(names) => format!("a `{}`", self.names[names.index()].name),
                None => format!("{} {}", if int.bytes == 8 || int.signed { "an" } else { "a" }, int_name(int))
                    .replace("an u64", "a u64"),
            },
            Ty::Bool => "a bool".into(),
            Ty::Ip => "an address".into(),
            Ty::Ptr(pointer) => format!("a pointer to `{}`", place::describe(&self.kernel.btf, pointer.target)),
            Ty::Str { .. } | Ty::Text { path: false } => "a string".into(),
            Ty::Text { path: true } => "a path".into(),
        }
    }

    /// Converts a place to a value; returns the place if it has no single value.
    pub(in crate::hir) fn value_of_place(&mut self, place: Place) -> Result<Value, Box<Place>> {
        match self.reads(place.ty, true) {
            Reads::As(ty) => Ok(self.load(place, ty)),
            _ => Err(Box::new(place)),
        }
    }

    /// Builds a load of a place.
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

/// Parses the name of an integer type, `u8` to `i64`.
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

/// Returns the name of an integer type, such as `u32`.
#[must_use]
pub fn int_name(int: Int) -> String {
    format!("{}{}", if int.signed { "i" } else { "u" }, 8 * int.bytes)
}

fn is_bool(ty: &ast::Type) -> bool {
    matches!(&ty.kind, ast::TypeKind::Name(name) if name == "bool")
}
