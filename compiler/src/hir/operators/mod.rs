//! Type checking of operators, and the conversion of operands to conditions.
//!
//! ```text
//! prot & EXEC == 0        binary(==, binary(&, prot, 4), 0)
//! ```
//!
//! `compare.rs` checks `==` to `>=`, `membership.rs` checks `in`, `arithmetic.rs` integer arithmetic and
//! `has`, and `cast.rs` conversions. This module dispatches and has what they share.
//!
//! Invariant: a bitwise operation with a constant keeps type and names of its other operand.

use krs_grammar::ast::{BinaryOp, Expr, ExprKind, Span, UnaryOp};
use krs_grammar::print::expr_text;

use super::check::{Checker, Number, Operand, int_name};
use super::{Atom, AtomKind, Cond, Int, NamesId, TextTest, Ty, Unary, Value, ValueKind, place};
use crate::btf::Type;
use crate::diag::{Diagnostic, code};

mod arithmetic;
mod cast;
mod compare;
mod membership;

pub(super) use self::cast::convert;
use self::cast::promote;

/// Builds `not cond` and folds constants.
pub(super) fn not(cond: Cond) -> Cond {
    match cond {
        Cond::Const(value) => Cond::Const(!value),
        Cond::Not(inner) => *inner,
        cond => Cond::Not(Box::new(cond)),
    }
}

/// Builds `left and right` and folds constants. (`false and unknown` is false.)
pub(super) fn and(left: Cond, right: Cond) -> Cond {
    match (left, right) {
        (Cond::Const(false), _) | (_, Cond::Const(false)) => Cond::Const(false),
        (Cond::Const(true), other) | (other, Cond::Const(true)) => other,
        (left, right) => Cond::And(Box::new(left), Box::new(right)),
    }
}

/// Builds `left or right` and folds constants. (`true or unknown` is true.)
pub(super) fn or(left: Cond, right: Cond) -> Cond {
    match (left, right) {
        (Cond::Const(true), _) | (_, Cond::Const(true)) => Cond::Const(true),
        (Cond::Const(false), other) | (other, Cond::Const(false)) => other,
        (left, right) => Cond::Or(Box::new(left), Box::new(right)),
    }
}

pub(super) fn atom(span: Span, kind: AtomKind) -> Cond {
    Cond::Atom(Box::new(Atom { span, kind }))
}

pub(super) fn constant(span: Span, ty: Int, value: i128) -> Value {
    Value { span, ty: Ty::Int(ty), kind: ValueKind::Const(value) }
}

impl<'a> Checker<'a> {
    /// Checks an expression that must be a condition.
    pub(super) fn cond(&mut self, expr: &'a Expr) -> Option<Cond> {
        let operand = self.expr(expr, None);
        self.cond_of(operand, expr)
    }

    /// Converts an operand to a condition; `expr` is its source.
    pub(super) fn cond_of(&mut self, operand: Operand, expr: &Expr) -> Option<Cond> {
        let span = expr.span;
        let error = Diagnostic::error(code::INVALID_CONDITION, span, "expected a condition");
        let error = match operand {
            Operand::Error => return None,
            Operand::Cond(cond) => return Some(cond),
            Operand::Value(value) => match value.ty {
                Ty::Bool => return Some(atom(span, AtomKind::True(value))),
                // `prot & EXEC` tests whether a bit is set.
                Ty::Int(_) if matches!(&expr.kind, ExprKind::Binary { op: BinaryOp::BitAnd, .. }) => {
                    return Some(atom(span, AtomKind::AnyBit(value)));
                }
                Ty::Int(_) if let Some(instead) = bits_of_choice(expr) => {
                    let what = self.describe(value.ty);
                    error.label(what).note("`&` binds tighter than `|`").help(format!("write `{instead}`"))
                }
                Ty::Int(_) => {
                    let what = self.describe(value.ty);
                    error.label(what).help("compare the number, for instance with `!= 0`, or test a bit with `&`")
                }
                Ty::Ptr(_) => {
                    let what = self.describe(value.ty);
                    error.label(what).help("compare the pointer: `!= null`")
                }
                Ty::Ip => error.label("an address").help("compare it: `== \"10.0.0.1\"`, `in \"10.0.0.0/8\"`"),
                Ty::Str { .. } | Ty::Text { .. } => error.label("a string").help("compare it: `== \"...\"`"),
            },
            Operand::Place(place) => match self.value_of_place(place) {
                Ok(value) => return self.cond_of(Operand::Value(value), expr),
                Err(place) => {
                    let what = place::describe(&self.kernel.btf, place.ty);
                    error.label(what).help("compare one of its fields")
                }
            },
            Operand::Number(_) => error.label("a number").help("compare it with a value, or write `true` or `false`"),
            Operand::Null => error.label("null").help("compare a pointer with it: `vma.vm_file == null`"),
            Operand::Text(_) => error.label("a string").help(
                "compare a value with it: `task.comm == \"...\"`; for several strings write `in { \"...\", \"...\" }`",
            ),
            Operand::List => error.label("a list").help("write a value and `in` before it"),
            Operand::Endpoint(_) => error.label("an endpoint").help("compare its `ip` or `port`: `dst.port == 443`"),
            Operand::File(_) => error.label("a file").help("compare an inode with it: `file.inode == inode(\"...\")`"),
            Operand::Task => error.label("the current task").help("compare one of its fields: `task.uid == 0`"),
        };
        self.report(error);
        None
    }

    pub(super) fn unary(
        &mut self,
        op: UnaryOp,
        op_span: Span,
        value: &'a Expr,
        span: Span,
        hint: Option<NamesId>,
    ) -> Operand {
        if op == UnaryOp::Not {
            return match self.cond(value) {
                Some(cond) => Operand::Cond(not(cond)),
                None => Operand::Error,
            };
        }
        match (op, self.expr(value, hint)) {
            (_, Operand::Error) => Operand::Error,
            (UnaryOp::Neg, Operand::Number(number)) => {
                Operand::Number(Number { value: -number.value, names: None, pattern: false })
            }
            (_, Operand::Number(number)) => {
                Operand::Number(Number { value: !number.value, pattern: !number.pattern, ..number })
            }
            (op, Operand::Value(value @ Value { ty: Ty::Int(_), .. })) => {
                let Ty::Int(int) = value.ty else {
                    return Operand::Error;
                };
                if op == UnaryOp::Neg && !int.signed {
                    return self.report(
                        Diagnostic::error(
                            code::NEGATED_UNSIGNED,
                            op_span,
                            format!("cannot negate a {}", int_name(int)),
                        )
                        .also(value.span, format!("a {}", int_name(int)))
                        .help("convert it to a signed type first: `-(x as i64)`"),
                    );
                }
                let ty = if op == UnaryOp::Neg { Int { names: None, ..promote(int) } } else { int };
                let value = convert(value, ty);
                let op = if op == UnaryOp::Neg { Unary::Neg } else { Unary::Complement };
                Operand::Value(Value { span, ty: Ty::Int(ty), kind: ValueKind::Unary(op, Box::new(value)) })
            }
            (op, _) => {
                let text = if op == UnaryOp::Neg { "-" } else { "~" };
                self.report(
                    Diagnostic::error(code::INVALID_OPERAND, op_span, format!("`{text}` requires an integer"))
                        .also(value.span, "not an integer"),
                )
            }
        }
    }

    pub(super) fn binary(
        &mut self,
        op: BinaryOp,
        op_span: Span,
        left: &'a Expr,
        right: &'a Expr,
        span: Span,
        hint: Option<NamesId>,
    ) -> Operand {
        match op {
            BinaryOp::And | BinaryOp::Or => {
                // Both sides are checked so that errors in both are reported.
                let l = self.expr(left, None);
                let r = self.expr(right, names_of(&l));
                if let (Operand::Value(Value { ty: Ty::Int(_), .. }), Operand::Number(_)) = (&l, &r) {
                    return self.report(
                        Diagnostic::error(code::INVALID_CONDITION, op_span, "expected conditions, found numbers")
                            .also(left.span, self.describe_operand(&l))
                            .also(right.span, self.describe_operand(&r))
                            .help("`and` and `or` join conditions; to test a bit write `&`: `prot & EXEC`"),
                    );
                }
                let (l, r) = (self.cond_of(l, left), self.cond_of(r, right));
                return match (l, r) {
                    (Some(l), Some(r)) => Operand::Cond(if op == BinaryOp::And { and(l, r) } else { or(l, r) }),
                    _ => Operand::Error,
                };
            }
            BinaryOp::Like | BinaryOp::Under => return self.pattern(op, op_span, left, right, span),
            BinaryOp::Is => return self.labelled(left, right, span),
            BinaryOp::In => return self.one_of(left, right, op_span, span),
            _ => {}
        }
        // The side with a known type is checked first, so that bare names on the other side are looked up in
        // that type.
        let (l, r) = if op == BinaryOp::Shl || op == BinaryOp::Shr {
            (self.expr(left, hint), self.expr(right, None))
        } else if self.needs_hint(left) && !self.needs_hint(right) {
            let r = self.expr(right, hint);
            // The error has been reported. Without its type the names on this side cannot be resolved.
            if matches!(r, Operand::Error) {
                return Operand::Error;
            }
            let l = self.expr(left, names_of(&r).or(hint));
            (l, r)
        } else {
            let l = self.expr(left, hint);
            if matches!(l, Operand::Error) && self.needs_hint(right) {
                return Operand::Error;
            }
            let r = self.expr(right, names_of(&l).or(hint));
            (l, r)
        };
        if matches!(l, Operand::Error) || matches!(r, Operand::Error) {
            return Operand::Error;
        }
        let (l, r) = (self.as_value(l, left.span), self.as_value(r, right.span));
        match op {
            BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
                self.compare(op, op_span, (l, left), (r, right), span)
            }
            BinaryOp::Has => self.has(l, r, left, right, op_span, span),
            _ => self.arithmetic(op, op_span, (l, left), (r, right), span),
        }
    }

    /// Converts a place with a single value, or the current task, to that value. Other operands are returned
    /// unchanged.
    pub(super) fn as_value(&mut self, operand: Operand, span: Span) -> Operand {
        match operand {
            // A comparison with another task.
            Operand::Task => Operand::Value(self.current(span)),
            Operand::Place(place) => match self.value_of_place(place) {
                Ok(value) => Operand::Value(value),
                Err(place) => Operand::Place(*place),
            },
            operand => operand,
        }
    }

    /// Reports an error if two operands have different enum or flag types.
    pub(super) fn clash(&mut self, a: Option<NamesId>, b: Option<NamesId>, left: Span, right: Span) -> Option<Operand> {
        let (a, b) = (a?, b?);
        if a == b {
            return None;
        }
        let (x, y) = (self.names[a.index()].name.clone(), self.names[b.index()].name.clone());
        let mut error = Diagnostic::error(code::MIXED_NAMES, right, format!("`{x}` and `{y}` are different types"))
            .label(format!("a `{y}`"))
            .also(left, format!("a `{x}`"));
        error = match self.scope.hook.map(|hook| &self.hooks[hook.index()].name) {
            // The argument has a different type on another hook of the rule.
            Some(hook) if self.scope.others => error
                .note(format!("the error occurs on `{hook}`, one of the rule's hooks"))
                .help("write a rule for each hook"),
            _ => error.help(format!("use a member of `{x}`, or convert to an integer: `as u64`")),
        };
        Some(self.report(error))
    }

    /// Improves the help of the last error if the given name is the end of one that fits: `KILL` of `SIGKILL`.
    fn meant(&mut self, names: Option<NamesId>, number: Number) {
        let (Some(fits), Some(written)) = (names, number.names) else {
            return;
        };
        let (fits, written) = (&self.names[fits.index()].members, &self.names[written.index()].members);
        let written = written.iter().find(|(_, value)| i128::from(*value) == number.value);
        let near = written.and_then(|(written, _)| fits.iter().find(|(name, _)| name.ends_with(written.as_str())));
        if let (Some((name, _)), Some(error)) = (near, self.diagnostics.last_mut()) {
            error.help = vec![format!("did you mean `{name}`?")];
        }
    }

    /// Describes an operand, with its article.
    pub(super) fn describe_operand(&self, operand: &Operand) -> String {
        match operand {
            Operand::Error | Operand::Null => "null".into(),
            Operand::Number(_) => "a number".into(),
            Operand::Text(_) => "a string".into(),
            Operand::List => "a list".into(),
            Operand::Cond(_) => "a condition".into(),
            Operand::Value(value) => self.describe(value.ty),
            Operand::Place(place) => {
                let btf = &self.kernel.btf;
                match btf.ty(btf.strip(place.ty)) {
                    Type::Struct { name: "path", .. } => "a path".into(),
                    Type::Array { .. } => format!("the array `{}`", place::describe(btf, place.ty)),
                    _ => format!("the whole `{}`", place::describe(btf, place.ty)),
                }
            }
            Operand::Task => "the current task".into(),
            Operand::Endpoint(_) => "an endpoint".into(),
            Operand::File(_) => "a file".into(),
        }
    }
}

/// Suggests `x & (A|B)` for `x & A | B`.
fn bits_of_choice(expr: &Expr) -> Option<String> {
    let ExprKind::Binary { op: BinaryOp::BitOr, left, right, .. } = &expr.kind else { return None };
    let ExprKind::Binary { op: BinaryOp::BitAnd, left: value, right: first, .. } = &left.kind else { return None };
    Some(format!("{} & ({}|{})", expr_text(value), expr_text(first), expr_text(right)))
}

/// Suggests two comparisons for `80-90`, which is a negative number but was probably meant as a range.
fn range(expr: &Expr) -> Option<String> {
    let ExprKind::Binary { op: BinaryOp::Sub, left, right, .. } = &expr.kind else { return None };
    let (ExprKind::Int(first), ExprKind::Int(last)) = (&left.kind, &right.kind) else { return None };
    Some(format!("write a range as two comparisons: `x >= {first} and x <= {last}`"))
}

pub(super) fn one_of_texts(span: Span, value: Value, set: Vec<Vec<u8>>) -> Cond {
    match value.ty {
        Ty::Text { .. } => atom(span, AtomKind::Text { value, test: TextTest::OneOf(set) }),
        _ => atom(span, AtomKind::OneOfStrings { value, set }),
    }
}

fn names_of(operand: &Operand) -> Option<NamesId> {
    match operand {
        Operand::Number(number) => number.names,
        Operand::Value(Value { ty: Ty::Int(int), .. }) => int.names,
        _ => None,
    }
}
