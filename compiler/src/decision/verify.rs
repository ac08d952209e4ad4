//! Verifier of decision graphs and indexes: the invariants of the module documentation of `decision`.
//!
//! A failure is a bug of the compiler, so it is a panic. The message names the node, for example
//! `n4 needs a verdict that nothing has set`.

use std::collections::BTreeSet;

use super::key::{self, ColumnKind, Element};
use super::{Errno, Graph, Index, IndexId, Node, Plan, Verdict};
use crate::limits::ROW_RULES_MAX;

/// Checks every graph.
///
/// # Panics
/// When an invariant does not hold.
pub fn verify(plan: &Plan) {
    for graph in &plan.graphs {
        verify_graph(graph);
        verify_found(graph);
        verify_modes(graph);
    }
    for index in &plan.indexes {
        verify_index(index);
    }
}

/// Checks that a row is used only on paths on which it has been found.
fn verify_found(graph: &Graph) {
    let used: BTreeSet<IndexId> = graph.nodes.iter().filter_map(uses).collect();
    for index in used {
        let mut found: Vec<Option<bool>> = vec![None; graph.nodes.len()];
        found[0] = Some(false);
        for (at, node) in graph.nodes.iter().enumerate() {
            let before = found[at].unwrap_or(false);
            for next in node.edges() {
                let after = match node {
                    Node::Find { index: known, then, .. } if *known == index => next == *then,
                    _ => before,
                };
                let next = &mut found[next.index()];
                *next = Some(next.unwrap_or(true) && after);
            }
            if uses(node) == Some(index) {
                assert!(before, "n{at} uses a row of i{} that is not found on every path", index.0);
            }
        }
    }
}

/// Returns the index whose row a node uses.
fn uses(node: &Node) -> Option<IndexId> {
    match node {
        Node::RecordFound { index, .. } | Node::Set { errno: Errno::Found(index), .. } => Some(*index),
        _ => None,
    }
}

/// Checks that on every path to the actions of a rule the mode read last is that of the rule.
fn verify_modes(graph: &Graph) {
    for (at, (node, mode)) in graph.nodes.iter().zip(graph.modes()).enumerate() {
        if let Node::TestMode { rule, .. } | Node::Record { rule, .. } | Node::RecordFound { rule, .. } = node {
            let mode = mode.map(|mode| &graph.nodes[mode.index()]);
            let own = matches!(mode, Some(Node::Mode { rule: known, .. }) if known == rule);
            assert!(own, "the mode of the rule of n{at} has not been read");
        }
    }
}

fn verify_index(index: &Index) {
    if index.is_list() {
        assert!(index.rows.len() == 1, "a list of rules has one row");
        let rules = &index.rows[0].rules;
        assert!((1..=ROW_RULES_MAX).contains(&rules.len()) && rules.is_sorted(), "a list of rules");
        return;
    }
    assert!(!index.rows.is_empty(), "an index without rows");
    assert!(key::layout(&index.columns).is_some(), "the columns exceed the size of a key");
    assert_eq!(index.automata.len(), index.columns.len(), "one optional automaton per column");
    for (column, automaton) in index.columns.iter().zip(&index.automata) {
        assert_eq!(column.kind == ColumnKind::Match, automaton.is_some(), "exactly patterns have an automaton");
    }
    let prefilter = &index.prefilter;
    assert!(prefilter.is_sorted() && prefilter.len() < index.columns.len(), "the prefilter is a proper subset");
    assert!(prefilter.iter().all(|at| !index.columns[*at].kind.is_range()), "the prefilter has no ranges");
    for rows in index.rows.windows(2) {
        let [before, after] = rows else { continue };
        assert!(before.key < after.key, "rows are out of order");
        if let (Some((Element::Range(_, last), a)), Some((Element::Range(first, _), b))) =
            (before.key.split_last(), after.key.split_last())
        {
            assert!(a != b || last < first, "ranges overlap");
        }
    }
    for row in &index.rows {
        assert_eq!(row.key.len(), index.columns.len(), "a row has one element per column");
        assert!((1..=ROW_RULES_MAX).contains(&row.rules.len()) && row.rules.is_sorted(), "a row's rules");
    }
}

fn verify_graph(graph: &Graph) {
    // By node: a `Set` has been passed on every path to it; `None` while no path is known.
    let mut chosen: Vec<Option<bool>> = vec![None; graph.nodes.len()];
    chosen[0] = Some(false);
    for (at, node) in graph.nodes.iter().enumerate() {
        let before = chosen[at].unwrap_or_else(|| panic!("n{at} is unreachable"));
        let after = before || matches!(node, Node::Set { first: false, .. });
        for next in node.edges() {
            assert!(next.index() > at, "n{at} leads back to n{}", next.0);
            let next = &mut chosen[next.index()];
            *next = Some(next.unwrap_or(true) && after);
        }
        assert!(
            !graph.part.next.is_empty() || !matches!(node, Node::Continue { .. }),
            "n{at} continues after the last part"
        );
        if let Node::Call { graph: called } = node {
            assert!([graph.part.restart, graph.part.in_doubt].contains(&Some(*called)), "n{at} calls another program");
        }
        if let Node::Record { verdict: Verdict::Chosen, .. }
        | Node::Set { first: true, .. }
        | Node::RecordFound { verdict: Verdict::Chosen, .. }
        | Node::TestVerdict { .. }
        | Node::Continue { verdict: Verdict::Chosen, .. }
        | Node::Exit { verdict: Verdict::Chosen } = node
        {
            assert!(before, "n{at} needs a verdict that nothing has set");
        }
    }
}
