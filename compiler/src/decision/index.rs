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
//! A rule's *shape* is the values that it compares with constants, whatever else must hold, and what it does. What all
//! rules of a shape compare with the same constant is not looked up but tested. Patterns of a text stand for the rows of an
//! automaton (`texts.rs`).
//!
//! The first rule in source order settles the errno, so order is free only among rules with the same one. Where rules of one
//! shape follow each other with several, each row has rules with one errno, which the row tells; what follows those with
//! another is in a further unit, which is asked later.
//!
//! Which of a row's rules fire is known; which of them do what they say is their modes', and asked for when the row is found.
//!
//! Invariants: a row has each of its rules once, in source order, all with one errno or none, and at most [`ROW_RULES_MAX`] of
//! them, of those that audit [`ROW_EVENTS_MAX`]; what is beyond is in a further unit's index.
//!
//! Absent: `when` and `unless`, which are lists of steps.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use super::key::{Element, Part, PartKind, ordered, places};
use super::normalise::{Literal, literals};
use super::rows::{exact, flat};
use super::texts::{self, Patterns};
use super::{Index, IndexId, Row};
use crate::automaton::TooComplex;
use crate::hir::{
    AtomKind, Compare, Cond, Int, LabelId, Limit, Members, Part as SetPart, Policy, Rule, RuleId, TaskField, TextTest,
    Ty, Value, ValueKind,
};
use crate::optimise::{Optimisation, Optimise};

/// The most rules of a row, whose modes are asked for by a loop, which the verifier follows.
pub const ROW_RULES_MAX: usize = 256;

/// The most that audit: their events are written one after the other, each by instructions of its own.
const ROW_EVENTS_MAX: usize = 4;

/// The most rows of an index, and of what one rule brings.
const ROWS_MAX: usize = (1 << 17) - 1;
const ROWS_OF_RULE_MAX: usize = 4096;

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

/// What rules of one unit have in common.
#[derive(PartialEq, Eq, Hash)]
struct Shape<'p> {
    parts: Vec<(PartKind, &'p Value)>,
    /// How many parts each literal that is looked up has.
    columns: Vec<usize>,
    rest: Vec<Literal<'p>>,
    errno: Option<i32>,
    fields: Option<Vec<&'p Value>>,
    limit: Option<Limit>,
    kill: Option<i32>,
    marks: Vec<(LabelId, &'p Value, bool)>,
}

impl Shape<'_> {
    fn parts(&self) -> Vec<Part> {
        self.parts.iter().map(|(kind, value)| Part { kind: *kind, value: (*value).clone() }).collect()
    }
}

/// A rule that could be looked up.
struct Candidate<'p> {
    rule: RuleId,
    literals: Vec<Literal<'p>>,
    /// One for each literal that is looked up.
    columns: Vec<Column<'p>>,
}

/// A literal that compares values with constants.
struct Column<'p> {
    /// Both where two are about the same value.
    literals: Vec<Literal<'p>>,
    parts: Vec<(PartKind, &'p Value)>,
    rows: Vec<Vec<Element>>,
}

fn shape<'p>(
    policy: &'p Policy,
    id: RuleId,
    rule: &'p Rule,
    literals: &[Literal<'p>],
    any_errno: bool,
    optimise: Optimise,
) -> Option<(Shape<'p>, Candidate<'p>)> {
    // Every effect is named here: one that an index does not know keeps its rule out of all.
    let Rule {
        name: _,
        doc: _,
        span: _,
        hook: _,
        when: _,
        unless: _,
        deny: _,
        audit,
        kill,
        marks,
        attributes: _,
        since,
    } = rule;
    if since.is_some() {
        return None;
    }
    let mut columns: Vec<Column<'p>> = Vec::new();
    let mut rest = Vec::new();
    for literal in literals {
        match column(policy, *literal, optimise) {
            Some(column) if column.rows.len() <= ROWS_OF_RULE_MAX => {
                let same = columns.iter_mut().find(|known| known.parts.len() == 1 && known.parts == column.parts);
                match same {
                    Some(_) if column.parts[0].0 == PartKind::Network => rest.push(*literal),
                    // Of several patterns for one text those that all rules have may be tests.
                    Some(_) if column.parts[0].0 == PartKind::Match => columns.push(column),
                    Some(known) if column.parts[0].0 == PartKind::Range => {
                        known.literals.push(*literal);
                        known.rows = meet(&known.rows, &column.rows);
                    }
                    // Both must hold.
                    Some(known) => {
                        known.literals.push(*literal);
                        known.rows.retain(|row| column.rows.contains(row));
                    }
                    None => columns.push(column),
                }
            }
            _ => rest.push(*literal),
        }
    }
    // In an order that does not depend on how the rule was written; what is not exact comes last.
    let hash = |value: &dyn Fn(&mut DefaultHasher)| {
        let mut hasher = DefaultHasher::new();
        value(&mut hasher);
        hasher.finish()
    };
    columns.sort_by_cached_key(|column| {
        let range = column.parts.iter().any(|part| part.0.is_range());
        let pattern = hash(&|hasher| column.pattern().map(std::mem::discriminant).hash(hasher));
        (range, column.parts.iter().map(|part| part.0).max(), hash(&|hasher| column.parts.hash(hasher)), pattern)
    });
    let mut parts: Vec<(PartKind, &Value)> = Vec::new();
    columns.retain(|column| {
        let both: Vec<Part> = parts
            .iter()
            .chain(&column.parts)
            .map(|(kind, value)| Part { kind: *kind, value: (*value).clone() })
            .collect();
        let ranges = both.iter().filter(|part| part.kind.is_range()).count();
        let fits = ranges <= 1 && places(&both).is_some();
        if fits {
            parts.extend(&column.parts);
        } else {
            rest.extend(&column.literals);
        }
        fits
    });
    if columns.is_empty() {
        return None;
    }
    rest.sort_by_cached_key(|literal| hash(&|hasher| literal.hash(hasher)));
    let shape = Shape {
        parts,
        columns: columns.iter().map(|column| column.parts.len()).collect(),
        rest,
        errno: rule.errno().filter(|_| !any_errno),
        fields: audit.as_ref().map(|audit| audit.fields.iter().map(|field| &field.value).collect()),
        limit: audit.as_ref().and_then(|audit| audit.limit),
        kill: kill.as_ref().map(|kill| kill.signal),
        marks: marks.iter().map(|mark| (mark.label, &mark.object, mark.set)).collect(),
    };
    Some((shape, Candidate { rule: id, literals: literals.to_vec(), columns }))
}

/// What a literal compares with constants; `None` where it does not, or not so that it could be looked up.
fn column<'p>(policy: &'p Policy, literal: Literal<'p>, optimise: Optimise) -> Option<Column<'p>> {
    let Literal { cond: Cond::Atom(atom), sense, known: true } = literal else { return None };
    let (parts, rows) = match &atom.kind {
        AtomKind::Compare { op, left, right } if *op == (if sense { Compare::Eq } else { Compare::Ne }) => {
            let (value, constant) = match (&left.kind, &right.kind) {
                (_, ValueKind::Const(number)) => (left, *number),
                (ValueKind::Const(number), _) => (right, *number),
                _ => return None,
            };
            (vec![(PartKind::Number, value)], vec![vec![number(value, constant)?]])
        }
        AtomKind::Compare { op, left, right } if optimise.does(Optimisation::Ranges) => {
            let (value, constant, op) = match (&left.kind, &right.kind) {
                (_, ValueKind::Const(number)) => (left, *number, *op),
                (ValueKind::Const(number), _) => (right, *number, op.turned()),
                _ => return None,
            };
            (vec![(PartKind::Range, value)], vec![vec![range(value, if sense { op } else { op.negated() }, constant)?]])
        }
        _ if !sense => return None,
        AtomKind::Same(value, other) => {
            let (value, address) = match (&value.kind, &other.kind) {
                (_, ValueKind::Address(address)) => (value, *address),
                (ValueKind::Address(address), _) => (other, *address),
                _ => return None,
            };
            (vec![(PartKind::Ip, value)], vec![vec![Element::Number(address)]])
        }
        AtomKind::OneOf { value, set } => {
            let constant = |element: &Value| match element.kind {
                ValueKind::Const(constant) => number(value, constant),
                _ => None,
            };
            let rows =
                set.iter().map(|element| constant(element).map(|element| vec![element])).collect::<Option<_>>()?;
            (vec![(PartKind::Number, value)], rows)
        }
        AtomKind::OneOfStrings { value, set } if matches!(value.kind, ValueKind::Task(TaskField::Comm)) => {
            let name = |text: &Vec<u8>| {
                let mut bytes = [0; 16];
                bytes.get_mut(..text.len())?.copy_from_slice(text);
                Some(vec![Element::Number(u128::from_le_bytes(bytes))])
            };
            (vec![(PartKind::Name, value)], set.iter().map(name).collect::<Option<_>>()?)
        }
        AtomKind::Text { value, test: TextTest::OneOf(set) } => {
            let rows = set.iter().map(|text| vec![Element::Text(text.clone())]).collect();
            (vec![(PartKind::Text, value)], rows)
        }
        AtomKind::Text { value, test } if optimise.does(Optimisation::Automata) => {
            (vec![(PartKind::Match, value)], vec![vec![Element::Pattern(test.clone())]])
        }
        AtomKind::InSet { values, set } => {
            let set = &policy.sets[set.index()];
            let Members::Static(rows) = &set.members else { return None };
            return in_set(literal, values, &set.parts, rows);
        }
        _ => return None,
    };
    if let [(PartKind::Number | PartKind::Range, value)] = parts.as_slice()
        && matches!(value.kind, ValueKind::Const(_) | ValueKind::Param(_) | ValueKind::Enumerator { .. })
    {
        return None;
    }
    Some(Column { literals: vec![literal], parts, rows })
}

/// A constant as a value's pattern; `None` where the value is no integer or never is that.
fn number(value: &Value, constant: i128) -> Option<Element> {
    let Ty::Int(int) = value.ty else { return None };
    (int.min() <= constant && constant <= int.max()).then(|| Element::Number((constant as u128) & mask(int)))
}

/// The values that compare so with a constant; `None` where the value is no integer, or they are no range.
fn range(value: &Value, op: Compare, constant: i128) -> Option<Element> {
    let Ty::Int(int) = value.ty else { return None };
    let (first, last) = match op {
        Compare::Lt => (int.min(), constant - 1),
        Compare::Le => (int.min(), constant),
        Compare::Gt => (constant + 1, int.max()),
        Compare::Ge => (constant, int.max()),
        Compare::Eq | Compare::Ne => return None,
    };
    let (first, last) = (first.max(int.min()), last.min(int.max()));
    (first <= last).then(|| Element::Range(ordered(int, first), ordered(int, last)))
}

/// What is in a range of both.
fn meet(a: &[Vec<Element>], b: &[Vec<Element>]) -> Vec<Vec<Element>> {
    let both = |a: &[Element], b: &[Element]| match (a, b) {
        ([Element::Range(a, b)], [Element::Range(c, d)]) => {
            let (first, last) = (*a.max(c), *b.min(d));
            (first <= last).then(|| vec![Element::Range(first, last)])
        }
        _ => None,
    };
    a.iter().flat_map(|a| b.iter().filter_map(move |b| both(a, b))).collect()
}

fn mask(int: Int) -> u128 {
    u128::from(u64::MAX >> (64 - 8 * int.bytes))
}

/// Elements as rows. A part whose elements are all single addresses is looked up exactly; a network comes last.
fn in_set<'p>(
    literal: Literal<'p>,
    values: &'p [Value],
    parts: &[SetPart],
    elements: &[Vec<(u128, u128)>],
) -> Option<Column<'p>> {
    if parts.iter().any(|part| matches!(part, SetPart::Text { .. })) {
        return None;
    }
    let kind = |at: usize| match parts[at] {
        SetPart::Int(_) => PartKind::Number,
        SetPart::Network if elements.iter().any(|row| row[at].0 != row[at].1) => PartKind::Network,
        SetPart::Ip | SetPart::Network | SetPart::Text { .. } => PartKind::Ip,
    };
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|at| kind(*at));
    let element = |at: usize, (first, last): (u128, u128)| match (kind(at), parts[at], values[at].ty) {
        (PartKind::Network, ..) => Some(Element::Range(first, last)),
        (PartKind::Number, SetPart::Int(of), Ty::Int(_)) => {
            let constant = if of.signed { i128::from((first as u64).cast_signed()) } else { first as i128 };
            // What the value never is stands in no row.
            number(&values[at], constant)
        }
        _ => Some(Element::Number(first)),
    };
    let row = |row: &Vec<(u128, u128)>| order.iter().map(|at| element(*at, row[*at])).collect::<Option<Vec<_>>>();
    let rows = elements.iter().filter_map(row).collect();
    let parts = order.iter().map(|at| (kind(*at), &values[*at])).collect();
    Some(Column { literals: vec![literal], parts, rows })
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
        Err(Refused::Apart(members)) => members.into_iter().map(Candidate::alone).collect(),
        Err(Refused::Halves { parts, rest, members }) => {
            let (some, others) = texts::halves(members, |member| member.patterns().next());
            let mut units = unit(policy, parts.clone(), rest.clone(), some, indexes);
            units.extend(unit(policy, parts, rest, others, indexes));
            units
        }
    }
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
        let rows = &members[0].columns[column].rows;
        members.iter().all(|member| member.columns[column].rows == *rows)
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
        let patterned = patterns.iter().any(Option::is_some);
        drop(patterns);
        return Err(match patterned {
            true => Refused::Halves { parts: kept, rest, members },
            false => Refused::Apart(members),
        });
    }
    let rows = members.iter().flat_map(|member| member.rows(&patterns).into_iter().map(|row| (row, member.rule)));
    let rows = if kept.last().is_some_and(|part| part.kind.is_range()) { flat(rows) } else { Some(exact(rows)) };
    let Some(rows) = rows else {
        drop(patterns);
        return Err(Refused::Apart(members));
    };
    let most = if recorded { ROW_EVENTS_MAX } else { ROW_RULES_MAX };
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
            indexes.push(Index { parts: kept.clone(), automata, rows, rules: rules.len(), one_errno });
            let find = Step::Find(IndexId(indexes.len() as u32 - 1));
            Unit { rules, guarded: false, steps: rest.iter().copied().map(Step::Test).chain([find]).collect() }
        })
        .collect();
    Ok(units)
}

/// The automaton of each part that is matched against patterns.
fn patterns<'m>(parts: &[Part], members: &'m [Candidate<'_>]) -> Result<Vec<Option<Patterns<'m>>>, TooComplex> {
    let mut found = Vec::with_capacity(parts.len());
    for (at, column) in members[0].columns.iter().enumerate() {
        found.extend(match parts[found.len()].kind {
            PartKind::Match => {
                vec![Some(Patterns::of(members.iter().filter_map(|of| of.columns[at].pattern()))?)]
            }
            _ => column.parts.iter().map(|_| None).collect(),
        });
    }
    Ok(found)
}

impl<'p> Candidate<'p> {
    /// As a unit of its own.
    fn alone(self) -> Unit<'p> {
        let steps = self.literals.into_iter().map(Step::Test).collect();
        Unit { rules: vec![self.rule], guarded: false, steps }
    }

    /// What it asks of texts.
    fn patterns(&self) -> impl Iterator<Item = &TextTest> {
        self.columns.iter().filter_map(Column::pattern)
    }

    /// For each column the rows that it stands for.
    fn columns<'a>(&'a self, patterns: &'a [Option<Patterns<'_>>]) -> impl Iterator<Item = Vec<Vec<Element>>> + 'a {
        let mut part = 0;
        self.columns.iter().map(move |column| {
            let at = part;
            part += column.parts.len();
            match (&patterns[at], column.pattern()) {
                (Some(patterns), Some(test)) => patterns.elements(test).map(|element| vec![element]).collect(),
                _ => column.rows.clone(),
            }
        })
    }

    /// How many rows it has.
    fn count(&self, patterns: &[Option<Patterns<'_>>]) -> Option<usize> {
        self.columns(patterns).try_fold(1usize, |count, rows| count.checked_mul(rows.len()))
    }

    /// All its rows.
    fn rows(&self, patterns: &[Option<Patterns<'_>>]) -> Vec<Vec<Element>> {
        self.columns(patterns).fold(vec![Vec::new()], |before, rows| {
            let with = |row: &Vec<Element>| {
                let row = row.clone();
                let after = |more: &Vec<Element>| row.iter().chain(more).cloned().collect();
                rows.iter().map(after).collect::<Vec<Vec<Element>>>()
            };
            before.iter().flat_map(with).collect()
        })
    }
}

impl Column<'_> {
    /// What it asks of a text, where it does.
    fn pattern(&self) -> Option<&TextTest> {
        match self.rows.first().map(Vec::as_slice) {
            Some([Element::Pattern(test)]) => Some(test),
            _ => None,
        }
    }
}
