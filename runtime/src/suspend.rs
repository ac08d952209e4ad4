//! Temporary suspension of rules that would deny `krsi`'s own operations on the pins.
//!
//! A policy with `on path_rmdir deny` prevents `krsi` from removing the policy's own folder, even for some time
//! after its links are gone, because the kernel runs a program until it has detached it. The mode map of a
//! policy (see `krsi_abi::modes`) holds the effective action of each rule, so one write suspends rules at once,
//! without changing the modes that `krsi mode` shows:
//!
//! ```text
//! Full         each rule acts according to its mode
//! Restricted   rules that deny or kill on one of the hooks in HOOKS are suspended
//! Suspended    all rules are suspended
//! ```
//!
//! Absent: rules on `bpf`. A policy that denies bpf(2) to `krsi` is rejected at load time, since nothing could
//! unload it.

use krsi_abi::manifest::{Manifest, Rule};
use krsi_abi::modes::{Mode, Modes};

/// The part of a policy that is in force, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Enforcement {
    /// All rules are suspended.
    Suspended,
    /// Rules that could deny an operation of `krsi` on pins are suspended.
    Restricted,
    /// Each rule acts according to its mode.
    Full,
}

/// Operations of `krsi` on pins and folders, with the hooks that the kernel calls for them.
///
/// Sources: `do_mkdirat`, `bpf_obj_do_pin` and `vfs_mkobj`, `do_unlinkat`, `do_rmdir`, `do_renameat2`, `vfs_open` and
/// `iterate_dir`, `flock(2)`; all of them call `inode_permission` and `inode_getattr`.
const HOOKS: [(&str, &[&str]); 5] = [
    ("create", &["path_mkdir", "path_mknod", "inode_mkdir", "inode_mknod", "inode_create", "inode_permission"]),
    ("remove", &["path_unlink", "path_rmdir", "inode_unlink", "inode_rmdir", "inode_permission"]),
    ("rename", &["path_rename", "inode_rename", "inode_permission"]),
    ("open", &["file_open", "inode_permission"]),
    ("read", &["file_open", "file_permission", "inode_permission", "inode_getattr"]),
];

/// The hooks called for an operation: `create`, `remove`, `rename`, `open`, `read` or `lock`.
fn hooks(operation: &str) -> &'static [&'static str] {
    match operation {
        "lock" => &["file_lock"],
        _ => HOOKS.iter().find(|(known, _)| *known == operation).map_or(&[], |(_, hooks)| hooks),
    }
}

fn hook<'m>(manifest: &'m Manifest, rule: &Rule) -> &'m str {
    manifest.programs.get(rule.program as usize).map_or("", |program| &program.hook)
}

/// Returns true for a rule that can deny or kill `krsi` in an operation on pins.
pub fn can_block_krsi(manifest: &Manifest, rule: &Rule) -> bool {
    let hook = hook(manifest, rule);
    (rule.deny.is_some() || rule.kill.is_some())
        && (hook == "file_lock" || HOOKS.iter().any(|(_, hooks)| hooks.contains(&hook)))
}

/// Returns the value of the mode map for the given enforcement; `None` if it has that value already or is malformed.
/// `manifest` is called only if needed; without a manifest, `Restricted` suspends all rules.
///
/// `Restricted` does not resume any rule of a policy that has suspended rules.
pub fn with_enforcement(
    value: &[u8],
    enforcement: Enforcement,
    manifest: impl FnOnce() -> Option<Manifest>,
) -> Option<Vec<u8>> {
    Modes::read(value, value.len() / 2)?;
    let in_force = Modes::in_force(value);
    if enforcement == Enforcement::Full && in_force || enforcement == Enforcement::Restricted && !in_force {
        return None;
    }
    let all_suspended = || {
        let mut next = value.to_vec();
        Modes::set_aside(&mut next);
        next
    };
    let next = match (enforcement, manifest()) {
        (Enforcement::Suspended, _) | (Enforcement::Restricted, None) => all_suspended(),
        (_, Some(manifest)) => {
            let modes = Modes::read(value, manifest.rules.len())?;
            let suspended = |rule: &Rule| enforcement == Enforcement::Restricted && can_block_krsi(&manifest, rule);
            let next = modes.value_without(&manifest, suspended);
            if next.len() != value.len() {
                return None;
            }
            next
        }
        (Enforcement::Full, None) => return None,
    };
    (next != value).then_some(next)
}

/// Returns a sentence naming up to four enforced rules of a policy that can deny an operation; see [`hooks`].
pub fn denials(name: &str, manifest: &Manifest, modes: &Modes, operation: &str) -> Option<String> {
    let hooks = hooks(operation);
    let rules = manifest.rules.iter().enumerate().filter(|(at, rule)| {
        rule.deny.is_some() && modes.effective(*at) == Mode::Enforce && hooks.contains(&hook(manifest, rule))
    });
    let rules: Vec<String> =
        rules.map(|(_, rule)| format!("`{}` on `{}`", rule.name, hook(manifest, rule))).take(4).collect();
    (!rules.is_empty()).then(|| format!("policy `{name}` has rules that can deny this: {}", rules.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use krsi_abi::manifest::Program;

    /// One rule per hook. All deny, except one on `file_open` that only kills and one on `path_rmdir` that only
    /// records.
    fn manifest() -> Manifest {
        let hooks = ["path_rmdir", "file_mprotect", "file_open", "path_rmdir", "file_lock"];
        let program = |hook: &str| Program {
            hook: hook.into(),
            section: String::new(),
            instructions: 0,
            parts: vec![],
            keeps: false,
            arguments: vec![],
        };
        let rule = |name: &str, program, deny, kill: Option<&str>| Rule {
            name: name.into(),
            program,
            deny,
            kill: kill.map(str::to_owned),
            ..Rule::default()
        };
        Manifest {
            programs: hooks.map(program).to_vec(),
            rules: vec![
                rule("rmdir", 0, Some(13), None),
                rule("mprotect", 1, Some(1), None),
                rule("killer", 2, None, Some("SIGKILL")),
                rule("watch", 3, None, None),
                rule("lock", 4, Some(1), None),
            ],
            ..Manifest::default()
        }
    }

    fn modes() -> Modes {
        Modes { policy: Mode::Enforce, rules: vec![Mode::Enforce; 5] }
    }

    #[test]
    fn rules_are_suspended_and_resumed() {
        let full = modes().value(&manifest());
        assert_eq!(full, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let switch = |value: &[u8], enforcement| with_enforcement(value, enforcement, || Some(manifest()));
        // Only rules that deny or kill on hooks of krsi's own operations are suspended; the modes do not change.
        let restricted = switch(&full, Enforcement::Restricted).expect("some rules can block krsi");
        assert_eq!(restricted, [3, 0, 3, 0, 3, 0, 0, 0, 0, 0, 0]);
        assert_eq!(switch(&restricted, Enforcement::Restricted), None);
        let suspended = switch(&full, Enforcement::Suspended).expect("rules are in force");
        assert_eq!(suspended, [3, 3, 3, 3, 3, 0, 0, 0, 0, 0, 0]);
        assert_eq!(switch(&suspended, Enforcement::Suspended), None);
        assert_eq!(switch(&suspended, Enforcement::Restricted), None);
        for value in [&restricted, &suspended] {
            assert_eq!(switch(value, Enforcement::Full).as_ref(), Some(&full));
        }
        assert_eq!(switch(&full, Enforcement::Full), None);
    }

    #[test]
    fn modes_that_were_set_survive() {
        let mut modes = modes();
        modes.rules[0] = Mode::Off;
        modes.rules[1] = Mode::Permissive;
        let full = modes.value(&manifest());
        let suspended = with_enforcement(&full, Enforcement::Suspended, || None).expect("rules are in force");
        assert_eq!(suspended, [3, 3, 3, 3, 3, 2, 1, 0, 0, 0, 0]);
        assert_eq!(with_enforcement(&suspended, Enforcement::Full, || Some(manifest())), Some(full));
    }

    #[test]
    fn a_policy_in_force_needs_no_manifest() {
        let full = modes().value(&manifest());
        assert_eq!(with_enforcement(&full, Enforcement::Full, || panic!("the manifest is not needed")), None);
        // A policy whose mode is off has no suspended rules.
        let off = Modes { policy: Mode::Off, ..modes() }.value(&manifest());
        assert_eq!(with_enforcement(&off, Enforcement::Full, || panic!("the manifest is not needed")), None);
    }

    #[test]
    fn values_of_unreadable_policies() {
        let full = modes().value(&manifest());
        // Without a manifest all rules are suspended, since the blocking ones are unknown.
        assert_eq!(
            with_enforcement(&full, Enforcement::Restricted, || None),
            Some(vec![3, 3, 3, 3, 3, 0, 0, 0, 0, 0, 0])
        );
        // The value does not belong to these rules and is left alone.
        assert_eq!(with_enforcement(&full[2..], Enforcement::Restricted, || Some(manifest())), None);
        assert_eq!(with_enforcement(&[3, 0, 0], Enforcement::Full, || None), None);
        assert_eq!(with_enforcement(&[], Enforcement::Suspended, || None), None);
    }

    #[test]
    fn denials_name_the_rules() {
        let denials_of = |modes: &Modes, operation| denials("p", &manifest(), modes, operation);
        let removed = "policy `p` has rules that can deny this: `rmdir` on `path_rmdir`";
        assert_eq!(denials_of(&modes(), "remove").as_deref(), Some(removed));
        assert_eq!(
            denials_of(&modes(), "lock").as_deref(),
            Some("policy `p` has rules that can deny this: `lock` on `file_lock`")
        );
        // `killer` on `file_open` does not deny.
        assert_eq!((denials_of(&modes(), "open"), denials_of(&modes(), "rename")), (None, None));
        let mut off = modes();
        off.rules[0] = Mode::Permissive;
        assert_eq!(denials_of(&off, "remove"), None);
    }
}
