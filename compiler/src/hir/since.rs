//! Rules for newer kernels: `@since("6.1") on userns_create deny`.
//!
//! ```text
//! rule 0 userns_create@1:15 on userns_create
//!   since 6.1: hook userns_create
//! ```
//!
//! Such a rule is active on a kernel that has all that it needs, and otherwise it is as if it were not there. What a
//! kernel has counts more than its number, since distributions carry fixes and hooks back to older kernels; where every
//! known kernel has what the rule needs, nothing but the number can tell, and it does.
//!
//! Invariant: what other rules need too is none of such a rule's needs: without it the object cannot be loaded at all.
//!
//! Absent: asking the running kernel. Programs ask for fields and enumerators by CO-RE; `krsi` asks for all.

use krs_grammar::ast::{self, ExprKind, ItemKind, Span};

use super::check::Checker;
use super::kernels::{self, Need};
use super::{Access, Policy};
use crate::diag::{Diagnostic, code};
use crate::kernel::{self, Kernel};

/// The oldest kernel that is supported.
const OLDEST: Version = Version { major: 5, minor: 10 };

/// A kernel's number, as far as features come with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    /// 6
    pub major: u32,
    /// 1
    pub minor: u32,
}

impl Version {
    /// `6.1`
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

/// What a rule says about the kernels that it is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Since {
    /// As written.
    pub version: Version,
    /// What the rule needs and some known kernel lacks.
    pub needs: Vec<Part>,
    /// What it needs does not tell older kernels apart: the number does.
    pub by_number: bool,
    /// Which of the policy's switches turns it off; from 0, by rule.
    pub switch: u32,
}

/// Something that a kernel has or lacks.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// A hook.
    Hook(String),
    /// An argument of a hook.
    Argument {
        /// The hook.
        hook: String,
        /// The argument.
        name: String,
    },
    /// A field.
    Field(Access),
    /// An enumerator.
    Enumerator {
        /// The enum's tag.
        of: String,
        /// Its name.
        name: String,
    },
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Part::Hook(hook) => write!(f, "hook {hook}"),
            Part::Argument { hook, name } => write!(f, "argument {name} of {hook}"),
            Part::Field(access) => write!(f, "field {access}"),
            Part::Enumerator { of, name } => write!(f, "{name} of {of}"),
        }
    }
}

impl<'a> Checker<'a> {
    /// The version in `@since("6.1")`.
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
                error(attribute.span, "`@since` takes a kernel's version in quotes").help("write `@since(\"6.1\")`"),
            );
            return None;
        };
        let span = attribute.args[0].span;
        let Some(version) = Version::parse(written) else {
            self.report(
                error(span, "this is no version of a kernel")
                    .label("two numbers are needed")
                    .help("write the release that the rule's hook came with, without what follows: `@since(\"6.1\")`"),
            );
            return None;
        };
        if version <= OLDEST {
            self.report(
                error(span, "every kernel that krs supports is as new as this")
                    .label("always so")
                    .help(format!("remove `@since`: kernels from {OLDEST} on are supported")),
            );
            return None;
        }
        Some(Since { version, needs: Vec::new(), by_number: false, switch: 0 })
    }
}

/// Whether some rule is for newer kernels only.
#[must_use]
pub fn any(files: &[ast::File]) -> bool {
    fn within(items: &[ast::Item]) -> bool {
        items.iter().any(|item| match &item.kind {
            ItemKind::Rule(rule) => has(rule),
            ItemKind::Where(block) => within(&block.items),
            _ => false,
        })
    }
    files.iter().any(|file| within(&file.items))
}

/// The same without the rules that have a `@since`.
#[must_use]
pub fn without(files: &[ast::File]) -> Vec<ast::File> {
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

/// Notes for each rule with `@since` what tells the kernels apart that it is for.
pub fn settle(policy: &mut Policy) {
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
                .filter_map(|(need, _)| part(need))
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

/// What a program or a loader can ask for by itself.
pub(super) fn part(need: &Need<'_>) -> Option<Part> {
    Some(match need {
        Need::Hook(hook) => Part::Hook((*hook).to_owned()),
        Need::Arg(hook, name) => Part::Argument { hook: (*hook).to_owned(), name: (*name).to_owned() },
        Need::Field(access) => Part::Field((*access).clone()),
        Need::Enumerator(of, name) => Part::Enumerator { of: (*of).to_owned(), name: (*name).to_owned() },
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
