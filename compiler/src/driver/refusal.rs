//! Programs that exceed a limit, and their diagnostics.

use std::collections::BTreeMap;

use krs_grammar::ast::Span;

use super::split::Unsplittable;
use crate::bpf::{Code, stack};
use crate::diag::{Diagnostic, code};
use crate::hir::{HookId, Policy};
use crate::limits::TooLarge;

/// The reason why a graph has no program.
pub(super) struct Refusal {
    pub(super) why: TooLarge,
    /// The item that exceeds the limit, if it is a single one.
    at: Option<Span>,
}

impl From<TooLarge> for Refusal {
    fn from(why: TooLarge) -> Refusal {
        Refusal { why, at: None }
    }
}

impl From<(TooLarge, Span)> for Refusal {
    fn from((why, at): (TooLarge, Span)) -> Refusal {
        Refusal { why, at: Some(at) }
    }
}

/// The programs of a plan, and the reasons why others are missing.
#[derive(Default)]
pub(super) struct Generated {
    /// All programs except those that are too large.
    pub(super) code: Code,
    /// Hooks of the graphs without a program.
    pub(super) refused: Vec<(HookId, Refusal)>,
    /// Programs whose calls need too much stack.
    pub(super) deep: Vec<stack::TooDeep>,
    /// Diagnostics of the tables.
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Generated {
    /// Returns true if a program exceeds the stack.
    pub(super) fn exceeds_stack(&self) -> bool {
        !self.deep.is_empty() || self.refused.iter().any(|(_, refusal)| matches!(refusal.why, TooLarge::Frame(_)))
    }

    /// Reports the programs that are too large, and the rules that fit into no program.
    pub(super) fn report(
        &mut self,
        policy: &Policy,
        no_fit: BTreeMap<HookId, Unsplittable>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        diagnostics.append(&mut self.diagnostics);
        for (hook, Unsplittable { rules, why }) in no_fit {
            let hook = &policy.hooks[hook.index()].name;
            let at = policy.rules[rules[0].0 as usize].span;
            diagnostics.push(match rules.len() {
                1 => Diagnostic::error(
                    code::PROGRAM_TOO_LARGE,
                    at,
                    format!("the program of this rule on `{hook}` is too large"),
                )
                .label("too large for one program")
                .note(why.to_string())
                .help("write each alternative of an `or` as a rule"),
                count => Diagnostic::error(
                    code::PROGRAM_TOO_LARGE,
                    at,
                    format!("the program of {count} rules on `{hook}` is too large"),
                )
                .label("the first of these rules")
                .note(why.to_string())
                .note("the rules share one lookup, or some set labels that the others test; they cannot be split")
                .help("split the policy into two policies and load both"),
            });
        }
        for (hook, Refusal { why, at }) in self.refused.drain(..) {
            let first =
                || policy.rules.iter().find(|rule| rule.hook == hook).map_or_else(Span::default, |rule| rule.span);
            let (at, label) = at.map_or_else(|| (first(), "the first of these rules"), |at| (at, "exceeds the limit"));
            diagnostics.push(too_large(policy, hook, why, at, label));
        }
        for stack::TooDeep { program, slot, why } in self.deep.drain(..) {
            let program = &self.code.programs[program];
            let line = program.lines.iter().rev().find(|(at, _)| *at <= slot);
            let at = line.map_or_else(Span::default, |(_, span)| *span);
            let hook = policy.hooks.iter().position(|hook| hook.name == program.hook).unwrap_or_default();
            diagnostics.push(too_large(policy, HookId(hook as u32), why, at, "has the deepest calls"));
        }
    }
}

fn too_large(policy: &Policy, hook: HookId, why: TooLarge, at: Span, label: &str) -> Diagnostic {
    let count = policy.rules.iter().filter(|rule| rule.hook == hook).count();
    let rules = if count == 1 { "the rule".to_owned() } else { format!("the {count} rules") };
    let hook = &policy.hooks[hook.index()].name;
    Diagnostic::error(code::PROGRAM_TOO_LARGE, at, format!("the program of {rules} on `{hook}` is too large"))
        .label(label)
        .note(why.to_string())
        .help("split the policy into two policies and load both")
}
