//! The front end, tested through text: policies in, diagnostics and the printed typed policy out.
//!
//! ```text
//! on file_open when 500 < task.uid deny        the condition `(> task.uid 500)`
//! on file_open when (task.uid as u8) > 255 deny   KRS0901
//! ```
//!
//! Wanted values are written by hand from the language reference and the kernel's sources. Each file holds the tables of one
//! subject: `types` for operators and constants, `names`, `kernels`, `sets`, `actions`, `labels`, `lints`, `object` for the
//! tables of the ELF file, `command` for the process.
//!
//! Absent: what a policy does to an operation, which the tests of meaning show.

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

/// An embedded kernel by its name.
pub fn embedded(name: &str) -> &'static Kernel {
    let found = kernel::embedded().iter().find(|kernel| kernel.name == name);
    found.unwrap_or_else(|| panic!("no embedded kernel {name}"))
}

/// The typed policy as text, for a kernel, with everything that is said about it.
pub fn typed_on(kernel: &str, text: &str) -> Outcome<String> {
    let files = [Source { name: "policy.krs".into(), text: text.into() }];
    krsic::emit(&files, &Options { target: Some(embedded(kernel)), ..Options::default() }, Stage::Hir)
}

/// The codes that a policy gets on 6.12, in the order of their places.
pub fn codes(text: &str) -> Vec<&'static str> {
    codes_on("6.12", text)
}

/// The codes that a policy gets on a kernel, in the order of their places.
pub fn codes_on(kernel: &str, text: &str) -> Vec<&'static str> {
    typed_on(kernel, text).diagnostics.iter().map(|diagnostic| diagnostic.code.0).collect()
}

/// For each line of a policy, the codes that it gets on 6.12.
pub fn codes_by_line(lines: &[String]) -> Vec<BTreeSet<&'static str>> {
    let outcome = typed_on("6.12", &lines.join("\n"));
    let mut found = vec![BTreeSet::new(); lines.len()];
    for diagnostic in &outcome.diagnostics {
        let (line, _) = outcome.sources.position(diagnostic.primary.span);
        found[line as usize - 1].insert(diagnostic.code.0);
    }
    found
}

/// Codes, messages and the text at their places.
pub fn said(text: &str) -> Vec<(&'static str, String, String)> {
    let outcome = typed_on("6.12", text);
    let place = |of: &krsic::diag::Diagnostic| outcome.sources.text(of.primary.span).to_owned();
    outcome.diagnostics.iter().map(|of| (of.code.0, of.message.clone(), place(of))).collect()
}

/// The typed form of a policy without errors.
pub fn typed(text: &str) -> String {
    let outcome = typed_on("6.12", text);
    let wrong: Vec<_> = outcome.diagnostics.iter().map(|of| (of.code.0, &of.message)).collect();
    outcome.value.unwrap_or_else(|| panic!("{text}: {wrong:?}"))
}

/// The typed form of a condition of a rule.
pub fn condition_on(hook: &str, when: &str) -> String {
    let text = typed(&format!("on {hook} when {when} deny"));
    let line = text.lines().find_map(|line| line.strip_prefix("  when "));
    line.unwrap_or_else(|| panic!("{when}: {text}")).to_owned()
}

/// The typed form of a condition on `file_open`.
pub fn condition(when: &str) -> String {
    condition_on("file_open", when)
}

/// Compares rows with what was found, and shows all that differ.
pub fn compare<T: PartialEq + std::fmt::Debug>(rows: impl IntoIterator<Item = (String, T, T)>) {
    let wrong: Vec<String> = rows
        .into_iter()
        .filter(|(_, found, wanted)| found != wanted)
        .map(|(row, found, wanted)| format!("{row}\n    found  {found:?}\n    wanted {wanted:?}"))
        .collect();
    assert!(wrong.is_empty(), "{} rows differ\n{}", wrong.len(), wrong.join("\n"));
}
