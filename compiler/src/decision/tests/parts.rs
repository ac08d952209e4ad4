//! A hook whose rules are several programs.

use super::{planned, rules};
use crate::bpf;
use crate::decision::parts::groups;
use crate::decision::print::print;
use crate::hir::HookId;
use crate::optimise::{Optimisation, Optimise};

/// The groups of `file_open`, by rule numbers, and how many of them must stay together.
fn grouped(text: &str) -> (Vec<Vec<u32>>, usize) {
    let (policy, _) = planned(text, Optimise::default());
    let hook = policy.hooks.iter().position(|hook| hook.name == "file_open").expect("all rules are there");
    let found = groups(&policy, HookId(hook as u32), Optimise::default());
    (found.groups.iter().map(|group| group.iter().map(|rule| rule.0).collect()).collect(), found.together)
}

#[test]
fn rules_of_one_search_are_one_group() {
    let text = rules(12, |n| format!("on file_open when task.uid == {n} deny"));
    let (found, together) = grouped(&format!("{text}on file_open when task.gid == 1 deny\n"));
    assert_eq!((found.len(), together), (2, 0));
    assert!(found.contains(&(0..12).collect()) && found.contains(&vec![12]));
}

#[test]
fn a_rule_of_two_searches_keeps_them_in_one_group() {
    // A row has at most four rules that audit: the last rule is the fifth of row 0, in a second table, and has row 1 of the
    // first table to itself.
    let rule = |n: usize| format!("on file_open when task.uid in {{ {} }} audit", if n == 4 { "0, 1" } else { "0" });
    assert_eq!(grouped(&rules(5, rule)), (vec![vec![0, 1, 2, 3, 4]], 0));
}

#[test]
fn rules_that_mark_are_in_the_last_part() {
    let label = "label a on task\n";
    let watch = |action: &str, n: usize| format!("on file_open when file.flags & {} {action}\n", 1 << n);
    let text = [label, &watch("mark a", 0), &watch("audit", 1), &watch("audit", 2)].concat();
    assert_eq!(grouped(&text), (vec![vec![1], vec![2], vec![0]], 1));
    // A denial that marks, and all that is asked behind it.
    let text =
        [label, &watch("deny", 0), &watch("deny EBUSY mark a", 1), &watch("deny", 2), &watch("audit", 3)].concat();
    assert_eq!(grouped(&text), (vec![vec![0], vec![1], vec![2], vec![3]], 3));
    let text = [label, &watch("deny", 0), &watch("audit", 1)].concat();
    assert_eq!(grouped(&text).1, 0);
}

/// The first lines of the graphs of a policy that is cut into parts.
fn heads(text: &str) -> Vec<String> {
    let optimise = Optimise::default().without(Optimisation::Whole);
    let (policy, mut plan) = planned(text, optimise);
    bpf::lower::lower(&policy, &mut plan, optimise, &crate::driver::Observer::none(), &mut Vec::new());
    print(&plan, &policy).lines().filter(|line| line.starts_with("hook ")).map(str::to_owned).collect()
}

#[test]
fn a_part_begins_with_each_verdict_of_those_before() {
    let deny = |n: usize| format!("on file_open when file.flags & {} deny {}", 1 << n, ["EPERM", "EACCES"][n / 2]);
    let found = heads(&format!("{}\non file_open when task.uid == 1 audit\n", rules(4, deny)));
    // Of five groups, four of which deny, no part has more than two.
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
