//! Rules for newer kernels: `@since("6.1") on userns_create deny`.
//!
//! ```text
//! rule 0 userns_create@1:15 on userns_create
//!   since 6.1: hook userns_create
//! ```
//!
//! Such a rule is active on a kernel that has everything that the rule needs, and has no effect elsewhere.
//! Features take precedence over the version number, since distributions backport fixes and hooks. Only where
//! an older known kernel has all needs of the rule, the version number decides.
//!
//! Invariant: a need that other rules have too is not listed, because the object cannot be loaded without it
//! anyway.
//!
//! Absent: queries of the running kernel. Programs test fields and enumerators by CO-RE; `krsi` tests all
//! features.

use krs_grammar::ast::{self, ExprKind, ItemKind, Span};

use super::check::Checker;
use super::kernels::{self, Need};
use super::{Access, Policy};
use crate::diag::{Diagnostic, code};
use crate::kernel::{self, Kernel};

/// The oldest kernel that is supported.
const OLDEST: Version = Version { major: 5, minor: 10 };

/// The version of a kernel, without the patch level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    /// The 6 of 6.1.
    pub major: u32,
    /// The 1 of 6.1.
    pub minor: u32,
}

impl Version {
    /// Parses a version such as `6.1`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Version> {
        let (major, minor) = text.split_once('.')?;
        let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        Some(Version { major: number(major)?, minor: number(minor)? })
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The condition on the kernel under which a rule is active.
#[derive(Clone, Debug, PartialEq)]
pub struct Since {
    /// The version in the attribute.
    pub version: Version,
    /// Features that the rule needs and some known kernel lacks.
    pub needs: Vec<Feature>,
    /// True if an older known kernel has all of the needs, so that the version number decides.
    pub by_number: bool,
    /// Index of the switch that deactivates the rule, counted from 0 in the order of the rules.
    pub switch: u32,
}

/// A feature whose presence a program or the loader can test.
#[derive(Clone, Debug, PartialEq)]
pub enum Feature {
    /// The existence of a hook.
    Hook(String),
    /// An argument of a hook.
    Argument {
        /// Name of the hook.
        hook: String,
        /// Name of the argument.
        name: String,
    },
    /// The existence of a field.
    Field(Access),
    /// An enumerator of a kernel enum.
    Enumerator {
        /// Tag of the enum.
        of: String,
        /// Name of the enumerator.
        name: String,
    },
}

impl std::fmt::Display for Feature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Feature::Hook(hook) => write!(f, "hook {hook}"),
            Feature::Argument { hook, name } => write!(f, "argument {name} of {hook}"),
            Feature::Field(access) => write!(f, "field {access}"),
            Feature::Enumerator { of, name } => write!(f, "{name} of {of}"),
        }
    }
}

impl<'a> Checker<'a> {
    /// Checks the version in `@since("6.1")`.
    pub(super) fn since(&mut self, attribute: &'a ast::Attribute) -> Option<Since> {
        let written = match attribute.args.as_slice() {
            [arg] => match &arg.kind {
                ExprKind::Str(text) => std::str::from_utf8(text).ok(),
                _ => None,
            },
            _ => None,
        };
        let error = |span: Span, message: &str| Diagnostic::error(code::INVALID_VERSION, span, message);
        let Some(written) = written else {
            self.report(
                error(attribute.span, "`@since` takes a kernel version in quotes").help("write `@since(\"6.1\")`"),
            );
            return None;
        };
        let span = attribute.args[0].span;
        let Some(version) = Version::parse(written) else {
            self.report(
                error(span, "invalid kernel version")
                    .label("expected two numbers")
                    .help("write the release that added the rule's hook, without a patch level: `@since(\"6.1\")`"),
            );
            return None;
        };
        if version <= OLDEST {
            self.report(
                error(span, "every kernel that krs supports is at least this new")
                    .label("always true")
                    .help(format!("remove `@since`: kernels from {OLDEST} on are supported")),
            );
            return None;
        }
        Some(Since { version, needs: Vec::new(), by_number: false, switch: 0 })
    }
}

/// Returns true if some rule has a `@since`.
#[must_use]
pub(super) fn any(files: &[ast::File]) -> bool {
    fn within(items: &[ast::Item]) -> bool {
        items.iter().any(|item| match &item.kind {
            ItemKind::Rule(rule) => has(rule),
            ItemKind::Where(block) => within(&block.items),
            _ => false,
        })
    }
    files.iter().any(|file| within(&file.items))
}

/// Returns the files without the rules that have a `@since`.
#[must_use]
pub(super) fn without(files: &[ast::File]) -> Vec<ast::File> {
    fn rest_of(items: &[ast::Item]) -> Vec<ast::Item> {
        let mut rest = Vec::new();
        for item in items {
            match &item.kind {
                ItemKind::Rule(rule) if has(rule) => {}
                ItemKind::Where(block) => {
                    let block = ast::Where { condition: block.condition.clone(), items: rest_of(&block.items) };
                    rest.push(ast::Item { kind: ItemKind::Where(Box::new(block)), ..item.clone() });
                }
                _ => rest.push(item.clone()),
            }
        }
        rest
    }
    files.iter().map(|file| ast::File { items: rest_of(&file.items), ..file.clone() }).collect()
}

fn has(rule: &ast::Rule) -> bool {
    rule.attributes.iter().any(|attribute| attribute.name.name == "since")
}

/// Computes, for each rule with `@since`, which of its needs distinguish the kernels that it is for from
/// older ones.
pub(super) fn resolve_needs(policy: &mut Policy) {
    if policy.rules.iter().all(|rule| rule.since.is_none()) {
        return;
    }
    let known = kernel::embedded();
    let mut settled = Vec::new();
    {
        let mut common = Vec::new();
        for (index, rule) in policy.rules.iter().enumerate() {
            if rule.since.is_none() {
                kernels::needs(policy, index, &mut common);
            }
        }
        for (index, rule) in policy.rules.iter().enumerate() {
            let Some(since) = &rule.since else { continue };
            let mut all = Vec::new();
            kernels::needs(policy, index, &mut all);
            let older = |kernel: &&Kernel| Version::parse(&kernel.name).is_some_and(|known| known < since.version);
            let has_all = |kernel: &&Kernel| all.iter().all(|(need, _)| kernels::meets(kernel, need));
            let by_number = known.iter().filter(older).any(|kernel| has_all(&kernel));
            let needs = all
                .iter()
                .filter(|(need, _)| !common.iter().any(|(other, _)| other == need))
                .filter(|(need, _)| !known.iter().all(|kernel| kernels::meets(kernel, need)))
                .filter_map(|(need, _)| feature(need))
                .collect();
            settled.push((index, needs, by_number));
        }
    }
    for (switch, (index, needs, by_number)) in settled.into_iter().enumerate() {
        if let Some(since) = &mut policy.rules[index].since {
            *since = Since { needs, by_number, switch: switch as u32, ..*since };
        }
    }
}

/// Returns the need as a feature that can be tested on its own; `None` for a choice of fields.
pub(super) fn feature(need: &Need<'_>) -> Option<Feature> {
    Some(match need {
        Need::Hook(hook) => Feature::Hook((*hook).to_owned()),
        Need::Arg(hook, name) => Feature::Argument { hook: (*hook).to_owned(), name: (*name).to_owned() },
        Need::Field(access) => Feature::Field((*access).clone()),
        Need::Enumerator(of, name) => Feature::Enumerator { of: (*of).to_owned(), name: (*name).to_owned() },
        Need::AnyOf(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_two_numbers() {
        assert_eq!(Version::parse("6.12"), Some(Version { major: 6, minor: 12 }));
        assert!(Version::parse("6.12") > Version::parse("6.2"));
        for wrong in ["", "6", "6.", ".1", "6.1.0", "v6.1", "6.+1", "6.1-rc1", "99999999999.1"] {
            assert_eq!(Version::parse(wrong), None, "{wrong}");
        }
    }
}
