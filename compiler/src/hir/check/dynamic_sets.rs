//! Sets whose elements come and go while the policy is loaded: `set quarantine: ip dynamic max 100_000`.
//!
//! Nothing is known of their elements but the type, so whatever is looked for must have that type.

use std::sync::Arc;

use krs_grammar::ast::{self, Span};
use krsi_abi::set;

use super::sets::Named;
use super::{Checker, Operand, spell};
use crate::diag::{Diagnostic, code};
use crate::hir::operators::atom;
use crate::hir::{AtomKind, Members, Part, Set, SetId, Text, Ty, Value, ValueKind};

impl<'a> Checker<'a> {
    pub(super) fn dynamic_set(&mut self, item: &'a ast::Set, parts: Vec<Part>, max: &ast::Int) -> Option<Named> {
        let Some(max) = u32::try_from(max.value).ok().filter(|max| (1..=set::ELEMENTS_MAX).contains(max)) else {
            self.report(
                Diagnostic::error(
                    code::INVALID_MAX,
                    max.span,
                    format!("a set cannot have room for {} elements", max.value),
                )
                .label(format!("1 to {} can be", set::ELEMENTS_MAX))
                .help("write the most elements that the set will have at a time"),
            );
            return None;
        };
        let set = Set { name: Some(item.name.name.clone()), parts, members: Members::Dynamic { max } };
        self.sets.push(Arc::new(set));
        Some(Named::Dynamic(SetId(self.sets.len() as u32 - 1)))
    }

    /// `x in NAME`; the places are those of `x`, of the name, and of the operator.
    pub(super) fn in_dynamic(
        &mut self,
        item: &ast::Set,
        set: SetId,
        value: Value,
        (left, right, op_span): (Span, Span, Span),
        span: Span,
    ) -> Operand {
        let what = self.describe(value.ty);
        let value = match (&self.sets[set.index()].parts[..], value.ty) {
            ([Part::Ip | Part::Network], Ty::Ip) | ([Part::Text { .. }], Ty::Text { .. }) => value,
            ([Part::Text { .. }], Ty::Str { .. }) => Value {
                span: value.span,
                ty: Ty::Text { path: false },
                kind: ValueKind::Text(Box::new(Text::Copy(value))),
            },
            (&[Part::Int(int)], Ty::Int(of)) => {
                if let Some(error) = self.clash(of.names, int.names, left, right) {
                    return error;
                }
                // As words of 64 bits a negative number and a large one without sign are the same.
                if int.signed != of.signed && int.bytes.max(of.bytes) == 8 {
                    return self.report(
                        Diagnostic::error(
                            code::MIXED_SIGNEDNESS,
                            op_span,
                            format!("`{}` is of {}, this is of {}", item.name.name, spell(int), spell(of)),
                        )
                        .also(left, what)
                        .also(item.ty.span, "elements are of this type")
                        .help(format!("convert it: `as {}`", spell(int))),
                    );
                }
                value
            }
            _ => return self.not_in(item, what, left, op_span),
        };
        Operand::Cond(atom(span, AtomKind::InSet { values: vec![value], set }))
    }
}
