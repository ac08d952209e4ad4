//! Normalisation: a rule as a list of literals, all of which must hold for the rule to match.
//!
//! ```text
//! when a and not (b or c) unless d or e      a is true, b is false, c is false, d is not true, e is not true
//! ```
//!
//! In Kleene's logic, a conjunction is true exactly if every operand is, and a disjunction is not true exactly
//! if no operand is. The list is therefore equivalent to the rule, in any order.
//!
//! Absent: `and` at the top of a literal that must be known, and `or` at the top of a literal that must not.

use crate::hir::{Cond, Rule};

/// A condition with the result that it must, or must not, have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Literal<'p> {
    /// Condition that is evaluated.
    pub cond: &'p Cond,
    /// Result to compare with.
    pub sense: bool,
    /// If true, the condition must be `sense`; if false, it must be the opposite or unknown.
    pub known: bool,
}

/// Returns the literals of a rule, or `None` if a constant among them makes it impossible to match.
#[must_use]
pub fn literals(rule: &Rule) -> Option<Vec<Literal<'_>>> {
    let mut found = Vec::new();
    let when = rule.when.as_ref().is_none_or(|cond| split(Literal { cond, sense: true, known: true }, &mut found));
    let unless = rule.unless.as_ref().is_none_or(|cond| split(Literal { cond, sense: true, known: false }, &mut found));
    (when && unless).then_some(found)
}

/// Splits a literal into those it is the conjunction of. Returns false if it never holds.
fn split<'p>(literal: Literal<'p>, found: &mut Vec<Literal<'p>>) -> bool {
    let Literal { cond, sense, known } = literal;
    match cond {
        Cond::Const(value) => (*value == sense) == known,
        Cond::Not(inner) => split(Literal { cond: inner, sense: !sense, known }, found),
        // Both operands must have the result, or neither may.
        Cond::And(left, right) | Cond::Or(left, right) if (matches!(cond, Cond::And(..)) == sense) == known => {
            split(Literal { cond: left, sense, known }, found) && split(Literal { cond: right, sense, known }, found)
        }
        Cond::And(..) | Cond::Or(..) | Cond::Atom(_) => {
            if !found.contains(&literal) {
                found.push(literal);
            }
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hir::{Atom, AtomKind, TaskField, Ty, Value, ValueKind};

    fn atom(number: u32) -> Cond {
        let value = Value {
            span: Default::default(),
            ty: Ty::Int(crate::hir::Int::plain(4, false)),
            kind: ValueKind::Binary(
                crate::hir::Binary::And,
                Box::new(Value {
                    span: Default::default(),
                    ty: Ty::Int(crate::hir::Int::plain(4, false)),
                    kind: ValueKind::Task(TaskField::Uid),
                }),
                Box::new(Value {
                    span: Default::default(),
                    ty: Ty::Int(crate::hir::Int::plain(4, false)),
                    kind: ValueKind::Const(i128::from(number)),
                }),
            ),
        };
        Cond::Atom(Box::new(Atom { span: Default::default(), kind: AtomKind::AnyBit(value) }))
    }

    fn and(left: Cond, right: Cond) -> Cond {
        Cond::And(Box::new(left), Box::new(right))
    }

    fn or(left: Cond, right: Cond) -> Cond {
        Cond::Or(Box::new(left), Box::new(right))
    }

    fn split_all(cond: &Cond, known: bool) -> Option<Vec<(bool, bool)>> {
        let mut found = Vec::new();
        split(Literal { cond, sense: true, known }, &mut found)
            .then(|| found.iter().map(|literal| (matches!(literal.cond, Cond::Atom(_)), literal.sense)).collect())
    }

    #[test]
    fn conjunctions_are_split_and_disjunctions_are_not() {
        let not = |cond| Cond::Not(Box::new(cond));
        let both = and(atom(1), not(or(atom(2), atom(3))));
        assert_eq!(split_all(&both, true), Some(vec![(true, true), (true, false), (true, false)]));
        assert_eq!(split_all(&or(atom(1), atom(2)), true), Some(vec![(false, true)]));
        // An `unless` exempts if it is true, so none of its alternatives may be.
        assert_eq!(split_all(&or(atom(1), atom(2)), false), Some(vec![(true, true), (true, true)]));
        assert_eq!(split_all(&and(atom(1), atom(2)), false), Some(vec![(false, true)]));
        assert_eq!(split_all(&and(atom(1), Cond::Const(false)), true), None);
        assert_eq!(split_all(&or(atom(1), Cond::Const(true)), false), None);
        assert_eq!(split_all(&and(atom(1), atom(1)), true), Some(vec![(true, true)]));
    }
}
