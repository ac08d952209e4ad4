//! Printer of decision graphs, for `--emit decision`. The documentation of `decision` shows the form.

use std::collections::BTreeSet;
use std::fmt::Write;

use krsi_abi::modes::EffectiveAction;

use super::key::ColumnKind;
use super::{Errno, IndexId, Node, NodeId, Part, Plan, Role, Verdict};
use crate::hir::errno;
use crate::hir::print::{atom, value};
use crate::hir::{HookId, Policy};

/// Prints the graphs of a plan, each preceded by the indexes that it uses.
#[must_use]
pub fn print(plan: &Plan, policy: &Policy) -> String {
    let mut out = String::new();
    let mut printed = BTreeSet::new();
    for graph in &plan.graphs {
        let hook = &policy.hooks[graph.hook.index()];
        let _ = match (&graph.part.next[..], graph.part.number, graph.part.role) {
            ([], 0, Role::Decide) => writeln!(out, "hook {}", hook.name),
            _ => writeln!(out, "hook {}, {}", hook.name, role(&graph.part)),
        };
        for node in &graph.nodes {
            // Several nodes can use one index; it is printed with the first graph that does.
            if let Node::Find { index, .. } = node
                && printed.insert(*index)
            {
                print_index(&mut out, plan, policy, graph.hook, *index);
            }
        }
        for (at, node) in graph.nodes.iter().enumerate() {
            let _ = match node {
                Node::Test { atom: test, sense, rule, then, otherwise, unreadable } => writeln!(
                    out,
                    "  n{at} test {}{} ? n{} : n{}{}    # {}",
                    if *sense { "" } else { "not " },
                    atom(policy, graph.hook, test),
                    then.0,
                    otherwise.0,
                    if_unreadable(*unreadable),
                    policy.rules[rule.0 as usize].name,
                ),
                Node::Guard { rule, then, otherwise } => {
                    let rule = &policy.rules[rule.0 as usize];
                    let since = rule.since.as_ref().map(|since| since.version.to_string()).unwrap_or_default();
                    writeln!(out, "  n{at} since {since} ? n{} : n{}    # {}", then.0, otherwise.0, rule.name)
                }
                Node::Find { index, then, otherwise, unreadable, .. } => {
                    let unreadable = if_unreadable(*unreadable);
                    writeln!(out, "  n{at} find i{} ? n{} : n{}{unreadable}", index.0, then.0, otherwise.0)
                }
                Node::TestVerdict { then, otherwise } => {
                    writeln!(out, "  n{at} denied ? n{} : n{}", then.0, otherwise.0)
                }
                Node::RecordFound { index, verdict: with, next, .. } => {
                    writeln!(out, "  n{at} record the row of i{}, {}; n{}", index.0, verdict(*with), next.0)
                }
                Node::Mode { rule, index: None, next } => {
                    writeln!(out, "  n{at} mode of {}; n{}", policy.rules[rule.0 as usize].name, next.0)
                }
                Node::Mode { index: Some(index), next, .. } => {
                    writeln!(out, "  n{at} strongest mode in the row of i{}; n{}", index.0, next.0)
                }
                Node::TestMode { action, then, otherwise, .. } => {
                    let action = match action {
                        EffectiveAction::Alone => "enforced, no rule of the hook permissive",
                        EffectiveAction::Enforce => "enforced",
                        EffectiveAction::Permissive => "not off",
                        EffectiveAction::Off => "any",
                    };
                    writeln!(out, "  n{at} {action} ? n{} : n{}", then.0, otherwise.0)
                }
                Node::Set { errno, first, next } => {
                    let first = if *first { " unless denied" } else { "" };
                    let to = match errno {
                        Errno::Constant(errno) => verdict(Verdict::Constant(*errno)),
                        Errno::Found(index) => format!("the errno of the row of i{}", index.0),
                    };
                    writeln!(out, "  n{at} set {to}{first}; n{}", next.0)
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
                Node::Continue { verdict: with } => writeln!(out, "  n{at} next part, {}", verdict(*with)),
                Node::Call { graph: called } => {
                    let of_hook = plan.graphs.iter().filter(|of| of.hook == graph.hook);
                    let called = of_hook.skip(1).nth(*called as usize).map(|graph| role(&graph.part));
                    writeln!(out, "  n{at} call {}", called.unwrap_or_default())
                }
                Node::Exit { verdict: with } => writeln!(out, "  n{at} exit {}", verdict(*with)),
            };
        }
    }
    out
}

fn print_index(out: &mut String, plan: &Plan, policy: &Policy, hook: HookId, id: IndexId) {
    let index = &plan.indexes[id.index()];
    if index.is_list() {
        let first = &policy.rules[index.rows[0].rules[0].0 as usize].name;
        let _ = match index.rules {
            1 => writeln!(out, "  i{} undecided {first}", id.0),
            count => writeln!(out, "  i{} undecided, the first of {count} rules from {first} on", id.0),
        };
        return;
    }
    let columns: Vec<String> = index
        .columns
        .iter()
        .zip(&index.automata)
        .map(|(column, automaton)| {
            let kind = match column.kind {
                ColumnKind::Number => format!("{} bytes", column.bytes()),
                ColumnKind::Text => "text".to_owned(),
                ColumnKind::Match => {
                    let (states, rows) = automaton.as_ref().map_or((0, 1), |of| (of.states, of.rows.len()));
                    format!("patterns, {states} states, {} rows", rows - 1)
                }
                ColumnKind::Name => "name".to_owned(),
                ColumnKind::Ip => "address".to_owned(),
                ColumnKind::Network => "network".to_owned(),
                ColumnKind::Range => "range".to_owned(),
            };
            format!("{}: {kind}", value(policy, hook, &column.value))
        })
        .collect();
    let search = match index.columns.last().map(|column| column.kind) {
        Some(kind) if kind.is_range() => "binary search",
        Some(ColumnKind::Match) if index.columns.len() == 1 => "automaton",
        _ => "hash",
    };
    let prefilter: Vec<String> =
        index.prefilter.iter().map(|at| value(policy, hook, &index.columns[*at].value)).collect();
    let prefilter =
        if prefilter.is_empty() { String::new() } else { format!(", prefilter ({})", prefilter.join(", ")) };
    let _ = writeln!(
        out,
        "  i{}{} {search} ({}){prefilter}: {} rules in {} rows, at most {} per row",
        id.0,
        if index.undecided { " undecided," } else { "" },
        columns.join(", "),
        index.rules,
        index.rows.len(),
        index.most()
    );
}

/// Returns the words for a program among those of its hook.
fn role(part: &Part) -> String {
    let how = match part.role {
        Role::Decide => verdict(Verdict::Constant(part.denied)),
        Role::Restart => "restarted".to_owned(),
        Role::Undecided(0) => "undecided".to_owned(),
        Role::Undecided(share) => format!("undecided {}", share + 1),
    };
    format!("part {}, {how}", part.number + 1)
}

fn if_unreadable(to: Option<NodeId>) -> String {
    to.map_or_else(String::new, |to| format!(", unreadable n{}", to.0))
}

fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Chosen => "as set".into(),
        Verdict::Constant(0) => "allowed".into(),
        Verdict::Constant(errno) => match errno::name(errno) {
            Some(name) => format!("denied {name}"),
            None => format!("denied {errno}"),
        },
    }
}
