//! A label that is set and never tested, or tested and never set.
//!
//! ```text
//! label tainted on task
//! on socket_connect when task is tainted deny
//! ```
//!
//! `unused` reports labels that are not mentioned at all. A name that begins with `_` is kept on purpose.

use crate::diag::{Diagnostic, code};
use crate::hir::walk::{each_in_cond, each_in_value};
use crate::hir::{AtomKind, Object, Policy};

pub(super) fn run(policy: &Policy, found: &mut Vec<Diagnostic>) {
    if policy.labels.is_empty() {
        return;
    }
    let mut tested = vec![false; policy.labels.len()];
    let mut set = tested.clone();
    let mut cleared = tested.clone();
    for rule in &policy.rules {
        let mut atoms = Vec::new();
        rule.when.iter().chain(&rule.unless).for_each(|cond| each_in_cond(cond, &mut |atom| atoms.push(atom)));
        let fields = rule.audit.iter().flat_map(|audit| &audit.fields);
        fields.for_each(|field| each_in_value(&field.value, &mut |atom| atoms.push(atom)));
        while let Some(atom) = atoms.pop() {
            match &atom.kind {
                AtomKind::Label { label, .. } => tested[label.index()] = true,
                AtomKind::AnyAncestor { cond, .. } => each_in_cond(cond, &mut |atom| atoms.push(atom)),
                _ => {}
            }
        }
        for mark in &rule.marks {
            let done = if mark.set { &mut set } else { &mut cleared };
            done[mark.label.index()] = true;
        }
    }
    for (at, label) in policy.labels.iter().enumerate().filter(|(_, label)| !label.name.starts_with('_')) {
        let name = &label.name;
        let (object, example) = match label.on {
            Object::Task => ("task", ""),
            Object::Inode => ("file.inode", " on file.inode"),
            Object::Socket => ("sock.sk", " on sock.sk"),
        };
        let warning = |message: String| Diagnostic::warning(code::UNUSED_ITEM, label.span, message);
        if !set[at] && (tested[at] || cleared[at]) {
            found.push(
                warning(format!("the label `{name}` is never set"))
                    .label("nothing has this label")
                    .help(format!("set it in a rule: `mark {name}{example}`")),
            );
        } else if !tested[at] && set[at] {
            found.push(
                warning(format!("the label `{name}` is never tested"))
                    .label("no rule depends on it")
                    .help(format!("test it in a rule (`{object} is {name}`), or remove it")),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::codes;

    #[test]
    fn labels_without_effect_are_found() {
        for rules in [
            "on socket_connect when task is tainted deny",
            "on file_open when file.name == \"x\" mark tainted",
            "on file_open when file.name == \"x\" unmark tainted",
            "",
        ] {
            assert_eq!(
                codes(&format!("label tainted on task\n{rules}\nx: on file_lock audit")),
                ["KRS0904"],
                "{rules}"
            );
            assert!(
                codes(&format!("label _kept on task\n{}\nx: on file_lock audit", rules.replace("tainted", "_kept")))
                    .is_empty()
            );
        }
        assert!(
            codes("label t on task\non file_open when file.name == \"x\" mark t audit { was = task is t }").is_empty()
        );
    }
}
