//! `krsi stats`: what the rules of loaded policies have recorded, and what their programs cost.
//!
//! Rules count by themselves, from the moment that they are loaded. How often programs run and how long the kernel counts
//! only where it is told to, since that costs each run some nanoseconds.

use std::fs;

use aya::programs::ProgramInfo;
use serde_json::json;

use crate::failure::Failure;
use crate::list::{self, Counters};
use crate::load::not_loaded;
use crate::pins;

/// Where the kernel says whether it times programs.
const TIMED: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Prints what one policy or all have counted.
pub fn stats(name: Option<&str>, as_json: bool) -> Result<String, Failure> {
    let names = match name {
        None => pins::loaded()?,
        Some(name) => {
            pins::check_name(name)?;
            if !pins::folder(name).exists() {
                return Err(not_loaded(name));
            }
            vec![name.to_owned()]
        }
    };
    let policies = names.iter().map(|name| Policy::read(name)).collect::<Result<Vec<_>, _>>()?;
    let timed = fs::read_to_string(TIMED).is_ok_and(|text| text.trim() == "1");
    if as_json {
        return Ok(policies.iter().map(|policy| format!("{}\n", policy.json(timed))).collect());
    }
    if policies.is_empty() {
        return Ok("no policy is loaded\n".into());
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
        out.push_str("\nprograms are not timed: `sysctl kernel.bpf_stats_enabled=1` begins it, `=0` ends it\n");
    }
    Ok(out)
}

/// A loaded policy.
struct Policy {
    name: String,
    /// Name and hook.
    rules: Vec<(String, String)>,
    counters: Counters,
    programs: Vec<Program>,
}

/// What the kernel has counted of a program.
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
        // One whose rules are not active here is not loaded.
        let programs = manifest.programs.iter().filter_map(|program| read(&program.hook)).collect();
        Ok(Policy { name: name.to_owned(), rules, counters, programs })
    }

    /// Written, lost, limited and unknown, by rule.
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

    /// Of programs that have been timed.
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
