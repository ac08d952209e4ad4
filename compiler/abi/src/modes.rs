//! The modes of a policy and of its rules, which change while it is loaded. They are stored in the map of
//! [`MODES_SECTION`]: programs only read it, and `krsi` replaces its value as a whole.
//!
//! ```text
//! 0      [u8; rules]  by rule: its effective action, an [`EffectiveAction`]
//! n      [u8; rules]  by rule: its own [`Mode`]
//! 2n     u8           the policy's `Mode`, and in its upper bits the policy's [`Stage`]
//! ```
//!
//! A program reads a single byte, and only after a rule has matched. The bytes follow from the modes
//! ([`Modes::value`]). The modes are stored as well, so that every rule has its own mode again when a
//! permissive policy is enforced.

use serde::{Deserialize, Serialize};

use crate::manifest::{Manifest, Rule};

/// The section (and therefore the map) of modes, with their initial values. Present if the policy has rules.
pub const MODES_SECTION: &str = ".data";

/// The mode of a rule or of a policy. A weaker mode is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Mode {
    /// All actions take effect.
    #[default]
    Enforce = 0,
    /// A `deny` is recorded but not enforced; all other actions take effect.
    Permissive = 1,
    /// The rule has no effect, as if it did not exist.
    Off = 2,
}

impl Mode {
    /// All modes, the strongest first.
    pub const ALL: [Mode; 3] = [Mode::Enforce, Mode::Permissive, Mode::Off];

    /// The name of the mode on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Mode::Enforce => "enforce",
            Mode::Permissive => "permissive",
            Mode::Off => "off",
        }
    }

    fn of(byte: u8) -> Option<Mode> {
        Mode::ALL.into_iter().find(|mode| *mode as u8 == byte)
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// The effective action of a matching rule. A weaker one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum EffectiveAction {
    /// All actions take effect, and no denying rule of the hook is permissive: once the rule has denied, rules
    /// that only deny need not be evaluated.
    Alone = 0,
    /// All actions take effect.
    Enforce = 1,
    /// All actions but `deny` take effect, and the `deny` is recorded.
    Permissive = 2,
    /// No action takes effect.
    Off = 3,
}

/// The stage of a policy's life. Only the value of the map tells it, so that one write begins and ends enforcement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stage {
    /// The rules act according to their modes.
    #[default]
    InForce = 0,
    /// The policy is being loaded. No rule has an effect.
    Pending = 0x40,
    /// The policy is being removed. No rule has an effect.
    Retired = 0x80,
}

/// The bits of the value's last byte that hold the [`Stage`].
const STAGE_BITS: u8 = 0xc0;

/// The modes of a policy and its rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// Mode of the policy; no rule has a stronger one.
    pub policy: Mode,
    /// Each rule's own mode, indexed by rule.
    pub rules: Vec<Mode>,
}

impl Modes {
    /// The initial modes of a policy.
    #[must_use]
    pub fn first(manifest: &Manifest) -> Modes {
        let own = |permissive| if permissive { Mode::Permissive } else { Mode::Enforce };
        Modes { policy: Mode::Enforce, rules: manifest.rules.iter().map(|rule| own(rule.permissive)).collect() }
    }

    /// Size of the map's value in bytes.
    #[must_use]
    pub fn bytes(rules: usize) -> usize {
        if rules == 0 { 0 } else { 2 * rules + 1 }
    }

    /// Disables every rule in a map's value, without the manifest, and enters a stage other than [`Stage::InForce`]. The
    /// modes in the value are unchanged.
    pub fn disable(value: &mut [u8], stage: Stage) {
        let rules = value.len() / 2;
        value[..rules].fill(EffectiveAction::Off as u8);
        if let Some(last) = value.last_mut() {
            *last = *last & !STAGE_BITS | stage as u8;
        }
    }

    /// The stage of the policy with this value of its map.
    #[must_use]
    pub fn stage(value: &[u8]) -> Stage {
        match value.last().map_or(0, |last| last & STAGE_BITS) {
            0 => Stage::InForce,
            0x40 => Stage::Pending,
            _ => Stage::Retired,
        }
    }

    /// The mode that applies to a rule: the weaker of its own and the policy's.
    #[must_use]
    pub fn effective(&self, rule: usize) -> Mode {
        self.rules.get(rule).copied().unwrap_or_default().max(self.policy)
    }

    /// Reads the modes from the map's value; `None` if its size does not match the number of rules.
    #[must_use]
    pub fn read(value: &[u8], rules: usize) -> Option<Modes> {
        let policy = Mode::of(*value.get(2 * rules)? & !STAGE_BITS)?;
        let rules = value.get(rules..2 * rules)?.iter().map(|byte| Mode::of(*byte)).collect::<Option<_>>()?;
        Some(Modes { policy, rules })
    }

    /// The map's value for these modes, of a policy in force.
    #[must_use]
    pub fn value(&self, manifest: &Manifest) -> Vec<u8> {
        let mut has_permissive = vec![false; manifest.programs.len()];
        for (at, rule) in manifest.rules.iter().enumerate() {
            if rule.deny.is_some()
                && self.effective(at) == Mode::Permissive
                && let Some(hook) = has_permissive.get_mut(rule.program as usize)
            {
                *hook = true;
            }
        }
        let action = |(at, rule): (usize, &Rule)| match self.effective(at) {
            Mode::Enforce if has_permissive.get(rule.program as usize) == Some(&true) => EffectiveAction::Enforce,
            Mode::Enforce => EffectiveAction::Alone,
            Mode::Permissive => EffectiveAction::Permissive,
            Mode::Off => EffectiveAction::Off,
        };
        let actions = manifest.rules.iter().enumerate().map(action).map(|action| action as u8);
        actions.chain(self.rules.iter().map(|mode| *mode as u8)).chain([self.policy as u8]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Program;

    fn manifest() -> Manifest {
        let program = |hook: &str| Program {
            hook: hook.into(),
            section: String::new(),
            instructions: 0,
            parts: vec![],
            keeps: false,
            arguments: Vec::new(),
        };
        let rule = |program, deny, permissive| Rule { program, deny, permissive, ..Rule::default() };
        Manifest {
            programs: vec![program("file_open"), program("capable")],
            rules: vec![
                rule(0, Some(1), false),
                rule(0, None, false),
                rule(1, Some(1), true),
                rule(1, Some(13), false),
            ],
            ..Manifest::default()
        }
    }

    #[test]
    fn rules_keep_their_own_modes() {
        let manifest = manifest();
        let mut modes = Modes::first(&manifest);
        assert_eq!(modes.value(&manifest), [0, 0, 2, 1, 0, 0, 1, 0, 0]);
        modes.rules[3] = Mode::Off;
        modes.policy = Mode::Permissive;
        let value = modes.value(&manifest);
        assert_eq!(value, [2, 2, 2, 3, 0, 0, 1, 2, 1]);
        let mut restored = Modes::read(&value, 4).expect("the value was written by `value`");
        assert_eq!(restored, modes);
        restored.policy = Mode::Enforce;
        assert_eq!(restored.value(&manifest), [0, 0, 2, 3, 0, 0, 1, 2, 0]);
        assert_eq!(Modes::read(&value, 5), None);
        // A stage disables the rules and keeps their modes.
        let mut pending = value.clone();
        Modes::disable(&mut pending, Stage::Pending);
        assert_eq!(pending, [3, 3, 3, 3, 0, 0, 1, 2, 0x41]);
        assert_eq!((Modes::stage(&value), Modes::stage(&pending)), (Stage::InForce, Stage::Pending));
        assert_eq!(Modes::read(&pending, 4).as_ref(), Some(&modes));
        Modes::disable(&mut pending, Stage::Retired);
        assert_eq!((pending[8], Modes::stage(&pending)), (0x81, Stage::Retired));
        // A rule that does not deny has no influence on the effective actions of others.
        let observing = Modes { rules: vec![Mode::Enforce, Mode::Permissive, Mode::Off, Mode::Off], ..restored };
        assert_eq!(observing.value(&manifest)[..4], [0, 2, 3, 3]);
    }
}
