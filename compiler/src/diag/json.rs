//! Diagnostics in machine-readable form: one JSON object per line.
//!
//! ```text
//! {"severity":"error","code":"KRS0203","message":"...","spans":[{"file":"policy.krs","start":23,"end":27,
//!   "line":1,"column":24,"end_line":1,"end_column":28,"primary":true,"label":"..."}],"notes":[],"help":["..."],
//!   "rendered":"..."}
//! ```

use krs_grammar::ast::Span;
use serde::Serialize;

use super::{Diagnostic, Label, plain};
use crate::source::Sources;

#[derive(Serialize)]
struct Message<'a> {
    severity: &'static str,
    code: &'static str,
    message: &'a str,
    spans: Vec<LabelledSpan<'a>>,
    notes: &'a [String],
    help: &'a [String],
    rendered: String,
}

/// A labelled span. `start` and `end` are byte offsets; lines and columns are counted from 1, columns in
/// characters.
#[derive(Serialize)]
struct LabelledSpan<'a> {
    file: &'a str,
    start: u32,
    end: u32,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    primary: bool,
    label: &'a str,
}

/// Formats diagnostics, one per line.
#[must_use]
pub fn print(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let place = |label: &'_ Label, primary| {
            let span = label.span;
            let (line, column) = sources.position(span);
            let (end_line, end_column) = sources.position(Span { start: span.end, ..span });
            (span, line, column, end_line, end_column, primary)
        };
        let spans = std::iter::once((&diagnostic.primary, true))
            .chain(diagnostic.secondary.iter().map(|label| (label, false)))
            .map(|(label, primary)| {
                let (span, line, column, end_line, end_column, primary) = place(label, primary);
                LabelledSpan {
                    file: sources.name(span.file),
                    start: span.start,
                    end: span.end,
                    line,
                    column,
                    end_line,
                    end_column,
                    primary,
                    label: &label.text,
                }
            })
            .collect();
        let message = Message {
            severity: plain::severity(diagnostic.severity),
            code: diagnostic.code.0,
            message: &diagnostic.message,
            spans,
            notes: &diagnostic.notes,
            help: &diagnostic.help,
            rendered: plain::print(std::slice::from_ref(diagnostic), sources),
        };
        // Strings and numbers can always be serialized.
        out.push_str(&serde_json::to_string(&message).unwrap_or_default());
        out.push('\n');
    }
    out
}
