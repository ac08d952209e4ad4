//! An `unless` that exempts everything: it holds whenever the `when` holds.
//!
//! ```text
//! on file_open when task.uid == 0 unless task.uid < 1000 deny
//! ```

use crate::analysis::satisfiability::{self, Answer};
use crate::analysis::unreachable::{Cause, Unreachable};
use crate::diag::{Diagnostic, code};
use crate::hir::{Cond, Policy, RuleId};

use super::within;

/// Reports the rules whose `unless` exempts every match.
pub(super) fn run(policy: &Policy, unreachable: &Unreachable, found: &mut Vec<Diagnostic>) {
    for (index, rule) in policy.rules.iter().enumerate() {
        let Some(unless) = &rule.unless else { continue };
        if unreachable.cause(RuleId(index as u32)) != Some(Cause::AlwaysExempt) {
            continue;
        }
        if *unless == Cond::Const(true) && super::differs_by_hook(policy, index, |rule| rule.unless.as_ref()) {
            continue;
        }
        let always = satisfiability::implies(&[], unless, Answer::True);
        let hook = &policy.hooks[rule.hook.index()].name;
        let warning = Diagnostic::warning(
            code::EXEMPTS_ALL,
            within(rule, unless),
            format!("this `unless` exempts everything that the rule matches on `{hook}`"),
        );
        let warning = match &rule.when {
            Some(when) if !always => {
                warning.label("holds whenever the `when` holds").also(within(rule, when), "this is more specific")
            }
            _ => warning.label("always true"),
        };
        found.push(warning.help("narrow the `unless`, or remove the rule"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::codes;

    #[test]
    fn total_exemptions_are_found() {
        for condition in [
            "when task.uid == 0 unless task.uid < 1000",
            "unless task.uid >= 0",
            "unless true",
            "when file.f_flags has 3 unless file.f_flags & 2",
            "when task.uid == 3 and task.gid == 4 unless task.gid in { 4, 5 } or task.comm == \"a\"",
            "unless task.uid < 5 or task.uid > 3",
        ] {
            assert_eq!(codes(&format!("on file_open {condition} deny")), ["KRS0905"], "{condition}");
        }
    }

    #[test]
    fn partial_exemptions_are_left_alone() {
        for rule in [
            "on file_open when task.uid == 0 unless task.gid == 0 deny",
            "on file_open when task.uid < 1000 unless task.uid == 0 deny",
            // The test is unknown for anonymous memory, which is therefore not exempt.
            "on mmap_file unless file.f_flags < 5 or file.f_flags > 3 deny",
            "on mmap_file when prot & EXEC unless file.f_flags & 1 or file.f_flags & 1 == 0 deny",
        ] {
            let found = codes(rule);
            assert!(!found.contains(&"KRS0905"), "{rule}: {found:?}");
        }
    }
}
