//! `krsi stats`: event counters of the rules of loaded policies, and run time of their programs.
//!
//! Programs count events from the moment that they are loaded. The kernel counts runs and run time only if
//! `kernel.bpf_stats_enabled` is set, since that costs some nanoseconds per run.

use std::fs;

use aya::programs::ProgramInfo;
use serde_json::json;

use crate::failure::Failure;
use crate::list::{self, Counters};
use crate::pins;

/// The sysctl that enables timing of programs.
const TIMED: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Runs `krsi stats` for one or all policies and returns its output.
pub fn stats(name: Option<&str>, as_json: bool) -> Result<String, Failure> {
    let names = match name {
        None => pins::loaded()?,
        Some(name) => {
            pins::find(name)?;
            vec![name.to_owned()]
        }
    };
    let policies = names.iter().map(|name| Policy::read(name)).collect::<Result<Vec<_>, _>>()?;
    let timed = fs::read_to_string(TIMED).is_ok_and(|text| text.trim() == "1");
    Ok(format_stats(&policies, timed, as_json))
}

/// Formats the counters of policies; `timed` is true if the kernel times programs.
fn format_stats(policies: &[Policy], timed: bool, as_json: bool) -> String {
    if as_json {
        return policies.iter().map(|policy| format!("{}\n", policy.json(timed))).collect();
    }
    if policies.is_empty() {
        return "no policy is loaded\n".into();
    }
    let mut out = list::table(
        ["POLICY", "RULE", "HOOK", "WRITTEN", "LOST", "LIMITED", "UNKNOWN"],
        policies.iter().flat_map(Policy::rule_rows),
    );
    let programs: Vec<_> = policies.iter().flat_map(Policy::program_rows).collect();
    if !programs.is_empty() {
        out.push('\n');
        out.push_str(&list::table(["POLICY", "HOOK", "RUNS", "MEAN"], programs));
    }
    if !timed {
        out.push_str(
            "\nprograms are not timed; `sysctl kernel.bpf_stats_enabled=1` enables timing, `=0` disables it\n",
        );
    }
    out
}

/// A loaded policy with its counters.
struct Policy {
    name: String,
    /// Name and hook of each rule.
    rules: Vec<(String, String)>,
    counters: Counters,
    programs: Vec<Program>,
}

/// The kernel's counters of a program.
struct Program {
    hook: String,
    runs: u64,
    time_ns: u64,
}

impl Policy {
    fn read(name: &str) -> Result<Policy, Failure> {
        let manifest = list::manifest(name)?;
        let counters = list::counters(name, &manifest)?;
        let hook =
            |program: u32| manifest.programs.get(program as usize).map_or("", |program| &program.hook).to_owned();
        let rules = manifest.rules.iter().map(|rule| (rule.name.clone(), hook(rule.program))).collect();
        let folder = pins::folder(name).join("programs");
        let read = |hook: &str| {
            let info = ProgramInfo::from_pin(folder.join(hook)).ok()?;
            let time_ns = u64::try_from(info.run_time().as_nanos()).unwrap_or(u64::MAX);
            Some(Program { hook: hook.to_owned(), runs: info.run_count(), time_ns })
        };
        // A program without active rules is not loaded.
        let programs = manifest.programs.iter().filter_map(|program| read(&program.hook)).collect();
        Ok(Policy { name: name.to_owned(), rules, counters, programs })
    }

    /// The written, lost, limited and unknown counts of each rule.
    fn counts(&self) -> impl Iterator<Item = (&(String, String), [u64; 4])> {
        let Counters { written, lost, limited, unreadable, .. } = &self.counters;
        let all = [written, lost, limited, unreadable];
        let at = move |rule: usize| all.map(|counts| counts.get(rule).copied().unwrap_or(0));
        self.rules.iter().enumerate().map(move |(rule, of)| (of, at(rule)))
    }

    fn rule_rows(&self) -> impl Iterator<Item = [String; 7]> {
        self.counts().map(|((rule, hook), counts)| {
            let [written, lost, limited, unknown] = counts.map(|count| count.to_string());
            [self.name.clone(), rule.clone(), hook.clone(), written, lost, limited, unknown]
        })
    }

    /// Rows of the programs that have been timed.
    fn program_rows(&self) -> impl Iterator<Item = [String; 4]> {
        let timed = self.programs.iter().filter(|program| program.runs > 0);
        timed.map(|Program { hook, runs, time_ns }| {
            [self.name.clone(), hook.clone(), runs.to_string(), format!("{} ns", time_ns / runs)]
        })
    }

    fn json(&self, timed: bool) -> serde_json::Value {
        let rules = self.counts().map(|((rule, hook), [written, lost, limited, unknown])| {
            json!({
                "rule": rule, "hook": hook,
                "written": written, "lost": lost, "limited": limited, "unknown": unknown,
            })
        });
        let programs = self.programs.iter().map(|Program { hook, runs, time_ns }| {
            json!({ "hook": hook, "runs": runs, "time_ns": time_ns, "mean_ns": time_ns.checked_div(*runs) })
        });
        json!({
            "policy": self.name,
            "rules": rules.collect::<Vec<_>>(),
            "programs": programs.collect::<Vec<_>>(),
            "timed": timed,
            "labels_lost": self.counters.labels_lost,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(runs: u64) -> Policy {
        Policy {
            name: "p".into(),
            rules: [("first", "file_open"), ("second", "file_open"), ("first", "bpf")]
                .map(|(rule, hook)| (rule.to_owned(), hook.to_owned()))
                .to_vec(),
            counters: Counters {
                written: vec![1, 20, 3],
                lost: vec![4, 5, 6],
                limited: vec![],
                unreadable: vec![7, 8, 9],
                labels_lost: 2,
            },
            programs: vec![
                Program { hook: "file_open".into(), runs, time_ns: 1999 },
                Program { hook: "bpf".into(), runs: 0, time_ns: 0 },
            ],
        }
    }

    #[test]
    fn counts_as_tables() {
        let rules = "POLICY  RULE    HOOK       WRITTEN  LOST  LIMITED  UNKNOWN\n\
                     p       first   file_open  1        4     0        7\n\
                     p       second  file_open  20       5     0        8\n\
                     p       first   bpf        3        6     0        9\n";
        // 1999 ns in 10 runs; a program that has not run is left out.
        let programs = "\nPOLICY  HOOK       RUNS  MEAN\n\
                        p       file_open  10    199 ns\n";
        let untimed =
            "\nprograms are not timed; `sysctl kernel.bpf_stats_enabled=1` enables timing, `=0` disables it\n";
        assert_eq!(format_stats(&[policy(10)], true, false), format!("{rules}{programs}"));
        // Earlier timings are shown after timing was disabled.
        assert_eq!(format_stats(&[policy(10)], false, false), format!("{rules}{programs}{untimed}"));
        assert_eq!(format_stats(&[policy(0)], true, false), rules);
        assert_eq!(format_stats(&[], true, false), "no policy is loaded\n");
    }

    #[test]
    fn counts_as_json() {
        let line = format_stats(&[policy(10)], true, true);
        let expected = json!({
            "policy": "p",
            "rules": [
                { "rule": "first", "hook": "file_open", "written": 1, "lost": 4, "limited": 0, "unknown": 7 },
                { "rule": "second", "hook": "file_open", "written": 20, "lost": 5, "limited": 0, "unknown": 8 },
                { "rule": "first", "hook": "bpf", "written": 3, "lost": 6, "limited": 0, "unknown": 9 },
            ],
            "programs": [
                { "hook": "file_open", "runs": 10, "time_ns": 1999, "mean_ns": 199 },
                { "hook": "bpf", "runs": 0, "time_ns": 0, "mean_ns": null },
            ],
            "timed": true,
            "labels_lost": 2,
        });
        assert_eq!(line, format!("{expected}\n"));
        assert_eq!(format_stats(&[], false, true), "");
        assert_eq!(format_stats(&[policy(1), policy(2)], false, true).lines().count(), 2);
    }
}
