//! Tests of hooks that are split into several programs.

use super::{planned, rules};
use crate::analysis::unreachable::Unreachable;
use crate::decision::print::print;
use crate::decision::split::groups;
use crate::driver;
use crate::optimise::{Optimisation, Optimise};

/// Returns the groups of `file_open`, as rule numbers, and the number of groups that must stay together.
fn grouped(text: &str) -> (Vec<Vec<u32>>, usize) {
    let (policy, plan) = planned(text, Optimise::default());
    let hook = policy.hooks.iter().position(|hook| hook.name == "file_open").expect("all rules are there");
    let found = groups(&policy, &plan.rules[hook], Optimise::default());
    (found.groups.iter().map(|group| group.iter().map(|rule| rule.0).collect()).collect(), found.together)
}

#[test]
fn rules_of_one_index_are_one_group() {
    let text = rules(12, |n| format!("on file_open when task.uid == {n} deny"));
    let (found, together) = grouped(&format!("{text}on file_open when task.gid == 1 deny\n"));
    assert_eq!((found.len(), together), (2, 0));
    assert!(found.contains(&(0..12).collect()) && found.contains(&vec![12]));
}

#[test]
fn a_rule_in_two_indexes_keeps_them_in_one_group() {
    // A row has at most four rules with `audit`. The last rule is the fifth of row 0, hence in a second index,
    // and the only rule of row 1 in the first index.
    let rule = |n: usize| format!("on file_open when task.uid in {{ {} }} audit", if n == 4 { "0, 1" } else { "0" });
    assert_eq!(grouped(&rules(5, rule)), (vec![vec![0, 1, 2, 3, 4]], 0));
}

#[test]
fn rules_that_mark_are_in_the_last_part() {
    let label = "label a on task\n";
    let rule = |action: &str, n: usize| format!("on file_open when file.flags & {} {action}\n", 1 << n);
    let text = [label, &rule("mark a", 0), &rule("audit", 1), &rule("audit", 2)].concat();
    assert_eq!(grouped(&text), (vec![vec![1], vec![2], vec![0]], 1));
    // A denial that marks, and everything that is evaluated after it.
    let text = [label, &rule("deny", 0), &rule("deny EBUSY mark a", 1), &rule("deny", 2), &rule("audit", 3)].concat();
    assert_eq!(grouped(&text), (vec![vec![0], vec![1], vec![2], vec![3]], 3));
    let text = [label, &rule("deny", 0), &rule("audit", 1)].concat();
    assert_eq!(grouped(&text).1, 0);
}

/// Returns the first line of each graph of a policy that is split.
fn heads(text: &str) -> Vec<String> {
    let optimise = Optimise::default().without(Optimisation::OneProgram);
    let (policy, _) = planned(text, optimise);
    let unreachable = Unreachable::find(&policy);
    let (plan, _) = driver::compile(&policy, &unreachable, optimise, &driver::Observer::none(), &mut Vec::new());
    print(&plan, &policy).lines().filter(|line| line.starts_with("hook ")).map(str::to_owned).collect()
}

#[test]
fn a_part_exists_for_each_verdict_of_earlier_parts() {
    let deny = |n: usize| format!("on file_open when file.flags & {} deny {}", 1 << n, ["EPERM", "EACCES"][n / 2]);
    let found = heads(&format!("{}\non file_open when task.uid == 1 audit\n", rules(4, deny)));
    // Five groups, four of which deny, and at most two groups per part.
    let wanted = [
        "part 1, allowed",
        "part 2, allowed",
        "part 2, denied EPERM",
        "part 3, allowed",
        "part 3, denied EPERM",
        "part 3, denied EACCES",
    ];
    assert_eq!(found, wanted.map(|part| format!("hook file_open, {part}")));
}

#[test]
fn a_program_restarts_each_part_and_others_find_undecided_rules() {
    let deny = |n: usize| format!("on file_open when file.flags & {} and file.path like \"/{n}*\" deny", 1 << n);
    let found = heads(&format!("{}\non file_open when task.uid == 1 audit\n", rules(3, deny)));
    let wanted = [
        "part 1, allowed",
        "part 1, restarted",
        "part 2, allowed",
        "part 2, denied EPERM",
        "part 2, restarted",
        "part 3, allowed",
        "part 3, denied EPERM",
        "part 3, restarted",
        "part 3, undecided",
        "part 3, undecided 2",
        "part 3, undecided 3",
        "part 4, allowed",
        "part 4, denied EPERM",
    ];
    assert_eq!(found, wanted.map(|part| format!("hook file_open, {part}")));
    // A rule that denies and marks must not have done so when the tests of undecided rules see the labels.
    let marking = "label l on task\non file_open when file.path under \"/a\" deny mark l\n";
    let (policy, plan) = planned(marking, Optimise::default());
    let text = print(&plan, &policy);
    let programs: Vec<&str> = text.lines().filter(|line| line.starts_with("hook file_open")).collect();
    assert_eq!(programs, ["hook file_open", "hook file_open, part 1, restarted"]);
}
