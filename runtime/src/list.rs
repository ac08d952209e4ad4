//! `krsi list` and `krsi show`: the loaded policies, read from the pins.
//!
//! ```text
//! NAME  HOOKS  RULES  LOST  LIMITED  STATE
//! web   3      4      10    0        enforcing, 1 rule off
//! ```
//!
//! A policy that cannot be read is listed as such and does not prevent the others from being listed.

use std::fmt::Write;
use std::path::Path;

use aya::programs::ProgramInfo;
use krsi_abi::manifest::{self, Manifest, Set};
use krsi_abi::modes::{Mode, Modes, Stage};
use serde_json::json;

use crate::failure::{self, Failure};
use crate::kernel::Kernel;
use crate::since::{self, Inactive};
use crate::terminal::{escape, safe_lines};
use crate::{attached, doctor, elements, files, labels, map_value, modes, params, pins, set_map, sets};

/// Reads the manifest of a loaded policy.
pub fn manifest(name: &str) -> Result<Manifest, Failure> {
    manifest_in(&pins::folder(name))
}

/// Reads the manifest in a policy's folder.
pub fn manifest_in(folder: &Path) -> Result<Manifest, Failure> {
    let pin = folder.join("maps").join("manifest");
    Manifest::from_bytes(&map_value::read(&pin)?).map_err(|error| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Failure::usage(format!("cannot read the manifest of `{name}`: {error}"))
            .help(format!("unload the policy and load it again: `krsi unload {name}`, then `krsi load`"))
    })
}

/// Counters of a policy's programs, indexed by rule.
#[derive(Debug, Default)]
pub struct Counters {
    /// Events that were written; empty if the policy records none.
    pub written: Vec<u64>,
    /// Events lost because the buffer was full; empty if the policy records none.
    pub lost: Vec<u64>,
    /// Events over the limit of their rule; empty if no rule has a limit.
    pub limited: Vec<u64>,
    /// Values such as paths that could not be read; empty if no rule reads one.
    pub unreadable: Vec<u64>,
    /// Labels lost because a map was full, over all rules.
    pub labels_lost: u64,
}

/// Reads the counters of a loaded policy.
pub fn counters(name: &str, manifest: &Manifest) -> Result<Counters, Failure> {
    let pin = pins::folder(name).join("maps").join("lost");
    if !pin.exists() {
        return Ok(Counters::default());
    }
    Ok(parse_counters(manifest, &map_value::read(&pin)?))
}

/// Parses the counters from the value of a policy's state map.
fn parse_counters(manifest: &Manifest, bytes: &[u8]) -> Counters {
    let from = |start: usize| {
        let words = bytes.get(start..).unwrap_or_default().chunks_exact(8).take(manifest.rules.len());
        words.map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default())).collect()
    };
    let records = manifest.rules.iter().any(|rule| rule.audit.is_some() || rule.deny.is_some());
    Counters {
        written: if records { from(krsi_abi::written_at(manifest.rules.len())) } else { Vec::new() },
        lost: if records { from(0) } else { Vec::new() },
        limited: manifest.limited.map(|start| from(start as usize)).unwrap_or_default(),
        unreadable: manifest.unreadable.map(|start| from(start as usize)).unwrap_or_default(),
        labels_lost: manifest.labels_lost.and_then(|start| from(start as usize).first().copied()).unwrap_or_default(),
    }
}

/// Returns the rules that are not active on this kernel, with the reasons.
fn inactive(manifest: &Manifest) -> Result<Vec<Inactive>, Failure> {
    if manifest.rules.iter().all(|rule| rule.since.is_none()) {
        return Ok(Vec::new());
    }
    Ok(since::inactive(manifest, &Kernel::running()?, since::release()))
}

/// A loaded policy, read from its pins.
struct Policy {
    name: String,
    manifest: Manifest,
    counters: Counters,
    inactive: Vec<Inactive>,
    detached: Vec<String>,
    modes: Modes,
    /// False if the effective actions in the map are not those that the modes give.
    consistent: bool,
    /// True if the kernel calls BPF programs on LSM hooks; `None` if that cannot be determined.
    lsm: Option<bool>,
}

/// The state of a policy as one word, and as text.
#[derive(Debug, PartialEq, Eq)]
struct State(&'static str, String);

impl Policy {
    fn read(name: String, manifest: Manifest) -> Result<Policy, Failure> {
        let inactive = inactive(&manifest)?;
        let detached = attached::detached(&pins::folder(&name), &manifest, &inactive);
        let counters = counters(&name, &manifest)?;
        let modes = modes::read(&name, &manifest)?;
        let consistent = manifest.rules.is_empty() || map_value::read(&modes::pin(&name))? == modes.value(&manifest);
        let lsm = doctor::lsm_active();
        Ok(Policy { name, manifest, counters, inactive, detached, modes, consistent, lsm })
    }

    /// The state of the policy: `enforcing` only if all programs are attached, their modes are those that are shown, and
    /// the kernel calls them.
    fn state(&self) -> State {
        let state = modes::state(&self.manifest, &self.modes);
        if !self.detached.is_empty() {
            return State("damaged", format!("damaged: not attached to {}", self.detached.join(", ")));
        }
        if !self.consistent {
            let help = format!("set them again with `krsi mode {} {}`", self.name, self.modes.policy);
            return State("damaged", format!("damaged: the modes in effect are not those that were set; {help}"));
        }
        match (self.lsm, self.inactive.len()) {
            (Some(false), _) => State("inactive", "not enforced: BPF LSM is not active, see `krsi doctor`".to_owned()),
            (None, _) => State("unknown", format!("unknown: cannot read whether BPF LSM is active, otherwise {state}")),
            (Some(true), 0) => State(modes::adjective(self.modes.policy), state),
            (Some(true), 1) => State(modes::adjective(self.modes.policy), format!("{state}, 1 rule not active here")),
            (Some(true), off) => {
                State(modes::adjective(self.modes.policy), format!("{state}, {off} rules not active here"))
            }
        }
    }
}

/// Name of an errno: `EPERM` for 1.
pub fn errno_name(errno: i32) -> String {
    match nix::errno::Errno::from_raw(errno) {
        nix::errno::Errno::UnknownErrno => errno.to_string(),
        known => format!("{known:?}"),
    }
}

/// Runs `krsi list` and returns its output.
pub fn list(as_json: bool) -> Result<String, Failure> {
    let read = |name: String| match manifest(&name) {
        Ok(manifest) => Policy::read(name, manifest).map(Ok),
        Err(failure) => Ok(Err((name, failure))),
    };
    let state = pins::state()?;
    let policies = state.loaded.iter().cloned().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(format_list(&policies, as_json) + &format_left(&state, as_json))
}

/// Formats the folders that are not those of policies in force: one line for each.
fn format_left(state: &pins::State, as_json: bool) -> String {
    let cause = if state.busy { "a command is running" } else { "a command was interrupted" };
    state.left.iter().fold(String::new(), |mut out, entry| {
        let loaded = entry.policy().is_some_and(|policy| state.loaded.iter().any(|known| known == policy));
        let (word, what) = match (entry.policy(), entry.stage) {
            (None, Some(Stage::InForce)) => ("enforcing", "in force under a name that krsi does not use".to_owned()),
            (None, _) => ("stray", "not a policy".to_owned()),
            (Some(_), Some(Stage::InForce)) => ("replaced", format!("in force beside its replacement: {cause}")),
            (Some(_), Some(Stage::Retired)) if loaded => {
                ("replaced", "replaced, not enforced, not removed yet".to_owned())
            }
            (Some(_), Some(Stage::Retired)) => {
                ("unloaded", format!("unloaded, not enforced, not removed yet: {cause}"))
            }
            (Some(_), Some(Stage::Pending) | None) => ("loading", format!("not loaded and not enforced: {cause}")),
        };
        let _ = match as_json {
            true => writeln!(
                out,
                "{}",
                json!({ "folder": entry.name, "state": "unfinished", "stage": word, "busy": state.busy })
            ),
            false => writeln!(out, "unfinished: `{}`: {what}", escape(&entry.name)),
        };
        out
    })
}

/// Formats all policies, including those that cannot be read.
fn format_list(policies: &[Result<Policy, (String, Failure)>], as_json: bool) -> String {
    let mut rows = Vec::new();
    let mut objects = Vec::new();
    for policy in policies {
        match policy {
            Ok(policy) => {
                let Policy { name, manifest, counters, inactive, detached, modes, .. } = policy;
                let State(word, state) = policy.state();
                let [lost, limited] = [&counters.lost, &counters.limited].map(|counts| counts.iter().sum::<u64>());
                let hooks = manifest.programs.len() - since::idle(manifest, inactive).len();
                let rules = manifest.rules.len() - inactive.len();
                objects.push(json!({
                    "name": name,
                    "state": word,
                    "mode": modes.policy,
                    "detached": detached,
                    "hooks": hooks,
                    "rules": rules,
                    "inactive": inactive.iter().map(|off| &manifest.rules[off.rule].name).collect::<Vec<_>>(),
                    "lost": lost,
                    "limited": limited,
                }));
                let [hooks, rules] = [hooks, rules].map(|count| count.to_string());
                rows.push([name.clone(), hooks, rules, lost.to_string(), limited.to_string(), state]);
            }
            Err((name, failure)) => {
                objects.push(json!({ "name": name, "state": "unreadable", "error": failure.message }));
                let [hooks, rules, lost, limited] = ["?"; 4].map(str::to_owned);
                rows.push([name.clone(), hooks, rules, lost, limited, format!("unreadable: {}", failure.message)]);
            }
        }
    }
    if as_json {
        return objects.iter().map(|object| format!("{object}\n")).collect();
    }
    if rows.is_empty() {
        return "no policy is loaded\n".into();
    }
    table(["NAME", "HOOKS", "RULES", "LOST", "LIMITED", "STATE"], rows)
}

/// Formats rows below a header, in aligned columns.
pub fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut out = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(out, "{}", cells.join("  ").trim_end());
    }
    out
}

/// Runs `krsi show` and returns its output.
pub fn show(name: &str) -> Result<String, Failure> {
    pins::find(name)?;
    let policy = Policy::read(name.to_owned(), manifest(name)?)?;
    let details = Details::read(&policy)?;
    Ok(format_policy(&policy, &details))
}

/// A loaded program, as reported by the kernel.
struct Program {
    id: u32,
    /// Number of instructions that the verifier processed; available since 5.16.
    verified: Option<u32>,
}

/// Information that only `krsi show` needs.
#[derive(Default)]
struct Details {
    /// Value of the constants map; empty if the manifest does not refer to it.
    constants: Vec<u8>,
    /// Number of elements of each set.
    elements: Vec<usize>,
    /// Number of objects with each label.
    labels: Vec<usize>,
    /// Programs in the order of `Manifest::programs`; `None` if one cannot be read.
    programs: Vec<Option<Program>>,
}

impl Details {
    fn read(policy: &Policy) -> Result<Details, Failure> {
        let (manifest, folder) = (&policy.manifest, pins::folder(&policy.name));
        let constants = if manifest.params.is_empty() && manifest.files.is_empty() {
            Vec::new()
        } else {
            map_value::read(&folder.join("maps").join("constants"))?
        };
        let elements = |set: &Set| {
            let pin = sets::pin(&folder, &set.name);
            Ok(set_map::open(&pin, set)?.keys().map_err(|error| failure::at(&pin, "read", error))?.len())
        };
        let program = |program: &manifest::Program| {
            let info = ProgramInfo::from_pin(folder.join("programs").join(&program.hook)).ok()?;
            Some(Program { id: info.id(), verified: info.verified_instruction_count() })
        };
        Ok(Details {
            constants,
            elements: manifest.sets.iter().map(elements).collect::<Result<_, _>>()?,
            labels: labels::counts(&policy.name, manifest)?,
            programs: manifest.programs.iter().map(program).collect(),
        })
    }
}

/// Formats one policy with its rules.
fn format_policy(policy: &Policy, details: &Details) -> String {
    let Policy { name, manifest, counters, inactive, detached, modes, .. } = policy;
    let idle = since::idle(manifest, inactive);
    let mut out = format!("policy {name}, {}, built by {}\n", policy.state().1, manifest.producer);
    let constants = &details.constants;
    if !manifest.files.is_empty() {
        out.push('\n');
        for file in &manifest.files {
            let _ = writeln!(out, "file {}: {}", escape(&file.path), files::show(file, constants));
        }
    }
    if !manifest.params.is_empty() {
        out.push('\n');
        for param in &manifest.params {
            let at = param.offset as usize;
            let word = constants.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_ne_bytes);
            let shown = word.map_or_else(|| "?".to_owned(), |word| params::show(manifest, param, word));
            let _ = write!(out, "param {} = {shown}", param.name);
            if word != Some(param.default) {
                let _ = write!(out, "  (default {})", params::show(manifest, param, param.default));
            }
            out.push('\n');
        }
    }
    if !manifest.sets.is_empty() {
        out.push('\n');
        for (set, have) in manifest.sets.iter().zip(&details.elements) {
            let ty = elements::type_of(manifest, set);
            let _ = writeln!(out, "set {}: {ty}, {have} of {} elements", set.name, set.max);
        }
    }
    if !manifest.labels.is_empty() {
        out.push('\n');
        for (label, count) in manifest.labels.iter().zip(&details.labels) {
            let inherit = if label.inherit { " inherit" } else { "" };
            let _ = writeln!(out, "label {} on {}{inherit}: {count}", label.name, label.on.word());
        }
        if counters.labels_lost > 0 {
            let _ = writeln!(out, "{} labels lost: the label map was full", counters.labels_lost);
        }
    }
    for (index, program) in manifest.programs.iter().enumerate() {
        let _ = write!(out, "\nhook {}", program.hook);
        if idle.contains(&index) {
            let _ = write!(out, "  not attached: no rule on it is active here");
        }
        if detached.contains(&program.hook) {
            let _ = write!(out, "  NOT ATTACHED");
        }
        if let Some(Some(info)) = details.programs.get(index) {
            let _ = write!(out, "  program {}", info.id);
            if let Some(insns) = info.verified {
                let of = if program.parts.is_empty() { "" } else { " of the first" };
                let _ = write!(out, ", {} instructions, {insns}{of} verified", program.instructions);
            } else {
                let _ = write!(out, ", {} instructions", program.instructions);
            }
            if !program.parts.is_empty() {
                let _ = write!(out, ", tail-calls {} more", program.parts.len());
            }
        }
        out.push('\n');
        for (id, rule) in manifest.rules.iter().enumerate().filter(|(_, rule)| rule.program as usize == index) {
            let _ = writeln!(out, "  {}  ({})", rule.name, rule.source);
            for line in rule.doc.iter().flat_map(|doc| doc.lines()) {
                let _ = writeln!(out, "    ## {}", safe_lines(line));
            }
            let attributes = [("severity", &rule.severity), ("id", &rule.id)];
            for (name, value) in attributes.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
                let _ = writeln!(out, "    {name}: {}", escape(value));
            }
            if !rule.tags.is_empty() {
                let _ = writeln!(out, "    tags: {}", escape(&rule.tags.join(", ")));
            }
            match modes.rules.get(id) {
                Some(Mode::Permissive) => out.push_str("    permissive: its deny is recorded and not enforced\n"),
                Some(Mode::Off) => out.push_str("    off\n"),
                _ => {}
            }
            if let Some(off) = inactive.iter().find(|off| off.rule == id) {
                let _ = writeln!(out, "    not active here: {}", off.why);
            }
            let _ = writeln!(out, "    {}", escape(&rule.source.text).replace("\\\"", "\""));
            if let Some(count) = counters.lost.get(id).filter(|count| **count > 0) {
                let _ = writeln!(out, "    {count} events lost");
            }
            if let Some(count) = counters.limited.get(id).filter(|count| **count > 0) {
                let _ = writeln!(out, "    {count} events over the limit");
            }
            if let Some(count) = counters.unreadable.get(id).filter(|count| **count > 0) {
                let _ = writeln!(out, "    {count} times a path or text could not be read");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use krsi_abi::labels::Object;
    use krsi_abi::manifest::{Audit, File, Label, Names, Param, Part, Rule, Since, Source, Ty};

    fn program(hook: &str, instructions: u32, parts: usize) -> manifest::Program {
        manifest::Program {
            hook: hook.into(),
            section: format!("lsm/{hook}"),
            instructions,
            parts: (0..parts).map(|part| format!("{hook}_{part}")).collect(),
            ..manifest::Program::default()
        }
    }

    fn rule(name: &str, program: u32, line: u32, text: &str) -> Rule {
        let source = Source { file: "p.krs".into(), line, column: 1, text: text.into() };
        Rule { name: name.into(), program, source, deny: Some(1), ..Rule::default() }
    }

    /// Two rules on `file_open`, one on `capable`, one for newer kernels on `bpf`.
    fn policy() -> Policy {
        let since = Since { version: (6, 9), needs: vec![], by_number: true, switch: 0 };
        let manifest = Manifest {
            producer: "krsic 0.1.0".into(),
            policy: "p".into(),
            programs: vec![program("file_open", 120, 0), program("capable", 9, 2), program("bpf", 5, 0)],
            rules: vec![
                rule("first", 0, 1, "first: on file_open when file.name == \"x\" deny"),
                Rule {
                    doc: Some("one\ntwo".into()),
                    severity: Some("high".into()),
                    id: Some("X-1".into()),
                    tags: vec!["a".into(), "b".into()],
                    ..rule("second", 0, 4, "on file_open deny")
                },
                rule("third", 1, 7, "on capable deny"),
                Rule { since: Some(since), ..rule("fourth", 2, 8, "on bpf deny") },
            ],
            ..Manifest::default()
        };
        Policy {
            name: "web".into(),
            counters: Counters::default(),
            inactive: vec![Inactive { rule: 3, why: "this is Linux 6.1".into() }],
            detached: vec![],
            consistent: true,
            lsm: Some(true),
            modes: Modes::first(&manifest),
            manifest,
        }
    }

    #[test]
    fn policies_as_a_table() {
        let mut counted = policy();
        counted.name = "counted-policy".into();
        counted.counters.lost = vec![1, 2, 0, 4];
        counted.counters.limited = vec![10, 0, 5, 0];
        counted.modes.rules[0] = Mode::Off;
        let mut damaged = policy();
        damaged.name = "damaged".into();
        damaged.detached = vec!["file_open".into(), "capable".into()];
        let mut old = policy();
        old.name = "old".into();
        old.modes.policy = Mode::Permissive;
        old.inactive.push(Inactive { rule: 2, why: "no".into() });
        let bad = Err(("bad".to_owned(), Failure::usage("no manifest")));
        let policies = [Ok(counted), Ok(damaged), Ok(old), bad];
        assert_eq!(
            format_list(&policies, false),
            "NAME            HOOKS  RULES  LOST  LIMITED  STATE\n\
             counted-policy  2      3      7     15       enforcing, 1 rule off, 1 rule not active here\n\
             damaged         2      3      0     0        damaged: not attached to file_open, capable\n\
             old             1      2      0     0        permissive, 2 rules not active here\n\
             bad             ?      ?      ?     ?        unreadable: no manifest\n"
        );
        assert_eq!(
            format_list(&policies, true).lines().collect::<Vec<_>>(),
            [
                r#"{"detached":[],"hooks":2,"inactive":["fourth"],"limited":15,"lost":7,"mode":"enforce","name":"counted-policy","rules":3,"state":"enforcing"}"#,
                r#"{"detached":["file_open","capable"],"hooks":2,"inactive":["fourth"],"limited":0,"lost":0,"mode":"enforce","name":"damaged","rules":3,"state":"damaged"}"#,
                r#"{"detached":[],"hooks":1,"inactive":["fourth","third"],"limited":0,"lost":0,"mode":"permissive","name":"old","rules":2,"state":"permissive"}"#,
                r#"{"error":"no manifest","name":"bad","state":"unreadable"}"#,
            ]
        );
        assert_eq!((&*format_list(&[], false), &*format_list(&[], true)), ("no policy is loaded\n", ""));
    }

    #[test]
    fn a_policy_with_its_rules() {
        let mut policy = policy();
        policy.modes.rules[0] = Mode::Permissive;
        policy.modes.rules[2] = Mode::Off;
        policy.counters = Counters {
            lost: vec![0, 2, 0, 0],
            limited: vec![3, 0, 0, 0],
            unreadable: vec![0, 0, 1, 0],
            ..Counters::default()
        };
        policy.detached = vec!["capable".into()];
        let programs =
            vec![Some(Program { id: 31, verified: Some(456) }), Some(Program { id: 32, verified: Some(7) }), None];
        let expected = "policy web, damaged: not attached to capable, built by krsic 0.1.0\n\
            \n\
            hook file_open  program 31, 120 instructions, 456 verified\n\
            \x20 first  (p.krs:1:1)\n\
            \x20   permissive: its deny is recorded and not enforced\n\
            \x20   first: on file_open when file.name == \"x\" deny\n\
            \x20   3 events over the limit\n\
            \x20 second  (p.krs:4:1)\n\
            \x20   ## one\n\
            \x20   ## two\n\
            \x20   severity: high\n\
            \x20   id: X-1\n\
            \x20   tags: a, b\n\
            \x20   on file_open deny\n\
            \x20   2 events lost\n\
            \n\
            hook capable  NOT ATTACHED  program 32, 9 instructions, 7 of the first verified, tail-calls 2 more\n\
            \x20 third  (p.krs:7:1)\n\
            \x20   off\n\
            \x20   on capable deny\n\
            \x20   1 times a path or text could not be read\n\
            \n\
            hook bpf  not attached: no rule on it is active here\n\
            \x20 fourth  (p.krs:8:1)\n\
            \x20   not active here: this is Linux 6.1\n\
            \x20   on bpf deny\n";
        assert_eq!(format_policy(&policy, &Details { programs, ..Details::default() }), expected);
        let old = vec![Some(Program { id: 31, verified: None })];
        let text = format_policy(&policy, &Details { programs: old, ..Details::default() });
        assert!(text.contains("hook file_open  program 31, 120 instructions\n"), "{text}");
    }

    #[test]
    fn values_sets_and_labels_of_a_policy() {
        let mut policy = policy();
        policy.manifest.rules.clear();
        policy.manifest.programs.clear();
        policy.inactive.clear();
        policy.modes = Modes::default();
        let param = |name: &str, offset, default| Param {
            name: name.into(),
            ty: Ty::Int { bytes: 2, signed: false },
            offset,
            default,
        };
        policy.manifest.params = vec![param("port", 0, 443), param("other", 8, 80), param("cut", 32, 1)];
        policy.manifest.files = vec![File { path: "/etc/x".into(), offset: 16 }];
        policy.manifest.names = vec![Names { name: "Prot".into(), flags: true, members: vec![] }];
        policy.manifest.sets = vec![
            Set { name: "ports".into(), parts: vec![Part::Number(Ty::Int { bytes: 2, signed: false })], max: 8 },
            Set {
                name: "nets".into(),
                parts: vec![Part::Cidr, Part::Number(Ty::Names { names: 0, bytes: 8, signed: false })],
                max: 4,
            },
        ];
        let label = |name: &str, on, inherit| Label { name: name.into(), on, inherit };
        policy.manifest.labels = vec![label("seen", Object::Task, true), label("own", Object::Inode, false)];
        policy.counters.labels_lost = 5;
        let constants = [443u64, 8080, 8 << 20 | 1, 77].iter().flat_map(|word| word.to_ne_bytes()).collect();
        let details = Details { constants, elements: vec![3, 0], labels: vec![2, 1], programs: vec![] };
        let expected = "policy web, enforcing, built by krsic 0.1.0\n\
            \n\
            file /etc/x: inode 77 of device 8:1\n\
            \n\
            param port = 443\n\
            param other = 8080  (default 80)\n\
            param cut = ?  (default 1)\n\
            \n\
            set ports: u16, 3 of 8 elements\n\
            set nets: (cidr, Prot), 0 of 4 elements\n\
            \n\
            label seen on task inherit: 2\n\
            label own on inode: 1\n\
            5 labels lost: the label map was full\n";
        assert_eq!(format_policy(&policy, &details), expected);
        policy.counters.labels_lost = 0;
        assert!(!format_policy(&policy, &details).contains("labels lost"));
    }

    /// The counters of lost events, then those of written events; the others are at the offsets in the manifest.
    #[test]
    fn counters_are_read_at_their_offsets() {
        let mut manifest = policy().manifest;
        let bytes: Vec<u8> = (1..=20u64).flat_map(u64::to_ne_bytes).collect();
        let all = parse_counters(&manifest, &bytes);
        assert_eq!((all.lost, all.written), (vec![1, 2, 3, 4], vec![5, 6, 7, 8]));
        assert_eq!((all.limited, all.unreadable, all.labels_lost), (vec![], vec![], 0));
        (manifest.limited, manifest.unreadable, manifest.labels_lost) = (Some(64), Some(96), Some(128));
        let all = parse_counters(&manifest, &bytes);
        assert_eq!((all.limited, all.unreadable, all.labels_lost), (vec![9, 10, 11, 12], vec![13, 14, 15, 16], 17));
        // A policy that records nothing has no event counters.
        manifest.rules.iter_mut().for_each(|rule| rule.deny = None);
        let all = parse_counters(&manifest, &bytes);
        assert_eq!((all.lost, all.written, all.labels_lost), (vec![], vec![], 17));
        manifest.rules[1].audit = Some(Audit { message: None, fields: vec![], bytes: 72, limit: None });
        assert_eq!(parse_counters(&manifest, &bytes).lost, [1, 2, 3, 4]);
        assert_eq!(parse_counters(&manifest, &bytes[..24]).lost, [1, 2, 3]);
    }

    /// A policy is enforcing only if the kernel says so.
    #[test]
    fn states_that_are_checked() {
        let state = |change: &dyn Fn(&mut Policy)| {
            let mut policy = policy();
            change(&mut policy);
            policy.state()
        };
        assert_eq!(state(&|_| {}), State("enforcing", "enforcing, 1 rule not active here".into()));
        let State(word, text) = state(&|policy| policy.consistent = false);
        assert!(word == "damaged" && text.contains("`krsi mode web enforce`"), "{text}");
        let State(word, text) = state(&|policy| policy.lsm = Some(false));
        assert!(word == "inactive" && text.starts_with("not enforced: BPF LSM is not active"), "{text}");
        let State(word, text) = state(&|policy| policy.lsm = None);
        assert!(word == "unknown" && text.starts_with("unknown: cannot read whether"), "{text}");
        assert_eq!(state(&|policy| policy.detached = vec!["bpf".into()]).0, "damaged");
    }

    #[test]
    fn unfinished_states() {
        let entry = |name: &str, stage| pins::Entry { name: name.into(), stage };
        let mut state = pins::State {
            loaded: vec!["p".into()],
            left: vec![
                entry("p~1", None),
                entry("p~2", Some(Stage::InForce)),
                entry("p~3", Some(Stage::Retired)),
                entry("q", Some(Stage::Retired)),
                entry("r", Some(Stage::Pending)),
                entry("x~\u{1b}", None),
                entry("trash~y", Some(Stage::InForce)),
            ],
            busy: false,
        };
        assert_eq!(
            format_left(&state, false),
            "unfinished: `p~1`: not loaded and not enforced: a command was interrupted\n\
             unfinished: `p~2`: in force beside its replacement: a command was interrupted\n\
             unfinished: `p~3`: replaced, not enforced, not removed yet\n\
             unfinished: `q`: unloaded, not enforced, not removed yet: a command was interrupted\n\
             unfinished: `r`: not loaded and not enforced: a command was interrupted\n\
             unfinished: `x~\\u{1b}`: not a policy\n\
             unfinished: `trash~y`: in force under a name that krsi does not use\n"
        );
        state.busy = true;
        state.left.truncate(1);
        assert!(format_left(&state, false).ends_with(": a command is running\n"));
        let json = format_left(&state, true);
        assert_eq!(json, "{\"busy\":true,\"folder\":\"p~1\",\"stage\":\"loading\",\"state\":\"unfinished\"}\n");
    }

    #[test]
    fn names_of_errors() {
        for (errno, name) in [(1, "EPERM"), (13, "EACCES"), (30, "EROFS"), (4095, "4095"), (0, "0")] {
            assert_eq!(errno_name(errno), name);
        }
    }
}
