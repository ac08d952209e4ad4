//! Memoisation of field paths. Large policies contain `file.inode.uid` a hundred thousand times, and on one
//! hook it always means the same: views are expanded once, and the pointers on the path are shared.
//!
//! Invariants: a shared path produced no diagnostics, in a scope where names have their meaning in a rule;
//! its expansion counts at each use, so that limits hold. Only the outermost value has the span of each use.
//! The values that it is read through have the span of the first use, in a rule without `@since`.
//!
//! Absent: longer paths, which rarely repeat and whose depth would have to be checked at each use.

use krs_grammar::ast::{self, Expr, Span};

use super::{Checker, Operand};
use crate::hir::HookId;

/// Maximum length of a source text that is memoised.
const TEXT_MAX: usize = 64;

/// A memoised field path.
pub(super) struct Memo {
    operand: Operand,
    /// Number of expressions in its expansion.
    expanded: usize,
}

impl<'a> Checker<'a> {
    /// Checks a field, reusing the result for the same text.
    pub(super) fn path(&mut self, base: &'a Expr, name: &'a ast::Ident, span: Span) -> Operand {
        let Some(key) = self.shared(span) else { return self.field(base, name, span) };
        if let Some(Memo { operand, expanded }) = self.field_paths.get(&key) {
            let (operand, expanded) = (operand.clone().at(span), *expanded);
            return if self.admits_expansion(expanded, span) { operand } else { Operand::Error };
        }
        let (said, before) = (self.diagnostics.len(), self.expansion);
        let operand = self.field(base, name, span);
        let shareable = matches!(operand, Operand::Value(_) | Operand::Place(_) | Operand::Endpoint(_));
        if shareable && self.diagnostics.len() == said {
            let expanded = self.expansion.expanded_since(before);
            self.field_paths.insert(key, Memo { operand: operand.clone(), expanded });
        }
        operand
    }

    /// Returns the key of a text whose meaning depends only on its hook.
    fn shared(&self, span: Span) -> Option<(HookId, &'a str)> {
        let (sources, _) = self.set_files?;
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

    /// Returns the base of the load that a rule compares.
    fn base(policy: &Policy, rule: usize) -> &Arc<Value> {
        let Some(Cond::Atom(atom)) = &policy.rules[rule].when else { panic!("a test") };
        let AtomKind::Compare { left, .. } = &atom.kind else { panic!("a comparison") };
        let ValueKind::Load { base, .. } = &left.kind else { panic!("a field") };
        base
    }

    #[test]
    fn bases_are_shared_by_the_rules_on_a_hook() {
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
    fn each_use_has_its_own_span() {
        let outcome = built("on file_open audit { file.inode }\n  on file_open audit \"x\" { file.inode }");
        let warnings = outcome.diagnostics.iter().filter(|found| found.code == code::KERNEL_ADDRESS);
        let places: Vec<_> = warnings.map(|found| outcome.sources.position(found.primary.span)).collect();
        assert_eq!(places, [(1, 22), (2, 28)]);
    }

    #[test]
    fn each_use_counts_towards_the_limit() {
        // Each `v` expands to some hundred expressions; 200 of them exceed the limit.
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
