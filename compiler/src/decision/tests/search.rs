//! Tests of indexes: the rules that share one, and its rows.

use super::{indexes, planned, rows, rules, searched, tests};
use crate::decision::print::print;
use crate::limits::ROW_RULES_MAX;
use crate::optimise::{Optimisation, Optimise};

/// Returns the rows of the only index of a policy.
fn only(text: &str) -> Vec<String> {
    let (_, plan) = planned(text, Optimise::default());
    assert_eq!(searched(text).len(), 1, "{text}");
    rows(&plan.indexes[0])
}

/// Returns filler rules, whose numbers are too large to share a row with the rules under test.
fn others(count: usize, rule: impl Fn(usize) -> String) -> String {
    rules(count, |n| rule(1_000_000 + 100 * n))
}

#[test]
fn an_index_needs_twelve_rules_that_deny_or_three_with_effects() {
    let of = |count, action: &str| searched(&rules(count, |n| format!("on file_open when task.uid == {n} {action}")));
    assert!(of(11, "deny").is_empty());
    assert_eq!(of(12, "deny"), [12]);
    assert!(of(2, "audit").is_empty());
    assert_eq!(of(3, "audit"), [3]);
    assert!(of(2, "kill").is_empty());
    assert_eq!(of(3, "kill"), [3]);
}

#[test]
fn rules_share_an_index_only_with_equal_actions() {
    // Every second rule ends in the first action, the others in the second.
    for (one, other, shared) in [
        ("deny", "deny", true),
        // The row determines the errno.
        ("deny EPERM", "deny EACCES", true),
        ("deny", "deny audit", false),
        ("deny", "audit", false),
        ("audit", "audit { task.gid }", false),
        ("audit { task.gid }", "audit { task.pid }", false),
        ("audit { a = task.gid }", "audit { b = task.gid }", true),
        ("audit \"one\"", "audit \"two\"", true),
        ("audit", "audit limit 1/s", false),
        ("audit limit 1/s", "audit limit 2/s", false),
        ("audit limit 1/s", "audit limit 1/m", false),
        ("audit", "audit kill", false),
        ("kill SIGTERM", "kill SIGUSR1", false),
        ("deny kill SIGTERM", "deny kill SIGUSR1", false),
        ("deny", "deny kill", false),
        ("mark a", "mark b", false),
        ("mark a", "unmark a", false),
        ("deny", "deny mark a", false),
    ] {
        let text = rules(24, |n| format!("on file_open when task.uid == {n} {}", if n % 2 == 0 { one } else { other }));
        let searches = searched(&format!("label a on task\nlabel b on task\n{text}"));
        let wanted: &[usize] = if shared { &[24] } else { &[12, 12] };
        assert_eq!(searches, wanted, "{one} | {other}");
    }
}

#[test]
fn rules_share_an_index_only_with_equal_shapes() {
    for (one, other, searches) in [
        ("", "", &[24][..]),
        ("@severity(high) ", "@permissive ", &[24]),
        // Rules with `@since` are not indexed.
        ("", "@since(\"6.12\") ", &[12]),
    ] {
        let text = rules(24, |n| format!("{}on file_open when task.uid == {n} deny", [one, other][n % 2]));
        assert_eq!(searched(&text), searches, "{one:?} {other:?}");
    }
    for (one, other, searches) in [
        // A comparison with a constant is a column of the key.
        ("and task.gid == 5", "and task.gid == 6", &[24][..]),
        ("and task.gid == 5", "and task.euid == 5", &[12, 12]),
        ("and task.gid == 5", "and task.gid > 5", &[12, 12]),
        ("and task.gid == 5", "", &[12, 12]),
        ("and file.flags & O_CREAT", "and file.flags & O_EXCL", &[12, 12]),
        ("and file.flags & O_CREAT", "and not (file.flags & O_CREAT)", &[12, 12]),
        ("and file.flags & O_CREAT", "unless file.flags & O_CREAT", &[12, 12]),
        ("unless task.gid == 5", "unless task.gid == 6", &[12, 12]),
        ("and task.gid < 5", "and task.gid >= 100", &[24]),
    ] {
        let text = rules(24, |n| format!("on file_open when task.uid == {n} {} deny", [one, other][n % 2]));
        assert_eq!(searched(&text), searches, "{one:?} {other:?}");
    }
    // The order of the comparisons is irrelevant.
    let text = rules(24, |n| match n % 2 {
        0 => format!("on file_open when task.uid == {n} and task.gid == {n} and file.flags & O_CREAT deny"),
        _ => format!("on file_open when file.flags & O_CREAT and {n} == task.gid and {n} == task.uid deny"),
    });
    assert_eq!(searched(&text), [24]);
}

#[test]
fn each_operator_has_its_range() {
    let conditions = [
        ("task.uid >= 100 and task.uid < 110", "100-109: r0"),
        ("task.uid > 200 and task.uid <= 210", "201-210: r1"),
        ("300 <= task.uid and 310 > task.uid", "300-309: r2"),
        ("400 < task.uid and 410 >= task.uid", "401-410: r3"),
        ("not (task.uid < 500 or task.uid > 510)", "500-510: r4"),
        ("not (task.uid <= 600 or task.uid >= 610)", "601-609: r5"),
        ("task.uid >= 700 and task.uid < 800 and task.uid <= 705", "700-705: r6"),
        ("task.uid > 800 and task.uid < 802", "801-801: r7"),
    ];
    let text = rules(8, |n| format!("on file_open when {} deny", conditions[n].0));
    let found = only(&format!(
        "{text}{}",
        others(12, |n| format!("on file_open when task.uid >= {n} and task.uid < {n} + 1 deny"))
    ));
    assert_eq!(found[..8], conditions.map(|(_, row)| row));
    assert_eq!(found[8], "1000000-1000000: r8");
}

#[test]
fn open_ranges_end_with_the_type() {
    let text = others(12, |n| format!("on file_open when task.uid >= {n} and task.uid < {n} + 1 deny"));
    let found =
        only(&format!("on file_open when task.uid < 7 deny\non file_open when task.uid > 4294967290 deny\n{text}"));
    assert_eq!((&*found[0], &*found[13]), ("0-6: r0", "4294967291-4294967295: r1"));
}

#[test]
fn both_of_two_lists_must_hold() {
    let text = others(12, |n| format!("on file_open when task.uid == {n} deny"));
    let found = only(&format!(
        "on file_open when task.uid in {{ 1, 2, 3 }} and task.uid in {{ 2, 3, 4 }} deny\n\
         on file_open when task.uid in {{ 5, 6 }} and task.uid == 6 deny\n\
         on file_open when (task.uid == 7 or task.uid in {{ 8, 9 }}) deny\n{text}"
    ));
    assert_eq!(found[..6], ["2: r0", "3: r0", "6: r1", "7: r2", "8: r2", "9: r2"]);
    assert_eq!(found.len(), 18);
}

#[test]
fn rules_that_overlap_share_rows() {
    let text = others(12, |n| format!("on file_open when task.uid >= {n} and task.uid <= {n} deny"));
    let found = only(&format!(
        "on file_open when task.uid >= 10 and task.uid <= 19 deny\n\
         on file_open when task.uid >= 15 and task.uid <= 30 deny\n\
         on file_open when task.uid >= 32 and task.uid <= 40 deny\n{text}"
    ));
    assert_eq!(found[..4], ["10-14: r0", "15-19: r0 r1", "20-30: r1", "32-40: r2"]);
}

#[test]
fn a_key_has_every_combination_of_a_rule() {
    let text = others(12, |n| format!("on file_open when task.uid == {n} and task.gid == {n} deny"));
    let mut found = only(&format!(
        "on file_open when task.uid in {{ 1, 2 }} and task.gid in {{ 3, 4 }} deny\n\
         on file_open when task.uid == 2 and task.gid == 4 deny\n{text}"
    ));
    found.truncate(4);
    let by_uid = ["1 3: r0", "1 4: r0", "2 3: r0", "2 4: r0 r1"];
    let by_gid = ["3 1: r0", "3 2: r0", "4 1: r0", "4 2: r0 r1"];
    assert!(found == by_uid || found == by_gid, "{found:?}");
}

#[test]
fn texts_and_addresses_are_keys() {
    let text = rules(12, |n| format!("on file_open when file.path == \"/srv/{n:02}\" deny"));
    assert_eq!(only(&text)[..2], ["\"/srv/00\": r0", "\"/srv/01\": r1"]);
    // 10.0.0.n is mapped to ::ffff:10.0.0.n, the number 0xffff_0a00_00nn.
    let text = rules(12, |n| format!("on socket_connect when dst.ip == \"10.0.0.{n}\" deny"));
    assert_eq!(only(&text)[..2], ["281470849515520: r0", "281470849515521: r1"]);
    // The network 10.0.n.0/24 is a range of addresses.
    let text = rules(12, |n| format!("on socket_connect when dst.ip in \"10.0.{n}.0/24\" deny"));
    assert_eq!(only(&text)[..2], ["281470849515520-281470849515775: r0", "281470849515776-281470849516031: r1"]);
    // A name is a number of 16 bytes in little endian.
    let text = rules(12, |n| format!("on file_open when task.comm in {{ \"{}\" }} deny", char::from(b'a' + n as u8)));
    assert_eq!(only(&text)[..2], ["97: r0", "98: r1"]);
}

#[test]
fn an_impossible_constant_has_no_row() {
    // A port has 16 bits.
    let text = rules(12, |n| format!("on socket_connect when dst.port in {{ {n}, 80 }} deny"));
    assert!(only(&text).iter().any(|row| row.starts_with("80: r0 r1 r2")));
}

#[test]
fn a_common_condition_is_a_test() {
    let (policy, plan) = planned(
        &rules(12, |n| format!("on file_open when task.uid == {n} and task.gid == 7 deny")),
        Optimise::default(),
    );
    assert_eq!(plan.indexes[0].columns.len(), 1);
    let text = print(&plan, &policy);
    assert!(text.contains("test (== task.gid 7)"), "{text}");
    // If one rule differs, the condition is a column of the key.
    let (_, plan) = planned(
        &rules(12, |n| format!("on file_open when task.uid == {n} and task.gid == {} deny", 7 + n / 11)),
        Optimise::default(),
    );
    assert_eq!((plan.indexes[0].columns.len(), tests(&plan)), (2, 0));
}

#[test]
fn rules_with_several_errnos_on_one_key_keep_their_order() {
    let deny = |n: usize, errno: &str| format!("on file_open when task.uid == {} deny {errno}", n % 12);
    let (policy, plan) = planned(&rules(24, |n| deny(n, ["EBUSY", "EACCES"][n / 12])), Optimise::default());
    // A row has one errno; the rules of the key with another errno are in a second index.
    let found: Vec<Vec<String>> = plan.indexes.iter().map(rows).collect();
    assert_eq!((found.len(), found[0].len(), found[1].len()), (2, 12, 12));
    assert_eq!((&*found[0][7], &*found[1][7]), ("7: r7", "7: r19"));
    let text = print(&plan, &policy);
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    assert!(at("find i0 ?") < at("find i1 ?"));

    // A later rule with the first errno does not move to the first row.
    let errnos = ["EBUSY", "EACCES", "EBUSY"];
    let (_, plan) = planned(&rules(36, |n| deny(n, errnos[n / 12])), Optimise::default());
    let found: Vec<Vec<String>> = plan.indexes.iter().map(rows).collect();
    assert_eq!(found.iter().map(|rows| &*rows[7]).collect::<Vec<_>>(), ["7: r7", "7: r19", "7: r31"]);

    // Rules with one errno share a row.
    let (_, plan) = planned(&rules(24, |n| deny(n, "EBUSY")), Optimise::default());
    assert_eq!(rows(&plan.indexes[0])[7], "7: r7 r19");
    assert!(plan.indexes[0].one_errno);

    // With distinct keys, the row determines the errno.
    let text = rules(24, |n| format!("on file_open when task.uid == {n} deny {}", ["EBUSY", "EACCES"][n % 2]));
    let (policy, plan) = planned(&text, Optimise::default());
    assert!(plan.indexes.len() == 1 && !plan.indexes[0].one_errno);
    assert!(print(&plan, &policy).contains("set the errno of the row of i0"));
    // A rule of another shape with a third errno separates the rules around it.
    let text = rules(25, |n| match n {
        12 => "on file_open when task.gid == 1 deny ENOENT".to_owned(),
        _ => format!("on file_open when task.uid == {n} deny EBUSY"),
    });
    assert_eq!(searched(&text), [12, 12]);
}

#[test]
fn the_rules_of_a_row_are_bounded() {
    // Each event of a row takes code of its own: at most four rules with `audit`.
    let text = rules(10, |n| format!("on file_open when task.uid == {} audit", n % 2));
    let (_, plan) = planned(&text, Optimise::default());
    let found: Vec<Vec<String>> = plan.indexes.iter().map(rows).collect();
    assert_eq!(found, [["0: r0 r2 r4 r6", "1: r1 r3 r5 r7"], ["0: r8", "1: r9"]]);
    let text = rules(ROW_RULES_MAX + 4, |n| format!("on file_open when task.uid == {} deny", n / (ROW_RULES_MAX + 1)));
    let (_, plan) = planned(&text, Optimise::default());
    let count = |index: usize, row: usize| plan.indexes[index].rows[row].rules.len();
    assert_eq!((plan.indexes.len(), count(0, 0), count(0, 1), count(1, 0)), (2, 256, 3, 1));
}

#[test]
fn the_prefilter_has_the_cheap_columns() {
    let prefilter = |condition: &dyn Fn(usize) -> String| {
        let text = rules(12, |n| format!("on file_open when {} deny", condition(n)));
        let (policy, plan) = planned(&text, Optimise::default());
        assert_eq!(searched(&text).len(), 1, "{}", condition(0));
        let text = print(&plan, &policy);
        let columns = text.split(", prefilter (").nth(1).and_then(|rest| rest.split(")").next());
        columns.map(str::to_owned)
    };
    let path = |n: usize| format!("file.path == \"/srv/{n}\"");
    assert_eq!(prefilter(&|n| format!("{} and task.uid == {n}", path(n))).as_deref(), Some("task.uid"));
    assert_eq!(prefilter(&|n| format!("task.uid == {n} and task.gid == {n}")), None);
    // A range cannot be looked up without the other columns of its rows.
    assert_eq!(prefilter(&|n| format!("{} and task.uid >= {} and task.uid < {}", path(n), 10 * n, 10 * n + 9)), None);
    let text = rules(12, |n| format!("on file_open when {} and task.uid == {n} deny", path(n)));
    assert!(planned(&text, Optimise::default().without(Optimisation::Prefilter)).1.indexes[0].prefilter.is_empty());
}

#[test]
fn cheap_tests_come_first() {
    let order = |rule: &str| {
        let (policy, plan) = planned(rule, Optimise::default());
        let text = print(&plan, &policy);
        let test = |line: &str| Some(line.split_once(" test ")?.1.split(" ? ").next()?.to_owned());
        text.lines().filter_map(test).collect::<Vec<_>>()
    };
    for (expensive, cheap) in [
        ("file.path == \"/a\"", "task.uid == 1"),
        ("file.path == \"/a\"", "task.comm == \"a\""),
        ("file.path like \"/a*b*\"", "file.inode.uid == 1"),
        ("any a in task.ancestors { a.pid == 7 }", "task.uid == 1"),
        ("any a in task.ancestors { a.pid == 7 }", "task.comm == \"a\""),
        ("task.cgroup under \"/a\"", "task.uid == 1"),
        ("task.comm == \"a\"", "task.uid == 1"),
        ("file.dentry.name == \"a\"", "task.comm == \"a\""),
    ] {
        let found = order(&format!("on file_open when {expensive} and {cheap} deny"));
        let other = order(&format!("on file_open when {cheap} and {expensive} deny"));
        assert_eq!(found, other, "{expensive}, {cheap}");
    }
    // Tests of about the same cost stay in source order.
    for [one, other] in [["task.uid == 1", "task.gid == 2"], ["task.gid == 2", "task.uid == 1"]] {
        let found = order(&format!("on file_open when {one} and {other} deny"));
        assert!(found[0].contains(&one[..8]), "{found:?}");
    }
    // Rules with the same errno are reordered, rules with different errnos are not.
    let two = |errno| {
        order(&format!(
            "on file_open when file.path == \"/a\" deny {errno}\non file_open when task.uid == 1 deny EACCES"
        ))
    };
    assert!(two("EACCES")[0].contains("task.uid"));
    assert!(!two("EPERM")[0].contains("task.uid"));
}

#[test]
fn without_the_optimisation_rules_are_tested_one_by_one() {
    let equal = rules(24, |n| format!("on file_open when task.uid == {n} deny"));
    let range = rules(24, |n| format!("on file_open when task.uid >= {} and task.uid < {} deny", 10 * n, 10 * n + 5));
    let under = rules(200, |n| format!("on file_open when file.path under \"/srv/{n}\" deny"));
    let errnos = rules(24, |n| format!("on file_open when task.uid == {n} deny {}", ["EBUSY", "EACCES"][n % 2]));
    for (text, without, searches) in [
        (&equal, None, 1),
        (&equal, Some(Optimisation::Index), 0),
        (&equal, Some(Optimisation::IndexRanges), 1),
        (&range, None, 1),
        (&range, Some(Optimisation::IndexRanges), 0),
        (&under, None, 1),
        (&under, Some(Optimisation::MergePatterns), 0),
        (&errnos, None, 1),
        (&errnos, Some(Optimisation::IndexErrnos), 0),
    ] {
        let optimise = without.map_or(Optimise::default(), |one| Optimise::default().without(one));
        let (_, plan) = planned(text, optimise);
        let found = indexes(&plan).count();
        assert_eq!(found, searches, "{without:?}");
    }
}
