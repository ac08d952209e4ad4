//! Warnings: a policy that means something, though perhaps not what its author meant.
//!
//! ```text
//! warning[KRS0902]: this rule can never fire
//!   policy.krs:1:22: this must hold
//!   policy.krs:1:38: and contradicts this
//! ```
//!
//! Each warning is a file of its own, with its words and its tests; all but `unused` look at the typed policy alone.
//! What follows from tests is found by [`facts`].
//!
//! Invariants: lints run only on a policy without errors; a lint speaks only where it is certain, whatever the
//! kernel stores and whichever tests cannot be answered; what it says points into the policy's own text.
//!
//! Absent: comparisons that are trivial by their type alone and kernels that lack something, which are found where
//! types and kernels are known (`hir`), and whether a warning is shown, which is [`levels`]'s.

use std::collections::{BTreeSet, HashSet};

use krs_grammar::ast::{self, Span};

use crate::diag::{Code, Diagnostic, code};
use crate::hir::{Atom, AtomKind, Cond, Policy, Rule, RuleId, walk};

pub mod facts;
pub mod levels;

mod constant;
mod kernel_address;
mod kind_bits;
mod labels;
mod late_deny;
mod never_fires;
mod numbers;
mod open_flags;
mod path_as_name;
mod racy_path;
mod spares_all;
mod subsumed;
mod texts;
mod unused;
mod wildcard;

#[cfg(test)]
pub(crate) mod testing;

/// What lints look at.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The typed policy.
    pub policy: &'a Policy,
    /// The policy's own files.
    pub own: &'a [ast::File],
    /// How many files were given; the others are used by them.
    pub given: usize,
    /// The standard library's.
    pub library: &'a [ast::File],
}

/// Adds every warning that the policy deserves to those that there are. What is found besides is which rules can never fire.
pub fn run(input: &Input<'_>, diagnostics: &mut Vec<Diagnostic>) -> BTreeSet<RuleId> {
    let mut found = Vec::new();
    // A rule that cannot fire is subsumed by every other, and its comparisons mean nothing: one warning is enough.
    let dead = never_fires::run(input.policy, &mut found);
    let spared = spares_all::run(input.policy, &dead, &mut found);
    let pointless = |rule: usize| dead[rule] || spared[rule];
    constant::run(input.policy, &pointless, &mut found);
    subsumed::run(input.policy, &pointless, &mut found);
    kernel_address::run(input.policy, &mut found);
    late_deny::run(input.policy, &mut found);
    racy_path::run(input.policy, &mut found);
    wildcard::run(input.policy, &mut found);
    open_flags::run(input.policy, &mut found);
    path_as_name::run(input.policy, &mut found);
    kind_bits::run(input.policy, &mut found);
    unused::run(input, &mut found);
    labels::run(input.policy, &mut found);
    // What makes a rule pointless need not be said again of the comparison that does it.
    let pointless: Vec<Span> = found
        .iter()
        .filter(|found| [code::NEVER_MATCHES, code::EXEMPTS_ALL].contains(&found.code))
        .map(|found| found.primary.span)
        .collect();
    diagnostics.retain(|known| {
        let span = known.primary.span;
        let within = |outer: &Span| outer.file == span.file && outer.start <= span.start && span.end <= outer.end;
        known.code != code::ALWAYS_TRUE || !pointless.iter().any(within)
    });
    let what = |diagnostic: &Diagnostic| (diagnostic.code, diagnostic.primary.span);
    // A rule on several hooks is there once for each, and types have told of some comparisons before.
    let mut said: HashSet<(Code, Span)> = diagnostics.iter().map(what).collect();
    diagnostics.extend(found.into_iter().filter(|diagnostic| said.insert(what(diagnostic))));
    (0..input.policy.rules.len()).filter(|rule| dead[*rule] || spared[*rule]).map(|rule| RuleId(rule as u32)).collect()
}

/// Whether a rule is on several hooks and says something else on another one: what is known before anything is read
/// then tells them apart, as `hook.name` does, and is no mistake.
fn differs_by_hook(policy: &Policy, index: usize, part: impl Fn(&Rule) -> Option<&Cond>) -> bool {
    let rule = &policy.rules[index];
    let same = |other: &&Rule| other.span == rule.span;
    let before = policy.rules[..index].iter().rev().take_while(same);
    let behind = policy.rules[index + 1..].iter().take_while(same);
    before.chain(behind).any(|other| part(other) != part(rule))
}

/// The smallest span of a condition's tests that are written in the rule itself; those of a definition that it calls are
/// elsewhere. The whole rule where there is none.
fn within(rule: &Rule, cond: &Cond) -> Span {
    let mut found: Option<Span> = None;
    atoms(cond, &mut |Atom { span, .. }| {
        if inside(rule, *span) {
            found = Some(found.map_or(*span, |known| known.to(*span)));
        }
    });
    found.unwrap_or(rule.span)
}

/// Whether a span is the rule's own text.
fn inside(rule: &Rule, span: Span) -> bool {
    span.file == rule.span.file && rule.span.start <= span.start && span.end <= rule.span.end
}

/// A condition's tests.
fn atoms(cond: &Cond, each: &mut impl FnMut(&Atom)) {
    match cond {
        Cond::Const(_) => {}
        Cond::Atom(atom) => each(atom),
        Cond::Not(inner) => atoms(inner, each),
        Cond::And(left, right) | Cond::Or(left, right) => {
            atoms(left, each);
            atoms(right, each);
        }
    }
}

/// All tests of a rule, those inside of values and those that are asked of ancestors too.
fn tests<'p>(rule: &'p Rule, each: &mut impl FnMut(&'p Atom)) {
    let mut conds: Vec<&Cond> = rule.when.iter().chain(&rule.unless).collect();
    while let Some(cond) = conds.pop() {
        walk::each_in_cond(cond, &mut |atom| {
            each(atom);
            if let AtomKind::AnyAncestor { cond, .. } = &atom.kind {
                conds.push(cond);
            }
        });
    }
}

/// All ways in which a rule can fire; `None` where they are too many.
fn firing(rule: &Rule) -> Option<Vec<facts::Way<'_>>> {
    let asked = match &rule.when {
        Some(when) => facts::ways(when, facts::Answer::True)?,
        None => vec![Vec::new()],
    };
    match &rule.unless {
        Some(unless) => facts::both(asked, &facts::ways(unless, facts::Answer::NotTrue)?),
        None => Some(asked),
    }
}
