//! Traversal of conditions and values.
//!
//! `file.f_flags & 3 == task.uid` is an atom with two operands, the first of which has two operands itself.
//!
//! Absent: order of evaluation, and the meaning of any node.

use super::{Atom, AtomKind, Cond, Endpoint, TextSource, Value, ValueKind};

/// Returns the operands of a test, without the constants of a list and the condition on ancestors.
pub fn values(kind: &AtomKind) -> impl Iterator<Item = &Value> {
    let (few, many): ([Option<&Value>; 2], &[Value]) = match kind {
        AtomKind::Compare { left, right, .. } | AtomKind::Same(left, right) => ([Some(left), Some(right)], &[]),
        AtomKind::InSet { values, .. } => ([None, None], values),
        AtomKind::AnyBit(value)
        | AtomKind::AllBits { value, .. }
        | AtomKind::True(value)
        | AtomKind::Null(value)
        | AtomKind::OneOf { value, .. }
        | AtomKind::OneOfStrings { value, .. }
        | AtomKind::Text { value, .. }
        | AtomKind::Label { object: value, .. }
        | AtomKind::Known(value)
        | AtomKind::Unreadable(value) => ([Some(value), None], &[]),
        AtomKind::AnyAncestor { of, .. } => ([Some(of), None], &[]),
        AtomKind::KernelThread => ([None, None], &[]),
    };
    few.into_iter().flatten().chain(many)
}

/// Returns the operands of a value, and its condition if it is one.
pub fn operands(value: &Value) -> (impl Iterator<Item = &Value>, Option<&Cond>) {
    let (mut few, mut many, mut end, mut cond): ([Option<&Value>; 2], &[Value], _, _) = ([None, None], &[], None, None);
    match &value.kind {
        ValueKind::Const(_)
        | ValueKind::Address(_)
        | ValueKind::Param(_)
        | ValueKind::File(..)
        | ValueKind::Enumerator(_)
        | ValueKind::Arg(_)
        | ValueKind::Task(_)
        | ValueKind::Current
        | ValueKind::Ancestor
        | ValueKind::Now
        | ValueKind::Literal(_) => {}
        ValueKind::Load { base, .. } => few[0] = Some(base),
        ValueKind::FirstOf(values) => many = values,
        ValueKind::Unary(_, inner) | ValueKind::Convert(inner) => few[0] = Some(inner),
        ValueKind::Binary(_, left, right) => few = [Some(left), Some(right)],
        ValueKind::Cond(inner) => cond = Some(&**inner),
        ValueKind::Endpoint(of, _) => end = Some(&**of),
        ValueKind::Text(text) => match &**text {
            TextSource::Path { dentry, mount } => few = [Some(dentry), Some(mount)],
            TextSource::Cgroup { node: of } | TextSource::Pointer(of) | TextSource::Copy(of) => few[0] = Some(of),
            TextSource::Unix { end: of, .. } => end = Some(of),
        },
    }
    (few.into_iter().flatten().chain(many).chain(end.into_iter().flat_map(Endpoint::values)), cond)
}

/// Returns true if a value, or one that it is computed from outside conditions, meets a predicate.
pub fn any_part(value: &Value, wanted: &dyn Fn(&Value) -> bool) -> bool {
    wanted(value) || operands(value).0.any(|part| any_part(part, wanted))
}

/// Calls `each` on a test and on all tests inside its operands.
pub fn each_in_atom<'p>(atom: &'p Atom, each: &mut impl FnMut(&'p Atom)) {
    each(atom);
    values(&atom.kind).for_each(|value| each_in_value(value, each));
}

/// Calls `each` on all tests inside a value.
pub fn each_in_value<'p>(mut value: &'p Value, each: &mut impl FnMut(&'p Atom)) {
    // Most values are chains of loads. Following them in a loop saves recursion.
    while let ValueKind::Load { base, .. } = &value.kind {
        value = base;
    }
    let (values, cond) = operands(value);
    values.for_each(|value| each_in_value(value, each));
    cond.into_iter().for_each(|cond| each_in_cond(cond, each));
}

/// Calls `each` on all tests of a condition, those inside values included.
pub fn each_in_cond<'p>(cond: &'p Cond, each: &mut impl FnMut(&'p Atom)) {
    match cond {
        Cond::Const(_) => {}
        Cond::Atom(atom) => each_in_atom(atom, each),
        Cond::Not(inner) => each_in_cond(inner, each),
        Cond::And(left, right) | Cond::Or(left, right) => {
            each_in_cond(left, each);
            each_in_cond(right, each);
        }
    }
}

/// Collects the distinct fetched texts of a test, in order. Those of a condition on ancestors are included.
pub fn texts_in_atom<'p>(atom: &'p Atom, found: &mut Vec<&'p Value>) {
    values(&atom.kind).for_each(|value| texts_in_value(value, found));
    if let AtomKind::AnyAncestor { cond, .. } = &atom.kind {
        texts_in_cond(cond, found);
    }
}

/// Collects the distinct fetched texts of a condition, in order.
pub fn texts_in_cond<'p>(cond: &'p Cond, found: &mut Vec<&'p Value>) {
    match cond {
        Cond::Const(_) => {}
        Cond::Atom(atom) => texts_in_atom(atom, found),
        Cond::Not(inner) => texts_in_cond(inner, found),
        Cond::And(left, right) | Cond::Or(left, right) => {
            texts_in_cond(left, found);
            texts_in_cond(right, found);
        }
    }
}

/// Collects the distinct fetched texts of a value, in order. A text is not computed from other texts.
pub fn texts_in_value<'p>(value: &'p Value, found: &mut Vec<&'p Value>) {
    if matches!(value.kind, ValueKind::Text(_)) {
        if !found.contains(&value) {
            found.push(value);
        }
        return;
    }
    let (values, cond) = operands(value);
    values.for_each(|value| texts_in_value(value, found));
    cond.into_iter().for_each(|cond| texts_in_cond(cond, found));
}

/// Size of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Number of nodes in the tree.
    pub nodes: usize,
    /// Number of nodes on the longest path from the root to a leaf.
    pub depth: usize,
}

impl Size {
    const LEAF: Size = Size { nodes: 1, depth: 1 };

    fn parent_of(children: impl Iterator<Item = Size>) -> Size {
        let below = children.fold(Size::default(), |one, other| Size {
            nodes: one.nodes.saturating_add(other.nodes),
            depth: one.depth.max(other.depth),
        });
        Size { nodes: below.nodes.saturating_add(1), depth: below.depth + 1 }
    }
}

/// Returns the size of a value as a tree.
#[must_use]
pub fn value_size(value: &Value) -> Size {
    let (values, cond) = operands(value);
    Size::parent_of(values.map(value_size).chain(cond.map(cond_size)))
}

/// Returns the size of a condition as a tree.
#[must_use]
pub fn cond_size(cond: &Cond) -> Size {
    match cond {
        Cond::Const(_) => Size::LEAF,
        Cond::Atom(atom) => {
            let asked = match &atom.kind {
                AtomKind::AnyAncestor { cond, .. } => Some(cond_size(cond)),
                _ => None,
            };
            Size::parent_of(values(&atom.kind).map(value_size).chain(asked))
        }
        Cond::Not(inner) => Size::parent_of([cond_size(inner)].into_iter()),
        Cond::And(left, right) | Cond::Or(left, right) => {
            Size::parent_of([cond_size(left), cond_size(right)].into_iter())
        }
    }
}
