//! Analyses of a typed policy: facts that more than one later stage uses.
//!
//! ```text
//! satisfiability    whether some test results can occur together; built on `numbers` and `texts`
//! unreachable       rules that never match
//! ```
//!
//! An analysis reads a [`hir::Policy`](crate::hir::Policy) and returns a value of its own type. Lints report
//! that value, code generation uses it; neither depends on the other.
//!
//! Invariant: a reported fact holds whatever the kernel stores. An analysis that gives up reports nothing.
//!
//! Absent: diagnostics, which are built in [`lint`](crate::lint).

pub mod satisfiability;
pub mod unreachable;

mod numbers;
mod texts;
