//! What each hook's program asks, in which order, and what follows: one graph of tests a hook.
//!
//! ```text
//! hook file_mprotect
//!   n0 test bits(prot & 4) ? n1 : n4
//!   n1 test null(vma->vm_file) ? n2 : n4
//!   n2 record rule 0, denied EPERM; n3
//!   n3 exit EPERM
//!   n4 exit allow
//! ```
//!
//! Invariants: edges lead to larger ids only, so there is no circle and a node comes after all that lead
//! to it; node 0 is the entry and every node can be reached; `Verdict::Chosen` stands only behind a `Set` on
//! every way; every event is recorded after the verdict that it carries is settled.
//!
//! Absent: `and`, `or`, `not`, `when` and `unless`: they have become edges. A test that can't be answered
//! (a null on the way) takes the edge `otherwise`, which is Kleene's logic once every negation has been
//! pushed down to the tests.

use crate::hir::{Atom, HookId, RuleId};

pub mod lower;
pub mod print;
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

/// One graph for each hook of the policy, by `HookId`.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// By `HookId`.
    pub graphs: Vec<Graph>,
}

/// All that happens on one hook.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// On this one.
    pub hook: HookId,
    /// Entry first.
    pub nodes: Vec<Node>,
}

/// A step.
#[derive(Clone, Debug, PartialEq)]
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
    /// Settles the verdict, where more than one can reach what follows.
    Set {
        /// Positive errno, or 0 to allow.
        errno: i32,
        /// And goes on.
        next: NodeId,
    },
    /// What a rule does besides denying: writes its event, sends its signal.
    Record {
        /// This one.
        rule: RuleId,
        /// The verdict that the event carries.
        verdict: Verdict,
        /// And goes on.
        next: NodeId,
    },
    /// Leaves.
    Exit {
        /// With this.
        verdict: Verdict,
    },
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
    /// Where it leads.
    pub fn edges(&self) -> impl Iterator<Item = NodeId> {
        let (first, second) = match self {
            Node::Test { then, otherwise, .. } | Node::Guard { then, otherwise, .. } => (Some(*then), Some(*otherwise)),
            Node::Set { next, .. } | Node::Record { next, .. } => (Some(*next), None),
            Node::Exit { .. } => (None, None),
        };
        first.into_iter().chain(second)
    }
}
