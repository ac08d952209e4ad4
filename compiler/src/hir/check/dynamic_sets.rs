//! Dynamic sets, whose elements change while the policy is loaded: `set quarantine: ip dynamic max 100_000`.
//!
//! Only the type of the elements is known, so a value that is looked up must have that type.

use std::sync::Arc;

use krs_grammar::ast::{self, Span};
use krsi_abi::set;

use super::sets::NamedSet;
use super::{Checker, Operand, int_name};
use crate::diag::{Diagnostic, code};
use crate::hir::operators::atom;
use crate::hir::{AtomKind, Column, Members, Set, SetId, TextSource, Ty, Value, ValueKind};

impl<'a> Checker<'a> {
    pub(super) fn dynamic_set(&mut self, item: &'a ast::Set, columns: Vec<Column>, max: &ast::Int) -> Option<NamedSet> {
        let Some(max) = u32::try_from(max.value).ok().filter(|max| (1..=set::ELEMENTS_MAX).contains(max)) else {
            self.report(
                Diagnostic::error(code::INVALID_MAX, max.span, format!("invalid capacity {}", max.value))
                    .label(format!("expected 1 to {}", set::ELEMENTS_MAX))
                    .help("write the maximum number of elements in the set"),
            );
            return None;
        };
        let set = Set { name: Some(item.name.name.clone()), columns, members: Members::Dynamic { max } };
        self.sets.push(Arc::new(set));
        Some(NamedSet::Dynamic(SetId(self.sets.len() as u32 - 1)))
    }

    /// Checks `x in NAME`. The spans are those of `x`, of the name, and of the operator.
    pub(super) fn in_dynamic(
        &mut self,
        item: &ast::Set,
        set: SetId,
        value: Value,
        (left, right, op_span): (Span, Span, Span),
        span: Span,
    ) -> Operand {
        let what = self.describe(value.ty);
        let value = match (&self.sets[set.index()].columns[..], value.ty) {
            ([Column::Ip | Column::Network], Ty::Ip) | ([Column::Text { .. }], Ty::Text { .. }) => value,
            ([Column::Text { .. }], Ty::Str { .. }) => Value {
                span: value.span,
                ty: Ty::Text { path: false },
                kind: ValueKind::Text(Box::new(TextSource::Copy(value))),
            },
            (&[Column::Int(int)], Ty::Int(of)) => {
                if let Some(error) = self.clash(of.names, int.names, left, right) {
                    return error;
                }
                // In a 64-bit word a negative number and a large unsigned one have the same bits.
                if int.signed != of.signed && int.bytes.max(of.bytes) == 8 {
                    return self.report(
                        Diagnostic::error(
                            code::MIXED_SIGNEDNESS,
                            op_span,
                            format!(
                                "`{}` has elements of type {}, this is {}",
                                item.name.name,
                                int_name(int),
                                int_name(of)
                            ),
                        )
                        .also(left, what)
                        .also(item.ty.span, "type of the elements")
                        .help(format!("convert it: `as {}`", int_name(int))),
                    );
                }
                value
            }
            _ => return self.not_in(item, what, left, op_span),
        };
        Operand::Cond(atom(span, AtomKind::InSet { values: vec![value], set }))
    }
}
