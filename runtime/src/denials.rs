//! The rules that can deny an operation of `krsi` on the pins, for the messages about it.
//!
//! ```text
//! policy `other` has rules that can deny this: `rename` on `path_rename`
//! ```
//!
//! Absent: a remedy. `krsi` never weakens a policy in force for its own operations; it performs them before a policy is
//! in force, or after it has been retired ([`crate::pins`]).

use krsi_abi::manifest::{Manifest, Rule};
use krsi_abi::modes::{Mode, Modes};

/// Operations of `krsi` on pins and folders, with the hooks that the kernel calls for them.
///
/// Sources: `do_mkdirat`, `bpf_obj_do_pin` and `vfs_mkobj`, `do_unlinkat`, `do_rmdir`, `do_renameat2`, `vfs_open` and
/// `iterate_dir`, `flock(2)`; all of them call `inode_permission` and `inode_getattr`.
const HOOKS: [(&str, &[&str]); 6] = [
    ("create", &["path_mkdir", "path_mknod", "inode_mkdir", "inode_mknod", "inode_create", "inode_permission"]),
    ("remove", &["path_unlink", "path_rmdir", "inode_unlink", "inode_rmdir", "inode_permission"]),
    ("rename", &["path_rename", "inode_rename", "inode_permission"]),
    ("open", &["file_open", "inode_permission"]),
    ("read", &["file_open", "file_permission", "inode_permission", "inode_getattr"]),
    ("lock", &["file_lock"]),
];

/// The hooks called for an operation: `create`, `remove`, `rename`, `open`, `read` or `lock`.
fn hooks(operation: &str) -> &'static [&'static str] {
    HOOKS.iter().find(|(known, _)| *known == operation).map_or(&[], |(_, hooks)| hooks)
}

fn hook<'m>(manifest: &'m Manifest, rule: &Rule) -> &'m str {
    manifest.programs.get(rule.program as usize).map_or("", |program| &program.hook)
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
        let program = |hook: &str| Program { hook: hook.into(), ..Program::default() };
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
