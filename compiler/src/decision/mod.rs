//! What each hook's program asks, in which order, and what follows: one graph of tests a hook.
//!
//! ```text
//! hook file_mprotect
//!   n0 test bits(prot & 4) ? n1 : n6
//!   n1 test null(vma->vm_file) ? n2 : n6
//!   n2 mode of rule 0; n3
//!   n3 permissive at least ? n4 : n6
//!   n4 record rule 0, denied EPERM; n5
//!   n5 enforced ? n7 : n6
//!   n6 exit allow
//!   n7 exit EPERM
//! ```
//!
//! Modes change while the policy is loaded, and matter only where a rule fires: an operation that nothing is about asks for
//! none. Once a rule that denies has fired, others are still looked at, by other nodes: `lower.rs` says why.
//!
//! Rules of one shape, which compare the same values with different constants, share one search in an [`Index`]:
//!
//! ```text
//!   i0 exact (arg2: 8 bytes, arg3: 8 bytes), 10000 rules in 10000 rows
//!   n0 find i0 ? n1 : n2
//! ```
//!
//! Invariants: edges lead to larger ids only, so there is no circle and a node comes after all that lead
//! to it; node 0 is the entry and every node can be reached; `Verdict::Chosen` stands only behind a `Set` on
//! every way; every event is recorded after the verdict that it carries is settled; what an index found is recorded,
//! and denied with its errno, only behind its `Find` that led to `then`, and what a rule does only behind its `Mode`; the rows of an index differ, and their ranges do not overlap.
//!
//! Absent: `and`, `or`, `not`, `when` and `unless`: they have become edges. A test that can't be answered
//! (a null on the way) takes the edge `otherwise`, which is Kleene's logic once every negation has been
//! pushed down to the tests.

use std::rc::Rc;

use krsi_abi::modes::Act;

use crate::automaton::Automaton;
use crate::hir::{Atom, HookId, Policy, Rule, RuleId};

pub use self::parts::Part;

mod asked;
mod build;
pub mod index;
pub mod key;
pub mod lower;
pub mod normalise;
pub mod order;
pub mod parts;
pub mod print;
pub mod rows;
mod shape;
#[cfg(test)]
mod tests;
pub mod texts;
pub mod verify;

/// Index into [`Graph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl NodeId {
    /// As a plain index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Index into [`Plan::indexes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexId(pub u32);

impl IndexId {
    /// As a plain index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What happens on the hooks of the policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// By `HookId`, one for each hook, or several where it is in parts.
    pub graphs: Vec<Graph>,
    /// By [`IndexId`]; each is used by one graph at most.
    pub indexes: Vec<Index>,
}

/// What values are searched in.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// What is looked up, in the order of a row's elements; not empty.
    pub parts: Vec<key::Part>,
    /// By part: what tells by a row which patterns fit a text.
    pub automata: Vec<Option<Rc<Automaton>>>,
    /// Parts, ascending, that are looked up by themselves before the others are read: what they cost is little beside that.
    pub early: Vec<usize>,
    /// By key.
    pub rows: Vec<Row>,
    /// How many rules have a row.
    pub rules: usize,
    /// Whether all of them deny with one errno, or none; else those of a row do.
    pub one_errno: bool,
}

impl Index {
    /// The parts that are early.
    #[must_use]
    pub fn early_parts(&self) -> Vec<key::Part> {
        self.early.iter().map(|at| self.parts[*at].clone()).collect()
    }

    /// The most rules that one row has.
    #[must_use]
    pub fn most(&self) -> usize {
        self.rows.iter().map(|row| row.rules.len()).max().unwrap_or(1)
    }
}

/// A row of an index.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// For each part of the index.
    pub key: Vec<key::Element>,
    /// The rules that fire here; not empty.
    pub rules: Vec<RuleId>,
}

/// All that happens on one hook.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// On this one.
    pub hook: HookId,
    /// Which part of it.
    pub part: Part,
    /// Entry first.
    pub nodes: Vec<Node>,
}

impl Graph {
    /// The first rule on its hook.
    #[must_use]
    pub fn first<'p>(&self, policy: &'p Policy) -> Option<&'p Rule> {
        policy.rules.iter().find(|rule| rule.hook == self.hook)
    }

    /// By node: the `Mode` that was passed last on every way to it, if that is the same one.
    #[must_use]
    pub fn modes(&self) -> Vec<Option<NodeId>> {
        let mut last: Vec<Option<Option<NodeId>>> = vec![None; self.nodes.len()];
        last[0] = Some(None);
        for (at, node) in self.nodes.iter().enumerate() {
            let here = NodeId(at as u32);
            let after = if let Node::Mode { .. } = node { Some(here) } else { last[at].flatten() };
            for next in node.edges() {
                let next = &mut last[next.index()];
                *next = Some(next.unwrap_or(after).filter(|known| Some(*known) == after));
            }
        }
        last.into_iter().map(Option::flatten).collect()
    }

    /// By node: whether it is passed only where some rule has fired.
    #[must_use]
    pub fn rare(&self) -> Vec<bool> {
        let mut rare = vec![true; self.nodes.len()];
        rare[0] = false;
        for (at, node) in self.nodes.iter().enumerate() {
            if !rare[at] && !matches!(node, Node::Mode { .. }) {
                node.edges().for_each(|next| rare[next.index()] = false);
            }
        }
        rare
    }
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// A question.
    Test {
        /// What is asked.
        atom: Box<Atom>,
        /// The answer that leads to `then`.
        sense: bool,
        /// For this rule.
        rule: RuleId,
        /// Where the answer is `sense`.
        then: NodeId,
        /// Where it is not, or there is none.
        otherwise: NodeId,
    },
    /// Whether a rule for newer kernels is active. Nothing that the rule needs is asked for before.
    Guard {
        /// This one.
        rule: RuleId,
        /// It is.
        then: NodeId,
        /// It is not.
        otherwise: NodeId,
    },
    /// A search for the rules that fire.
    Find {
        /// There.
        index: IndexId,
        /// For all of its rules; this is the first.
        rule: RuleId,
        /// Where there is a row.
        then: NodeId,
        /// Where there is none, or a value cannot be read.
        otherwise: NodeId,
    },
    /// Asks for the mode of a rule that has fired; of the rules that an index has found, for the strongest.
    Mode {
        /// This one, or the first of the index's.
        rule: RuleId,
        /// They were found there.
        index: Option<IndexId>,
        /// And goes on.
        next: NodeId,
    },
    /// Whether the mode that was asked for lets a rule do so much.
    Does {
        /// Of this rule.
        rule: RuleId,
        /// This, or what is stronger.
        act: Act,
        /// It does.
        then: NodeId,
        /// It does less.
        otherwise: NodeId,
    },
    /// Settles the verdict, where more than one can reach what follows.
    Set {
        /// To this.
        errno: Errno,
        /// Only where nothing has been denied yet.
        first: bool,
        /// And goes on.
        next: NodeId,
    },
    /// What a rule does besides denying: writes its event, sends its signal. The event of a rule that would deny says so,
    /// and one that has no `audit` has an event then.
    Record {
        /// This one.
        rule: RuleId,
        /// The verdict that the event carries otherwise.
        verdict: Verdict,
        /// And goes on.
        next: NodeId,
    },
    /// The same for all rules of the row that was found, which do the same.
    RecordFound {
        /// There.
        index: IndexId,
        /// The first of the index's.
        rule: RuleId,
        /// The verdict that the events carry otherwise.
        verdict: Verdict,
        /// And goes on.
        next: NodeId,
    },
    /// Goes on with the next part of the hook.
    Continue {
        /// With this.
        verdict: Verdict,
    },
    /// Leaves.
    Exit {
        /// With this.
        verdict: Verdict,
    },
}

/// What a verdict is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Errno {
    /// Positive, or 0 to allow.
    Constant(i32),
    /// What the rules of the row that was found there deny with.
    Found(IndexId),
}

/// How the operation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// With this positive errno; 0 allows.
    Constant(i32),
    /// As the last `Set` said.
    Chosen,
}

impl Node {
    /// Where it leads, to be changed.
    pub fn edges_mut(&mut self) -> impl Iterator<Item = &mut NodeId> {
        let (first, second) = match self {
            Node::Test { then, otherwise, .. }
            | Node::Guard { then, otherwise, .. }
            | Node::Does { then, otherwise, .. }
            | Node::Find { then, otherwise, .. } => (Some(then), Some(otherwise)),
            Node::Mode { next, .. }
            | Node::Set { next, .. }
            | Node::Record { next, .. }
            | Node::RecordFound { next, .. } => (Some(next), None),
            Node::Continue { .. } | Node::Exit { .. } => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// Where it leads.
    pub fn edges(&self) -> impl Iterator<Item = NodeId> {
        let (first, second) = match self {
            Node::Test { then, otherwise, .. }
            | Node::Guard { then, otherwise, .. }
            | Node::Does { then, otherwise, .. }
            | Node::Find { then, otherwise, .. } => (Some(*then), Some(*otherwise)),
            Node::Mode { next, .. }
            | Node::Set { next, .. }
            | Node::Record { next, .. }
            | Node::RecordFound { next, .. } => (Some(*next), None),
            Node::Continue { .. } | Node::Exit { .. } => (None, None),
        };
        first.into_iter().chain(second)
    }
}
