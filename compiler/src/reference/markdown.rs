//! The reference of all hooks as a Markdown page: `docs/hooks.md`, and `krsic hooks --format markdown`.

use std::fmt::Write;

use super::{Acts, HookPage, span_of};
use crate::kernel::NAMES;

/// The introduction of the page.
const HEAD: &str = "# The hooks

A rule is attached to a hook: a place where the kernel consults its security modules before an operation, or notifies
them afterwards. This page lists every hook that policies can use on any of the kernels that `krsic` knows. It is
generated from the standard library and the types of those kernels by `krsic hooks --format markdown`; `krsic hooks
NAME` prints a single hook.

**Kernels** are those of 5.10, 6.1, 6.12, 6.18 and 7.2 on which rules can use the hook. `?` after an argument means
that it may be null. Rules on a `deny` hook can refuse the operation; an `observe` hook has no result, and an `answer`
hook only returns a Boolean to the kernel; rules on every hook can `audit`. Of several policies on a hook the newest
runs first, and the first denial ends the hook: policies loaded earlier, and security modules after `bpf`, do not see
the operation.
";

/// Formats the page of these hooks.
#[must_use]
pub fn page(hooks: &[HookPage]) -> String {
    let mut files: Vec<&str> = hooks.iter().filter_map(|hook| hook.file.as_deref()).collect();
    files.sort_unstable();
    files.dedup();
    let mut out = HEAD.to_owned();
    for file in files {
        let _ = write!(out, "\n## {file}\n\n| hook | | kernels | |\n| --- | --- | --- | --- |\n");
        let here = || hooks.iter().filter(|hook| hook.file.as_deref() == Some(file));
        for hook in here() {
            let summary = cell(&hook.summary);
            let _ = writeln!(
                out,
                "| [`{name}`](#{name}) | {acts} | {on} | {summary} |",
                name = hook.name,
                acts = hook.acts.name(),
                on = span_of(&hook.usable_on())
            );
        }
        for hook in here() {
            self::hook(&mut out, hook);
        }
    }
    out
}

fn hook(out: &mut String, hook: &HookPage) {
    let _ = write!(out, "\n### {}\n\n```\n{}\n```\n\n", hook.name, wrap(&hook.signature(), 4, ", "));
    let _ = writeln!(out, "{}", hook.doc.trim_end());
    let mut facts = vec![format!("{} · {}", hook.acts.name(), kernels(hook))];
    if hook.sleepable {
        facts.push("may sleep".to_owned());
    }
    if hook.task_unrelated.is_some() {
        facts.push("`task` is unrelated".to_owned());
    }
    if !hook.aliases.is_empty() {
        facts.push(format!(
            "also called {}",
            hook.aliases.iter().map(|a| format!("`{a}`")).collect::<Vec<_>>().join(", ")
        ));
    }
    let _ = writeln!(out, "\n{}", facts.join(" · "));
    if !hook.values.is_empty() {
        out.push('\n');
        for value in &hook.values {
            let doc = if value.doc.is_empty() { String::new() } else { format!(": {}", value.doc) };
            let expands_to = value.expands_to.as_deref().unwrap_or_default();
            let _ = writeln!(out, "- `{}`: `{}`, defined as `{expands_to}`{doc}", value.name, value.ty);
        }
    }
}

/// Formats the kernels of a hook, with the arguments that some lack: `on 6.12+`.
fn kernels(hook: &HookPage) -> String {
    let mut text = format!("on {}", span_of(&hook.usable_on()));
    let missing = hook.parameters.iter().filter(|parameter| !parameter.missing_on.is_empty());
    for parameter in missing {
        let _ = write!(text, " · no `{}` on {}", parameter.name, parameter.missing_on.join(", "));
    }
    text
}

/// Escapes a text for a table cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Wraps a long line after occurrences of `at`.
#[must_use]
pub fn wrap(text: &str, indent: usize, at: &str) -> String {
    const COLUMNS: usize = 100;
    let mut lines: Vec<String> = vec![String::new()];
    for part in text.split_inclusive(at) {
        let last = lines.last().map_or(0, String::len);
        if last > 0 && last + part.trim_end().len() > COLUMNS {
            lines.push(" ".repeat(indent));
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(part);
        }
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

/// Describes how many hooks can deny, and how many each kernel has.
#[must_use]
pub fn counts(hooks: &[HookPage]) -> String {
    let deny = hooks.iter().filter(|hook| hook.acts == Acts::Deny).count();
    let on = NAMES.map(|name| {
        let count = hooks.iter().filter(|hook| hook.usable_on().iter().any(|known| known == name)).count();
        format!("{count} on {name}")
    });
    format!("{} hooks, {deny} of which can deny: {}", hooks.len(), on.join(", "))
}
