//! `first_of(a, b)`: a field under the names that it has had in different kernels.
//!
//! An alternative that the checked kernel lacks is checked on another known kernel. Types of that kernel mean
//! nothing here, so only name, width and signedness are kept.

use std::rc::Rc;

use krs_grammar::ast::{Expr, Span};

use super::{Checker, Operand};
use crate::btf::{Btf, Kind, TypeId};
use crate::diag::{Diagnostic, Severity, code};
use crate::hir::place::{self, Place};
use crate::hir::{Int, Ptr, Ty, Value, ValueKind};
use crate::kernel;

impl<'a> Checker<'a> {
    pub(in crate::hir) fn first_of(&mut self, args: &'a [Expr], span: Span) -> Operand {
        if args.len() < 2 {
            return self.report(
                Diagnostic::error(code::WRONG_ARGUMENT_COUNT, span, "`first_of` takes at least two arguments")
                    .help("list the names of the field, the newest first: `first_of(__state, state)`"),
            );
        }
        let mut values: Vec<Value> = Vec::with_capacity(args.len());
        let mut here = false;
        let known = self.diagnostics.len();
        for arg in args {
            let before = self.diagnostics.len();
            let operand = self.expr(arg, None);
            match self.as_value(operand, arg.span) {
                Operand::Value(value) => {
                    here = true;
                    values.push(value);
                }
                Operand::Error => {
                    let missing = self.diagnostics[before..].iter().all(|found| {
                        matches!(found.code, code::UNKNOWN_FIELD | code::UNKNOWN_NAME)
                            && found.severity == Severity::Error
                    });
                    if !missing {
                        return Operand::Error;
                    }
                    if let Some(value) = self.elsewhere(arg) {
                        self.diagnostics.truncate(before);
                        values.push(value);
                    }
                }
                other => {
                    let what = self.describe_operand(&other);
                    return self.report(
                        Diagnostic::error(code::TYPE_MISMATCH, arg.span, "`first_of` requires values").label(what),
                    );
                }
            }
        }
        if !here || self.diagnostics.len() > known {
            // An unknown name has been reported. If only other kernels have the fields, this one cannot read
            // any.
            if self.diagnostics.len() == known {
                return self.report(
                    Diagnostic::error(
                        code::UNKNOWN_FIELD,
                        span,
                        format!("none of these fields exists on {}", self.kernel.name),
                    )
                    .help("add the name of the field on this kernel"),
                );
            }
            return Operand::Error;
        }
        let Some(ty) = common(&values) else {
            let kinds: Vec<String> = values.iter().map(|value| self.describe(value.ty)).collect();
            return self.report(
                Diagnostic::error(code::TYPE_MISMATCH, span, "the arguments of `first_of` have different types")
                    .label(kinds.join(", ")),
            );
        };
        let values: Vec<Value> = values.into_iter().map(|value| converted(value, ty)).collect();
        Operand::Value(Value { span, ty, kind: ValueKind::FirstOf(values) })
    }

    /// Checks an alternative on another known kernel, the newest first.
    fn elsewhere(&mut self, arg: &'a Expr) -> Option<Value> {
        for other in kernel::embedded().iter().rev().filter(|other| other.name != self.kernel.name) {
            let mut checker = Checker::new(self.items, other);
            if let Some(this) = &self.scope.this {
                let tag = place::tag(&self.kernel.btf, this.ty);
                let Some(ty) = named(&other.btf, tag) else { continue };
                checker.scope.this = Some(Rc::new(Place { ty, ..(**this).clone() }));
            }
            // Its expansion counts here, too.
            checker.expansion = self.expansion;
            let operand = checker.expr(arg, None);
            self.expansion.absorb(checker.expansion);
            let Operand::Value(mut value) = checker.as_value(operand, arg.span) else { continue };
            if !checker.diagnostics.is_empty() {
                continue;
            }
            value.ty = match value.ty {
                Ty::Int(int) => Ty::Int(Int { names: None, ..int }),
                Ty::Ptr(Ptr { target, nullable }) => {
                    let target = named(&self.kernel.btf, place::tag(&other.btf, target))?;
                    Ty::Ptr(Ptr { target, nullable })
                }
                ty => ty,
            };
            return Some(value);
        }
        None
    }
}

fn named(btf: &Btf, tag: &str) -> Option<TypeId> {
    [Kind::Struct, Kind::Union].into_iter().find_map(|kind| btf.find(kind, tag))
}

/// Returns a type to which all values can be converted.
fn common(values: &[Value]) -> Option<Ty> {
    let first = values.first()?.ty;
    values.iter().skip(1).try_fold(first, |known, value| match (known, value.ty) {
        (Ty::Int(a), Ty::Int(b)) => {
            let wide = if a.holds(b) {
                a
            } else if b.holds(a) {
                Int { names: a.names, ..b }
            } else {
                Int { bytes: 8, signed: true, names: a.names }
            };
            Some(Ty::Int(wide))
        }
        (Ty::Ptr(a), Ty::Ptr(b)) => Some(Ty::Ptr(Ptr { target: a.target, nullable: a.nullable || b.nullable })),
        (a, b) if a == b => Some(a),
        _ => None,
    })
}

fn converted(value: Value, ty: Ty) -> Value {
    match (value.ty, ty) {
        (Ty::Int(from), Ty::Int(to)) if (from.bytes, from.signed) != (to.bytes, to.signed) => {
            Value { span: value.span, ty, kind: ValueKind::Convert(Box::new(value)) }
        }
        _ => Value { ty, ..value },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common_of(types: &[Ty]) -> Option<Ty> {
        let value = |ty: &Ty| Value { span: Span::default(), ty: *ty, kind: ValueKind::Now };
        common(&types.iter().map(value).collect::<Vec<_>>())
    }

    /// The common type holds every value of each type.
    #[test]
    fn the_type_of_integers_holds_each_of_them() {
        let int = |bytes: u32, signed: bool| Ty::Int(Int::plain(bytes, signed));
        for (one, other, wanted) in [
            (int(4, false), int(4, false), int(4, false)),
            (int(8, false), int(1, false), int(8, false)),
            (int(1, false), int(8, false), int(8, false)),
            (int(2, false), int(4, true), int(4, true)),
            (int(4, false), int(4, true), int(8, true)),
        ] {
            assert_eq!(common_of(&[one, other]), Some(wanted));
        }
        assert_eq!(common_of(&[int(1, false), int(4, true), int(4, false)]), Some(int(8, true)));
        assert_eq!(common_of(&[int(4, false), Ty::Bool]), None);
        assert_eq!(common_of(&[Ty::Bool, Ty::Bool]), Some(Ty::Bool));
    }

    /// A pointer that can be null on one kernel must be checked before it is followed.
    #[test]
    fn a_pointer_may_be_null_where_one_of_them_may() {
        let pointer = |nullable| Ty::Ptr(Ptr { target: TypeId(7), nullable });
        for (one, other, wanted) in
            [(false, false, false), (false, true, true), (true, false, true), (true, true, true)]
        {
            assert_eq!(common_of(&[pointer(one), pointer(other)]), Some(pointer(wanted)));
        }
    }
}
