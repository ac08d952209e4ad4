//! Undecided rules: an unreadable value counts against the operation.
//!
//! A rule that denies is *undecided* if it does not match, but would if every test of an unreadable value in
//! its `when` were satisfied. A value is unreadable if it exists and cannot be read, such as a path that
//! exceeds its buffer; a null pointer makes a value absent, which decides the test.
//!
//! ```text
//! on file_open when task.uid == 7 and file.path under "/a" deny
//! undecided: task.uid == 7, (unreadable file.path)
//!
//! on file_open when file.path under "/a" and task.uid == 7 or task.gid == 8 deny
//! undecided: (unreadable file.path), task.uid == 7 or task.gid == 8, not (task.gid == 8)
//!
//! on path_rename when old.path under "/a" or new.path under "/b" deny
//! undecided: old.path under "/a" or (unreadable old.path) or new.path under "/b" or (unreadable new.path),
//!            not (old.path under "/a" or new.path under "/b")
//! ```
//!
//! If no rule denies the operation, the first undecided rule in source order that is enforced does, and its actions
//! are performed. Permissive ones before it record that they would deny it, without fields. Later ones do nothing: a
//! text that cannot be read makes every rule undecided that tests it.
//!
//! Kernel threads walk disconnected dentries all day, and no user acts through them, except through a worker of
//! io_uring.
//!
//! A path can equal a literal only if its last component has the length of the literal's, which is read without the
//! path. The root of a mount has the name of the mount point instead.
//!
//! Absent: `unless`, where an unreadable value does not exempt; rules that only observe, which do not match.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::index::{self, Step, Unit};
use super::normalise::{Literal, literals};
use super::shape::shape;
use super::{Index, IndexId, Row};
use crate::hir::walk::{each_in_cond, texts_in_atom, values};
use crate::hir::{
    Access, Atom, AtomKind, Cond, Int, Limit, Policy, Rule, RuleId, Shape, Step as Field, TextSource, TextTest, Ty,
    Value, ValueKind,
};
use crate::limits::ROW_RULES_MAX;
use crate::optimise::{Optimisation, Optimise};

/// Conditions under which a rule is undecided.
#[derive(Debug, PartialEq)]
pub struct Undecided {
    rule: RuleId,
    literals: Vec<Owned>,
}

impl Undecided {
    fn literals(&self) -> Vec<Literal<'_>> {
        self.literals.iter().map(|of| Literal { cond: &of.cond, sense: of.sense, known: of.known }).collect()
    }
}

/// A [`Literal`] that owns its condition.
#[derive(Clone, Debug, PartialEq)]
struct Owned {
    cond: Cond,
    sense: bool,
    known: bool,
}

/// Returns the rules that can be undecided, in source order. Successive rules that compare a path with literals are
/// there twice: all of them for a file that is not the root of a mount, and all of them for one that is. The former
/// differ in lengths and share an index, the latter do not differ.
pub fn find(policy: &Policy, rules: &[RuleId]) -> Vec<Undecided> {
    let (mut found, mut of_roots) = (Vec::new(), Vec::new());
    for id in rules {
        let mut variants = undecided(&policy.rules[id.0 as usize]).into_iter();
        let Some(literals) = variants.next() else { continue };
        let of_root = variants.next().map(|literals| Undecided { rule: *id, literals });
        if of_root.is_none() {
            found.append(&mut of_roots);
        }
        found.push(Undecided { rule: *id, literals });
        of_roots.extend(of_root);
    }
    found.append(&mut of_roots);
    found
}

/// Returns true if a rule can be undecided.
pub fn can_be(rule: &Rule) -> bool {
    !undecided(rule).is_empty()
}

/// Returns true if one of some rules can be undecided.
pub fn any_can_be(policy: &Policy, rules: &[RuleId]) -> bool {
    rules.iter().any(|id| can_be(&policy.rules[id.0 as usize]))
}

/// Returns true if a test can be unreadable.
pub fn may_be_unreadable(atom: &Atom) -> bool {
    !texts(atom).is_empty() || matches!(atom.kind, AtomKind::AnyAncestor { .. })
}

/// Returns the texts that make a test unreadable.
fn texts(atom: &Atom) -> Vec<&Value> {
    let mut texts = Vec::new();
    if !matches!(atom.kind, AtomKind::Known(_)) {
        texts_in_atom(atom, &mut texts);
    }
    texts
}

/// Returns the condition that a path could equal one of a list: its last component has the length of one of
/// theirs, or it is the root of a mount, which has the name of the mount point. The first condition is the former.
/// `None` for other tests, and if the list has a path that could be of an unlinked file.
fn could_equal(atom: &Atom) -> Option<(Cond, Cond)> {
    let AtomKind::Text { value, test: TextTest::OneOf(set) } = &atom.kind else { return None };
    let ValueKind::Text(text) = &value.kind else { return None };
    let TextSource::Path { dentry, mount } = &**text else { return None };
    if set.iter().any(|path| path.ends_with(b")")) {
        return None;
    }
    let (span, int) = (atom.span, Int::plain(4, false));
    let load = |base: &Value, ty, root: &str, steps: &[(&str, Shape)]| {
        let field = |(name, shape): &(&str, Shape)| Field::Field { name: (*name).to_owned(), shape: shape.clone() };
        let access = Access { is_struct: true, root: root.to_owned(), steps: steps.iter().map(field).collect() };
        Value { span, ty, kind: ValueKind::Load { base: Arc::new(base.clone()), access: Arc::new(access) } }
    };
    let length = [("d_name", Shape::Struct), ("len", Shape::Int { bytes: 4, signed: false })];
    let length = load(dentry, Ty::Int(int), "dentry", &length);
    let name = |path: &Vec<u8>| path.len() - path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let lengths: BTreeSet<usize> = set.iter().map(name).collect();
    let constant = |length| Value { span, ty: Ty::Int(int), kind: ValueKind::Const(length as i128) };
    let set = lengths.into_iter().map(constant).collect();
    let root = load(mount, dentry.ty, "vfsmount", &[("mnt_root", Shape::Pointer)]);
    let test = |kind| Cond::Atom(Box::new(Atom { span, kind }));
    Some((test(AtomKind::OneOf { value: length, set }), test(AtomKind::Same(root, dentry.clone()))))
}

/// Returns the conditions under which a rule is undecided; the rule is if those of one element hold.
fn undecided(rule: &Rule) -> Vec<Vec<Owned>> {
    let Some(literals) = literals(rule).filter(|_| rule.deny.is_some()) else { return Vec::new() };
    let in_when = |literal: &&Literal<'_>| literal.known && has_unreadable(literal.cond);
    let doubtful: Vec<&Literal<'_>> = literals.iter().filter(in_when).collect();
    let mut found: Vec<Owned> = Vec::new();
    for literal in literals.iter().filter(|literal| !in_when(literal)) {
        add(&mut found, Owned { cond: literal.cond.clone(), sense: literal.sense, known: literal.known });
    }
    if doubtful.is_empty() {
        return Vec::new();
    }
    let known = |cond, known| Owned { cond, sense: true, known };
    match single_text(&doubtful) {
        // All tests that are unreadable are so at once.
        Some(text) => {
            let span = rule.span;
            add(&mut found, known(Cond::Atom(Box::new(Atom { span, kind: AtomKind::Unreadable(text.clone()) })), true));
            if let [Literal { cond: Cond::Atom(atom), sense: true, .. }] = doubtful[..]
                && let Some((name, root)) = could_equal(atom)
            {
                let of = |root: Owned, name: Option<Cond>| -> Vec<Owned> {
                    found.iter().cloned().chain([root]).chain(name.map(|name| known(name, true))).collect()
                };
                return vec![of(known(root.clone(), false), Some(name)), of(known(root, true), None)];
            }
            for literal in &doubtful {
                let met = assume(literal.cond, literal.sense, true);
                if met != Cond::Const(true) {
                    add(&mut found, known(met, true));
                }
            }
            let matches = doubtful.iter().map(|literal| assume(literal.cond, literal.sense, false));
            let matches = matches.fold(Cond::Const(true), and);
            if matches != Cond::Const(false) {
                add(&mut found, known(matches, false));
            }
        }
        None => {
            for literal in &doubtful {
                add(&mut found, known(in_doubt(literal.cond, literal.sense), true));
            }
            let all = doubtful.iter().map(|literal| match literal.sense {
                true => literal.cond.clone(),
                false => Cond::Not(Box::new(literal.cond.clone())),
            });
            add(&mut found, known(all.fold(Cond::Const(true), and), false));
        }
    }
    vec![found]
}

/// Adds a literal that is not there yet.
fn add(found: &mut Vec<Owned>, literal: Owned) {
    if !found.contains(&literal) {
        found.push(literal);
    }
}

/// Returns the text that all unreadable tests of some literals read, if it is their only operand.
fn single_text<'l>(literals: &[&Literal<'l>]) -> Option<&'l Value> {
    let (mut found, mut several) = (Vec::new(), false);
    for literal in literals {
        each_in_cond(literal.cond, &mut |atom| {
            several |= matches!(atom.kind, AtomKind::AnyAncestor { .. }) || values(&atom.kind).count() > 1;
            found.extend(texts(atom));
        });
    }
    let first = *found.first()?;
    (!several && found.iter().all(|text| *text == first)).then_some(first)
}

/// Returns the condition that is true if `cond` is `sense` when unreadable tests are `satisfied`, or are not.
fn assume(cond: &Cond, sense: bool, satisfied: bool) -> Cond {
    match cond {
        Cond::Const(value) => Cond::Const(*value == sense),
        Cond::Not(inner) => assume(inner, !sense, satisfied),
        Cond::And(left, right) | Cond::Or(left, right) => {
            let (left, right) = (assume(left, sense, satisfied), assume(right, sense, satisfied));
            if matches!(cond, Cond::And(..)) == sense { and(left, right) } else { or(left, right) }
        }
        Cond::Atom(atom) if may_be_unreadable(atom) && satisfied && sense => {
            could_equal(atom).map_or(Cond::Const(true), |(name, root)| or(root, name))
        }
        Cond::Atom(atom) if may_be_unreadable(atom) => Cond::Const(satisfied),
        Cond::Atom(_) if sense => cond.clone(),
        Cond::Atom(_) => Cond::Not(Box::new(cond.clone())),
    }
}

fn and(left: Cond, right: Cond) -> Cond {
    match (left, right) {
        (Cond::Const(true), other) | (other, Cond::Const(true)) => other,
        (Cond::Const(false), _) | (_, Cond::Const(false)) => Cond::Const(false),
        (left, right) => Cond::And(Box::new(left), Box::new(right)),
    }
}

fn or(left: Cond, right: Cond) -> Cond {
    match (left, right) {
        (Cond::Const(false), other) | (other, Cond::Const(false)) => other,
        (Cond::Const(true), _) | (_, Cond::Const(true)) => Cond::Const(true),
        (left, right) => Cond::Or(Box::new(left), Box::new(right)),
    }
}

fn has_unreadable(cond: &Cond) -> bool {
    match cond {
        Cond::Const(_) => false,
        Cond::Not(inner) => has_unreadable(inner),
        Cond::And(left, right) | Cond::Or(left, right) => has_unreadable(left) || has_unreadable(right),
        Cond::Atom(atom) => may_be_unreadable(atom),
    }
}

/// Returns the condition that is true if `cond` is `sense`, or could be because a value is unreadable.
fn in_doubt(cond: &Cond, sense: bool) -> Cond {
    match cond {
        Cond::Const(value) => Cond::Const(*value == sense),
        Cond::Not(inner) => in_doubt(inner, !sense),
        Cond::And(left, right) | Cond::Or(left, right) => {
            let (left, right) = (in_doubt(left, sense), in_doubt(right, sense));
            if matches!(cond, Cond::And(..)) == sense { and(left, right) } else { or(left, right) }
        }
        Cond::Atom(atom) => {
            let signed = |cond: Cond| if sense { cond } else { Cond::Not(Box::new(cond)) };
            let test = |kind| Cond::Atom(Box::new(Atom { span: atom.span, kind }));
            if !may_be_unreadable(atom) {
                return signed(cond.clone());
            }
            let AtomKind::AnyAncestor { of, cond: asked, .. } = &atom.kind else {
                let equal = if sense { could_equal(atom) } else { None };
                let could = equal.map_or(Cond::Const(true), |(name, root)| or(root, name));
                return or(signed(cond.clone()), and(unreadable(atom), could));
            };
            // Some ancestor meets the condition or could; or all of them fail it or could.
            let asked = in_doubt(asked, sense);
            let asked = if sense { asked } else { Cond::Not(Box::new(asked)) };
            signed(test(AtomKind::AnyAncestor { of: of.clone(), cond: Box::new(asked), more: true }))
        }
    }
}

/// Returns the condition that a text of a test is unreadable, and no other operand is absent.
fn unreadable(atom: &Atom) -> Cond {
    let test = |kind| Cond::Atom(Box::new(Atom { span: atom.span, kind }));
    let is_unreadable = |text: &Value| test(AtomKind::Unreadable(text.clone()));
    let any = texts(atom).into_iter().map(is_unreadable).fold(Cond::Const(false), or);
    if values(&atom.kind).count() < 2 {
        return any;
    }
    let exists = |value: &Value| {
        let known = test(AtomKind::Known(value.clone()));
        if matches!(value.kind, ValueKind::Text(_)) { or(known, is_unreadable(value)) } else { known }
    };
    let may_be_absent = |value: &&Value| value.may_be_unreadable();
    values(&atom.kind).filter(may_be_absent).map(exists).fold(any, and)
}

/// Returns the units of undecided rules, in source order.
///
/// Successive rules with the same conditions and actions form a list. Successive rules that compare the same values
/// with different constants form an index, each row of which has a list.
pub fn units<'u>(
    policy: &'u Policy,
    rules: &'u [Undecided],
    optimise: Optimise,
    indexes: &mut Vec<Index>,
) -> Vec<Unit<'u>> {
    let literals: Vec<Vec<Literal<'u>>> = rules.iter().map(Undecided::literals).collect();
    let shape = |at: usize| {
        let id = rules[at].rule;
        let rule = &policy.rules[id.0 as usize];
        let index = optimise.does(Optimisation::Index);
        index.then(|| shape(policy, id, rule, &literals[at], false, optimise)).flatten()
    };
    let mut units = Vec::new();
    let mut at = 0;
    while at < rules.len() {
        let known = indexes.len();
        let (count, found) = match shape(at) {
            None => ((at..rules.len()).take_while(|next| shape(*next).is_none()).count(), Vec::new()),
            Some((of, member)) => {
                let same = (at + 1..rules.len()).map_while(|next| shape(next).filter(|(shape, _)| *shape == of));
                let members: Vec<_> = std::iter::once(member).chain(same.map(|(_, member)| member)).collect();
                let count = members.len();
                let differ = rules[at..at + count].windows(2).any(|pair| pair[0].literals != pair[1].literals);
                let columns = of.columns();
                let found = differ.then(|| index::unit(policy, columns, of.rest, members, true, indexes));
                (count, found.unwrap_or_default())
            }
        };
        let run = &rules[at..at + count];
        if !found.is_empty() && found.iter().all(|unit| unit.index().is_some()) {
            units.extend(found);
        } else {
            indexes.truncate(known);
            units.extend(lists(policy, run, indexes));
        }
        at += count;
    }
    units
}

/// Returns the units of rules that share no index.
fn lists<'u>(policy: &Policy, rules: &'u [Undecided], indexes: &mut Vec<Index>) -> Vec<Unit<'u>> {
    let rule = |of: &Undecided| &policy.rules[of.rule.0 as usize];
    let alike = |one: &Undecided, other: &Undecided| {
        one.literals == other.literals && rule(one).since.is_none() && has_actions_of(rule(one), rule(other))
    };
    let groups = rules.chunk_by(alike).flat_map(|group| group.chunks(ROW_RULES_MAX));
    groups
        .map(|group| {
            let ids: Vec<RuleId> = group.iter().map(|of| of.rule).collect();
            indexes.push(Index {
                columns: Vec::new(),
                automata: Vec::new(),
                prefilter: Vec::new(),
                rows: vec![Row { key: Vec::new(), rules: ids.clone() }],
                rules: ids.len(),
                one_errno: true,
                undecided: true,
            });
            let find = Step::Find(IndexId(indexes.len() as u32 - 1));
            let steps = group[0].literals().into_iter().map(Step::Test).chain([find]).collect();
            Unit { rules: ids, guarded: rule(&group[0]).since.is_some(), steps }
        })
        .collect()
}

/// Returns true if two rules without `@since` have the same actions.
fn has_actions_of(one: &Rule, other: &Rule) -> bool {
    let fields = |of: &Rule| -> Option<(Vec<Value>, Option<Limit>)> {
        let audit = of.audit.as_ref()?;
        Some((audit.fields.iter().map(|field| field.value.clone()).collect(), audit.limit))
    };
    let marks =
        |of: &Rule| -> Vec<_> { of.marks.iter().map(|mark| (mark.label, mark.object.clone(), mark.set)).collect() };
    let kill = |of: &Rule| of.kill.as_ref().map(|kill| kill.signal);
    other.since.is_none()
        && one.errno() == other.errno()
        && fields(one) == fields(other)
        && kill(one) == kill(other)
        && marks(one) == marks(other)
}
