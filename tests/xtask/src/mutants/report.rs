//! Results of mutants, kept in a file and printed as a table.
//!
//! ```text
//!             caught  missed  timeout  unviable  per cent
//! grammar         40       6        1         3        87
//! compiler       160      20        2        18        89
//! runtime         35      12        0         3        74
//! all            235      38        3        24        86
//! ```
//!
//! A timeout counts as caught, and an unviable mutant, which does not compile, counts as nothing. The file
//! has a line of JSON for each mutant and is named after the version of the sources, so that results of other
//! sources are not used.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// The result of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Caught,
    Missed,
    Timeout,
    Unviable,
}

/// One mutant that was tried.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Position and description: `compiler/src/glob.rs:12:9: replace > with >= in long`.
    pub name: String,
    pub package: String,
    pub outcome: Outcome,
    /// The test program that caught it.
    pub stage: Option<String>,
    /// Tests that failed in it.
    pub tests: Vec<String>,
    pub seconds: u64,
}

/// The results in a file.
pub struct Results {
    entries: BTreeMap<String, Entry>,
    file: File,
}

impl Results {
    /// Opens the file and reads the results of earlier runs.
    pub fn open(path: &Path) -> Result<Results> {
        let text = fs::read_to_string(path).unwrap_or_default();
        // An interrupted run may leave a part of a line.
        let entries = text.lines().filter_map(|line| serde_json::from_str::<Entry>(line).ok());
        let entries = entries.map(|entry| (entry.name.clone(), entry)).collect();
        let mut file = OpenOptions::new().create(true).append(true).open(path).context("cannot open the results")?;
        if !text.is_empty() && !text.ends_with('\n') {
            writeln!(file)?;
        }
        Ok(Results { entries, file })
    }

    /// The result of a mutant, if it was tried.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// Appends a result to the file.
    pub fn put(&mut self, entry: Entry) -> Result<()> {
        writeln!(self.file, "{}", serde_json::to_string(&entry)?)?;
        self.entries.insert(entry.name.clone(), entry);
        Ok(())
    }
}

/// The part of the project that a package belongs to.
pub fn group(package: &str) -> &'static str {
    match package {
        "krs-grammar" => "grammar",
        "krsi" => "runtime",
        _ => "compiler",
    }
}

/// The table, and below it the mutants that no test caught.
pub fn print(entries: &[&Entry]) -> String {
    let mut out = String::new();
    let mut line = |text: String| writeln!(out, "{text}").expect("a string takes all");
    line(format!("{:10}  caught  missed  timeout  unviable  per cent", ""));
    let row = |name: &str, entries: &[&&Entry]| {
        let count = |outcome| entries.iter().filter(|entry| entry.outcome == outcome).count();
        let [caught, missed, timeout, unviable] =
            [Outcome::Caught, Outcome::Missed, Outcome::Timeout, Outcome::Unviable].map(count);
        let viable = caught + missed + timeout;
        let share = (100 * (caught + timeout)).checked_div(viable).map_or("-".to_owned(), |share| share.to_string());
        format!("{name:10}  {caught:6}  {missed:6}  {timeout:7}  {unviable:8}  {share:>8}")
    };
    for name in ["grammar", "compiler", "runtime"] {
        line(row(name, &entries.iter().filter(|entry| group(&entry.package) == name).collect::<Vec<_>>()));
    }
    line(row("all", &entries.iter().collect::<Vec<_>>()));
    let mut missed: Vec<&str> =
        entries.iter().filter(|entry| entry.outcome == Outcome::Missed).map(|entry| entry.name.as_str()).collect();
    missed.sort_unstable();
    if !missed.is_empty() {
        line(format!("\nmissed:\n  {}", missed.join("\n  ")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, package: &str, outcome: Outcome) -> Entry {
        Entry { name: name.into(), package: package.into(), outcome, stage: None, tests: Vec::new(), seconds: 1 }
    }

    #[test]
    fn timeouts_count_as_caught_and_unviable_mutants_as_nothing() {
        let entries = [
            entry("a", "krsic", Outcome::Caught),
            entry("b", "krsi-abi", Outcome::Timeout),
            entry("c", "krsic", Outcome::Missed),
            entry("d", "krsic", Outcome::Unviable),
            entry("e", "krsi", Outcome::Missed),
        ];
        let wanted = "            caught  missed  timeout  unviable  per cent
grammar          0       0        0         0         -
compiler         1       1        1         1        66
runtime          0       1        0         0         0
all              1       2        1         1        50

missed:
  c
  e
";
        assert_eq!(print(&entries.iter().collect::<Vec<_>>()), wanted);
    }

    #[test]
    fn results_are_read_again_though_the_last_line_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results");
        let mut results = Results::open(&path).unwrap();
        results.put(entry("a", "krsic", Outcome::Caught)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}{}", &text[..20])).unwrap();
        let mut results = Results::open(&path).unwrap();
        results.put(entry("b", "krsi", Outcome::Missed)).unwrap();
        let results = Results::open(&path).unwrap();
        assert_eq!(results.get("a").map(|entry| entry.outcome), Some(Outcome::Caught));
        assert_eq!(results.get("b").map(|entry| entry.outcome), Some(Outcome::Missed));
    }
}
