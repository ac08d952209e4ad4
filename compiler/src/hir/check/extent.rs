//! Bounds on what definitions expand to. A line can use the line before it twice, so thirty lines can stand for a
//! thousand million tests; and a view's field can lead to itself.
//!
//! Invariant: what passes is a tree of at most [`DEPTH_MAX`] and a few levels, so that walking it needs a known stack.

use krs_grammar::ast::{Expr, Span};

use super::{Checker, Operand};
use crate::diag::{Diagnostic, code};
use crate::hir::Value;
use crate::hir::walk::{self, Size};

/// Expressions that definitions may add to one expression of the policy.
const EXPANDED_MAX: usize = 10_000;

/// Deepest tree. The parser admits expressions of 1000 levels as they are written.
const DEPTH_MAX: usize = 1200;

/// Pointers that a path follows, one after the other. Each is a read of its own in the program.
const POINTERS_MAX: usize = 128;

/// How far the expression at hand has got.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::hir) struct Extent {
    depth: usize,
    expanded: usize,
    /// It went too far, and that has been said.
    exceeded: bool,
    /// The innermost expression of the policy's that is being looked at.
    at: Option<Span>,
}

impl Extent {
    /// Counts the effort of another checker.
    pub(in crate::hir) fn absorb(&mut self, other: Extent) {
        self.expanded = self.expanded.max(other.expanded);
    }

    /// How much of the effort came since.
    pub(in crate::hir) fn effort_since(self, before: Extent) -> usize {
        self.expanded.saturating_sub(before.expanded)
    }

    /// Forgets what was reported since, but not the effort.
    pub(in crate::hir) fn unreported(&mut self, before: Extent) {
        self.exceeded = before.exceeded;
    }
}

impl<'a> Checker<'a> {
    /// Checks an expression within the bounds.
    pub(in crate::hir) fn bounded(&mut self, expr: &'a Expr, check: impl FnOnce(&mut Self) -> Operand) -> Operand {
        if self.extent.depth == 0 {
            self.extent = Extent::default();
        }
        let expanding = self.scope.this.is_some() || self.scope.inside.len() > usize::from(self.scope.defining);
        let outer = self.extent.at;
        if !expanding {
            self.extent.at = Some(expr.span);
        }
        let size = Size { nodes: usize::from(expanding), depth: self.extent.depth + 1 };
        if !self.admits(size, expr.span) {
            return Operand::Error;
        }
        self.extent.depth += 1;
        let operand = check(self);
        self.extent.depth -= 1;
        self.extent.at = outer;
        operand
    }

    /// Whether another tree of this size may stand here.
    fn admits(&mut self, size: Size, span: Span) -> bool {
        self.extent.expanded = self.extent.expanded.saturating_add(size.nodes);
        if !self.extent.exceeded && self.extent.expanded <= EXPANDED_MAX && size.depth <= DEPTH_MAX {
            return true;
        }
        if !self.extent.exceeded {
            self.extent.exceeded = true;
            let span = self.extent.at.unwrap_or(span);
            self.report(
                Diagnostic::error(code::EXPANSION_TOO_LARGE, span, "the definitions used here expand too far")
                    .label(if size.depth > DEPTH_MAX {
                        format!("more than {DEPTH_MAX} levels deep")
                    } else {
                        format!("more than {EXPANDED_MAX} expressions")
                    })
                    .note("definitions, constants and views are written out where they are used")
                    .help("use fewer definitions that use each other more than once"),
            );
        }
        false
    }

    /// What stands for a parameter is copied to each place that names it.
    pub(in crate::hir) fn copied(&mut self, operand: Operand, span: Span) -> Operand {
        let size = match &operand {
            Operand::Value(value) => walk::value_size(value),
            Operand::Place(place) => walk::value_size(&place.base),
            Operand::Cond(cond) => walk::cond_size(cond),
            _ => Size::default(),
        };
        if self.admits(size, span) { operand } else { Operand::Error }
    }

    /// Whether so many more expressions may be expanded here.
    pub(super) fn admits_effort(&mut self, nodes: usize, span: Span) -> bool {
        self.admits(Size { nodes, depth: 0 }, span)
    }

    /// One step further along pointers; `base` is the way so far.
    pub(in crate::hir) fn admits_step(&mut self, base: &Value, span: Span) -> bool {
        if self.extent.exceeded {
            return false;
        }
        if walk::value_size(base).depth <= POINTERS_MAX {
            return true;
        }
        self.extent.exceeded = true;
        self.report(
            Diagnostic::error(code::EXPANSION_TOO_LARGE, self.extent.at.unwrap_or(span), "this path is too long")
                .label(format!("more than {POINTERS_MAX} pointers"))
                .help("name a field that is nearer"),
        );
        false
    }
}
