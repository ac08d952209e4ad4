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

use std::collections::BTreeSet;

use super::build::Build;
use super::index::{self, Unit};
use super::{Errno, Graph, Index, Node, Plan, Verdict, asked, order};
use crate::hir::{HookId, Policy, RuleId};
use crate::optimise::{Optimisation, Optimise};

/// Plans every hook.
#[must_use]
pub fn lower(policy: &Policy, optimise: Optimise) -> Plan {
    let mut by_hook: Vec<Vec<RuleId>> = vec![Vec::new(); policy.hooks.len()];
    for (id, rule) in policy.rules.iter().enumerate() {
        by_hook[rule.hook.index()].push(RuleId(id as u32));
    }
    let mut indexes = Vec::new();
    let graphs = by_hook
        .iter()
        .enumerate()
        .map(|(hook, rules)| graph(policy, HookId(hook as u32), rules, optimise, &mut indexes))
        .collect();
    Plan { graphs, indexes }
}

/// Plans one hook alone, as if it had no other rules than these.
#[must_use]
pub fn some(policy: &Policy, hook: HookId, rules: &[RuleId], optimise: Optimise) -> Plan {
    let mut indexes = Vec::new();
    let graph = graph(policy, hook, rules, optimise, &mut indexes);
    Plan { graphs: vec![graph], indexes }
}

/// A rule's errno; 0 where it only watches.
fn errno(policy: &Policy, rule: RuleId) -> i32 {
    policy.rules[rule.0 as usize].errno().unwrap_or(0)
}

/// Units in the order that they are asked in: it is free among rules with one errno that follow each other. Rules with several
/// errnos that have one shape are units that know by the row with which.
fn units<'p>(policy: &'p Policy, rules: &[RuleId], optimise: Optimise, indexes: &mut Vec<Index>) -> Vec<Unit<'p>> {
    let (mut all, mut at, mut refused) = (Vec::new(), 0, 0);
    while at < rules.len() {
        let errno_here = errno(policy, rules[at]);
        let same = rules[at..].iter().take_while(|id| errno(policy, **id) == errno_here).count();
        if at + same < rules.len() && at >= refused {
            let (count, found) = index::of_one_shape(policy, &rules[at..], optimise, indexes);
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

fn graph(policy: &Policy, hook: HookId, rules: &[RuleId], optimise: Optimise, indexes: &mut Vec<Index>) -> Graph {
    let (denying, watching): (Vec<RuleId>, Vec<RuleId>) =
        rules.iter().partition(|id| policy.rules[id.0 as usize].deny.is_some());
    let one_errno = denying.iter().map(|id| errno(policy, *id)).collect::<BTreeSet<i32>>().len() < 2;
    let denying = units(policy, &denying, optimise, indexes);
    let watching = units(policy, &watching, optimise, indexes);
    let errno = |unit: &Unit<'_>| match unit.index() {
        Some(index) if !indexes[index.index()].one_errno => Errno::Found(index),
        _ => Errno::Constant(errno(policy, unit.rules[0])),
    };
    let effects = |unit: &Unit<'_>| policy.rules[unit.rules[0].0 as usize].has_effects();
    // Of rules that an index finds some can be permissive while others deny.
    let records = |unit: &Unit<'_>| effects(unit) || unit.index().is_some();
    let last_effect = denying.iter().rposition(effects);
    // Whether recording can follow the denial of one unit, also where no rule is permissive.
    let recorded_after = |at: usize| !watching.is_empty() || last_effect.is_some_and(|last| last > at);
    let shared = if denying.is_empty() { Verdict::Constant(0) } else { Verdict::Chosen };

    let mut build = Build::new(optimise.does(Optimisation::Shared));
    // Made first, so that it stands last: what is recorded before a denial then runs into the exit that denies.
    let allow = watching.is_empty().then(|| build.exit(Verdict::Constant(0)));
    let mut tail = build.exit(shared);
    for unit in watching.iter().rev() {
        tail = build.fires(unit, |build| build.watches(unit, shared, tail), tail);
    }
    // Behind a unit that has fired, from the last unit to the first: where the next ones are looked at.
    let mut behind = vec![tail; denying.len() + 1];
    for (at, unit) in denying.iter().enumerate().rev().take_while(|(at, _)| *at > 0) {
        let next = behind[at + 1];
        let does = |build: &mut Build| {
            let record = build.record(unit, shared, next);
            let then = if records(unit) { record } else { next };
            let denies = build.push(Node::Set { errno: errno(unit), first: !one_errno, next: then });
            build.mode(unit, [denies, denies, record, next])
        };
        behind[at] = build.fires(unit, does, next);
    }
    let allowed = allow.unwrap_or_else(|| match shared {
        Verdict::Chosen => build.push(Node::Set { errno: Errno::Constant(0), first: false, next: tail }),
        Verdict::Constant(_) => tail,
    });
    let mut entry = allowed;
    for (at, unit) in denying.iter().enumerate().rev() {
        let (next, otherwise) = (behind[at + 1], entry);
        let last = at + 1 == denying.len();
        let does = |build: &mut Build| {
            // Nothing is denied so far.
            let goes_on = match last {
                true => allowed,
                false => build.push(Node::Set { errno: Errno::Constant(0), first: false, next }),
            };
            let errno = match errno(unit) {
                Errno::Constant(errno) => errno,
                found @ Errno::Found(_) => {
                    let exit = build.exit(Verdict::Chosen);
                    let denied = if last && watching.is_empty() { exit } else { next };
                    let alone = if recorded_after(at) { denied } else { exit };
                    let after = build.by_act(unit, [alone, denied, goes_on, goes_on]);
                    let record = build.record(unit, Verdict::Chosen, after);
                    let records = build.push(Node::Set { errno: found, first: false, next: record });
                    let denies = build.push(Node::Set { errno: found, first: false, next: alone });
                    let alone = if effects(unit) { records } else { denies };
                    return build.mode(unit, [alone, records, records, goes_on]);
                }
            };
            let exit = build.exit(Verdict::Constant(errno));
            let denied = match last && watching.is_empty() {
                true => exit,
                false => build.push(Node::Set { errno: Errno::Constant(errno), first: false, next }),
            };
            let alone = if recorded_after(at) { denied } else { exit };
            if !records(unit) {
                let record = build.record(unit, Verdict::Constant(0), goes_on);
                return build.mode(unit, [alone, denied, record, goes_on]);
            }
            let after = build.by_act(unit, [alone, denied, goes_on, goes_on]);
            let record = build.record(unit, Verdict::Constant(errno), after);
            build.mode(unit, [if effects(unit) { record } else { alone }, record, record, goes_on])
        };
        entry = build.fires(unit, does, otherwise);
    }
    let graph = build.finish(hook, entry);
    if optimise.does(Optimisation::Asked) { asked::once(graph) } else { graph }
}
