//! `krsi list` and `krsi show`: what is loaded, read from the pins.

use std::fmt::Write;
use std::os::fd::AsFd;
use std::path::Path;

use aya::maps::MapData;
use aya::programs::ProgramInfo;
use krsi_abi::manifest::Manifest;
use krsi_abi::modes::Mode;
use serde_json::json;

use crate::failure::{self, Failure};
use crate::kernel::Kernel;
use crate::load::not_loaded;
use crate::since::{self, Inactive};
use crate::{decode, elements, files, labels, modes, params, pins, set_map, sets, sys};

/// The value of a map that has one.
pub fn value(pin: &Path) -> Result<Vec<u8>, Failure> {
    let map = MapData::from_pin(pin).map_err(|error| failure::at(pin, "opened", error))?;
    let info = map.info().map_err(|error| failure::at(pin, "read", error))?;
    sys::first_element(map.fd().as_fd(), info.value_size() as usize).map_err(|error| failure::at(pin, "read", error))
}

/// What a loaded policy is.
pub fn manifest(name: &str) -> Result<Manifest, Failure> {
    let pin = pins::folder(name).join("maps").join("manifest");
    Manifest::from_bytes(&value(&pin)?).map_err(|error| {
        Failure::usage(format!("the manifest of `{name}` cannot be read: {error}"))
            .help(format!("unload it and load it again: `krsi unload {name}`"))
    })
}

/// What a policy's programs have counted so far, by rule.
#[derive(Debug, Default)]
pub struct Counters {
    /// Events that were written; empty where the policy records none.
    pub written: Vec<u64>,
    /// Events that found no room; empty where the policy records none.
    pub lost: Vec<u64>,
    /// Events over the limit of their rule; empty where no rule has one.
    pub limited: Vec<u64>,
    /// Texts that could not be read; empty where no rule asks for one.
    pub unreadable: Vec<u64>,
    /// Labels that found no room.
    pub labels_lost: u64,
}

/// Reads the counters.
pub fn counters(name: &str, manifest: &Manifest) -> Result<Counters, Failure> {
    let pin = pins::folder(name).join("maps").join("lost");
    if !pin.exists() {
        return Ok(Counters::default());
    }
    let bytes = value(&pin)?;
    let from = |start: usize| {
        let words = bytes.get(start..).unwrap_or_default().chunks_exact(8).take(manifest.rules.len());
        words.map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default())).collect()
    };
    let records = manifest.rules.iter().any(|rule| rule.audit.is_some() || rule.deny.is_some());
    Ok(Counters {
        written: if records { from(krsi_abi::written_at(manifest.rules.len())) } else { Vec::new() },
        lost: if records { from(0) } else { Vec::new() },
        limited: manifest.limited.map(|start| from(start as usize)).unwrap_or_default(),
        unreadable: manifest.unreadable.map(|start| from(start as usize)).unwrap_or_default(),
        labels_lost: manifest.labels_lost.and_then(|start| from(start as usize).first().copied()).unwrap_or_default(),
    })
}

/// The rules that are not active on this kernel, and why.
fn inactive(manifest: &Manifest) -> Result<Vec<Inactive>, Failure> {
    if manifest.rules.iter().all(|rule| rule.since.is_none()) {
        return Ok(Vec::new());
    }
    Ok(since::inactive(manifest, &Kernel::running()?, since::release()))
}

/// Hooks of the policy whose link is not pinned any more. None was where no rule is active.
fn detached(name: &str, manifest: &Manifest, inactive: &[Inactive]) -> Vec<String> {
    let links = pins::folder(name).join("links");
    let idle = since::idle(manifest, inactive);
    let programs = manifest.programs.iter().enumerate().filter(|(at, _)| !idle.contains(at));
    programs.map(|(_, program)| program.hook.clone()).filter(|hook| !links.join(hook).exists()).collect()
}

/// `EPERM` for 1.
pub fn errno_name(errno: i32) -> String {
    match nix::errno::Errno::from_raw(errno) {
        nix::errno::Errno::UnknownErrno => errno.to_string(),
        known => format!("{known:?}"),
    }
}

/// Prints all policies.
pub fn list(as_json: bool) -> Result<String, Failure> {
    let names = pins::loaded()?;
    let mut rows = Vec::new();
    let mut objects = Vec::new();
    for name in names {
        match manifest(&name) {
            Ok(manifest) => {
                let inactive = inactive(&manifest)?;
                let detached = detached(&name, &manifest, &inactive);
                let counters = counters(&name, &manifest)?;
                let [lost, limited] = [counters.lost, counters.limited].map(|counts| counts.iter().sum::<u64>());
                let modes = modes::read(&name, &manifest)?;
                let hooks = manifest.programs.len() - since::idle(&manifest, &inactive).len();
                let rules = manifest.rules.len() - inactive.len();
                let state = match (detached.is_empty(), inactive.len()) {
                    (false, _) => format!("damaged: not attached to {}", detached.join(", ")),
                    (true, 0) => modes::state(&manifest, &modes),
                    (true, 1) => format!("{}, 1 rule not active here", modes::state(&manifest, &modes)),
                    (true, off) => format!("{}, {off} rules not active here", modes::state(&manifest, &modes)),
                };
                objects.push(json!({
                    "name": name,
                    "state": if detached.is_empty() { modes::word(modes.policy) } else { "damaged" },
                    "mode": modes.policy,
                    "detached": detached,
                    "hooks": hooks,
                    "rules": rules,
                    "inactive": inactive.iter().map(|off| &manifest.rules[off.rule].name).collect::<Vec<_>>(),
                    "lost": lost,
                    "limited": limited,
                }));
                rows.push([name, hooks.to_string(), rules.to_string(), lost.to_string(), limited.to_string(), state]);
            }
            Err(failure) => {
                objects.push(json!({ "name": name, "state": "unreadable", "error": failure.message }));
                let [hooks, rules, lost, limited] = ["?"; 4].map(str::to_owned);
                rows.push([name, hooks, rules, lost, limited, format!("unreadable: {}", failure.message)]);
            }
        }
    }
    if as_json {
        return Ok(objects.iter().map(|object| format!("{object}\n")).collect());
    }
    if rows.is_empty() {
        return Ok("no policy is loaded\n".into());
    }
    Ok(table(["NAME", "HOOKS", "RULES", "LOST", "LIMITED", "STATE"], rows))
}

/// Rows below a head, in columns.
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

/// Prints one policy.
pub fn show(name: &str) -> Result<String, Failure> {
    pins::check_name(name)?;
    if !pins::folder(name).exists() {
        return Err(not_loaded(name));
    }
    let manifest = manifest(name)?;
    let counters = counters(name, &manifest)?;
    let inactive = inactive(&manifest)?;
    let idle = since::idle(&manifest, &inactive);
    let detached = detached(name, &manifest, &inactive);
    let modes = modes::read(name, &manifest)?;
    let mut out = format!("policy {name}, {}, built by {}\n", modes::state(&manifest, &modes), manifest.producer);
    let constants = if manifest.params.is_empty() && manifest.files.is_empty() {
        Vec::new()
    } else {
        value(&pins::folder(name).join("maps").join("constants"))?
    };
    if !manifest.files.is_empty() {
        out.push('\n');
        for file in &manifest.files {
            let _ = writeln!(out, "file {}: {}", decode::escape(&file.path), files::show(file, &constants));
        }
    }
    if !manifest.params.is_empty() {
        out.push('\n');
        for param in &manifest.params {
            let at = param.offset as usize;
            let word = constants.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_ne_bytes);
            let shown = word.map_or_else(|| "?".to_owned(), |word| params::show(&manifest, param, word));
            let _ = write!(out, "param {} = {shown}", param.name);
            if word != Some(param.default) {
                let _ = write!(out, "  (default {})", params::show(&manifest, param, param.default));
            }
            out.push('\n');
        }
    }
    if !manifest.sets.is_empty() {
        out.push('\n');
        for set in &manifest.sets {
            let pin = sets::pin(&pins::folder(name), &set.name);
            let have = set_map::open(&pin, set)?.keys().map_err(|error| failure::at(&pin, "read", error))?.len();
            let ty = elements::type_of(&manifest, set);
            let _ = writeln!(out, "set {}: {ty}, {have} of {} elements", set.name, set.max);
        }
    }
    if !manifest.labels.is_empty() {
        out.push('\n');
        for (label, count) in manifest.labels.iter().zip(labels::counts(name, &manifest)?) {
            let inherit = if label.inherit { " inherit" } else { "" };
            let _ = writeln!(out, "label {} on {}{inherit}: {count}", label.name, label.on.word());
        }
        if counters.labels_lost > 0 {
            let _ = writeln!(out, "{} labels found no room", counters.labels_lost);
        }
    }
    for (index, program) in manifest.programs.iter().enumerate() {
        let pin = pins::folder(name).join("programs").join(&program.hook);
        let _ = write!(out, "\nhook {}", program.hook);
        if idle.contains(&index) {
            let _ = write!(out, "  not attached: no rule on it is active here");
        }
        if detached.contains(&program.hook) {
            let _ = write!(out, "  NOT ATTACHED");
        }
        if let Ok(info) = ProgramInfo::from_pin(&pin) {
            let _ = write!(out, "  program {}", info.id());
            if let Some(insns) = info.verified_instruction_count() {
                let of = if program.parts.is_empty() { "" } else { " of the first" };
                let _ = write!(out, ", {} instructions, {insns}{of} verified", program.instructions);
            } else {
                let _ = write!(out, ", {} instructions", program.instructions);
            }
            if !program.parts.is_empty() {
                let _ = write!(out, ", goes on with {} more", program.parts.len());
            }
        }
        out.push('\n');
        for (id, rule) in manifest.rules.iter().enumerate().filter(|(_, rule)| rule.program as usize == index) {
            let _ = writeln!(out, "  {}  ({})", rule.name, rule.source);
            for line in rule.doc.iter().flat_map(|doc| doc.lines()) {
                let _ = writeln!(out, "    ## {line}");
            }
            let attributes = [("severity", &rule.severity), ("id", &rule.id)];
            for (name, value) in attributes.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
                let _ = writeln!(out, "    {name}: {}", decode::escape(value));
            }
            if !rule.tags.is_empty() {
                let _ = writeln!(out, "    tags: {}", decode::escape(&rule.tags.join(", ")));
            }
            match modes.rules.get(id) {
                Some(Mode::Permissive) => out.push_str("    permissive: its deny is recorded and not enforced\n"),
                Some(Mode::Off) => out.push_str("    off\n"),
                _ => {}
            }
            if let Some(off) = inactive.iter().find(|off| off.rule == id) {
                let _ = writeln!(out, "    not active here: {}", off.why);
            }
            let _ = writeln!(out, "    {}", decode::escape(&rule.source.text).replace("\\\"", "\""));
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
    Ok(out)
}
