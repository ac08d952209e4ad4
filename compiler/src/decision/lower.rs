//! Lowering of typed rules to decision graphs.
//!
//! Rules become units: a single rule, or several of one shape (`index`). Units that deny are evaluated first,
//! in source order, and the first one that matches and is enforced determines the verdict. Later units can only
//! add events, which carry that verdict. A graph is built from its exits to its entry, because a node names its
//! successors.
//!
//! ```text
//! hot chain:     tests of a ──> tests of b ──> tests of c ──> observing units ──> allowed
//!                    │              │              │                 ^
//!                actions of a   actions of b   actions of c          │
//!                    │              v              v                 │
//! second chain:      └────────> tests of b ──> tests of c ───────────┘ verdict in a variable
//!                               and actions    and actions
//! ```
//!
//! After the first unit that matches, evaluation continues in a second chain, which keeps the verdict in a
//! variable. No path returns from there to the hot chain. The hot chain, which every operation executes, thus
//! contains no calls for actions, and the values that it has read can stay in caller-saved registers.
//!
//! The second chain also contains the rules that only deny. If an earlier rule is permissive or off, a later
//! one can still deny; and a permissive rule records that it would deny, whatever else denies the operation. If
//! the modes of the hook rule both out, a denial leaves the program at once ([`krsi_abi::modes::EffectiveAction::Alone`]).
//!
//! A test in the hot chain whose value is unreadable calls a program that is the second chain of all units, with
//! the operation allowed so far. After the last unit of a second chain, if no rule has denied, a program that is the
//! third chain looks for an undecided rule that is enforced ([`undecided`]). An operation whose values can be read
//! executes none of it.
//!
//! A part of a split hook (`split`) ends with a tail call of the next part. If an earlier part has denied, the
//! graph is the second chain alone, with a constant verdict.

use std::collections::BTreeSet;

use super::build::Build;
use super::index::{self, Unit};
use super::undecided;
use super::{Errno, Graph, GraphId, Index, Node, NodeId, Part, Plan, Role, Verdict, order, redundant_tests, split};
use crate::analysis::unreachable::Unreachable;
use crate::hir::{Atom, AtomKind, HookId, Policy, RuleId};
use crate::optimise::{Optimisation, Optimise};

/// Lowers the rules of every hook to graphs, one for each program.
#[must_use]
pub fn lower(policy: &Policy, unreachable: &Unreachable, optimise: Optimise) -> Plan {
    let mut by_hook: Vec<Vec<RuleId>> = vec![Vec::new(); policy.hooks.len()];
    for (id, rule) in policy.rules.iter().enumerate() {
        let id = RuleId(id as u32);
        // A rule that never matches can be undecided.
        let kept = !unreachable.contains(id) || undecided::can_be(rule);
        if kept || !optimise.does(Optimisation::UnreachableRules) {
            by_hook[rule.hook.index()].push(id);
        }
    }
    let mut plan = Plan { graphs: Vec::with_capacity(by_hook.len()), indexes: Vec::new(), rules: by_hook };
    for (hook, rules) in plan.rules.iter().enumerate() {
        let rules = std::slice::from_ref(rules);
        plan.graphs.extend(split::graphs(policy, HookId(hook as u32), rules, optimise, &mut plan.indexes));
    }
    plan
}

/// Lowers some rules of a hook to the graph of one part. `undecided` are the rules that the graph can find
/// undecided.
#[must_use]
pub fn graph(
    policy: &Policy,
    hook: HookId,
    rules: &[RuleId],
    undecided: &[RuleId],
    part: Part,
    optimise: Optimise,
    indexes: &mut Vec<Index>,
) -> Graph {
    let mut build = Build::new(optimise.does(Optimisation::HashCons));
    let known = indexes.len();
    let of_role = |id: &&RuleId| part.role == Role::Decide || part.role == Role::Restart || !denies(policy, **id);
    let rules: Vec<RuleId> = rules.iter().filter(of_role).copied().collect();
    let (denying, observing) = units(policy, &rules, optimise, indexes);
    if optimise.does(Optimisation::Prefilter) {
        indexes[known..].iter_mut().for_each(|index| index.prefilter = order::prefilter(&index.columns));
    }
    let found = undecided::find(policy, undecided);
    let mut third = undecided::units(policy, &found, optimise, indexes);
    if optimise.does(Optimisation::OrderTests) {
        third.chunks_mut(1).for_each(|unit| order::order(unit, indexes));
    }
    let entry = Chains { policy, indexes, part: &part, denying, observing, third }.build(&mut build);
    let graph = build.finish(hook, part, entry);
    if optimise.does(Optimisation::RedundantTests) { redundant_tests::eliminate(graph) } else { graph }
}

/// Returns the errno of a rule; 0 if it only observes.
fn errno(policy: &Policy, rule: RuleId) -> i32 {
    policy.rules[rule.0 as usize].errno().unwrap_or(0)
}

fn denies(policy: &Policy, rule: RuleId) -> bool {
    policy.rules[rule.0 as usize].deny.is_some()
}

/// Returns the units that deny and the units that only observe, each in a valid evaluation order.
pub(super) fn units<'p>(
    policy: &'p Policy,
    rules: &[RuleId],
    optimise: Optimise,
    indexes: &mut Vec<Index>,
) -> (Vec<Unit<'p>>, Vec<Unit<'p>>) {
    let (denying, observing): (Vec<RuleId>, Vec<RuleId>) = rules.iter().partition(|id| denies(policy, **id));
    (ordered(policy, &denying, optimise, indexes), ordered(policy, &observing, optimise, indexes))
}

/// Returns units in evaluation order. Consecutive rules with the same errno can be reordered. Consecutive rules
/// of one shape with different errnos share an index whose rows determine the errno, if that takes few lookups.
fn ordered<'p>(policy: &'p Policy, rules: &[RuleId], optimise: Optimise, indexes: &mut Vec<Index>) -> Vec<Unit<'p>> {
    let (mut all, mut at, mut refused) = (Vec::new(), 0, 0);
    while at < rules.len() {
        let errno_here = errno(policy, rules[at]);
        let same = rules[at..].iter().take_while(|id| errno(policy, **id) == errno_here).count();
        if at + same < rules.len() && at >= refused {
            let known = indexes.len();
            let (count, found) = index::of_one_shape(policy, &rules[at..], optimise, indexes);
            if count <= same {
                // Rules with one errno are handled below, where they can be reordered.
                indexes.truncate(known);
            }
            if let Some(mut units) = found.filter(|_| count > same) {
                if optimise.does(Optimisation::OrderTests) {
                    units.chunks_mut(1).for_each(|unit| order::order(unit, indexes));
                }
                all.extend(units);
                at += count;
                continue;
            }
            refused = at + count;
        }
        let mut units = index::units(policy, &rules[at..at + same], optimise, indexes);
        if optimise.does(Optimisation::OrderTests) {
            order::order(&mut units, indexes);
        }
        all.extend(units);
        at += same;
    }
    all
}

/// Builder of the chains of a graph.
struct Chains<'c, 'p> {
    policy: &'p Policy,
    indexes: &'c [Index],
    part: &'c Part,
    denying: Vec<Unit<'p>>,
    observing: Vec<Unit<'p>>,
    /// Units of undecided rules, if this program finds them.
    third: Vec<Unit<'p>>,
}

impl Chains<'_, '_> {
    fn errno(&self, unit: &Unit<'_>) -> Errno {
        match unit.index() {
            Some(index) if !self.indexes[index.index()].one_errno => Errno::Found(index),
            _ => Errno::Constant(errno(self.policy, unit.rules[0])),
        }
    }

    fn has_effects(&self, unit: &Unit<'_>) -> bool {
        self.policy.rules[unit.rules[0].0 as usize].has_effects()
    }

    /// Returns whether an enforced unit records something. Among the rules of a row some can be permissive
    /// while others deny, so a lookup always does.
    fn records(&self, unit: &Unit<'_>) -> bool {
        self.has_effects(unit) || unit.index().is_some()
    }

    /// Leaves the graph after the last unit.
    fn end(&self, build: &mut Build, verdict: Verdict) -> NodeId {
        match self.part.next.is_empty() {
            true => build.exit(verdict),
            false => build.push(Node::Continue { verdict }),
        }
    }

    /// Returns true if a rule can be undecided after the units that deny.
    fn in_doubt(&self) -> bool {
        !self.third.is_empty() || self.part.in_doubt.is_some()
    }

    fn build(&self, build: &mut Build) -> NodeId {
        let begun = self.part.denied != 0;
        let constant = begun || self.denying.is_empty() && !self.in_doubt();
        let shared = if constant { Verdict::Constant(self.part.denied) } else { Verdict::Chosen };
        // Pushed first to be the last node: the code that records a denial then falls through to the exit that
        // denies.
        let allow = (self.observing.is_empty() && !begun).then(|| self.end(build, Verdict::Constant(0)));
        let mut observe = self.end(build, shared);
        for unit in self.observing.iter().rev() {
            observe = build.steps(unit, |build| build.observe(unit, shared, observe), observe);
        }
        let set_allowed =
            |build: &mut Build, next| build.push(Node::Set { errno: Errno::Constant(0), first: false, next });
        let allowed = match (allow, shared) {
            (Some(allow), _) => allow,
            (None, Verdict::Chosen) => set_allowed(build, observe),
            (None, Verdict::Constant(_)) => observe,
        };
        let call = |build: &mut Build, graph: Option<GraphId>| graph.map(|graph| build.push(Node::Call { graph }));
        let undecided = match call(build, self.part.in_doubt) {
            Some(call) if self.third.is_empty() => call,
            call => self.third_chain(build, shared, call.unwrap_or(observe), observe),
        };
        if let Role::Undecided(_) = self.part.role {
            return set_allowed(build, undecided);
        }
        let tail = match self.in_doubt() {
            true => build.push(Node::TestVerdict { then: observe, otherwise: undecided }),
            false => observe,
        };
        let second = self.second_chain(build, shared, tail);
        if begun {
            return second[0];
        }
        if self.part.role == Role::Restart {
            return set_allowed(build, second[0]);
        }
        // The last unit has matched but does not deny.
        let not_denied = match self.in_doubt() {
            true if self.third.is_empty() => undecided,
            true => set_allowed(build, undecided),
            false => allowed,
        };
        build.restart = call(build, self.part.restart);
        self.hot_chain(build, allowed, not_denied, &second)
    }

    /// Adds the third chain, in which the first undecided rule that is enforced denies the operation. `tail` follows
    /// if none does, and `denied` if one does.
    fn third_chain(&self, build: &mut Build, shared: Verdict, tail: NodeId, denied: NodeId) -> NodeId {
        let Some(first) = self.third.first() else { return tail };
        let mut entry = tail;
        for unit in self.third.iter().rev() {
            let actions = |build: &mut Build| {
                let record = if self.has_effects(unit) { build.record(unit, shared, denied) } else { denied };
                let denies = build.push(Node::Set { errno: self.errno(unit), first: false, next: record });
                build.mode(unit, [denies, denies, entry, entry])
            };
            entry = build.steps(unit, actions, entry);
        }
        let rule = first.rules[0];
        let span = self.policy.rules[rule.0 as usize].span;
        let atom = Box::new(Atom { span, kind: AtomKind::KernelThread });
        let (then, otherwise) = (tail, entry);
        build.push(Node::Test { atom, sense: true, rule, then, otherwise, unreadable: None })
    }

    /// Adds the second chain. Returns its entry before each unit; the last element is the entry of the
    /// observing units.
    fn second_chain(&self, build: &mut Build, shared: Verdict, tail: NodeId) -> Vec<NodeId> {
        let errnos: BTreeSet<i32> =
            self.denying.iter().flat_map(|unit| &unit.rules).map(|id| errno(self.policy, *id)).collect();
        let mut entries = vec![tail; self.denying.len() + 1];
        for (at, unit) in self.denying.iter().enumerate().rev() {
            let next = entries[at + 1];
            let actions = |build: &mut Build| {
                let record = build.record(unit, shared, next);
                let then = if self.records(unit) { record } else { next };
                let denies = match shared {
                    Verdict::Constant(_) => then,
                    Verdict::Chosen => {
                        build.push(Node::Set { errno: self.errno(unit), first: errnos.len() > 1, next: then })
                    }
                };
                build.mode(unit, [denies, denies, record, next])
            };
            entries[at] = build.steps(unit, actions, next);
        }
        entries
    }

    /// Adds the hot chain, which evaluates the units until one matches.
    fn hot_chain(&self, build: &mut Build, allowed: NodeId, last_not_denied: NodeId, second: &[NodeId]) -> NodeId {
        let last_effect = self.denying.iter().rposition(|unit| self.has_effects(unit));
        let mut entry = allowed;
        for (at, unit) in self.denying.iter().enumerate().rev() {
            let (next, otherwise) = (second[at + 1], entry);
            let last = at + 1 == self.denying.len();
            let nothing_follows = last && self.observing.is_empty() && self.part.next.is_empty();
            // Later units can record something after this denial, even if no rule is permissive.
            let recorded_after = self.part.effects_after
                || !self.observing.is_empty()
                || last_effect.is_some_and(|last_effect| last_effect > at);
            let actions = |build: &mut Build| {
                // The unit has matched but does not deny: continue in the second chain, still allowed.
                let not_denied = match last {
                    true => last_not_denied,
                    false => build.push(Node::Set { errno: Errno::Constant(0), first: false, next }),
                };
                let errno = match self.errno(unit) {
                    Errno::Constant(errno) => errno,
                    found @ Errno::Found(_) => {
                        let exit = build.exit(Verdict::Chosen);
                        let denied = if nothing_follows { exit } else { next };
                        let alone = if recorded_after { denied } else { exit };
                        let after = build.branch_on_mode(unit, [alone, denied, not_denied, not_denied]);
                        let record = build.record(unit, Verdict::Chosen, after);
                        let records = build.push(Node::Set { errno: found, first: false, next: record });
                        let denies = build.push(Node::Set { errno: found, first: false, next: alone });
                        let alone = if self.has_effects(unit) { records } else { denies };
                        return build.mode(unit, [alone, records, records, not_denied]);
                    }
                };
                let exit = build.exit(Verdict::Constant(errno));
                let denied = match nothing_follows {
                    true => exit,
                    false => build.push(Node::Set { errno: Errno::Constant(errno), first: false, next }),
                };
                let alone = if recorded_after { denied } else { exit };
                if !self.records(unit) {
                    let record = build.record(unit, Verdict::Constant(0), not_denied);
                    return build.mode(unit, [alone, denied, record, not_denied]);
                }
                let after = build.branch_on_mode(unit, [alone, denied, not_denied, not_denied]);
                let record = build.record(unit, Verdict::Constant(errno), after);
                build.mode(unit, [if self.has_effects(unit) { record } else { alone }, record, record, not_denied])
            };
            build.find_restarts = unit.index().is_some_and(|index| self.indexes[index.index()].reads_texts());
            entry = build.steps(unit, actions, otherwise);
        }
        entry
    }
}
