//! A rule that can never match, because its `when` contradicts itself.
//!
//! ```text
//! on file_open when task.uid == 0 and task.uid == 1000 deny
//! ```

use crate::analysis::satisfiability::{self, Answer, Conjunction};
use crate::analysis::unreachable::{Cause, Unreachable};
use crate::diag::{Diagnostic, code};
use crate::hir::{AtomKind, Binary, Cond, Policy, Rule, RuleId, Value, ValueKind};

use super::{inside, within};

/// Reports the rules whose `when` is never true.
pub(super) fn run(policy: &Policy, unreachable: &Unreachable, found: &mut Vec<Diagnostic>) {
    for (index, rule) in policy.rules.iter().enumerate() {
        let Some(when) = &rule.when else { continue };
        if unreachable.cause(RuleId(index as u32)) != Some(Cause::WhenNeverTrue) {
            continue;
        }
        // A rule on several hooks may select some of them by `hook.name`.
        if *when == Cond::Const(false) && super::differs_by_hook(policy, index, |rule| rule.when.as_ref()) {
            continue;
        }
        let ways = satisfiability::disjuncts(when, Answer::True).unwrap_or_default();
        let hook = &policy.hooks[rule.hook.index()].name;
        found.push(report(rule, when, &ways, hook));
    }
}

fn report(rule: &Rule, when: &Cond, ways: &[Conjunction<'_>], hook: &str) -> Diagnostic {
    let warning =
        |span| Diagnostic::warning(code::NEVER_MATCHES, span, format!("this rule can never match on `{hook}`"));
    // With a single conjunction, the two tests that contradict each other are shown.
    if let [way] = ways
        && let Some(conflict) = satisfiability::conflict(way)
    {
        let at = way[conflict.at];
        let with = conflict.with.map(|with| way[with]);
        let wanted = |answer| if answer == Answer::True { "must hold" } else { "must not hold" };
        if inside(rule, at.atom.span) {
            return match with {
                Some(with) if with.atom.span != at.atom.span => warning(at.atom.span)
                    .label(format!("this {}, which contradicts the other test", wanted(at.answer)))
                    .also(with.atom.span, format!("this {}", wanted(with.answer)))
                    .help("if one of them is enough, write `or` between them"),
                _ => warning(at.atom.span).label(format!("this {}, which is impossible", wanted(at.answer))).help(
                    if tests_no_bit(&at.atom.kind) {
                        "the constant is 0 and has no bit; compare instead, as in `file.flags & O_ACCMODE == O_RDONLY`"
                    } else {
                        "correct the condition, or remove the rule"
                    },
                ),
            };
        }
    }
    warning(within(rule, when)).label("never true").help("correct the condition, or remove the rule")
}

/// Returns whether a test is of the form `flags & 0`, such as `file.flags & O_RDONLY`.
fn tests_no_bit(kind: &AtomKind) -> bool {
    let AtomKind::AnyBit(Value { kind: ValueKind::Binary(Binary::And, left, right), .. }) = kind else { return false };
    [left, right].into_iter().any(|side| side.kind == ValueKind::Const(0))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{codes, diagnostics};

    #[test]
    fn contradictions_are_found() {
        for when in [
            "task.uid == 0 and task.uid == 1000",
            "task.uid < 3 and task.uid > 5",
            "task.uid in { 1, 2 } and task.uid in { 3, 4 }",
            "task.uid == 3 and not (task.uid <= 3)",
            "file.f_flags & 3 == 1 and file.f_flags & 3 == 2",
            "file.f_flags & 4 and not (file.f_flags & 4)",
            "file.f_flags == 0x8003 and file.f_flags & 4",
            "file.f_flags has 0x600 and file.f_flags & 0x200 == 0",
            "file.f_flags < 4 and file.f_flags & 8",
            "task.comm == \"a\" and task.comm == \"b\"",
            "task.comm == \"a\" and task.comm not in { \"a\", \"b\" }",
            "task.uid < task.euid and task.euid < task.uid",
            "task.uid == 0 and (task.euid == 0 and not (task.uid == 0) or task.gid == 1 and task.gid == 2)",
            "false",
            "file.path under \"/etc\" and file.path == \"/usr/bin/passwd\"",
            "file.path under \"/etc\" and file.path under \"/etcetera\"",
            "file.path under \"/etc/ssl\" and not (file.path under \"/etc\")",
            "file.path like \"/etc/*\" and file.path in { \"/etc/a/b\", \"/usr\" }",
            "ends_with(file.path, \".so\") and ends_with(file.path, \".ko\")",
            "starts_with(file.path, \"/usr/lib\") and file.path not under \"/\" and file.path under \"/\"",
            // A typed constant keeps its side of the comparison.
            "(3 as u32) < task.uid and task.uid == 3",
            "(3 as u32) >= task.uid and task.uid > 3",
            "(3 as u32) == task.uid and task.uid == 4",
            // A bool converts to 0 or 1.
            "((task.uid == task.gid) as u32) == 2",
        ] {
            assert_eq!(codes(&format!("on file_open when {when} deny")), ["KRS0902"], "{when}");
        }
        let null = "on mmap_file when file == null and file.f_flags & 0x400 deny";
        assert_eq!(codes(null), ["KRS0902"]);
    }

    /// Testing for a flag of value 0 is a separate mistake with its own help.
    #[test]
    fn help_fits_the_mistake() {
        let help = |when: &str| {
            let found = diagnostics(&format!("on file_open when {when} deny"));
            assert_eq!((found.len(), found[0].code.0), (1, "KRS0902"), "{when}");
            found[0].help.join("; ")
        };
        for when in ["file.f_flags & O_RDONLY", "file.f_flags & 0"] {
            assert!(help(when).contains("has no bit"), "{when}: {}", help(when));
        }
        for when in
            ["file.f_flags & 3 == 4", "task.uid % 4 == 4", "task.uid != task.uid", "(task.uid as u64) > 4294967295"]
        {
            assert_eq!(help(when), "correct the condition, or remove the rule", "{when}");
        }
    }

    #[test]
    fn a_rule_may_match_on_some_of_its_hooks() {
        let on = |when: &str| codes(&format!("on path_unlink, path_rmdir when {when} deny"));
        assert_eq!(on("hook.name == \"path_rmdir\" and task.uid == 0"), [""; 0]);
        assert_eq!(on("hook.name like \"path_*\" and task.uid == 0"), [""; 0]);
        assert_eq!(on("hook.name == \"path_mkdir\" and task.uid == 0"), ["KRS0902"; 1]);
        assert_eq!(on("task.uid == 0 and task.uid == 1"), ["KRS0902"]);
        assert_eq!(codes("on path_rmdir, path_unlink unless hook.name == \"path_rmdir\" deny"), [""; 0]);
    }

    #[test]
    fn satisfiable_conditions_are_left_alone() {
        for when in [
            "task.uid >= 3 and task.uid <= 3",
            "(3 as u32) < task.uid and task.uid == 4",
            "(3 as u32) >= task.uid and task.uid == 3",
            "((task.uid == task.gid) as u32) == 1",
            "task.uid != 0 and task.uid != 1000",
            "task.uid == 0 and task.euid == 1000",
            "file.f_flags & 1 and file.f_flags & 2",
            "file.f_flags & 3 and file.f_flags & 6 and not (file.f_flags & 2)",
            "file.f_flags & 3 == 1 and file.f_flags & 12 == 4",
            "file.f_flags & 4 and file.f_flags & 1 == 0",
            "not (task.uid == 0 and task.uid == 1000)  and task.gid == 3",
            "task.uid <= task.euid and task.euid <= task.uid",
            "file.path under \"/etc\" and not (file.path under \"/etc/ssl\")",
            "file.path under \"/etc\" and file.path like \"**.conf\"",
            "file.path under \"/etc\" and ends_with(file.path, \"/passwd\")",
            "starts_with(file.path, \"/et\") and file.path under \"/etc\"",
            "(task.uid == 1 or task.gid == 2) and (task.uid == 3 or task.gid == 4)",
        ] {
            let found = codes(&format!("on file_open when {when} deny"));
            assert!(!found.contains(&"KRS0902"), "{when}: {found:?}");
        }
        // The second test is unknown if `file` is null, and then exempts nothing.
        assert!(codes("on mmap_file when file == null unless file.f_flags & 0x400 == 0 deny").is_empty());
    }
}
