//! What happens on a hook in parts, where one program for all of it would be too large.
//!
//! ```text
//! part 0, nothing denied     rules 0, 2, 5     then part 1: nothing denied, or denied EPERM
//! part 1, nothing denied     rules 1, 3, 4
//! part 1, denied EPERM       rules 1, 3, 4     only what they record besides
//! ```
//!
//! Each part is a program of its own, which the one before it calls as its last act. What has been denied so far is not
//! handed on but is in which program that is: nothing has to be kept between them, where another operation on the
//! same processor could come in between. Run in order they do what the one graph of all does: what denies comes before what
//! only watches, and among rules that deny the first part that has one which is enforced settles the errno.
//!
//! Invariants: each rule is in one part; rules that one search finds are not torn apart; rules that mark are in the last part,
//! since every test sees the labels as they were before.
//!
//! Absent: how large a part may be, which `bpf` knows.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use super::{Graph, Plan, lower};
use crate::hir::{HookId, Policy, RuleId};
use crate::optimise::Optimise;

/// Which part of what happens on a hook a graph is. The default is all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// So many come before it.
    pub number: u32,
    /// What they have denied the operation with; 0 where nothing is denied.
    pub denied: i32,
    /// What the next part begins with, each another graph; empty where this is the last.
    pub next: Vec<Next>,
    /// Later parts record something whatever has been denied.
    pub effects_after: bool,
}

/// Where a part goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// Where the operation is denied with this; 0 where nothing is.
    pub denied: i32,
    /// With this graph, counted from the hook's second.
    pub graph: u32,
}

/// The rules of a hook in groups that stay together, in an order in which they may be asked.
#[derive(Debug)]
pub struct Groups {
    /// None is empty.
    pub groups: Vec<Vec<RuleId>>,
    /// So many at the end must be in one part.
    pub together: usize,
}

impl Groups {
    /// The rules of some groups, in source order.
    #[must_use]
    pub fn rules(&self, of: Range<usize>) -> Vec<RuleId> {
        let mut rules: Vec<RuleId> = self.groups[of].iter().flatten().copied().collect();
        rules.sort_unstable();
        rules
    }
}

/// The rules of a hook in groups. Of rules that only watch those that mark come last; where a rule denies and marks, it and all
/// that are asked behind it are in the last part.
#[must_use]
pub fn groups(policy: &Policy, hook: HookId, optimise: Optimise) -> Groups {
    let on_hook = |id: &RuleId| policy.rules[id.0 as usize].hook == hook;
    let rules: Vec<RuleId> = (0..policy.rules.len() as u32).map(RuleId).filter(on_hook).collect();
    let (denying, watching) = lower::units(policy, &rules, optimise, &mut Vec::new());
    let mut groups: Vec<Vec<RuleId>> = Vec::new();
    let mut seen: HashMap<RuleId, usize> = HashMap::new();
    for unit in denying.into_iter().chain(watching) {
        // A rule can be in two units, some of its rows in each: what is asked between them must not get behind both.
        let first = unit.rules.iter().filter_map(|id| seen.get(id)).min().copied().unwrap_or(groups.len());
        let between = groups.split_off(first).into_iter().flatten();
        let mut group: Vec<RuleId> = between.chain(unit.rules).collect();
        group.sort_unstable();
        group.dedup();
        seen.extend(group.iter().map(|id| (*id, first)));
        groups.push(group);
    }
    let is = |group: &[RuleId], so: &dyn Fn(&crate::hir::Rule) -> bool| {
        group.iter().any(|id| so(&policy.rules[id.0 as usize]))
    };
    let marks = |group: &[RuleId]| is(group, &|rule| !rule.marks.is_empty());
    let denies = |group: &[RuleId]| is(group, &|rule| rule.deny.is_some());
    // What is asked behind a denial that marks can neither come before it nor behind its mark.
    if let Some(first) = groups.iter().position(|group| marks(group) && denies(group)) {
        return Groups { together: groups.len() - first, groups };
    }
    let (marking, mut groups): (Vec<Vec<RuleId>>, Vec<Vec<RuleId>>) =
        groups.into_iter().partition(|group| marks(group));
    let together = marking.len();
    groups.extend(marking);
    Groups { groups, together }
}

/// Puts the parts of a hook, each the rules that it has, in place of the hook's graphs.
pub fn split(policy: &Policy, plan: &mut Plan, hook: HookId, parts: &[Vec<RuleId>], optimise: Optimise) {
    let rule = |id: &RuleId| &policy.rules[id.0 as usize];
    let errnos =
        |parts: &[Vec<RuleId>]| -> BTreeSet<i32> { parts.iter().flatten().filter_map(|id| rule(id).errno()).collect() };
    // By part, what has been denied where it begins, and which graph that is.
    let mut begins: Vec<Vec<Next>> = Vec::with_capacity(parts.len() + 1);
    let mut graphs = 0;
    for number in 1..parts.len() {
        let denied = std::iter::once(0).chain(errnos(&parts[..number]));
        begins.push(denied.zip(graphs..).map(|(denied, graph)| Next { denied, graph }).collect());
        graphs += begins[number - 1].len() as u32;
    }
    begins.push(Vec::new());
    let mut made: Vec<Graph> = Vec::with_capacity(1 + graphs as usize);
    for (number, rules) in parts.iter().enumerate() {
        let effects_after =
            parts[number + 1..].iter().flatten().map(rule).any(|rule| rule.deny.is_none() || rule.has_effects());
        let denied: Vec<i32> = match number.checked_sub(1) {
            Some(before) => begins[before].iter().map(|next| next.denied).collect(),
            None => vec![0],
        };
        for denied in denied {
            let part = Part { number: number as u32, denied, next: begins[number].clone(), effects_after };
            made.push(lower::graph(policy, hook, rules, part, optimise, &mut plan.indexes));
        }
    }
    let at = plan.graphs.iter().position(|graph| graph.hook == hook).unwrap_or(plan.graphs.len());
    plan.graphs.retain(|graph| graph.hook != hook);
    plan.graphs.splice(at..at, made);
}
