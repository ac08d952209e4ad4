//! Tests of the planner from policy text to graphs and tables.
//!
//! ```text
//! search.rs    which rules share one search, and the rows of its table
//! graph.rs     what a graph does, against an evaluation of the rules one by one
//! parts.rs     a hook whose rules are several programs
//! ```
//!
//! Absent: machine code; `bpf::lower` and `bpf::library` have their own tests.

use std::fmt::Write as _;

use super::key::Element;
use super::{Index, Node, Plan, lower, verify};
use crate::hir::Policy;
use crate::optimise::Optimise;
use crate::{Options, Source};

mod graph;
mod parts;
mod search;

/// A policy and its plan, which keeps the invariants of this module.
pub(super) fn planned(text: &str, optimise: Optimise) -> (Policy, Plan) {
    let source = Source { name: "p.krs".into(), text: text.into() };
    let built = crate::build(&[source], &Options { optimise, ..Options::default() });
    let policy = built.value.unwrap_or_else(|| panic!("{text}\n{:?}", built.diagnostics)).policy;
    let plan = lower::lower(&policy, optimise);
    verify::verify(&plan);
    (policy, plan)
}

/// So many rules, one a line, by their numbers.
pub(super) fn rules(count: usize, rule: impl Fn(usize) -> String) -> String {
    (0..count).map(|n| format!("{}\n", rule(n))).collect()
}

/// The rows of a table, one a line: `1 2-9 "text": r0 r3`.
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

/// How many rules each search of a policy is about, in the order of the tables.
fn searched(text: &str) -> Vec<usize> {
    planned(text, Optimise::default()).1.indexes.iter().map(|index| index.rules).collect()
}

/// The nodes of all graphs that are tests.
fn tests(plan: &Plan) -> usize {
    plan.graphs.iter().flat_map(|graph| &graph.nodes).filter(|node| matches!(node, Node::Test { .. })).count()
}
