//! Rules for newer kernels (`@since("6.1")`): finds and disables those that the running kernel does not support.
//!
//! ```text
//! loaded guard: 3 rules on 2 hooks
//!   not active here: `no_namespaces` (for 6.1 and newer): this kernel has no hook `userns_create`
//! ```
//!
//! An inactive rule is disabled by a switch in the object's constants before the object is loaded. A program
//! without active rules is not loaded at all.

use krsi_abi::manifest::{Manifest, Need, Rule, Since};

use crate::failure::Failure;
use crate::kernel::Kernel;
use crate::object::Object;

/// A rule that is not active, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inactive {
    /// Index of the rule in `Manifest::rules`.
    pub rule: usize,
    /// The reason: `this kernel has no hook ...`.
    pub why: String,
}

/// Finds the rules that are not active on a kernel with the given release.
pub fn inactive(manifest: &Manifest, kernel: &Kernel, release: Option<(u32, u32)>) -> Vec<Inactive> {
    let rules = manifest.rules.iter().enumerate();
    rules
        .filter_map(|(index, rule)| {
            Some(Inactive { rule: index, why: missing(rule.since.as_ref()?, kernel, release)? })
        })
        .collect()
}

/// Finds the programs, by index, that have no active rule and maintain no labels.
pub fn idle(manifest: &Manifest, inactive: &[Inactive]) -> Vec<usize> {
    let off = |rule: usize| inactive.iter().any(|known| known.rule == rule);
    let on = |program: usize| {
        manifest.rules.iter().enumerate().any(|(index, rule)| rule.program as usize == program && !off(index))
    };
    (0..manifest.programs.len()).filter(|program| !manifest.programs[*program].keeps && !on(*program)).collect()
}

/// Version of the running kernel: 6 and 1 of the release `6.1.0-51-cloud-amd64`.
pub fn release() -> Option<(u32, u32)> {
    version(&rustix::system::uname().release().to_string_lossy())
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Formats an inactive rule with its reason.
pub fn describe(manifest: &Manifest, inactive: &Inactive) -> String {
    let rule = &manifest.rules[inactive.rule];
    format!("`{}`{}: {}", rule.name, versions(rule), inactive.why)
}

/// Formats the versions that a rule is for: ` (for 6.1 and newer)`.
fn versions(rule: &Rule) -> String {
    match &rule.since {
        Some(Since { version: (major, minor), .. }) => format!(" (for {major}.{minor} and newer)"),
        None => String::new(),
    }
}

/// Returns the first requirement of a rule that the kernel does not meet.
fn missing(since: &Since, kernel: &Kernel, release: Option<(u32, u32)>) -> Option<String> {
    for need in &since.needs {
        let why = match need {
            Need::Hook(hook) if !kernel.has_hook(hook) => format!("this kernel has no hook `{hook}`"),
            Need::Argument { hook, name }
                if !kernel.hook(hook).is_ok_and(|all| all.iter().any(|(arg, _)| arg == name)) =>
            {
                format!("this kernel's `{hook}` has no `{name}`")
            }
            Need::Field { of, path } if !kernel.has_field(of, path) => {
                format!("this kernel's `{of}` has no field `{}`", path.join("."))
            }
            Need::Enumerator { of, name } if !kernel.has_enumerator(of, name) => {
                format!("this kernel's `{of}` has no `{name}`")
            }
            _ => continue,
        };
        return Some(why);
    }
    let release = release.filter(|release| since.by_number && *release < since.version)?;
    Some(format!("this is Linux {}.{}", release.0, release.1))
}

impl Object {
    /// Disables the rules that the kernel is too old for, and returns them.
    pub fn disable_inactive(&mut self, kernel: &Kernel, release: Option<(u32, u32)>) -> Result<Vec<Inactive>, Failure> {
        let inactive = inactive(&self.manifest, kernel, release);
        for found in &inactive {
            if let Some(since) = self.manifest.rules[found.rule].since.clone() {
                self.set_word(since.switch, 0)?;
            }
        }
        Ok(inactive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_numbers() {
        assert_eq!(version("5.10.0-32-cloud-amd64"), Some((5, 10)));
        assert_eq!(version("7.2.12+deb14"), Some((7, 2)));
        assert_eq!(version("6.18-rc3"), Some((6, 18)));
        assert_eq!(version("linux"), None);
    }

    fn since(version: (u32, u32), needs: Vec<Need>, by_number: bool) -> Since {
        Since { version, needs, by_number, switch: 0 }
    }

    /// A rule for 6.1 whose requirement is only the version number.
    #[test]
    fn rules_by_kernel_version() {
        let kernel = crate::kernel::tests::small();
        let by_number = since((6, 1), vec![], true);
        for (release, active) in [((5, 10), false), ((6, 0), false), ((6, 1), true), ((6, 12), true), ((7, 0), true)] {
            let why = missing(&by_number, &kernel, Some(release));
            let expected = (!active).then(|| format!("this is Linux {}.{}", release.0, release.1));
            assert_eq!(why, expected);
        }
        // An unknown version counts as new enough, and so does a kernel that meets the other requirements.
        assert_eq!(missing(&by_number, &kernel, None), None);
        assert_eq!(missing(&since((6, 1), vec![], false), &kernel, Some((5, 10))), None);
    }

    #[test]
    fn requirements_are_checked() {
        let kernel = crate::kernel::tests::small();
        let field = |path: &[&str]| Need::Field {
            of: "task_struct".into(),
            path: path.iter().map(|part| (*part).to_owned()).collect(),
        };
        let argument = |name: &str| Need::Argument { hook: "file_open".into(), name: name.into() };
        let enumerator = |name: &str| Need::Enumerator { of: "pid_type".into(), name: name.into() };
        for (need, why) in [
            (Need::Hook("file_open".into()), None),
            (Need::Hook("userns_create".into()), Some("this kernel has no hook `userns_create`")),
            (argument("optval"), None),
            (argument("mask"), Some("this kernel's `file_open` has no `mask`")),
            (field(&["loginuid", "val"]), None),
            (field(&["loginuid", "sid"]), Some("this kernel's `task_struct` has no field `loginuid.sid`")),
            (enumerator("PIDTYPE_TGID"), None),
            (enumerator("PIDTYPE_SID"), Some("this kernel's `pid_type` has no `PIDTYPE_SID`")),
        ] {
            // All requirements are checked, not only the first.
            let needs = vec![Need::Hook("file_open".into()), need];
            assert_eq!(missing(&since((6, 1), needs, false), &kernel, Some((7, 2))).as_deref(), why);
        }
    }

    fn manifest(rules: &[(u32, Option<Since>)], keeps: &[bool]) -> Manifest {
        let program = |keeps: &bool| krsi_abi::manifest::Program {
            hook: "file_open".into(),
            keeps: *keeps,
            ..krsi_abi::manifest::Program::default()
        };
        let rule = |(at, (program, since)): (usize, &(u32, Option<Since>))| Rule {
            name: format!("r{at}"),
            program: *program,
            since: since.clone(),
            ..Rule::default()
        };
        Manifest {
            programs: keeps.iter().map(program).collect(),
            rules: rules.iter().enumerate().map(rule).collect(),
            ..Manifest::default()
        }
    }

    #[test]
    fn programs_without_active_rules_are_idle() {
        let new = Some(since((6, 1), vec![], true));
        // Program 0 has an active rule, 1 has none, 2 has none but maintains labels, 3 has no rules.
        let manifest = manifest(
            &[(0, None), (0, new.clone()), (1, new.clone()), (1, new.clone()), (2, new)],
            &[false, false, true, false],
        );
        let kernel = crate::kernel::tests::small();
        let off = inactive(&manifest, &kernel, Some((5, 10)));
        assert_eq!(off.iter().map(|off| off.rule).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(idle(&manifest, &off), [1, 3]);
        assert_eq!(describe(&manifest, &off[0]), "`r1` (for 6.1 and newer): this is Linux 5.10");
        assert_eq!(inactive(&manifest, &kernel, Some((6, 1))), []);
        assert_eq!(idle(&manifest, &[]), [3]);
        let always = Inactive { rule: 0, why: "no".into() };
        assert_eq!(describe(&manifest, &always), "`r0`: no");
    }
}
