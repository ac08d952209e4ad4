//! Types of operators, and what makes a condition.
//!
//! `compare.rs` has `==` to `>=`, `membership.rs` has `in`, `arithmetic.rs` what computes with integers, `cast.rs` the
//! types that they meet in. Here is what all of them need, and which operator goes where.
//!
//! Bit operations with a constant keep the other side's type and names.

use krs_grammar::ast::{BinaryOp, Expr, ExprKind, Span, UnaryOp};
use krs_grammar::print::expr_text;

use super::check::{Checker, Number, Operand, spell};
use super::{Atom, AtomKind, Cond, Int, NamesId, TextTest, Ty, Unary, Value, ValueKind, place};
use crate::btf::Type;
use crate::diag::{Diagnostic, code};

mod arithmetic;
mod cast;
mod compare;
mod membership;

pub(super) use self::cast::convert;
use self::cast::promote;

/// `not cond`, with constants folded.
pub(super) fn not(cond: Cond) -> Cond {
    match cond {
        Cond::Const(value) => Cond::Const(!value),
        Cond::Not(inner) => *inner,
        cond => Cond::Not(Box::new(cond)),
    }
}

/// `left and right`, with constants folded. (False and unknown is false.)
pub(super) fn and(left: Cond, right: Cond) -> Cond {
    match (left, right) {
        (Cond::Const(false), _) | (_, Cond::Const(false)) => Cond::Const(false),
        (Cond::Const(true), other) | (other, Cond::Const(true)) => other,
        (left, right) => Cond::And(Box::new(left), Box::new(right)),
    }
}

/// `left or right`, with constants folded. (True or unknown is true.)
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

    pub(super) fn cond_of(&mut self, operand: Operand, expr: &Expr) -> Option<Cond> {
        let span = expr.span;
        let error = Diagnostic::error(code::INVALID_CONDITION, span, "this is no condition");
        let error = match operand {
            Operand::Error => return None,
            Operand::Cond(cond) => return Some(cond),
            Operand::Value(value) => match value.ty {
                Ty::Bool => return Some(atom(span, AtomKind::True(value))),
                // `prot & EXEC` asks whether a bit is set.
                Ty::Int(_) if matches!(&expr.kind, ExprKind::Binary { op: BinaryOp::BitAnd, .. }) => {
                    return Some(atom(span, AtomKind::AnyBit(value)));
                }
                Ty::Int(_) if let Some(instead) = bits_of_choice(expr) => {
                    let what = self.describe(value.ty);
                    error.label(what).note("`&` is done before `|`").help(format!("write `{instead}`"))
                }
                Ty::Int(_) => {
                    let what = self.describe(value.ty);
                    error.label(what).help("a number is no condition by itself: compare it, for instance with `!= 0`, or test a bit with `&`")
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
                    error.label(what).help("name a field of it and compare that")
                }
            },
            Operand::Number(_) => error.label("a number").help("compare it with something, or write `true` or `false`"),
            Operand::Null => error.label("null").help("compare a pointer with it: `vma.vm_file == null`"),
            Operand::Text(_) => error
                .label("a string")
                .help("compare something with it: `task.comm == \"...\"`; one of several is `in { \"...\", \"...\" }`"),
            Operand::List => error.label("a list").help("put a value and `in` before it"),
            Operand::End(_) => {
                error.label("one end of a connection").help("name its `ip` or its `port`: `dst.port == 443`")
            }
            Operand::File(_) => error.label("a file").help("compare an inode with it: `file.inode == inode(\"...\")`"),
            Operand::Task => error.label("the current task").help("name a field of it: `task.uid == 0`"),
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
                        Diagnostic::error(code::NEGATED_UNSIGNED, op_span, format!("a {} has no negative", spell(int)))
                            .also(value.span, format!("a {}", spell(int)))
                            .help("make it signed first: `-(x as i64)`"),
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
                    Diagnostic::error(code::INVALID_OPERAND, op_span, format!("`{text}` works on integers only"))
                        .also(value.span, "this is none"),
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
                // Both sides are looked at, so that both can have their say.
                let l = self.expr(left, None);
                let r = self.expr(right, names_of(&l));
                if let (Operand::Value(Value { ty: Ty::Int(_), .. }), Operand::Number(_)) = (&l, &r) {
                    return self.report(
                        Diagnostic::error(code::INVALID_CONDITION, op_span, "these are numbers, and no conditions")
                            .also(left.span, self.say(&l))
                            .also(right.span, self.say(&r))
                            .help(
                                "conditions are joined by `and` and `or`; whether a bit is set asks `&`: `prot & EXEC`",
                            ),
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
        // The side that says its type goes first, so that the other's bare names can be found in it.
        let (l, r) = if op == BinaryOp::Shl || op == BinaryOp::Shr {
            (self.expr(left, hint), self.expr(right, None))
        } else if self.needs_hint(left) && !self.needs_hint(right) {
            let r = self.expr(right, hint);
            // What is wrong with that side was said, and this one's names would be those of its type.
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
        let (l, r) = (self.settle(l, left.span), self.settle(r, right.span));
        match op {
            BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
                self.compare(op, op_span, (l, left), (r, right), span)
            }
            BinaryOp::Has => self.has(l, r, left, right, op_span, span),
            _ => self.arithmetic(op, op_span, (l, left), (r, right), span),
        }
    }

    /// A place that is one value becomes it.
    pub(super) fn settle(&mut self, operand: Operand, span: Span) -> Operand {
        match operand {
            // The task itself, where it is compared with another.
            Operand::Task => Operand::Value(self.current(span)),
            Operand::Place(place) => match self.value_of_place(place) {
                Ok(value) => Operand::Value(value),
                Err(place) => Operand::Place(*place),
            },
            operand => operand,
        }
    }

    /// Two types of names that are not the same.
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
            // What is named is another thing on each hook.
            Some(hook) if self.scope.others => {
                error.note(format!("so it is on `{hook}`, one of the rule's hooks")).help("write a rule for each hook")
            }
            _ => error.help(format!("use a name of `{x}`, or say that you mean the bits: `as u64`")),
        };
        Some(self.report(error))
    }

    /// The name that was written may be the end of one that fits: `KILL` of `SIGKILL`.
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

    /// An operand in words.
    pub(super) fn say(&self, operand: &Operand) -> String {
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
            Operand::End(_) => "one end of a connection".into(),
            Operand::File(_) => "a file found at load".into(),
        }
    }
}

/// `x & A | B`, where `x & (A|B)` is meant.
fn bits_of_choice(expr: &Expr) -> Option<String> {
    let ExprKind::Binary { op: BinaryOp::BitOr, left, right, .. } = &expr.kind else { return None };
    let ExprKind::Binary { op: BinaryOp::BitAnd, left: value, right: first, .. } = &left.kind else { return None };
    Some(format!("{} & ({}|{})", expr_text(value), expr_text(first), expr_text(right)))
}

/// `80-90` is a number below zero; more likely it is all from the one to the other.
fn range(expr: &Expr) -> Option<String> {
    let ExprKind::Binary { op: BinaryOp::Sub, left, right, .. } = &expr.kind else { return None };
    let (ExprKind::Int(first), ExprKind::Int(last)) = (&left.kind, &right.kind) else { return None };
    Some(format!("a range is two comparisons: `x >= {first} and x <= {last}`"))
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
