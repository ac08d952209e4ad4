//! The pipeline from a typed policy to machine code.
//!
//! ```text
//! hir ──decision──> graphs ──mir::lower──> bodies ──PIPELINE──> bodies ──bpf::encode──> programs ──rt::link──> code
//!                      ▲                                                                   │
//!                      └── split of a hook whose program is too large; fewer optimisations ◀┘
//!                          for a policy that exceeds the stack
//! ```
//!
//! [`compile`] runs the stages. [`PIPELINE`] is the only list of passes over bodies. `krsic build -Z no-NAME`
//! leaves out the passes of an optimisation, `-Z print-after=PASS` prints the body after a pass,
//! `-Z stop-after=PASS` also ends there, `-Z verify-each` checks the invariants after each, and
//! `-Z time-passes` adds up their times.
//!
//! Absent: the stages before code generation, which `crate::Parsed` runs, and the object.

mod observer;
mod refusal;
mod split;

use std::collections::BTreeMap;

use krs_grammar::ast::Span;

pub use self::observer::{Instrumentation, Observer};
use self::refusal::{Generated, Refusal};
use self::split::Unsplittable;
use crate::analysis::unreachable::Unreachable;
use crate::bpf::{self, Code, Program, encode, placement, post_ra_copies, regalloc, spills, stack};
use crate::data::constants::Constants;
use crate::decision::{self, Graph, Plan};
use crate::diag::{Diagnostic, code};
use crate::hir::{HookId, Policy};
use crate::limits::{TEXTS_MAX, TooLarge};
use crate::mir::analysis::cfg;
use crate::mir::lower::tail_calls;
use crate::mir::passes::{
    copy_propagation, dce, demanded_bits, expand_reads, fold_byte_swaps, fold_immediates, gvn, jump_threading,
    mask_bit_tests, rename_live_ranges, resolve_flags, simplify, split_cold, split_live_ranges, widen_moves,
};
use crate::mir::{self, Body};
use crate::optimise::{Optimisation, Optimise};
use crate::relocation::Relocation;
use crate::rt::{self, Checked, Function};

/// A transformation of a body.
#[derive(Clone, Copy)]
pub struct Pass {
    /// Name of the pass in `-Z print-after=NAME`.
    pub name: &'static str,
    /// The optimisation that it belongs to; `None` for a pass that later ones require.
    pub optimisation: Option<Optimisation>,
    /// The reason for its place in the pipeline.
    pub reason: &'static str,
    run: Run,
}

/// The function of a pass.
#[derive(Clone, Copy)]
enum Run {
    /// Changes the body in place.
    Body(fn(&mut Body)),
    /// Changes the body; returns true if another round of its group may find more.
    Round(fn(&mut Body) -> bool),
    /// Changes the body, with the enabled optimisations as options.
    Options(fn(&mut Body, Optimise)),
    /// Changes the body; fails with the bytes of stack that it needs, if they are too many.
    Stack(fn(&mut Body) -> Result<(), u32>),
}

/// A step of the pipeline.
pub enum Step {
    /// A pass that runs once.
    Once(Pass),
    /// Passes that create opportunities for each other: they are repeated until none requests another round.
    Rounds(&'static [Pass]),
}

/// The most rounds of a group. Policies need two or three; the limit bounds the time for adversarial ones.
const ROUNDS_MAX: u32 = 8;

const fn pass(name: &'static str, optimisation: Optimisation, reason: &'static str, run: Run) -> Pass {
    Pass { name, optimisation: Some(optimisation), reason, run }
}

/// The passes that remove tests and computations whose results are known.
const REDUNDANCY: &[Pass] = &[
    pass(
        "simplify",
        Optimisation::Simplify,
        "first, since a test that known bits decide makes blocks unreachable",
        Run::Body(simplify::run),
    ),
    pass(
        "thread-jumps",
        Optimisation::ThreadJumps,
        "before gvn: fewer paths meet at a block, so more values dominate it",
        Run::Round(jump_threading::run),
    ),
    pass(
        "simplify-cfg",
        Optimisation::ThreadJumps,
        "after thread-jumps: an unreachable block would count as a predecessor",
        Run::Body(simplify_cfg),
    ),
    pass(
        "gvn",
        Optimisation::Gvn,
        "last of the group: equal registers let thread-jumps compare tests in the next round",
        Run::Round(gvn::run),
    ),
];

/// All passes over a body, in order.
pub const PIPELINE: &[Step] = &[
    Step::Rounds(REDUNDANCY),
    Step::Once(Pass {
        name: "expand-reads",
        optimisation: None,
        reason: "after gvn, which numbers a read while it is one instruction",
        run: Run::Body(expand_reads::run),
    }),
    Step::Once(Pass {
        name: "resolve-flags",
        optimisation: None,
        reason: "after thread-jumps, which removes most tests of availability flags",
        run: Run::Body(resolve_flags::run),
    }),
    Step::Once(pass(
        "split-cold",
        Optimisation::SplitCold,
        "before register allocation, which weighs hot and cold uses differently",
        Run::Body(split_cold::run),
    )),
    Step::Once(pass(
        "rename-live-ranges",
        Optimisation::RenameLiveRanges,
        "after split-cold: its duplicates define the registers of their originals a second time",
        Run::Body(rename_live_ranges::run),
    )),
    Step::Rounds(REDUNDANCY),
    Step::Once(pass(
        "split-live-ranges",
        Optimisation::SplitLiveRanges,
        "after gvn, which would merge the new names with the old ones",
        Run::Body(split_live_ranges::run),
    )),
    Step::Once(pass(
        "fold-immediates",
        Optimisation::FoldImmediates,
        "before dce, which removes the moves of the constants",
        Run::Body(fold_immediates::run),
    )),
    Step::Once(pass(
        "widen-moves",
        Optimisation::WidenMoves,
        "before propagate-copies, which takes 64-bit copies only",
        Run::Body(widen_moves::run),
    )),
    Step::Once(pass(
        "propagate-copies",
        Optimisation::PropagateCopies,
        "before fold-byte-swaps, which must see the register that is loaded",
        Run::Body(copy_propagation::run),
    )),
    Step::Once(pass(
        "fold-byte-swaps",
        Optimisation::FoldByteSwaps,
        "after fold-immediates: the constants that values are compared with are immediates",
        Run::Body(fold_byte_swaps::run),
    )),
    Step::Once(pass(
        "demanded-bits",
        Optimisation::DemandedBits,
        "after fold-immediates: masks and shift counts are immediates",
        Run::Body(demanded_bits::run),
    )),
    Step::Once(pass(
        "dce",
        Optimisation::Dce,
        "before register allocation: a dead value would take a register",
        Run::Body(dce::run),
    )),
    Step::Once(Pass {
        name: "mask-bit-tests",
        optimisation: None,
        reason: "after simplify and fold-immediates: masks are immediates, and no pass undoes it",
        run: Run::Body(mask_bit_tests::run),
    }),
    Step::Once(Pass {
        name: "regalloc",
        optimisation: None,
        reason: "assigns machine registers, and spill slots to what finds none",
        run: Run::Options(regalloc::run),
    }),
    Step::Once(pass(
        "coalesce-slots",
        Optimisation::CoalesceSlots,
        "before eliminate-reloads, which then finds more registers that hold a slot's value",
        Run::Body(spills::coalesce_slots),
    )),
    Step::Once(pass(
        "eliminate-reloads",
        Optimisation::EliminateReloads,
        "before post-ra-copies: a reload from a register becomes a copy",
        Run::Body(spills::eliminate_reloads),
    )),
    Step::Once(pass(
        "post-ra-copies",
        Optimisation::PostRaCopies,
        "after regalloc, which makes copies of values that end in one register",
        Run::Body(post_ra_copies::run),
    )),
    Step::Once(pass(
        "sink-spills",
        Optimisation::SinkSpills,
        "after eliminate-reloads: a store that nothing loads is gone",
        Run::Body(spills::sink_stores),
    )),
    Step::Once(Pass {
        name: "assign-offsets",
        optimisation: None,
        reason: "last use of spill slots: those that are not live together share an offset",
        run: Run::Stack(spills::assign_offsets),
    }),
    Step::Once(pass(
        "place-blocks",
        Optimisation::PlaceBlocks,
        "after all passes that need hot code in front of cold code",
        Run::Body(placement::place_blocks),
    )),
    Step::Once(pass(
        "duplicate-exits",
        Optimisation::DuplicateExits,
        "after place-blocks: the order tells which jumps remain",
        Run::Body(placement::duplicate_exits),
    )),
];

/// Removes blocks that are unreachable.
fn simplify_cfg(body: &mut Body) {
    let reachable = cfg::reachable(body);
    cfg::keep_only(body, &reachable);
}

/// The names of all passes, in order, each once. `lower` is the body before the first pass.
pub fn pass_names() -> impl Iterator<Item = &'static str> {
    let mut seen = Vec::new();
    ["lower"].into_iter().chain(passes().map(|pass| pass.name)).filter(move |name| {
        let new = !seen.contains(name);
        seen.push(*name);
        new
    })
}

fn passes() -> impl Iterator<Item = &'static Pass> {
    PIPELINE.iter().flat_map(|step| match step {
        Step::Once(pass) => std::slice::from_ref(pass),
        Step::Rounds(passes) => passes,
    })
}

/// The pass of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Pass> {
    passes().find(|pass| pass.name == name)
}

impl Pass {
    /// Runs the pass once; returns true if another round may find more.
    ///
    /// # Errors
    /// The bytes of stack that the body would take, if they are more than the kernel provides.
    pub fn run(&self, body: &mut Body, optimise: Optimise) -> Result<bool, u32> {
        match self.run {
            Run::Body(run) => run(body),
            Run::Round(run) => return Ok(run(body)),
            Run::Options(run) => run(body, optimise),
            Run::Stack(run) => run(body)?,
        }
        Ok(false)
    }
}

/// Passes shrink a program by less than this factor. A body that exceeds the limit by more is refused before
/// they run.
const SHRINKS_TO: usize = 2;

/// Optimisations that are disabled, in this order, when a program exceeds the stack: values then occupy
/// callee-saved registers at any cost, and are read again rather than kept.
const LESS_STACK: [&[Optimisation]; 2] =
    [&[Optimisation::CalleeSavedCost], &[Optimisation::AvailableValues, Optimisation::Pre, Optimisation::Gvn]];

/// Compiles a typed policy: builds the decision graphs and generates all programs. A hook whose rules do not
/// fit into one program is split, in the plan as well; rules that fit into no program are an error.
pub fn compile(
    policy: &Policy,
    unreachable: &Unreachable,
    mut optimise: Optimise,
    observer: &Observer<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Plan, Code) {
    let mut plan = decision::lower::lower(policy, unreachable, optimise);
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
                Ok(parts) => decision::split::split(policy, &mut plan, hook, &parts, optimise),
                Err(why) => drop(no_fit.insert(hook, why)),
            }
        }
        observer.restart();
        let mut generated = generate(policy, &plan, optimise, observer);
        generated.refused.retain(|(hook, _)| !no_fit.contains_key(hook));
        if generated.exceeds_stack()
            && let Some(more) = less.next()
        {
            optimise = more.iter().fold(optimise, |all, one| all.without(*one));
            no_fit.clear();
            pending.extend(split.keys());
            continue;
        }
        for (hook, Refusal { why, .. }) in &generated.refused {
            // A program compiled for an earlier denial can be larger than the default one: retry with half
            // the size.
            let most = split.get(hook).map_or(split::INSTRUCTIONS_MAX, |most| most / 2);
            if why.is_less_in_parts() && most >= split::INSTRUCTIONS_LEAST && !pending.contains(hook) {
                split.insert(*hook, most);
                pending.push(*hook);
            }
        }
        if pending.is_empty() {
            generated.report(policy, no_fit, diagnostics);
            if observer.verifies() {
                decision::verify::verify(&plan);
                bpf::verify::verify(&generated.code);
            }
            return (plan, generated.code);
        }
    }
}

/// Data and functions that the programs of an object share, while it is generated.
struct Shared {
    module: mir::lower::Module,
    /// Functions for ancestor queries.
    functions: Vec<Function>,
}

impl Shared {
    fn new(policy: &Policy) -> Shared {
        Shared { module: mir::lower::Module::new(policy), functions: Vec::new() }
    }
}

/// Generates the programs of a plan.
fn generate(policy: &Policy, plan: &Plan, optimise: Optimise, observer: &Observer<'_>) -> Generated {
    let mut shared = Shared::new(policy);
    let mut generated = Generated::default();
    let mut texts = 0;
    for graph in &plan.graphs {
        texts = texts.max(mir::lower::text_count(policy, plan, graph));
        let full = shared.module.data.constants.full();
        let is_split = graph.part.number > 0 || !graph.part.next.is_empty();
        let most = if is_split { usize::MAX } else { split::INSTRUCTIONS_MAX };
        let program = program(policy, plan, graph, most, optimise, observer, &mut shared);
        let constants = &shared.module.data.constants;
        if let (None, Some(section)) = (full, constants.full()) {
            let span = graph.first(policy).map_or_else(Span::default, |rule| rule.span);
            let (bytes, what) = (constants.bytes(section).len(), section.words());
            let hook = &policy.hooks[graph.hook.index()].name;
            generated.diagnostics.push(
                Diagnostic::error(code::TABLES_TOO_LARGE, span, format!("the policy's {what} are too large for a map"))
                    .label(format!("{bytes} bytes including the rules on `{hook}`"))
                    .note(format!("a map value has at most {} bytes on 5.10", Constants::room(section)))
                    .help("split the policy into two policies and load both"),
            );
        }
        match program {
            Ok(program) => generated.code.programs.extend(program),
            // The other programs of the hook have the same rules.
            Err(_) if generated.refused.iter().any(|(hook, _)| *hook == graph.hook) => {}
            Err(refusal) => generated.refused.push((graph.hook, refusal)),
        }
    }
    let Shared { module, functions } = shared;
    let code = &mut generated.code;
    code.data = module.data;
    let called = code.programs.iter().flat_map(|program| &program.relocations).filter_map(Relocation::callee);
    code.functions = rt::link(functions, called, &mut code.data, policy, texts.min(TEXTS_MAX));
    generated.deep = stack::too_deep(code);
    generated
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
    shared: &mut Shared,
) -> Result<Option<Program>, Refusal> {
    if mir::lower::text_count(policy, plan, graph) > TEXTS_MAX {
        return Err(TooLarge::Texts(TEXTS_MAX).into());
    }
    let lowered = mir::lower::lower(policy, plan, graph, optimise, &mut shared.module)?;
    for predicate in lowered.predicates {
        let span = predicate.span;
        shared.functions.extend(ancestor_functions(predicate, optimise).map_err(|why| (why, span))?);
    }
    let count = lowered.body.blocks.iter().map(|block| block.insts.len() + 1).sum::<usize>();
    if count / SHRINKS_TO > most {
        return Err(TooLarge::Instructions(count / SHRINKS_TO).into());
    }
    let hook = &policy.hooks[graph.hook.index()].name;
    let name = tail_calls::name(hook, &graph.part);
    let Some(body) = run(&name, lowered.body, optimise, observer).map_err(TooLarge::Frame)? else { return Ok(None) };
    let program = encode::encode(&name, hook, &body, optimise)?;
    match program.insns.len() {
        count if count > most => Err(TooLarge::Instructions(count).into()),
        _ => Ok(Some(program)),
    }
}

/// Compiles the functions of an ancestor query: the condition, and the walk that calls it.
fn ancestor_functions(predicate: mir::lower::Predicate, optimise: Optimise) -> Result<[Function; 2], TooLarge> {
    let mir::lower::Predicate { names, sense, body, .. } = predicate;
    let name = &names.predicate;
    let body = run(name, body, optimise, &Observer::none()).map_err(TooLarge::Frame)?;
    let program = encode::encode(name, "", &body.expect("nothing asks to stop"), optimise)?;
    let notes = vec![(0, "the condition on an ancestor")];
    let (insns, relocations) = (program.insns, program.relocations);
    let condition = Function { name, checked: Checked::Once, params: 2, insns, relocations, notes };
    let walk = rt::ancestors::walk(if sense { &names.any } else { &names.all }, name, sense);
    Ok([condition, walk])
}

/// Runs the pipeline over the body of the function `name`. Returns `None` if `-Z stop-after` ended it.
///
/// # Errors
/// The bytes of stack that the body would take, if they are more than the kernel provides.
pub fn run(name: &str, mut body: Body, optimise: Optimise, observer: &Observer<'_>) -> Result<Option<Body>, u32> {
    if observer.after("lower", 1, name, &body) {
        return Ok(None);
    }
    for step in PIPELINE {
        let (passes, rounds) = match step {
            Step::Once(pass) => (std::slice::from_ref(pass), 1),
            Step::Rounds(passes) => (*passes, ROUNDS_MAX),
        };
        for round in 1..=rounds {
            let mut again = false;
            for pass in passes {
                if pass.optimisation.is_none_or(|optimisation| optimise.does(optimisation)) {
                    again |= observer.timed(pass.name, || pass.run(&mut body, optimise))?;
                    if observer.after(pass.name, round, name, &body) {
                        return Ok(None);
                    }
                }
            }
            if !again {
                break;
            }
        }
    }
    Ok(Some(body))
}
