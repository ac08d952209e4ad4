//! Tests of the front end as text: policies in, diagnostics and the printed HIR out.
//!
//! ```text
//! on file_open when 500 < task.uid deny        the condition `(> task.uid 500)`
//! on file_open when (task.uid as u8) > 255 deny   KRS0901
//! ```
//!
//! Expected values are written by hand from the language reference and the kernel's sources. Each file contains
//! the tables of one subject: `types` for operators and constants, `names`, `kernels`, `sets`, `texts`,
//! `actions`, `labels`, `lints`, `btf`, `object` for the tables of the ELF file, `command` for the process.
//!
//! Absent: the effect of a policy on operations, which the tests of meaning cover.

use std::collections::BTreeSet;

use krsic::kernel::Kernel;
use krsic::{Options, Outcome, Source, Stage, kernel};

mod actions;
mod btf;
mod command;
mod kernels;
mod labels;
mod lints;
mod names;
mod object;
mod sets;
mod texts;
mod types;

/// Returns an embedded kernel by name.
pub fn embedded(name: &str) -> &'static Kernel {
    let found = kernel::embedded().iter().find(|kernel| kernel.name == name);
    found.unwrap_or_else(|| panic!("no embedded kernel {name}"))
}

/// Checks a policy for a kernel; the result is the printed HIR and all diagnostics.
pub fn typed_on(kernel: &str, text: &str) -> Outcome<String> {
    let files = [Source { name: "policy.krs".into(), text: text.into() }];
    krsic::emit(&files, &Options { target: Some(embedded(kernel)), ..Options::default() }, Stage::Hir)
}

/// The codes of a policy's diagnostics on 6.12, in source order.
pub fn codes(text: &str) -> Vec<&'static str> {
    codes_on("6.12", text)
}

/// The codes of a policy's diagnostics on a kernel, in source order.
pub fn codes_on(kernel: &str, text: &str) -> Vec<&'static str> {
    typed_on(kernel, text).diagnostics.iter().map(|diagnostic| diagnostic.code.0).collect()
}

/// The codes of the diagnostics in each line of a policy, on 6.12.
pub fn codes_by_line(lines: &[String]) -> Vec<BTreeSet<&'static str>> {
    let outcome = typed_on("6.12", &lines.join("\n"));
    let mut found = vec![BTreeSet::new(); lines.len()];
    for diagnostic in &outcome.diagnostics {
        let (line, _) = outcome.sources.position(diagnostic.primary.span);
        found[line as usize - 1].insert(diagnostic.code.0);
    }
    found
}

/// Codes, messages and labelled text of a policy's diagnostics.
pub fn messages(text: &str) -> Vec<(&'static str, String, String)> {
    let outcome = typed_on("6.12", text);
    let place = |of: &krsic::diag::Diagnostic| outcome.sources.text(of.primary.span).to_owned();
    outcome.diagnostics.iter().map(|of| (of.code.0, of.message.clone(), place(of))).collect()
}

/// The printed HIR of a valid policy.
pub fn typed(text: &str) -> String {
    let outcome = typed_on("6.12", text);
    let wrong: Vec<_> = outcome.diagnostics.iter().map(|of| (of.code.0, &of.message)).collect();
    outcome.value.unwrap_or_else(|| panic!("{text}: {wrong:?}"))
}

/// The printed HIR of a condition in a rule on `hook`.
pub fn condition_on(hook: &str, when: &str) -> String {
    let text = typed(&format!("on {hook} when {when} deny"));
    let line = text.lines().find_map(|line| line.strip_prefix("  when "));
    line.unwrap_or_else(|| panic!("{when}: {text}")).to_owned()
}

/// The printed HIR of a condition in a rule on `file_open`.
pub fn condition(when: &str) -> String {
    condition_on("file_open", when)
}

/// Compares found with expected values and reports all rows that differ.
pub fn compare<T: PartialEq + std::fmt::Debug>(rows: impl IntoIterator<Item = (String, T, T)>) {
    let wrong: Vec<String> = rows
        .into_iter()
        .filter(|(_, found, wanted)| found != wanted)
        .map(|(row, found, wanted)| format!("{row}\n    found  {found:?}\n    expected {wanted:?}"))
        .collect();
    assert!(wrong.is_empty(), "{} rows differ\n{}", wrong.len(), wrong.join("\n"));
}
