//! Construction of a decision graph, from its exits to its entry, with hash-consing.
//!
//! A node names its successors by id, so the successors are pushed first. [`Build::finish`] drops unreachable
//! nodes and reverses the order, which makes every edge lead to a larger id.

use std::collections::HashMap;

use krsi_abi::modes::EffectiveAction;

use super::index::{Step, Unit};
use super::normalise::Literal;
use super::{Graph, Node, NodeId, Part, Verdict, undecided};
use crate::hir::{Cond, HookId, RuleId};

/// A graph under construction: nodes in the reverse of their final order.
#[derive(Default)]
pub struct Build {
    nodes: Vec<Node>,
    exits: Vec<(Verdict, NodeId)>,
    /// Reuse an equal node instead of pushing another (hash-consing). The nodes that record a rule's event, and
    /// all that follow them, then exist once for both chains of `lower`.
    hash_cons: bool,
    /// Successor of tests in a `when` whose values are unreadable, if it is not that of unknown ones.
    pub restart: Option<NodeId>,
    /// The lookup of the unit under construction reads texts.
    pub find_restarts: bool,
    interned: HashMap<Node, NodeId>,
}

impl Build {
    /// Starts an empty graph.
    pub fn new(hash_cons: bool) -> Build {
        Build { hash_cons, ..Build::default() }
    }

    /// Adds a node whose successors have been added before, or returns an equal one.
    pub fn push(&mut self, node: Node) -> NodeId {
        let fresh = NodeId(self.nodes.len() as u32);
        if self.hash_cons {
            let id = *self.interned.entry(node.clone()).or_insert(fresh);
            if id != fresh {
                return id;
            }
        }
        self.nodes.push(node);
        fresh
    }

    /// Returns the exit with a verdict; there is one for each.
    pub fn exit(&mut self, verdict: Verdict) -> NodeId {
        if let Some((_, id)) = self.exits.iter().find(|(known, _)| *known == verdict) {
            return *id;
        }
        let id = self.push(Node::Exit { verdict });
        self.exits.push((verdict, id));
        id
    }

    /// Adds the steps of a unit: `then` if all of them hold, so that the unit matches, else `otherwise`.
    pub fn steps(&mut self, unit: &Unit<'_>, then: impl FnOnce(&mut Build) -> NodeId, otherwise: NodeId) -> NodeId {
        let rule = unit.rules[0];
        let mut entry = then(self);
        for step in unit.steps.iter().rev() {
            entry = match step {
                Step::Find(index) => {
                    let unreadable = self.restart.filter(|_| self.find_restarts);
                    self.push(Node::Find { index: *index, rule, then: entry, otherwise, unreadable })
                }
                Step::Test(Literal { cond, sense, known: true }) => {
                    self.cond(rule, cond, *sense, entry, otherwise, self.restart)
                }
                Step::Test(Literal { cond, sense, known: false }) => {
                    self.cond(rule, cond, *sense, otherwise, entry, None)
                }
            };
        }
        if unit.guarded && entry != otherwise {
            entry = self.push(Node::Guard { rule, then: entry, otherwise });
        }
        entry
    }

    /// Reads the effective action of a unit that has matched and branches on it.
    pub fn mode(&mut self, unit: &Unit<'_>, to: [NodeId; 4]) -> NodeId {
        let next = self.branch_on_mode(unit, to);
        self.push(Node::Mode { rule: unit.rules[0], index: unit.index(), next })
    }

    /// Branches on the effective action that was read; the successors are in the order of [`EffectiveAction`], the
    /// strongest first.
    pub fn branch_on_mode(&mut self, unit: &Unit<'_>, [alone, enforce, permissive, off]: [NodeId; 4]) -> NodeId {
        let rule = unit.rules[0];
        let (mut entry, mut weaker) = (off, off);
        for (action, then) in [
            (EffectiveAction::Permissive, permissive),
            (EffectiveAction::Enforce, enforce),
            (EffectiveAction::Alone, alone),
        ] {
            if then != weaker {
                entry = self.push(Node::TestMode { rule, action, then, otherwise: entry });
            }
            weaker = then;
        }
        entry
    }

    /// Performs the actions of an observing unit that has matched, subject to its mode.
    pub fn observe(&mut self, unit: &Unit<'_>, verdict: Verdict, next: NodeId) -> NodeId {
        let record = self.record(unit, verdict, next);
        self.mode(unit, [record, record, record, next])
    }

    /// Performs the actions of a unit other than `deny`.
    pub fn record(&mut self, unit: &Unit<'_>, verdict: Verdict, next: NodeId) -> NodeId {
        let rule = unit.rules[0];
        self.push(match unit.index() {
            Some(index) => Node::RecordFound { index, rule, verdict, next },
            None => Node::Record { rule, verdict, next },
        })
    }

    /// Adds a condition: `then` if it is known to be `sense`, else `otherwise`. Unknown always takes
    /// `otherwise`: `and` and `or` inherit this from their operands, and `not` only flips `sense`. An unreadable
    /// test takes `restart` instead, if there is one.
    fn cond(
        &mut self,
        rule: RuleId,
        cond: &Cond,
        sense: bool,
        then: NodeId,
        otherwise: NodeId,
        restart: Option<NodeId>,
    ) -> NodeId {
        match cond {
            Cond::Const(value) => {
                if *value == sense {
                    then
                } else {
                    otherwise
                }
            }
            Cond::Atom(atom) => {
                let unreadable = restart.filter(|_| undecided::may_be_unreadable(atom));
                if then == otherwise && unreadable.is_none() {
                    return then;
                }
                self.push(Node::Test { atom: atom.clone(), sense, rule, then, otherwise, unreadable })
            }
            Cond::Not(inner) => self.cond(rule, inner, !sense, then, otherwise, restart),
            // Both operands must have the result: true for `and`, false for `or`.
            Cond::And(left, right) | Cond::Or(left, right) if matches!(cond, Cond::And(..)) == sense => {
                let right = self.cond(rule, right, sense, then, otherwise, restart);
                self.cond(rule, left, sense, right, otherwise, restart)
            }
            Cond::And(left, right) | Cond::Or(left, right) => {
                let right = self.cond(rule, right, sense, then, otherwise, restart);
                self.cond(rule, left, sense, then, right, restart)
            }
        }
    }

    /// Drops unreachable nodes and reverses the order, so that the entry is node 0.
    pub fn finish(self, hook: HookId, part: Part, entry: NodeId) -> Graph {
        let mut reachable = vec![false; self.nodes.len()];
        reachable[entry.index()] = true;
        for at in (0..self.nodes.len()).rev() {
            if reachable[at] {
                for next in self.nodes[at].edges() {
                    reachable[next.index()] = true;
                }
            }
        }
        let mut ids = vec![NodeId(0); self.nodes.len()];
        let mut count = 0;
        for at in (0..self.nodes.len()).rev() {
            if reachable[at] {
                ids[at] = NodeId(count);
                count += 1;
            }
        }
        let mut nodes: Vec<Node> =
            self.nodes.into_iter().zip(&reachable).rev().filter(|(_, kept)| **kept).map(|(node, _)| node).collect();
        for node in &mut nodes {
            node.edges_mut().for_each(|next| *next = ids[next.index()]);
        }
        Graph { hook, part, nodes }
    }
}
