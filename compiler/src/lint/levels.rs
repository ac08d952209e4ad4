//! Levels of warnings: allowed (not shown), shown, or denied (an error).
//!
//! `-A unused-item -D warnings` hides one warning and turns all others into errors.
//!
//! Invariant: the level of a named warning takes precedence over that of `warnings`.

use krs_grammar::ast::{self, ExprKind, ItemKind, Span};

use crate::diag::code::{warning, warning_name};
use crate::diag::{Code, Diagnostic, Severity};

/// Level of a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The warning is not shown.
    Allow,
    /// The warning is an error.
    Deny,
}

/// Levels of all warnings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    all: Option<Level>,
    each: Vec<(Code, Level)>,
}

impl Levels {
    /// Sets the level of a warning, given by its code or its name, or of all `warnings`.
    ///
    /// # Errors
    /// Returns a message if the warning does not exist, or if it has been set to the other level.
    pub fn set(&mut self, name: &str, level: Level) -> Result<(), String> {
        if name == "warnings" {
            return match self.all.replace(level) {
                Some(other) if other != level => Err("`warnings` are both allowed and denied".to_owned()),
                _ => Ok(()),
            };
        }
        let Some(code) = warning(name) else {
            return Err(format!("unknown warning `{name}`"));
        };
        if self.each.iter().any(|(known, other)| *known == code && *other != level) {
            return Err(format!("`{name}` is both allowed and denied"));
        }
        self.each.push((code, level));
        Ok(())
    }

    /// Drops allowed warnings and turns denied ones into errors.
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
                    let name = warning_name(diagnostic.code).unwrap_or("warnings");
                    let by = if own.is_some() { name } else { "warnings" };
                    diagnostic.notes.push(format!("`--deny {by}` turns this warning into an error"));
                    true
                }
            }
        });
    }
}

/// Drops warnings that a rule allows by its attribute: `@allow(never_matches) on ...`.
pub fn allow_in_place(own: &[ast::File], diagnostics: &mut Vec<Diagnostic>) {
    let mut allowed: Vec<(Span, Code)> = Vec::new();
    for file in own {
        collect(&file.items, &mut allowed);
    }
    diagnostics.retain(|diagnostic| {
        let span = diagnostic.primary.span;
        diagnostic.severity == Severity::Error
            || !allowed.iter().any(|(rule, code)| {
                *code == diagnostic.code && rule.file == span.file && rule.start <= span.start && span.end <= rule.end
            })
    });
}

fn collect(items: &[ast::Item], allowed: &mut Vec<(Span, Code)>) {
    for item in items {
        match &item.kind {
            ItemKind::Where(block) => collect(&block.items, allowed),
            ItemKind::Rule(rule) => {
                for attribute in rule.attributes.iter().filter(|attribute| attribute.name.name == "allow") {
                    let codes = attribute.args.iter().filter_map(|arg| match &arg.kind {
                        ExprKind::Name(name) => warning(name),
                        _ => None,
                    });
                    allowed.extend(codes.map(|code| (item.span, code)));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::code::{CODES, WARNINGS};

    #[test]
    fn the_reference_lists_every_warning() {
        let reference = include_str!("../../../docs/language.md");
        for (code, name) in WARNINGS {
            let title = CODES.iter().find(|(known, _)| known == code).map_or("", |(_, title)| title);
            let row = format!("| `{name}` | {code} | {title} |");
            assert!(reference.contains(&row), "docs/language.md lacks {row}");
        }
    }

    #[test]
    fn every_warning_has_a_name() {
        for (code, title) in CODES.iter().filter(|(code, _)| code.0.starts_with("KRS09")) {
            assert!(warning_name(*code).is_some(), "{code}: {title}");
        }
        assert!(WARNINGS.iter().all(|(code, name)| warning(name) == Some(*code) && warning(code.0) == Some(*code)));
    }

    #[test]
    fn a_rule_can_allow_a_warning() {
        use super::super::testing::codes;
        let dead = "on file_open when task.uid == 0 and task.uid == 1 deny";
        assert!(codes(&format!("@allow(never_matches) {dead}")).is_empty());
        assert_eq!(codes(&format!("@allow(exempts_all, KRS0901) {dead}")), ["KRS0902"]);
        assert_eq!(codes(&format!("@allow(never_matches) on file_ioctl deny\n{dead}\non task_kill deny")).len(), 1);
        assert_eq!(codes("@allow(nothing) on file_open deny"), ["KRS0109"]);
        assert_eq!(codes("@allow on file_open deny"), ["KRS0109"]);
    }

    #[test]
    fn a_named_warning_takes_precedence_over_all() {
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
