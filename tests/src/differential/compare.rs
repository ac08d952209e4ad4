//! The two answers, and how they differ.

use std::fmt::Write as _;

use krsi_abi::event as abi;
use krsi_abi::labels::Object;
use krsi_abi::manifest::Ty;
use krsi_abi::written_at;
use krsic::hir::eval::{self, Datum, Labels, Outcome};
use krsic::hir::{HookId, Policy, Rule};
use krsic::simulate::image::Image;
use krsic::simulate::machine::Machine;
use krsic::simulate::scene::Scene;
use krsic::simulate::{Fault, Run};

/// What a scene came to, and how the other answer differs from it.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// What the evaluator says.
    pub outcome: Outcome,
    /// Instructions that the object took.
    pub instructions: u64,
    /// Differences, in words; none is what is wanted.
    pub differences: Vec<String>,
}

/// Asks both about a scene.
#[must_use]
pub fn compare(policy: &Policy, hook: HookId, image: &Image, scene: &Scene<'_>) -> Verdict {
    let outcome = eval::outcome(policy, hook, scene);
    let mut verdict = Verdict { outcome, ..Verdict::default() };
    let name = &policy.hooks[hook.index()].name;
    match run(image, scene, name, usize::MAX) {
        Ok(Done { run, state, labels }) => {
            verdict.instructions = run.instructions;
            differences(policy, image, scene, &verdict.outcome, &run, &mut verdict.differences);
            kept(image, &verdict.outcome, &labels, state.as_deref(), &mut verdict.differences);
            let written = counts(policy, &verdict.outcome, state.as_deref(), written_at(policy.rules.len()));
            verdict.differences.extend(
                written
                    .into_iter()
                    .map(|(rule, is, not)| format!("{rule} has written {is} events, as its counter says, not {not}")),
            );
        }
        Err(fault) => verdict.differences.push(format!("{name}: {fault}")),
    }
    // Without room for events all else stays, and the rules' losses are counted.
    match run(image, scene, name, 0) {
        Ok(Done { run, state, labels }) => {
            kept(image, &verdict.outcome, &labels, state.as_deref(), &mut verdict.differences);
            let said = |what: &str, one: String, other: String, all: &mut Vec<String>| {
                if one != other {
                    all.push(format!("without room {what} is {other}, not {one}"));
                }
            };
            let all = &mut verdict.differences;
            let (outcome, void) = (&verdict.outcome, policy.hooks[hook.index()].void);
            if !void {
                said("the verdict", (-outcome.errno).to_string(), run.verdict.to_string(), all);
            }
            said("the number of events", "0".into(), run.events.len().to_string(), all);
            for (rule, is, not) in counts(policy, outcome, state.as_deref(), 0) {
                said(&format!("what {rule} lost"), not.to_string(), is.to_string(), all);
            }
        }
        Err(fault) => verdict.differences.push(format!("{name} without room: {fault}")),
    }
    verdict
}

/// Where the counters of rules that record, which begin there in the state, are not as many as their events: the rule, what
/// its counter says, and how many events it has.
fn counts(policy: &Policy, outcome: &Outcome, state: Option<&[u8]>, from: usize) -> Vec<(String, u64, u64)> {
    let counter = |rule: usize| state.and_then(|state| state.get(from + 8 * rule..)?.first_chunk().copied());
    let records = |of: &Rule| of.audit.is_some() || of.deny.is_some();
    let rules = policy.rules.iter().enumerate().filter(|(_, of)| records(of));
    let counts = rules.map(|(rule, of)| {
        let events = outcome.events.iter().filter(|event| event.rule.0 as usize == rule).count() as u64;
        (of.name.clone(), counter(rule).map_or(0, u64::from_le_bytes), events)
    });
    counts.filter(|(_, is, not)| is != not).collect()
}

/// A run, and what it left behind.
struct Done {
    run: Run,
    state: Option<Vec<u8>>,
    labels: Labels,
}

fn run(image: &Image, scene: &Scene<'_>, hook: &str, room: usize) -> Result<Done, Fault> {
    let outside = |why| Fault { function: String::new(), slot: 0, why };
    let mut machine = Machine::new(image, scene.clone()).map_err(outside)?;
    machine.ring_buffer_room = machine.ring_buffer_room.min(room);
    let run = machine.run(hook)?;
    let labels = machine.labels().map_err(outside)?;
    Ok(Done { run, state: machine.state().map(<[u8]>::to_vec), labels })
}

/// Labels afterwards, and how many found no room.
fn kept(image: &Image, outcome: &Outcome, labels: &Labels, state: Option<&[u8]>, found: &mut Vec<String>) {
    // A kind of object that no program looks at has no map.
    let there = |on: Object| image.maps.iter().any(|map| map.name == on.map());
    let mut wanted = outcome.labels.entries.clone();
    wanted.retain(|(on, _), _| there(*on));
    if labels.entries != wanted {
        found.push(format!("the labels are {:x?}, not {wanted:x?}", labels.entries));
    }
    let lost = image.manifest.labels_lost.and_then(|at| state?.get(at as usize..)?.first_chunk().copied());
    let lost = lost.map_or(0, u64::from_le_bytes);
    if lost != outcome.labels.lost {
        found.push(format!("{lost} labels found no room, not {}", outcome.labels.lost));
    }
}

fn differences(
    policy: &Policy,
    image: &Image,
    scene: &Scene<'_>,
    outcome: &Outcome,
    run: &Run,
    found: &mut Vec<String>,
) {
    if run.verdict != -outcome.errno {
        found.push(format!("the verdict is {}, not {}", run.verdict, -outcome.errno));
    }
    let sorted = |signals: &[i32]| {
        let mut signals = signals.to_vec();
        signals.sort_unstable();
        signals
    };
    if sorted(&run.signals) != sorted(&outcome.signals) {
        found.push(format!("the signals are {:?}, not {:?}", run.signals, outcome.signals));
    }
    // The order of events is nobody's promise.
    let mut records: Vec<&Vec<u8>> = run.events.iter().collect();
    records.sort_by_key(|record| number(record, abi::RULE, 4));
    let rules: Vec<u64> = records.iter().map(|record| number(record, abi::RULE, 4)).collect();
    let expected: Vec<u64> = outcome.events.iter().map(|event| u64::from(event.rule.0)).collect();
    if rules != expected {
        let name = |rule: &u64| policy.rules.get(*rule as usize).map_or("?", |rule| rule.name.as_str());
        let (rules, expected): (Vec<&str>, Vec<&str>) =
            (rules.iter().map(name).collect(), expected.iter().map(name).collect());
        found.push(format!("events of {rules:?}, not of {expected:?}"));
        return;
    }
    for (record, event) in records.iter().zip(&outcome.events) {
        let rule = &image.manifest.rules[event.rule.0 as usize];
        let mut differs = |what: &str, is: String, not: String| {
            if is != not {
                found.push(format!("{what} of {} is {is}, not {not}", rule.name));
            }
        };
        let task = &scene.task;
        let said = event.would_deny.unwrap_or(-outcome.decided);
        for (what, at, bytes, wanted) in [
            ("verdict", abi::VERDICT, 4, u64::from(said.cast_unsigned())),
            ("thread and process", abi::PID_TGID, 8, u64::from(task.tgid) << 32 | u64::from(task.pid)),
            ("user and group", abi::UID_GID, 8, u64::from(task.gid) << 32 | u64::from(task.uid)),
            ("cgroup", abi::CGROUP, 8, task.cgroup_id),
            ("count of lost events", abi::LOST, 8, 0),
        ] {
            differs(what, format!("{:#x}", number(record, at, bytes)), format!("{wanted:#x}"));
        }
        let name = &record[abi::COMM as usize..(abi::COMM + abi::COMM_BYTES) as usize];
        differs("task's name", show(&until_nul(name)), show(&until_nul(&task.comm)));
        let unknown = number(record, abi::UNKNOWN, 8);
        let fields = rule.audit.as_ref().map_or(&[][..], |audit| &audit.fields);
        for (index, (field, wanted)) in fields.iter().zip(&event.fields).enumerate() {
            let (is, not) = match wanted {
                None => (String::new(), "unknown".to_owned()),
                Some(datum) => shown(record, &field.ty, field.offset, datum),
            };
            let is = if unknown >> index & 1 == 1 { "unknown".to_owned() } else { is };
            differs(&format!("`{}`", field.name), is, not);
        }
    }
}

/// A field as it is recorded, and as it should be.
fn shown(record: &[u8], ty: &Ty, offset: u32, wanted: &Datum) -> (String, String) {
    let rest = &record[offset as usize..];
    match wanted {
        Datum::Number(wanted) => {
            let bytes = ty.bytes();
            let mask = u64::MAX >> (64 - 8 * bytes);
            (format!("{:#x}", number(record, offset, bytes)), format!("{:#x}", *wanted as u64 & mask))
        }
        Datum::Ip(wanted) => {
            let (high, low) = (number(record, offset, 8), number(record, offset + 8, 8));
            (format!("{:#x}", u128::from(high) << 64 | u128::from(low)), format!("{wanted:#x}"))
        }
        Datum::Text(wanted) => {
            let room = &rest[..rest.len().min(ty.bytes() as usize)];
            (show(&until_nul(room)), show(&until_nul(wanted)))
        }
    }
}

fn number(record: &[u8], at: u32, bytes: u32) -> u64 {
    let bytes = &record[at as usize..(at + bytes) as usize];
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn until_nul(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take_while(|byte| *byte != 0).collect()
}

fn show(text: &[u8]) -> String {
    let mut shown = String::new();
    for byte in text.escape_ascii() {
        let _ = write!(shown, "{}", char::from(byte));
    }
    shown
}
