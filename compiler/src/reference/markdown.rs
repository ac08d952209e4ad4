//! The reference of all hooks as a page of Markdown: `docs/hooks.md`, and `krsic hooks --format markdown`.

use std::fmt::Write;

use super::{Acts, HookPage, span_of};
use crate::kernel::NAMES;

/// What stands above the hooks.
const HEAD: &str = "# The hooks

A rule stands on a hook: a place where the kernel asks its security modules before it does something, or tells them
afterwards. This page has every hook that a policy can have rules on, on any of the kernels that `krsic` knows. It is
made of the standard library and of those kernels' own types by `krsic hooks --format markdown`; `krsic hooks NAME`
prints one of them, for the kernel that runs.

**Kernels** are those of 5.10, 6.1, 6.12, 6.18 and 7.2 on which a rule can be on the hook. `?` behind an argument says
that it may be null. What rules can do: `deny` refuses, `watch` hooks have no result, `answer` hooks only answer the kernel
yes or no; all can `audit`. Of several policies on a hook the newest runs first, and the first denial ends it: those loaded
before, and modules behind `bpf`, do not see what was denied.
";

/// The page.
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
            let made_of = value.made_of.as_deref().unwrap_or_default();
            let _ = writeln!(out, "- `{}`: `{}`, made of `{made_of}`{doc}", value.name, value.ty);
        }
    }
}

/// `on 6.12+`, with what an argument lacks.
fn kernels(hook: &HookPage) -> String {
    let mut text = format!("on {}", span_of(&hook.usable_on()));
    let missing = hook.parameters.iter().filter(|parameter| !parameter.missing_on.is_empty());
    for parameter in missing {
        let _ = write!(text, " · no `{}` on {}", parameter.name, parameter.missing_on.join(", "));
    }
    text
}

/// A text in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Breaks a line that is too long behind `at`.
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

/// How many of the hooks can deny, and how many there are on each kernel.
#[must_use]
pub fn counts(hooks: &[HookPage]) -> String {
    let deny = hooks.iter().filter(|hook| hook.acts == Acts::Deny).count();
    let on = NAMES.map(|name| {
        let count = hooks.iter().filter(|hook| hook.usable_on().iter().any(|known| known == name)).count();
        format!("{count} on {name}")
    });
    format!("{} hooks, {deny} of which can deny: {}", hooks.len(), on.join(", "))
}
