//! `krsi mode`: what a loaded policy and its rules do, shown and changed.
//!
//! ```text
//! web: permissive
//!   no_shell: off
//! ```
//!
//! All modes of a policy are the value of one map (see `krsi_abi::modes`), which its programs only read. A change is one
//! system call that happens or does not, and counts for every operation that begins after it.

use std::fmt::Write;
use std::os::fd::AsFd;
use std::path::PathBuf;

use aya::maps::MapData;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use krsi_abi::manifest::{Manifest, Rule};
use krsi_abi::modes::{Mode, Modes};
use serde_json::json;

use crate::failure::{self, Failure};
use crate::load::not_loaded;
use crate::pins::{self, Pins};
use crate::{list, sys};

/// Reads a mode from the command line.
pub fn parser() -> impl TypedValueParser<Value = Mode> {
    let help = |mode: Mode| match mode {
        Mode::Enforce => "As it is written",
        Mode::Permissive => "What would be denied is recorded, and not denied; all else is done",
        Mode::Off => "As if it were not there",
    };
    PossibleValuesParser::new(Mode::ALL.map(|mode| PossibleValue::new(mode.word()).help(help(mode))))
        .map(|word| Mode::ALL.into_iter().find(|mode| mode.word() == word).unwrap_or_default())
}

fn pin(policy: &str) -> PathBuf {
    pins::folder(policy).join("maps").join("modes")
}

/// The modes of a loaded policy; those that all policies begin with where it has no rules.
pub fn read(policy: &str, manifest: &Manifest) -> Result<Modes, Failure> {
    if manifest.rules.is_empty() {
        return Ok(Modes::default());
    }
    let pin = pin(policy);
    Modes::read(&list::value(&pin)?, manifest.rules.len()).ok_or_else(|| {
        failure::at(&pin, "read", "it holds no modes of this policy")
            .help(format!("load it again: `krsi unload {policy}`, then `krsi load`"))
    })
}

fn write(policy: &str, manifest: &Manifest, modes: &Modes) -> Result<(), Failure> {
    let pin = pin(policy);
    let map = MapData::from_pin(&pin).map_err(|error| failure::at(&pin, "opened", error))?;
    let info = map.info().map_err(|error| failure::at(&pin, "read", error))?;
    let value = modes.value(manifest);
    if info.value_size() as usize != value.len() {
        return Err(failure::at(&pin, "written", "it is of another policy")
            .help(format!("load it again: `krsi unload {policy}`, then `krsi load`")));
    }
    sys::set_first_element(map.fd().as_fd(), &value).map_err(|error| failure::at(&pin, "written", error))
}

/// Runs the command: changes the mode of a policy, or of the rules that are named, or shows all. What to print, and what
/// to warn of.
pub fn run(
    policy: &str,
    mode: Option<Mode>,
    rules: &[String],
    as_json: bool,
) -> Result<(String, Option<String>), Failure> {
    pins::check_name(policy)?;
    // Reading needs no lock. A change waits for loads to end: they may take the modes along.
    let _lock = mode.map(|_| Pins::lock()).transpose()?;
    if !pins::folder(policy).exists() {
        return Err(not_loaded(policy));
    }
    let manifest = list::manifest(policy)?;
    let mut modes = read(policy, &manifest)?;
    let Some(mode) = mode else {
        return Ok((
            if as_json { show_json(policy, &manifest, &modes) } else { show(policy, &manifest, &modes) },
            None,
        ));
    };
    if rules.is_empty() {
        modes.policy = mode;
    }
    for name in rules {
        let of_name = manifest.rules.iter().enumerate().filter(|(_, rule)| rule.name == *name);
        let found: Vec<usize> = of_name.map(|(at, _)| at).collect();
        if found.is_empty() {
            return Err(Failure::usage(format!("`{policy}` has no rule `{name}`"))
                .instead_of(name, manifest.rules.iter().map(|rule| rule.name.as_str())));
        }
        found.into_iter().for_each(|at| modes.rules[at] = mode);
    }
    write(policy, &manifest, &modes)?;
    let out = if as_json { show_json(policy, &manifest, &modes) } else { show(policy, &manifest, &modes) };
    let concerned = |rule: &Rule| rules.is_empty() || rules.contains(&rule.name);
    Ok((out, (mode == Mode::Permissive).then(|| still_kills(&manifest, &modes, concerned)).flatten()))
}

/// A warning that permissive rules kill all the same.
pub fn still_kills(manifest: &Manifest, modes: &Modes, concerned: impl Fn(&Rule) -> bool) -> Option<String> {
    let rules = manifest.rules.iter().enumerate();
    let kills =
        rules.filter(|(at, rule)| rule.kill.is_some() && modes.effective(*at) == Mode::Permissive && concerned(rule));
    let mut names: Vec<String> = kills.map(|(_, rule)| format!("`{}`", rule.name)).collect();
    names.dedup();
    (!names.is_empty()).then(|| {
        format!("permissive is about denials: `kill` is done all the same, by {}; turn those off", names.join(", "))
    })
}

/// Rules whose own mode is not to enforce, each once, by name.
fn apart<'m>(manifest: &'m Manifest, modes: &Modes) -> Vec<(&'m str, Mode)> {
    let rules = manifest.rules.iter().zip(&modes.rules);
    let mut apart: Vec<(&str, Mode)> = rules.map(|(rule, mode)| (rule.name.as_str(), *mode)).collect();
    apart.retain(|(_, mode)| *mode != Mode::Enforce);
    apart.dedup();
    apart
}

fn show(policy: &str, manifest: &Manifest, modes: &Modes) -> String {
    let rules = apart(manifest, modes).into_iter();
    rules.fold(format!("{policy}: {}\n", modes.policy), |mut out, (name, mode)| {
        let _ = writeln!(out, "  {name}: {mode}");
        out
    })
}

fn show_json(policy: &str, manifest: &Manifest, modes: &Modes) -> String {
    let rules = manifest.rules.iter().zip(&modes.rules).enumerate();
    let rules: Vec<_> = rules
        .map(|(at, (rule, own))| {
            let hook = manifest.programs.get(rule.program as usize).map(|program| &program.hook);
            json!({ "rule": rule.name, "hook": hook, "mode": own, "effective": modes.effective(at) })
        })
        .collect();
    format!("{}\n", json!({ "policy": policy, "mode": modes.policy, "rules": rules }))
}

/// How a policy is.
pub fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforcing",
        Mode::Permissive => "permissive",
        Mode::Off => "off",
    }
}

/// The same with the rules that are otherwise: `enforcing, 1 rule off`.
pub fn state(manifest: &Manifest, modes: &Modes) -> String {
    let mut state = word(modes.policy).to_owned();
    for weaker in [Mode::Permissive, Mode::Off].into_iter().filter(|mode| *mode > modes.policy) {
        let count = apart(manifest, modes).iter().filter(|(_, mode)| *mode == weaker).count();
        if count > 0 {
            let _ = write!(state, ", {count} rule{} {weaker}", if count == 1 { "" } else { "s" });
        }
    }
    state
}

/// Modes for a policy that takes another's place: what was set for a rule of the same name, and for the policy.
pub fn keep(old: &Manifest, before: &Modes, manifest: &Manifest) -> Modes {
    let first = Modes::first(old);
    let mut modes = Modes { policy: before.policy, ..Modes::first(manifest) };
    for (rule, mode) in manifest.rules.iter().zip(&mut modes.rules) {
        let mut known = old.rules.iter().zip(before.rules.iter().zip(&first.rules));
        let set = known.find(|(known, (set, first))| known.name == rule.name && set != first);
        *mode = set.map_or(*mode, |(_, (set, _))| *set);
    }
    modes
}

/// What was set for a policy that goes, in words; nothing where all is as it began.
pub fn set_before(name: &str, old: &Manifest, before: &Modes) -> Option<String> {
    (*before != Modes::first(old)).then(|| {
        format!(
            "the modes that were set are gone with the replaced policy ({}); `krsi mode {name}` sets them, `krsi load --keep-modes` keeps them",
            state(old, before)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(rules: &[(&str, bool)]) -> Manifest {
        let rule = |(name, permissive): &(&str, bool)| Rule {
            name: (*name).into(),
            permissive: *permissive,
            kill: Some("SIGKILL".into()),
            deny: Some(1),
            ..Rule::default()
        };
        Manifest { rules: rules.iter().map(rule).collect(), ..Manifest::default() }
    }

    #[test]
    fn what_was_set_is_kept_by_name() {
        let old = manifest(&[("a", false), ("b", true), ("c", false)]);
        let before = Modes { policy: Mode::Permissive, rules: vec![Mode::Off, Mode::Permissive, Mode::Enforce] };
        let new = manifest(&[("c", true), ("b", false), ("a", false), ("d", false)]);
        // `b` was as written, and is as it is written now.
        let kept = keep(&old, &before, &new);
        assert_eq!(kept.policy, Mode::Permissive);
        assert_eq!(kept.rules, [Mode::Permissive, Mode::Enforce, Mode::Off, Mode::Enforce]);
        assert!(set_before("p", &old, &before).is_some_and(|words| words.contains("permissive, 1 rule off")));
        assert_eq!(set_before("p", &old, &Modes::first(&old)), None);
    }

    #[test]
    fn modes_in_words() {
        let manifest = manifest(&[("a", false), ("b", true), ("b", true), ("c", false)]);
        let mut modes = Modes::first(&manifest);
        assert_eq!(show("p", &manifest, &modes), "p: enforce\n  b: permissive\n");
        modes.rules[3] = Mode::Off;
        assert_eq!(state(&manifest, &modes), "enforcing, 1 rule permissive, 1 rule off");
        assert!(still_kills(&manifest, &modes, |_| true).is_some_and(|words| words.contains("by `b`;")));
        modes.policy = Mode::Off;
        assert_eq!(state(&manifest, &modes), "off");
        assert_eq!(still_kills(&manifest, &modes, |_| true), None);
    }
}
