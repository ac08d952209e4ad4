//! Integer arithmetic, bitwise operators and `has`.

use krs_grammar::ast::{BinaryOp, Expr, Span};
use krs_grammar::print::expr_text;

use super::cast::{convert, meet, promote};
use super::{atom, constant};
use crate::diag::{Diagnostic, code};
use crate::hir::check::{Checker, Number, Operand, int_name};
use crate::hir::{AtomKind, Binary, Int, NamesId, Ty, Value, ValueKind};

impl Checker<'_> {
    pub(super) fn has(
        &mut self,
        l: Operand,
        r: Operand,
        left: &Expr,
        right: &Expr,
        op_span: Span,
        span: Span,
    ) -> Operand {
        let Operand::Value(value @ Value { ty: Ty::Int(_), .. }) = l else {
            return self.report(
                Diagnostic::error(code::INVALID_OPERAND, op_span, "`has` requires an integer on its left")
                    .also(left.span, "not an integer"),
            );
        };
        let Ty::Int(int) = value.ty else {
            return Operand::Error;
        };
        let number = match r {
            Operand::Number(number) => number,
            _ => {
                return self.report(
                    Diagnostic::error(code::NOT_CONSTANT, right.span, "`has` requires constant bits on its right")
                        .help("write names or a number: `prot has READ|EXEC`"),
                );
            }
        };
        if let Some(error) = self.clash(int.names, number.names, left.span, right.span) {
            self.meant(int.names, number);
            return error;
        }
        if let Some(of) = self.one_at_a_time(int.names, number.names) {
            return self.no_bits(of, op_span, left, right, "==");
        }
        let Some(mask) = self.bits(int, number, left.span, right.span) else {
            return Operand::Error;
        };
        if mask == 0 {
            return self.report(
                Diagnostic::error(code::EMPTY_MASK, right.span, "this mask has no bits")
                    .note("the test would always be true")
                    .help("name at least one bit"),
            );
        }
        let mask = (mask & ((1i128 << (8 * int.bytes)) - 1)) as u64;
        Operand::Cond(atom(span, AtomKind::AllBits { value, mask }))
    }

    /// Returns the type of both sides if it is an `enum` item, whose members are numbers rather than bits.
    /// Enums of the kernel are excluded: some are used as flags.
    fn one_at_a_time(&self, left: Option<NamesId>, right: Option<NamesId>) -> Option<NamesId> {
        let of = left.filter(|_| left == right)?;
        let names = &self.names[of.index()];
        (!names.flags && !names.kernel).then_some(of)
    }

    /// Reports a bitwise operation on members of an enum; `instead` is the operator to suggest.
    fn no_bits(&mut self, of: NamesId, op_span: Span, left: &Expr, right: &Expr, instead: &str) -> Operand {
        let (of, l, r) = (&self.names[of.index()].name, expr_text(left), expr_text(right));
        let error = Diagnostic::error(code::INVALID_OPERAND, op_span, format!("`{of}` is not a flag type"))
            .label("bitwise operator")
            .note(format!("a value of `{of}` equals one of its members, which are numbers"));
        self.report(match instead {
            "in" => error.help(format!("test for several values with a list: `in {{ {l}, {r} }}`")),
            _ => error.help(format!("compare it: `{l} == {r}`")),
        })
    }

    /// Returns a constant as a bit pattern of a type. Signed and unsigned values that fit the width are
    /// accepted.
    fn bits(&mut self, int: Int, number: Number, left: Span, at: Span) -> Option<i128> {
        let most = (1i128 << (8 * int.bytes)) - 1;
        let least = -(1i128 << (8 * int.bytes - 1));
        if !number.pattern && (number.value > most || number.value < least) {
            self.report(
                Diagnostic::error(
                    code::CONSTANT_OUT_OF_RANGE,
                    at,
                    format!("a {} cannot hold these bits", int_name(int)),
                )
                .label(format!("more than {} bits", 8 * int.bytes))
                .also(left, format!("a {}", int_name(int))),
            );
            return None;
        }
        Some(int.wrap(number.value))
    }

    pub(super) fn arithmetic(
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
                let what = self.describe_operand(operand);
                let mut error =
                    Diagnostic::error(code::INVALID_OPERAND, op_span, format!("`{}` requires integers", op.text()))
                        .also(side.span, what);
                if matches!(operand, Operand::Cond(_) | Operand::Value(Value { ty: Ty::Bool, .. })) && bitwise {
                    error = error.help(match op {
                        BinaryOp::BitAnd => "join conditions with `and`",
                        BinaryOp::BitOr => "join conditions with `or`",
                        _ => "compare conditions with `!=`",
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
                        Diagnostic::error(code::INVALID_DIVISOR, right.span, "division by zero")
                            .help("use another divisor"),
                    );
                }
                _ => {
                    return self.report(
                        Diagnostic::error(code::INVALID_DIVISOR, right.span, "a divisor must be a nonzero constant")
                            .label("known only at run time")
                            .help("multiply the other side of the comparison instead"),
                    );
                }
            }
        }
        if bitwise {
            let names = |operand: &Operand| match operand {
                Operand::Number(number) => number.names,
                Operand::Value(Value { ty: Ty::Int(int), .. }) => int.names,
                _ => None,
            };
            let instead = if matches!((&l, &r), (Operand::Number(_), Operand::Number(_))) { "in" } else { "==" };
            if let Some(of) = self.one_at_a_time(names(&l), names(&r)) {
                return self.no_bits(of, op_span, left, right, instead);
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
                        Diagnostic::error(code::CONSTANT_OVERFLOW, span, "the result does not fit in 64 bits")
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
                                    code::MIXED_SIGNEDNESS,
                                    op_span,
                                    format!(
                                        "no type holds both a {} and an {}",
                                        if x.signed { int_name(y) } else { int_name(x) },
                                        if x.signed { int_name(x) } else { int_name(y) }
                                    ),
                                )
                                .also(a.span, int_name(x))
                                .also(b.span, int_name(y))
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

    /// Checks an operation on a value and a constant; `swapped` if the constant is the left operand.
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
                // The constant of `1 << n` has no width, so the largest type is used.
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
                        code::INVALID_SHIFT,
                        at,
                        format!("a {} can be shifted by 0 to {} bits", int_name(ty), 8 * ty.bytes - 1),
                    )
                    .also(value.span, format!("a {}", int_name(int))),
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
            // A constant that does not fit the type widens both operands, as a value of a wider type would.
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
                            code::CONSTANT_OUT_OF_RANGE,
                            at,
                            format!("no type holds both a {} and {}", int_name(int), number.value),
                        )
                        .also(value.span, format!("a {}", int_name(int))),
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

/// Folds an operation on constants. They have no width, so the arithmetic is exact; `None` if the result
/// exceeds 64 bits.
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
