//! What rules have in common that one search can tell apart.
//!
//! ```text
//! on file_open when task.uid == 4 and file.inode.uid in { 2, 3 } and file.path under "/a" deny EACCES
//! shape: (task.uid, file.inode.uid, file.path's pattern), EACCES, no event
//! rows:  (4, 2, under "/a") (4, 3, under "/a")
//! ```
//!
//! A rule's *shape* is the values that it compares with constants, whatever else must hold, and what it does. Its rows are
//! the constants. Patterns of a text stand for the rows of an automaton (`texts.rs`), known when all rules of the shape are.
//!
//! Invariants: the parts of a shape are in an order that does not depend on how the rule was written, at most one is a
//! range or a network, and that is the last; all rules of a shape have as many columns.
//!
//! Absent: whether a search is worth it, and what is in it (`index.rs`).

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::key::{Element, Part, PartKind, ordered, places};
use super::normalise::Literal;
use super::texts::Patterns;
use crate::hir::{
    AtomKind, Compare, Cond, Int, LabelId, Limit, Members, Part as SetPart, Policy, Rule, RuleId, TaskField, TextTest,
    Ty, Value, ValueKind,
};
use crate::optimise::{Optimisation, Optimise};

/// The most rows that one rule brings.
pub(super) const ROWS_OF_RULE_MAX: usize = 4096;

/// What rules of one unit have in common.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Shape<'p> {
    parts: Vec<(PartKind, &'p Value)>,
    /// How many parts each literal that is looked up has.
    columns: Vec<usize>,
    pub(super) rest: Vec<Literal<'p>>,
    errno: Option<i32>,
    fields: Option<Vec<&'p Value>>,
    limit: Option<Limit>,
    kill: Option<i32>,
    marks: Vec<(LabelId, &'p Value, bool)>,
}

impl Shape<'_> {
    pub(super) fn parts(&self) -> Vec<Part> {
        self.parts.iter().map(|(kind, value)| Part { kind: *kind, value: (*value).clone() }).collect()
    }
}

/// A rule that could be looked up.
pub(super) struct Candidate<'p> {
    pub(super) rule: RuleId,
    pub(super) literals: Vec<Literal<'p>>,
    /// One for each literal that is looked up.
    pub(super) columns: Vec<Column<'p>>,
}

/// A literal that compares values with constants.
pub(super) struct Column<'p> {
    /// Both where two are about the same value.
    pub(super) literals: Vec<Literal<'p>>,
    pub(super) parts: Vec<(PartKind, &'p Value)>,
    pub(super) rows: Vec<Vec<Element>>,
    /// What it asks of a text by patterns, which stand for rows that only the automaton of all knows.
    pub(super) patterns: Vec<&'p TextTest>,
}

/// What a rule has in common with others, and its rows; `None` where it compares nothing with constants.
pub(super) fn shape<'p>(
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
        let pattern = hash(&|hasher| column.patterns.first().map(|test| std::mem::discriminant(*test)).hash(hasher));
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
    let Literal { sense, known: true, .. } = literal else { return None };
    let atom = match literal.cond {
        Cond::Atom(atom) => atom,
        Cond::Not(inner) => return column(policy, Literal { cond: inner, sense: !sense, ..literal }, optimise),
        Cond::Or(left, right) if sense => return either(policy, literal, [left, right], optimise),
        _ => return None,
    };
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
            let parts = vec![(PartKind::Match, value)];
            return Some(Column { literals: vec![literal], parts, rows: Vec::new(), patterns: vec![test] });
        }
        AtomKind::InSet { values, set } => {
            let set = &policy.sets[set.index()];
            let Members::Static(rows) = &set.members else { return None };
            return in_set(literal, values, &set.parts, rows);
        }
        _ => return None,
    };
    if let [(PartKind::Number | PartKind::Range, value)] = parts.as_slice()
        && matches!(value.kind, ValueKind::Const(_) | ValueKind::Param(_) | ValueKind::Enumerator(_))
    {
        return None;
    }
    Some(Column { literals: vec![literal], parts, rows, patterns: Vec::new() })
}

/// What one of two compares with constants, where both are about the same values.
fn either<'p>(policy: &'p Policy, literal: Literal<'p>, both: [&'p Cond; 2], optimise: Optimise) -> Option<Column<'p>> {
    let sides = both.map(|cond| column(policy, Literal { cond, ..literal }, optimise));
    let [Some(mut one), Some(mut other)] = sides else { return None };
    if one.parts != other.parts && optimise.does(Optimisation::Automata) {
        one.be_patterns(both[0]);
        other.be_patterns(both[1]);
    }
    if one.parts != other.parts || one.rows.len() + other.rows.len() > ROWS_OF_RULE_MAX {
        return None;
    }
    one.rows.extend(other.rows);
    one.patterns.extend(other.patterns);
    Some(Column { literals: vec![literal], ..one })
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
    Some(Column { literals: vec![literal], parts, rows, patterns: Vec::new() })
}

impl<'p> Candidate<'p> {
    /// What it asks of texts.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &'p TextTest> {
        self.columns.iter().flat_map(|column| column.patterns.iter().copied())
    }

    /// Each column, and the patterns of the text that it asks for something.
    fn columns<'a, 'm>(
        &'a self,
        patterns: &'a [Option<Patterns<'m>>],
    ) -> impl Iterator<Item = (&'a Column<'p>, Option<&'a Patterns<'m>>)> {
        let mut part = 0;
        self.columns.iter().map(move |column| {
            let at = part;
            part += column.parts.len();
            (column, patterns[at].as_ref())
        })
    }

    /// How many rows it has.
    pub(super) fn count(&self, patterns: &[Option<Patterns<'_>>]) -> Option<usize> {
        self.columns(patterns).try_fold(1usize, |count, (column, of)| {
            count.checked_mul(of.map_or(column.rows.len(), |of| of.elements(&column.patterns).count()))
        })
    }

    /// All its rows.
    pub(super) fn rows(&self, patterns: &[Option<Patterns<'_>>]) -> Vec<Vec<Element>> {
        self.columns(patterns).fold(vec![Vec::new()], |before, (column, of)| {
            let rows = match of {
                Some(of) => Cow::Owned(of.elements(&column.patterns).map(|element| vec![element]).collect()),
                None => Cow::Borrowed(&column.rows),
            };
            let with = |row: Vec<Element>| {
                let after = |more: &Vec<Element>| [&row[..], more].concat();
                rows.iter().map(after).collect::<Vec<Vec<Element>>>()
            };
            before.into_iter().flat_map(with).collect()
        })
    }
}

impl<'p> Column<'p> {
    /// Asks for whole texts, which the condition names, by patterns.
    fn be_patterns(&mut self, cond: &'p Cond) {
        if let [(kind @ PartKind::Text, _)] = &mut self.parts[..] {
            *kind = PartKind::Match;
            self.rows.clear();
            tests_of(cond, &mut self.patterns);
        }
    }
}

/// What a condition asks of texts, in tests one of which must hold.
fn tests_of<'p>(cond: &'p Cond, found: &mut Vec<&'p TextTest>) {
    match cond {
        Cond::Not(inner) => tests_of(inner, found),
        Cond::Or(left, right) => [left, right].into_iter().for_each(|side| tests_of(side, found)),
        Cond::Atom(atom) => found.extend(match &atom.kind {
            AtomKind::Text { test, .. } => Some(test),
            _ => None,
        }),
        Cond::And(..) | Cond::Const(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(bytes: u32, signed: bool) -> Value {
        Value { span: Default::default(), ty: Ty::Int(Int::plain(bytes, signed)), kind: ValueKind::Const(0) }
    }

    #[test]
    fn a_comparison_is_a_range_of_its_type() {
        use Compare::{Eq, Ge, Gt, Le, Lt, Ne};
        // Signed numbers are moved so that the least of 64 bits is 0.
        let zero = 1i128 << 63;
        for (bytes, signed, op, constant, wanted) in [
            (4, false, Lt, 5, Some((0, 4))),
            (4, false, Le, 5, Some((0, 5))),
            (4, false, Gt, 5, Some((6, 0xffff_ffff))),
            (4, false, Ge, 5, Some((5, 0xffff_ffff))),
            (4, false, Eq, 5, None),
            (4, false, Ne, 5, None),
            (4, false, Lt, 0, None),
            (4, false, Le, 0, Some((0, 0))),
            (4, false, Gt, 0xffff_ffff, None),
            (4, false, Ge, 0xffff_ffff, Some((0xffff_ffff, 0xffff_ffff))),
            (4, false, Ge, -7, Some((0, 0xffff_ffff))),
            (1, false, Le, 1000, Some((0, 255))),
            (1, false, Gt, 1000, None),
            (8, false, Gt, 0, Some((1, (1 << 64) - 1))),
            (1, true, Lt, -5, Some((zero - 128, zero - 6))),
            (1, true, Ge, -5, Some((zero - 5, zero + 127))),
            (4, true, Gt, -1, Some((zero, zero + 0x7fff_ffff))),
            (8, true, Le, 0, Some((0, zero))),
        ] {
            let wanted = wanted.map(|(first, last): (i128, i128)| Element::Range(first as u128, last as u128));
            assert_eq!(range(&integer(bytes, signed), op, constant), wanted, "{bytes} {signed} {op:?} {constant}");
        }
    }

    #[test]
    fn a_number_is_a_pattern_of_its_type() {
        for (bytes, signed, constant, wanted) in [
            (2, false, 0xffff, Some(0xffff)),
            (2, false, 0x1_0000, None),
            (2, false, -1, None),
            (2, true, -1, Some(0xffff)),
            (2, true, -0x8000, Some(0x8000)),
            (2, true, -0x8001, None),
            (2, true, 0x8000, None),
            (8, true, -1, Some(u128::from(u64::MAX))),
            (8, false, (1 << 64) - 1, Some(u128::from(u64::MAX))),
        ] {
            assert_eq!(number(&integer(bytes, signed), constant), wanted.map(Element::Number), "{bytes} {constant}");
        }
    }

    #[test]
    fn ranges_meet_where_both_are() {
        let ranges = |list: &[(u128, u128)]| list.iter().map(|(a, b)| vec![Element::Range(*a, *b)]).collect::<Vec<_>>();
        for (a, b, both) in [
            (&[(1, 5)][..], &[(3, 9)][..], &[(3, 5)][..]),
            (&[(3, 9)], &[(1, 5)], &[(3, 5)]),
            (&[(1, 9)], &[(5, 5)], &[(5, 5)]),
            (&[(1, 5)], &[(5, 9)], &[(5, 5)]),
            (&[(1, 5)], &[(6, 9)], &[]),
            (&[(1, 5), (8, 9)], &[(4, 8)], &[(4, 5), (8, 8)]),
        ] {
            assert_eq!(meet(&ranges(a), &ranges(b)), ranges(both));
        }
    }
}
