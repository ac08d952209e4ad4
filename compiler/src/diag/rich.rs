//! Diagnostics for a terminal, with source excerpts and colour (by ariadne).

use ariadne::{Color, Config, IndexType, Label as Mark, Report, ReportKind};

use super::{Diagnostic, Severity};
use crate::source::Sources;

/// Formats diagnostics with source excerpts, optionally in colour.
#[must_use]
pub fn print(diagnostics: &[Diagnostic], sources: &Sources, color: bool) -> String {
    let mut cache = ariadne::sources(sources.iter().map(|(_, source)| (source.name.clone(), source.text.as_str())));
    let mut out = Vec::new();
    for diagnostic in diagnostics {
        let (kind, mark) = match diagnostic.severity {
            Severity::Error => (ReportKind::Error, Color::Red),
            Severity::Warning => (ReportKind::Warning, Color::Yellow),
        };
        let place =
            |span: krs_grammar::ast::Span| (sources.name(span.file).to_owned(), span.start as usize..span.end as usize);
        let config = Config::default().with_color(color).with_index_type(IndexType::Byte);
        let text = if diagnostic.primary.text.is_empty() { "here" } else { &diagnostic.primary.text };
        let mut report = Report::build(kind, place(diagnostic.primary.span))
            .with_config(config)
            .with_code(diagnostic.code)
            .with_message(&diagnostic.message)
            .with_label(Mark::new(place(diagnostic.primary.span)).with_message(text).with_color(mark))
            .with_labels(
                diagnostic
                    .secondary
                    .iter()
                    .map(|label| Mark::new(place(label.span)).with_message(&label.text).with_color(Color::Blue)),
            );
        report.with_notes(&diagnostic.notes);
        report.with_helps(&diagnostic.help);
        if report.finish().write(&mut cache, &mut out).is_err() {
            out.extend(super::plain::short(std::slice::from_ref(diagnostic), sources).into_bytes());
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
