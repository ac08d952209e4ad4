//! Lowering of decision graphs: a graph becomes the body of a program, and the condition of an ancestor query
//! the body of a function.
//!
//! ```text
//! decision::Graph ──lower──> Lowered { body, predicates }      maps, constants and state go to Module::data
//! ```
//!
//! A virtual register holds a value sign- or zero-extended to 64 bits. Where only the low half is observed
//! (two 32-bit integers compared, a bit tested), the extension of a signed value is left out. A value that is
//! available at the immediate dominator of a block is not read again there.
//!
//! Absent: the split of hooks whose rules do not fit into one program, and the retry with fewer optimisations
//! when a program exceeds the stack. Both need machine code, so `driver` does them.

mod ancestors;
mod arithmetic;
mod builder;
mod conds;
mod dynamic_sets;
pub mod event_layout;
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
pub mod tail_calls;
#[cfg(test)]
mod tests;
mod text;
mod unix;
mod values;

use krs_grammar::ast::Span;

use self::ancestors::AncestorQuery;
pub use self::ancestors::Predicate;
use self::builder::Builder;
use crate::data::Data;
use crate::decision::{Graph, Node, NodeId, Plan};
use crate::hir::Policy;
use crate::isa::jmp;
use crate::limits::TooLarge;
use crate::mir::{Body, Operand};
use crate::optimise::Optimise;
use crate::relocation::Section;

/// Data and ancestor queries that all functions of an object share while they are lowered.
pub struct Module {
    /// Maps, constants and state.
    pub data: Data,
    /// Ancestor queries with a function, in the order of the numbers in their names.
    ancestor_queries: Vec<AncestorQuery>,
}

/// A lowered graph: the body of its program, and those of the functions that only it has asked for so far.
pub struct Lowered {
    /// Body of the program.
    pub body: Body,
    /// Conditions on ancestors that no earlier graph has.
    pub predicates: Vec<Predicate>,
}

impl Module {
    /// Creates the data whose place does not depend on the rules that use it.
    #[must_use]
    pub fn new(policy: &Policy) -> Module {
        let mut data = Data { events_bytes: event_layout::ring_bytes(policy), ..Data::default() };
        let switches = policy.rules.iter().filter(|rule| rule.since.is_some()).count();
        if !policy.params.is_empty() || switches > 0 {
            // Parameters come first: their offsets follow from their order. A rule with `@since` is enabled until
            // the loader disables it.
            let defaults = policy.params.iter().map(|param| param.default as u64);
            let words = defaults.chain(std::iter::repeat_n(1, switches));
            data.constants.add(Section::Tables, &words.flat_map(u64::to_le_bytes).collect::<Vec<u8>>());
        }
        if !policy.files.is_empty() {
            // No file has these numbers; the loader fills in those of the files that it finds.
            data.files = data.constants.add(Section::Tables, &vec![0xff; 16 * policy.files.len()]);
        }
        if policy.rules.iter().any(|rule| rule.audit.is_some() || rule.deny.is_some()) {
            // The counters of lost and written events come first, at offsets that every reader knows.
            data.state(2 * krsi_abi::written_at(policy.rules.len()) as u32);
        }
        // Unused sets are declared as well, so that a tool that fills them finds them.
        policy.sets.iter().for_each(|set| dynamic_sets::declare(set, &mut data));
        if !policy.labels.is_empty() {
            data.labels_lost = Some(data.state(8));
        }
        Module { data, ancestor_queries: Vec::new() }
    }
}

/// Returns the number of different texts that a graph reads.
#[must_use]
pub fn text_count(policy: &Policy, plan: &Plan, graph: &Graph) -> usize {
    text::texts(policy, plan, graph).len()
}

/// Lowers a graph.
///
/// # Errors
/// The limit that the program exceeds, and the item that exceeds it.
pub fn lower(
    policy: &Policy,
    plan: &Plan,
    graph: &Graph,
    optimise: Optimise,
    module: &mut Module,
) -> Result<Lowered, (TooLarge, Span)> {
    let programs = plan.graphs.iter().filter(|other| other.hook == graph.hook).count() as u32 - 1;
    let mut build = Builder::new(policy, plan, graph, optimise, module);
    let after_marks = labels::after_marks(policy, graph);
    let (rare, modes) = (graph.cold(), graph.modes());
    build.begin_labels(graph);
    for (at, node) in graph.nodes.iter().enumerate() {
        if !build.begin(at) {
            continue;
        }
        build.unreadable = None;
        build.action = modes[at].and_then(|mode| build.actions.get(&mode).copied());
        (build.cold, build.expensive) = (rare[at] || matches!(node, Node::Mode { .. }), false);
        match node {
            Node::Test { atom, sense, then, otherwise, unreadable, rule } => {
                build.rule = *rule;
                build.unreadable = unreadable.map(|to| build.target(to));
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
            Node::Find { index, rule, then, otherwise, unreadable } => {
                build.rule = *rule;
                build.unreadable = unreadable.map(|to| build.target(to));
                build.span = policy.rules[rule.0 as usize].span;
                let (then, otherwise) = (build.target(*then), build.target(*otherwise));
                build.find_rules(*index, then, otherwise);
            }
            Node::Mode { rule, index, next } => {
                let next = build.target(*next);
                let action = build.effective_action(*rule, *index, next);
                build.actions.insert(NodeId(at as u32), action);
            }
            Node::TestMode { action, then, otherwise, .. } => {
                let (then, otherwise) = (build.target(*then), build.target(*otherwise));
                build.branch_on_action(*action, then, otherwise);
            }
            Node::TestVerdict { then, otherwise } => {
                let (then, otherwise) = (build.target(*then), build.target(*otherwise));
                let verdict = build.verdict();
                build.branch(jmp::JNE, true, verdict, Operand::Imm(0), then, otherwise);
            }
            Node::Set { errno, first, next } => {
                let next = build.target(*next);
                build.assign_verdict(*errno, *first, next);
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
            Node::Call { graph } => build.tail_call_in_doubt(*graph, programs),
            Node::Exit { verdict } => build.exit(*verdict, after_marks[at]),
        }
    }
    match build.too_large {
        Some(refusal) => Err(refusal),
        None => Ok(build.finish()),
    }
}
