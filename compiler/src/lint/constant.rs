//! A comparison, or several joined by `and` or `or`, with a constant result.
//!
//! ```text
//! on file_open when task.uid != 0 or task.uid != 1000 deny      # every uid is one or the other
//! ```

use crate::analysis::satisfiability::{self, Answer, Literal};
use crate::diag::{Diagnostic, code};
use crate::hir::{Cond, Policy, Rule};

use super::{atoms, inside, within};

/// Checks the conditions of the rules for which `skip` is false.
pub(super) fn run(policy: &Policy, skip: &dyn Fn(usize) -> bool, found: &mut Vec<Diagnostic>) {
    for (index, rule) in policy.rules.iter().enumerate() {
        if skip(index) {
            continue;
        }
        for cond in rule.when.iter().chain(&rule.unless) {
            visit(rule, cond, found);
        }
    }
}

/// Checks a condition, operands first. Returns whether something was found, in which case enclosing conditions
/// are skipped.
fn visit(rule: &Rule, cond: &Cond, found: &mut Vec<Diagnostic>) -> bool {
    let below = match cond {
        Cond::Const(_) => return false,
        Cond::Atom(_) => false,
        Cond::Not(inner) => return visit(rule, inner, found),
        Cond::And(left, right) | Cond::Or(left, right) => {
            let left = visit(rule, left, found);
            visit(rule, right, found) || left
        }
    };
    if below {
        return true;
    }
    // A definition can be constant for some arguments without being wrong.
    let mut own = true;
    atoms(cond, &mut |atom| own &= inside(rule, atom.span));
    if !own {
        return false;
    }
    let never = |answer| match cond {
        Cond::Atom(atom) => satisfiability::conflict(&[Literal { atom, answer }]).is_some(),
        _ => satisfiability::disjuncts(cond, answer)
            .is_some_and(|ways| ways.iter().all(|way| satisfiability::conflict(way).is_some())),
    };
    let always = match cond {
        // If `x and y` is always true, so are `x` and `y`, which have been reported.
        Cond::And(..) => never(Answer::True).then_some(false),
        Cond::Or(..) => never(Answer::False).then_some(true),
        _ if never(Answer::True) => Some(false),
        _ => never(Answer::False).then_some(true),
    };
    let Some(always) = always else {
        return false;
    };
    let what = if matches!(cond, Cond::Atom(_)) { "comparison" } else { "condition" };
    let (known, label) = if satisfiability::answered(cond) {
        ("", "for every value")
    } else {
        (" unless it is unknown", "tests only whether the value can be read")
    };
    let warning =
        Diagnostic::warning(code::ALWAYS_TRUE, within(rule, cond), format!("this {what} is always {always}{known}"))
            .label(label);
    found.push(match cond {
        Cond::And(..) => warning.help("if one of them is enough, write `or` between them"),
        Cond::Or(..) => warning.help("if both must hold, write `and` between them"),
        _ => warning.help("remove it, or compare with another value"),
    });
    true
}

#[cfg(test)]
mod tests {
    use super::super::testing::codes;

    #[test]
    fn constant_conditions_are_found() {
        for when in [
            "task.uid != 0 or task.uid != 1000",
            "task.gid == 1 or (task.uid == 0 and task.uid == 1)",
            "task.uid < 10 or task.uid > 5",
            "file.f_flags & 4 == 5 or task.uid == 0",
            "file.f_flags % 4 < 4",
            "not (task.uid == 0 and task.uid == 1) and task.gid == 3",
            "(file.f_flags & 3) <= 3",
            "task.comm != \"a\" or task.comm != \"b\"",
        ] {
            assert_eq!(codes(&format!("on file_open when {when} deny")), ["KRS0901"], "{when}");
        }
    }

    #[test]
    fn variable_conditions_are_left_alone() {
        for when in [
            "task.uid == 0 or task.uid == 1000",
            "task.uid < 5 or task.uid > 5",
            "file.f_flags & 3 < 3",
            "file.f_flags % 4 < 3",
            "(file.f_flags as u8) != 0",
            "file.f_flags & 4 or file.f_flags & 8 == 0",
        ] {
            let found = codes(&format!("on file_open when {when} deny"));
            assert!(found.is_empty(), "{when}: {found:?}");
        }
    }

    #[test]
    fn definitions_may_be_constant_for_some_arguments() {
        assert!(
            codes(
                "def small(a: u32, b: u32): bool = a < 10 or b > 5\non file_open when small(task.uid, task.uid) deny"
            )
            .is_empty()
        );
    }
}
