//! Comparison of the two answers: the evaluator's and the object's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use krsi_abi::event as abi;
use krsi_abi::labels::Object;
use krsi_abi::manifest::Ty;
use krsi_abi::written_at;
use krsic::analysis::unreachable;
use krsic::hir::eval::{self, Datum, Labels, Outcome};
use krsic::hir::{AtomKind, HookId, Policy, Rule, RuleId, TextTest, walk};
use krsic::simulate::image::Image;
use krsic::simulate::machine::Machine;
use krsic::simulate::scene::Scene;
use krsic::simulate::{Fault, Run};

use super::stage::Staged;

/// The outcome of a scene, and how the object differs from it.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Outcome of the first call according to the evaluator.
    pub outcome: Outcome,
    /// Number of events over a limit, in all calls.
    pub over: u64,
    /// Number of instructions that the object executed.
    pub instructions: u64,
    /// Descriptions of all differences; empty if the answers agree.
    pub differences: Vec<String>,
}

/// Executes a call and its repetitions with both, and compares them.
#[must_use]
pub fn compare(policy: &Policy, hook: HookId, image: &Image, staged: &Staged<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    // Without room for events, everything else is unchanged, and each rule counts its lost events.
    for (room, when) in [(usize::MAX, ""), (0, "without room ")] {
        let mut calls = Calls { policy, hook, image, room, counted: Counted::default() };
        let mut found = Vec::new();
        if let Err(fault) = calls.follow(staged, &mut verdict, &mut found) {
            found.push(fault.to_string());
        }
        verdict.differences.extend(found.into_iter().map(|what| format!("{when}{what}")));
    }
    verdict
}

/// Counters of a policy's rules, by rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counted {
    written: BTreeMap<usize, u64>,
    lost: BTreeMap<usize, u64>,
    /// Events over a limit.
    over: BTreeMap<usize, u64>,
    /// Values that could not be read.
    unread: BTreeMap<usize, u64>,
}

/// Consecutive calls of a hook.
struct Calls<'a> {
    policy: &'a Policy,
    hook: HookId,
    image: &'a Image,
    /// Number of bytes available for events.
    room: usize,
    /// Counters up to the previous call.
    counted: Counted,
}

impl Calls<'_> {
    fn follow(&mut self, staged: &Staged<'_>, verdict: &mut Verdict, found: &mut Vec<String>) -> Result<(), Fault> {
        let outside = |why| Fault { function: String::new(), slot: 0, why };
        let name = &self.policy.hooks[self.hook.index()].name;
        let mut scene = staged.scene.clone();
        let mut machine = Machine::new(self.image, scene.clone()).map_err(outside)?;
        machine.ring_buffer_room = machine.ring_buffer_room.min(self.room);
        for (at, time) in std::iter::once(scene.time_ns).chain(staged.again.iter().copied()).enumerate() {
            scene.time_ns = time;
            machine.at(time);
            let outcome = eval::outcome(self.policy, self.hook, &scene);
            let run = machine.run(name)?;
            differences(self.policy, self.image, (&scene, self.room > 0), &outcome, &run, found);
            let labels = machine.labels().map_err(outside)?;
            kept(self.image, &outcome, &labels, machine.state(), found);
            self.counts(&outcome, machine.state(), found);
            if !found.is_empty() {
                found.insert(0, format!("call {at}:"));
                return Ok(());
            }
            scene.labels = outcome.labels.clone();
            scene.windows = outcome.windows.clone();
            if self.room > 0 {
                verdict.instructions += run.instructions;
            }
            if at == 0 {
                verdict.outcome = outcome;
            }
        }
        verdict.over = scene.windows.values().map(|window| window.over).sum();
        Ok(())
    }

    /// Compares the counters of the rules. An unreadable value is counted for one of the rules that read it.
    /// The evaluator therefore determines only which rules may count it, and whether one of them must.
    fn counts(&mut self, outcome: &Outcome, state: Option<&[u8]>, found: &mut Vec<String>) {
        let manifest = &self.image.manifest;
        let rules = self.policy.rules.len();
        let table = |from: Option<usize>| -> BTreeMap<usize, u64> {
            let counter = |rule| Some(u64::from_le_bytes(*state?.get(from? + 8 * rule..)?.first_chunk()?));
            (0..rules).filter_map(|rule| Some((rule, counter(rule).filter(|count| *count > 0)?))).collect()
        };
        let at = |offset: Option<u32>| table(offset.map(|offset| offset as usize));
        // Policies that record nothing have no such counters; in all others these counters come first.
        let records = self.policy.rules.iter().any(|of| of.audit.is_some() || of.deny.is_some());
        let is = Counted {
            lost: table(records.then_some(0)),
            written: table(records.then(|| written_at(rules))),
            over: at(manifest.limited),
            unread: at(manifest.unreadable),
        };
        let mut wanted = Counted { unread: is.unread.clone(), ..self.counted.clone() };
        for event in &outcome.events {
            let table = if self.room > 0 { &mut wanted.written } else { &mut wanted.lost };
            *table.entry(event.rule.0 as usize).or_default() += 1;
        }
        for (rule, of) in self.policy.rules.iter().enumerate() {
            let over = outcome.windows.get(&of.name).map_or(0, |window| window.over);
            if of.hook == self.hook && over > 0 {
                wanted.over.insert(rule, over);
            }
        }
        if is != wanted {
            found.push(format!("the rules count {is:?}, not {wanted:?}"));
        }
        let more = |rule: &usize| is.unread.get(rule) > self.counted.unread.get(rule);
        let counted: BTreeSet<RuleId> = (0..rules).filter(more).map(|rule| RuleId(rule as u32)).collect();
        if !counted.is_subset(&outcome.unread) {
            found.push(format!("{counted:?} count what cannot be read, not {:?}", outcome.unread));
        }
        // A rule that only denies need not be evaluated if another rule denies.
        let asked = |rule: &Rule| outcome.errno == 0 || rule.audit.is_some() || rule.kill.is_some();
        let undecided =
            outcome.undecided.iter().filter(|rule| unreachable::cause(&self.policy.rules[rule.0 as usize]).is_none());
        let undecided = undecided.map(|rule| &self.policy.rules[rule.0 as usize]);
        let must = undecided.into_iter().any(|rule| asked(rule) && !by_name(rule));
        if counted.is_empty() && must {
            found.push(format!("nobody counts what {:?} cannot read", outcome.undecided));
        }
        self.counted = is;
    }
}

/// Returns true if a rule compares whole texts, which the last component alone can decide.
fn by_name(rule: &Rule) -> bool {
    let mut found = false;
    rule.when.iter().chain(&rule.unless).for_each(|cond| {
        walk::each_in_cond(cond, &mut |atom| {
            found |= matches!(atom.kind, AtomKind::Text { test: TextTest::OneOf(_), .. });
        });
    });
    found
}

/// Compares the labels after the call, and the number of labels without room.
fn kept(image: &Image, outcome: &Outcome, labels: &Labels, state: Option<&[u8]>, found: &mut Vec<String>) {
    // A kind of object that no program accesses has no map.
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
    (scene, room): (&Scene<'_>, bool),
    outcome: &Outcome,
    run: &Run,
    found: &mut Vec<String>,
) {
    if run.verdict != -outcome.errno {
        found.push(format!("the verdict is {}, not {}", run.verdict, -outcome.errno));
    }
    // A pending signal is not queued again (legacy_queue() in kernel/signal.c), so rules that send the same
    // signal may share a call.
    let set = |signals: &[i32]| signals.iter().copied().collect::<BTreeSet<i32>>();
    if set(&run.signals) != set(&outcome.signals) {
        found.push(format!("the signals are {:?}, not {:?}", run.signals, outcome.signals));
    }
    // The order of events is unspecified.
    let mut records: Vec<&Vec<u8>> = run.events.iter().collect();
    records.sort_by_key(|record| number(record, abi::RULE, 4));
    let rules: Vec<u64> = records.iter().map(|record| number(record, abi::RULE, 4)).collect();
    let events: &[eval::Event] = if room { &outcome.events } else { &[] };
    let expected: Vec<u64> = events.iter().map(|event| u64::from(event.rule.0)).collect();
    if rules != expected {
        let name = |rule: &u64| policy.rules.get(*rule as usize).map_or("?", |rule| rule.name.as_str());
        let (rules, expected): (Vec<&str>, Vec<&str>) =
            (rules.iter().map(name).collect(), expected.iter().map(name).collect());
        found.push(format!("events of {rules:?}, not of {expected:?}"));
        return;
    }
    for (record, event) in records.iter().zip(events) {
        let rule = &image.manifest.rules[event.rule.0 as usize];
        let mut differs = |what: &str, is: String, not: String| {
            if is != not {
                found.push(format!("{what} of {} is {is}, not {not}", rule.name));
            }
        };
        let task = &scene.task;
        let said = event.would_deny.unwrap_or(-outcome.decided) + if event.undecided { abi::UNDECIDED } else { 0 };
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
        if let Some(limit) = rule.audit.as_ref().and_then(|audit| audit.limit) {
            let over = event.over.unwrap_or_default();
            differs("count over the limit", number(record, limit.offset, 8).to_string(), over.to_string());
        }
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

/// Formats a field as recorded and as expected.
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
