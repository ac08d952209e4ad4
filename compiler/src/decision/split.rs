//! Splitting of a hook into several programs that tail-call each other, for hooks whose single program would be
//! too large.
//!
//! ```text
//! part 0, allowed            rules 0, 2, 5     continues with part 1: allowed, or denied EPERM
//! part 1, allowed            rules 1, 3, 4
//! part 1, denied EPERM       rules 1, 3, 4     only their actions other than deny
//! ```
//!
//! Each part after the first exists once for each verdict that the earlier parts can have. The program that is
//! called thus encodes the verdict so far. Nothing is stored between the programs, where another operation on
//! the same CPU could overwrite it. Executed in order, the parts are equivalent to the single graph: rules that
//! deny come before rules that only observe, and the first part with an enforced denial determines the errno.
//!
//! Invariants: each rule is in one part; the rules of one index stay together; rules that set or clear labels
//! are in the last part, because every test sees the labels as they were before the operation.
//!
//! Absent: the maximum size of a part, which `bpf` determines.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use super::{Graph, Plan, lower};
use crate::hir::{HookId, Policy, RuleId};
use crate::optimise::Optimise;

/// Position of a graph among the programs of its hook. The default is the only program of a hook that is not split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Number of parts before this one.
    pub number: u32,
    /// Errno with which earlier parts have denied the operation; 0 if it is allowed so far.
    pub denied: i32,
    /// Programs of the next part, one for each verdict; empty for the last part.
    pub next: Vec<Next>,
    /// A later part has actions that are performed even if the operation is already denied.
    pub effects_after: bool,
}

/// Program of the next part for one verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// Errno with which the operation has been denied; 0 if it is allowed so far.
    pub denied: i32,
    /// Index among the graphs of the hook, not counting the first: the index into the array of tail-called
    /// programs.
    pub graph: u32,
}

/// Rules of a hook in indivisible groups, in a valid evaluation order.
#[derive(Debug)]
pub struct Groups {
    /// Groups of rules; no group is empty.
    pub groups: Vec<Vec<RuleId>>,
    /// Number of groups at the end that must be in one part.
    pub together: usize,
}

impl Groups {
    /// Returns the rules of a range of groups, in source order.
    #[must_use]
    pub fn rules(&self, of: Range<usize>) -> Vec<RuleId> {
        let mut rules: Vec<RuleId> = self.groups[of].iter().flatten().copied().collect();
        rules.sort_unstable();
        rules
    }
}

/// Groups the rules of a hook, in source order. Among the rules that only observe, those that set or clear labels come last. If
/// a rule that denies does so, it and all groups after it form the last part.
#[must_use]
pub fn groups(policy: &Policy, rules: &[RuleId], optimise: Optimise) -> Groups {
    let (denying, observing) = lower::units(policy, rules, optimise, &mut Vec::new());
    let mut groups: Vec<Vec<RuleId>> = Vec::new();
    let mut seen: HashMap<RuleId, usize> = HashMap::new();
    for unit in denying.into_iter().chain(observing) {
        // The rows of a rule can be in two units. The units between them join the group, to keep the evaluation
        // order.
        let first = unit.rules.iter().filter_map(|id| seen.get(id)).min().copied().unwrap_or(groups.len());
        let between = groups.split_off(first).into_iter().flatten();
        let mut group: Vec<RuleId> = between.chain(unit.rules).collect();
        group.sort_unstable();
        group.dedup();
        seen.extend(group.iter().map(|id| (*id, first)));
        groups.push(group);
    }
    let any = |group: &[RuleId], test: &dyn Fn(&crate::hir::Rule) -> bool| {
        group.iter().any(|id| test(&policy.rules[id.0 as usize]))
    };
    let marks = |group: &[RuleId]| any(group, &|rule| !rule.marks.is_empty());
    let denies = |group: &[RuleId]| any(group, &|rule| rule.deny.is_some());
    // A group after a denial that marks can be evaluated neither before the denial nor, in a later part, after
    // its mark.
    if let Some(first) = groups.iter().position(|group| marks(group) && denies(group)) {
        return Groups { together: groups.len() - first, groups };
    }
    let (marking, mut groups): (Vec<Vec<RuleId>>, Vec<Vec<RuleId>>) =
        groups.into_iter().partition(|group| marks(group));
    let together = marking.len();
    groups.extend(marking);
    Groups { groups, together }
}

/// Replaces the graphs of a hook by those of its parts, each given as a list of rules.
pub fn split(policy: &Policy, plan: &mut Plan, hook: HookId, parts: &[Vec<RuleId>], optimise: Optimise) {
    let rule = |id: &RuleId| &policy.rules[id.0 as usize];
    let errnos =
        |parts: &[Vec<RuleId>]| -> BTreeSet<i32> { parts.iter().flatten().filter_map(|id| rule(id).errno()).collect() };
    // By part: the programs of the part after it.
    let mut next_programs: Vec<Vec<Next>> = Vec::with_capacity(parts.len() + 1);
    let mut graphs = 0;
    for number in 1..parts.len() {
        let denied = std::iter::once(0).chain(errnos(&parts[..number]));
        next_programs.push(denied.zip(graphs..).map(|(denied, graph)| Next { denied, graph }).collect());
        graphs += next_programs[number - 1].len() as u32;
    }
    next_programs.push(Vec::new());
    let mut made: Vec<Graph> = Vec::with_capacity(1 + graphs as usize);
    for (number, rules) in parts.iter().enumerate() {
        let effects_after =
            parts[number + 1..].iter().flatten().map(rule).any(|rule| rule.deny.is_none() || rule.has_effects());
        let denied: Vec<i32> = match number.checked_sub(1) {
            Some(before) => next_programs[before].iter().map(|next| next.denied).collect(),
            None => vec![0],
        };
        for denied in denied {
            let part = Part { number: number as u32, denied, next: next_programs[number].clone(), effects_after };
            made.push(lower::graph(policy, hook, rules, part, optimise, &mut plan.indexes));
        }
    }
    let at = plan.graphs.iter().position(|graph| graph.hook == hook).unwrap_or(plan.graphs.len());
    plan.graphs.retain(|graph| graph.hook != hook);
    plan.graphs.splice(at..at, made);
}
