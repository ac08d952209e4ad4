//! Comparisons: `==`, `!=`, `<`, `<=`, `>` and `>=`.
//!
//! Integers are compared as mathematical numbers, whatever their widths.

use krs_grammar::ast::{BinaryOp, Expr, ExprKind, Span};
use krs_grammar::print::expr_text;

use super::{and, atom, constant, not, one_of_texts, or, range};
use crate::diag::{Diagnostic, code};
use crate::hir::check::{Checker, Number, Operand, int_name, text::as_text};
use crate::hir::{AtomKind, Compare, Cond, Int, NamesId, Ty, Value, ValueKind, place};

impl Checker<'_> {
    pub(super) fn compare(
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
        // The other side of a string literal is converted to a text if possible.
        let l = if matches!(r, Operand::Text(_)) { self.as_text_operand(l) } else { l };
        let r = if matches!(l, Operand::Text(_)) { self.as_text_operand(r) } else { r };
        let text = |side: &Operand| {
            matches!(side, Operand::Value(Value { ty: Ty::Str { .. } | Ty::Text { .. }, .. }))
                || matches!(side, Operand::Place(place) if place::tag(&self.kernel.btf, place.ty) == "path")
        };
        let (l, r) = match (text(&l), text(&r)) {
            (false, false) => (l, r),
            _ if matches!(l, Operand::Null) || matches!(r, Operand::Null) => (l, r),
            _ => (self.as_text_operand(l), self.as_text_operand(r)),
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
                (Ty::Str { .. } | Ty::Text { .. }, Ty::Str { .. } | Ty::Text { .. }) => {
                    if !equality {
                        return self.error(code::UNORDERED, op_span, "strings can only be compared with `==` and `!=`");
                    }
                    finish(atom(span, AtomKind::Same(as_text(a), as_text(b))))
                }
                (x, y) => {
                    let (x, y) = (self.describe(x), self.describe(y));
                    self.report(
                        Diagnostic::error(
                            code::INCOMPARABLE,
                            op_span,
                            format!("cannot compare {x} with {y} using `{}`", op.text()),
                        )
                        .also(left.span, x)
                        .also(right.span, y),
                    )
                }
            },
            (Operand::Value(value), Operand::Number(number)) => self.compare_constant(op, value, number, right, span),
            (Operand::Number(number), Operand::Value(value)) => {
                self.compare_constant(mirror(op), value, number, left, span)
            }
            (l, r) => {
                let (x, y) = (self.describe_operand(&l), self.describe_operand(&r));
                let text = matches!(l, Operand::Text(_)) || matches!(r, Operand::Text(_));
                let pointer =
                    [&l, &r].into_iter().any(|side| matches!(side, Operand::Value(Value { ty: Ty::Ptr(_), .. })));
                let mut error = Diagnostic::error(code::INCOMPARABLE, op_span, format!("cannot compare {x} with {y}"))
                    .also(left.span, x)
                    .also(right.span, y);
                if let (Operand::Text(text), Operand::Value(Value { ty: Ty::Int(Int { bytes: 1, .. }), .. }))
                | (Operand::Value(Value { ty: Ty::Int(Int { bytes: 1, .. }), .. }), Operand::Text(text)) = (&l, &r)
                    && let [byte] = text[..]
                {
                    error = error.help(format!("a byte is a number; the code of this character is `{byte:#04x}`"));
                }
                if text && pointer {
                    error = error.help(self.path_of_object(left, &l).or_else(|| self.path_of_object(right, &r)).unwrap_or(
                        "a string behind this pointer cannot be read; arrays of characters can, such as `task.comm`".into(),
                    ));
                }
                if text && [&l, &r].into_iter().any(|side| matches!(side, Operand::Endpoint(_))) {
                    error = error.help("compare its `ip` with an address and its `port` with a number");
                }
                if matches!(l, Operand::File(_)) || matches!(r, Operand::File(_)) {
                    error =
                        error.help("compare it with an inode using `==`, `!=` or `in`: `file.inode == inode(\"...\")`");
                }
                if let Some(help) = self.field_help(&l).or_else(|| self.field_help(&r)) {
                    error = error.help(help);
                }
                if let Some(help) = self.unquoted(&l, &r).or_else(|| self.unquoted(&r, &l)) {
                    error = error.help(help);
                }
                if let Some(help) = number_of(left, &r).or_else(|| number_of(right, &l)) {
                    error = error.help(help);
                }
                if [(&l, left, right), (&r, right, left)].into_iter().any(|(value, test, other)| {
                    matches!(value, Operand::Value(Value { ty: Ty::Int(_), .. }))
                        && matches!(test.kind, ExprKind::Binary { op: BinaryOp::BitAnd, .. })
                        && matches!(other.kind, ExprKind::Bool(_))
                }) {
                    error = error.help("a test of bits is a condition; use `not` to test that none is set");
                }
                self.report(error)
            }
        }
    }

    /// Suggests a field for a struct that is used like a number.
    pub(super) fn field_help(&self, operand: &Operand) -> Option<String> {
        let Operand::Place(place) = operand else {
            return None;
        };
        let mut names = Vec::new();
        place::field_names(&self.kernel.btf, self.kernel.btf.strip(place.ty), &mut names);
        match names.as_slice() {
            [one] => Some(format!("its only field is `{one}`: append `.{one}`")),
            _ => Some("compare one of its fields".to_owned()),
        }
    }

    /// Suggests the path of an object that is used in place of its path: `file == "/etc/passwd"`.
    pub(super) fn path_of_object(&self, expr: &Expr, operand: &Operand) -> Option<String> {
        let Operand::Value(Value { ty: Ty::Ptr(pointer), .. }) = operand else { return None };
        let tag = place::tag(&self.kernel.btf, pointer.target);
        self.items.views.contains_key(&(tag, "path")).then(|| format!("did you mean `{}.path`?", expr_text(expr)))
    }

    /// Suggests removing the quotes of a number or a flag that is compared with an integer.
    pub(super) fn unquoted(&self, text: &Operand, beside: &Operand) -> Option<String> {
        let (Operand::Text(text), Operand::Value(Value { ty: Ty::Int(int), .. })) = (text, beside) else {
            return None;
        };
        let text = std::str::from_utf8(text).ok()?;
        let member = |names: NamesId| self.names[names.index()].members.iter().any(|(known, _)| known == text);
        let fits = text.parse::<i128>().is_ok() || int.names.is_some_and(member);
        fits.then(|| format!("write it without quotes: `{text}`"))
    }

    fn compare_constant(&mut self, op: BinaryOp, value: Value, number: Number, side: &Expr, span: Span) -> Operand {
        let at = side.span;
        let Ty::Int(int) = value.ty else {
            let what = self.describe(value.ty);
            let help = match value.ty {
                Ty::Ptr(_) => "a pointer can be compared with `null` and with other pointers",
                Ty::Bool => "a bool is a condition",
                _ => "compare a string with a string: `\"...\"`",
            };
            return self.report(
                Diagnostic::error(code::INCOMPARABLE, span, format!("cannot compare {what} with a number"))
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
                Diagnostic::error(code::CONSTANT_OUT_OF_RANGE, at, format!("a {} cannot hold {number}", int_name(int)))
                    .label(format!("expected {} to {}", int.min(), int.max()))
                    .also(value.span, format!("a {}", int_name(int)))
                    .note(format!("the comparison would always be {always}"))
                    .help(match range(side) {
                        Some(range) => range,
                        None if number < 0 => {
                            "the value is unsigned; compare it with 0 or a positive number".to_owned()
                        }
                        None => "compare it with a number in its range".to_owned(),
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
                        int_name(int),
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
                                .label("result is always the same")
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
                        .also(side.span, "embedded in its object, not a pointer")
                        .help("compare the pointer to the object, or one of the fields"),
                );
                None
            }
            other => {
                let what = self.describe_operand(&other);
                self.report(
                    Diagnostic::error(code::NEVER_NULL, span, format!("{what} is never null"))
                        .help("only pointers can be null"),
                );
                None
            }
        }
    }
}

/// Suggests a command for a user, group or port that is given by name: the kernel knows only numbers.
fn number_of(value: &Expr, name: &Operand) -> Option<String> {
    let (ExprKind::Field { name: field, .. }, Operand::Text(name)) = (&value.kind, name) else {
        return None;
    };
    let option = match field.name.trim_start_matches(['e', 's', 'f']) {
        "uid" => "-u",
        "gid" => "-g",
        // A number in quotes is not a name.
        "port" if !name.iter().all(u8::is_ascii_digit) => {
            let name = String::from_utf8_lossy(name);
            return Some(format!("ports are numbers: `getent services {name}` prints that of `{name}`"));
        }
        _ => return None,
    };
    let name = String::from_utf8_lossy(name);
    Some(format!("the kernel identifies accounts by number: `id {option} {name}` prints that of `{name}`"))
}

/// Builds the equivalence of two conditions in Kleene logic.
fn same(a: Cond, b: Cond) -> Cond {
    or(and(a.clone(), b.clone()), and(not(a), not(b)))
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

/// Returns the operator for swapped operands.
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
