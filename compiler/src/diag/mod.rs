//! Diagnostics: errors and warnings about a policy, as data.
//!
//! ```text
//! error[KRS0203]: no field `vm_fil` in `vm_area_struct`
//!   --> policy.krs:1:24
//!   help: did you mean `vm_file`?
//! ```
//!
//! Invariants: a diagnostic has a code and a primary span. Messages are lower case, without a final period;
//! text of the user is in backticks.
//!
//! Absent: output. `rich`, `plain` and `json` convert diagnostics to text, and only [`crate::command`] prints
//! it.

use krs_grammar::ast::Span;

pub mod code;
pub mod json;
pub mod pages;
pub mod plain;
pub mod rich;

pub use code::Code;

/// The severity of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The policy cannot be compiled.
    Error,
    /// The policy is valid, but probably not as intended.
    Warning,
}

/// A span with an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The span that is underlined.
    pub span: Span,
    /// Explanation of the span; may be empty for the primary label.
    pub text: String,
}

/// An error or a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Severity, which lint levels can change.
    pub severity: Severity,
    /// Code, which `krsic explain` has a page about.
    pub code: Code,
    /// Description of the problem, in one line.
    pub message: String,
    /// The smallest span that is wrong.
    pub primary: Label,
    /// Other places that explain the problem.
    pub secondary: Vec<Label>,
    /// Additional facts, one line each.
    pub notes: Vec<String>,
    /// Suggested remedies, one line each.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// Creates an error without labels.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code,
            message: message.into(),
            primary: Label { span, text: String::new() },
            secondary: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Creates a warning without labels.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, span, message) }
    }

    /// Sets the label of the primary span.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Diagnostic {
        self.primary.text = text.into();
        self
    }

    /// Adds a label at another place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Adds a note with a fact.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Diagnostic {
        self.notes.push(text.into());
        self
    }

    /// Adds a help line with a remedy.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help.push(text.into());
        self
    }
}

impl From<krs_grammar::error::SyntaxError> for Diagnostic {
    fn from(error: krs_grammar::error::SyntaxError) -> Diagnostic {
        let secondary = error.related.into_iter().map(|(span, text)| Label { span, text }).collect();
        Diagnostic {
            secondary,
            help: error.help.into_iter().collect(),
            ..Diagnostic::error(Code(error.code), error.span, error.message).label(error.label)
        }
    }
}
