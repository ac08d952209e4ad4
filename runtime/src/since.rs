//! Rules for newer kernels (`@since("6.1")`): which of them the running kernel has what they need for.
//!
//! ```text
//! loaded guard: 3 rules on 2 hooks
//!   not active here: `no_namespaces` (for 6.1 and newer): this kernel has no hook `userns_create`
//! ```
//!
//! A rule that is not active is turned off in the object's constants before the kernel sees it, and its hook's program
//! is not loaded where no other rule is left on it.

use krsi_abi::manifest::{Manifest, Need, Rule, Since};

use crate::failure::Failure;
use crate::kernel::Kernel;
use crate::object::Object;

/// A rule that is not active, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inactive {
    /// Index into `Manifest::rules`.
    pub rule: usize,
    /// `this kernel has no hook ...`
    pub why: String,
}

/// The rules that are not active on a kernel of this number.
pub fn inactive(manifest: &Manifest, kernel: &Kernel, release: Option<(u32, u32)>) -> Vec<Inactive> {
    let rules = manifest.rules.iter().enumerate();
    rules
        .filter_map(|(rule, said)| Some(Inactive { rule, why: lacking(said.since.as_ref()?, kernel, release)? }))
        .collect()
}

/// The programs, by index, that have nothing to do: no active rule, and no labels to keep.
pub fn idle(manifest: &Manifest, inactive: &[Inactive]) -> Vec<usize> {
    let off = |rule: usize| inactive.iter().any(|known| known.rule == rule);
    let on = |program: usize| {
        manifest.rules.iter().enumerate().any(|(index, rule)| rule.program as usize == program && !off(index))
    };
    (0..manifest.programs.len()).filter(|program| !manifest.programs[*program].keeps && !on(*program)).collect()
}

/// The number of the running kernel's release: 6 and 1 of `6.1.0-51-cloud-amd64`.
pub fn release() -> Option<(u32, u32)> {
    number(&rustix::system::uname().release().to_string_lossy())
}

fn number(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// A rule that is not active, in words for whoever loads it.
pub fn words(manifest: &Manifest, inactive: &Inactive) -> String {
    let rule = &manifest.rules[inactive.rule];
    format!("`{}`{}: {}", rule.name, versions(rule), inactive.why)
}

/// ` (for 6.1 and newer)`
fn versions(rule: &Rule) -> String {
    match &rule.since {
        Some(Since { version: (major, minor), .. }) => format!(" (for {major}.{minor} and newer)"),
        None => String::new(),
    }
}

fn lacking(since: &Since, kernel: &Kernel, release: Option<(u32, u32)>) -> Option<String> {
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
    /// Turns off what the kernel is too old for, and tells what that is.
    pub fn turn_off(&mut self, kernel: &Kernel) -> Result<Vec<Inactive>, Failure> {
        let inactive = inactive(&self.manifest, kernel, release());
        for off in &inactive {
            if let Some(since) = self.manifest.rules[off.rule].since.clone() {
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
        assert_eq!(number("5.10.0-32-cloud-amd64"), Some((5, 10)));
        assert_eq!(number("7.2.12+deb14"), Some((7, 2)));
        assert_eq!(number("6.18-rc3"), Some((6, 18)));
        assert_eq!(number("linux"), None);
    }
}
