//! Lints: warnings about valid policies that probably do not mean what their author intended.
//!
//! ```text
//! warning[KRS0902]: this rule can never match on `file_open`
//!   --> policy.krs:1:37
//!   |
//! 1 | on file_open when task.uid == 0 and task.uid == 1000 deny
//!   |                   -------------     ^^^^^^^^^^^^^^^^ this must hold, which contradicts the other test
//!   |                   |
//!   |                   this must hold
//! ```
//!
//! Each lint is a file with its messages and its tests. All but `unused` use only the typed policy.
//! Implications between tests are found by [`satisfiability`](crate::analysis::satisfiability).
//!
//! Invariants: lints run only on policies without errors. A lint reports only what holds for all values in the
//! kernel and whichever tests are unknown. Its spans are in the text of the policy.
//!
//! Absent: comparisons that are constant by their types, and fields that some kernels lack, which `hir`
//! reports; the selection of the warnings that are shown ([`levels`]).

use std::collections::HashSet;

use krs_grammar::ast::{self, Span};

use crate::analysis::unreachable::Unreachable;
use crate::diag::{Code, Diagnostic, code};
use crate::hir::{Atom, AtomKind, Cond, Policy, Rule, RuleId, walk};

pub mod levels;

mod constant;
mod exempts_all;
mod families;
mod kernel_address;
mod kind_bits;
mod labels;
mod late_deny;
mod lock_out;
mod mount_type;
mod never_matches;
mod open_flags;
mod path_as_name;
mod racy_path;
mod subsumed;
mod unused;
mod wildcard;
mod write_flags;

#[cfg(test)]
use crate::testing;

/// Input of the lints.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The typed policy, free of errors.
    pub policy: &'a Policy,
    /// The rules that never match.
    pub unreachable: &'a Unreachable,
    /// Files of the policy, without the standard library.
    pub own: &'a [ast::File],
    /// Number of files given by the user; they come first, and the rest are imported by `use`.
    pub given: usize,
    /// Files of the standard library.
    pub library: &'a [ast::File],
}

/// Adds all warnings about a policy.
pub fn run(input: &Input<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut found = Vec::new();
    // An unreachable rule would also be subsumed by every other, and its comparisons be constant: one warning
    // is enough.
    never_matches::run(input.policy, input.unreachable, &mut found);
    exempts_all::run(input.policy, input.unreachable, &mut found);
    let unreachable = |rule: usize| input.unreachable.contains(RuleId(rule as u32));
    constant::run(input.policy, &unreachable, &mut found);
    subsumed::run(input.policy, &unreachable, &mut found);
    kernel_address::run(input.policy, &mut found);
    late_deny::run(input.policy, &mut found);
    racy_path::run(input.policy, &mut found);
    wildcard::run(input.policy, &mut found);
    open_flags::run(input.policy, &mut found);
    write_flags::run(input.policy, &mut found);
    mount_type::run(input.policy, &mut found);
    lock_out::run(input.policy, &mut found);
    families::run(input.policy, &mut found);
    path_as_name::run(input.policy, &mut found);
    kind_bits::run(input.policy, &mut found);
    unused::run(input, &mut found);
    labels::run(input.policy, &mut found);
    // The comparison that makes a rule unreachable is not reported again as constant.
    let reported: Vec<Span> = found
        .iter()
        .filter(|found| [code::NEVER_MATCHES, code::EXEMPTS_ALL].contains(&found.code))
        .map(|found| found.primary.span)
        .collect();
    diagnostics.retain(|known| {
        let span = known.primary.span;
        let within = |outer: &Span| outer.file == span.file && outer.start <= span.start && span.end <= outer.end;
        known.code != code::ALWAYS_TRUE || !reported.iter().any(within)
    });
    let key = |diagnostic: &Diagnostic| (diagnostic.code, diagnostic.primary.span);
    // A rule on several hooks is checked once for each, and the type checker has reported some comparisons already.
    let mut seen: HashSet<(Code, Span)> = diagnostics.iter().map(key).collect();
    diagnostics.extend(found.into_iter().filter(|diagnostic| seen.insert(key(diagnostic))));
}

/// Returns whether a condition of a rule on several hooks differs between them. A test of
/// `hook.name`, which the compiler evaluates, is then intentional.
fn differs_by_hook(policy: &Policy, index: usize, part: impl Fn(&Rule) -> Option<&Cond>) -> bool {
    let rule = &policy.rules[index];
    let same = |other: &&Rule| other.span == rule.span;
    let before = policy.rules[..index].iter().rev().take_while(same);
    let after = policy.rules[index + 1..].iter().take_while(same);
    before.chain(after).any(|other| part(other) != part(rule))
}

/// Returns the smallest span of the tests of a condition that are in the text of the rule, not in a definition
/// that it uses; the span of the rule if there are none.
fn within(rule: &Rule, cond: &Cond) -> Span {
    let mut found: Option<Span> = None;
    atoms(cond, &mut |Atom { span, .. }| {
        if inside(rule, *span) {
            found = Some(found.map_or(*span, |known| known.to(*span)));
        }
    });
    found.unwrap_or(rule.span)
}

/// Returns whether a span is in the text of a rule.
fn inside(rule: &Rule, span: Span) -> bool {
    span.file == rule.span.file && rule.span.start <= span.start && span.end <= rule.span.end
}

/// Visits the tests of a condition.
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

/// Visits all tests of a rule, including those nested in values and in `any ... in task.ancestors`.
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
