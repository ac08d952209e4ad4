//! The decision graph of each hook: a DAG of tests whose leaves are verdicts.
//!
//! `jit: on file_mprotect when prot & EXEC and vma.file == null deny EPERM audit` becomes
//!
//! ```text
//! hook file_mprotect
//!   n0 test (bits (& prot 4)) ? n1 : n7    # jit
//!   n1 test (null vma->vm_file) ? n2 : n7    # jit
//!   n2 mode of jit; n3
//!   n3 not off ? n4 : n7
//!   n4 record jit, denied EPERM; n5
//!   n5 enforced ? n6 : n7
//!   n6 exit denied EPERM
//!   n7 exit allowed
//! ```
//!
//! The modes of rules can change while a policy is loaded. A mode matters only once its rule has matched, so an
//! operation that no rule matches reads none. After a denial the remaining rules are evaluated by a second
//! chain of nodes; `lower` explains why.
//!
//! Rules of one shape compare the same values with different constants and share one lookup in an [`Index`].
//! Twelve rules `on file_mprotect when prot == N and reqprot == M deny` begin with
//!
//! ```text
//! hook file_mprotect
//!   i0 hash (prot: 8 bytes, reqprot: 8 bytes): 12 rules in 12 rows, at most 1 per row
//!   n0 find i0 ? n1 : n7
//! ```
//!
//! After the rules, if none denies, an operation with an unreadable value is denied by the first rule that tests
//! it ([`undecided`]).
//!
//! The passes, in order: [`normalise`] (a rule to a list of literals), [`index`] (rules of one shape to a
//! lookup), [`order`] (cheap tests first), `build` (hash-consing), `redundant_tests`. [`split`] divides a hook
//! whose program would be too large.
//!
//! Invariants, checked by [`verify`]:
//! - Edges lead to nodes with larger ids, so the graph is acyclic and in topological order. Node 0 is the
//!   entry, and every node is reachable.
//! - A `Set` precedes each use of `Verdict::Chosen` on every path.
//! - The row that a `Find` found is used only on paths through its `then` edge.
//! - The actions of a rule are dominated by the `Mode` node that reads the rule's mode.
//! - The rows of an index have distinct keys, and their ranges do not overlap.
//!
//! Not checked: an event is recorded after the verdict that it carries is final.
//!
//! Absent: `and`, `or`, `not`, `when` and `unless`, which have become edges. A test that is unknown (null on
//! the access path) takes the edge `otherwise`. This implements Kleene's logic because negations have been
//! pushed down to the tests.

use std::rc::Rc;

use krsi_abi::modes::EffectiveAction;

use crate::automaton::Automaton;
use crate::hir::walk::texts_in_value;
use crate::hir::{Atom, HookId, Policy, Rule, RuleId};

pub use self::split::{GraphId, Part, Role};

mod build;
pub mod index;
pub mod key;
pub mod lower;
pub mod normalise;
pub mod order;
pub mod print;
mod redundant_tests;
pub mod rows;
mod shape;
pub mod split;
#[cfg(test)]
mod tests;
pub mod texts;
pub mod undecided;
pub mod verify;

/// Id of a node: an index into [`Graph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl NodeId {
    /// Returns the id as a slice index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Id of a lookup table: an index into [`Plan::indexes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexId(pub u32);

impl IndexId {
    /// Returns the id as a slice index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Decision graphs of all hooks of a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The rules of each hook that its graphs test, by `HookId`, in source order. Unreachable rules are left out.
    pub rules: Vec<Vec<RuleId>>,
    /// Graphs by hook: one each, or several in a row for a hook that is split into parts.
    pub graphs: Vec<Graph>,
    /// Lookup tables by [`IndexId`]; each is used by at most one graph.
    pub indexes: Vec<Index>,
}

/// Lookup table that maps the values of an operation to the rules that match it; or, without columns, a list of
/// undecided rules, of which the first one that is enforced is found.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// Columns of the key, in the order of [`Row::key`]; empty for a list of rules.
    pub columns: Vec<key::Column>,
    /// For each column, the automaton that maps a text to the set of patterns it matches, for columns of kind `Match`.
    pub automata: Vec<Option<Rc<Automaton>>>,
    /// Cheap columns, ascending, that are looked up on their own before the values of the expensive columns are
    /// read.
    pub prefilter: Vec<usize>,
    /// Rows in the order of their keys.
    pub rows: Vec<Row>,
    /// Number of rules that occur in the rows.
    pub rules: usize,
    /// All rules have the same errno, or none denies. Otherwise only the rules of each row agree.
    pub one_errno: bool,
    /// The rules are undecided: the first rule of the row that is enforced is found.
    pub undecided: bool,
}

impl Index {
    /// Returns true if the index has no key: it is a list of rules.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.columns.is_empty()
    }

    /// Returns true if a column is a text, which can be unreadable.
    #[must_use]
    pub fn reads_texts(&self) -> bool {
        let mut texts = Vec::new();
        self.columns.iter().for_each(|column| texts_in_value(&column.value, &mut texts));
        !texts.is_empty()
    }

    /// Returns the columns of the prefilter.
    #[must_use]
    pub fn prefilter_columns(&self) -> Vec<key::Column> {
        self.prefilter.iter().map(|at| self.columns[*at].clone()).collect()
    }

    /// Returns the largest number of rules that one lookup finds.
    #[must_use]
    pub fn most(&self) -> usize {
        if self.undecided {
            return 1;
        }
        self.rows.iter().map(|row| row.rules.len()).max().unwrap_or(1)
    }
}

/// One key of an index, and the rules that match it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// One element for each column of the index.
    pub key: Vec<key::Element>,
    /// Rules that match, in source order; not empty.
    pub rules: Vec<RuleId>,
}

/// Decision graph of a hook, or of a part of a hook.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// Hook whose rules are evaluated.
    pub hook: HookId,
    /// Position among the programs of the hook.
    pub part: Part,
    /// Nodes in topological order, the entry first.
    pub nodes: Vec<Node>,
}

impl Graph {
    /// Returns the first rule of the hook in source order.
    #[must_use]
    pub fn first<'p>(&self, policy: &'p Policy) -> Option<&'p Rule> {
        policy.rules.iter().find(|rule| rule.hook == self.hook)
    }

    /// Returns, for each node, the `Mode` node that was passed last on every path to it, if all paths agree.
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

    /// Returns, for each node, whether it is reachable only after some rule has matched or a value was unreadable.
    #[must_use]
    pub fn cold(&self) -> Vec<bool> {
        let mut cold = vec![true; self.nodes.len()];
        cold[0] = false;
        for (at, node) in self.nodes.iter().enumerate() {
            if !cold[at] && !matches!(node, Node::Mode { .. }) {
                node.edges().take(2).for_each(|next| cold[next.index()] = false);
            }
        }
        cold
    }
}

/// A node of a decision graph: one test or action, and its successors.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// Branches on a test of the policy.
    Test {
        /// The test to evaluate.
        atom: Box<Atom>,
        /// Result for which `then` is taken.
        sense: bool,
        /// Rule that contains the test, for diagnostics.
        rule: RuleId,
        /// Successor if the result is `sense`.
        then: NodeId,
        /// Successor if the result is the opposite or unknown.
        otherwise: NodeId,
        /// Successor if a value exists but cannot be read, if it is not `otherwise`.
        unreadable: Option<NodeId>,
    },
    /// Branches on whether a rule with `@since` is active on the running kernel. It dominates every read of the
    /// rule, since the fields may not exist on older kernels.
    Guard {
        /// The rule that has `@since`.
        rule: RuleId,
        /// Successor on kernels that have the rule.
        then: NodeId,
        /// Successor on older kernels.
        otherwise: NodeId,
    },
    /// Looks up the values of the operation in an index.
    Find {
        /// Index that is searched. Among undecided rules, the first one of the row that is enforced is found, and
        /// permissive ones before it record that they would deny.
        index: IndexId,
        /// First rule of the index; the lookup serves all of them.
        rule: RuleId,
        /// Successor if a row is found.
        then: NodeId,
        /// Successor if no row is found, or if a value cannot be read.
        otherwise: NodeId,
        /// Successor if a value exists but cannot be read, if it is not `otherwise`.
        unreadable: Option<NodeId>,
    },
    /// Branches on whether the verdict variable denies the operation.
    TestVerdict {
        /// Successor if the operation is denied.
        then: NodeId,
        /// Successor if it is allowed so far.
        otherwise: NodeId,
    },
    /// Reads the effective action of a rule that has matched, or the strongest one among the rules of the row
    /// found.
    Mode {
        /// The rule, or the first rule of the index.
        rule: RuleId,
        /// Index whose row was found, if the rule was found by a lookup.
        index: Option<IndexId>,
        /// Successor of the node.
        next: NodeId,
    },
    /// Branches on the effective action that the last `Mode` has read.
    TestMode {
        /// Rule whose mode was read.
        rule: RuleId,
        /// Weakest action for which `then` is taken.
        action: EffectiveAction,
        /// Successor if the effective action is `action` or stronger.
        then: NodeId,
        /// Successor if it is weaker.
        otherwise: NodeId,
    },
    /// Assigns the verdict variable; present only where several verdicts can reach one node.
    Set {
        /// Value that is assigned.
        errno: Errno,
        /// Assign only if the operation is still allowed.
        first: bool,
        /// Successor of the node.
        next: NodeId,
    },
    /// Performs the actions of a rule other than `deny`: writes its event, sends its signal. The event of a
    /// permissive rule that denies says that it would deny; such a rule has an event even without `audit`.
    Record {
        /// Rule that has matched.
        rule: RuleId,
        /// Verdict that the event carries if the rule is enforced.
        verdict: Verdict,
        /// Successor of the node.
        next: NodeId,
    },
    /// Performs these actions for every rule of the row found. All of them have the same actions.
    RecordFound {
        /// Index whose row was found.
        index: IndexId,
        /// First rule of the index.
        rule: RuleId,
        /// Verdict that the events carry if the rules are enforced.
        verdict: Verdict,
        /// Successor of the node.
        next: NodeId,
    },
    /// Tail-calls the next part of the hook.
    Continue {
        /// Verdict of the parts so far.
        verdict: Verdict,
    },
    /// Tail-calls another program of the hook. The operation is allowed so far.
    Call {
        /// The program that is called.
        graph: GraphId,
    },
    /// Returns from the program.
    Exit {
        /// Verdict that is returned.
        verdict: Verdict,
    },
}

/// Value that a [`Node::Set`] assigns to the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Errno {
    /// A positive errno, or 0 to allow.
    Constant(i32),
    /// The errno of the rules in the row that was found in an index.
    Found(IndexId),
}

/// Verdict on the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Denied with a positive errno, or allowed if 0.
    Constant(i32),
    /// Value of the verdict variable, which the last `Set` has assigned.
    Chosen,
}

impl Node {
    /// Returns mutable references to the successors: `then`, `otherwise`, `unreadable`.
    pub fn edges_mut(&mut self) -> impl Iterator<Item = &mut NodeId> {
        let (first, second, third) = match self {
            Node::Test { then, otherwise, unreadable, .. } | Node::Find { then, otherwise, unreadable, .. } => {
                (Some(then), Some(otherwise), unreadable.as_mut())
            }
            Node::Guard { then, otherwise, .. }
            | Node::TestMode { then, otherwise, .. }
            | Node::TestVerdict { then, otherwise } => (Some(then), Some(otherwise), None),
            Node::Mode { next, .. }
            | Node::Set { next, .. }
            | Node::Record { next, .. }
            | Node::RecordFound { next, .. } => (Some(next), None, None),
            Node::Continue { .. } | Node::Call { .. } | Node::Exit { .. } => (None, None, None),
        };
        first.into_iter().chain(second).chain(third)
    }

    /// Returns the successors: `then`, `otherwise`, `unreadable`.
    pub fn edges(&self) -> impl Iterator<Item = NodeId> {
        let (first, second, third) = match self {
            Node::Test { then, otherwise, unreadable, .. } | Node::Find { then, otherwise, unreadable, .. } => {
                (Some(*then), Some(*otherwise), *unreadable)
            }
            Node::Guard { then, otherwise, .. }
            | Node::TestMode { then, otherwise, .. }
            | Node::TestVerdict { then, otherwise } => (Some(*then), Some(*otherwise), None),
            Node::Mode { next, .. }
            | Node::Set { next, .. }
            | Node::Record { next, .. }
            | Node::RecordFound { next, .. } => (Some(*next), None, None),
            Node::Continue { .. } | Node::Call { .. } | Node::Exit { .. } => (None, None, None),
        };
        first.into_iter().chain(second).chain(third)
    }
}
