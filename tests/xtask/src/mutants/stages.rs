//! Stages: the test programs of the workspace, in the order in which a mutant is tested by them.
//!
//! ```text
//! krsic --lib   krs-tests --test meaning   krs-tests --test cases   ...   krs-tests --test differential
//! ```
//!
//! The list comes from `cargo metadata`, so that a new test program is a stage without further work. Absent:
//! documentation tests; the crates have none that run code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::host;

/// Test programs in the order of faults caught per time; others follow these.
const ORDER: [&str; 4] = ["krs-tests --test meaning", "krs-tests --test cases", "krs-tests --test every_hook", "krsic"];
/// Test programs that take longest, last and in this order.
const LAST: [&str; 3] =
    ["krs-tests --test stdlib_types", "krs-tests --test stdlib_constants", "krs-tests --test differential"];
/// Packages that are not part of the product.
const OTHER: [&str; 2] = ["xtask", "krs-guest"];

/// One test program of a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stage {
    pub package: String,
    /// Cargo's arguments for the target: `--lib`, `--bin NAME` or `--test NAME`.
    pub target: Vec<String>,
}

impl Stage {
    /// The arguments that follow `cargo test`.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        ["-p", self.package.as_str()].into_iter().chain(self.target.iter().map(String::as_str))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.package, self.target.join(" "))
    }
}

/// The test programs, and the dependencies between packages.
#[derive(Debug)]
pub struct Stages {
    all: Vec<Stage>,
    /// Packages of the workspace with which the programs of each package are linked, including itself.
    uses: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    targets: Vec<Target>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    test: bool,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    path: Option<String>,
}

impl Stages {
    /// Reads the workspace in a folder.
    pub fn read(folder: &Path) -> Result<Stages> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let text = host::run(Command::new(cargo).current_dir(folder).args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ]))?;
        Stages::of(&text)
    }

    fn of(metadata: &[u8]) -> Result<Stages> {
        let Metadata { mut packages } = serde_json::from_slice(metadata).context("cannot read cargo's metadata")?;
        packages.retain(|package| !OTHER.contains(&package.name.as_str()));
        let mut all = Vec::new();
        let mut uses = BTreeMap::new();
        for package in &packages {
            for Target { name, kind, .. } in package.targets.iter().filter(|target| target.test) {
                let target = match kind.first().map(String::as_str) {
                    Some("lib") => vec!["--lib".to_owned()],
                    Some(kind @ ("bin" | "test")) => vec![format!("--{kind}"), name.clone()],
                    _ => continue,
                };
                all.push(Stage { package: package.name.clone(), target });
            }
            let mut reached = BTreeSet::from([package.name.clone()]);
            let mut todo = vec![package];
            while let Some(at) = todo.pop() {
                let names = at.dependencies.iter().filter(|used| used.path.is_some()).map(|used| &used.name);
                for used in names.filter_map(|name| packages.iter().find(|package| package.name == *name)) {
                    if reached.insert(used.name.clone()) {
                        todo.push(used);
                    }
                }
            }
            uses.insert(package.name.clone(), reached);
        }
        Ok(Stages { all, uses })
    }

    /// All test programs of the workspace.
    pub fn all(&self) -> &[Stage] {
        &self.all
    }

    /// Test programs that contain code of a package, in the order in which they run.
    pub fn of_package(&self, package: &str) -> Vec<&Stage> {
        let mut stages: Vec<&Stage> = self
            .all
            .iter()
            .filter(|stage| self.uses.get(&stage.package).is_some_and(|uses| uses.contains(package)))
            .collect();
        stages.sort_by_key(|stage| {
            let name = stage.to_string();
            let rank = ORDER.iter().position(|first| name.starts_with(first)).unwrap_or(ORDER.len());
            let last = LAST.iter().position(|last| *last == name).map_or(0, |at| at + 1);
            // A crate's own tests first, and of those the unit tests.
            (stage.package != package, last, rank, name)
        });
        stages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(package: &str) -> Vec<String> {
        let stages = Stages::read(host::repository()).unwrap();
        stages.of_package(package).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_own_tests_come_first_and_the_slowest_last() {
        let names = names("krsic");
        assert!(names[0].starts_with("krsic "), "{names:?}");
        assert_eq!(names.last().unwrap(), "krs-tests --test differential");
    }

    #[test]
    fn a_package_meets_the_tests_of_those_that_use_it_and_no_others() {
        assert_eq!(names("krsi"), ["krsi --bin krsi"]);
        // The loader's tests compile policies.
        assert!(names("krs-grammar").contains(&"krsi --bin krsi".to_owned()));
        assert!(!names("krsic").iter().any(|name| name.starts_with("krs-grammar")));
        assert!(!names("krsi-abi").iter().any(|name| name.starts_with("xtask")));
    }
}
