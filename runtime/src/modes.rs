//! `krsi mode`: shows and changes the modes of a loaded policy and its rules.
//!
//! ```text
//! web: permissive
//!   no_shell: off
//! ```
//!
//! All modes of a policy are the value of one map (see `krsi_abi::modes`) that its programs only read. A change
//! is one atomic system call and applies to every operation that begins after it.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use krsi_abi::manifest::{Manifest, Rule};
use krsi_abi::modes::{Mode, Modes};
use serde_json::json;

use crate::failure::{self, Failure};
use crate::pins::{self, Pins};
use crate::{list, map_value};

/// Parser for a mode on the command line.
pub fn parser() -> impl TypedValueParser<Value = Mode> {
    let help = |mode: Mode| match mode {
        Mode::Enforce => "All actions take effect",
        Mode::Permissive => "Denials are recorded but not enforced; all other actions take effect",
        Mode::Off => "No effect, as if the rule did not exist",
    };
    PossibleValuesParser::new(Mode::ALL.map(|mode| PossibleValue::new(mode.word()).help(help(mode))))
        .map(|word| Mode::ALL.into_iter().find(|mode| mode.word() == word).unwrap_or_default())
}

/// Path of the pinned mode map of a loaded policy.
pub fn pin(policy: &str) -> PathBuf {
    pin_in(&pins::folder(policy))
}

/// Path of the pinned mode map in a policy's folder.
pub fn pin_in(folder: &Path) -> PathBuf {
    folder.join("maps").join("modes")
}

/// The value of the mode map in a policy's folder that puts the policy into force; `None` if it has no rules.
pub fn in_force(folder: &Path, manifest: &Manifest) -> Result<Option<Vec<u8>>, Failure> {
    if manifest.rules.is_empty() {
        return Ok(None);
    }
    let pin = pin_in(folder);
    let modes = Modes::read(&map_value::read(&pin)?, manifest.rules.len())
        .ok_or_else(|| failure::at(&pin, "read", "it does not hold the modes of this policy"))?;
    Ok(Some(modes.value(manifest)))
}

/// Reads the modes of a loaded policy; the default modes if it has no rules.
pub fn read(policy: &str, manifest: &Manifest) -> Result<Modes, Failure> {
    if manifest.rules.is_empty() {
        return Ok(Modes::default());
    }
    let pin = pin(policy);
    Modes::read(&map_value::read(&pin)?, manifest.rules.len()).ok_or_else(|| {
        failure::at(&pin, "read", "it does not hold the modes of this policy")
            .help(format!("load the policy again: `krsi unload {policy}`, then `krsi load`"))
    })
}

/// Writes the value of a policy's mode map, in one system call.
pub fn write_value(policy: &str, value: &[u8]) -> Result<(), Failure> {
    map_value::Value::open(&pin(policy))?
        .write(value)
        .map_err(|failure| failure.help(format!("load the policy again: `krsi unload {policy}`, then `krsi load`")))
}

/// Runs the command: changes the mode of a policy or of the given rules, or shows all modes. Returns the text
/// to print and a warning.
pub fn run(
    policy: &str,
    mode: Option<Mode>,
    rules: &[String],
    as_json: bool,
    lock_timeout: Duration,
) -> Result<(String, Option<String>), Failure> {
    pins::check_name(policy)?;
    // Reading needs no lock. A change waits for concurrent loads, which may copy the modes.
    let _lock = mode.map(|_| Pins::lock(lock_timeout)).transpose()?;
    pins::find(policy)?;
    let manifest = list::manifest(policy)?;
    let mut modes = read(policy, &manifest)?;
    let Some(mode) = mode else {
        return Ok((
            if as_json { show_json(policy, &manifest, &modes) } else { show(policy, &manifest, &modes) },
            None,
        ));
    };
    set(policy, &manifest, &mut modes, mode, rules)?;
    write_value(policy, &modes.value(&manifest))?;
    let out = if as_json { show_json(policy, &manifest, &modes) } else { show(policy, &manifest, &modes) };
    Ok((out, warning(&manifest, &modes, mode, rules)))
}

/// Returns a warning about a change of the given rules, or of all rules if none is given.
fn warning(manifest: &Manifest, modes: &Modes, mode: Mode, rules: &[String]) -> Option<String> {
    let affected = |rule: &Rule| rules.is_empty() || rules.contains(&rule.name);
    if mode == Mode::Permissive { kill_warning(manifest, modes, affected) } else { None }
}

/// Changes the mode of the given rules, each on all its hooks, or of the policy if no rule is given.
fn set(policy: &str, manifest: &Manifest, modes: &mut Modes, mode: Mode, rules: &[String]) -> Result<(), Failure> {
    if rules.is_empty() {
        modes.policy = mode;
    }
    for name in rules {
        let mut known = false;
        for (own, _) in modes.rules.iter_mut().zip(&manifest.rules).filter(|(_, rule)| rule.name == *name) {
            *own = mode;
            known = true;
        }
        if !known {
            return Err(Failure::usage(format!("`{policy}` has no rule `{name}`"))
                .suggest(name, manifest.rules.iter().map(|rule| rule.name.as_str())));
        }
    }
    Ok(())
}

/// Returns a warning that `kill` still takes effect in permissive rules, if any of them kills.
pub fn kill_warning(manifest: &Manifest, modes: &Modes, affected: impl Fn(&Rule) -> bool) -> Option<String> {
    let rules = manifest.rules.iter().enumerate();
    let kills =
        rules.filter(|(at, rule)| rule.kill.is_some() && modes.effective(*at) == Mode::Permissive && affected(rule));
    let mut names: Vec<String> = kills.map(|(_, rule)| format!("`{}`", rule.name)).collect();
    names.dedup();
    (!names.is_empty()).then(|| {
        format!(
            "permissive mode suppresses only `deny`: `kill` still takes effect in {}; turn the rule off to prevent it",
            names.join(", ")
        )
    })
}

/// The rules whose own mode is not `enforce`, each once, by name.
fn not_enforced<'m>(manifest: &'m Manifest, modes: &Modes) -> Vec<(&'m str, Mode)> {
    let rules = manifest.rules.iter().zip(&modes.rules);
    let mut found: Vec<(&str, Mode)> = rules.map(|(rule, mode)| (rule.name.as_str(), *mode)).collect();
    found.retain(|(_, mode)| *mode != Mode::Enforce);
    found.dedup();
    found
}

fn show(policy: &str, manifest: &Manifest, modes: &Modes) -> String {
    let rules = not_enforced(manifest, modes).into_iter();
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

/// Adjective for a policy in this mode: `enforcing`.
pub fn adjective(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforcing",
        Mode::Permissive => "permissive",
        Mode::Off => "off",
    }
}

/// State of a policy, with the number of rules in weaker modes: `enforcing, 1 rule off`.
pub fn state(manifest: &Manifest, modes: &Modes) -> String {
    let mut state = adjective(modes.policy).to_owned();
    for weaker in [Mode::Permissive, Mode::Off].into_iter().filter(|mode| *mode > modes.policy) {
        let count = not_enforced(manifest, modes).iter().filter(|(_, mode)| *mode == weaker).count();
        if count > 0 {
            let _ = write!(state, ", {count} rule{} {weaker}", if count == 1 { "" } else { "s" });
        }
    }
    state
}

/// Modes for a policy that replaces `old`: the policy's mode, and for each rule the mode set for the old rule
/// of its name.
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

/// Returns a warning if the modes of a replaced policy had been changed, since the replacement does not have them.
pub fn discard_warning(name: &str, old: &Manifest, before: &Modes) -> Option<String> {
    (*before != Modes::first(old)).then(|| {
        format!(
            "the modes set for the replaced policy were discarded ({}); set them again with `krsi mode {name}`, or use `krsi load --keep-modes` to keep them",
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
    fn modes_are_kept_by_rule_name() {
        let old = manifest(&[("a", false), ("b", true), ("c", false)]);
        let before = Modes { policy: Mode::Permissive, rules: vec![Mode::Off, Mode::Permissive, Mode::Enforce] };
        let new = manifest(&[("c", true), ("b", false), ("a", false), ("d", false)]);
        // `b` had its initial mode, and the new `b` has its own.
        let kept = keep(&old, &before, &new);
        assert_eq!(kept.policy, Mode::Permissive);
        assert_eq!(kept.rules, [Mode::Permissive, Mode::Enforce, Mode::Off, Mode::Enforce]);
        assert!(discard_warning("p", &old, &before).is_some_and(|text| text.contains("permissive, 1 rule off")));
        assert_eq!(discard_warning("p", &old, &Modes::first(&old)), None);
    }

    #[test]
    fn modes_as_text() {
        let manifest = manifest(&[("a", false), ("b", true), ("b", true), ("c", false)]);
        let mut modes = Modes::first(&manifest);
        assert_eq!(show("p", &manifest, &modes), "p: enforce\n  b: permissive\n");
        modes.rules[3] = Mode::Off;
        assert_eq!(state(&manifest, &modes), "enforcing, 1 rule permissive, 1 rule off");
        assert!(kill_warning(&manifest, &modes, |_| true).is_some_and(|text| text.contains("in `b`;")));
        modes.policy = Mode::Off;
        assert_eq!(state(&manifest, &modes), "off");
        assert_eq!(kill_warning(&manifest, &modes, |_| true), None);
    }

    /// A rule on several hooks is several rules of one name, and a mode applies to all of them.
    #[test]
    fn a_mode_applies_to_all_hooks_of_a_rule() {
        let manifest = manifest(&[("a", false), ("b", false), ("a", false)]);
        let changed = |mode, rules: &[&str]| {
            let mut modes = Modes::first(&manifest);
            let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
            set("p", &manifest, &mut modes, mode, &rules).map(|()| modes).map_err(|failure| failure.to_string())
        };
        let modes = |policy, rules: [Mode; 3]| Ok(Modes { policy, rules: rules.to_vec() });
        use Mode::{Enforce, Off, Permissive};
        assert_eq!(changed(Off, &["a"]), modes(Enforce, [Off, Enforce, Off]));
        assert_eq!(changed(Off, &["b", "a"]), modes(Enforce, [Off, Off, Off]));
        assert_eq!(changed(Permissive, &[]), modes(Permissive, [Enforce, Enforce, Enforce]));
        let unknown = changed(Off, &["a", "c"]).expect_err("there is no `c`");
        assert!(unknown.starts_with("error: `p` has no rule `c`\n"), "{unknown}");
    }

    #[test]
    fn a_change_to_permissive_warns_of_kills() {
        let mut manifest = manifest(&[("a", true), ("b", true), ("c", false), ("d", true)]);
        manifest.rules[3].kill = None;
        let modes = Modes::first(&manifest);
        let named = |mode, rules: &[&str]| {
            let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
            warning(&manifest, &modes, mode, &rules).map(|text| {
                let names = text.split("effect in ").nth(1).and_then(|rest| rest.split(';').next());
                names.unwrap_or("").to_owned()
            })
        };
        // `c` is enforced and `d` does not kill.
        assert_eq!(named(Mode::Permissive, &[]).as_deref(), Some("`a`, `b`"));
        assert_eq!(named(Mode::Permissive, &["b", "c"]).as_deref(), Some("`b`"));
        assert_eq!((named(Mode::Permissive, &["c", "d"]), named(Mode::Off, &[])), (None, None));
    }

    #[test]
    fn modes_as_json() {
        let mut manifest = manifest(&[("a", false), ("b", true)]);
        manifest.programs = vec![krsi_abi::manifest::Program {
            hook: "file_open".into(),
            section: "lsm/file_open".into(),
            instructions: 1,
            ..krsi_abi::manifest::Program::default()
        }];
        let modes = Modes { policy: Mode::Permissive, rules: vec![Mode::Off, Mode::Enforce] };
        assert_eq!(
            show_json("p", &manifest, &modes),
            "{\"mode\":\"permissive\",\"policy\":\"p\",\"rules\":[\
             {\"effective\":\"off\",\"hook\":\"file_open\",\"mode\":\"off\",\"rule\":\"a\"},\
             {\"effective\":\"permissive\",\"hook\":\"file_open\",\"mode\":\"enforce\",\"rule\":\"b\"}]}\n"
        );
    }

    #[test]
    fn states_as_text() {
        let manifest = manifest(&[("a", false), ("b", false), ("c", false), ("d", false)]);
        use Mode::{Enforce, Off, Permissive};
        for (policy, rules, words) in [
            (Enforce, [Enforce, Enforce, Enforce, Enforce], "enforcing"),
            (Enforce, [Permissive, Enforce, Permissive, Off], "enforcing, 2 rules permissive, 1 rule off"),
            (Enforce, [Off, Off, Enforce, Off], "enforcing, 3 rules off"),
            // Rules in the policy's own mode are not counted.
            (Permissive, [Permissive, Off, Enforce, Enforce], "permissive, 1 rule off"),
            (Off, [Permissive, Off, Enforce, Enforce], "off"),
        ] {
            assert_eq!(state(&manifest, &Modes { policy, rules: rules.to_vec() }), words);
        }
    }

    #[test]
    fn modes_on_the_command_line() {
        let read = |text: &str| {
            let command = clap::Command::new("t").arg(clap::Arg::new("mode").value_parser(parser()));
            command.try_get_matches_from(["t", text]).ok().and_then(|mut found| found.remove_one::<Mode>("mode"))
        };
        assert_eq!(read("enforce"), Some(Mode::Enforce));
        assert_eq!(read("permissive"), Some(Mode::Permissive));
        assert_eq!(read("off"), Some(Mode::Off));
        assert_eq!((read("on"), read("")), (None, None));
    }

    #[test]
    fn modes_are_pinned_with_the_maps() {
        assert_eq!(pin("web"), std::path::Path::new("/sys/fs/bpf/krsi/web/maps/modes"));
        // A policy without rules has no mode map.
        assert_eq!(read("web", &Manifest::default()).expect("nothing is read"), Modes::default());
    }
}
