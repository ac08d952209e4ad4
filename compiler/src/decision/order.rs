//! What is asked first, where the order is free: what costs little and often decides.
//!
//! The parts of a conjunction are free to move, since in Kleene's logic it is true exactly if each of them is; so are rules
//! that deny with the same errno, and rules that only watch. A step that reads a path or an address comes behind all that
//! is read from registers, and is not reached where one of those decides.
//!
//! Costs are instructions, roughly; what costs about the same stays in source order.

use super::index::{Step, Unit};
use super::key::{Part, PartKind};
use super::{Index, texts};
use crate::hir::{Atom, AtomKind, Cond, TaskField, Text, Value, ValueKind};

/// Puts the steps of units, and the units, in order.
pub fn order(units: &mut [Unit<'_>], indexes: &[Index]) {
    for unit in &mut *units {
        unit.steps.sort_by_cached_key(|step| class(step_cost(step, indexes)));
    }
    units.sort_by_cached_key(|unit| unit.steps.iter().map(|step| class(step_cost(step, indexes))).max());
}

/// Costs that differ clearly: below that, whoever wrote the rule knows better what decides.
fn class(cost: u32) -> u32 {
    cost.checked_ilog2().map_or(0, |bits| bits.saturating_sub(3) / 2)
}

fn step_cost(step: &Step<'_>, indexes: &[Index]) -> u32 {
    match step {
        Step::Test(literal) => cond(literal.cond),
        Step::Find(index) => {
            let parts = &indexes[index.index()].parts;
            let search = match parts.last().map(|part| part.kind) {
                Some(PartKind::Network | PartKind::Range) => 150,
                Some(PartKind::Text) => 100,
                _ => 30,
            } + texts::RUN_COST * parts.iter().filter(|part| part.kind == PartKind::Match).count() as u32;
            parts.iter().map(|part| value(&part.value)).fold(search, u32::saturating_add)
        }
    }
}

/// The parts of a search that are worth a search of their own, so that the text of another is read only where they are a
/// row's.
pub fn early(parts: &[Part]) -> Vec<usize> {
    let is_text = |part: &Part| matches!(part.kind, PartKind::Text | PartKind::Match);
    let Some(text) = parts.iter().filter(|part| is_text(part)).map(|part| value(&part.value)).max() else {
        return Vec::new();
    };
    let cheap = |part: &Part| !is_text(part) && !part.kind.is_range() && class(value(&part.value)) < class(text);
    (0..parts.len()).filter(|at| cheap(&parts[*at])).collect()
}

fn cond(of: &Cond) -> u32 {
    match of {
        Cond::Const(_) => 0,
        Cond::Not(inner) => cond(inner),
        Cond::And(left, right) | Cond::Or(left, right) => cond(left).saturating_add(cond(right)),
        Cond::Atom(of) => atom(of),
    }
}

/// What a test costs.
pub(super) fn atom(Atom { kind, .. }: &Atom) -> u32 {
    let few = |count: usize, each: u32| (count as u32).saturating_mul(each).min(100);
    match kind {
        AtomKind::Compare { left, right, .. } | AtomKind::Same(left, right) => 1 + value(left) + value(right),
        AtomKind::AnyBit(of) | AtomKind::AllBits { value: of, .. } | AtomKind::True(of) | AtomKind::Null(of) => {
            1 + value(of)
        }
        // A step for each ancestor.
        AtomKind::AnyAncestor { .. } => 1000,
        AtomKind::Label { object, .. } => 30 + value(object),
        AtomKind::InSet { values, .. } => 50 + values.iter().map(value).sum::<u32>(),
        AtomKind::OneOf { value: of, set } => value(of) + few(set.len(), 1),
        AtomKind::OneOfStrings { value: of, set } => value(of) + few(set.len(), 2),
        AtomKind::Text { value: of, test } => value(of) + texts::cost(test),
    }
}

fn value(of: &Value) -> u32 {
    match &of.kind {
        ValueKind::Const(_) | ValueKind::Address(_) | ValueKind::Enumerator(_) => 0,
        ValueKind::Arg(_) => 1,
        ValueKind::Param(_) | ValueKind::File(..) => 2,
        ValueKind::Task(TaskField::Comm) => 40,
        ValueKind::Literal(_) => 20,
        ValueKind::Task(_) | ValueKind::Current | ValueKind::Ancestor | ValueKind::Now => 10,
        ValueKind::FirstOf(values) => values.iter().map(value).max().unwrap_or(0),
        ValueKind::Load { base, .. } => 2 + value(base),
        ValueKind::Unary(_, inner) | ValueKind::Convert(inner) => 1 + value(inner),
        ValueKind::Binary(_, left, right) => 1 + value(left) + value(right),
        ValueKind::Cond(inner) => cond(inner),
        ValueKind::End(end, _) => 100 + end.values().map(value).sum::<u32>(),
        ValueKind::Text(text) => match &**text {
            // A walk over names: some hundred instructions for each component.
            Text::Path { dentry, mount } => 2000 + value(dentry) + value(mount),
            Text::Cgroup { node } => 1500 + value(node),
            Text::Pointer(of) | Text::Copy(of) => 200 + value(of),
            Text::Unix { end, .. } => 200 + end.values().map(value).sum::<u32>(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::tests::planned;
    use crate::optimise::Optimise;

    #[test]
    fn costs_are_of_one_class_up_to_four_times_as_much() {
        for (from, to, wanted) in [(0, 31, 0), (32, 127, 1), (128, 511, 2), (512, 2047, 3), (2048, 8191, 4)] {
            assert_eq!((class(from), class(to)), (wanted, wanted));
        }
    }

    #[test]
    fn a_test_costs_what_its_values_cost() {
        for (hook, condition, wanted) in [
            // A comparison with a constant costs 1 above its value.
            ("file_mprotect", "prot == 1", 1 + 1),
            ("file_open", "task.uid == 1", 1 + 10),
            ("file_open", "task.uid < task.gid", 1 + 10 + 10),
            ("file_mprotect", "prot & 4", 1 + 1 + 1),
            ("file_mprotect", "vma.file == null", 1 + 2 + 1),
            ("file_open", "task.uid in { 1, 2, 3 }", 10 + 3),
            ("file_open", "task.comm == \"a\"", 40 + 2),
            ("file_open", "task.comm in { \"a\", \"b\" }", 40 + 4),
            // A process is known by its first task, which is a load from the current one.
            ("file_open", "task is a", 30 + 2 + 10),
            ("file_open", "any a in task.ancestors { a.pid == 1 }", 1000),
            // The dentry and the mount are loads from an argument.
            ("file_open", "file.path == \"/a\"", 2000 + 2 * 3 + 3),
            ("file_open", "file.path under \"/a\"", 2000 + 2 * 3 + 5),
            ("file_open", "file.path like \"/a*b*c\"", 2000 + 2 * 3 + 400),
        ] {
            let text = format!("label a on task\non {hook} when {condition} deny\non task_alloc mark a\n");
            let (policy, _) = planned(&text, Optimise::default());
            let rule = policy.rules.iter().find(|rule| rule.deny.is_some()).expect("one denies");
            assert_eq!(rule.when.as_ref().map(cond), Some(wanted), "{condition}");
        }
    }

    #[test]
    fn the_parts_of_a_condition_cost_their_sum() {
        for (condition, wanted) in [
            ("prot == 1 or reqprot == 1", 2 + 2),
            ("not (prot == 1 or task.uid == 1)", 2 + 11),
            ("prot == 1 and task.uid == 1", 2 + 11),
        ] {
            let (policy, _) = planned(&format!("on file_mprotect when {condition} deny"), Optimise::default());
            assert_eq!(policy.rules[0].when.as_ref().map(cond), Some(wanted), "{condition}");
        }
    }
}
