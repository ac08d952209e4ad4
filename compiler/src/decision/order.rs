//! Test ordering: where the order is free, cheap tests come before expensive ones.
//!
//! ```text
//! on file_open when file.path under "/srv" and task.uid == 0 deny        task.uid == 0 first: 11 against 2,011
//! ```
//!
//! The operands of a conjunction can be reordered, because in Kleene's logic it is true exactly if every
//! operand is. So can rules that deny with the same errno, and rules that only observe. A test that reads a
//! path or an address then runs only if all tests on registers and single loads have passed.
//!
//! Costs approximate executed instructions. Tests of about the same cost stay in source order.

use super::index::{Step, Unit};
use super::key::{Column, ColumnKind};
use super::{Index, texts};
use crate::hir::{Atom, AtomKind, Cond, TaskField, TextSource, Value, ValueKind};

/// Sorts the steps of each unit, and the units, by cost.
pub fn order(units: &mut [Unit<'_>], indexes: &[Index]) {
    for unit in &mut *units {
        unit.steps.sort_by_cached_key(|step| class(step_cost(step, indexes)));
    }
    units.sort_by_cached_key(|unit| unit.steps.iter().map(|step| class(step_cost(step, indexes))).max());
}

/// Returns the cost class, of width 4. Within a class the source order stays: the author knows better which
/// test decides.
fn class(cost: u32) -> u32 {
    cost.checked_ilog2().map_or(0, |bits| bits.saturating_sub(3) / 2)
}

fn step_cost(step: &Step<'_>, indexes: &[Index]) -> u32 {
    match step {
        Step::Test(literal) => cond(literal.cond),
        // A list of rules is walked after all tests.
        Step::Find(index) if indexes[index.index()].is_list() => u32::MAX,
        Step::Find(index) => {
            let columns = &indexes[index.index()].columns;
            let search = match columns.last().map(|column| column.kind) {
                Some(ColumnKind::Network | ColumnKind::Range) => 150,
                Some(ColumnKind::Text) => 100,
                _ => 30,
            } + texts::RUN_COST
                * columns.iter().filter(|column| column.kind == ColumnKind::Match).count() as u32;
            columns.iter().map(|column| value(&column.value)).fold(search, u32::saturating_add)
        }
    }
}

/// Returns the columns of the prefilter: those clearly cheaper than the most expensive text of the key. They
/// are looked up first, and the text is read only if some row has their values. A range cannot be looked up
/// without its other columns.
pub fn prefilter(columns: &[Column]) -> Vec<usize> {
    let is_text = |column: &Column| matches!(column.kind, ColumnKind::Text | ColumnKind::Match);
    let Some(text) = columns.iter().filter(|column| is_text(column)).map(|column| value(&column.value)).max() else {
        return Vec::new();
    };
    let cheaper = |column: &Column| class(value(&column.value)) < class(text);
    let cheap = |column: &Column| !is_text(column) && !column.kind.is_range() && cheaper(column);
    (0..columns.len()).filter(|at| cheap(&columns[*at])).collect()
}

fn cond(of: &Cond) -> u32 {
    match of {
        Cond::Const(_) => 0,
        Cond::Not(inner) => cond(inner),
        Cond::And(left, right) | Cond::Or(left, right) => cond(left).saturating_add(cond(right)),
        Cond::Atom(of) => atom(of),
    }
}

/// Estimates the cost of a test.
pub(super) fn atom(Atom { kind, .. }: &Atom) -> u32 {
    let few = |count: usize, each: u32| (count as u32).saturating_mul(each).min(100);
    match kind {
        AtomKind::Compare { left, right, .. } | AtomKind::Same(left, right) => 1 + value(left) + value(right),
        AtomKind::AnyBit(of) | AtomKind::AllBits { value: of, .. } | AtomKind::True(of) | AtomKind::Null(of) => {
            1 + value(of)
        }
        // A loop over all ancestors.
        AtomKind::AnyAncestor { .. } => 1000,
        AtomKind::Known(of) | AtomKind::Unreadable(of) => 1 + value(of),
        AtomKind::KernelThread => 12,
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
        ValueKind::Endpoint(end, _) => 100 + end.values().map(value).sum::<u32>(),
        ValueKind::Text(text) => match &**text {
            // A walk up the dentries: some hundred instructions per component.
            TextSource::Path { dentry, mount } => 2000 + value(dentry) + value(mount),
            TextSource::Cgroup { node } => 1500 + value(node),
            TextSource::Pointer(of) | TextSource::Copy(of) => 200 + value(of),
            TextSource::Unix { end, .. } => 200 + end.values().map(value).sum::<u32>(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::IndexId;
    use crate::decision::tests::{indexes, planned};
    use crate::optimise::Optimise;

    #[test]
    fn a_cost_class_spans_a_factor_of_four() {
        for (from, to, wanted) in [(0, 31, 0), (32, 127, 1), (128, 511, 2), (512, 2047, 3), (2048, 8191, 4)] {
            assert_eq!((class(from), class(to)), (wanted, wanted));
        }
    }

    #[test]
    fn the_cost_of_a_test_includes_its_values() {
        for (hook, condition, wanted) in [
            // A comparison with a constant costs one instruction more than its value.
            ("file_mprotect", "prot == 1", 1 + 1),
            ("file_open", "task.uid == 1", 1 + 10),
            ("file_open", "task.uid < task.gid", 1 + 10 + 10),
            ("file_mprotect", "prot & 4", 1 + 1 + 1),
            ("file_mprotect", "vma.file == null", 1 + 2 + 1),
            ("file_open", "task.uid in { 1, 2, 3 }", 10 + 3),
            ("file_open", "task.comm == \"a\"", 40 + 2),
            ("file_open", "task.comm in { \"a\", \"b\" }", 40 + 4),
            // The label of a process is stored at its group leader, which is a load from the current task.
            ("file_open", "task is a", 30 + 2 + 10),
            ("file_open", "any a in task.ancestors { a.pid == 1 }", 1000),
            // The dentry and the mount are loads from an argument.
            ("file_open", "file.path == \"/a\"", 2000 + 2 * 3 + 3),
            ("file_open", "file.path under \"/a\"", 2000 + 2 * 3 + 5),
            ("file_open", "file.path like \"/a*b*c\"", 2000 + 2 * 3 + 400),
            // The cgroup node is three loads from the current task: `task->cgroups->dfl_cgrp->kn`.
            ("file_open", "task.cgroup == \"/a\"", 1500 + 2 * 3 + 10 + 3),
            // The argument is a pointer to a string.
            ("sb_mount", "type == \"a\"", 200 + 1 + 3),
            ("sb_mount", "starts_with(type, \"a\")", 200 + 1 + 5),
        ] {
            let text = format!("label a on task\non {hook} when {condition} deny\non task_alloc mark a\n");
            let (policy, _) = planned(&text, Optimise::default());
            let rule = policy.rules.iter().find(|rule| rule.deny.is_some()).expect("one denies");
            assert_eq!(rule.when.as_ref().map(cond), Some(wanted), "{condition}");
        }
    }

    /// The cost of a lookup is that of its kind plus those of the values in its key: 10 for a user or group, 2006 for a path.
    #[test]
    fn a_search_costs_what_its_parts_cost() {
        for (condition, wanted) in [
            ("task.uid == {n}", 30 + 10),
            ("task.uid == {n} and task.gid == {n}", 30 + 10 + 10),
            ("task.uid >= {n}0 and task.uid < {n}9", 150 + 10),
            ("file.path == \"/srv/{n}\"", 100 + 2006),
            ("file.path like \"/srv/*{n}/*.so\"", 30 + texts::RUN_COST + 2006),
        ] {
            let rule = |n: usize| format!("on file_open when {} deny", condition.replace("{n}", &n.to_string()));
            let (_, plan) = planned(&crate::decision::tests::rules(12, |n| rule(n + 1)), Optimise::default());
            assert_eq!(indexes(&plan).count(), 1, "{condition}");
            assert_eq!(step_cost(&Step::Find(IndexId(0)), &plan.indexes), wanted, "{condition}");
        }
    }

    #[test]
    fn the_cost_of_a_condition_is_the_sum_of_its_tests() {
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
