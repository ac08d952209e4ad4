//! What the compiler has to say to the author of a policy, as data.
//!
//! ```text
//! error[KRS0203]: no field `vm_fil` in `vm_area_struct`
//!   --> policy.krs:1:24
//!   help: did you mean `vm_file`?
//! ```
//!
//! Invariants: a diagnostic has a code and a primary span. Messages are lower case, without a final
//! period; what the user wrote stands in backticks.
//!
//! Absent: printing. `rich`, `plain` and `json` turn diagnostics into text, and only the command
//! writes it anywhere.

use krs_grammar::ast::Span;

pub mod code;
pub mod json;
pub mod pages;
pub mod plain;
pub mod rich;

pub use code::Code;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The policy cannot be built.
    Error,
    /// It can, and probably should not.
    Warning,
}

/// A place with words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there; may be empty on the primary label.
    pub text: String,
}

/// One mistake or doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// Its kind; `krsic explain` has a page for it.
    pub code: Code,
    /// What is wrong, in one line.
    pub message: String,
    /// The smallest span that is wrong.
    pub primary: Label,
    /// Other places that explain it.
    pub secondary: Vec<Label>,
    /// Facts, each a line.
    pub notes: Vec<String>,
    /// What to do next.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error.
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

    /// A warning.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, span, message) }
    }

    /// Words at the primary span.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Diagnostic {
        self.primary.text = text.into();
        self
    }

    /// Another place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// A fact.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Diagnostic {
        self.notes.push(text.into());
        self
    }

    /// A next step.
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
