//! Conversions: casts with `as`, and the common type of two integers.
//!
//! Integers narrower than 32 bits are computed in 32 bits. Two integers meet in the smallest of u32, i32, u64
//! and i64 that can represent both.

use krs_grammar::ast::{Expr, Span, Type, TypeKind};

use super::constant;
use crate::diag::{Diagnostic, code};
use crate::hir::check::{Checker, Number, Operand, integer};
use crate::hir::{Int, NamesId, Ty, Value, ValueKind};

impl<'a> Checker<'a> {
    pub(in crate::hir) fn cast(&mut self, value: &'a Expr, ty: &'a Type, span: Span, hint: Option<NamesId>) -> Operand {
        let TypeKind::Name(name) = &ty.kind else {
            return self.error(code::INVALID_CAST, ty.span, "cannot convert to a tuple");
        };
        let to = match integer(name) {
            Some(int) => Some(int),
            None => self.names_of(name).map(|names| Int { names: Some(names), ..Int::plain(8, false) }),
        };
        let Some(to) = to else {
            if name == "bool" {
                return self.report(
                    Diagnostic::error(code::INVALID_CAST, ty.span, "cannot convert to `bool`")
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
                // A conversion to an enum or flag type keeps the bits.
                Ty::Int(int) if to.names.is_some() => {
                    Operand::Value(Value { span, ty: Ty::Int(Int { names: to.names, ..int }), kind: value.kind })
                }
                Ty::Int(_) => Operand::Value(Value { span, ..convert(value, to) }),
                Ty::Bool => Operand::Value(Value { span, ty: Ty::Int(to), kind: ValueKind::Convert(Box::new(value)) }),
                other => {
                    let what = self.describe(other);
                    self.report(
                        Diagnostic::error(code::INVALID_CAST, span, format!("cannot convert {what} to an integer"))
                            .label("not an integer"),
                    )
                }
            },
            Operand::Cond(cond) => {
                let value = Value { span, ty: Ty::Bool, kind: ValueKind::Cond(Box::new(cond)) };
                Operand::Value(Value { span, ty: Ty::Int(to), kind: ValueKind::Convert(Box::new(value)) })
            }
            _ => self.error(code::INVALID_CAST, span, format!("cannot convert this to `{name}`")),
        }
    }
}

/// Returns the type in which a narrow integer is computed.
pub(super) fn promote(int: Int) -> Int {
    Int { bytes: int.bytes.max(4), ..int }
}

/// Returns the smallest type of computation that can represent the values of both types.
pub(super) fn meet(x: Int, y: Int) -> Option<Int> {
    [Int::plain(4, false), Int::plain(4, true), Int::plain(8, false), Int::plain(8, true)]
        .into_iter()
        .find(|ty| ty.holds(x) && ty.holds(y))
}

pub(in crate::hir) fn convert(value: Value, ty: Int) -> Value {
    match value.ty {
        Ty::Int(from) if from.bytes == ty.bytes && from.signed == ty.signed => Value { ty: Ty::Int(ty), ..value },
        _ => Value { span: value.span, ty: Ty::Int(ty), kind: ValueKind::Convert(Box::new(value)) },
    }
}
