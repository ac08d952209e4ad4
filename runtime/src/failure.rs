//! Why a command did not do what it was asked, and what to do about it.

use std::fmt;

/// The policy or the kernel is at fault.
pub const REFUSED: u8 = 1;
/// The command line, a file or the machine is at fault.
pub const USAGE: u8 = 2;

/// An error for people.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong, without a period.
    pub message: String,
    /// Facts, each a line.
    pub notes: Vec<String>,
    /// What to do next.
    pub help: Vec<String>,
    /// The exit code.
    pub code: u8,
}

impl Failure {
    /// The command line, a file or the machine is at fault.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), notes: Vec::new(), help: Vec::new(), code: USAGE }
    }

    /// The policy or the kernel is at fault.
    pub fn refused(message: impl Into<String>) -> Failure {
        Failure { code: REFUSED, ..Failure::usage(message) }
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Failure {
        self.notes.push(text.into());
        self
    }

    /// Adds a next step.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Failure {
        self.help.push(text.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        for help in &self.help {
            writeln!(f, "  help: {help}")?;
        }
        Ok(())
    }
}

/// An input or output error on a path.
pub fn at(path: &std::path::Path, what: &str, error: impl fmt::Display) -> Failure {
    Failure::usage(format!("`{}` cannot be {what}: {error}", path.display()))
}
