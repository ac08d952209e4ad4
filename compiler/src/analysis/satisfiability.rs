//! Satisfiability of conjunctions of test results, and implications between them.
//!
//! `prot & EXEC and prot == READ` is a conjunction of two tests of `prot`. The first requires bit 4 of `prot`
//! to be set, the second requires `prot` to be 1; no number satisfies both, so they [`conflict`]. That
//! `x == 3` implies `x < 5` is the same question: `x == 3` conflicts with `x < 5` being false.
//!
//! The abstract domain of an integer is a union of intervals together with known bits (Regehr and Duongsaa,
//! *Deriving abstract transfer functions for analyzing embedded software*, 2006). That of a text is a list of
//! candidates, and that of a pointer whether it is null.
//!
//! The logic is Kleene's, as in the policy: the result of a test may be unknown. That a condition is not true
//! restricts its tests only where they cannot be unknown.
//!
//! Invariant: the analysis is conservative. A conjunction that is not understood, or too large, is considered
//! satisfiable.

use crate::hir::walk::values;
use crate::hir::{Atom, AtomKind, Binary, Compare, Cond, Int, Rule, TextSource, TextTest, Ty, Value, ValueKind};

use super::numbers::{Numbers, Ranges};
use super::texts::Texts;

/// A constraint on the result of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The result is true.
    True,
    /// The result is false.
    False,
    /// The result is false or unknown.
    NotTrue,
    /// The result is true or unknown.
    NotFalse,
}

impl Answer {
    fn negated(self) -> Answer {
        match self {
            Answer::True => Answer::False,
            Answer::False => Answer::True,
            Answer::NotTrue => Answer::NotFalse,
            Answer::NotFalse => Answer::NotTrue,
        }
    }
}

/// A test and a constraint on its result.
#[derive(Clone, Copy, Debug)]
pub struct Literal<'p> {
    /// The test that is constrained.
    pub atom: &'p Atom,
    /// The constraint on its result.
    pub answer: Answer,
}

/// A conjunction of literals: one disjunct of a disjunctive normal form.
pub type Conjunction<'p> = Vec<Literal<'p>>;

/// Maximum number of disjuncts; a larger normal form is given up.
const DISJUNCTS_MAX: usize = 64;

/// Maximum number of literals in a conjunction.
const LITERALS_MAX: usize = 64;

/// Returns the disjunctive normal form of a constraint on a condition; `None` if it is too large.
#[must_use]
pub fn disjuncts(cond: &Cond, answer: Answer) -> Option<Vec<Conjunction<'_>>> {
    match cond {
        Cond::Const(value) => {
            let possible = match answer {
                Answer::True | Answer::NotFalse => *value,
                Answer::False | Answer::NotTrue => !*value,
            };
            Some(if possible { vec![Vec::new()] } else { Vec::new() })
        }
        Cond::Atom(atom) => Some(vec![vec![Literal { atom, answer }]]),
        Cond::Not(inner) => disjuncts(inner, answer.negated()),
        Cond::And(left, right) => match answer {
            Answer::True | Answer::NotFalse => conjoin(disjuncts(left, answer)?, &disjuncts(right, answer)?),
            Answer::False | Answer::NotTrue => disjoin(disjuncts(left, answer)?, disjuncts(right, answer)?),
        },
        Cond::Or(left, right) => match answer {
            Answer::True | Answer::NotFalse => disjoin(disjuncts(left, answer)?, disjuncts(right, answer)?),
            Answer::False | Answer::NotTrue => conjoin(disjuncts(left, answer)?, &disjuncts(right, answer)?),
        },
    }
}

/// Returns the disjunctive normal form of a rule matching; `None` if it is too large.
#[must_use]
pub fn matching(rule: &Rule) -> Option<Vec<Conjunction<'_>>> {
    let when = match &rule.when {
        Some(cond) => disjuncts(cond, Answer::True)?,
        None => vec![Vec::new()],
    };
    match &rule.unless {
        Some(unless) => conjoin(when, &disjuncts(unless, Answer::NotTrue)?),
        None => Some(when),
    }
}

fn disjoin<'p>(mut left: Vec<Conjunction<'p>>, right: Vec<Conjunction<'p>>) -> Option<Vec<Conjunction<'p>>> {
    left.extend(right);
    (left.len() <= DISJUNCTS_MAX).then_some(left)
}

/// Returns the conjunction of two normal forms; `None` if it is too large.
#[must_use]
pub fn conjoin<'p>(left: Vec<Conjunction<'p>>, right: &[Conjunction<'p>]) -> Option<Vec<Conjunction<'p>>> {
    if left.len() * right.len() > DISJUNCTS_MAX {
        return None;
    }
    if let [one] = right {
        let mut left = left;
        left.iter_mut().for_each(|conjunction| conjunction.extend(one));
        return left.iter().all(|conjunction| conjunction.len() <= LITERALS_MAX).then_some(left);
    }
    let mut conjunctions = Vec::with_capacity(left.len() * right.len());
    for conjunction in &left {
        for other in right {
            if conjunction.len() + other.len() > LITERALS_MAX {
                return None;
            }
            conjunctions.push([conjunction.as_slice(), other].concat());
        }
    }
    Some(conjunctions)
}

/// A contradiction in a conjunction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Index of the first literal that contradicts the ones before it.
    pub at: usize,
    /// Index of a single literal that contradicts it, if there is one.
    pub with: Option<usize>,
}

/// Returns a contradiction if the conjunction is unsatisfiable.
#[must_use]
pub fn conflict(conjunction: &[Literal<'_>]) -> Option<Conflict> {
    let at = first_impossible(conjunction)?;
    let with = (0..at).find(|&other| first_impossible(&[conjunction[other], conjunction[at]]).is_some());
    let with = with.filter(|_| first_impossible(&[conjunction[at]]).is_none());
    Some(Conflict { at, with })
}

fn first_impossible(conjunction: &[Literal<'_>]) -> Option<usize> {
    let mut facts = Facts::default();
    // Known results first: they determine which of the other tests cannot be unknown.
    for (at, literal) in conjunction.iter().enumerate() {
        let held = match literal.answer {
            Answer::True => facts.assume(literal.atom, true),
            Answer::False => facts.assume(literal.atom, false),
            Answer::NotTrue | Answer::NotFalse => true,
        };
        if !held {
            return Some(at);
        }
    }
    for (at, literal) in conjunction.iter().enumerate() {
        let value = match literal.answer {
            Answer::NotTrue => false,
            Answer::NotFalse => true,
            Answer::True | Answer::False => continue,
        };
        if facts.answered(literal.atom) && !facts.assume(literal.atom, value) {
            return Some(at);
        }
    }
    None
}

/// Returns true if the conjunction implies a constraint on a condition.
#[must_use]
pub fn implies(conjunction: &[Literal<'_>], cond: &Cond, answer: Answer) -> bool {
    match cond {
        Cond::Const(value) => match answer {
            Answer::True | Answer::NotFalse => *value,
            Answer::False | Answer::NotTrue => !*value,
        },
        Cond::Not(inner) => implies(conjunction, inner, answer.negated()),
        Cond::And(left, right) => match answer {
            Answer::True | Answer::NotFalse => {
                implies(conjunction, left, answer) && implies(conjunction, right, answer)
            }
            Answer::False | Answer::NotTrue => {
                implies(conjunction, left, answer) || implies(conjunction, right, answer)
            }
        },
        Cond::Or(left, right) => match answer {
            Answer::True | Answer::NotFalse => {
                implies(conjunction, left, answer) || implies(conjunction, right, answer)
            }
            Answer::False | Answer::NotTrue => {
                implies(conjunction, left, answer) && implies(conjunction, right, answer)
            }
        },
        Cond::Atom(atom) => {
            let (opposite, must_be_known) = match answer {
                Answer::True => (Answer::False, true),
                Answer::False => (Answer::True, true),
                Answer::NotTrue => (Answer::True, false),
                Answer::NotFalse => (Answer::False, false),
            };
            let excluded = first_impossible(&[conjunction, &[Literal { atom, answer: opposite }]].concat()).is_some();
            excluded && (!must_be_known || known(conjunction, atom))
        }
    }
}

/// Returns true if a test cannot be unknown where the conjunction holds.
#[must_use]
pub fn known(conjunction: &[Literal<'_>], atom: &Atom) -> bool {
    let mut facts = Facts::default();
    for literal in conjunction {
        match literal.answer {
            Answer::True => facts.assume(literal.atom, true),
            Answer::False => facts.assume(literal.atom, false),
            Answer::NotTrue | Answer::NotFalse => true,
        };
    }
    facts.answered(atom)
}

/// Returns true if no test of the condition can be unknown.
#[must_use]
pub fn answered(cond: &Cond) -> bool {
    match cond {
        Cond::Const(_) => true,
        Cond::Atom(atom) => known(&[], atom),
        Cond::Not(inner) => answered(inner),
        Cond::And(left, right) | Cond::Or(left, right) => answered(left) && answered(right),
    }
}

/// Returns the orders that an operator accepts as a set of bits: 1 for `<`, 2 for `==` and 4 for `>`.
fn orders(op: Compare) -> u8 {
    match op {
        Compare::Eq => 2,
        Compare::Ne => 5,
        Compare::Lt => 1,
        Compare::Le => 3,
        Compare::Gt => 4,
        Compare::Ge => 6,
    }
}

/// Returns the set of orders for swapped operands.
fn mirrored(orders: u8) -> u8 {
    orders & 2 | (orders & 1) << 2 | (orders & 4) >> 2
}

/// Facts about values. They are kept in lists, which are short.
#[derive(Default)]
struct Facts<'p> {
    numbers: Vec<(&'p Value, Numbers)>,
    /// Values that are compared with enumerators, as numbers of the checked kernel. They are kept apart from
    /// plain numbers, since other kernels may number enumerators differently.
    enumerators: Vec<(&'p Value, Numbers)>,
    texts: Vec<(&'p Value, Texts<'p>)>,
    between: Vec<(&'p Value, &'p Value, u8)>,
    /// Pointers that are known to be null or not.
    nulls: Vec<(&'p Value, bool)>,
    /// Values of type `bool`.
    truths: Vec<(&'p Value, bool)>,
    /// Tests that are not interpreted. Equal tests have equal results.
    others: Vec<(&'p AtomKind, bool)>,
    /// Values that have been read successfully.
    read: Vec<&'p Value>,
}

impl<'p> Facts<'p> {
    /// Adds the result of a test; returns false on a contradiction.
    fn assume(&mut self, atom: &'p Atom, holds: bool) -> bool {
        let read = match &atom.kind {
            AtomKind::Known(_) => holds,
            AtomKind::Unreadable(_) => false,
            _ => true,
        };
        for value in values(&atom.kind) {
            if read && !self.touch(value) {
                return false;
            }
        }
        match &atom.kind {
            AtomKind::Compare { op, left, right } => self.compare(*op, left, right, holds),
            AtomKind::AnyBit(value) => self.number(value, zero(), !holds),
            AtomKind::AllBits { value, mask } => {
                let numbers = self.numbers_of(plain(value));
                if holds {
                    numbers.all_ones(*mask)
                } else {
                    numbers.some_zero(*mask)
                }
                numbers.possible()
            }
            AtomKind::True(value) => agree(&mut self.truths, value, holds),
            AtomKind::Null(value) => agree(&mut self.nulls, value, holds),
            AtomKind::Same(left, right) => self.order(left, right, if holds { 2 } else { 5 }),
            AtomKind::OneOf { value, set } => self.one_of(&atom.kind, value, set, holds),
            AtomKind::OneOfStrings { value, set } | AtomKind::Text { value, test: TextTest::OneOf(set) } => {
                let texts = self.texts_of(value);
                texts.one_of(set, holds);
                texts.possible()
            }
            AtomKind::Text { value, test } => {
                let texts = self.texts_of(value);
                texts.like(test, holds);
                texts.possible()
            }
            AtomKind::InSet { .. }
            | AtomKind::AnyAncestor { .. }
            | AtomKind::Label { .. }
            | AtomKind::Known(_)
            | AtomKind::Unreadable(_)
            | AtomKind::KernelThread => agree_kind(&mut self.others, &atom.kind, holds),
        }
    }

    /// Adds that a value was read, so that no pointer on its access path is null; returns false on a
    /// contradiction.
    fn touch(&mut self, value: &'p Value) -> bool {
        let held = self.follow(value);
        if !self.read.iter().any(|known| same(known, value)) {
            self.read.push(value);
        }
        held
    }

    /// Adds that the pointers on the access path of a value are not null; returns false on a contradiction.
    fn follow(&mut self, value: &'p Value) -> bool {
        match &value.kind {
            ValueKind::Load { base, .. } => self.pointer(base),
            ValueKind::Unary(_, inner) | ValueKind::Convert(inner) => self.follow(inner),
            ValueKind::Binary(_, left, right) => self.follow(left) && self.follow(right),
            ValueKind::Text(text) => match &**text {
                TextSource::Path { dentry, mount } => self.pointer(dentry) && self.pointer(mount),
                TextSource::Pointer(pointer) | TextSource::Cgroup { node: pointer } => self.pointer(pointer),
                TextSource::Copy(string) => self.follow(string),
                // The values that are read depend on the address family.
                TextSource::Unix { .. } => true,
            },
            _ => true,
        }
    }

    /// Adds that a pointer and those on its access path are not null; returns false on a contradiction.
    fn pointer(&mut self, pointer: &'p Value) -> bool {
        self.follow(pointer) && agree(&mut self.nulls, pointer, false)
    }

    /// Returns true if a test cannot be unknown.
    fn answered(&self, atom: &Atom) -> bool {
        // A task can have more ancestors than are tested.
        !matches!(atom.kind, AtomKind::AnyAncestor { .. }) && values(&atom.kind).all(|value| self.readable(value))
    }

    fn readable(&self, value: &Value) -> bool {
        if self.read.iter().any(|known| same(known, value)) {
            return true;
        }
        match &value.kind {
            ValueKind::Const(_)
            | ValueKind::Address(_)
            | ValueKind::Param(_)
            | ValueKind::File(..)
            | ValueKind::Arg(_)
            | ValueKind::Task(_)
            | ValueKind::Current
            | ValueKind::Ancestor
            | ValueKind::Now
            | ValueKind::Literal(_) => true,
            ValueKind::Load { base, .. } => {
                let null = match base.ty {
                    Ty::Ptr(pointer) => pointer.nullable,
                    _ => true,
                };
                self.readable(base) && (!null || self.nulls.iter().any(|(known, null)| same(known, base) && !null))
            }
            ValueKind::Unary(_, inner) | ValueKind::Convert(inner) => self.readable(inner),
            ValueKind::Binary(_, left, right) => self.readable(left) && self.readable(right),
            _ => false,
        }
    }

    fn compare(&mut self, op: Compare, left: &'p Value, right: &'p Value, holds: bool) -> bool {
        let mut allowed = orders(op);
        if !holds {
            allowed = 7 & !allowed;
        }
        match (number(left), number(right)) {
            (None, Some(limit)) => self.number(left, Ranges::ordered(allowed, limit), true),
            (Some(limit), None) => self.number(right, Ranges::ordered(mirrored(allowed), limit), true),
            _ => match (enumerator(left), enumerator(right)) {
                (None, Some(limit)) if matches!(op, Compare::Eq | Compare::Ne) => {
                    self.enumerators_of(left).within(&Ranges::ordered(allowed, limit))
                }
                (Some(limit), None) if matches!(op, Compare::Eq | Compare::Ne) => {
                    self.enumerators_of(right).within(&Ranges::ordered(allowed, limit))
                }
                _ => self.order(left, right, allowed),
            },
        }
    }

    fn order(&mut self, left: &'p Value, right: &'p Value, allowed: u8) -> bool {
        if same(left, right) && allowed & 2 == 0 {
            return false;
        }
        for (known_left, known_right, known) in &mut self.between {
            let allowed = if same(known_left, left) && same(known_right, right) {
                allowed
            } else if same(known_left, right) && same(known_right, left) {
                mirrored(allowed)
            } else {
                continue;
            };
            *known &= allowed;
            return *known != 0;
        }
        self.between.push((left, right, allowed));
        true
    }

    fn one_of(&mut self, kind: &'p AtomKind, value: &'p Value, set: &'p [Value], holds: bool) -> bool {
        if let Some(numbers) = set.iter().map(number).collect::<Option<Vec<i128>>>() {
            return self.number(value, Ranges::of(numbers), holds);
        }
        if let Some(numbers) = set.iter().map(enumerator).collect::<Option<Vec<i128>>>() {
            let set = Ranges::of(numbers);
            return self.enumerators_of(value).within(&if holds { set } else { set.complement() });
        }
        agree_kind(&mut self.others, kind, holds)
    }

    fn texts_of(&mut self, value: &'p Value) -> &mut Texts<'p> {
        let at = match self.texts.iter().position(|(known, _)| same(known, value)) {
            Some(at) => at,
            None => {
                self.texts.push((value, Texts::default()));
                self.texts.len() - 1
            }
        };
        &mut self.texts[at].1
    }

    /// Adds that an integer is in a set, or not in it; returns false on a contradiction.
    fn number(&mut self, value: &'p Value, set: Ranges, inside: bool) -> bool {
        let set = if inside { set } else { set.complement() };
        let value = plain(value);
        if !self.numbers_of(value).within(&set) {
            return false;
        }
        // `x & mask` restricts the bits of `x`.
        if let ValueKind::Binary(Binary::And, left, right) = &value.kind
            && let Some((of, mask)) = mask(left, right).or_else(|| mask(right, left))
        {
            let numbers = self.numbers_of(plain(of));
            numbers.masked(mask, &set);
            return numbers.possible();
        }
        true
    }

    fn numbers_of(&mut self, value: &'p Value) -> &mut Numbers {
        entry(&mut self.numbers, value)
    }

    fn enumerators_of(&mut self, value: &'p Value) -> &mut Numbers {
        entry(&mut self.enumerators, plain(value))
    }
}

fn entry<'l, 'p>(list: &'l mut Vec<(&'p Value, Numbers)>, value: &'p Value) -> &'l mut Numbers {
    let at = match list.iter().position(|(known, _)| same(known, value)) {
        Some(at) => at,
        None => {
            list.push((value, range(value)));
            list.len() - 1
        }
    };
    &mut list[at].1
}

/// Returns the possible values of an integer, derived from its type and operator.
fn range(value: &Value) -> Numbers {
    let int = match value.ty {
        Ty::Int(int) => int,
        // Wide enough for any constant.
        _ => Int::plain(8, true),
    };
    let constant = |value: &Value| number(value).filter(|number| *number >= 0);
    let (low, high) = match &value.kind {
        ValueKind::Const(value) => (*value, *value),
        ValueKind::Convert(inner) if inner.ty == Ty::Bool => (0, 1),
        // The remainder has the sign of the dividend, which is unsigned.
        ValueKind::Binary(Binary::Rem, _, by) if !int.signed => {
            (0, constant(by).filter(|by| *by > 0).map_or(int.max(), |by| by - 1))
        }
        ValueKind::Binary(Binary::Div, _, by) if !int.signed => {
            (0, constant(by).filter(|by| *by > 0).map_or(int.max(), |by| int.max() / by))
        }
        ValueKind::Binary(Binary::And, left, right) => match constant(left).or_else(|| constant(right)) {
            Some(mask) => (0, mask),
            None => (int.min(), int.max()),
        },
        _ => (int.min(), int.max()),
    };
    let mut numbers = Numbers::new(low, high, !int.signed);
    if let ValueKind::Binary(Binary::And, left, right) = &value.kind
        && let Some((_, mask)) = mask(left, right).or_else(|| mask(right, left))
    {
        numbers.all_zeros(!mask);
    }
    numbers
}

/// Returns `x` and the mask of `x & mask` if the mask is a nonnegative constant.
fn mask<'p>(of: &'p Value, by: &Value) -> Option<(&'p Value, u64)> {
    if !matches!(of.ty, Ty::Int(_)) {
        return None;
    }
    Some((of, u64::try_from(number(by)?).ok()?))
}

/// Strips conversions that preserve the number.
fn plain(value: &Value) -> &Value {
    match (&value.kind, value.ty) {
        (ValueKind::Convert(inner), Ty::Int(to)) => match inner.ty {
            Ty::Int(from) if to.holds(from) => plain(inner),
            _ => value,
        },
        _ => value,
    }
}

/// Returns true if two values are equal; enum and flag types are ignored.
fn same(one: &Value, other: &Value) -> bool {
    let types = match (one.ty, other.ty) {
        (Ty::Int(one), Ty::Int(other)) => one.bytes == other.bytes && one.signed == other.signed,
        (one, other) => one == other,
    };
    types && one.kind == other.kind
}

fn zero() -> Ranges {
    Ranges::of(vec![0])
}

fn number(value: &Value) -> Option<i128> {
    match &plain(value).kind {
        ValueKind::Const(number) => Some(*number),
        _ => None,
    }
}

fn enumerator(value: &Value) -> Option<i128> {
    match &plain(value).kind {
        ValueKind::Enumerator(known) => Some(i128::from(known.value)),
        _ => None,
    }
}

fn agree<'p>(list: &mut Vec<(&'p Value, bool)>, value: &'p Value, holds: bool) -> bool {
    match list.iter().find(|(known, _)| same(known, value)) {
        Some((_, known)) => *known == holds,
        None => {
            list.push((value, holds));
            true
        }
    }
}

fn agree_kind<'p>(list: &mut Vec<(&'p AtomKind, bool)>, kind: &'p AtomKind, holds: bool) -> bool {
    match list.iter().find(|(known, _)| *known == kind) {
        Some((_, known)) => *known == holds,
        None => {
            list.push((kind, holds));
            true
        }
    }
}
