//! What conditions and values are made of, for all that walks them.
//!
//! `file.f_flags & 3 == task.uid` is an atom of two values, the first of which holds two more.
//!
//! Absent: order of evaluation, and what any of it means.

use super::{Atom, AtomKind, Cond, End, Text, Value, ValueKind};

/// The values that a test looks at. Constants of a set are not among them, nor what is asked of ancestors.
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
        | AtomKind::Label { object: value, .. } => ([Some(value), None], &[]),
        AtomKind::AnyAncestor { of, .. } => ([Some(of), None], &[]),
    };
    few.into_iter().flatten().chain(many)
}

/// The values that a value is made of, and the condition that it is.
pub fn parts(value: &Value) -> (impl Iterator<Item = &Value>, Option<&Cond>) {
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
        ValueKind::End(of, _) => end = Some(&**of),
        ValueKind::Text(text) => match &**text {
            Text::Path { dentry, mount } => few = [Some(dentry), Some(mount)],
            Text::Cgroup { node: of } | Text::Pointer(of) | Text::Copy(of) => few[0] = Some(of),
            Text::Unix { end: of, .. } => end = Some(of),
        },
    }
    (few.into_iter().flatten().chain(many).chain(end.into_iter().flat_map(End::values)), cond)
}

/// A test and all inside of its values.
pub fn each_in_atom<'p>(atom: &'p Atom, each: &mut impl FnMut(&'p Atom)) {
    each(atom);
    values(&atom.kind).for_each(|value| each_in_value(value, each));
}

/// All tests inside of a value.
pub fn each_in_value<'p>(mut value: &'p Value, each: &mut impl FnMut(&'p Atom)) {
    // Most values are fields behind pointers, and nothing else.
    while let ValueKind::Load { base, .. } = &value.kind {
        value = base;
    }
    let (values, cond) = parts(value);
    values.for_each(|value| each_in_value(value, each));
    cond.into_iter().for_each(|cond| each_in_cond(cond, each));
}

/// All tests of a condition.
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

/// How large a tree is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Nodes.
    pub nodes: usize,
    /// Nodes on the longest way down.
    pub depth: usize,
}

impl Size {
    const LEAF: Size = Size { nodes: 1, depth: 1 };

    fn above(parts: impl Iterator<Item = Size>) -> Size {
        let below = parts.fold(Size::default(), |one, other| Size {
            nodes: one.nodes.saturating_add(other.nodes),
            depth: one.depth.max(other.depth),
        });
        Size { nodes: below.nodes.saturating_add(1), depth: below.depth + 1 }
    }
}

/// How large a value is.
#[must_use]
pub fn value_size(value: &Value) -> Size {
    let (values, cond) = parts(value);
    Size::above(values.map(value_size).chain(cond.map(cond_size)))
}

/// How large a condition is.
#[must_use]
pub fn cond_size(cond: &Cond) -> Size {
    match cond {
        Cond::Const(_) => Size::LEAF,
        Cond::Atom(atom) => {
            let asked = match &atom.kind {
                AtomKind::AnyAncestor { cond, .. } => Some(cond_size(cond)),
                _ => None,
            };
            Size::above(values(&atom.kind).map(value_size).chain(asked))
        }
        Cond::Not(inner) => Size::above([cond_size(inner)].into_iter()),
        Cond::And(left, right) | Cond::Or(left, right) => Size::above([cond_size(left), cond_size(right)].into_iter()),
    }
}
