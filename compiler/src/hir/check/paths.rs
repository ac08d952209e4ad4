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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::diag::code;
    use crate::hir::{AtomKind, Cond, Policy, Value, ValueKind};
    use crate::{Built, Options, Outcome, Source, build};

    fn built(text: &str) -> Outcome<Built> {
        build(&[Source { name: "a.krs".into(), text: text.into() }], &Options::default())
    }

    /// What a rule reads the value through that it compares.
    fn base(policy: &Policy, rule: usize) -> &Arc<Value> {
        let Some(Cond::Atom(atom)) = &policy.rules[rule].when else { panic!("a test") };
        let AtomKind::Compare { left, .. } = &atom.kind else { panic!("a comparison") };
        let ValueKind::Load { base, .. } = &left.kind else { panic!("a field") };
        base
    }

    #[test]
    fn what_a_path_is_read_through_is_there_once_a_hook() {
        let rules = [
            "@since(\"6.1\") on file_open when file.inode.uid == 1 deny",
            "on file_open when file.inode.uid == 2 deny",
            "on file_open when file.inode.uid == 3 deny",
            "on file_permission when file.inode.uid == 4 deny",
        ];
        let policy = built(&rules.join("\n")).value.expect("it compiles").policy;
        let shared = |one, other| Arc::ptr_eq(base(&policy, one), base(&policy, other));
        assert!(shared(1, 2));
        assert!(!shared(0, 1) && !shared(2, 3));
        assert_eq!(base(&policy, 0), base(&policy, 2));
    }

    #[test]
    fn each_text_has_its_own_place() {
        let outcome = built("on file_open audit { file.inode }\n  on file_open audit \"x\" { file.inode }");
        let warnings = outcome.diagnostics.iter().filter(|found| found.code == code::KERNEL_ADDRESS);
        let places: Vec<_> = warnings.map(|found| outcome.sources.position(found.primary.span)).collect();
        assert_eq!(places, [(1, 22), (2, 28)]);
    }

    #[test]
    fn the_effort_counts_each_time() {
        // Each `v` stands for some hundred expressions, and the rule has more of them than it may.
        let sum = vec!["i_ino"; 150].join(" + ");
        let text = |count| {
            format!(
                "view inode {{ v = {sum} }}\non file_open when {} deny",
                vec!["file.inode.v == 1"; count].join(" or ")
            )
        };
        assert!(built(&text(20)).value.is_some());
        assert!(built(&text(200)).diagnostics.iter().any(|found| found.code == code::EXPANSION_TOO_LARGE));
    }
}
