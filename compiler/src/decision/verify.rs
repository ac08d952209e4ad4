//! The invariants of `decision`, as code. A failure is a bug of the compiler.

use super::{Graph, Node, Plan, Verdict};

/// Checks every graph.
///
/// # Panics
/// When an invariant does not hold.
pub fn verify(plan: &Plan) {
    for graph in &plan.graphs {
        verify_graph(graph);
    }
}

fn verify_graph(graph: &Graph) {
    // Whether a verdict has been chosen on every way to a node; `None` while no way is known.
    let mut chosen: Vec<Option<bool>> = vec![None; graph.nodes.len()];
    chosen[0] = Some(false);
    for (at, node) in graph.nodes.iter().enumerate() {
        let before = chosen[at].unwrap_or_else(|| panic!("n{at} cannot be reached"));
        let after = before || matches!(node, Node::Set { .. });
        for next in node.edges() {
            assert!(next.index() > at, "n{at} leads back to n{}", next.0);
            let next = &mut chosen[next.index()];
            *next = Some(next.unwrap_or(true) && after);
        }
        if let Node::Record { verdict: Verdict::Chosen, .. } | Node::Exit { verdict: Verdict::Chosen } = node {
            assert!(before, "n{at} needs a verdict that nothing has set");
        }
    }
}
