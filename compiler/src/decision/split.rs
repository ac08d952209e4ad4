//! The programs of a hook, which tail-call each other.
//!
//! ```text
//! part 0                     rules 0, 2, 5     calls part 1: allowed, or denied EPERM
//! part 0, restarted          rules 0, 2, 5     calls part 1, restarted, or part 1, denied EPERM
//! part 1, allowed            rules 1, 3, 4
//! part 1, restarted          rules 1, 3, 4     calls the undecided rules if none denies
//! part 1, undecided          rules 0 to 5      only whether one is undecided
//! part 1, denied EPERM       rules 1, 3, 4     only their actions other than deny
//! ```
//!
//! A hook has several parts if its single program would be too large. Each part after the first exists once for
//! each verdict that the earlier parts can have. The program that is called thus encodes the verdict so far.
//! Nothing is stored between the programs, where another operation on the same CPU could overwrite it. Executed in
//! order, the parts are equivalent to the single graph: rules that deny come before rules that only observe, and
//! the first part with an enforced denial determines the errno.
//!
//! If some rule of a hook can be undecided (`undecided`), a test of an unreadable value calls a program that
//! evaluates the rules of its part again, with the verdict in a variable. After the last rule that denies, a
//! further program looks for an undecided rule. These programs are separate from those that every operation
//! executes, which then keep no values for them.
//!
//! Invariants: each rule is in one part; the rules of one index stay together; rules that set or clear labels
//! are in the last part, because every test sees the labels as they were before the operation. For the same reason
//! the undecided rules are in the programs of the last part if rules that deny set or clear labels.
//!
//! Absent: the maximum size of a part, which `bpf` determines.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use super::{Graph, Index, Plan, lower, undecided};
use crate::hir::{HookId, Policy, RuleId};
use crate::optimise::Optimise;

/// Position of a graph among the programs of its hook. The default is the only program of a hook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Number of parts before this one.
    pub number: u32,
    /// Errno with which earlier parts have denied the operation; 0 if it is allowed so far.
    pub denied: i32,
    /// Manner in which the rules are evaluated.
    pub role: Role,
    /// Programs of the next part, one for each verdict; empty for the last part.
    pub next: Vec<Next>,
    /// A later part has actions that are performed even if the operation is already denied.
    pub effects_after: bool,
    /// Program that evaluates the rules of this part again, for a value that is unreadable.
    pub restart: Option<GraphId>,
    /// Program called after the last rule that denies if the operation is allowed, but a value may have been
    /// unreadable: the next part, restarted, or undecided rules.
    pub in_doubt: Option<GraphId>,
}

/// Manner in which a program evaluates the rules of its part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// In order, until one matches.
    #[default]
    Decide,
    /// All of them, since a value was unreadable and the operation is allowed so far.
    Restart,
    /// The undecided ones among a share of the rules of the hook, with the number of the share.
    Undecided(u32),
}

/// Index among the graphs of a hook, not counting the first: the index into the array of tail-called programs.
pub type GraphId = u32;

/// Program of the next part for one verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// Errno with which the operation has been denied; 0 if it is allowed so far.
    pub denied: i32,
    /// Program for this verdict.
    pub graph: GraphId,
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
    let made = graphs(policy, hook, parts, optimise, &mut plan.indexes);
    let at = plan.graphs.iter().position(|graph| graph.hook == hook).unwrap_or(plan.graphs.len());
    plan.graphs.retain(|graph| graph.hook != hook);
    plan.graphs.splice(at..at, made);
}

/// Returns the graphs of a hook whose rules are in these parts, the one that is attached first.
pub(super) fn graphs(
    policy: &Policy,
    hook: HookId,
    parts: &[Vec<RuleId>],
    optimise: Optimise,
    indexes: &mut Vec<Index>,
) -> Vec<Graph> {
    let mut all: Vec<RuleId> = parts.concat();
    all.sort_unstable();
    let programs = programs(policy, parts, &all);
    let graph_of = |number: usize, denied: i32, role: Role| {
        let of = |(of, _): &(Part, _)| (of.number as usize, of.denied, of.role) == (number, denied, role);
        programs.iter().position(of).map(|at| at as GraphId - 1)
    };
    let rule = |id: &RuleId| &policy.rules[id.0 as usize];
    let mut made = Vec::with_capacity(programs.len());
    for (part, undecided) in &programs {
        let (mut part, at) = (part.clone(), part.number as usize);
        let of_next = programs.iter().filter(|(of, _)| of.number as usize == at + 1 && of.role == Role::Decide);
        let next = |of: &Part| Next {
            denied: of.denied,
            graph: graph_of(at + 1, of.denied, Role::Decide).expect("every program has a graph"),
        };
        part.next = of_next.map(|(of, _)| next(of)).collect();
        part.effects_after =
            parts[at + 1..].iter().flatten().map(rule).any(|rule| rule.deny.is_none() || rule.has_effects());
        let restarted = |number| graph_of(number, 0, Role::Restart);
        match part.role {
            _ if part.denied != 0 => {}
            Role::Decide => {
                part.restart = restarted(at);
                part.in_doubt = part.restart.and_then(|_| restarted(at + 1).or(graph_of(at, 0, Role::Undecided(0))));
            }
            Role::Restart => part.in_doubt = restarted(at + 1).or(graph_of(at, 0, Role::Undecided(0))),
            Role::Undecided(share) => part.in_doubt = graph_of(at, 0, Role::Undecided(share + 1)),
        }
        made.push(lower::graph(policy, hook, &parts[at], undecided, part, optimise, indexes));
    }
    made
}

/// Returns the programs of a hook, without those that they call. Each has the rules that it finds undecided.
fn programs(policy: &Policy, parts: &[Vec<RuleId>], all: &[RuleId]) -> Vec<(Part, Vec<RuleId>)> {
    let rule = |id: &RuleId| &policy.rules[id.0 as usize];
    let denies = |rules: &Vec<RuleId>| rules.iter().any(|id| rule(id).deny.is_some());
    let last = parts.iter().rposition(denies).unwrap_or(0);
    let marks = all.iter().map(rule).any(|rule| rule.deny.is_some() && !rule.marks.is_empty());
    let undecided: Vec<RuleId> = all.iter().filter(|id| undecided::can_be(rule(id))).copied().collect();
    let mut programs = Vec::new();
    let (mut errnos, mut doubtful) = (BTreeSet::new(), false);
    for (number, rules) in parts.iter().enumerate() {
        let part = Part { number: number as u32, ..Part::default() };
        doubtful |= undecided::any_can_be(policy, rules);
        let in_place = if marks && number == last { undecided.clone() } else { Vec::new() };
        programs.push((part.clone(), in_place.clone()));
        if number > 0 {
            programs.extend(errnos.iter().map(|denied| (Part { denied: *denied, ..part.clone() }, Vec::new())));
        }
        if doubtful && number <= last {
            programs.push((Part { role: Role::Restart, ..part.clone() }, in_place));
        }
        if doubtful && number == last && !marks {
            // As many shares as there are parts of rules that deny: a part fits into a program.
            let shares = undecided.chunks(undecided.len().div_ceil(last + 1)).zip(0..);
            programs.extend(
                shares.map(|(rules, share)| (Part { role: Role::Undecided(share), ..part.clone() }, rules.to_vec())),
            );
        }
        errnos.extend(rules.iter().filter_map(|id| rule(id).errno()));
    }
    programs
}
