//! Typed rules to graphs.
//!
//! Rules become units, each a rule or many of one shape (`index.rs`), whose steps are put in order (`order.rs`). Units that
//! deny come first, in source order: the first that fires and is enforced settles the verdict. What is left to do then is
//! recording: the events of later units, which carry that verdict. A graph is built from its exits to its entry, since a
//! node must know where it leads.
//!
//! ```text
//! tests of a ──> tests of b ──> tests of c ──> tests of those that watch ──> allowed
//!     │              │              │                       ^
//!   what a does    what b does    what c does               │
//!     │              v              v                       │
//!     └─────────> tests of b ──> tests of c ────────────────┘ as set
//!                  and what it does
//! ```
//!
//! What follows the first unit that fires is a chain of nodes of its own, whose verdict is a variable. So the tests that every
//! operation meets are followed by nothing that calls and comes back, and what they have read can stay in registers that
//! calls take. That chain has also the rules that only deny: while one that came before is permissive or off they are what denies, and
//! while they are permissive themselves what they would deny is recorded whatever else denies it. Where the modes of a hook
//! leave nothing of that to do, a denial ends the program at once ([`krsi_abi::modes::Act::Alone`]).
//!
//! A part of a hook (`parts.rs`) ends by going on with the next. Where an earlier part has denied, it is only what stands
//! right of the drawing's first chain, with a verdict that is known.

use std::collections::BTreeSet;

use super::build::Build;
use super::index::{self, Unit};
use super::{Errno, Graph, Index, Node, NodeId, Part, Plan, Verdict, asked, order};
use crate::hir::{HookId, Policy, RuleId};
use crate::optimise::{Optimisation, Optimise};

/// Plans every hook, each in one graph.
#[must_use]
pub fn lower(policy: &Policy, optimise: Optimise) -> Plan {
    let mut by_hook: Vec<Vec<RuleId>> = vec![Vec::new(); policy.hooks.len()];
    for (id, rule) in policy.rules.iter().enumerate() {
        by_hook[rule.hook.index()].push(RuleId(id as u32));
    }
    let mut plan = Plan { graphs: Vec::with_capacity(by_hook.len()), indexes: Vec::new() };
    for (hook, rules) in by_hook.iter().enumerate() {
        let graph = graph(policy, HookId(hook as u32), rules, Part::default(), optimise, &mut plan.indexes);
        plan.graphs.push(graph);
    }
    plan
}

/// Plans a part of what happens on a hook, as if it had no other rules than these.
#[must_use]
pub fn graph(
    policy: &Policy,
    hook: HookId,
    rules: &[RuleId],
    part: Part,
    optimise: Optimise,
    indexes: &mut Vec<Index>,
) -> Graph {
    let mut build = Build::new(optimise.does(Optimisation::Shared));
    let known = indexes.len();
    let (denying, watching) = units(policy, rules, optimise, indexes);
    if optimise.does(Optimisation::Early) {
        indexes[known..].iter_mut().for_each(|index| index.early = order::early(&index.parts));
    }
    let entry = Chains { policy, indexes, part: &part, denying, watching }.build(&mut build);
    let graph = build.finish(hook, part, entry);
    if optimise.does(Optimisation::Asked) { asked::once(graph) } else { graph }
}

/// A rule's errno; 0 where it only watches.
fn errno(policy: &Policy, rule: RuleId) -> i32 {
    policy.rules[rule.0 as usize].errno().unwrap_or(0)
}

/// Units that deny and units that only watch, each in an order in which they may be asked.
pub(super) fn units<'p>(
    policy: &'p Policy,
    rules: &[RuleId],
    optimise: Optimise,
    indexes: &mut Vec<Index>,
) -> (Vec<Unit<'p>>, Vec<Unit<'p>>) {
    let fires = |id: &&RuleId| !optimise.does(Optimisation::Never) || !policy.never.contains(id);
    let (denying, watching): (Vec<RuleId>, Vec<RuleId>) =
        rules.iter().filter(fires).partition(|id| policy.rules[id.0 as usize].deny.is_some());
    (ordered(policy, &denying, optimise, indexes), ordered(policy, &watching, optimise, indexes))
}

/// Units in the order that they are asked in: it is free among rules with one errno that follow each other. Rules with several
/// errnos that have one shape are units that know by the row with which.
fn ordered<'p>(policy: &'p Policy, rules: &[RuleId], optimise: Optimise, indexes: &mut Vec<Index>) -> Vec<Unit<'p>> {
    let (mut all, mut at, mut refused) = (Vec::new(), 0, 0);
    while at < rules.len() {
        let errno_here = errno(policy, rules[at]);
        let same = rules[at..].iter().take_while(|id| errno(policy, **id) == errno_here).count();
        if at + same < rules.len() && at >= refused {
            let known = indexes.len();
            let (count, found) = index::of_one_shape(policy, &rules[at..], optimise, indexes);
            if count <= same {
                // Rules of one errno are planned below, by a table of their own.
                indexes.truncate(known);
            }
            if let Some(mut units) = found.filter(|_| count > same) {
                if optimise.does(Optimisation::Order) {
                    units.chunks_mut(1).for_each(|unit| order::order(unit, indexes));
                }
                all.extend(units);
                at += count;
                continue;
            }
            refused = at + count;
        }
        let mut units = index::units(policy, &rules[at..at + same], optimise, indexes);
        if optimise.does(Optimisation::Order) {
            order::order(&mut units, indexes);
        }
        all.extend(units);
        at += same;
    }
    all
}

/// What a graph's chains are built of, from their ends to their beginning.
struct Chains<'c, 'p> {
    policy: &'p Policy,
    indexes: &'c [Index],
    part: &'c Part,
    denying: Vec<Unit<'p>>,
    watching: Vec<Unit<'p>>,
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

    /// Of rules that an index finds some can be permissive while others deny.
    fn records(&self, unit: &Unit<'_>) -> bool {
        self.has_effects(unit) || unit.index().is_some()
    }

    /// Where all units have been asked.
    fn end(&self, build: &mut Build, verdict: Verdict) -> NodeId {
        match self.part.next.is_empty() {
            true => build.exit(verdict),
            false => build.push(Node::Continue { verdict }),
        }
    }

    fn build(&self, build: &mut Build) -> NodeId {
        let begun = self.part.denied != 0;
        let constant = begun || self.denying.is_empty();
        let shared = if constant { Verdict::Constant(self.part.denied) } else { Verdict::Chosen };
        // Made first, so that it stands last: what is recorded before a denial then runs into the exit that denies.
        let allow = (self.watching.is_empty() && !begun).then(|| self.end(build, Verdict::Constant(0)));
        let mut tail = self.end(build, shared);
        for unit in self.watching.iter().rev() {
            tail = build.fires(unit, |build| build.watches(unit, shared, tail), tail);
        }
        let behind = self.behind(build, shared, tail);
        if begun {
            return behind[0];
        }
        let allowed = allow.unwrap_or_else(|| match shared {
            Verdict::Chosen => build.push(Node::Set { errno: Errno::Constant(0), first: false, next: tail }),
            Verdict::Constant(_) => tail,
        });
        self.first(build, allowed, &behind)
    }

    /// Where the units from each one on are asked once something has been denied; at last where those that watch are.
    fn behind(&self, build: &mut Build, shared: Verdict, tail: NodeId) -> Vec<NodeId> {
        let errnos: BTreeSet<i32> =
            self.denying.iter().flat_map(|unit| &unit.rules).map(|id| errno(self.policy, *id)).collect();
        let mut behind = vec![tail; self.denying.len() + 1];
        for (at, unit) in self.denying.iter().enumerate().rev() {
            let next = behind[at + 1];
            let does = |build: &mut Build| {
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
            behind[at] = build.fires(unit, does, next);
        }
        behind
    }

    /// What every operation meets, while nothing is denied.
    fn first(&self, build: &mut Build, allowed: NodeId, behind: &[NodeId]) -> NodeId {
        let last_effect = self.denying.iter().rposition(|unit| self.has_effects(unit));
        let mut entry = allowed;
        for (at, unit) in self.denying.iter().enumerate().rev() {
            let (next, otherwise) = (behind[at + 1], entry);
            let last = at + 1 == self.denying.len();
            let nothing_follows = last && self.watching.is_empty() && self.part.next.is_empty();
            // Whether recording can follow the denial, also where no rule is permissive.
            let recorded_after = self.part.effects_after
                || !self.watching.is_empty()
                || last_effect.is_some_and(|last_effect| last_effect > at);
            let does = |build: &mut Build| {
                // Nothing is denied so far.
                let goes_on = match last {
                    true => allowed,
                    false => build.push(Node::Set { errno: Errno::Constant(0), first: false, next }),
                };
                let errno = match self.errno(unit) {
                    Errno::Constant(errno) => errno,
                    found @ Errno::Found(_) => {
                        let exit = build.exit(Verdict::Chosen);
                        let denied = if nothing_follows { exit } else { next };
                        let alone = if recorded_after { denied } else { exit };
                        let after = build.by_act(unit, [alone, denied, goes_on, goes_on]);
                        let record = build.record(unit, Verdict::Chosen, after);
                        let records = build.push(Node::Set { errno: found, first: false, next: record });
                        let denies = build.push(Node::Set { errno: found, first: false, next: alone });
                        let alone = if self.has_effects(unit) { records } else { denies };
                        return build.mode(unit, [alone, records, records, goes_on]);
                    }
                };
                let exit = build.exit(Verdict::Constant(errno));
                let denied = match nothing_follows {
                    true => exit,
                    false => build.push(Node::Set { errno: Errno::Constant(errno), first: false, next }),
                };
                let alone = if recorded_after { denied } else { exit };
                if !self.records(unit) {
                    let record = build.record(unit, Verdict::Constant(0), goes_on);
                    return build.mode(unit, [alone, denied, record, goes_on]);
                }
                let after = build.by_act(unit, [alone, denied, goes_on, goes_on]);
                let record = build.record(unit, Verdict::Constant(errno), after);
                build.mode(unit, [if self.has_effects(unit) { record } else { alone }, record, record, goes_on])
            };
            entry = build.fires(unit, does, otherwise);
        }
        entry
    }
}
