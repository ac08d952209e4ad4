//! An `unless` that spares everything: wherever the `when` holds, it holds too.
//!
//! ```text
//! on file_open when task.uid == 0 unless task.uid < 1000 deny
//! ```

use crate::diag::{Diagnostic, code};
use crate::hir::{Cond, Policy};

use super::facts::{self, Answer};
use super::within;

/// Tells of each rule whether everything is spared.
pub(super) fn run(policy: &Policy, dead: &[bool], found: &mut Vec<Diagnostic>) -> Vec<bool> {
    let mut spared = vec![false; policy.rules.len()];
    for (index, rule) in policy.rules.iter().enumerate() {
        let Some(unless) = rule.unless.as_ref().filter(|_| !dead[index]) else {
            continue;
        };
        let Some(ways) = super::firing(rule) else {
            continue;
        };
        spared[index] = ways.iter().all(|way| facts::conflict(way).is_some());
        if !spared[index] {
            continue;
        }
        if *unless == Cond::Const(true) && super::differs_by_hook(policy, index, |rule| rule.unless.as_ref()) {
            continue;
        }
        let always = facts::implies(&[], unless, Answer::True);
        let hook = &policy.hooks[rule.hook.index()].name;
        let warning = Diagnostic::warning(
            code::EXEMPTS_ALL,
            within(rule, unless),
            format!("this `unless` spares everything that the rule asks for on `{hook}`"),
        );
        let warning = match &rule.when {
            Some(when) if !always => {
                warning.label("holds wherever the `when` does").also(within(rule, when), "for this is more special")
            }
            _ => warning.label("always true"),
        };
        found.push(warning.help("narrow the `unless`, or remove the rule"));
    }
    spared
}

#[cfg(test)]
mod tests {
    use super::super::testing::codes;

    #[test]
    fn what_spares_everything_is_found() {
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
    fn what_spares_some_is_left_alone() {
        for rule in [
            "on file_open when task.uid == 0 unless task.gid == 0 deny",
            "on file_open when task.uid < 1000 unless task.uid == 0 deny",
            // Unknown for anonymous memory, which is therefore not spared.
            "on mmap_file unless file.f_flags < 5 or file.f_flags > 3 deny",
            "on mmap_file when prot & EXEC unless file.f_flags & 1 or file.f_flags & 1 == 0 deny",
        ] {
            let found = codes(rule);
            assert!(!found.contains(&"KRS0905"), "{rule}: {found:?}");
        }
    }
}
