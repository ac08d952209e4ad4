//! A graph under construction, from its exits to its entry.

use std::collections::HashMap;

use krsi_abi::modes::Act;

use super::index::{Step, Unit};
use super::normalise::Literal;
use super::{Graph, Node, NodeId, Part, Verdict};
use crate::hir::{Cond, HookId, RuleId};

/// Nodes in the reverse of their final order.
#[derive(Default)]
pub struct Build {
    nodes: Vec<Node>,
    exits: Vec<(Verdict, NodeId)>,
    /// What does the same and leads to the same is one node: above all, a rule's event and all that follows it stand once,
    /// whether the rule denies or is only recorded behind another's denial.
    shared: bool,
    known: HashMap<Node, NodeId>,
}

impl Build {
    /// Nothing yet; whether what does the same and leads to the same becomes one node.
    pub fn new(shared: bool) -> Build {
        Build { shared, ..Build::default() }
    }

    /// Adds a node; what it leads to has been added before.
    pub fn push(&mut self, node: Node) -> NodeId {
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
    pub fn exit(&mut self, verdict: Verdict) -> NodeId {
        if let Some((_, id)) = self.exits.iter().find(|(known, _)| *known == verdict) {
            return *id;
        }
        let id = self.push(Node::Exit { verdict });
        self.exits.push((verdict, id));
        id
    }

    /// Tests whether a unit fires: all of its steps hold.
    pub fn fires(&mut self, unit: &Unit<'_>, then: impl FnOnce(&mut Build) -> NodeId, otherwise: NodeId) -> NodeId {
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

    /// Asks for the mode of a unit that has fired.
    pub fn mode(&mut self, unit: &Unit<'_>, to: [NodeId; 4]) -> NodeId {
        let next = self.by_act(unit, to);
        self.push(Node::Mode { rule: unit.rules[0], index: unit.index(), next })
    }

    /// Goes where the mode that was asked for leads, by [`Act`], the strongest first.
    pub fn by_act(&mut self, unit: &Unit<'_>, [alone, enforce, permissive, off]: [NodeId; 4]) -> NodeId {
        let rule = unit.rules[0];
        let (mut entry, mut weaker) = (off, off);
        for (act, then) in [(Act::Try, permissive), (Act::Enforce, enforce), (Act::Alone, alone)] {
            if then != weaker {
                entry = self.push(Node::Does { rule, act, then, otherwise: entry });
            }
            weaker = then;
        }
        entry
    }

    /// Does what the rules of a unit do that does not deny.
    pub fn watches(&mut self, unit: &Unit<'_>, verdict: Verdict, next: NodeId) -> NodeId {
        let record = self.record(unit, verdict, next);
        self.mode(unit, [record, record, record, next])
    }

    /// Does what a unit's rules do besides denying.
    pub fn record(&mut self, unit: &Unit<'_>, verdict: Verdict, next: NodeId) -> NodeId {
        let rule = unit.rules[0];
        self.push(match unit.index() {
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
    pub fn finish(self, hook: HookId, part: Part, entry: NodeId) -> Graph {
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
        Graph { hook, part, nodes }
    }
}
