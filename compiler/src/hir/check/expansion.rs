//! Limits of expansion. Each definition can use another one twice, so that thirty lines could expand to a
//! thousand million tests, and a field of a view can refer to itself.
//!
//! Invariant: an accepted expression is a tree of at most [`DEPTH_MAX`] levels and a few more, so that the
//! stack needed to walk it is bounded.

use krs_grammar::ast::{Expr, Span};

use super::{Checker, Operand};
use crate::diag::{Diagnostic, code};
use crate::hir::Value;
use crate::hir::walk::{self, Size};

/// Maximum number of expressions that expansion may add to one expression of the policy.
const EXPANDED_MAX: usize = 10_000;

/// Maximum depth of a tree. The parser accepts source expressions of 1000 levels.
const DEPTH_MAX: usize = 1200;

/// Maximum number of pointers that a field path follows. Each requires a load.
const POINTERS_MAX: usize = 128;

/// The size of the current expression so far.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::hir) struct Expansion {
    depth: usize,
    expanded: usize,
    /// True if a limit was exceeded and reported.
    exceeded: bool,
    /// The innermost expression of the policy that is being checked.
    at: Option<Span>,
}

impl Expansion {
    /// Adds the expansions of another checker.
    pub(in crate::hir) fn absorb(&mut self, other: Expansion) {
        self.expanded = self.expanded.max(other.expanded);
    }

    /// Returns the number of expressions expanded since `before`.
    pub(in crate::hir) fn expanded_since(self, before: Expansion) -> usize {
        self.expanded.saturating_sub(before.expanded)
    }

    /// Restores whether a limit was reported, but keeps the count.
    pub(in crate::hir) fn restore_reported(&mut self, before: Expansion) {
        self.exceeded = before.exceeded;
    }
}

impl<'a> Checker<'a> {
    /// Checks an expression within the limits.
    pub(in crate::hir) fn bounded(&mut self, expr: &'a Expr, check: impl FnOnce(&mut Self) -> Operand) -> Operand {
        if self.expansion.depth == 0 {
            self.expansion = Expansion::default();
        }
        let expanding = self.scope.this.is_some() || self.scope.inside.len() > usize::from(self.scope.defining);
        let outer = self.expansion.at;
        if !expanding {
            self.expansion.at = Some(expr.span);
        }
        let size = Size { nodes: usize::from(expanding), depth: self.expansion.depth + 1 };
        if !self.admits(size, expr.span) {
            return Operand::Error;
        }
        self.expansion.depth += 1;
        let operand = check(self);
        self.expansion.depth -= 1;
        self.expansion.at = outer;
        operand
    }

    /// Counts a tree of this size; reports an error and returns false if a limit is exceeded.
    fn admits(&mut self, size: Size, span: Span) -> bool {
        self.expansion.expanded = self.expansion.expanded.saturating_add(size.nodes);
        if !self.expansion.exceeded && self.expansion.expanded <= EXPANDED_MAX && size.depth <= DEPTH_MAX {
            return true;
        }
        if !self.expansion.exceeded {
            self.expansion.exceeded = true;
            let span = self.expansion.at.unwrap_or(span);
            self.report(
                Diagnostic::error(code::EXPANSION_TOO_LARGE, span, "the definitions used here expand too far")
                    .label(if size.depth > DEPTH_MAX {
                        format!("more than {DEPTH_MAX} levels deep")
                    } else {
                        format!("more than {EXPANDED_MAX} expressions")
                    })
                    .note("definitions, constants and views are expanded where they are used")
                    .help("use fewer definitions that refer to each other more than once"),
            );
        }
        false
    }

    /// Counts the copy of an argument that is substituted for a parameter.
    pub(in crate::hir) fn copied(&mut self, operand: Operand, span: Span) -> Operand {
        let size = match &operand {
            Operand::Value(value) => walk::value_size(value),
            Operand::Place(place) => walk::value_size(&place.base),
            Operand::Cond(cond) => walk::cond_size(cond),
            _ => Size::default(),
        };
        if self.admits(size, span) { operand } else { Operand::Error }
    }

    /// Counts `nodes` expanded expressions; reports an error and returns false if there are too many.
    pub(super) fn admits_expansion(&mut self, nodes: usize, span: Span) -> bool {
        self.admits(Size { nodes, depth: 0 }, span)
    }

    /// Checks that one more pointer may be followed; `base` is the field path so far.
    pub(in crate::hir) fn admits_step(&mut self, base: &Value, span: Span) -> bool {
        if self.expansion.exceeded {
            return false;
        }
        if walk::value_size(base).depth <= POINTERS_MAX {
            return true;
        }
        self.expansion.exceeded = true;
        self.report(
            Diagnostic::error(code::EXPANSION_TOO_LARGE, self.expansion.at.unwrap_or(span), "this path is too long")
                .label(format!("more than {POINTERS_MAX} pointers"))
                .help("use a field that is reached through fewer pointers"),
        );
        false
    }
}
