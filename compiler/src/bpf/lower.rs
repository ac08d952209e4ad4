//! Graphs to code over virtual registers, and from there to programs.
//!
//! A register holds a value as the mathematical number that it is, extended to 64 bits; where only the low
//! half matters (two 32-bit integers compared, a bit tested) the extension of a signed one is left out.
//! Whatever a way through the program has read already is not read again on it: what is known at a block is
//! what is known at the nearest block that all ways to it pass.

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

/// No program becomes this many times smaller by what is done with its code.
const SHRINKS_TO: usize = 2;

/// What is left undone where a policy takes more stack than there is, one after the other: values stay in registers
/// that programs must save, and are read again rather than kept.
const LESS_STACK: [&[Optimisation]; 2] =
    [&[Optimisation::CalleeSavedCost], &[Optimisation::AvailableValues, Optimisation::Pre, Optimisation::Gvn]];

/// Generates all programs. A hook whose rules do not fit into one is split into parts, in the plan too; what fits into no part
/// is an error.
pub fn lower(
    policy: &Policy,
    plan: &mut Plan,
    mut optimise: Optimise,
    observer: &Observer<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Code {
    let mut less = LESS_STACK.iter();
    // Hooks in parts, and how large those may be.
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
        if made.is_deep()
            && let Some(more) = less.next()
        {
            optimise = more.iter().fold(optimise, |all, one| all.without(*one));
            no_fit.clear();
            pending.extend(split.keys());
            continue;
        }
        for (hook, Refusal { why, .. }) in &made.large {
            // What a part does can take more where others have denied: then parts are made smaller.
            let most = split.get(hook).map_or(split::INSTRUCTIONS_MAX, |most| most / 2);
            if why.is_less_in_parts() && most >= split::INSTRUCTIONS_LEAST && !pending.contains(hook) {
                split.insert(*hook, most);
                pending.push(*hook);
            }
        }
        if pending.is_empty() {
            made.tell(policy, no_fit, diagnostics);
            return made.code;
        }
    }
}

/// Why a graph has no program.
struct Refusal {
    why: TooLarge,
    /// What is one too many, where it is one.
    at: Option<Span>,
}

impl From<TooLarge> for Refusal {
    fn from(why: TooLarge) -> Refusal {
        Refusal { why, at: None }
    }
}

/// What came of a plan.
struct Made {
    /// All programs but those that are too large.
    code: Code,
    large: Vec<(HookId, Refusal)>,
    deep: Vec<stack::TooDeep>,
    diagnostics: Vec<Diagnostic>,
}

impl Made {
    /// Whether it needs more stack than there is.
    fn is_deep(&self) -> bool {
        !self.deep.is_empty() || self.large.iter().any(|(_, refusal)| matches!(refusal.why, TooLarge::Frame(_)))
    }

    /// What is wrong with it, and which rules fit into no part.
    fn tell(&mut self, policy: &Policy, no_fit: BTreeMap<HookId, Unsplittable>, diagnostics: &mut Vec<Diagnostic>) {
        diagnostics.append(&mut self.diagnostics);
        for (hook, Unsplittable { rules, why }) in no_fit {
            let hook = &policy.hooks[hook.index()].name;
            let at = policy.rules[rules[0].0 as usize].span;
            diagnostics.push(match rules.len() {
                1 => Diagnostic::error(
                    code::PROGRAM_TOO_LARGE,
                    at,
                    format!("this rule makes too large a program on `{hook}`"),
                )
                .label("too large by itself")
                .note(why.to_string())
                .help("write it as several rules: each `or` can be one of its own"),
                count => Diagnostic::error(
                    code::PROGRAM_TOO_LARGE,
                    at,
                    format!("{count} rules on `{hook}` make too large a program"),
                )
                .label("the first of them")
                .note(why.to_string())
                .note("they stay together: one search finds them, or they mark what others look at")
                .help("split the policy in two files and load both: each makes its own programs"),
            });
        }
        for (hook, Refusal { why, at }) in self.large.drain(..) {
            let first =
                || policy.rules.iter().find(|rule| rule.hook == hook).map_or_else(Span::default, |rule| rule.span);
            let (at, label) = at.map_or_else(|| (first(), "the first of them"), |at| (at, "one too many"));
            diagnostics.push(too_large(policy, hook, why, at, label));
        }
        for stack::TooDeep { program, slot, why } in self.deep.drain(..) {
            let program = &self.code.programs[program];
            let line = program.lines.iter().rev().find(|(at, _)| *at <= slot);
            let at = line.map_or_else(Span::default, |(_, span)| *span);
            let hook = policy.hooks.iter().position(|hook| hook.name == program.hook).unwrap_or_default();
            diagnostics.push(too_large(policy, HookId(hook as u32), why, at, "what this calls is the deepest"));
        }
    }
}

fn generate(policy: &Policy, plan: &Plan, optimise: Optimise, observer: &Observer<'_>) -> Made {
    let mut made = Made { code: begun(policy), large: Vec::new(), deep: Vec::new(), diagnostics: Vec::new() };
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
                    .label(format!("{bytes} bytes with those of the rules on `{hook}`"))
                    .note(format!("the kernel 5.10 gives a map's value at most {} bytes", section.room()))
                    .help("split the policy in two files and load both: each has its own tables"),
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

/// What comes before all programs.
fn begun(policy: &Policy) -> Code {
    let mut code = Code { events_bytes: crate::bpf::event::ring_bytes(policy), ..Code::default() };
    let switches = policy.rules.iter().filter(|rule| rule.since.is_some()).count();
    if !policy.params.is_empty() || switches > 0 {
        // They come first: their place is known to whoever sets them. A rule for newer kernels is on until it is turned off.
        let defaults = policy.params.iter().map(|param| param.default as u64);
        let words = defaults.chain(std::iter::repeat_n(1, switches));
        code.constants.add(Section::Tables, &words.flat_map(u64::to_le_bytes).collect::<Vec<u8>>());
    }
    if !policy.files.is_empty() {
        // Until the load has found a file, none has its numbers.
        code.files = code.constants.add(Section::Tables, &vec![0xff; 16 * policy.files.len()]);
    }
    if policy.rules.iter().any(|rule| rule.audit.is_some() || rule.deny.is_some()) {
        // The counters of lost and written events come first: their place is known to whoever reads them.
        code.state(2 * krsi_abi::written_at(policy.rules.len()) as u32);
    }
    // Also those that no rule asks: whoever fills them finds them.
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
    let rules = if count == 1 { "the rule on".to_owned() } else { format!("the {count} rules on") };
    let makes = if count == 1 { "makes" } else { "make" };
    let hook = &policy.hooks[hook.index()].name;
    Diagnostic::error(code::PROGRAM_TOO_LARGE, at, format!("{rules} `{hook}` {makes} too large a program"))
        .label(label)
        .note(why.to_string())
        .help("split the policy in two files and load both: each makes its own program")
}

/// The program of a graph: its code in registers and slots, of so many instructions at most.
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

/// The program of a body that is no hook's own: a function that is called by several.
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
