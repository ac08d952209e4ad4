//! Paths that were written before. Long policies say `file.inode.uid` a hundred thousand times, and each time it is read in
//! the same way on the same hook: views are expanded once, and what the pointers on the way are is there once.
//!
//! Invariants: what is shared was found without a word about it, where names mean what they mean in a rule; the effort
//! counts each time, so that bounds hold. Of what is shared only the outermost value has the place of its own text; what it
//! is read through has that of the text that was first, which is in a rule that is active everywhere.
//!
//! Absent: paths too long to be written often, whose depth would have to be bounded anew in each place.

use krs_grammar::ast::{self, Expr, Span};

use super::{Checker, Operand};
use crate::hir::HookId;

/// Bytes of the longest text that is shared.
const TEXT_MAX: usize = 64;

/// What a text led to.
pub(super) struct Known {
    operand: Operand,
    /// Expressions that it was expanded to.
    expanded: usize,
}

impl<'a> Checker<'a> {
    /// A field, as it was found where the same text stood before.
    pub(super) fn path(&mut self, base: &'a Expr, name: &'a ast::Ident, span: Span) -> Operand {
        let Some(key) = self.shared(span) else { return self.field(base, name, span) };
        if let Some(Known { operand, expanded }) = self.paths.get(&key) {
            let (operand, expanded) = (operand.clone().at(span), *expanded);
            return if self.admits_effort(expanded, span) { operand } else { Operand::Error };
        }
        let (said, before) = (self.diagnostics.len(), self.extent);
        let operand = self.field(base, name, span);
        let shareable = matches!(operand, Operand::Value(_) | Operand::Place(_) | Operand::End(_));
        if shareable && self.diagnostics.len() == said {
            let expanded = self.extent.effort_since(before);
            self.paths.insert(key, Known { operand: operand.clone(), expanded });
        }
        operand
    }

    /// By what a text is known, where what it means depends on nothing but its hook.
    fn shared(&self, span: Span) -> Option<(HookId, &'a str)> {
        let (sources, _) = self.lists?;
        let scope = &self.scope;
        let plain = scope.shares && scope.params.is_none() && scope.bound.is_none() && scope.this.is_none();
        let text = sources.text(span);
        let shared = plain && scope.inside.is_empty() && text.len() <= TEXT_MAX;
        scope.hook.filter(|_| shared).map(|hook| (hook, text))
    }
}
