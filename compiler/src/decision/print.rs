//! The printed form of graphs, for `--emit decision`.

use std::fmt::Write;

use super::{Node, Plan, Verdict};
use crate::hir::Policy;
use crate::hir::errno::ERRNOS;
use crate::hir::print::atom;

/// Prints every graph.
#[must_use]
pub fn print(plan: &Plan, policy: &Policy) -> String {
    let mut out = String::new();
    for graph in &plan.graphs {
        let hook = &policy.hooks[graph.hook.index()];
        let _ = writeln!(out, "hook {}", hook.name);
        for (at, node) in graph.nodes.iter().enumerate() {
            let _ = match node {
                Node::Test { atom: test, sense, rule, then, otherwise } => writeln!(
                    out,
                    "  n{at} test {}{} ? n{} : n{}    # {}",
                    if *sense { "" } else { "not " },
                    atom(policy, graph.hook, test),
                    then.0,
                    otherwise.0,
                    policy.rules[rule.0 as usize].name,
                ),
                Node::Guard { rule, then, otherwise } => {
                    let rule = &policy.rules[rule.0 as usize];
                    let since = rule.since.as_ref().map(|since| since.version.to_string()).unwrap_or_default();
                    writeln!(out, "  n{at} since {since} ? n{} : n{}    # {}", then.0, otherwise.0, rule.name)
                }
                Node::Set { errno, next } => {
                    writeln!(out, "  n{at} set {}; n{}", verdict(Verdict::Constant(*errno)), next.0)
                }
                Node::Record { rule, verdict: with, next } => {
                    writeln!(
                        out,
                        "  n{at} record {}, {}; n{}",
                        policy.rules[rule.0 as usize].name,
                        verdict(*with),
                        next.0
                    )
                }
                Node::Exit { verdict: with } => writeln!(out, "  n{at} exit {}", verdict(*with)),
            };
        }
    }
    out
}

fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Chosen => "as set".into(),
        Verdict::Constant(0) => "allowed".into(),
        Verdict::Constant(errno) => match ERRNOS.iter().find(|(_, number)| *number == errno) {
            Some((name, _)) => format!("denied {name}"),
            None => format!("denied {errno}"),
        },
    }
}
