//! Types of operators, and what makes a condition.
//!
//! Integers narrower than 32 bits are computed in 32; two integers meet in the smallest of u32, i32, u64 and i64
//! that holds both. Bit operations with a constant keep the other side's type and names. Comparisons
//! are of mathematical values, whatever the widths.

use krs_grammar::ast::{BinaryOp, Expr, ExprKind, Span, UnaryOp};

use super::check::{Checker, Number, Operand, integer, sets, spell};
use super::place;
use super::resolve::Named;
use super::suggest::did_you_mean;
use super::{Atom, AtomKind, Binary, Compare, Cond, Int, NamesId, TextTest, Ty, Unary, Value, ValueKind};
use crate::btf::Type;
use crate::diag::{Diagnostic, code};

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
        let error = Diagnostic::error(code::NOT_A_CONDITION, span, "this is no condition");
        let error = match operand {
            Operand::Error => return None,
            Operand::Cond(cond) => return Some(cond),
            Operand::Value(value) => match value.ty {
                Ty::Bool => return Some(atom(span, AtomKind::True(value))),
                // `prot & EXEC` asks whether a bit is set.
                Ty::Int(_) if matches!(&expr.kind, ExprKind::Binary { op: BinaryOp::BitAnd, .. }) => {
                    return Some(atom(span, AtomKind::AnyBit(value)));
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
            Operand::Text(_) => error.label("a string").help("compare something with it: `task.comm == \"...\"`"),
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
                        Diagnostic::error(code::NO_NEGATIVE, op_span, format!("a {} has no negative", spell(int)))
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
                    Diagnostic::error(code::BAD_OPERAND, op_span, format!("`{text}` works on integers only"))
                        .also(value.span, "this is none"),
                )
            }
        }
    }

    pub(super) fn cast(
        &mut self,
        value: &'a Expr,
        ty: &'a krs_grammar::ast::Type,
        span: Span,
        hint: Option<NamesId>,
    ) -> Operand {
        let krs_grammar::ast::TypeKind::Name(name) = &ty.kind else {
            return self.error(code::BAD_CAST, ty.span, "nothing can be made a tuple");
        };
        let to = match integer(name) {
            Some(int) => Some(int),
            None => self.names_of(name).map(|names| Int { names: Some(names), ..Int::plain(8, false) }),
        };
        let Some(to) = to else {
            if name == "bool" {
                return self.report(
                    Diagnostic::error(code::BAD_CAST, ty.span, "nothing can be made a `bool`")
                        .help("compare the value: `!= 0`"),
                );
            }
            self.unknown_type(name, ty.span);
            return Operand::Error;
        };
        match self.expr(value, to.names.or(hint)) {
            Operand::Error => Operand::Error,
            Operand::Number(number) if to.names.is_some() => Operand::Number(Number { names: to.names, ..number }),
            Operand::Number(number) => Operand::Value(constant(span, to, to.wrap(number.value))),
            Operand::Value(value) => match value.ty {
                // Names change nothing about the bits.
                Ty::Int(int) if to.names.is_some() => {
                    Operand::Value(Value { span, ty: Ty::Int(Int { names: to.names, ..int }), kind: value.kind })
                }
                Ty::Int(_) => Operand::Value(Value { span, ..convert(value, to) }),
                Ty::Bool => Operand::Value(Value { span, ty: Ty::Int(to), kind: ValueKind::Convert(Box::new(value)) }),
                other => {
                    let what = self.describe(other);
                    self.report(
                        Diagnostic::error(code::BAD_CAST, span, format!("{what} is no integer"))
                            .label("cannot be converted"),
                    )
                }
            },
            Operand::Cond(cond) => {
                let value = Value { span, ty: Ty::Bool, kind: ValueKind::Cond(Box::new(cond)) };
                Operand::Value(Value { span, ty: Ty::Int(to), kind: ValueKind::Convert(Box::new(value)) })
            }
            _ => self.error(code::BAD_CAST, span, format!("this cannot be made a `{name}`")),
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
                let (l, r) = (self.cond(left), self.cond(right));
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
            let l = self.expr(left, names_of(&r).or(hint));
            (l, r)
        } else {
            let l = self.expr(left, hint);
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

    fn compare(
        &mut self,
        op: BinaryOp,
        op_span: Span,
        left: (Operand, &Expr),
        right: (Operand, &Expr),
        span: Span,
    ) -> Operand {
        let equality = matches!(op, BinaryOp::Eq | BinaryOp::Ne);
        let finish = |cond: Cond| Operand::Cond(if op == BinaryOp::Ne { not(cond) } else { cond });
        let ((l, left), (r, right)) = (left, right);
        // What stands beside a literal is a text where it can be one.
        let l = if matches!(r, Operand::Text(_)) { self.texts(l) } else { l };
        let r = if matches!(l, Operand::Text(_)) { self.texts(r) } else { r };
        let text = |side: &Operand| {
            matches!(side, Operand::Value(Value { ty: Ty::Str { .. } | Ty::Text { .. }, .. }))
                || matches!(side, Operand::Place(place) if place::tag(&self.kernel.btf, place.ty) == "path")
        };
        let (l, r) = match (text(&l), text(&r)) {
            (false, false) => (l, r),
            _ if matches!(l, Operand::Null) || matches!(r, Operand::Null) => (l, r),
            _ => (self.texts(l), self.texts(r)),
        };
        match (l, r) {
            (Operand::Null, Operand::Null) => finish(Cond::Const(true)),
            (Operand::Text(a), Operand::Text(b)) if equality => finish(Cond::Const(a == b)),
            (Operand::Null, other) | (other, Operand::Null) => {
                if !equality {
                    return self.error(code::UNORDERED, op_span, "null can only be compared with `==` and `!=`");
                }
                let side = if matches!(left.kind, ExprKind::Null) { right } else { left };
                match self.null(other, side, span) {
                    Some(cond) => finish(cond),
                    None => Operand::Error,
                }
            }
            (Operand::Text(text), Operand::Value(value)) | (Operand::Value(value), Operand::Text(text))
                if matches!(value.ty, Ty::Str { .. } | Ty::Text { .. }) =>
            {
                if !equality {
                    return self.error(code::UNORDERED, op_span, "strings can only be compared with `==` and `!=`");
                }
                let literal = if matches!(left.kind, ExprKind::Str(_)) { left.span } else { right.span };
                if !self.fits(&text, &value, literal) {
                    return Operand::Error;
                }
                finish(one_of_texts(span, value, vec![text]))
            }
            (Operand::Text(text), Operand::Value(value)) | (Operand::Value(value), Operand::Text(text))
                if value.ty == Ty::Ip && equality =>
            {
                let literal = if matches!(left.kind, ExprKind::Str(_)) { left.span } else { right.span };
                match self.address(&text, literal) {
                    Some(address) => finish(atom(span, AtomKind::Same(value, address))),
                    None => Operand::Error,
                }
            }
            (Operand::File(file), Operand::Value(value)) | (Operand::Value(value), Operand::File(file))
                if equality && self.is_inode(value.ty) =>
            {
                match self.is_file(&value, file, span) {
                    Some(cond) => finish(cond),
                    None => Operand::Error,
                }
            }
            (Operand::Cond(a), Operand::Cond(b)) if equality => finish(same(a, b)),
            (Operand::Cond(a), Operand::Value(b)) | (Operand::Value(b), Operand::Cond(a))
                if equality && b.ty == Ty::Bool =>
            {
                finish(same(a, atom(b.span, AtomKind::True(b))))
            }
            (Operand::Number(a), Operand::Number(b)) => {
                if let Some(error) = self.clash(a.names, b.names, left.span, right.span) {
                    return error;
                }
                Operand::Cond(Cond::Const(holds(op, a.value, b.value)))
            }
            (Operand::Value(a), Operand::Value(b)) => match (a.ty, b.ty) {
                (Ty::Int(x), Ty::Int(y)) => {
                    if let Some(error) = self.clash(x.names, y.names, a.span, b.span) {
                        return error;
                    }
                    Operand::Cond(atom(span, AtomKind::Compare { op: compare(op), left: a, right: b }))
                }
                (Ty::Ptr(_), Ty::Ptr(_)) | (Ty::Ip, Ty::Ip) if equality => finish(atom(span, AtomKind::Same(a, b))),
                (Ty::Bool, Ty::Bool) if equality => {
                    finish(same(atom(a.span, AtomKind::True(a)), atom(b.span, AtomKind::True(b))))
                }
                (Ty::Str { .. } | Ty::Text { .. }, Ty::Str { .. } | Ty::Text { .. }) => self.report(
                    Diagnostic::error(code::NOT_YET, span, "comparing two strings of the kernel is not available yet")
                        .help("compare each with a literal"),
                ),
                (x, y) => {
                    let (x, y) = (self.describe(x), self.describe(y));
                    self.report(
                        Diagnostic::error(
                            code::INCOMPARABLE,
                            op_span,
                            format!("{x} cannot be compared with {y} by `{}`", op.text()),
                        )
                        .also(left.span, x)
                        .also(right.span, y),
                    )
                }
            },
            (Operand::Value(value), Operand::Number(number)) => {
                self.compare_constant(op, value, number, right.span, span)
            }
            (Operand::Number(number), Operand::Value(value)) => {
                self.compare_constant(mirror(op), value, number, left.span, span)
            }
            (l, r) => {
                let (x, y) = (self.say(&l), self.say(&r));
                let text = matches!(l, Operand::Text(_)) || matches!(r, Operand::Text(_));
                let pointer =
                    [&l, &r].into_iter().any(|side| matches!(side, Operand::Value(Value { ty: Ty::Ptr(_), .. })));
                let mut error =
                    Diagnostic::error(code::INCOMPARABLE, op_span, format!("{x} cannot be compared with {y}"))
                        .also(left.span, x)
                        .also(right.span, y);
                if text && pointer {
                    error = error.help(
                        "text behind a pointer cannot be read yet; strings that are arrays can, such as `task.comm`",
                    );
                }
                if matches!(l, Operand::File(_)) || matches!(r, Operand::File(_)) {
                    error =
                        error.help("compare an inode with it by `==`, `!=` or `in`: `file.inode == inode(\"...\")`");
                }
                if let Some(help) = self.field_help(&l).or_else(|| self.field_help(&r)) {
                    error = error.help(help);
                }
                if let Some(help) = account(left, &r).or_else(|| account(right, &l)) {
                    error = error.help(help);
                }
                self.report(error)
            }
        }
    }

    /// A struct compared as if it were a number: what the number is called.
    fn field_help(&self, operand: &Operand) -> Option<String> {
        let Operand::Place(place) = operand else {
            return None;
        };
        let mut names = Vec::new();
        place::field_names(&self.kernel.btf, self.kernel.btf.strip(place.ty), &mut names);
        match names.as_slice() {
            [one] => Some(format!("its only field is `{one}`: write `.{one}` behind it")),
            _ => Some("compare one of its fields".to_owned()),
        }
    }

    fn compare_constant(&mut self, op: BinaryOp, value: Value, number: Number, at: Span, span: Span) -> Operand {
        let Ty::Int(int) = value.ty else {
            let what = self.describe(value.ty);
            let help = match value.ty {
                Ty::Ptr(_) => "a pointer can be compared with `null` and with other pointers",
                Ty::Bool => "a bool is a condition by itself",
                _ => "a string is compared with a string: `\"...\"`",
            };
            return self.report(
                Diagnostic::error(code::INCOMPARABLE, span, format!("{what} cannot be compared with a number"))
                    .also(value.span, what)
                    .help(help),
            );
        };
        if let Some(error) = self.clash(int.names, number.names, value.span, at) {
            self.meant(int.names, number);
            return error;
        }
        let number = if number.pattern { int.wrap(number.value) } else { number.value };
        if number < int.min() || number > int.max() {
            let always = match op {
                BinaryOp::Eq => false,
                BinaryOp::Ne => true,
                BinaryOp::Lt | BinaryOp::Le => number > int.max(),
                _ => number < int.min(),
            };
            return self.report(
                Diagnostic::error(code::OUT_OF_RANGE, at, format!("a {} cannot hold {number}", spell(int)))
                    .label(format!("{} to {} fit", int.min(), int.max()))
                    .also(value.span, format!("a {}", spell(int)))
                    .note(format!("the comparison would always be {always}"))
                    .help(if number < 0 {
                        "the value has no sign; compare it with a number from 0 on"
                    } else {
                        "compare it with a number that it can be"
                    }),
            );
        }
        let trivial = match op {
            BinaryOp::Ge if number == int.min() => Some(true),
            BinaryOp::Le if number == int.max() => Some(true),
            BinaryOp::Lt if number == int.min() => Some(false),
            BinaryOp::Gt if number == int.max() => Some(false),
            _ => None,
        };
        if let Some(always) = trivial {
            self.report(
                Diagnostic::warning(code::ALWAYS_TRUE, span, format!("this comparison is always {always}"))
                    .label(format!(
                        "a {} is never {} {number}",
                        spell(int),
                        if number == int.min() { "below" } else { "above" }
                    ))
                    .help("remove it, or compare with another number"),
            );
        }
        let right = constant(at, Int { names: None, ..int }, number);
        Operand::Cond(atom(span, AtomKind::Compare { op: compare(op), left: value, right }))
    }

    fn null(&mut self, operand: Operand, side: &Expr, span: Span) -> Option<Cond> {
        match operand {
            Operand::Error => None,
            Operand::Value(value) => match value.ty {
                Ty::Ptr(pointer) => {
                    if !pointer.nullable && matches!(value.kind, ValueKind::Arg(_)) {
                        self.report(
                            Diagnostic::warning(code::ALWAYS_TRUE, span, "this argument is never null")
                                .label("always known")
                                .help("remove the comparison"),
                        );
                        return Some(Cond::Const(false));
                    }
                    Some(atom(span, AtomKind::Null(value)))
                }
                other => {
                    let what = self.describe(other);
                    self.report(
                        Diagnostic::error(code::NEVER_NULL, span, format!("{what} is never null"))
                            .also(side.span, what)
                            .help("only pointers can be null; compare a number with `0`"),
                    );
                    None
                }
            },
            Operand::Place(place) => {
                let what = place::describe(&self.kernel.btf, place.ty);
                self.report(
                    Diagnostic::error(code::NEVER_NULL, span, format!("`{what}` is embedded and never null"))
                        .also(side.span, "part of the object itself, no pointer")
                        .help("compare the pointer that leads to it, or one of its fields"),
                );
                None
            }
            other => {
                let what = self.say(&other);
                self.report(
                    Diagnostic::error(code::NEVER_NULL, span, format!("{what} is never null"))
                        .help("only pointers can be null"),
                );
                None
            }
        }
    }

    /// Whether a string can be what the literal says; otherwise that is an error.
    pub(super) fn fits(&mut self, text: &[u8], value: &Value, at: Span) -> bool {
        let bytes = match value.ty {
            Ty::Str { bytes } => bytes,
            Ty::Text { .. } => return self.plausible(text, value, at),
            _ => return false,
        };
        let error = if let Some(nul) = text.iter().position(|&byte| byte == 0) {
            Diagnostic::error(code::NUL, at, "a string of the kernel ends at its first NUL")
                .label(format!("a NUL at byte {nul}"))
                .help("remove the NUL")
        } else if text.len() > bytes as usize {
            Diagnostic::error(
                code::TOO_LONG,
                at,
                format!("this is longer than the {bytes} bytes that it is compared with"),
            )
            .label(format!("{} bytes", text.len()))
            .also(value.span, format!("{bytes} bytes"))
            .note("the comparison would always be false")
            .help(if bytes == 16 {
                "the kernel cuts a task's name to 15 characters: compare with those"
            } else {
                "compare with a shorter string"
            })
        } else if text.len() == 16 && matches!(value.kind, ValueKind::Task(_)) {
            Diagnostic::error(code::TOO_LONG, at, "a task's name has at most 15 characters")
                .label("16 bytes")
                .note("the comparison would always be false")
                .help("the kernel cuts a task's name to 15 characters: compare with those")
        } else {
            return true;
        };
        self.report(error);
        false
    }

    /// What stands on the right of `in` is neither a set nor a list.
    fn no_set(&mut self, right: &Expr) -> Operand {
        let error = match &right.kind {
            ExprKind::Error => return Operand::Error,
            ExprKind::Name(name) if self.items.broken.contains(name.as_str()) => return Operand::Error,
            ExprKind::Name(name) if !self.items.named.contains_key(name.as_str()) => {
                let sets = self.items.sets.iter().map(|set| set.name.name.as_str());
                let error =
                    Diagnostic::error(code::UNKNOWN_NAME, right.span, format!("no set `{name}`")).label("not known");
                error.help(
                    did_you_mean(name, sets)
                        .unwrap_or("write the elements, `x in { 1, 2 }`, or define it: `set`".into()),
                )
            }
            _ => Diagnostic::error(code::MISMATCH, right.span, "`in` asks for a set or a list on its right")
                .label("neither")
                .help("write the elements: `x in { 1, 2 }`"),
        };
        self.report(error)
    }

    fn one_of(&mut self, left: &'a Expr, right: &'a Expr, op_span: Span, span: Span) -> Operand {
        if let ExprKind::Tuple(parts) = &left.kind {
            return self.tuple_in(parts, right, span);
        }
        if let ExprKind::Name(name) = &right.kind
            && let Some(Named::Set(item)) = self.items.named.get(name.as_str())
        {
            return self.in_named(item, left, right.span, op_span, span);
        }
        let Some(elements) = sets::elements(right) else {
            return self.no_set(right);
        };
        let operand = self.expr(left, None);
        let operand = self.settle(operand, left.span);
        let operand = match operand {
            Operand::Value(value) if value.ty == Ty::Ip && !elements.is_empty() => {
                return self.in_networks(value, elements, span);
            }
            operand => operand,
        };
        if matches!(right.kind, ExprKind::Str(_)) {
            if matches!(operand, Operand::Error) {
                return Operand::Error;
            }
            let what = self.say(&operand);
            return self.report(
                Diagnostic::error(code::MISMATCH, op_span, "`in` a text asks for an address on its left")
                    .also(left.span, what)
                    .help("compare with `==`, or write a list: `in { \"a\", \"b\" }`"),
            );
        }
        let operand =
            if elements.iter().any(|of| matches!(of.kind, ExprKind::Str(_))) { self.texts(operand) } else { operand };
        let hint = names_of(&operand);
        if elements.is_empty() {
            return self.report(
                Diagnostic::error(code::EMPTY_LIST, right.span, "an empty list holds nothing")
                    .note("the test would always be false")
                    .help("name at least one element"),
            );
        }
        match operand {
            Operand::Error => Operand::Error,
            Operand::Text(text) => self.text_in(&text, elements, left.span),
            Operand::Value(value) if matches!(value.ty, Ty::Str { .. } | Ty::Text { .. }) => {
                let mut set = Vec::with_capacity(elements.len());
                for element in elements {
                    match self.expr(element, None) {
                        Operand::Text(text) => {
                            if !self.fits(&text, &value, element.span) {
                                continue;
                            }
                            if !set.contains(&text) {
                                set.push(text);
                            }
                        }
                        Operand::Error => {}
                        other => {
                            let what = self.say(&other);
                            self.report(
                                Diagnostic::error(code::MIXED_LIST, element.span, format!("{what} among strings"))
                                    .also(left.span, "a string"),
                            );
                        }
                    }
                }
                if set.is_empty() {
                    return Operand::Error;
                }
                Operand::Cond(one_of_texts(span, value, set))
            }
            Operand::Value(value) if matches!(value.ty, Ty::Int(_)) => {
                let Ty::Int(int) = value.ty else {
                    return Operand::Error;
                };
                let mut set: Vec<Value> = Vec::with_capacity(elements.len());
                let mut complete = true;
                for element in elements {
                    let made = match self.expr(element, hint) {
                        Operand::Error => None,
                        Operand::Number(number) => {
                            if self.clash(int.names, number.names, left.span, element.span).is_some() {
                                self.meant(int.names, number);
                                None
                            } else {
                                let wrapped = if number.pattern { int.wrap(number.value) } else { number.value };
                                if wrapped < int.min() || wrapped > int.max() {
                                    self.report(
                                        Diagnostic::error(
                                            code::OUT_OF_RANGE,
                                            element.span,
                                            format!("a {} cannot hold {wrapped}", spell(int)),
                                        )
                                        .also(left.span, format!("a {}", spell(int))),
                                    );
                                    None
                                } else {
                                    Some(constant(element.span, Int { names: None, ..int }, wrapped))
                                }
                            }
                        }
                        Operand::Value(
                            made @ Value {
                                ty: Ty::Int(_),
                                kind: ValueKind::Enumerator { .. } | ValueKind::Const(_),
                                ..
                            },
                        ) => {
                            let Ty::Int(of) = made.ty else { continue };
                            self.clash(int.names, of.names, left.span, element.span).is_none().then_some(made)
                        }
                        Operand::Value(_) => {
                            self.report(
                                Diagnostic::error(
                                    code::NOT_CONSTANT,
                                    element.span,
                                    "the elements of a list must be constant",
                                )
                                .help("compare the two values with `==`, joined by `or`"),
                            );
                            None
                        }
                        other => {
                            let what = self.say(&other);
                            self.report(
                                Diagnostic::error(code::MIXED_LIST, element.span, format!("{what} among numbers"))
                                    .also(left.span, "a number"),
                            );
                            None
                        }
                    };
                    match made {
                        Some(made) if !set.contains(&made) => set.push(made),
                        Some(_) => {}
                        None => complete = false,
                    }
                }
                if !complete {
                    return Operand::Error;
                }
                Operand::Cond(atom(span, AtomKind::OneOf { value, set }))
            }
            Operand::Value(value) if self.is_inode(value.ty) => self.one_of_files(&value, elements, span),
            other => {
                let what = self.say(&other);
                self.report(
                    Diagnostic::error(code::BAD_OPERAND, op_span, "`in` asks for an integer or a string on its left")
                        .also(left.span, what),
                )
            }
        }
    }

    fn has(&mut self, l: Operand, r: Operand, left: &Expr, right: &Expr, op_span: Span, span: Span) -> Operand {
        let Operand::Value(value @ Value { ty: Ty::Int(_), .. }) = l else {
            return self.report(
                Diagnostic::error(code::BAD_OPERAND, op_span, "`has` asks for an integer on its left")
                    .also(left.span, "this is none"),
            );
        };
        let Ty::Int(int) = value.ty else {
            return Operand::Error;
        };
        let number = match r {
            Operand::Number(number) => number,
            _ => {
                return self.report(
                    Diagnostic::error(code::NOT_CONSTANT, right.span, "`has` asks for constant bits on its right")
                        .help("write names or a number: `prot has READ|EXEC`"),
                );
            }
        };
        if let Some(error) = self.clash(int.names, number.names, left.span, right.span) {
            self.meant(int.names, number);
            return error;
        }
        let Some(mask) = self.bits(int, number, left.span, right.span) else {
            return Operand::Error;
        };
        if mask == 0 {
            return self.report(
                Diagnostic::error(code::NO_BITS, right.span, "no bit is asked for")
                    .note("the test would always be true")
                    .help("name at least one bit"),
            );
        }
        let mask = (mask & ((1i128 << (8 * int.bytes)) - 1)) as u64;
        Operand::Cond(atom(span, AtomKind::AllBits { value, mask }))
    }

    /// A constant as the bits of a type: what fits with or without sign is the same pattern.
    fn bits(&mut self, int: Int, number: Number, left: Span, at: Span) -> Option<i128> {
        let most = (1i128 << (8 * int.bytes)) - 1;
        let least = -(1i128 << (8 * int.bytes - 1));
        if !number.pattern && (number.value > most || number.value < least) {
            self.report(
                Diagnostic::error(code::OUT_OF_RANGE, at, format!("a {} does not have these bits", spell(int)))
                    .label(format!("more than {} bits", 8 * int.bytes))
                    .also(left, format!("a {}", spell(int))),
            );
            return None;
        }
        Some(int.wrap(number.value))
    }

    fn arithmetic(
        &mut self,
        op: BinaryOp,
        op_span: Span,
        left: (Operand, &Expr),
        right: (Operand, &Expr),
        span: Span,
    ) -> Operand {
        let ((l, left), (r, right)) = (left, right);
        let bitwise = matches!(op, BinaryOp::BitAnd | BinaryOp::BitOr | BinaryOp::BitXor);
        let shift = matches!(op, BinaryOp::Shl | BinaryOp::Shr);
        for (operand, side) in [(&l, left), (&r, right)] {
            if !matches!(operand, Operand::Number(_) | Operand::Value(Value { ty: Ty::Int(_), .. })) {
                let what = self.say(operand);
                let mut error =
                    Diagnostic::error(code::BAD_OPERAND, op_span, format!("`{}` works on integers only", op.text()))
                        .also(side.span, what);
                if matches!(operand, Operand::Cond(_) | Operand::Value(Value { ty: Ty::Bool, .. })) && bitwise {
                    error = error.help(match op {
                        BinaryOp::BitAnd => "join conditions by `and`",
                        BinaryOp::BitOr => "join conditions by `or`",
                        _ => "compare conditions by `!=`",
                    });
                } else if let Some(help) = self.field_help(operand) {
                    error = error.help(help);
                }
                return self.report(error);
            }
        }
        if matches!(op, BinaryOp::Div | BinaryOp::Rem) {
            match &r {
                Operand::Number(number) if number.value != 0 => {}
                Operand::Number(_) => {
                    return self.report(
                        Diagnostic::error(code::BAD_DIVISOR, right.span, "division by zero")
                            .help("divide by another number"),
                    );
                }
                _ => {
                    return self.report(
                        Diagnostic::error(code::BAD_DIVISOR, right.span, "a divisor must be a constant other than 0")
                            .label("known only when the hook runs")
                            .help("multiply the other side of the comparison instead"),
                    );
                }
            }
        }
        match (l, r) {
            (Operand::Number(a), Operand::Number(b)) => {
                if !shift && let Some(error) = self.clash(a.names, b.names, left.span, right.span) {
                    return error;
                }
                let names = if bitwise { a.names.or(b.names) } else { None };
                match fold(op, a.value, b.value) {
                    Some(value) => {
                        let pattern = bitwise && (a.pattern || b.pattern) && value < 0;
                        Operand::Number(Number { value, names, pattern })
                    }
                    None => self.report(
                        Diagnostic::error(code::OVERFLOW, span, "the result does not fit into 64 bits")
                            .help("use smaller numbers"),
                    ),
                }
            }
            (Operand::Value(a), Operand::Number(b)) => self.with_constant(op, a, b, false, right.span, span),
            (Operand::Number(a), Operand::Value(b)) => self.with_constant(op, b, a, true, left.span, span),
            (Operand::Value(a), Operand::Value(b)) => {
                let (Ty::Int(x), Ty::Int(y)) = (a.ty, b.ty) else {
                    return Operand::Error;
                };
                if !shift && let Some(error) = self.clash(x.names, y.names, a.span, b.span) {
                    return error;
                }
                let ty = if shift {
                    promote(x)
                } else {
                    match meet(x, y) {
                        Some(ty) => ty,
                        None => {
                            return self.report(
                                Diagnostic::error(
                                    code::MIXED_SIGNS,
                                    op_span,
                                    format!(
                                        "no type holds both a {} and an {}",
                                        if x.signed { spell(y) } else { spell(x) },
                                        if x.signed { spell(x) } else { spell(y) }
                                    ),
                                )
                                .also(a.span, spell(x))
                                .also(b.span, spell(y))
                                .help("convert one of them with `as`"),
                            );
                        }
                    }
                };
                let names = if bitwise { x.names.or(y.names) } else { None };
                let ty = Int { names, ..ty };
                let left = Box::new(convert(a, Int { names: None, ..ty }));
                let right = Box::new(if shift { b } else { convert(b, Int { names: None, ..ty }) });
                Operand::Value(Value { span, ty: Ty::Int(ty), kind: ValueKind::Binary(operation(op), left, right) })
            }
            _ => Operand::Error,
        }
    }

    /// A value and a constant; `swapped` where the constant stands on the left.
    fn with_constant(
        &mut self,
        op: BinaryOp,
        value: Value,
        number: Number,
        swapped: bool,
        at: Span,
        span: Span,
    ) -> Operand {
        let Ty::Int(int) = value.ty else {
            return Operand::Error;
        };
        let bitwise = matches!(op, BinaryOp::BitAnd | BinaryOp::BitOr | BinaryOp::BitXor);
        let shift = matches!(op, BinaryOp::Shl | BinaryOp::Shr);
        if !shift && let Some(error) = self.clash(int.names, number.names, value.span, at) {
            self.meant(int.names, number);
            return error;
        }
        if shift {
            if swapped {
                // `1 << n` has no width of its own: it takes the largest.
                let ty = Int::plain(8, number.value < 0);
                let left = Box::new(constant(at, ty, ty.wrap(number.value)));
                return Operand::Value(Value {
                    span,
                    ty: Ty::Int(ty),
                    kind: ValueKind::Binary(operation(op), left, Box::new(value)),
                });
            }
            let ty = Int { names: None, ..promote(int) };
            if number.value < 0 || number.value >= i128::from(8 * ty.bytes) {
                return self.report(
                    Diagnostic::error(
                        code::BAD_SHIFT,
                        at,
                        format!("a {} can be shifted by 0 to {} bits", spell(ty), 8 * ty.bytes - 1),
                    )
                    .also(value.span, format!("a {}", spell(int))),
                );
            }
            let right = Box::new(constant(at, Int::plain(4, false), number.value));
            return Operand::Value(Value {
                span,
                ty: Ty::Int(ty),
                kind: ValueKind::Binary(operation(op), Box::new(convert(value, ty)), right),
            });
        }
        let (ty, number) = if bitwise {
            let Some(bits) = self.bits(int, number, value.span, at) else {
                return Operand::Error;
            };
            (Int { names: int.names.or(number.names), ..int }, bits)
        } else {
            let ty = Int { names: None, ..promote(int) };
            // A constant that only the other sign holds widens both, as a value of that type would.
            let ty = if number.value < ty.min() || number.value > ty.max() {
                [Int::plain(4, true), Int::plain(8, false), Int::plain(8, true)]
                    .into_iter()
                    .find(|wider| wider.holds(int) && number.value >= wider.min() && number.value <= wider.max())
            } else {
                Some(ty)
            };
            match ty {
                Some(ty) => (ty, number.value),
                None => {
                    return self.report(
                        Diagnostic::error(
                            code::OUT_OF_RANGE,
                            at,
                            format!("no type holds both a {} and {}", spell(int), number.value),
                        )
                        .also(value.span, format!("a {}", spell(int))),
                    );
                }
            }
        };
        let plain = Int { names: None, ..ty };
        let value = Box::new(convert(value, plain));
        let number = Box::new(constant(at, plain, number));
        let (left, right) = if swapped { (number, value) } else { (value, number) };
        Operand::Value(Value { span, ty: Ty::Int(ty), kind: ValueKind::Binary(operation(op), left, right) })
    }

    /// Two types of names that are not the same.
    pub(super) fn clash(&mut self, a: Option<NamesId>, b: Option<NamesId>, left: Span, right: Span) -> Option<Operand> {
        let (a, b) = (a?, b?);
        if a == b {
            return None;
        }
        let (x, y) = (self.names[a.index()].name.clone(), self.names[b.index()].name.clone());
        Some(
            self.report(
                Diagnostic::error(code::OTHER_NAMES, right, format!("`{x}` and `{y}` are different types"))
                    .label(format!("a `{y}`"))
                    .also(left, format!("a `{x}`"))
                    .help(format!("use a name of `{x}`, or say that you mean the bits: `as u64`")),
            ),
        )
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

/// A user or a group by its name: the kernel knows only numbers.
fn account(value: &Expr, name: &Operand) -> Option<String> {
    let (ExprKind::Field { name: field, .. }, Operand::Text(name)) = (&value.kind, name) else {
        return None;
    };
    let option = match field.name.trim_start_matches(['e', 's', 'f']) {
        "uid" => "-u",
        "gid" => "-g",
        _ => return None,
    };
    let name = String::from_utf8_lossy(name);
    Some(format!("the kernel knows accounts by their numbers: `id {option} {name}` tells that of `{name}`"))
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

/// Both true or both false, in Kleene's logic.
fn same(a: Cond, b: Cond) -> Cond {
    or(and(a.clone(), b.clone()), and(not(a), not(b)))
}

/// The type that narrow integers are computed in.
fn promote(int: Int) -> Int {
    Int { bytes: int.bytes.max(4), ..int }
}

/// The smallest type of computation that holds both.
fn meet(x: Int, y: Int) -> Option<Int> {
    [Int::plain(4, false), Int::plain(4, true), Int::plain(8, false), Int::plain(8, true)]
        .into_iter()
        .find(|ty| ty.holds(x) && ty.holds(y))
}

pub(super) fn convert(value: Value, ty: Int) -> Value {
    match value.ty {
        Ty::Int(from) if from.bytes == ty.bytes && from.signed == ty.signed => Value { ty: Ty::Int(ty), ..value },
        _ => Value { span: value.span, ty: Ty::Int(ty), kind: ValueKind::Convert(Box::new(value)) },
    }
}

fn compare(op: BinaryOp) -> Compare {
    match op {
        BinaryOp::Ne => Compare::Ne,
        BinaryOp::Lt => Compare::Lt,
        BinaryOp::Le => Compare::Le,
        BinaryOp::Gt => Compare::Gt,
        BinaryOp::Ge => Compare::Ge,
        _ => Compare::Eq,
    }
}

/// The same comparison with its sides exchanged.
fn mirror(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Lt => BinaryOp::Gt,
        BinaryOp::Le => BinaryOp::Ge,
        BinaryOp::Gt => BinaryOp::Lt,
        BinaryOp::Ge => BinaryOp::Le,
        other => other,
    }
}

fn holds(op: BinaryOp, a: i128, b: i128) -> bool {
    match op {
        BinaryOp::Ne => a != b,
        BinaryOp::Lt => a < b,
        BinaryOp::Le => a <= b,
        BinaryOp::Gt => a > b,
        BinaryOp::Ge => a >= b,
        _ => a == b,
    }
}

fn operation(op: BinaryOp) -> Binary {
    match op {
        BinaryOp::Sub => Binary::Sub,
        BinaryOp::Mul => Binary::Mul,
        BinaryOp::Div => Binary::Div,
        BinaryOp::Rem => Binary::Rem,
        BinaryOp::BitAnd => Binary::And,
        BinaryOp::BitOr => Binary::Or,
        BinaryOp::BitXor => Binary::Xor,
        BinaryOp::Shl => Binary::Shl,
        BinaryOp::Shr => Binary::Shr,
        _ => Binary::Add,
    }
}

/// Constants have no width: their arithmetic is exact, and `None` beyond 64 bits.
fn fold(op: BinaryOp, a: i128, b: i128) -> Option<i128> {
    let value = match op {
        BinaryOp::Add => a.checked_add(b)?,
        BinaryOp::Sub => a.checked_sub(b)?,
        BinaryOp::Mul => a.checked_mul(b)?,
        BinaryOp::Div => a.checked_div(b)?,
        BinaryOp::Rem => a.checked_rem(b)?,
        BinaryOp::BitAnd => a & b,
        BinaryOp::BitOr => a | b,
        BinaryOp::BitXor => a ^ b,
        BinaryOp::Shl => {
            let amount = u32::try_from(b).ok().filter(|amount| *amount < 64)?;
            a.checked_mul(1i128 << amount)?
        }
        BinaryOp::Shr => a >> u32::try_from(b).ok().filter(|amount| *amount < 64)?,
        _ => return None,
    };
    (value <= i128::from(u64::MAX) && value >= i128::from(i64::MIN)).then_some(value)
}
