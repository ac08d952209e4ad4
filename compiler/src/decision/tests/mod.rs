//! Tests of the stage from policy text to graphs and indexes.
//!
//! ```text
//! search.rs    rules that share an index, and its rows
//! graph.rs     execution of graphs, compared with an evaluation of the rules
//! split.rs     hooks that are split into several programs
//! ```
//!
//! Absent: machine code; `mir::lower` and `rt` have their own tests.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::key::Element;
use super::{Index, Node, Plan, Role, lower, print, verify};
use crate::analysis::unreachable::Unreachable;
use crate::hir::Policy;
use crate::optimise::Optimise;
use crate::{Options, Source};

mod graph;
mod search;
mod split;

/// Compiles a policy and returns it with its verified plan.
pub(super) fn planned(text: &str, optimise: Optimise) -> (Policy, Plan) {
    let source = Source { name: "p.krs".into(), text: text.into() };
    let built = crate::build(&[source], &Options { optimise, ..Options::default() });
    let policy = built.value.unwrap_or_else(|| panic!("{text}\n{:?}", built.diagnostics)).policy;
    let plan = lower::lower(&policy, &Unreachable::find(&policy), optimise);
    verify::verify(&plan);
    (policy, plan)
}

/// Returns the text of `count` rules, one per line.
pub(super) fn rules(count: usize, rule: impl Fn(usize) -> String) -> String {
    (0..count).map(|n| format!("{}\n", rule(n))).collect()
}

/// Prints the rows of an index: `1 2-9 "text": r0 r3`.
fn rows(index: &Index) -> Vec<String> {
    let row = |row: &super::Row| {
        let mut line = String::new();
        for element in &row.key {
            let _ = match element {
                Element::Number(number) => write!(line, "{number} "),
                Element::Range(first, last) => write!(line, "{first}-{last} "),
                Element::Text(text) => write!(line, "{:?} ", String::from_utf8_lossy(text)),
            };
        }
        let rules: Vec<String> = row.rules.iter().map(|rule| format!("r{}", rule.0)).collect();
        format!("{}: {}", line.trim_end(), rules.join(" "))
    };
    index.rows.iter().map(row).collect()
}

/// Returns the number of rules of each index of a policy.
fn searched(text: &str) -> Vec<usize> {
    let (_, plan) = planned(text, Optimise::default());
    indexes(&plan).map(|index| index.rules).collect()
}

/// Returns the indexes of the programs that are attached.
pub(super) fn indexes(plan: &Plan) -> impl Iterator<Item = &Index> {
    let attached = plan.graphs.iter().filter(|graph| graph.part.number == 0 && graph.part.role == Role::Decide);
    let searches = attached.flat_map(|graph| &graph.nodes).filter_map(|node| match node {
        Node::Find { index, .. } => Some(index.index()),
        _ => None,
    });
    let ids: BTreeSet<usize> = searches.collect();
    ids.into_iter().map(|id| &plan.indexes[id])
}

/// Counts the tests in all graphs.
fn tests(plan: &Plan) -> usize {
    plan.graphs.iter().flat_map(|graph| &graph.nodes).filter(|node| matches!(node, Node::Test { .. })).count()
}

#[test]
fn the_module_documentation_quotes_the_printer() {
    let documentation = include_str!("../mod.rs");
    let rule = "jit: on file_mprotect when prot & EXEC and vma.file == null deny EPERM audit";
    let twelve = rules(12, |n| format!("on file_mprotect when prot == {n} and reqprot == {} deny", n + 1));
    assert!(documentation.contains(rule));
    for (text, lines) in [(rule, usize::MAX), (&twelve, 3)] {
        let (policy, plan) = planned(text, Optimise::default());
        for line in print::print(&plan, &policy).lines().take(lines) {
            assert!(documentation.contains(&format!("//! {line}\n")), "{line}");
        }
    }
}
