//! Modes of a policy and of its rules, which change while it is loaded: the section [`MODES_SECTION`], whose map programs only
//! read and whose value is written as a whole.
//!
//! ```text
//! 0      [u8; rules]  by rule: what it does where it fires, an [`Act`]
//! n      [u8; rules]  by rule: its own [`Mode`]
//! 2n     u8           the policy's `Mode`
//! ```
//!
//! A program asks for one byte, and only where a rule has fired. It follows from the rest ([`Modes::value`]), which is
//! there so that a policy which was permissive gives each of its rules back its own mode.

use serde::{Deserialize, Serialize};

use crate::manifest::{Manifest, Rule};

/// The section (and so the map) of modes, with the modes that a policy begins with. Present where it has rules.
pub const MODES_SECTION: &str = ".data";

/// Whether a rule does what it says. What is weaker is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Mode {
    /// It does.
    #[default]
    Enforce = 0,
    /// Its `deny` is recorded and not enforced; all else it does.
    Permissive = 1,
    /// It is as if it were not there.
    Off = 2,
}

impl Mode {
    /// All of them, the strongest first.
    pub const ALL: [Mode; 3] = [Mode::Enforce, Mode::Permissive, Mode::Off];

    /// As people write it.
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

/// What a rule does where it fires. What is weaker is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Act {
    /// What it says; and no rule on its hook that denies is permissive, so that behind its denial nothing is asked
    /// that only denies.
    Alone = 0,
    /// What it says.
    Enforce = 1,
    /// What it says, but for its `deny`, which is recorded.
    Try = 2,
    /// Nothing.
    Nothing = 3,
}

/// The modes of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// Of all rules together: none does more.
    pub policy: Mode,
    /// By rule: its own.
    pub rules: Vec<Mode>,
}

impl Modes {
    /// Those that a policy begins with.
    #[must_use]
    pub fn first(manifest: &Manifest) -> Modes {
        let own = |permissive| if permissive { Mode::Permissive } else { Mode::Enforce };
        Modes { policy: Mode::Enforce, rules: manifest.rules.iter().map(|rule| own(rule.permissive)).collect() }
    }

    /// Bytes of the map's value.
    #[must_use]
    pub fn bytes(rules: usize) -> usize {
        if rules == 0 { 0 } else { 2 * rules + 1 }
    }

    /// Makes each rule of a map's value do nothing, without its manifest. The modes stay in it.
    pub fn set_aside(value: &mut [u8]) {
        let rules = value.len() / 2;
        value[..rules].fill(Act::Nothing as u8);
    }

    /// False where a rule of a map's value does nothing though its mode is not `off`, as [`Modes::value_without`] and
    /// [`Modes::set_aside`] leave it.
    #[must_use]
    pub fn in_force(value: &[u8]) -> bool {
        let rules = value.len() / 2;
        Modes::read(value, rules).is_none_or(|modes| {
            (0..rules).all(|rule| value[rule] != Act::Nothing as u8 || modes.effective(rule) == Mode::Off)
        })
    }

    /// What counts for a rule: the weaker of its own mode and the policy's.
    #[must_use]
    pub fn effective(&self, rule: usize) -> Mode {
        self.rules.get(rule).copied().unwrap_or_default().max(self.policy)
    }

    /// Reads the map's value; `None` where it is none of so many rules.
    #[must_use]
    pub fn read(value: &[u8], rules: usize) -> Option<Modes> {
        let policy = Mode::of(*value.get(2 * rules)?)?;
        let rules = value.get(rules..2 * rules)?.iter().map(|byte| Mode::of(*byte)).collect::<Option<_>>()?;
        Some(Modes { policy, rules })
    }

    /// The map's value.
    #[must_use]
    pub fn value(&self, manifest: &Manifest) -> Vec<u8> {
        self.value_without(manifest, |_| false)
    }

    /// The map's value with the rules of `aside` doing nothing. Their modes stay in it: [`Modes::value`] of what
    /// [`Modes::read`] finds there gives them back what they do.
    #[must_use]
    pub fn value_without(&self, manifest: &Manifest, aside: impl Fn(&Rule) -> bool) -> Vec<u8> {
        let mut tried = vec![false; manifest.programs.len()];
        for (at, rule) in manifest.rules.iter().enumerate() {
            if rule.deny.is_some()
                && self.effective(at) == Mode::Permissive
                && let Some(hook) = tried.get_mut(rule.program as usize)
            {
                *hook = true;
            }
        }
        let act = |(at, rule): (usize, &Rule)| match self.effective(at) {
            _ if aside(rule) => Act::Nothing,
            Mode::Enforce if tried.get(rule.program as usize) == Some(&true) => Act::Enforce,
            Mode::Enforce => Act::Alone,
            Mode::Permissive => Act::Try,
            Mode::Off => Act::Nothing,
        };
        let acts = manifest.rules.iter().enumerate().map(act).map(|act| act as u8);
        acts.chain(self.rules.iter().map(|mode| *mode as u8)).chain([self.policy as u8]).collect()
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
    fn a_policy_gives_its_rules_their_modes_back() {
        let manifest = manifest();
        let mut modes = Modes::first(&manifest);
        assert_eq!(modes.value(&manifest), [0, 0, 2, 1, 0, 0, 1, 0, 0]);
        modes.rules[3] = Mode::Off;
        modes.policy = Mode::Permissive;
        let value = modes.value(&manifest);
        assert_eq!(value, [2, 2, 2, 3, 0, 0, 1, 2, 1]);
        let mut again = Modes::read(&value, 4).expect("it is what was written");
        assert_eq!(again, modes);
        again.policy = Mode::Enforce;
        assert_eq!(again.value(&manifest), [0, 0, 2, 3, 0, 0, 1, 2, 0]);
        assert_eq!(Modes::read(&value, 5), None);
        // A rule that only watches asks nothing of others.
        let watching = Modes { rules: vec![Mode::Enforce, Mode::Permissive, Mode::Off, Mode::Off], ..again };
        assert_eq!(watching.value(&manifest)[..4], [0, 2, 3, 3]);
    }
}
