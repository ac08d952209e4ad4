//! Which warnings are shown, and which count as errors.
//!
//! `-A unused-item -D warnings` hides one kind and refuses policies with any other.
//!
//! Invariant: what names one warning counts more than what names all.

use crate::diag::code::WARNINGS;
use crate::diag::{Code, Diagnostic, Severity};

/// What becomes of a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It is not shown.
    Allow,
    /// It is an error.
    Deny,
}

/// What becomes of all warnings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    all: Option<Level>,
    each: Vec<(Code, Level)>,
}

impl Levels {
    /// Sets the level of one warning, named by its code or its name, or of all by `warnings`.
    ///
    /// # Errors
    /// A message where there is no such warning, or where its level has been set otherwise.
    pub fn set(&mut self, name: &str, level: Level) -> Result<(), String> {
        if name == "warnings" {
            return match self.all.replace(level) {
                Some(other) if other != level => Err("`warnings` are both allowed and denied".to_owned()),
                _ => Ok(()),
            };
        }
        let Some(code) = find(name) else {
            return Err(format!("there is no warning `{name}`"));
        };
        if self.each.iter().any(|(known, other)| *known == code && *other != level) {
            return Err(format!("`{name}` is both allowed and denied"));
        }
        self.each.push((code, level));
        Ok(())
    }

    /// Leaves out what is allowed and makes errors of what is denied.
    pub fn apply(&self, diagnostics: &mut Vec<Diagnostic>) {
        diagnostics.retain_mut(|diagnostic| {
            if diagnostic.severity == Severity::Error {
                return true;
            }
            let own = self.each.iter().find(|(code, _)| *code == diagnostic.code);
            match own.map(|(_, level)| *level).or(self.all) {
                None => true,
                Some(Level::Allow) => false,
                Some(Level::Deny) => {
                    diagnostic.severity = Severity::Error;
                    let name = name(diagnostic.code).unwrap_or("warnings");
                    let by = if own.is_some() { name } else { "warnings" };
                    diagnostic.notes.push(format!("a warning that `--deny {by}` makes an error"));
                    true
                }
            }
        });
    }
}

/// The warning that is called so: `KRS0904`, `krs904`, `unused-item`, `unused_item`.
#[must_use]
pub fn find(name: &str) -> Option<Code> {
    let dashed = name.to_ascii_lowercase().replace('_', "-");
    let digits = dashed.strip_prefix("krs").unwrap_or(&dashed);
    WARNINGS
        .iter()
        .find(|(code, known)| *known == dashed || format!("{digits:0>4}") == code.0.trim_start_matches("KRS"))
        .map(|(code, _)| *code)
}

/// How a warning is called.
#[must_use]
pub fn name(code: Code) -> Option<&'static str> {
    WARNINGS.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::code::CODES;

    #[test]
    fn every_warning_has_a_name() {
        for (code, title) in CODES.iter().filter(|(code, _)| code.0.starts_with("KRS09")) {
            assert!(name(*code).is_some(), "{code}: {title}");
        }
        assert!(WARNINGS.iter().all(|(code, name)| find(name) == Some(*code) && find(code.0) == Some(*code)));
    }

    #[test]
    fn one_counts_more_than_all() {
        let warn = |code| Diagnostic::warning(code, krs_grammar::ast::Span::default(), "");
        let [(first, name), (second, _), ..] = WARNINGS else {
            unreachable!("there are several warnings");
        };
        let mut levels = Levels::default();
        levels.set("warnings", Level::Deny).unwrap();
        levels.set(name, Level::Allow).unwrap();
        let mut diagnostics = vec![warn(*first), warn(*second)];
        levels.apply(&mut diagnostics);
        assert_eq!(diagnostics.len(), 1);
        assert_eq!((diagnostics[0].code, diagnostics[0].severity), (*second, Severity::Error));
        assert!(levels.set(name, Level::Deny).is_err());
        assert!(levels.set("nothing", Level::Deny).is_err());
    }
}
