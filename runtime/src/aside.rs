//! Rules that deny what `krsi` does itself to the pins: they are set aside while it works.
//!
//! A policy with `on path_rmdir deny` keeps `krsi` from removing the policy's own folder, also for some time after its
//! links are gone: the kernel runs a program until it has detached it. The modes of a policy (see `krsi_abi::modes`) say for
//! each rule what it does, so one write makes rules do nothing, at once and without an effect on the modes that `krsi mode`
//! shows:
//!
//! ```text
//! Full      each rule does what its mode says
//! Passing   rules that deny or kill on a hook of HOOKS do nothing
//! Nothing   no rule does anything
//! ```
//!
//! Absent: rules on `bpf`. A policy that denies bpf(2) to `krsi` is refused when it is loaded, since nothing could unload
//! it.

use krsi_abi::manifest::{Manifest, Rule};
use krsi_abi::modes::{Mode, Modes};

/// How much of a policy is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Force {
    /// No rule does anything.
    Nothing,
    /// Rules that could deny an operation of `krsi` on pins do nothing.
    Passing,
    /// Each rule does what its mode says.
    Full,
}

/// What `krsi` does to pins and folders, with the hooks that the kernel asks on the way.
///
/// Sources: `do_mkdirat`, `bpf_obj_do_pin` and `vfs_mkobj`, `do_unlinkat`, `do_rmdir`, `do_renameat2`, `vfs_open` and
/// `iterate_dir`, `flock(2)`; `inode_permission` and `inode_getattr` are asked by all.
const HOOKS: [(&str, &[&str]); 5] = [
    ("made", &["path_mkdir", "path_mknod", "inode_mkdir", "inode_mknod", "inode_create", "inode_permission"]),
    ("removed", &["path_unlink", "path_rmdir", "inode_unlink", "inode_rmdir", "inode_permission"]),
    ("renamed", &["path_rename", "inode_rename", "inode_permission"]),
    ("opened", &["file_open", "inode_permission"]),
    ("read", &["file_open", "file_permission", "inode_permission", "inode_getattr"]),
];

/// The hooks that are asked before something is `made`, `removed`, `renamed`, `opened` or `read`.
fn hooks(what: &str) -> &'static [&'static str] {
    match what {
        "locked" => &["file_lock"],
        _ => HOOKS.iter().find(|(operation, _)| *operation == what).map_or(&[], |(_, hooks)| hooks),
    }
}

fn hook<'m>(manifest: &'m Manifest, rule: &Rule) -> &'m str {
    manifest.programs.get(rule.program as usize).map_or("", |program| &program.hook)
}

/// True for a rule that can keep `krsi` from an operation on pins.
pub fn in_the_way(manifest: &Manifest, rule: &Rule) -> bool {
    let hook = hook(manifest, rule);
    (rule.deny.is_some() || rule.kill.is_some())
        && (hook == "file_lock" || HOOKS.iter().any(|(_, hooks)| hooks.contains(&hook)))
}

/// The value of a policy's modes that puts so much of it in force; `None` where it has that value already or cannot be
/// understood. The manifest is asked for only where it is needed; without one all rules pass.
///
/// A policy without force does not get some of it back by `Passing`.
pub fn switched(value: &[u8], force: Force, manifest: impl FnOnce() -> Option<Manifest>) -> Option<Vec<u8>> {
    Modes::read(value, value.len() / 2)?;
    let in_force = Modes::in_force(value);
    if force == Force::Full && in_force || force == Force::Passing && !in_force {
        return None;
    }
    let all_aside = || {
        let mut next = value.to_vec();
        Modes::set_aside(&mut next);
        next
    };
    let next = match (force, manifest()) {
        (Force::Nothing, _) | (Force::Passing, None) => all_aside(),
        (_, Some(manifest)) => {
            let modes = Modes::read(value, manifest.rules.len())?;
            let aside = |rule: &Rule| force == Force::Passing && in_the_way(&manifest, rule);
            let next = modes.value_without(&manifest, aside);
            if next.len() != value.len() {
                return None;
            }
            next
        }
        (Force::Full, None) => return None,
    };
    (next != value).then_some(next)
}

/// The rules of a policy that deny an operation, as a sentence: `made`, `removed`, `renamed`, `opened`, `read` or `locked`.
pub fn denials(name: &str, manifest: &Manifest, modes: &Modes, what: &str) -> Option<String> {
    let hooks = hooks(what);
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

    /// Rules by hook; each denies, but for one on `file_open` that only kills and one on `path_rmdir` that only records.
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
    fn a_policy_passes_and_is_in_force_again() {
        let full = modes().value(&manifest());
        assert_eq!(full, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let switch = |value: &[u8], force| switched(value, force, || Some(manifest()));
        // Only rules that deny or kill on hooks of krsi's own operations are set aside; modes stay.
        let passing = switch(&full, Force::Passing).expect("rules are in the way");
        assert_eq!(passing, [3, 0, 3, 0, 3, 0, 0, 0, 0, 0, 0]);
        assert_eq!(switch(&passing, Force::Passing), None);
        let nothing = switch(&full, Force::Nothing).expect("rules do something");
        assert_eq!(nothing, [3, 3, 3, 3, 3, 0, 0, 0, 0, 0, 0]);
        assert_eq!(switch(&nothing, Force::Nothing), None);
        assert_eq!(switch(&nothing, Force::Passing), None);
        for aside in [&passing, &nothing] {
            assert_eq!(switch(aside, Force::Full).as_ref(), Some(&full));
        }
        assert_eq!(switch(&full, Force::Full), None);
    }

    #[test]
    fn modes_that_were_set_survive() {
        let mut modes = modes();
        modes.rules[0] = Mode::Off;
        modes.rules[1] = Mode::Permissive;
        let full = modes.value(&manifest());
        let nothing = switched(&full, Force::Nothing, || None).expect("rules do something");
        assert_eq!(nothing, [3, 3, 3, 3, 3, 2, 1, 0, 0, 0, 0]);
        assert_eq!(switched(&nothing, Force::Full, || Some(manifest())), Some(full));
    }

    #[test]
    fn a_policy_in_force_needs_no_manifest() {
        let full = modes().value(&manifest());
        assert_eq!(switched(&full, Force::Full, || panic!("the manifest is not asked for")), None);
        // A policy that is off as a whole is in force as it is.
        let off = Modes { policy: Mode::Off, ..modes() }.value(&manifest());
        assert_eq!(switched(&off, Force::Full, || panic!("the manifest is not asked for")), None);
    }

    #[test]
    fn values_of_unreadable_policies() {
        let full = modes().value(&manifest());
        // All rules pass where nobody can tell which are in the way.
        assert_eq!(switched(&full, Force::Passing, || None), Some(vec![3, 3, 3, 3, 3, 0, 0, 0, 0, 0, 0]));
        // A value of other rules is left alone.
        assert_eq!(switched(&full[2..], Force::Passing, || Some(manifest())), None);
        assert_eq!(switched(&[3, 0, 0], Force::Full, || None), None);
        assert_eq!(switched(&[], Force::Nothing, || None), None);
    }

    #[test]
    fn denials_name_the_rules() {
        let told = |modes: &Modes, what| denials("p", &manifest(), modes, what);
        let removed = "policy `p` has rules that can deny this: `rmdir` on `path_rmdir`";
        assert_eq!(told(&modes(), "removed").as_deref(), Some(removed));
        assert_eq!(
            told(&modes(), "locked").as_deref(),
            Some("policy `p` has rules that can deny this: `lock` on `file_lock`")
        );
        // `killer` on `file_open` does not deny.
        assert_eq!((told(&modes(), "opened"), told(&modes(), "renamed")), (None, None));
        let mut off = modes();
        off.rules[0] = Mode::Permissive;
        assert_eq!(told(&off, "removed"), None);
    }
}
