//! Rules that never match, whatever the kernel stores.
//!
//! ```text
//! on file_open when task.uid == 0 and task.uid == 1000 deny           its `when` is never true
//! on file_open when task.uid == 0 unless task.uid < 1000 deny         its `unless` exempts every match
//! ```
//!
//! Lints report these rules; the decision stage leaves them out.
//!
//! Invariant: a rule in the result never matches. A condition with too many disjuncts is assumed to be
//! satisfiable.

use super::satisfiability::{self, Answer, Conjunction};
use crate::hir::{Policy, Rule, RuleId};

/// The reason why a rule never matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its `when` is never true.
    WhenNeverTrue,
    /// Its `unless` is true wherever its `when` is.
    AlwaysExempt,
}

/// The unreachable rules of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unreachable {
    /// Reasons by [`RuleId`]; `None` for rules that may match.
    causes: Vec<Option<Cause>>,
}

impl Unreachable {
    /// Finds the unreachable rules of a policy.
    #[must_use]
    pub fn find(policy: &Policy) -> Unreachable {
        Unreachable { causes: policy.rules.iter().map(cause).collect() }
    }

    /// Returns the reason why a rule never matches, if it is known not to.
    #[must_use]
    pub fn cause(&self, rule: RuleId) -> Option<Cause> {
        self.causes.get(rule.0 as usize).copied().flatten()
    }

    /// Returns true for a rule that never matches.
    #[must_use]
    pub fn contains(&self, rule: RuleId) -> bool {
        self.cause(rule).is_some()
    }
}

/// Returns the reason why a rule never matches, if it is known not to.
#[must_use]
pub fn cause(rule: &Rule) -> Option<Cause> {
    let unsatisfiable =
        |form: &[Conjunction<'_>]| form.iter().all(|conjunction| satisfiability::conflict(conjunction).is_some());
    if let Some(when) = &rule.when
        && satisfiability::disjuncts(when, Answer::True).is_some_and(|form| unsatisfiable(&form))
    {
        return Some(Cause::WhenNeverTrue);
    }
    if rule.unless.is_some() && satisfiability::matching(rule).is_some_and(|form| unsatisfiable(&form)) {
        return Some(Cause::AlwaysExempt);
    }
    None
}
