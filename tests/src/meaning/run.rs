//! Executes the rows of a file with the evaluator and the built object, and compares each with the result in
//! the row.
//!
//! ```text
//! comparisons.meaning:12: on 5.10, the object: the verdict is 0, not 1
//!   A comparison with the constant on the left is the mirrored comparison.
//!   on task_prctl when 500 < option deny
//! ```
//!
//! A policy is built once, by default for the newest embedded kernel, and runs on each embedded kernel that
//! has the hook and that the object supports. Unexpected warnings of the compiler are failures too, except
//! warnings about other kernels.
//!
//! Absent: the comparison of the two answers with each other, which the differential tests perform.

use std::fmt::Write as _;

use krsi_abi::event as abi;
use krsi_abi::manifest::{Manifest, Ty};
use krsic::diag::{Severity, code};
use krsic::hir::eval::{self, Datum, Labels};
use krsic::hir::{HookId, Mode, Policy};
use krsic::kernel::{Kernel, embedded};
use krsic::simulate::Run;
use krsic::simulate::image::Image;
use krsic::simulate::machine::Machine;
use krsic::{Built, Options, Source};

use super::layout::{Layout, Meeting};
use super::parse::{Event, Expected, Input, Recorded, Row, Section, parse};

/// The size of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// Number of policies executed.
    pub policies: usize,
    /// Number of rows executed.
    pub rows: usize,
    /// Number of calls: each row counts once per kernel.
    pub calls: usize,
}

/// Executes a file of the table.
///
/// # Errors
/// Describes every row that differs.
pub fn run(file: &str, text: &str) -> Result<Count, String> {
    let sections = parse(text).map_err(|why| format!("{file}:{why}"))?;
    let mut count = Count::default();
    let mut failures = String::new();
    // Each row begins with a copy of its kernel's layout.
    let layouts = embedded().iter().map(Layout::new).collect::<Result<Vec<_>, String>>()?;
    for section in &sections {
        count.policies += 1;
        count.rows += section.rows.len();
        for (line, why) in section_failures(section, &layouts, &mut count) {
            let _ = writeln!(failures, "{file}:{line}: {why}\n  {}", section.title);
            section.policy.lines().take(12).for_each(|line| {
                let _ = writeln!(failures, "  {line}");
            });
            let row = text.lines().nth(line - 1).unwrap_or_default();
            let _ = writeln!(failures, "  {row}\n");
        }
    }
    if failures.is_empty() { Ok(count) } else { Err(failures) }
}

/// Returns the failures of a section, each with its line.
fn section_failures(section: &Section, layouts: &[Layout<'static>], count: &mut Count) -> Vec<(usize, String)> {
    let outcome =
        krsic::build(&[Source { name: "policy.krs".into(), text: section.policy.clone() }], &Options::default());
    let said = |severity: Severity| {
        let found = outcome.diagnostics.iter().filter(|of| of.severity == severity);
        let mut codes: Vec<&str> =
            found.map(|of| of.code.0).filter(|known| *known != code::MISSING_ON_KERNEL.0).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    };
    let wanted = |of: fn(&Expected) -> &Vec<String>| {
        let mut codes: Vec<&str> = section.rows.iter().flat_map(|row| of(&row.result)).map(String::as_str).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    };
    let mut failures = Vec::new();
    for (kind, found, expected) in [
        ("errors", said(Severity::Error), wanted(|result| &result.errors)),
        ("warnings", said(Severity::Warning), wanted(|result| &result.warnings)),
    ] {
        if found != expected {
            let messages: Vec<&str> = outcome.diagnostics.iter().map(|of| of.message.as_str()).collect();
            failures.push((
                section.rows[0].line,
                format!("the {kind} are {found:?}, not {expected:?}: {}", messages.join("; ")),
            ));
        }
    }
    let rows: Vec<&Row> = section.rows.iter().filter(|row| row.result.errno.is_some()).collect();
    let Some(built) = &outcome.value else {
        if failures.is_empty() && !rows.is_empty() {
            failures.push((rows[0].line, "a row of a policy that is refused".to_owned()));
        }
        return failures;
    };
    let mut ran = vec![false; rows.len()];
    for (kernel, layout) in embedded().iter().zip(layouts) {
        if let Err(failure) = on_kernel(built, (kernel, layout), &rows, &mut ran, count) {
            // Other kernels usually fail in the same way.
            failures.push(failure);
            return failures;
        }
    }
    let idle = rows.iter().zip(ran).find(|(_, ran)| !ran);
    failures.extend(idle.map(|(row, _)| (row.line, "no kernel runs this row".to_owned())));
    failures
}

/// Executes the rows of a policy on one kernel, in order.
fn on_kernel(
    built: &Built,
    (kernel, layout): (&'static Kernel, &Layout<'static>),
    rows: &[&Row],
    ran: &mut [bool],
    count: &mut Count,
) -> Result<(), (usize, String)> {
    let first = rows.first().map_or(0, |row| row.line);
    let at = |line: usize, why: String| (line, format!("on {}, {why}", kernel.name));
    let image = Image::new(&built.object, kernel);
    let fits = image.as_ref().is_ok_and(|image| image.manifest.kernels.contains(&kernel.name));
    let newest = embedded().last().is_some_and(|newest| newest.name == kernel.name);
    if !fits && !newest {
        return Ok(());
    }
    let image = image.map_err(|why| at(first, why))?;
    let mut state: Option<State<'_>> = None;
    let mut skipped = false;
    for (row, ran) in rows.iter().zip(ran) {
        let only = row.inputs.iter().find_map(|input| match input {
            Input::Kernels(names) => Some(names),
            _ => None,
        });
        if !row.then {
            skipped = only.is_some_and(|names| !names.contains(&kernel.name));
            state = None;
        }
        if skipped {
            continue;
        }
        let hook = hook(&built.policy, row, state.as_ref()).map_err(|why| at(row.line, why))?;
        if !kernel.has_hook(&built.policy.hooks[hook.index()].name) {
            skipped = true;
            continue;
        }
        let mut state_now = match state.take() {
            Some(state) => state,
            None => State::new(layout.clone()),
        };
        state_now.hook = Some(hook);
        let failures = state_now.row(&built.policy, &image, hook, row).map_err(|why| at(row.line, why))?;
        if !failures.is_empty() {
            return Err(at(row.line, failures.join("\n    and ")));
        }
        *ran = true;
        count.calls += 1;
        state = Some(state_now);
    }
    Ok(())
}

/// Returns the hook of a row: its own, otherwise that of the row before it, otherwise the policy's first.
fn hook(policy: &Policy, row: &Row, before: Option<&State<'_>>) -> Result<HookId, String> {
    let said = row.inputs.iter().find_map(|input| match input {
        Input::Hook(name) => Some(name),
        _ => None,
    });
    match said {
        Some(name) => {
            let at = policy.hooks.iter().position(|hook| hook.name == *name);
            at.map(|at| HookId(at as u32)).ok_or_else(|| format!("the policy has no hook `{name}`"))
        }
        None => match before.and_then(|state| state.hook) {
            Some(hook) => Ok(hook),
            None => policy.rules.first().map(|rule| rule.hook).ok_or_else(|| "the policy has no rules".to_owned()),
        },
    }
}

/// The state that a row leaves to the `then` rows after it.
struct State<'i> {
    layout: Layout<'static>,
    machine: Option<Machine<'i>>,
    hook: Option<HookId>,
    /// The mode of the policy.
    mode: Mode,
    /// The sum of the unreadable counters before the call.
    unread: u64,
}

impl<'i> State<'i> {
    fn new(layout: Layout<'static>) -> State<'i> {
        State { layout, machine: None, hook: None, mode: Mode::Enforce, unread: 0 }
    }

    /// Returns descriptions of how the two answers differ from a row.
    fn row(&mut self, policy: &Policy, image: &'i Image, hook: HookId, row: &Row) -> Result<Vec<String>, String> {
        let name = &policy.hooks[hook.index()].name;
        let layout = &mut self.layout;
        layout.call(name)?;
        for input in &row.inputs {
            match input {
                Input::Param(name, _) if !policy.params.iter().any(|param| param.name == *name) => {
                    return Err(format!("no parameter `{name}`"));
                }
                Input::Set(name, _) if !policy.sets.iter().any(|set| set.name.as_ref() == Some(name)) => {
                    return Err(format!("no set `{name}`"));
                }
                Input::Mode(Some(name), _) if !policy.rules.iter().any(|rule| rule.name == *name) => {
                    return Err(format!("no rule `{name}`"));
                }
                Input::Mode(None, mode) => self.mode = *mode,
                _ => {}
            }
            layout.give(input)?;
        }
        layout.finish()?;
        // The weaker of the policy's mode and the rule's own mode applies.
        for rule in &policy.rules {
            let own = layout.scene.modes.get(&rule.name).copied().unwrap_or(rule.first_mode());
            layout.scene.modes.insert(rule.name.clone(), own.max(self.mode));
        }
        let expected = Wanted::new(&row.result, layout)?;
        let outcome = eval::outcome(policy, hook, &Meeting(layout));
        let over = outcome.windows.values().map(|window| window.over).sum();
        let evaluated = Answer {
            errno: outcome.errno,
            events: outcome.events.iter().map(|event| evaluated(policy, event, outcome.decided)).collect(),
            signals: outcome.signals.clone(),
            labels: outcome.labels.clone(),
            over,
            lost: if layout.no_room { outcome.events.len() as u64 } else { 0 },
            undecided: !outcome.undecided.is_empty(),
        };
        let quiet = row.inputs.iter().all(|input| matches!(input, Input::Now(_) | Input::Kernels(_)));
        let mut machine = match self.machine.take().filter(|_| quiet) {
            Some(mut machine) => {
                machine.at(layout.scene.time_ns);
                machine
            }
            None if row.then && !layout.scene.windows.is_empty() => {
                return Err("a later call of rules with limits can only change the time".to_owned());
            }
            None => {
                self.unread = 0;
                Machine::new(image, layout.scene.clone())?
            }
        };
        if layout.no_room {
            machine.ring_buffer_room = 0;
        }
        let run = machine.run(name).map_err(|fault| format!("the object: {fault}"))?;
        let counted = Counters::of(&image.manifest, machine.state(), policy);
        let ran = Answer {
            errno: -run.verdict,
            events: recorded(image, &run),
            signals: run.signals.clone(),
            labels: machine.labels()?,
            over: counted.over,
            lost: counted.lost,
            undecided: counted.unread > self.unread,
        };
        self.unread = counted.unread;
        let mut failures = Vec::new();
        expected.compare("the evaluator", &evaluated, true, false, &mut failures);
        expected.compare("the object", &ran, false, layout.no_room, &mut failures);
        let task = &layout.scene.task;
        for record in &run.events {
            let Some(header) = abi::Header::read(record) else { return Err("a record without a head".to_owned()) };
            let is = (header.pid, header.tgid, header.uid, header.gid, header.cgroup, header.comm(), header.time_ns);
            let time = layout.scene.time_ns;
            // The bytes after the NUL of a name are arbitrary.
            let comm = task.comm.split(|byte| *byte == 0).next().unwrap_or_default();
            if is != (task.pid, task.tgid, task.uid, task.gid, task.cgroup_id, comm, time) {
                failures.push(format!("the object: an event says of the task {is:?}"));
            }
        }
        layout.scene.labels = outcome.labels;
        layout.scene.windows = outcome.windows;
        self.machine = Some(machine);
        Ok(failures)
    }
}

/// The outcome according to the evaluator or the object.
struct Answer {
    errno: i32,
    events: Vec<Seen>,
    signals: Vec<i32>,
    labels: Labels,
    over: u64,
    lost: u64,
    undecided: bool,
}

/// An event that was recorded.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    rule: String,
    /// The negative errno of the operation, or the positive errno of a permissive rule.
    verdict: i32,
    undecided: bool,
    fields: Vec<(String, Recorded)>,
}

impl Seen {
    fn is(&self, wanted: &Event, errno: i32) -> bool {
        let verdict = wanted.would_deny.unwrap_or(-wanted.met.unwrap_or(errno));
        wanted.rule.as_ref().is_none_or(|rule| *rule == self.rule)
            && verdict == self.verdict
            && wanted.undecided == self.undecided
            && wanted.fields.as_ref().is_none_or(|fields| *fields == self.fields)
    }
}

fn evaluated(policy: &Policy, event: &eval::Event, decided: i32) -> Seen {
    let rule = &policy.rules[event.rule.0 as usize];
    let fields = rule.audit.iter().flat_map(|audit| &audit.fields).zip(&event.fields);
    let fields = fields.map(|(field, value)| {
        let value = match value {
            None => Recorded::Unknown,
            Some(Datum::Number(number)) => Recorded::Number(*number),
            Some(Datum::Ip(address)) => Recorded::Ip(*address),
            Some(Datum::Text(text)) => Recorded::Text(text.clone()),
        };
        (field.name.clone(), value)
    });
    let (undecided, fields) = (event.undecided, fields.collect());
    Seen { rule: rule.name.clone(), verdict: event.would_deny.unwrap_or(-decided), undecided, fields }
}

fn recorded(image: &Image, run: &Run) -> Vec<Seen> {
    let events = run.events.iter().filter_map(|record| {
        let header = abi::Header::read(record)?;
        let rule = image.manifest.rules.get(header.rule as usize)?;
        let fields = rule.audit.iter().flat_map(|audit| &audit.fields).enumerate().map(|(index, field)| {
            let unknown = header.unknown >> index & 1 == 1;
            let bytes = record.get(field.offset as usize..).unwrap_or_default();
            (field.name.clone(), if unknown { Recorded::Unknown } else { value(&field.ty, bytes) })
        });
        let abi::Header { verdict, undecided, .. } = header;
        Some(Seen { rule: rule.name.clone(), verdict, undecided, fields: fields.collect() })
    });
    events.collect()
}

fn value(ty: &Ty, bytes: &[u8]) -> Recorded {
    let count = (ty.bytes() as usize).min(bytes.len());
    let bytes = &bytes[..count];
    let little = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
    match ty {
        Ty::Str { .. } => Recorded::Text(bytes.iter().copied().take_while(|byte| *byte != 0).collect()),
        Ty::Ip => Recorded::Ip(u128::from(little(&bytes[..8])) << 64 | u128::from(little(&bytes[8..]))),
        Ty::Int { signed: true, .. } | Ty::Names { signed: true, .. } => {
            let up = 64 - 8 * count as u32;
            Recorded::Number(i128::from((little(bytes) << up).cast_signed() >> up))
        }
        _ => Recorded::Number(i128::from(little(bytes))),
    }
}

/// Sums of the counters over all rules.
struct Counters {
    lost: u64,
    over: u64,
    unread: u64,
}

impl Counters {
    fn of(manifest: &Manifest, state: Option<&[u8]>, policy: &Policy) -> Counters {
        let rules = policy.rules.len();
        let table = |from: Option<usize>| -> u64 {
            let counter = |rule| Some(u64::from_le_bytes(*state?.get(from? + 8 * rule..)?.first_chunk()?));
            (0..rules).filter_map(counter).sum()
        };
        // Policies that neither record nor deny have no event counters.
        let records = policy.rules.iter().any(|rule| rule.audit.is_some() || rule.deny.is_some());
        Counters {
            lost: table(records.then_some(0)),
            over: table(manifest.limited.map(|at| at as usize)),
            unread: table(manifest.unreadable.map(|at| at as usize)),
        }
    }
}

/// An expected result with its places resolved.
struct Wanted<'r> {
    result: &'r Expected,
    labels: Vec<(eval::ObjectKey, &'r Vec<String>)>,
}

impl<'r> Wanted<'r> {
    fn new(result: &'r Expected, layout: &mut Layout<'_>) -> Result<Wanted<'r>, String> {
        let labels = result.labels.iter().map(|(place, labels)| Ok((layout.known(place)?, labels)));
        Ok(Wanted { result, labels: labels.collect::<Result<_, String>>()? })
    }

    /// Appends the differences of an answer. Only the evaluator shows that every rule is decided: a program
    /// also counts an unreadable value that does not affect the outcome.
    fn compare(&self, who: &str, answer: &Answer, exact: bool, mute: bool, failures: &mut Vec<String>) {
        let mut differs = |what: &str, is: String, not: String| {
            if is != not {
                failures.push(format!("{who}: {what} {is}, not {not}"));
            }
        };
        let result = self.result;
        let errno = result.errno.unwrap_or(0);
        differs("the errno is", answer.errno.to_string(), errno.to_string());
        let sorted = |signals: &[i32]| {
            let mut signals = signals.to_vec();
            signals.sort_unstable();
            format!("{signals:?}")
        };
        differs("the signals are", sorted(&answer.signals), sorted(&result.signals));
        let mut left = answer.events.clone();
        let mut missing: Vec<&Event> = if mute { Vec::new() } else { result.events.iter().collect() };
        missing.retain(|wanted| match left.iter().position(|seen| seen.is(wanted, errno)) {
            Some(at) => {
                left.remove(at);
                false
            }
            None => true,
        });
        if !left.is_empty() || !missing.is_empty() {
            differs("the events are", format!("{left:?}"), format!("{missing:?}"));
        }
        differs("events over a limit are", answer.over.to_string(), result.over.to_string());
        differs("events without room are", answer.lost.to_string(), result.lost.to_string());
        if exact || result.undecided {
            differs("something unread decides", answer.undecided.to_string(), result.undecided.to_string());
        }
        for (known, labels) in &self.labels {
            let entry = answer.labels.entries.get(known).cloned().unwrap_or_default();
            let mut wanted = (*labels).clone();
            wanted.sort();
            let found: Vec<String> = entry.labels.into_iter().collect();
            differs("the labels are", format!("{found:?}"), format!("{wanted:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row with one wrong part of its result is a failure at its line, for the evaluator or the object.
    #[test]
    fn wrong_results_are_failures() {
        let policy = "label l on task\n\
                      r: on task_prctl when option == 1 deny EACCES audit { option } limit 1/s kill SIGTERM mark l\n\
                      on task_setnice when task is l deny";
        let right = "option = 1 -> deny 13, audit r { option = 1 }, kill 15, labels(task) { l }";
        let file = |row: &str| format!("## Title.\n{policy}\n| {row}\n");
        assert_eq!(run("f", &file(right)).map(|count| count.rows), Ok(1));
        for (part, wrong) in [
            ("deny 13", "deny 1"),
            ("deny 13", "pass"),
            ("audit r { option = 1 }", "audit r { option = 2 }"),
            ("audit r { option = 1 }", "audit r { other = 1 }"),
            ("audit r { option = 1 }", "audit r { }"),
            ("audit r { option = 1 }", "audit s"),
            ("audit r { option = 1 }", "would-deny 13 r"),
            ("audit r { option = 1 }", "audit r, audit r"),
            (", audit r { option = 1 }", ""),
            ("kill 15", "kill 9"),
            (", kill 15", ""),
            ("{ l }", "{ }"),
            ("-> deny", "-> undecided, deny"),
            ("-> deny", "-> over 1, deny"),
            ("-> deny", "-> lost 1, deny"),
            ("-> deny", "-> warn KRS0903, deny"),
            ("-> deny", "-> error KRS0302, deny"),
            ("option = 1 ->", "kernels 4.4, option = 1 ->"),
            ("option = 1 ->", "hook task_getpgid, option = 1 ->"),
            ("option = 1 ->", "optoin = 1 ->"),
            ("option = 1 ->", "option = 4294967296 ->"),
            ("option = 1 ->", "param p = 1, option = 1 ->"),
        ] {
            let row = right.replacen(part, wrong, 1);
            assert_ne!(row, right);
            let error = run("f", &file(&row)).expect_err(&row);
            assert!(error.starts_with("f:5: "), "{row}: {error}");
        }
    }
}
