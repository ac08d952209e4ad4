//! The invariants of `decision`, as code. A failure is a bug of the compiler.

use std::collections::BTreeSet;

use super::key::{self, Element, PartKind};
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

/// What an index found is used on ways only that found it.
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
                assert!(before, "n{at} uses what i{} has not found", index.0);
            }
        }
    }
}

/// Of which index a node uses what was found.
fn uses(node: &Node) -> Option<IndexId> {
    match node {
        Node::RecordFound { index, .. } | Node::Set { errno: Errno::Found(index), .. } => Some(*index),
        _ => None,
    }
}

/// What a rule does stands behind the question for its own mode, and no other's in between.
fn verify_modes(graph: &Graph) {
    for (at, (node, mode)) in graph.nodes.iter().zip(graph.modes()).enumerate() {
        if let Node::Does { rule, .. } | Node::Record { rule, .. } | Node::RecordFound { rule, .. } = node {
            let asked = mode.map(|mode| &graph.nodes[mode.index()]);
            let own = matches!(asked, Some(Node::Mode { rule: known, .. }) if known == rule);
            assert!(own, "n{at} does not know the mode of its rule");
        }
    }
}

fn verify_index(index: &Index) {
    assert!(!index.parts.is_empty() && !index.rows.is_empty(), "an index of nothing");
    assert!(key::places(&index.parts).is_some(), "the parts have no room in a key");
    assert_eq!(index.automata.len(), index.parts.len(), "an automaton, or none, for each part");
    for (part, automaton) in index.parts.iter().zip(&index.automata) {
        assert_eq!(part.kind == PartKind::Match, automaton.is_some(), "patterns have an automaton");
    }
    assert!(index.early.is_sorted() && index.early.len() < index.parts.len(), "what is early comes before the rest");
    assert!(index.early.iter().all(|at| !index.parts[*at].kind.is_range()), "what is early is looked up exactly");
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
        assert_eq!(row.key.len(), index.parts.len(), "a row has an element for each part");
        assert!((1..=ROW_RULES_MAX).contains(&row.rules.len()) && row.rules.is_sorted(), "a row's rules");
    }
}

fn verify_graph(graph: &Graph) {
    // Whether a verdict has been chosen on every way to a node; `None` while no way is known.
    let mut chosen: Vec<Option<bool>> = vec![None; graph.nodes.len()];
    chosen[0] = Some(false);
    for (at, node) in graph.nodes.iter().enumerate() {
        let before = chosen[at].unwrap_or_else(|| panic!("n{at} cannot be reached"));
        let after = before || matches!(node, Node::Set { first: false, .. });
        for next in node.edges() {
            assert!(next.index() > at, "n{at} leads back to n{}", next.0);
            let next = &mut chosen[next.index()];
            *next = Some(next.unwrap_or(true) && after);
        }
        assert!(
            !graph.part.next.is_empty() || !matches!(node, Node::Continue { .. }),
            "n{at} goes on behind the last part"
        );
        if let Node::Record { verdict: Verdict::Chosen, .. }
        | Node::Set { first: true, .. }
        | Node::RecordFound { verdict: Verdict::Chosen, .. }
        | Node::Continue { verdict: Verdict::Chosen }
        | Node::Exit { verdict: Verdict::Chosen } = node
        {
            assert!(before, "n{at} needs a verdict that nothing has set");
        }
    }
}
