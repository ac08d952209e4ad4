//! Typed rules to graphs.
//!
//! Rules become units, each a rule or many of one shape (`index.rs`), whose steps are put in order (`order.rs`). Units that
//! deny come first, in source order: the first that fires settles the verdict. What is left to do then is recording: the
//! audits of later units, which carry that verdict. A graph is built from its exits to its entry, since a node must
//! know where it leads.

use std::collections::{BTreeSet, HashMap};

use super::index::{self, Step, Unit};
use super::normalise::Literal;
use super::{Graph, Index, Node, NodeId, Plan, Verdict, order};
use crate::hir::{Cond, HookId, Policy, RuleId};
use crate::optimise::{Optimisation, Optimise};

/// Plans every hook.
#[must_use]
pub fn lower(policy: &Policy, optimise: Optimise) -> Plan {
    let mut by_hook: Vec<Vec<RuleId>> = vec![Vec::new(); policy.hooks.len()];
    for (id, rule) in policy.rules.iter().enumerate() {
        by_hook[rule.hook.index()].push(RuleId(id as u32));
    }
    let mut indexes = Vec::new();
    let graphs = by_hook
        .iter()
        .enumerate()
        .map(|(hook, rules)| graph(policy, HookId(hook as u32), rules, optimise, &mut indexes))
        .collect();
    Plan { graphs, indexes }
}

/// Units with one errno that follow each other; 0 for those that only watch.
struct Run<'p> {
    errno: i32,
    units: Vec<Unit<'p>>,
}

fn runs<'p>(policy: &'p Policy, rules: &[RuleId], optimise: Optimise, indexes: &mut Vec<Index>) -> Vec<Run<'p>> {
    let errno = |id: &RuleId| policy.rules[id.0 as usize].enforced().map_or(0, |deny| deny.errno);
    rules
        .chunk_by(|a, b| errno(a) == errno(b))
        .map(|rules| {
            let mut units = index::units(policy, rules, optimise.does(Optimisation::Index), indexes);
            if optimise.does(Optimisation::Order) {
                order::order(&mut units, indexes);
            }
            Run { errno: errno(&rules[0]), units }
        })
        .collect()
}

fn graph(policy: &Policy, hook: HookId, rules: &[RuleId], optimise: Optimise, indexes: &mut Vec<Index>) -> Graph {
    let effects = |unit: &Unit<'_>| policy.rules[unit.rules[0].0 as usize].has_effects();
    let (denying, watching): (Vec<RuleId>, Vec<RuleId>) =
        rules.iter().partition(|id| policy.rules[id.0 as usize].enforced().is_some());
    let denying: Vec<(i32, Unit<'_>)> = runs(policy, &denying, optimise, indexes)
        .into_iter()
        .flat_map(|run| run.units.into_iter().map(move |unit| (run.errno, unit)))
        .collect();
    let watching: Vec<Unit<'_>> =
        runs(policy, &watching, optimise, indexes).into_iter().flat_map(|run| run.units).collect();
    let errnos: BTreeSet<i32> = denying.iter().map(|(errno, _)| *errno).collect();
    // What can follow a denial: nothing, or recording, by code that several verdicts share.
    let last_audit = denying.iter().rposition(|(_, unit)| effects(unit));
    let recorded_after = |at: usize| !watching.is_empty() || last_audit.is_some_and(|last| last > at);
    let shared = match (watching.is_empty(), errnos.len()) {
        (true, 0 | 1) | (false, 0) => Verdict::Constant(errnos.first().copied().unwrap_or(0)),
        _ => Verdict::Chosen,
    };

    let mut build = Build { shared: optimise.does(Optimisation::Shared), ..Build::default() };
    let exit = |build: &mut Build, verdict| build.exit(verdict);
    // Made first, so that it stands last: what is recorded before a denial then runs into the exit that denies.
    if watching.is_empty() {
        build.exit(Verdict::Constant(0));
    }
    // Behind a denial: the audits of the other denying rules, then those of the watching ones.
    let mut tail = exit(&mut build, shared);
    for unit in watching.iter().rev() {
        tail = build.fires(unit, |build| build.record(unit, shared, tail), tail);
    }
    let mut after = vec![tail; denying.len() + 1];
    for (at, (_, unit)) in denying.iter().enumerate().rev() {
        let next = after[at + 1];
        // The first rule is never behind another's denial.
        after[at] = if effects(unit) && at > 0 {
            build.fires(unit, |build| build.record(unit, shared, next), next)
        } else {
            next
        };
    }
    let allowed = match (shared, watching.is_empty()) {
        (_, true) => exit(&mut build, Verdict::Constant(0)),
        (Verdict::Chosen, false) => build.push(Node::Set { errno: 0, next: tail }),
        (Verdict::Constant(_), false) => tail,
    };
    let mut entry = allowed;
    for (at, (errno, unit)) in denying.iter().enumerate().rev() {
        let (errno, next) = (*errno, after[at + 1]);
        let otherwise = entry;
        entry = build.fires(
            unit,
            |build| {
                let (verdict, next) = if recorded_after(at) {
                    (shared, next)
                } else {
                    let verdict = Verdict::Constant(errno);
                    (verdict, build.exit(verdict))
                };
                let next = match effects(unit) {
                    true => build.record(unit, verdict, next),
                    false => next,
                };
                if verdict == Verdict::Chosen { build.push(Node::Set { errno, next }) } else { next }
            },
            otherwise,
        );
    }
    build.finish(hook, entry)
}

/// Nodes in the reverse of their final order.
#[derive(Default)]
struct Build {
    nodes: Vec<Node>,
    exits: Vec<(Verdict, NodeId)>,
    /// What does the same and leads to the same is one node: above all, a rule's event and all that follows it stand once,
    /// whether the rule denies or is only recorded behind another's denial.
    shared: bool,
    known: HashMap<Node, NodeId>,
}

impl Build {
    fn push(&mut self, node: Node) -> NodeId {
        let fresh = NodeId(self.nodes.len() as u32);
        if self.shared {
            let id = *self.known.entry(node.clone()).or_insert(fresh);
            if id != fresh {
                return id;
            }
        }
        self.nodes.push(node);
        fresh
    }

    /// One exit for each verdict.
    fn exit(&mut self, verdict: Verdict) -> NodeId {
        if let Some((_, id)) = self.exits.iter().find(|(known, _)| *known == verdict) {
            return *id;
        }
        let id = self.push(Node::Exit { verdict });
        self.exits.push((verdict, id));
        id
    }

    /// Tests whether a unit fires: all of its steps hold.
    fn fires(&mut self, unit: &Unit<'_>, then: impl FnOnce(&mut Build) -> NodeId, otherwise: NodeId) -> NodeId {
        let rule = unit.rules[0];
        let mut entry = then(self);
        for step in unit.steps.iter().rev() {
            entry = match step {
                Step::Find(index) => self.push(Node::Find { index: *index, rule, then: entry, otherwise }),
                Step::Test(Literal { cond, sense, known: true }) => self.cond(rule, cond, *sense, entry, otherwise),
                Step::Test(Literal { cond, sense, known: false }) => self.cond(rule, cond, *sense, otherwise, entry),
            };
        }
        if unit.guarded && entry != otherwise {
            entry = self.push(Node::Guard { rule, then: entry, otherwise });
        }
        entry
    }

    /// Does what a unit's rules do besides denying.
    fn record(&mut self, unit: &Unit<'_>, verdict: Verdict, next: NodeId) -> NodeId {
        let rule = unit.rules[0];
        let found = unit.steps.iter().find_map(|step| match step {
            Step::Find(index) => Some(*index),
            Step::Test(_) => None,
        });
        self.push(match found {
            Some(index) => Node::RecordFound { index, rule, verdict, next },
            None => Node::Record { rule, verdict, next },
        })
    }

    /// `then` where the condition is known to be `sense`, else `otherwise`. Not knowing never leads to
    /// `then`: for `and` and `or` that follows from the parts, and `not` only turns the sense.
    fn cond(&mut self, rule: RuleId, cond: &Cond, sense: bool, then: NodeId, otherwise: NodeId) -> NodeId {
        match cond {
            Cond::Const(value) => {
                if *value == sense {
                    then
                } else {
                    otherwise
                }
            }
            Cond::Atom(atom) => {
                if then == otherwise {
                    return then;
                }
                self.push(Node::Test { atom: atom.clone(), sense, rule, then, otherwise })
            }
            Cond::Not(inner) => self.cond(rule, inner, !sense, then, otherwise),
            // Both must hold: known true for `and`, known false for `or`.
            Cond::And(left, right) | Cond::Or(left, right) if matches!(cond, Cond::And(..)) == sense => {
                let right = self.cond(rule, right, sense, then, otherwise);
                self.cond(rule, left, sense, right, otherwise)
            }
            Cond::And(left, right) | Cond::Or(left, right) => {
                let right = self.cond(rule, right, sense, then, otherwise);
                self.cond(rule, left, sense, then, right)
            }
        }
    }

    /// Drops what cannot be reached, and turns the order round.
    fn finish(self, hook: HookId, entry: NodeId) -> Graph {
        let mut reached = vec![false; self.nodes.len()];
        reached[entry.index()] = true;
        for at in (0..self.nodes.len()).rev() {
            if reached[at] {
                for next in self.nodes[at].edges() {
                    reached[next.index()] = true;
                }
            }
        }
        let mut ids = vec![NodeId(0); self.nodes.len()];
        let mut count = 0;
        for at in (0..self.nodes.len()).rev() {
            if reached[at] {
                ids[at] = NodeId(count);
                count += 1;
            }
        }
        let mut nodes: Vec<Node> =
            self.nodes.into_iter().zip(&reached).rev().filter(|(_, reached)| **reached).map(|(node, _)| node).collect();
        for node in &mut nodes {
            node.edges_mut().for_each(|next| *next = ids[next.index()]);
        }
        Graph { hook, nodes }
    }
}
