//! What follows from tests: whether some answers can come together, and whether they force another.
//!
//! `prot & EXEC and prot == READ` is a conjunction of two tests of `prot`. The first makes bit 4 of `prot` one, the second
//! makes `prot` 1; no number is both, so they [`conflict`]. That `x == 3` implies `x < 5` is the same question: `x == 3`
//! conflicts with `x < 5` being false.
//!
//! The domain of an integer is a union of intervals together with bits known to be one or zero (Regehr and Duongsaa,
//! *Deriving abstract transfer functions for analyzing embedded software*, 2006, and every optimiser since); of a string
//! a list of candidates; of a pointer whether it is null.
//!
//! Logic is Kleene's, as in the policy: a test may have no answer. A condition being not true says something about its
//! tests only where they must have an answer.
//!
//! Invariant: what is found is certain. Whatever is not understood, or would take too long, is possible.

use crate::hir::walk::values;
use crate::hir::{Atom, AtomKind, Binary, Compare, Cond, Int, Text, TextTest, Ty, Value, ValueKind};

use super::numbers::{Numbers, Ranges};
use super::texts::Texts;

/// How a test turns out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Known to hold.
    True,
    /// Known not to hold.
    False,
    /// False or unknown.
    NotTrue,
    /// True or unknown.
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

/// A test and its answer.
#[derive(Clone, Copy, Debug)]
pub struct Literal<'p> {
    /// The test.
    pub atom: &'p Atom,
    /// How it turns out.
    pub answer: Answer,
}

/// Tests that turn out so together.
pub type Way<'p> = Vec<Literal<'p>>;

/// More ways than this are not looked at.
const WAYS_MAX: usize = 64;

/// Nor are more tests together.
const LITERALS_MAX: usize = 64;

/// All ways in which a condition can turn out so; `None` where they are too many.
#[must_use]
pub fn ways(cond: &Cond, answer: Answer) -> Option<Vec<Way<'_>>> {
    match cond {
        Cond::Const(value) => {
            let possible = match answer {
                Answer::True | Answer::NotFalse => *value,
                Answer::False | Answer::NotTrue => !*value,
            };
            Some(if possible { vec![Vec::new()] } else { Vec::new() })
        }
        Cond::Atom(atom) => Some(vec![vec![Literal { atom, answer }]]),
        Cond::Not(inner) => ways(inner, answer.negated()),
        Cond::And(left, right) => match answer {
            Answer::True | Answer::NotFalse => both(ways(left, answer)?, &ways(right, answer)?),
            Answer::False | Answer::NotTrue => either(ways(left, answer)?, ways(right, answer)?),
        },
        Cond::Or(left, right) => match answer {
            Answer::True | Answer::NotFalse => either(ways(left, answer)?, ways(right, answer)?),
            Answer::False | Answer::NotTrue => both(ways(left, answer)?, &ways(right, answer)?),
        },
    }
}

fn either<'p>(mut left: Vec<Way<'p>>, right: Vec<Way<'p>>) -> Option<Vec<Way<'p>>> {
    left.extend(right);
    (left.len() <= WAYS_MAX).then_some(left)
}

/// Every way of one with every way of the other.
#[must_use]
pub fn both<'p>(left: Vec<Way<'p>>, right: &[Way<'p>]) -> Option<Vec<Way<'p>>> {
    if left.len() * right.len() > WAYS_MAX {
        return None;
    }
    if let [one] = right {
        let mut left = left;
        left.iter_mut().for_each(|way| way.extend(one));
        return left.iter().all(|way| way.len() <= LITERALS_MAX).then_some(left);
    }
    let mut ways = Vec::with_capacity(left.len() * right.len());
    for way in &left {
        for other in right {
            if way.len() + other.len() > LITERALS_MAX {
                return None;
            }
            ways.push([way.as_slice(), other].concat());
        }
    }
    Some(ways)
}

/// Answers that cannot come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Index of the literal that cannot be.
    pub at: usize,
    /// Index of the one that alone excludes it, where there is such a one.
    pub with: Option<usize>,
}

/// Whether these answers cannot come together.
#[must_use]
pub fn conflict(way: &[Literal<'_>]) -> Option<Conflict> {
    let at = first_impossible(way)?;
    let with = (0..at).find(|&other| first_impossible(&[way[other], way[at]]).is_some());
    let with = with.filter(|_| first_impossible(&[way[at]]).is_none());
    Some(Conflict { at, with })
}

fn first_impossible(way: &[Literal<'_>]) -> Option<usize> {
    let mut facts = Facts::default();
    // What is known comes first: it says which of the others must have an answer.
    for (at, literal) in way.iter().enumerate() {
        let held = match literal.answer {
            Answer::True => facts.assume(literal.atom, true),
            Answer::False => facts.assume(literal.atom, false),
            Answer::NotTrue | Answer::NotFalse => true,
        };
        if !held {
            return Some(at);
        }
    }
    for (at, literal) in way.iter().enumerate() {
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

/// Whether the condition must turn out so where the literals do.
#[must_use]
pub fn implies(way: &[Literal<'_>], cond: &Cond, answer: Answer) -> bool {
    match cond {
        Cond::Const(value) => match answer {
            Answer::True | Answer::NotFalse => *value,
            Answer::False | Answer::NotTrue => !*value,
        },
        Cond::Not(inner) => implies(way, inner, answer.negated()),
        Cond::And(left, right) => match answer {
            Answer::True | Answer::NotFalse => implies(way, left, answer) && implies(way, right, answer),
            Answer::False | Answer::NotTrue => implies(way, left, answer) || implies(way, right, answer),
        },
        Cond::Or(left, right) => match answer {
            Answer::True | Answer::NotFalse => implies(way, left, answer) || implies(way, right, answer),
            Answer::False | Answer::NotTrue => implies(way, left, answer) && implies(way, right, answer),
        },
        Cond::Atom(atom) => {
            let (opposite, must_be_known) = match answer {
                Answer::True => (Answer::False, true),
                Answer::False => (Answer::True, true),
                Answer::NotTrue => (Answer::True, false),
                Answer::NotFalse => (Answer::False, false),
            };
            let excluded = first_impossible(&[way, &[Literal { atom, answer: opposite }]].concat()).is_some();
            excluded && (!must_be_known || known(way, atom))
        }
    }
}

/// Whether the test must have an answer where the literals turn out so.
#[must_use]
pub fn known(way: &[Literal<'_>], atom: &Atom) -> bool {
    let mut facts = Facts::default();
    for literal in way {
        match literal.answer {
            Answer::True => facts.assume(literal.atom, true),
            Answer::False => facts.assume(literal.atom, false),
            Answer::NotTrue | Answer::NotFalse => true,
        };
    }
    facts.answered(atom)
}

/// Whether every test of the condition has an answer, whatever the kernel stores.
#[must_use]
pub fn answered(cond: &Cond) -> bool {
    match cond {
        Cond::Const(_) => true,
        Cond::Atom(atom) => known(&[], atom),
        Cond::Not(inner) => answered(inner),
        Cond::And(left, right) | Cond::Or(left, right) => answered(left) && answered(right),
    }
}

/// Which of `<`, `==` and `>` two values can have between them, as bits 1, 2 and 4.
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

/// The same seen from the other side.
fn mirrored(orders: u8) -> u8 {
    orders & 2 | (orders & 1) << 2 | (orders & 4) >> 2
}

/// What is known of values. Lists, since they are short.
#[derive(Default)]
struct Facts<'p> {
    numbers: Vec<(&'p Value, Numbers)>,
    /// Values that were compared with enumerators, by the numbers of the checked kernel: other kernels may number them
    /// otherwise, so these are not mixed with plain numbers.
    enumerators: Vec<(&'p Value, Numbers)>,
    texts: Vec<(&'p Value, Texts<'p>)>,
    between: Vec<(&'p Value, &'p Value, u8)>,
    /// Pointers that are (not) null.
    nulls: Vec<(&'p Value, bool)>,
    /// `bool`s.
    truths: Vec<(&'p Value, bool)>,
    /// Tests that are not understood: the same one twice has the same answer.
    others: Vec<(&'p AtomKind, bool)>,
    /// Values that have been read.
    read: Vec<&'p Value>,
}

impl<'p> Facts<'p> {
    /// Notes an answer. False where it cannot be.
    fn assume(&mut self, atom: &'p Atom, holds: bool) -> bool {
        for value in values(&atom.kind) {
            if !self.touch(value) {
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
            AtomKind::InSet { .. } | AtomKind::AnyAncestor { .. } | AtomKind::Label { .. } => {
                agree_kind(&mut self.others, &atom.kind, holds)
            }
        }
    }

    /// Notes that a value was read, so that no pointer on its way is null. False where one is.
    fn touch(&mut self, value: &'p Value) -> bool {
        let held = self.follow(value);
        if !self.read.iter().any(|known| same(known, value)) {
            self.read.push(value);
        }
        held
    }

    /// Notes that the pointers which are followed to read a value are not null. False where one is.
    fn follow(&mut self, value: &'p Value) -> bool {
        match &value.kind {
            ValueKind::Load { base, .. } => self.pointer(base),
            ValueKind::Unary(_, inner) | ValueKind::Convert(inner) => self.follow(inner),
            ValueKind::Binary(_, left, right) => self.follow(left) && self.follow(right),
            ValueKind::Text(text) => match &**text {
                Text::Path { dentry, mount } => self.pointer(dentry) && self.pointer(mount),
                Text::Pointer(pointer) | Text::Cgroup { node: pointer } => self.pointer(pointer),
                Text::Copy(string) => self.follow(string),
                // Which of its values are read depends on what they are.
                Text::Unix { .. } => true,
            },
            _ => true,
        }
    }

    /// The same of a pointer and those before it.
    fn pointer(&mut self, pointer: &'p Value) -> bool {
        self.follow(pointer) && agree(&mut self.nulls, pointer, false)
    }

    /// Whether a test must have an answer.
    fn answered(&self, atom: &Atom) -> bool {
        // There can be more ancestors than are asked.
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

    /// Notes that an integer is (not) in a set.
    fn number(&mut self, value: &'p Value, set: Ranges, inside: bool) -> bool {
        let set = if inside { set } else { set.complement() };
        let value = plain(value);
        if !self.numbers_of(value).within(&set) {
            return false;
        }
        // `x & mask` says something about the bits of `x`.
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

/// What an integer can be by its type and its operator alone.
fn range(value: &Value) -> Numbers {
    let int = match value.ty {
        Ty::Int(int) => int,
        // Whatever it is, no number of ours will be outside.
        _ => Int::plain(8, true),
    };
    let constant = |value: &Value| number(value).filter(|number| *number >= 0);
    let (low, high) = match &value.kind {
        ValueKind::Const(value) => (*value, *value),
        ValueKind::Convert(inner) if inner.ty == Ty::Bool => (0, 1),
        // The remainder has the sign of the dividend, which is none here.
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

/// `x` and the mask of `x & mask`, where the mask is a constant that is not negative.
fn mask<'p>(of: &'p Value, by: &Value) -> Option<(&'p Value, u64)> {
    if !matches!(of.ty, Ty::Int(_)) {
        return None;
    }
    Some((of, u64::try_from(number(by)?).ok()?))
}

/// The value without conversions that change no number.
fn plain(value: &Value) -> &Value {
    match (&value.kind, value.ty) {
        (ValueKind::Convert(inner), Ty::Int(to)) => match inner.ty {
            Ty::Int(from) if to.holds(from) => plain(inner),
            _ => value,
        },
        _ => value,
    }
}

/// Whether two values are one. Names of its numbers are no part of an integer.
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
