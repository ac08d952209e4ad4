//! Indexing: rules of one shape, which compare the same values with different constants, become one lookup.
//!
//! ```text
//! on file_open when task.uid == 1 and file.inode.uid == 7 deny        (1, 7)
//! on file_open when task.uid == 4 and file.inode.uid in { 2, 3 } deny (4, 2) (4, 3)
//!
//! on file_open when task.gid == 7 and task.uid >= 1000 audit                        (7, 1000..=1999): r1
//! on file_open when task.gid == 7 and task.uid >= 2000 and task.uid < 2010 audit    (7, 2000..=2009): r1 r2
//!                                                                                  (7, 2010..): r1
//! ```
//!
//! `shape` defines shapes and the rows of a rule. A value that all rules of a shape compare with the same
//! constant is tested, not looked up. This is tuple space search (Srinivasan, Suri and Varghese, *Packet
//! Classification using Tuple Space Search*, 1999), with a table per shape.
//!
//! The first rule in source order determines the errno, so only rules with the same errno can be reordered. If
//! consecutive rules of one shape have several errnos, the rules of each row still have one, which is found
//! with the row. The rules of a key from the first other errno on form the row of a further unit, which is
//! evaluated later.
//!
//! All rules of the row that is found match. Their modes are read afterwards.
//!
//! Invariants: the rules of a row are distinct, in source order, have the same errno or none, and are at most
//! [`ROW_RULES_MAX`](limits::ROW_RULES_MAX) (with `audit`, [`ROW_EVENTS_MAX`]). Rules beyond that are in the index
//! of a further unit.
//!
//! Absent: `when` and `unless`, which have become lists of steps.

use std::collections::HashMap;
use std::rc::Rc;

use super::key::{Column, ColumnKind};
use super::normalise::{Literal, literals};
use super::rows::{disjoint, exact};
use super::shape::{Candidate, ROWS_OF_RULE_MAX, Shape, shape};
use super::texts::{self, Patterns};
use super::{Index, IndexId, Row};
use crate::automaton::TooComplex;
use crate::hir::{Policy, RuleId};
use crate::limits;
use crate::optimise::{Optimisation, Optimise};

/// Maximum number of rules with `audit` in a row. The code that writes an event is repeated for each.
const ROW_EVENTS_MAX: usize = 4;

/// Maximum number of rows in an index.
const ROWS_MAX: usize = (1 << 17) - 1;

/// Maximum number of rules that are compared one by one. A rule that does not match costs one or two
/// instructions, a lookup about thirty.
const TESTED_MAX: usize = 11;

/// Maximum number of rules with actions other than `deny` that are compared one by one. Each repeats the code
/// of its actions, which an index has once.
const RECORDED_MAX: usize = 2;

/// A rule, or several rules of one shape, with the steps to evaluate.
#[derive(Debug)]
pub struct Unit<'p> {
    /// Rules in source order; not empty.
    pub rules: Vec<RuleId>,
    /// The unit is a single rule with `@since`, and a check that it is active precedes the steps.
    pub guarded: bool,
    /// Steps, all of which must hold.
    pub steps: Vec<Step<'p>>,
}

impl Unit<'_> {
    /// Returns the index in which the rules are looked up, if there is one.
    #[must_use]
    pub fn index(&self) -> Option<IndexId> {
        self.steps.iter().find_map(|step| match step {
            Step::Find(index) => Some(*index),
            Step::Test(_) => None,
        })
    }
}

/// Condition for a unit to match.
#[derive(Clone, Copy, Debug)]
pub enum Step<'p> {
    /// A literal that all rules of the unit have.
    Test(Literal<'p>),
    /// A lookup; the rules of the row that is found match.
    Find(IndexId),
}

/// Groups rules that can be reordered into units. Rules that a constant makes unable to match are dropped.
pub fn units<'p>(policy: &'p Policy, rules: &[RuleId], optimise: Optimise, indexes: &mut Vec<Index>) -> Vec<Unit<'p>> {
    let group = optimise.does(Optimisation::Index);
    let mut units = Vec::new();
    let mut shapes: HashMap<Shape<'p>, usize> = HashMap::new();
    let mut groups: Vec<(Vec<Column>, Vec<Literal<'p>>, Vec<Candidate<'p>>)> = Vec::new();
    for &id in rules {
        let rule = &policy.rules[id.0 as usize];
        let Some(literals) = literals(rule) else { continue };
        let shape = group.then(|| shape(policy, id, rule, &literals, false, optimise)).flatten();
        match shape {
            Some((shape, candidate)) => {
                let at = *shapes.entry(shape).or_insert_with_key(|shape| {
                    groups.push((shape.columns(), shape.rest.clone(), Vec::new()));
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
    for (columns, rest, members) in groups {
        units.extend(unit(policy, columns, rest, members, false, indexes));
    }
    units.sort_by_key(|unit| unit.rules[0]);
    units
}

/// Counts how many rules that deny, from the first on, have one shape apart from their errnos. Returns units
/// for them as well, in evaluation order, if few lookups find them.
pub fn of_one_shape<'p>(
    policy: &'p Policy,
    rules: &[RuleId],
    optimise: Optimise,
    indexes: &mut Vec<Index>,
) -> (usize, Option<Vec<Unit<'p>>>) {
    if !optimise.does(Optimisation::Index) || !optimise.does(Optimisation::IndexErrnos) {
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
    let units = lookup(policy, first.columns(), first.rest, members, false, indexes).ok();
    let few = units.filter(|units| units.len() * TESTED_MAX <= count);
    if few.is_none() {
        indexes.truncate(known);
    }
    (count, few)
}

/// Returns one unit for the rules of a shape, one for each rule if there are few, or several if many rules
/// share a row. Of a row of `undecided` rules, the search finds one.
pub(super) fn unit<'p>(
    policy: &'p Policy,
    columns: Vec<Column>,
    rest: Vec<Literal<'p>>,
    members: Vec<Candidate<'p>>,
    undecided: bool,
    indexes: &mut Vec<Index>,
) -> Vec<Unit<'p>> {
    match lookup(policy, columns, rest, members, undecided, indexes) {
        Ok(units) => units,
        Err(Refused::Apart(members)) => members.into_iter().map(single).collect(),
        Err(Refused::Halves { columns, rest, members }) => {
            let (some, others) = texts::halves(members, |member| member.patterns().next());
            let mut units = unit(policy, columns.clone(), rest.clone(), some, undecided, indexes);
            units.extend(unit(policy, columns, rest, others, undecided, indexes));
            units
        }
    }
}

/// Returns the unit of a single rule.
fn single(of: Candidate<'_>) -> Unit<'_> {
    let steps = of.literals.into_iter().map(Step::Test).collect();
    Unit { rules: vec![of.rule], guarded: false, steps }
}

/// Reason why rules of one shape do not share an index.
enum Refused<'p> {
    /// There are few rules, or too many rows: evaluate them one by one.
    Apart(Vec<Candidate<'p>>),
    /// The automaton of their patterns is too large, or its rows are too many: try smaller groups.
    Halves { columns: Vec<Column>, rest: Vec<Literal<'p>>, members: Vec<Candidate<'p>> },
}

/// Builds the indexes of rules of one shape. Returns their units in evaluation order: the first unit has the
/// first rules of each row, and so on.
fn lookup<'p>(
    policy: &'p Policy,
    columns: Vec<Column>,
    mut rest: Vec<Literal<'p>>,
    mut members: Vec<Candidate<'p>>,
    undecided: bool,
    indexes: &mut Vec<Index>,
) -> Result<Vec<Unit<'p>>, Refused<'p>> {
    let first = &policy.rules[members[0].rule.0 as usize];
    let (recorded, effects) = (first.audit.is_some(), first.has_effects());
    // A term that is equal in all rules becomes a test.
    let same = |term: usize| {
        let constants = |member: usize| (&members[member].terms[term].rows, &members[member].terms[term].patterns);
        (1..members.len()).all(|member| constants(member) == constants(0))
    };
    let common: Vec<bool> = (0..members[0].terms.len()).map(same).collect();
    let mut kept: Vec<Column> = Vec::new();
    let mut at = 0;
    for (term, common) in members[0].terms.iter().zip(&common) {
        if *common {
            rest.extend(&term.literals);
        } else {
            kept.extend_from_slice(&columns[at..at + term.columns.len()]);
        }
        at += term.columns.len();
    }
    for member in &mut members {
        let mut common = common.iter();
        member.terms.retain(|_| !common.next().is_some_and(|common| *common));
    }
    let few = match kept.iter().all(|column| column.kind == ColumnKind::Match) {
        true => !texts::together(members.iter().flat_map(Candidate::patterns), effects),
        false => members.len() <= if effects { RECORDED_MAX } else { TESTED_MAX },
    };
    if kept.is_empty() || few {
        return Err(Refused::Apart(members));
    }
    let Ok(patterns) = patterns(&kept, &members) else {
        return Err(Refused::Halves { columns: kept, rest, members });
    };
    let count = |member: &Candidate<'_>| member.count(&patterns).filter(|count| *count <= ROWS_OF_RULE_MAX);
    let all = members.iter().try_fold(0usize, |all, member| all.checked_add(count(member)?));
    if all.is_none_or(|all| all > ROWS_MAX) {
        return Err(match patterns.iter().any(Option::is_some) {
            true => Refused::Halves { columns: kept, rest, members },
            false => Refused::Apart(members),
        });
    }
    let rows = members.iter().flat_map(|member| member.rows(&patterns).into_iter().map(|row| (row, member.rule)));
    let ranges = kept.last().is_some_and(|column| column.kind.is_range());
    let rows = if ranges { disjoint(rows) } else { Some(exact(rows)) };
    let Some(rows) = rows else { return Err(Refused::Apart(members)) };
    // Of a row of undecided rules, one is recorded.
    let most = if recorded && !undecided { ROW_EVENTS_MAX } else { limits::ROW_RULES_MAX };
    let errno = |rule: &RuleId| policy.rules[rule.0 as usize].errno();
    // By unit: its rows. The rules of a key are divided where the errno changes, and after `most` rules.
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
            let columns = kept.clone();
            let prefilter = Vec::new();
            indexes.push(Index { columns, automata, prefilter, rows, rules: rules.len(), one_errno, undecided });
            let find = Step::Find(IndexId(indexes.len() as u32 - 1));
            Unit { rules, guarded: false, steps: rest.iter().copied().map(Step::Test).chain([find]).collect() }
        })
        .collect();
    Ok(units)
}

/// Builds the automaton of each column of kind `Match`.
fn patterns<'p>(columns: &[Column], members: &[Candidate<'p>]) -> Result<Vec<Option<Patterns<'p>>>, TooComplex> {
    let mut found = Vec::with_capacity(columns.len());
    for (at, term) in members[0].terms.iter().enumerate() {
        found.extend(match columns[found.len()].kind {
            ColumnKind::Match => {
                vec![Some(Patterns::of(members.iter().flat_map(|of| of.terms[at].patterns.iter().copied()))?)]
            }
            _ => term.columns.iter().map(|_| None).collect(),
        });
    }
    Ok(found)
}
