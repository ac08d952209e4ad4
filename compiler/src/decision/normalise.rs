//! What must hold for a rule to fire, as a list: all of its literals.
//!
//! ```text
//! when a and not (b or c) unless d or e      a is true, b is false, c is false, d is not true, e is not true
//! ```
//!
//! In Kleene's logic a conjunction is known to be true if each part is, and known not to be a disjunction's truth if no
//! part is true: so the list says exactly what the rule says, whatever its order.
//!
//! Absent: `and` at the top of a literal that must be known, and `or` at the top of one that must not.

use crate::hir::{Cond, Rule};

/// One thing that must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Literal<'p> {
    /// Of this condition.
    pub cond: &'p Cond,
    /// This answer.
    pub sense: bool,
    /// It must be known to be `sense`; otherwise it must not be known to be `sense`.
    pub known: bool,
}

/// Everything that must hold for a rule to fire; `None` where it never does.
#[must_use]
pub fn literals(rule: &Rule) -> Option<Vec<Literal<'_>>> {
    let mut found = Vec::new();
    let when = rule.when.as_ref().is_none_or(|cond| split(Literal { cond, sense: true, known: true }, &mut found));
    let unless = rule.unless.as_ref().is_none_or(|cond| split(Literal { cond, sense: true, known: false }, &mut found));
    (when && unless).then_some(found)
}

/// False where the literal never holds.
fn split<'p>(literal: Literal<'p>, found: &mut Vec<Literal<'p>>) -> bool {
    let Literal { cond, sense, known } = literal;
    match cond {
        Cond::Const(value) => (*value == sense) == known,
        Cond::Not(inner) => split(Literal { cond: inner, sense: !sense, known }, found),
        // All parts have to have the answer, or none may.
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
    fn conjunctions_come_apart_and_the_rest_stays() {
        let not = |cond| Cond::Not(Box::new(cond));
        let both = and(atom(1), not(or(atom(2), atom(3))));
        assert_eq!(split_all(&both, true), Some(vec![(true, true), (true, false), (true, false)]));
        assert_eq!(split_all(&or(atom(1), atom(2)), true), Some(vec![(false, true)]));
        // `unless` spares where it is true: none of the alternatives may be.
        assert_eq!(split_all(&or(atom(1), atom(2)), false), Some(vec![(true, true), (true, true)]));
        assert_eq!(split_all(&and(atom(1), atom(2)), false), Some(vec![(false, true)]));
        assert_eq!(split_all(&and(atom(1), Cond::Const(false)), true), None);
        assert_eq!(split_all(&or(atom(1), Cond::Const(true)), false), None);
        assert_eq!(split_all(&and(atom(1), atom(1)), true), Some(vec![(true, true)]));
    }
}
