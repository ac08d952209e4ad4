//! Attributes of rules, and signals.
//!
//! ```text
//! @severity(high) @tag("T1055") @since("6.1") on userns_create kill SIGTERM
//! ```
//!
//! Absent: the effect of `@allow`, which [`lint::levels`](crate::lint::levels) applies.

use krs_grammar::ast::{self, ExprKind, Span};

use super::check::Checker;
use super::kernels;
use super::since::Since;
use super::suggest::{did_you_mean, list};
use super::{Attributes, HookId, Kill};
use crate::diag::{Diagnostic, code};

const KNOWN: [&str; 7] = ["allow", "doc", "id", "permissive", "severity", "since", "tag"];
const SEVERITIES: [&str; 4] = ["low", "medium", "high", "critical"];
/// The number of `SIGKILL`.
const KILL: i32 = 9;

/// The checked attributes of a rule.
pub(super) struct CheckedAttributes {
    pub(super) attributes: Attributes,
    pub(super) doc: Option<String>,
    pub(super) since: Option<Since>,
}

impl<'a> Checker<'a> {
    /// Checks the attributes of a rule.
    pub(super) fn attributes(&mut self, written: &'a [ast::Attribute]) -> CheckedAttributes {
        let mut made = Attributes::default();
        let mut since = None;
        let mut doc = None;
        let mut seen: Vec<&ast::Attribute> = Vec::new();
        for attribute in written {
            let name = attribute.name.name.as_str();
            if let Some(first) = seen.iter().find(|known| known.name.name == name && name != "tag" && name != "allow") {
                self.report(
                    Diagnostic::error(
                        code::INVALID_ATTRIBUTE,
                        attribute.span,
                        format!("duplicate attribute `@{name}`"),
                    )
                    .label("second occurrence")
                    .also(first.span, "first occurrence")
                    .help("remove one of them"),
                );
                continue;
            }
            seen.push(attribute);
            match name {
                "severity" => made.severity = self.severity(attribute),
                "tag" => made.tags.extend(self.texts_of(attribute, usize::MAX)),
                "id" => made.id = self.texts_of(attribute, 1).pop(),
                "doc" => doc = self.texts_of(attribute, 1).pop(),
                "allow" => self.allow(attribute),
                "permissive" => {
                    if let Some(arg) = attribute.args.first() {
                        self.report(
                            Diagnostic::error(code::INVALID_ATTRIBUTE, arg.span, "`@permissive` takes no arguments")
                                .help("write `@permissive` alone"),
                        );
                    }
                    made.permissive = true;
                }
                "since" => since = self.since(attribute),
                _ => {
                    let error = Diagnostic::error(
                        code::UNKNOWN_ATTRIBUTE,
                        attribute.name.span,
                        format!("unknown attribute `@{name}`"),
                    )
                    .label("not found");
                    let error = match did_you_mean(name, KNOWN) {
                        Some(help) => error.help(help),
                        None => error.help(format!("attributes are {}", list(KNOWN, "and"))),
                    };
                    self.report(error);
                }
            }
        }
        CheckedAttributes { attributes: made, doc, since }
    }

    fn severity(&mut self, attribute: &'a ast::Attribute) -> Option<String> {
        let found = match attribute.args.as_slice() {
            [arg] => match &arg.kind {
                ExprKind::Name(name) if SEVERITIES.contains(&name.as_str()) => return Some(name.clone()),
                ExprKind::Name(name) => did_you_mean(name, SEVERITIES),
                _ => None,
            },
            _ => None,
        };
        let error = Diagnostic::error(code::INVALID_ATTRIBUTE, attribute.span, "`@severity` takes one of four levels");
        self.report(match found {
            Some(help) => error.help(help),
            None => error.help(format!("the levels are {}: `@severity(high)`", list(SEVERITIES, "and"))),
        });
        None
    }

    /// Checks the names in `@allow(...)`, which take effect when warnings are shown.
    fn allow(&mut self, attribute: &'a ast::Attribute) {
        if attribute.args.is_empty() {
            self.report(
                Diagnostic::error(code::INVALID_ATTRIBUTE, attribute.span, "`@allow` takes names of warnings")
                    .help("write `@allow(never_matches)`"),
            );
        }
        for arg in &attribute.args {
            let name = match &arg.kind {
                ExprKind::Name(name) if code::warning(name).is_some() => continue,
                ExprKind::Name(name) => name.as_str(),
                _ => "",
            };
            let known: Vec<String> = code::WARNINGS.iter().map(|(_, name)| name.replace('-', "_")).collect();
            let known = known.iter().map(String::as_str);
            let error = Diagnostic::error(code::INVALID_ATTRIBUTE, arg.span, "unknown warning").label("not found");
            self.report(match did_you_mean(name, known.clone()) {
                Some(help) => error.help(help),
                None => error.help(format!("warnings are {}", list(known, "and"))),
            });
        }
    }

    fn texts_of(&mut self, attribute: &'a ast::Attribute, most: usize) -> Vec<String> {
        let name = &attribute.name.name;
        let texts: Vec<String> = attribute
            .args
            .iter()
            .filter_map(|arg| match &arg.kind {
                ExprKind::Str(text) => String::from_utf8(text.clone()).ok(),
                _ => None,
            })
            .collect();
        if texts.len() != attribute.args.len() || texts.is_empty() || texts.len() > most {
            let wanted = if most == 1 { "one string" } else { "strings" };
            self.report(
                Diagnostic::error(
                    code::INVALID_ATTRIBUTE,
                    attribute.span,
                    format!("`@{name}` takes {wanted} in quotes"),
                )
                .help(format!("write `@{name}(\"...\")`")),
            );
            return Vec::new();
        }
        texts
    }

    /// Rejects `@permissive` on a rule that does not deny.
    pub(super) fn permissive(&mut self, rule: &ast::Rule) {
        if rule.actions.iter().any(|action| matches!(action.kind, ast::ActionKind::Deny { .. })) {
            return;
        }
        let attribute = rule.attributes.iter().find(|known| known.name.name == "permissive");
        self.report(
            Diagnostic::error(
                code::INVALID_ATTRIBUTE,
                attribute.map_or(rule.on, |attribute| attribute.span),
                "`@permissive` requires a `deny` action",
            )
            .help("remove it"),
        );
    }

    pub(super) fn kill(&mut self, signal: Option<&ast::Ident>, span: Span, hook: HookId) -> Option<Kill> {
        let name = self.hooks[hook.index()].name.clone();
        if let Some(why) = kernels::unrelated_to_current(&name) {
            self.report(
                Diagnostic::error(
                    code::KILL_WITHOUT_SUBJECT,
                    span,
                    format!("`kill` would signal an unrelated task on `{name}`"),
                )
                .label("kills the current task")
                .note(why)
                .help("use `kill` on a hook that runs in the context of the task"),
            );
            return None;
        }
        let Some(ident) = signal else {
            return Some(Kill { signal: KILL, name: "SIGKILL".into(), span });
        };
        let names = self.names_of("Sig")?;
        let members = &self.names[names.index()].members;
        let found = members.iter().find(|(known, _)| *known == ident.name).map(|(_, value)| *value);
        if let Some(value) = found {
            return Some(Kill { signal: i32::try_from(value).unwrap_or(KILL), name: ident.name.clone(), span });
        }
        let error = Diagnostic::error(code::UNKNOWN_SIGNAL, ident.span, format!("unknown signal `{}`", ident.name))
            .label("not found");
        let error = match did_you_mean(&ident.name, members.iter().map(|(known, _)| known.as_str())) {
            Some(help) => error.help(help),
            None => error.help("write the full name of a signal: `SIGKILL`, `SIGTERM`"),
        };
        self.report(error);
        None
    }
}
