//! A rule subsumed by another on the same hook: whenever it matches, so does the other, with at least the same
//! actions.
//!
//! ```text
//! on file_open when task.uid < 1000 deny
//! on file_open when task.uid == 0 deny          # changes nothing
//! ```

use std::collections::BTreeMap;

use crate::analysis::satisfiability::{self, Answer, Conjunction};
use crate::diag::{Diagnostic, code};
use crate::hir::{Audit, Mark, Policy, Rule};

/// Maximum number of pairs of rules whose actions are compared. A hook with thousands of rules has more pairs.
const LOOKS_MAX: usize = 1_000_000;
/// Maximum number of pairs whose conditions are compared as well.
const PAIRS_MAX: usize = 20_000;

/// Checks the rules for which `skip` is false; the others have a warning of their own.
pub(super) fn run(policy: &Policy, skip: &dyn Fn(usize) -> bool, found: &mut Vec<Diagnostic>) {
    let mut by_hook: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, rule) in policy.rules.iter().enumerate() {
        if !skip(index) {
            by_hook.entry(rule.hook.0).or_default().push(index);
        }
    }
    let (mut looks, mut pairs) = (0, 0);
    let mut gone = vec![false; policy.rules.len()];
    for rules in by_hook.values() {
        let changes = changes(policy, rules);
        // In reverse order, so that the later of two equal rules is reported.
        for &index in rules.iter().rev() {
            let rule = &policy.rules[index];
            let mut ways: Option<Vec<Conjunction<'_>>> = None;
            for &other in rules {
                looks += 1;
                if looks > LOOKS_MAX {
                    return;
                }
                if other == index || gone[other] || !covers(policy, &changes, other, index) {
                    continue;
                }
                pairs += 1;
                if pairs > PAIRS_MAX {
                    return;
                }
                if ways.is_none() {
                    ways = satisfiability::matching(rule);
                }
                let Some(ways) = &ways else {
                    break;
                };
                let general = &policy.rules[other];
                if !ways.iter().all(|way| matches(way, general)) {
                    continue;
                }
                gone[index] = true;
                let hook = &policy.hooks[rule.hook.index()].name;
                found.push(
                    Diagnostic::warning(code::SUBSUMED_RULE, rule.span, format!("this rule is redundant on `{hook}`"))
                        .label("the other rule has the same actions")
                        .also(general.span, "matches whenever the redundant rule does")
                        .help("remove the rule, or correct one of the two conditions"),
                );
                break;
            }
        }
    }
}

/// Returns whether the rule matches whenever the literals hold.
fn matches(way: &[satisfiability::Literal<'_>], rule: &Rule) -> bool {
    satisfiability::conflict(way).is_some()
        || rule.when.as_ref().is_none_or(|when| satisfiability::implies(way, when, Answer::True))
            && rule.unless.as_ref().is_none_or(|unless| satisfiability::implies(way, unless, Answer::NotTrue))
}

/// Returns, for each rule of a hook that denies, the number of times that the errno has changed among such
/// rules before it.
fn changes(policy: &Policy, on_hook: &[usize]) -> BTreeMap<usize, u32> {
    let denying = on_hook.iter().filter_map(|index| Some((*index, policy.rules[*index].enforced()?.errno)));
    let mut before = None;
    let mut count = 0;
    denying
        .map(|(index, errno)| {
            count += u32::from(before.is_some_and(|before| before != errno));
            before = Some(errno);
            (index, count)
        })
        .collect()
}

/// Returns whether `general` has all actions of `special`, given that it matches as well.
fn covers(policy: &Policy, changes: &BTreeMap<usize, u32>, general: usize, special: usize) -> bool {
    let (first, second) = (general.min(special), general.max(special));
    let (general, special) = (&policy.rules[general], &policy.rules[special]);
    // Exhaustive, so that a new action must be considered here.
    let Rule { name: _, doc: _, span: _, hook: _, when: _, unless: _, deny: _, audit, kill, marks, attributes, since } =
        special;
    let denied = match (special.enforced(), general.enforced()) {
        (None, _) => true,
        (Some(_), None) => false,
        // The first errno in source order is returned, so no rule with another one may be between the two.
        (Some(mine), Some(theirs)) => mine.errno == theirs.errno && changes.get(&first) == changes.get(&second),
    };
    let recorded = match (audit, &general.audit) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(mine), Some(theirs)) => same_record(mine, theirs),
    };
    // The author has named the rule to distinguish its events.
    let named = audit.is_some() && !special.name.contains('@');
    let killed =
        kill.as_ref().is_none_or(|mine| general.kill.as_ref().is_some_and(|theirs| mine.signal == theirs.signal));
    // A rule with `@since` covers nothing on older kernels.
    let there = general.since.is_none() || *since == general.since;
    // The marks of all matching rules are applied together, so their order does not matter.
    let same_mark = |mine: &Mark, theirs: &Mark| {
        mine.label == theirs.label && mine.object == theirs.object && mine.set == theirs.set
    };
    let marked = marks.iter().all(|mine| general.marks.iter().any(|theirs| same_mark(mine, theirs)));
    denied && recorded && killed && marked && there && *attributes == general.attributes && !named
}

/// Returns whether the event of the general rule contains that of the special one. An event with a limit may be
/// dropped, so it replaces no other.
fn same_record(mine: &Audit, theirs: &Audit) -> bool {
    theirs.limit.is_none()
        && mine.message == theirs.message
        && mine.fields.iter().all(|field| theirs.fields.iter().any(|other| other == field))
}

#[cfg(test)]
mod tests {
    use super::super::testing::codes;

    #[test]
    fn redundant_rules_are_found() {
        for (general, special) in [
            ("when task.uid < 1000 deny", "when task.uid == 0 deny"),
            ("when task.uid == 0 deny", "when task.uid == 0 and task.gid == 0 deny"),
            ("when task.uid == 0 or task.gid == 0 deny", "when task.gid == 0 deny"),
            ("when task.uid in { 1, 2, 3 } deny", "when task.uid in { 1, 3 } deny audit_me"),
            ("when task.comm in { \"a\", \"b\" } deny", "when task.comm == \"a\" deny"),
            ("when task.uid == 0 deny", "when task.uid == 0 unless task.gid == 1 deny"),
            ("when task.uid < 9 unless task.gid == 1 deny", "when task.uid == 0 unless task.gid < 5 deny"),
            ("when file.f_flags & 0x600 deny", "when file.f_flags has 0x600 deny"),
            ("when file.path under \"/etc\" deny", "when file.path == \"/etc/passwd\" deny"),
            ("when file.path under \"/etc\" deny", "when file.path under \"/etc/ssl\" and task.uid == 0 deny"),
            ("when task.uid == 0 deny audit", "when task.uid == 0 deny"),
            ("when task.uid == 0 audit { task.gid, task.pid }", "when task.uid == 0 audit { task.pid }"),
        ] {
            let special = special.replace(" audit_me", "");
            assert_eq!(codes(&format!("on file_open {general}\non file_open {special}")), ["KRS0903"], "{special}");
            assert_eq!(codes(&format!("on file_open {special}\non file_open {general}")), ["KRS0903"], "{special}");
        }
        assert_eq!(codes("on file_ioctl deny\non file_ioctl when task.uid == 0 deny"), ["KRS0903"]);
    }

    #[test]
    fn rules_with_an_effect_are_left_alone() {
        for (one, other) in [
            ("file_open when task.uid < 1000 audit", "file_open when task.uid <= 1000 deny"),
            ("file_open when task.uid == 0 deny EACCES", "file_open when task.uid == 0 and task.gid == 0 deny"),
            ("file_open when task.uid == 0 deny", "file_permission when task.uid == 0 deny"),
            ("file_open when task.uid == 0 deny", "file_open when task.gid == 0 deny"),
            (
                "file_open when task.uid == 0 unless task.gid == 1 deny",
                "file_open when task.uid == 0 and task.gid < 2 deny",
            ),
            ("file_open audit \"x\"", "file_open when task.uid == 0 audit \"y\""),
            ("file_open audit limit 1/s", "file_open when task.uid == 0 audit"),
            // The first condition is unknown for anonymous memory, so the rule does not match there.
            ("mmap_file when file.f_flags >= 1 or file.f_flags < 7 deny", "mmap_file when prot & EXEC deny"),
        ] {
            let found = codes(&format!("on {one}\non {other}"));
            assert!(!found.contains(&"KRS0903"), "{other}: {found:?}");
        }
        assert!(codes("a: on file_open when task.uid == 0 audit\nb: on file_open when task.uid < 5 audit").is_empty());
        let between = "on file_open when task.uid == 0 deny\non file_open when task.gid == 0 deny EACCES\non file_open when task.uid < 5 deny";
        assert!(codes(between).is_empty());
    }

    #[test]
    fn one_of_two_equal_rules_is_reported() {
        assert_eq!(codes("on file_open when task.uid == 0 deny\non file_open when task.uid == 0 deny"), ["KRS0903"]);
    }
}
