//! Typed rules to graphs.
//!
//! Rules that deny come first, in source order: the first that fires settles the verdict. What is left
//! to do then is recording: the audits of later rules, which carry that verdict. A graph is built from its
//! exits to its entry, since a node must know where it leads.

use std::collections::BTreeSet;

use super::{Graph, Node, NodeId, Plan, Verdict};
use crate::hir::{Cond, HookId, Policy, Rule, RuleId};
use crate::optimise::Optimise;

/// Plans every hook.
#[must_use]
pub fn lower(policy: &Policy, _optimise: Optimise) -> Plan {
    let graphs = (0..policy.hooks.len()).map(|hook| graph(policy, HookId(hook as u32))).collect();
    Plan { graphs }
}

fn graph(policy: &Policy, hook: HookId) -> Graph {
    let rules: Vec<(RuleId, &Rule)> = policy
        .rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| rule.hook == hook)
        .map(|(id, rule)| (RuleId(id as u32), rule))
        .collect();
    let errno = |rule: &Rule| rule.enforced().map_or(0, |deny| deny.errno);
    let (denying, watching): (Vec<_>, Vec<_>) = rules.into_iter().partition(|(_, rule)| rule.enforced().is_some());
    let errnos: BTreeSet<i32> = denying.iter().map(|(_, rule)| errno(rule)).collect();
    // What can follow a denial: nothing, or recording, by code that several verdicts share.
    let last_audit = denying.iter().rposition(|(_, rule)| rule.has_effects());
    let recorded_after = |at: usize| !watching.is_empty() || last_audit.is_some_and(|last| last > at);
    let shared = match (watching.is_empty(), errnos.len()) {
        (true, 0 | 1) | (false, 0) => Verdict::Constant(errnos.first().copied().unwrap_or(0)),
        _ => Verdict::Chosen,
    };

    let mut build = Build::default();
    let exit = |build: &mut Build, verdict| build.exit(verdict);
    // Made first, so that it stands last: what is recorded before a denial then runs into the exit that denies.
    if watching.is_empty() {
        build.exit(Verdict::Constant(0));
    }
    // Behind a denial: the audits of the other denying rules, then those of the watching ones.
    let mut tail = exit(&mut build, shared);
    for (id, rule) in watching.iter().rev() {
        tail =
            build.fires(*id, rule, |build| build.push(Node::Record { rule: *id, verdict: shared, next: tail }), tail);
    }
    let mut after = vec![tail; denying.len() + 1];
    for (at, (id, rule)) in denying.iter().enumerate().rev() {
        let next = after[at + 1];
        // The first rule is never behind another's denial.
        after[at] = if rule.has_effects() && at > 0 {
            build.fires(*id, rule, |build| build.push(Node::Record { rule: *id, verdict: shared, next }), next)
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
    for (at, (id, rule)) in denying.iter().enumerate().rev() {
        let (errno, next) = (errno(rule), after[at + 1]);
        let otherwise = entry;
        entry = build.fires(
            *id,
            rule,
            |build| {
                let (verdict, next) = if recorded_after(at) {
                    (shared, next)
                } else {
                    let verdict = Verdict::Constant(errno);
                    (verdict, build.exit(verdict))
                };
                let next = match rule.has_effects() {
                    true => build.push(Node::Record { rule: *id, verdict, next }),
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
}

impl Build {
    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() as u32 - 1)
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

    /// Tests whether a rule fires: its `when` is true and its `unless` is not.
    fn fires(&mut self, id: RuleId, rule: &Rule, then: impl FnOnce(&mut Build) -> NodeId, otherwise: NodeId) -> NodeId {
        let mut entry = then(self);
        if let Some(unless) = &rule.unless {
            entry = self.cond(id, unless, true, otherwise, entry);
        }
        if let Some(when) = &rule.when {
            entry = self.cond(id, when, true, entry, otherwise);
        }
        if rule.since.is_some() && entry != otherwise {
            entry = self.push(Node::Guard { rule: id, then: entry, otherwise });
        }
        entry
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
            match node {
                Node::Test { then, otherwise, .. } | Node::Guard { then, otherwise, .. } => {
                    *then = ids[then.index()];
                    *otherwise = ids[otherwise.index()];
                }
                Node::Set { next, .. } | Node::Record { next, .. } => *next = ids[next.index()],
                Node::Exit { .. } => {}
            }
        }
        Graph { hook, nodes }
    }
}
