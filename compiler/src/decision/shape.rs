//! Shapes: the part of a rule that all rules of one index have in common.
//!
//! ```text
//! on file_open when task.uid == 4 and file.inode.uid in { 2, 3 } and file.path under "/a" deny EACCES
//! shape: (task.uid, file.inode.uid, pattern of file.path), EACCES, no event
//! rows:  (4, 2, under "/a") (4, 3, under "/a")
//! ```
//!
//! The *shape* of a rule consists of the values that it compares with constants, its remaining literals, and
//! its actions. The constants are its rows. Patterns are resolved to rows of an automaton (`texts`) once all
//! rules of the shape are known.
//!
//! Invariants: the order of the columns does not depend on the order in the rule; at most one column is a range
//! or a network, and it is the last; all rules of a shape have the same number of terms.
//!
//! Absent: the decision whether an index pays off, and its contents (`index`).

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::key::{Column, ColumnKind, Element, layout, ordered};
use super::normalise::Literal;
use super::texts::Patterns;
use crate::hir::{
    AtomKind, Column as SetColumn, Compare, Cond, Int, LabelId, Limit, Members, Policy, Rule, RuleId, TaskField,
    TextTest, Ty, Value, ValueKind,
};
use crate::optimise::{Optimisation, Optimise};

/// Maximum number of rows of one rule.
pub(super) const ROWS_OF_RULE_MAX: usize = 4096;

/// Common part of the rules of one index.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Shape<'p> {
    columns: Vec<(ColumnKind, &'p Value)>,
    /// Number of columns of each term.
    term_columns: Vec<usize>,
    pub(super) rest: Vec<Literal<'p>>,
    errno: Option<i32>,
    fields: Option<Vec<&'p Value>>,
    limit: Option<Limit>,
    kill: Option<i32>,
    marks: Vec<(LabelId, &'p Value, bool)>,
}

impl Shape<'_> {
    pub(super) fn columns(&self) -> Vec<Column> {
        self.columns.iter().map(|(kind, value)| Column { kind: *kind, value: (*value).clone() }).collect()
    }
}

/// A rule that can be a member of an index.
pub(super) struct Candidate<'p> {
    pub(super) rule: RuleId,
    pub(super) literals: Vec<Literal<'p>>,
    /// One term for each literal, or pair of literals, that is looked up.
    pub(super) terms: Vec<Term<'p>>,
}

/// A conjunct of a rule that compares values with constants.
pub(super) struct Term<'p> {
    /// The literals of the term: several if they compare the same value.
    pub(super) literals: Vec<Literal<'p>>,
    pub(super) columns: Vec<(ColumnKind, &'p Value)>,
    pub(super) rows: Vec<Vec<Element>>,
    /// Patterns of a text, in place of rows: only the automaton of all rules determines those.
    pub(super) patterns: Vec<&'p TextTest>,
}

/// Returns the shape of a rule and its rows, or `None` if it compares nothing with constants.
pub(super) fn shape<'p>(
    policy: &'p Policy,
    id: RuleId,
    rule: &'p Rule,
    literals: &[Literal<'p>],
    any_errno: bool,
    optimise: Optimise,
) -> Option<(Shape<'p>, Candidate<'p>)> {
    // Exhaustive: a new action must become part of the shape, or keep its rules out of indexes.
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
    let mut terms: Vec<Term<'p>> = Vec::new();
    let mut rest = Vec::new();
    for literal in literals {
        match term(policy, *literal, optimise) {
            Some(term) if term.rows.len() <= ROWS_OF_RULE_MAX => {
                let same = terms.iter_mut().find(|known| known.columns.len() == 1 && known.columns == term.columns);
                match same {
                    Some(_) if term.columns[0].0 == ColumnKind::Network => rest.push(*literal),
                    // Several patterns for one text stay apart: one that all rules have can become a test.
                    Some(_) if term.columns[0].0 == ColumnKind::Match => terms.push(term),
                    Some(known) if term.columns[0].0 == ColumnKind::Range => {
                        known.literals.push(*literal);
                        known.rows = intersect(&known.rows, &term.rows);
                    }
                    // Both literals must hold.
                    Some(known) => {
                        known.literals.push(*literal);
                        known.rows.retain(|row| term.rows.contains(row));
                    }
                    None => terms.push(term),
                }
            }
            _ => rest.push(*literal),
        }
    }
    // Canonical order, independent of the order in the rule; ranges come last.
    let hash = |value: &dyn Fn(&mut DefaultHasher)| {
        let mut hasher = DefaultHasher::new();
        value(&mut hasher);
        hasher.finish()
    };
    terms.sort_by_cached_key(|term| {
        let range = term.columns.iter().any(|column| column.0.is_range());
        let pattern = hash(&|hasher| term.patterns.first().map(|test| std::mem::discriminant(*test)).hash(hasher));
        (range, term.columns.iter().map(|column| column.0).max(), hash(&|hasher| term.columns.hash(hasher)), pattern)
    });
    // Terms that do not fit into the key become tests.
    let mut columns: Vec<(ColumnKind, &Value)> = Vec::new();
    terms.retain(|term| {
        let both: Vec<Column> = columns
            .iter()
            .chain(&term.columns)
            .map(|(kind, value)| Column { kind: *kind, value: (*value).clone() })
            .collect();
        let ranges = both.iter().filter(|column| column.kind.is_range()).count();
        let fits = ranges <= 1 && layout(&both).is_some();
        if fits {
            columns.extend(&term.columns);
        } else {
            rest.extend(&term.literals);
        }
        fits
    });
    if terms.is_empty() {
        return None;
    }
    rest.sort_by_cached_key(|literal| hash(&|hasher| literal.hash(hasher)));
    let shape = Shape {
        columns,
        term_columns: terms.iter().map(|term| term.columns.len()).collect(),
        rest,
        errno: rule.errno().filter(|_| !any_errno),
        fields: audit.as_ref().map(|audit| audit.fields.iter().map(|field| &field.value).collect()),
        limit: audit.as_ref().and_then(|audit| audit.limit),
        kill: kill.as_ref().map(|kill| kill.signal),
        marks: marks.iter().map(|mark| (mark.label, &mark.object, mark.set)).collect(),
    };
    Some((shape, Candidate { rule: id, literals: literals.to_vec(), terms }))
}

/// Returns the term of a literal, or `None` if it is not a comparison with constants that can be looked up.
fn term<'p>(policy: &'p Policy, literal: Literal<'p>, optimise: Optimise) -> Option<Term<'p>> {
    let Literal { sense, known: true, .. } = literal else { return None };
    let atom = match literal.cond {
        Cond::Atom(atom) => atom,
        Cond::Not(inner) => return term(policy, Literal { cond: inner, sense: !sense, ..literal }, optimise),
        Cond::Or(left, right) if sense => return either(policy, literal, [left, right], optimise),
        _ => return None,
    };
    let (columns, rows) = match &atom.kind {
        AtomKind::Compare { op, left, right } if *op == (if sense { Compare::Eq } else { Compare::Ne }) => {
            let (value, constant) = match (&left.kind, &right.kind) {
                (_, ValueKind::Const(number)) => (left, *number),
                (ValueKind::Const(number), _) => (right, *number),
                _ => return None,
            };
            (vec![(ColumnKind::Number, value)], vec![vec![number(value, constant)?]])
        }
        AtomKind::Compare { op, left, right } if optimise.does(Optimisation::IndexRanges) => {
            let (value, constant, op) = match (&left.kind, &right.kind) {
                (_, ValueKind::Const(number)) => (left, *number, *op),
                (ValueKind::Const(number), _) => (right, *number, op.swapped()),
                _ => return None,
            };
            (
                vec![(ColumnKind::Range, value)],
                vec![vec![range(value, if sense { op } else { op.negated() }, constant)?]],
            )
        }
        _ if !sense => return None,
        AtomKind::Same(value, other) => {
            let (value, address) = match (&value.kind, &other.kind) {
                (_, ValueKind::Address(address)) => (value, *address),
                (ValueKind::Address(address), _) => (other, *address),
                _ => return None,
            };
            (vec![(ColumnKind::Ip, value)], vec![vec![Element::Number(address)]])
        }
        AtomKind::OneOf { value, set } => {
            let constant = |element: &Value| match element.kind {
                ValueKind::Const(constant) => number(value, constant),
                _ => None,
            };
            let rows =
                set.iter().map(|element| constant(element).map(|element| vec![element])).collect::<Option<_>>()?;
            (vec![(ColumnKind::Number, value)], rows)
        }
        AtomKind::OneOfStrings { value, set } if matches!(value.kind, ValueKind::Task(TaskField::Comm)) => {
            let name = |text: &Vec<u8>| {
                let mut bytes = [0; 16];
                bytes.get_mut(..text.len())?.copy_from_slice(text);
                Some(vec![Element::Number(u128::from_le_bytes(bytes))])
            };
            (vec![(ColumnKind::Name, value)], set.iter().map(name).collect::<Option<_>>()?)
        }
        AtomKind::Text { value, test: TextTest::OneOf(set) } => {
            let rows = set.iter().map(|text| vec![Element::Text(text.clone())]).collect();
            (vec![(ColumnKind::Text, value)], rows)
        }
        AtomKind::Text { value, test } if optimise.does(Optimisation::MergePatterns) => {
            let columns = vec![(ColumnKind::Match, value)];
            return Some(Term { literals: vec![literal], columns, rows: Vec::new(), patterns: vec![test] });
        }
        AtomKind::InSet { values, set } => {
            let set = &policy.sets[set.index()];
            let Members::Static(rows) = &set.members else { return None };
            return in_set(literal, values, &set.columns, rows);
        }
        _ => return None,
    };
    if let [(ColumnKind::Number | ColumnKind::Range, value)] = columns.as_slice()
        && matches!(value.kind, ValueKind::Const(_) | ValueKind::Param(_) | ValueKind::Enumerator(_))
    {
        return None;
    }
    Some(Term { literals: vec![literal], columns, rows, patterns: Vec::new() })
}

/// Returns the term of a disjunction: the rows of both sides, if they compare the same values.
fn either<'p>(policy: &'p Policy, literal: Literal<'p>, both: [&'p Cond; 2], optimise: Optimise) -> Option<Term<'p>> {
    let sides = both.map(|cond| term(policy, Literal { cond, ..literal }, optimise));
    let [Some(mut one), Some(mut other)] = sides else { return None };
    if one.columns != other.columns && optimise.does(Optimisation::MergePatterns) {
        one.text_as_pattern(both[0]);
        other.text_as_pattern(both[1]);
    }
    if one.columns != other.columns || one.rows.len() + other.rows.len() > ROWS_OF_RULE_MAX {
        return None;
    }
    one.rows.extend(other.rows);
    one.patterns.extend(other.patterns);
    Some(Term { literals: vec![literal], ..one })
}

/// Encodes a constant in the width of a value. Returns `None` if the value is not an integer or cannot be the
/// constant.
fn number(value: &Value, constant: i128) -> Option<Element> {
    let Ty::Int(int) = value.ty else { return None };
    (int.min() <= constant && constant <= int.max()).then(|| Element::Number((constant as u128) & mask(int)))
}

/// Returns the range of values for which a comparison holds, or `None` if the value is not an integer or the
/// range is empty.
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

/// Intersects two unions of ranges.
fn intersect(a: &[Vec<Element>], b: &[Vec<Element>]) -> Vec<Vec<Element>> {
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

/// Converts the elements of a set to rows. A column whose elements are all single addresses is looked up
/// exactly; a column with networks comes last.
fn in_set<'p>(
    literal: Literal<'p>,
    values: &'p [Value],
    parts: &[SetColumn],
    elements: &[Vec<(u128, u128)>],
) -> Option<Term<'p>> {
    if parts.iter().any(|part| matches!(part, SetColumn::Text { .. })) {
        return None;
    }
    let kind = |at: usize| match parts[at] {
        SetColumn::Int(_) => ColumnKind::Number,
        SetColumn::Network if elements.iter().any(|row| row[at].0 != row[at].1) => ColumnKind::Network,
        SetColumn::Ip | SetColumn::Network | SetColumn::Text { .. } => ColumnKind::Ip,
    };
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|at| kind(*at));
    let element = |at: usize, (first, last): (u128, u128)| match (kind(at), parts[at], values[at].ty) {
        (ColumnKind::Network, ..) => Some(Element::Range(first, last)),
        (ColumnKind::Number, SetColumn::Int(of), Ty::Int(_)) => {
            let constant = if of.signed { i128::from((first as u64).cast_signed()) } else { first as i128 };
            // An element that the value cannot be has no row.
            number(&values[at], constant)
        }
        _ => Some(Element::Number(first)),
    };
    let row = |row: &Vec<(u128, u128)>| order.iter().map(|at| element(*at, row[*at])).collect::<Option<Vec<_>>>();
    let rows = elements.iter().filter_map(row).collect();
    let columns = order.iter().map(|at| (kind(*at), &values[*at])).collect();
    Some(Term { literals: vec![literal], columns, rows, patterns: Vec::new() })
}

impl<'p> Candidate<'p> {
    /// Returns the patterns of the rule.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &'p TextTest> {
        self.terms.iter().flat_map(|term| term.patterns.iter().copied())
    }

    /// Pairs each term with the patterns of its column, if it has any.
    fn terms<'a, 'm>(
        &'a self,
        patterns: &'a [Option<Patterns<'m>>],
    ) -> impl Iterator<Item = (&'a Term<'p>, Option<&'a Patterns<'m>>)> {
        let mut column = 0;
        self.terms.iter().map(move |term| {
            let at = column;
            column += term.columns.len();
            (term, patterns[at].as_ref())
        })
    }

    /// Returns the number of rows, or `None` on overflow.
    pub(super) fn count(&self, patterns: &[Option<Patterns<'_>>]) -> Option<usize> {
        self.terms(patterns).try_fold(1usize, |count, (term, of)| {
            count.checked_mul(of.map_or(term.rows.len(), |of| of.elements(&term.patterns).count()))
        })
    }

    /// Returns the rows: the Cartesian product of the rows of its terms.
    pub(super) fn rows(&self, patterns: &[Option<Patterns<'_>>]) -> Vec<Vec<Element>> {
        self.terms(patterns).fold(vec![Vec::new()], |before, (term, of)| {
            let rows = match of {
                Some(of) => Cow::Owned(of.elements(&term.patterns).map(|element| vec![element]).collect()),
                None => Cow::Borrowed(&term.rows),
            };
            let with = |row: Vec<Element>| {
                let after = |more: &Vec<Element>| [&row[..], more].concat();
                rows.iter().map(after).collect::<Vec<Vec<Element>>>()
            };
            before.into_iter().flat_map(with).collect()
        })
    }
}

impl<'p> Term<'p> {
    /// Converts a comparison with whole texts, made by `cond`, to one with patterns.
    fn text_as_pattern(&mut self, cond: &'p Cond) {
        if let [(kind @ ColumnKind::Text, _)] = &mut self.columns[..] {
            *kind = ColumnKind::Match;
            self.rows.clear();
            tests_of(cond, &mut self.patterns);
        }
    }
}

/// Collects the text tests of a disjunction.
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
        // Signed numbers are biased by 2^63, so that the least one is 0.
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
    fn a_number_is_encoded_in_the_width_of_its_type() {
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
    fn unions_of_ranges_intersect() {
        let ranges = |list: &[(u128, u128)]| list.iter().map(|(a, b)| vec![Element::Range(*a, *b)]).collect::<Vec<_>>();
        for (a, b, both) in [
            (&[(1, 5)][..], &[(3, 9)][..], &[(3, 5)][..]),
            (&[(3, 9)], &[(1, 5)], &[(3, 5)]),
            (&[(1, 9)], &[(5, 5)], &[(5, 5)]),
            (&[(1, 5)], &[(5, 9)], &[(5, 5)]),
            (&[(1, 5)], &[(6, 9)], &[]),
            (&[(1, 5), (8, 9)], &[(4, 8)], &[(4, 5), (8, 8)]),
        ] {
            assert_eq!(intersect(&ranges(a), &ranges(b)), ranges(both));
        }
    }
}
