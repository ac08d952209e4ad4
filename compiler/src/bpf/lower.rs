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
mod tables;
mod text;
mod unix;
mod values;

use krs_grammar::ast::Span;

pub use self::ancestors::Asking;
use self::builder::Builder;
pub use self::sets::part_bytes;
use super::insn::jmp;
use super::vcode::Src;
use super::{Code, Program, RelocationKind, allocate, encode, flow, layout, library, stack};
use crate::decision::{self, Graph, Node, NodeId, Plan};
use crate::diag::{Diagnostic, code};
use crate::hir::{HookId, Policy, Rule, RuleId};
use crate::optimise::{Optimisation, Optimise};

/// Bytes of the constants, which are one value of a map. Source: `array_map_alloc_check` of 5.10, which refuses more than
/// `KMALLOC_MAX_SIZE`.
const CONSTANTS_BYTES_MAX: usize = 4 << 20;

/// What is left undone where a policy takes more stack than there is, one after the other: values stay in registers
/// that programs must save, and are read again rather than kept.
const LESS_STACK: [&[Optimisation]; 2] = [&[Optimisation::Frugal], &[Optimisation::Reuse, Optimisation::Again]];

/// Generates all programs; a hook whose rules do not fit into one is an error.
pub fn lower(policy: &Policy, plan: &Plan, mut optimise: Optimise, diagnostics: &mut Vec<Diagnostic>) -> Code {
    let mut less = LESS_STACK.iter();
    loop {
        let (mut found, mut large) = (Vec::new(), Vec::new());
        let (code, deep) = generate(policy, plan, optimise, &mut large, &mut found);
        match less.next() {
            Some(more) if deep => optimise = more.iter().fold(optimise, |all, one| all.without(*one)),
            _ => {
                diagnostics.append(&mut found);
                diagnostics.extend(large.into_iter().map(|(hook, why)| does_not_fit(policy, hook, why, optimise)));
                return code;
            }
        }
    }
}

/// All programs but those that are too `large`, and whether some need more stack than there is.
fn generate(
    policy: &Policy,
    plan: &Plan,
    optimise: Optimise,
    large: &mut Vec<(HookId, encode::TooLarge)>,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Code, bool) {
    let mut code = begun(policy);
    let mut deep = false;
    let mut regions = 0;
    for graph in &plan.graphs {
        let texts = text::texts(policy, plan, graph);
        if let Some(too_many) = texts.get(library::REGIONS_MAX) {
            diagnostics.push(
                Diagnostic::error(
                    code::TOO_LARGE,
                    too_many.span,
                    format!("a hook's rules can look at {} different texts", library::REGIONS_MAX),
                )
                .label("one too many")
                .help("split the policy in two files and load both: each makes its own program"),
            );
            continue;
        }
        regions = regions.max(texts.len());
        let fitted = code.constants.len() <= CONSTANTS_BYTES_MAX;
        let vcode = graph_code(policy, plan, graph, optimise, &mut code);
        let hook = &policy.hooks[graph.hook.index()].name;
        if fitted && code.constants.len() > CONSTANTS_BYTES_MAX {
            let span = graph.first(policy).map_or_else(Span::default, |rule| rule.span);
            diagnostics.push(
                Diagnostic::error(code::TABLES_TOO_LARGE, span, "the policy's tables are too large for a map")
                    .label(format!("{} bytes with those of the rules on `{hook}`", code.constants.len()))
                    .note(format!("the kernel 5.10 gives a map's value at most {CONSTANTS_BYTES_MAX} bytes"))
                    .help("split the policy in two files and load both: each has its own tables"),
            );
        }
        match vcode.and_then(|vcode| encoded(hook, vcode, optimise)) {
            Ok(program) => code.programs.push(program),
            Err(why) => {
                deep |= matches!(why, encode::TooLarge::Frame(_));
                large.push((graph.hook, why));
            }
        }
    }
    library::link(&mut code, policy, regions);
    for stack::TooDeep { program, slot, why } in stack::too_deep(&code) {
        deep = true;
        let program = &code.programs[program];
        let line = program.lines.iter().rev().find(|(at, _)| *at <= slot);
        let at = line.map_or_else(Span::default, |(_, span)| *span);
        diagnostics.push(too_large(policy, &program.hook, why, at, "what this calls is the deepest"));
    }
    (code, deep)
}

/// What comes before all programs.
fn begun(policy: &Policy) -> Code {
    let mut code = Code { events_bytes: crate::bpf::event::ring_bytes(policy), ..Code::default() };
    let switches = policy.rules.iter().filter(|rule| rule.since.is_some()).count();
    if !policy.params.is_empty() || switches > 0 {
        // They come first: their place is known to whoever sets them. A rule for newer kernels is on until it is turned off.
        let defaults = policy.params.iter().map(|param| param.default as u64);
        let words = defaults.chain(std::iter::repeat_n(1, switches));
        code.constant(&words.flat_map(u64::to_le_bytes).collect::<Vec<u8>>());
    }
    if !policy.files.is_empty() {
        // Until the load has found a file, none has its numbers.
        if let RelocationKind::Constant(at) = code.constant(&vec![0xff; 16 * policy.files.len()]) {
            code.files = at;
        }
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

fn does_not_fit(policy: &Policy, hook: HookId, why: encode::TooLarge, optimise: Optimise) -> Diagnostic {
    let (at, label) = match one_too_many(policy, hook, optimise) {
        Some((rule, true)) => (rule.span, "too large by itself"),
        Some((rule, false)) => (rule.span, "those before it fit, with this one they do not"),
        None => (Span::default(), ""),
    };
    too_large(policy, &policy.hooks[hook.index()].name, why, at, label)
}

/// The rule with which those of a hook no longer fit into one program, and whether it is the first of them.
fn one_too_many(policy: &Policy, hook: HookId, optimise: Optimise) -> Option<(&Rule, bool)> {
    let on_hook = |(_, rule): &(usize, &Rule)| rule.hook == hook;
    let rules: Vec<RuleId> = policy.rules.iter().enumerate().filter(on_hook).map(|(id, _)| RuleId(id as u32)).collect();
    let name = &policy.hooks[hook.index()].name;
    let fit = |count: usize| {
        let plan = decision::lower::some(policy, hook, &rules[..count], optimise);
        let code = graph_code(policy, &plan, &plan.graphs[0], optimise, &mut begun(policy));
        code.and_then(|code| encoded(name, code, optimise)).is_ok()
    };
    // The most that fit, by halves: more rules make no smaller program.
    let (mut fits, mut not) = (0, rules.len());
    while not > fits + 1 {
        let middle = fits.midpoint(not);
        *(if fit(middle) { &mut fits } else { &mut not }) = middle;
    }
    rules.get(fits).map(|id| (&policy.rules[id.0 as usize], fits == 0))
}

fn too_large(policy: &Policy, hook: &str, why: encode::TooLarge, at: Span, label: &str) -> Diagnostic {
    let count = policy.rules.iter().filter(|rule| policy.hooks[rule.hook.index()].name == hook).count();
    let rules = if count == 1 { "the rule on".to_owned() } else { format!("the {count} rules on") };
    let makes = if count == 1 { "makes" } else { "make" };
    Diagnostic::error(code::TOO_LARGE, at, format!("{rules} `{hook}` {makes} too large a program"))
        .label(label)
        .note(why.to_string())
        .help("split the policy in two files and load both: each makes its own program")
}

/// Registers and slots.
fn encoded(name: &str, mut vcode: super::vcode::Code, optimise: Optimise) -> Result<Program, encode::TooLarge> {
    flow::optimise(&mut vcode, optimise);
    let mut code = allocate::allocate(vcode, optimise).map_err(encode::TooLarge::Frame)?;
    if optimise.does(Optimisation::Chains) {
        layout::chain(&mut code);
    }
    if optimise.does(Optimisation::Exits) {
        layout::copy_exits(&mut code);
    }
    encode::encode(name, &code, optimise)
}

fn graph_code(
    policy: &Policy,
    plan: &Plan,
    graph: &Graph,
    optimise: Optimise,
    code: &mut Code,
) -> Result<super::vcode::Code, encode::TooLarge> {
    let mut build = Builder::new(policy, plan, graph, optimise, code);
    let after_marks = labels::after_marks(policy, graph);
    let (rare, modes) = (graph.rare(), graph.modes());
    build.begin_labels(graph, &rare);
    for (at, node) in graph.nodes.iter().enumerate() {
        if !build.begin(at) {
            continue;
        }
        build.act = modes[at].and_then(|mode| build.acts.get(&mode).copied());
        (build.cold, build.dear) = (rare[at] || matches!(node, Node::Mode { .. }), false);
        match node {
            Node::Test { atom, sense, then, otherwise, rule } => {
                build.rule = *rule;
                let (then, otherwise) = (build.label(*then), build.label(*otherwise));
                build.span = atom.span;
                build.atom(atom, *sense, then, otherwise);
            }
            Node::Guard { rule, then, otherwise } => {
                build.rule = *rule;
                let (then, otherwise) = (build.label(*then), build.label(*otherwise));
                build.span = policy.rules[rule.0 as usize].span;
                build.guard(*rule, then, otherwise);
            }
            Node::Find { index, rule, then, otherwise } => {
                build.rule = *rule;
                build.span = policy.rules[rule.0 as usize].span;
                let (then, otherwise) = (build.label(*then), build.label(*otherwise));
                build.find_rules(*index, then, otherwise);
            }
            Node::Mode { rule, index, next } => {
                let next = build.label(*next);
                let act = build.mode(*rule, *index, next);
                build.acts.insert(NodeId(at as u32), act);
            }
            Node::Does { act, then, otherwise, .. } => {
                let (then, otherwise) = (build.label(*then), build.label(*otherwise));
                build.does(*act, then, otherwise);
            }
            Node::Set { errno, first, next } => {
                let verdict = build.verdict();
                if *first {
                    let next = build.label(*next);
                    build.branch_away(jmp::JNE, true, verdict, Src::Imm(0), next);
                }
                build.set_verdict(*errno);
                let next = build.label(*next);
                build.jump(next);
            }
            Node::Record { rule, verdict, next } => {
                let next = build.label(*next);
                build.record(*rule, *verdict, next);
            }
            Node::RecordFound { index, rule, verdict, next } => {
                let next = build.label(*next);
                build.record_found(*index, *rule, *verdict, next);
            }
            Node::Exit { verdict } => build.leave(*verdict, after_marks[at]),
        }
    }
    match build.too_large {
        Some(why) => Err(why),
        None => Ok(build.finish()),
    }
}
