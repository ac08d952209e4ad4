//! Rules of one shape become one unit: they ask for the same values and differ in the constants only, so that one
//! search tells which of them fire.
//!
//! ```text
//! on file_open when task.uid == 1 and file.inode.uid == 7 deny        (1, 7)
//! on file_open when task.uid == 4 and file.inode.uid in { 2, 3 } deny (4, 2) (4, 3)
//!
//! on file_open when task.gid == 7 and task.uid >= 1000 audit                        (7, 1000..1999) 1
//! on file_open when task.gid == 7 and task.uid >= 2000 and task.uid < 2010 audit    (7, 2000..2009) 1 and 2, (7, 2010..) 1
//! ```
//!
//! What a shape is, and what a rule's rows are, tells `shape.rs`. What all rules of a shape compare with the same constant is not
//! looked up but tested.
//!
//! The first rule in source order settles the errno, so order is free only among rules with the same one. Where rules of one
//! shape follow each other with several, each row has rules with one errno, which the row tells; what follows those with
//! another is in a further unit, which is asked later.
//!
//! Which of a row's rules fire is known; which of them do what they say is their modes', and asked for when the row is found.
//!
//! Invariants: a row has each of its rules once, in source order, all with one errno or none, and at most [`ROW_RULES_MAX`](limits::ROW_RULES_MAX) of
//! them, of those that audit [`ROW_EVENTS_MAX`]; what is beyond is in a further unit's index.
//!
//! Absent: `when` and `unless`, which are lists of steps.

use std::collections::HashMap;
use std::rc::Rc;

use super::key::{Part, PartKind};
use super::normalise::{Literal, literals};
use super::rows::{exact, flat};
use super::shape::{Candidate, ROWS_OF_RULE_MAX, Shape, shape};
use super::texts::{self, Patterns};
use super::{Index, IndexId, Row};
use crate::automaton::TooComplex;
use crate::hir::{Policy, RuleId};
use crate::limits;
use crate::optimise::{Optimisation, Optimise};

/// The most that audit: their events are written one after the other, each by instructions of its own.
const ROW_EVENTS_MAX: usize = 4;

/// The most rows of an index.
const ROWS_MAX: usize = (1 << 17) - 1;

/// Fewer rules are compared one by one: an instruction or two for each that does not fire, against some thirty for a
/// search.
const TESTED_MAX: usize = 11;

/// Fewer rules with effects are: each has the instructions that write its event, which an index has once.
const RECORDED_MAX: usize = 2;

/// A rule, or several of one shape.
#[derive(Debug)]
pub struct Unit<'p> {
    /// In source order; not empty.
    pub rules: Vec<RuleId>,
    /// Before all else it is asked whether the rule is active, which is then the only one.
    pub guarded: bool,
    /// All must hold.
    pub steps: Vec<Step<'p>>,
}

impl Unit<'_> {
    /// Where its rules are found, if they are several.
    #[must_use]
    pub fn index(&self) -> Option<IndexId> {
        self.steps.iter().find_map(|step| match step {
            Step::Find(index) => Some(*index),
            Step::Test(_) => None,
        })
    }
}

/// Something that must hold for a unit to fire.
#[derive(Clone, Copy, Debug)]
pub enum Step<'p> {
    /// For each rule.
    Test(Literal<'p>),
    /// The values are a row's; which one tells which rules fire.
    Find(IndexId),
}

/// Rules whose order is free to units; those that never fire are gone.
pub fn units<'p>(policy: &'p Policy, rules: &[RuleId], optimise: Optimise, indexes: &mut Vec<Index>) -> Vec<Unit<'p>> {
    let group = optimise.does(Optimisation::Index);
    let mut units = Vec::new();
    let mut shapes: HashMap<Shape<'p>, usize> = HashMap::new();
    let mut groups: Vec<(Vec<Part>, Vec<Literal<'p>>, Vec<Candidate<'p>>)> = Vec::new();
    for &id in rules {
        let rule = &policy.rules[id.0 as usize];
        let Some(literals) = literals(rule) else { continue };
        let shape = group.then(|| shape(policy, id, rule, &literals, false, optimise)).flatten();
        match shape {
            Some((shape, candidate)) => {
                let at = *shapes.entry(shape).or_insert_with_key(|shape| {
                    groups.push((shape.parts(), shape.rest.clone(), Vec::new()));
                    groups.len() - 1
                });
                groups[at].2.push(candidate);
            }
            None => {
                let steps = literals.into_iter().map(Step::Test).collect();
                units.push(Unit { rules: vec![id], guarded: rule.since.is_some(), steps });
            }
        }
    }
    for (parts, rest, members) in groups {
        units.extend(unit(policy, parts, rest, members, indexes));
    }
    units.sort_by_key(|unit| unit.rules[0]);
    units
}

/// How many of these rules, which deny, have the shape of the first, whatever their errnos; and units for those, in the order
/// that they must be asked in, where they are found by few searches.
pub fn of_one_shape<'p>(
    policy: &'p Policy,
    rules: &[RuleId],
    optimise: Optimise,
    indexes: &mut Vec<Index>,
) -> (usize, Option<Vec<Unit<'p>>>) {
    if !optimise.does(Optimisation::Index) || !optimise.does(Optimisation::Errnos) {
        return (0, None);
    }
    let shape_of = |id: &RuleId| {
        let rule = &policy.rules[id.0 as usize];
        shape(policy, *id, rule, &literals(rule)?, true, optimise)
    };
    let mut shapes = rules.iter().map_while(shape_of);
    let Some((first, candidate)) = shapes.next() else { return (0, None) };
    let mut members = vec![candidate];
    members.extend(shapes.map_while(|(shape, candidate)| (shape == first).then_some(candidate)));
    let count = members.len();
    let known = indexes.len();
    let units = search(policy, first.parts(), first.rest, members, indexes).ok();
    let few = units.filter(|units| units.len() * TESTED_MAX <= count);
    if few.is_none() {
        indexes.truncate(known);
    }
    (count, few)
}

/// One unit for rules of one shape, or one for each where they are few; more where many rules share a row.
fn unit<'p>(
    policy: &'p Policy,
    parts: Vec<Part>,
    rest: Vec<Literal<'p>>,
    members: Vec<Candidate<'p>>,
    indexes: &mut Vec<Index>,
) -> Vec<Unit<'p>> {
    match search(policy, parts, rest, members, indexes) {
        Ok(units) => units,
        Err(Refused::Apart(members)) => members.into_iter().map(alone).collect(),
        Err(Refused::Halves { parts, rest, members }) => {
            let (some, others) = texts::halves(members, |member| member.patterns().next());
            let mut units = unit(policy, parts.clone(), rest.clone(), some, indexes);
            units.extend(unit(policy, parts, rest, others, indexes));
            units
        }
    }
}

/// A rule as a unit of its own.
fn alone(of: Candidate<'_>) -> Unit<'_> {
    let steps = of.literals.into_iter().map(Step::Test).collect();
    Unit { rules: vec![of.rule], guarded: false, steps }
}

/// Why rules of one shape are not found by a search.
enum Refused<'p> {
    /// They are few, or have too many rows.
    Apart(Vec<Candidate<'p>>),
    /// Their patterns are too many for an automaton, and fewer may not be.
    Halves { parts: Vec<Part>, rest: Vec<Literal<'p>>, members: Vec<Candidate<'p>> },
}

/// The units of a search, in the order in which a row's rules stand in them.
fn search<'p>(
    policy: &'p Policy,
    parts: Vec<Part>,
    mut rest: Vec<Literal<'p>>,
    mut members: Vec<Candidate<'p>>,
    indexes: &mut Vec<Index>,
) -> Result<Vec<Unit<'p>>, Refused<'p>> {
    let first = &policy.rules[members[0].rule.0 as usize];
    let (recorded, effects) = (first.audit.is_some(), first.has_effects());
    // What all have in common is a test.
    let same = |column: usize| {
        let asked = |member: usize| (&members[member].columns[column].rows, &members[member].columns[column].patterns);
        (1..members.len()).all(|member| asked(member) == asked(0))
    };
    let common: Vec<bool> = (0..members[0].columns.len()).map(same).collect();
    let mut kept: Vec<Part> = Vec::new();
    let mut at = 0;
    for (column, common) in members[0].columns.iter().zip(&common) {
        if *common {
            rest.extend(&column.literals);
        } else {
            kept.extend_from_slice(&parts[at..at + column.parts.len()]);
        }
        at += column.parts.len();
    }
    for member in &mut members {
        let mut common = common.iter();
        member.columns.retain(|_| !common.next().is_some_and(|common| *common));
    }
    let few = match kept.iter().all(|part| part.kind == PartKind::Match) {
        true => !texts::together(members.iter().flat_map(Candidate::patterns), effects),
        false => members.len() <= if effects { RECORDED_MAX } else { TESTED_MAX },
    };
    if kept.is_empty() || few {
        return Err(Refused::Apart(members));
    }
    let Ok(patterns) = patterns(&kept, &members) else { return Err(Refused::Halves { parts: kept, rest, members }) };
    let count = |member: &Candidate<'_>| member.count(&patterns).filter(|count| *count <= ROWS_OF_RULE_MAX);
    let all = members.iter().try_fold(0usize, |all, member| all.checked_add(count(member)?));
    if all.is_none_or(|all| all > ROWS_MAX) {
        return Err(match patterns.iter().any(Option::is_some) {
            true => Refused::Halves { parts: kept, rest, members },
            false => Refused::Apart(members),
        });
    }
    let rows = members.iter().flat_map(|member| member.rows(&patterns).into_iter().map(|row| (row, member.rule)));
    let rows = if kept.last().is_some_and(|part| part.kind.is_range()) { flat(rows) } else { Some(exact(rows)) };
    let Some(rows) = rows else { return Err(Refused::Apart(members)) };
    let most = if recorded { ROW_EVENTS_MAX } else { limits::ROW_RULES_MAX };
    let errno = |rule: &RuleId| policy.rules[rule.0 as usize].errno();
    // By row, what each unit has of it.
    let mut layers: Vec<Vec<Row>> = Vec::new();
    for Row { key, rules } in rows {
        let of_one_errno = rules.chunk_by(|a, b| errno(a) == errno(b));
        for (layer, rules) in of_one_errno.flat_map(|rules| rules.chunks(most)).enumerate() {
            layers.resize_with(layers.len().max(layer + 1), Vec::new);
            layers[layer].push(Row { key: key.clone(), rules: rules.to_vec() });
        }
    }
    let units = layers
        .into_iter()
        .map(|rows| {
            let mut rules: Vec<RuleId> = rows.iter().flat_map(|row| row.rules.iter().copied()).collect();
            rules.sort_unstable();
            rules.dedup();
            let automata = patterns.iter().map(|of| of.as_ref().map(|of| Rc::clone(&of.automaton))).collect();
            let one_errno = rules.iter().all(|rule| errno(rule) == errno(&rules[0]));
            let parts = kept.clone();
            indexes.push(Index { parts, automata, early: Vec::new(), rows, rules: rules.len(), one_errno });
            let find = Step::Find(IndexId(indexes.len() as u32 - 1));
            Unit { rules, guarded: false, steps: rest.iter().copied().map(Step::Test).chain([find]).collect() }
        })
        .collect();
    Ok(units)
}

/// The automaton of each part that is matched against patterns.
fn patterns<'p>(parts: &[Part], members: &[Candidate<'p>]) -> Result<Vec<Option<Patterns<'p>>>, TooComplex> {
    let mut found = Vec::with_capacity(parts.len());
    for (at, column) in members[0].columns.iter().enumerate() {
        found.extend(match parts[found.len()].kind {
            PartKind::Match => {
                vec![Some(Patterns::of(members.iter().flat_map(|of| of.columns[at].patterns.iter().copied()))?)]
            }
            _ => column.parts.iter().map(|_| None).collect(),
        });
    }
    Ok(found)
}
