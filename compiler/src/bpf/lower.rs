//! Lowering of decision graphs to MIR, and compilation of all programs of a policy.
//!
//! A virtual register holds a value sign- or zero-extended to 64 bits. Where only the low half is observed
//! (two 32-bit integers compared, a bit tested), the extension of a signed value is left out. A value that is
//! available at the immediate dominator of a block is not read again there.
//!
//! A hook whose rules do not fit into one program is split, and the plan with it. A policy that needs more
//! stack than the kernel provides is lowered again with fewer optimisations.

mod ancestors;
mod arithmetic;
mod builder;
mod conds;
mod dynamic_sets;
mod events;
mod exact;
mod guard;
mod index;
mod labels;
mod limit;
mod modes;
mod network;
mod ranges;
mod reads;
mod sets;
pub mod split;
mod tables;
#[cfg(test)]
mod tests;
mod text;
mod unix;
mod values;

use std::collections::BTreeMap;

use krs_grammar::ast::Span;

pub use self::ancestors::AncestorQuery;
use self::builder::Builder;
use self::split::Unsplittable;
use super::encode::TooLarge;
use super::{Code, Program, Section, encode, library, stack};
use crate::decision::{self, Graph, Node, NodeId, Part, Plan};
use crate::diag::{Diagnostic, code};
use crate::driver::{self, Observer};
use crate::hir::{HookId, Policy};
use crate::isa::jmp;
use crate::limits;
use crate::mir::{Body, Operand};
use crate::optimise::{Optimisation, Optimise};

/// Passes shrink a program by less than this factor. A body that exceeds the limit by more is refused before
/// they run.
const SHRINKS_TO: usize = 2;

/// Optimisations that are disabled, in this order, when a program exceeds the stack: values then occupy
/// callee-saved registers at any cost, and are read again rather than kept.
const LESS_STACK: [&[Optimisation]; 2] =
    [&[Optimisation::CalleeSavedCost], &[Optimisation::AvailableValues, Optimisation::Pre, Optimisation::Gvn]];

/// Generates all programs. A hook whose rules do not fit into one program is split, in the plan as well;
/// rules that fit into no program are an error.
pub fn lower(
    policy: &Policy,
    plan: &mut Plan,
    mut optimise: Optimise,
    observer: &Observer<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Code {
    let mut less = LESS_STACK.iter();
    // Split hooks, with the most instructions of each of their programs.
    let mut split: BTreeMap<HookId, usize> = BTreeMap::new();
    if !optimise.does(Optimisation::OneProgram) {
        split.extend(plan.graphs.iter().map(|graph| (graph.hook, split::INSTRUCTIONS_MAX)));
    }
    let mut no_fit: BTreeMap<HookId, Unsplittable> = BTreeMap::new();
    let mut pending: Vec<HookId> = split.keys().copied().collect();
    loop {
        for hook in pending.drain(..) {
            match split::split(policy, hook, &plan.rules[hook.index()], split[&hook], optimise) {
                Ok(parts) => decision::split::split(policy, plan, hook, &parts, optimise),
                Err(why) => drop(no_fit.insert(hook, why)),
            }
        }
        observer.restart();
        let mut made = generate(policy, plan, optimise, observer);
        made.large.retain(|(hook, _)| !no_fit.contains_key(hook));
        if made.exceeds_stack()
            && let Some(more) = less.next()
        {
            optimise = more.iter().fold(optimise, |all, one| all.without(*one));
            no_fit.clear();
            pending.extend(split.keys());
            continue;
        }
        for (hook, Refusal { why, .. }) in &made.large {
            // A program compiled for an earlier denial can be larger than the default one: retry with half
            // the size.
            let most = split.get(hook).map_or(split::INSTRUCTIONS_MAX, |most| most / 2);
            if why.is_less_in_parts() && most >= split::INSTRUCTIONS_LEAST && !pending.contains(hook) {
                split.insert(*hook, most);
                pending.push(*hook);
            }
        }
        if pending.is_empty() {
            made.report(policy, no_fit, diagnostics);
            return made.code;
        }
    }
}

/// The reason why a graph has no program.
struct Refusal {
    why: TooLarge,
    /// The item that exceeds the limit, if it is a single one.
    at: Option<Span>,
}

impl From<TooLarge> for Refusal {
    fn from(why: TooLarge) -> Refusal {
        Refusal { why, at: None }
    }
}

/// The programs of a plan, and the reasons why others are missing.
struct Generated {
    /// All programs except those that are too large.
    code: Code,
    large: Vec<(HookId, Refusal)>,
    deep: Vec<stack::TooDeep>,
    diagnostics: Vec<Diagnostic>,
}

impl Generated {
    /// Returns true if a program exceeds the stack.
    fn exceeds_stack(&self) -> bool {
        !self.deep.is_empty() || self.large.iter().any(|(_, refusal)| matches!(refusal.why, TooLarge::Frame(_)))
    }

    /// Reports the programs that are too large, and the rules that fit into no program.
    fn report(&mut self, policy: &Policy, no_fit: BTreeMap<HookId, Unsplittable>, diagnostics: &mut Vec<Diagnostic>) {
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
        for (hook, Refusal { why, at }) in self.large.drain(..) {
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

fn generate(policy: &Policy, plan: &Plan, optimise: Optimise, observer: &Observer<'_>) -> Generated {
    let mut made =
        Generated { code: shared_data(policy), large: Vec::new(), deep: Vec::new(), diagnostics: Vec::new() };
    let mut regions = 0;
    for graph in &plan.graphs {
        regions = regions.max(text::texts(policy, plan, graph).len());
        let full = made.code.constants.full();
        let most = if graph.part == Part::default() { split::INSTRUCTIONS_MAX } else { usize::MAX };
        let program = program(policy, plan, graph, most, optimise, observer, &mut made.code);
        let hook = &policy.hooks[graph.hook.index()].name;
        if let (None, Some(section)) = (full, made.code.constants.full()) {
            let span = graph.first(policy).map_or_else(Span::default, |rule| rule.span);
            let (bytes, what) = (made.code.constants.bytes(section).len(), section.words());
            made.diagnostics.push(
                Diagnostic::error(code::TABLES_TOO_LARGE, span, format!("the policy's {what} are too large for a map"))
                    .label(format!("{bytes} bytes including the rules on `{hook}`"))
                    .note(format!("a map value has at most {} bytes on 5.10", section.room()))
                    .help("split the policy into two policies and load both"),
            );
        }
        match program {
            Ok(program) => made.code.programs.extend(program),
            Err(refusal) => made.large.push((graph.hook, refusal)),
        }
    }
    library::link(&mut made.code, policy, regions.min(limits::TEXTS_MAX));
    made.deep = stack::too_deep(&made.code);
    made
}

/// The data that all programs share.
fn shared_data(policy: &Policy) -> Code {
    let mut code = Code { events_bytes: crate::bpf::event::ring_bytes(policy), ..Code::default() };
    let switches = policy.rules.iter().filter(|rule| rule.since.is_some()).count();
    if !policy.params.is_empty() || switches > 0 {
        // Parameters come first: their offsets follow from their order. A rule with `@since` is enabled until
        // the loader disables it.
        let defaults = policy.params.iter().map(|param| param.default as u64);
        let words = defaults.chain(std::iter::repeat_n(1, switches));
        code.constants.add(Section::Tables, &words.flat_map(u64::to_le_bytes).collect::<Vec<u8>>());
    }
    if !policy.files.is_empty() {
        // No file has these numbers; the loader fills in those of the files that it finds.
        code.files = code.constants.add(Section::Tables, &vec![0xff; 16 * policy.files.len()]);
    }
    if policy.rules.iter().any(|rule| rule.audit.is_some() || rule.deny.is_some()) {
        // The counters of lost and written events come first, at offsets that every reader knows.
        code.state(2 * krsi_abi::written_at(policy.rules.len()) as u32);
    }
    // Unused sets are declared as well, so that a tool that fills them finds them.
    policy.sets.iter().for_each(|set| dynamic_sets::declare(set, &mut code));
    if !policy.labels.is_empty()
        && let super::RelocationKind::State(offset) = code.state(8)
    {
        code.labels_lost = Some(offset);
    }
    code
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

/// Compiles a graph to a program of at most `most` instructions; `None` if `-Z stop-after` ended the
/// compilation.
fn program(
    policy: &Policy,
    plan: &Plan,
    graph: &Graph,
    most: usize,
    optimise: Optimise,
    observer: &Observer<'_>,
    code: &mut Code,
) -> Result<Option<Program>, Refusal> {
    if text::texts(policy, plan, graph).len() > limits::TEXTS_MAX {
        return Err(TooLarge::Texts(limits::TEXTS_MAX).into());
    }
    let body = graph_code(policy, plan, graph, optimise, code)?;
    let count = body.blocks.iter().map(|block| block.insts.len() + 1).sum::<usize>();
    if count / SHRINKS_TO > most {
        return Err(TooLarge::Instructions(count / SHRINKS_TO).into());
    }
    let hook = &policy.hooks[graph.hook.index()].name;
    let name = split::name(hook, &graph.part);
    let Some(body) = driver::run(&name, body, optimise, observer).map_err(TooLarge::Frame)? else { return Ok(None) };
    let program = encode::encode(&name, hook, &body, optimise)?;
    match program.insns.len() {
        count if count > most => Err(TooLarge::Instructions(count).into()),
        _ => Ok(Some(program)),
    }
}

/// Compiles a function that programs call.
fn encoded(name: &str, body: Body, optimise: Optimise) -> Result<Program, TooLarge> {
    let body = driver::run(name, body, optimise, &Observer::none()).map_err(TooLarge::Frame)?;
    encode::encode(name, "", &body.expect("nothing asks to stop"), optimise)
}

fn graph_code(
    policy: &Policy,
    plan: &Plan,
    graph: &Graph,
    optimise: Optimise,
    code: &mut Code,
) -> Result<Body, Refusal> {
    let programs = plan.graphs.iter().filter(|other| other.hook == graph.hook).count() as u32 - 1;
    let mut build = Builder::new(policy, plan, graph, optimise, code);
    let after_marks = labels::after_marks(policy, graph);
    let (rare, modes) = (graph.cold(), graph.modes());
    build.begin_labels(graph);
    for (at, node) in graph.nodes.iter().enumerate() {
        if !build.begin(at) {
            continue;
        }
        build.action = modes[at].and_then(|mode| build.actions.get(&mode).copied());
        (build.cold, build.expensive) = (rare[at] || matches!(node, Node::Mode { .. }), false);
        match node {
            Node::Test { atom, sense, then, otherwise, rule } => {
                build.rule = *rule;
                let (then, otherwise) = (build.target(*then), build.target(*otherwise));
                build.span = atom.span;
                build.atom(atom, *sense, then, otherwise);
            }
            Node::Guard { rule, then, otherwise } => {
                build.rule = *rule;
                let (then, otherwise) = (build.target(*then), build.target(*otherwise));
                build.span = policy.rules[rule.0 as usize].span;
                build.guard(*rule, then, otherwise);
            }
            Node::Find { index, rule, then, otherwise } => {
                build.rule = *rule;
                build.span = policy.rules[rule.0 as usize].span;
                let (then, otherwise) = (build.target(*then), build.target(*otherwise));
                build.find_rules(*index, then, otherwise);
            }
            Node::Mode { rule, index, next } => {
                let next = build.target(*next);
                let act = build.effective_action(*rule, *index, next);
                build.actions.insert(NodeId(at as u32), act);
            }
            Node::TestMode { act, then, otherwise, .. } => {
                let (then, otherwise) = (build.target(*then), build.target(*otherwise));
                build.branch_on_action(*act, then, otherwise);
            }
            Node::Set { errno, first, next } => {
                let verdict = build.verdict();
                if *first {
                    let next = build.target(*next);
                    build.branch_away(jmp::JNE, true, verdict, Operand::Imm(0), next);
                }
                build.set_verdict(*errno);
                let next = build.target(*next);
                build.jump(next);
            }
            Node::Record { rule, verdict, next } => {
                let next = build.target(*next);
                build.record(*rule, *verdict, next);
            }
            Node::RecordFound { index, rule, verdict, next } => {
                let next = build.target(*next);
                build.record_found(*index, *rule, *verdict, next);
            }
            Node::Continue { verdict } => build.tail_call_next(*verdict, &graph.part.next, programs),
            Node::Exit { verdict } => build.exit(*verdict, after_marks[at]),
        }
    }
    match build.too_large {
        Some((why, at)) => Err(Refusal { why, at: Some(at) }),
        None => Ok(build.finish()),
    }
}
