//! Diagnostics as stable text without colour (by codespan-reporting), for pipes, logs and golden files; and in
//! one line each, for editors that parse compiler output.

use codespan_reporting::diagnostic::{Diagnostic as Report, Label as Mark};
use codespan_reporting::files::SimpleFiles;
use codespan_reporting::term;

use super::{Diagnostic, Label, Severity};
use crate::source::Sources;

/// Formats diagnostics with excerpts of the source.
#[must_use]
pub fn print(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let mut files = SimpleFiles::new();
    for (_, source) in sources.iter() {
        files.add(source.name.as_str(), source.text.as_str());
    }
    let config = term::Config { chars: term::Chars::ascii(), ..term::Config::default() };
    let mut out = String::new();
    for diagnostic in diagnostics {
        let mark = |label: &Label, mark: fn(usize, std::ops::Range<usize>) -> Mark<usize>| {
            let span = label.span;
            mark(usize::from(span.file.0), span.start as usize..span.end as usize).with_message(&label.text)
        };
        let report = match diagnostic.severity {
            Severity::Error => Report::error(),
            Severity::Warning => Report::warning(),
        };
        let notes = diagnostic.notes.iter().map(|note| format!("note: {note}"));
        let help = diagnostic.help.iter().map(|help| format!("help: {help}"));
        let report = report
            .with_code(diagnostic.code)
            .with_message(&diagnostic.message)
            .with_label(mark(&diagnostic.primary, Mark::primary))
            .with_labels_iter(diagnostic.secondary.iter().map(|label| mark(label, Mark::secondary)))
            .with_notes_iter(notes.chain(help));
        let before = out.len();
        if term::emit_to_string(&mut out, &config, &files, &report).is_err() {
            // A span outside of its file would be our bug; the message is still useful.
            out.truncate(before);
            out.push_str(&short(std::slice::from_ref(diagnostic), sources));
        }
    }
    out
}

/// Formats diagnostics in one line each: `policy.krs:1:24: error[KRS0203]: message; help`.
#[must_use]
pub fn short(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let span = diagnostic.primary.span;
        let (line, column) = sources.position(span);
        let severity = severity(diagnostic.severity);
        out.push_str(&format!(
            "{}:{line}:{column}: {severity}[{}]: {}",
            sources.name(span.file),
            diagnostic.code,
            diagnostic.message
        ));
        for help in &diagnostic.help {
            out.push_str("; ");
            out.push_str(help);
        }
        out.push('\n');
    }
    out
}

pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
