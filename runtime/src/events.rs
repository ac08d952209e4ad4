//! `krsi events`: prints the events that policies recorded.
//!
//! Each policy has a separate ring buffer, which one reader at a time consumes. With `--follow`, the pins are scanned
//! periodically for policies that were loaded, unloaded or replaced.
//!
//! An event is consumed once its line has arrived ([`crate::delivery`]); one that cannot be printed stays in the buffer.
//! After many have arrived, several are sent together, and those that had been taken for it are counted if they do not
//! arrive ([`Batch`]).
//!
//! Counts of lost and limited events are printed before the next event of the rule, or after the last event from the
//! policy's counters. Absent: the format of a record; [`crate::decode`] has it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use aya::maps::{MapData, RingBuf};
use krsi_abi::manifest::{Manifest, Rule};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::time::{ClockId, clock_gettime};

use crate::decode::Event;
use crate::delivery::{Output, Stdout};
use crate::failure::{self, Failure};
use crate::list::{self, Counters};
use crate::terminal::{safe_json, safe_lines};
use crate::{cli, pins};

/// Output format of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One line per event, for people
    Text,
    /// One JSON object per line
    Json,
}

/// Maximum time until a change of the pins is noticed.
const RESCAN_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };

/// A policy whose events are read.
struct Source {
    /// Inode of the policy's folder, which distinguishes the policy from a replacement of the same name.
    inode: u64,
    manifest: Manifest,
    ring: RingBuf<MapData>,
    reported: Reported,
    /// Lock held while reading, since each event goes to only one reader.
    _lock: File,
}

/// Counts of missing events by rule that have been printed already.
struct Reported {
    lost: Vec<u64>,
    limited: Vec<u64>,
}

impl Reported {
    fn zero(manifest: &Manifest) -> Reported {
        let none = vec![0; manifest.rules.len()];
        Reported { lost: none.clone(), limited: none }
    }
}

/// Runs `krsi events`: prints the recorded events of one or all policies, and new ones if `follow`.
pub fn events(name: Option<&str>, format: Format, follow: bool) -> Result<(), Failure> {
    if let Some(name) = name {
        pins::find(name)?;
    }
    let mut printer = printer(format)?;
    let mut sources: BTreeMap<String, Source> = BTreeMap::new();
    loop {
        update_sources(name, &mut sources)?;
        for (policy, source) in &mut sources {
            printer.drain(policy, source)?;
            if printer.closed {
                return Ok(());
            }
        }
        if !follow {
            return Ok(());
        }
        let mut waiting: Vec<PollFd<'_>> =
            sources.values().map(|source| PollFd::from_borrowed_fd(source.ring.as_fd(), PollFlags::IN)).collect();
        match poll(&mut waiting, Some(&RESCAN_INTERVAL)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                return Err(Failure::usage(format!("waiting for events failed: {error}")));
            }
        }
    }
}

/// Opens the ring buffers of newly loaded policies and closes those of unloaded ones.
fn update_sources(name: Option<&str>, sources: &mut BTreeMap<String, Source>) -> Result<(), Failure> {
    let names = match name {
        Some(name) => vec![name.to_owned()],
        None => pins::loaded()?,
    };
    let inode = |name: &str| std::fs::metadata(pins::folder(name)).map(|metadata| metadata.ino()).ok();
    sources.retain(|name, source| inode(name) == Some(source.inode));
    for name in names {
        if sources.contains_key(&name) {
            continue;
        }
        let Some(inode) = inode(&name) else { continue };
        let folder = pins::folder(&name);
        let pin = folder.join("maps").join("events");
        if !pin.exists() {
            // The rules of this policy only kill or mark, and record nothing.
            continue;
        }
        let lock = File::open(&folder).map_err(|error| failure::at(&folder, "open", error))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(Failure::usage(format!("another `krsi events` is reading the events of `{name}`"))
                .help("stop it first: each event goes to one reader only"));
        }
        let manifest = list::manifest(&name)?;
        let data = MapData::from_pin(&pin).map_err(|error| failure::at(&pin, "open", error))?;
        let ring =
            RingBuf::try_from(aya::maps::Map::RingBuf(data)).map_err(|error| failure::at(&pin, "read", error))?;
        let reported = Reported::zero(&manifest);
        sources.insert(name, Source { inode, manifest, ring, reported, _lock: lock });
    }
    Ok(())
}

/// Reason why an event is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// The ring buffer was full.
    Lost,
    /// The rule had reached its limit.
    Limited,
}

/// Updates the reported count of a rule to `now` and returns the increase.
fn increase(reported: &mut [u64], rule: usize, now: u64) -> u64 {
    reported.get_mut(rule).map_or(0, |reported| {
        let increase = now.saturating_sub(*reported);
        *reported = (*reported).max(now);
        increase
    })
}

/// Number of events that have arrived for each one that a batch holds.
const EVENTS_PER_BATCHED: u64 = 8;
/// Maximum number of events in a batch.
const BATCH_EVENTS_MAX: u64 = 64;
/// Length from which a batch is sent, whatever it holds.
const BATCH_BYTES: usize = 16 << 10;

/// Lines that are sent together.
///
/// A rule can record what the output of an event causes: the write, and the read of a process behind a pipe. If each
/// event were sent alone, such rules would record more events than are printed, and the buffer would stay full.
/// Therefore, the longer the output has worked, the more events are sent together. The ring buffer shows one record at a
/// time, so all events of a batch but the last have been consumed before it is sent, and are counted if they do not
/// arrive. The first events, up to twice [`EVENTS_PER_BATCHED`], are sent alone, and none of them can be lost.
#[derive(Default)]
struct Batch {
    text: Vec<u8>,
    /// Offset in the text of the end of each event.
    ends: Vec<usize>,
}

struct Printer<W: Output> {
    out: W,
    format: Format,
    color: bool,
    /// Wall-clock time of the boot, since events carry the time since boot.
    boot: SystemTime,
    batch: Batch,
    /// Number of events that have arrived.
    arrived: u64,
    /// True if the reader has closed the pipe.
    closed: bool,
}

/// Creates a printer to standard output.
fn printer(format: Format) -> Result<Printer<Stdout>, Failure> {
    let since_boot = clock_gettime(ClockId::Boottime);
    let since_boot = Duration::new(since_boot.tv_sec.unsigned_abs(), since_boot.tv_nsec.unsigned_abs() as u32);
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    let color = io::stdout().is_terminal() && !plain;
    let out = Stdout::open().map_err(|error| Failure::usage(format!("cannot use standard output: {error}")))?;
    Ok(Printer::new(out, format, color, SystemTime::now().checked_sub(since_boot).unwrap_or(SystemTime::UNIX_EPOCH)))
}

impl<W: Output> Printer<W> {
    fn new(out: W, format: Format, color: bool, boot: SystemTime) -> Printer<W> {
        Printer { out, format, color, boot, batch: Batch::default(), arrived: 0, closed: false }
    }

    fn drain(&mut self, policy: &str, source: &mut Source) -> Result<(), Failure> {
        while let Some(record) = source.ring.next() {
            self.record(policy, &source.manifest, &mut source.reported, &record);
            if !self.is_due() {
                continue;
            }
            let lost = self.send(true);
            if lost.is_err() || self.closed {
                // Dropping the record would consume it.
                std::mem::forget(record);
                return lost.map(warn_of_lost);
            }
        }
        // Events that are missing after the last one.
        if let Ok(counters) = list::counters(policy, &source.manifest) {
            self.remaining(policy, &source.manifest, &mut source.reported, &counters);
        }
        self.send(false).map(warn_of_lost)
    }

    /// Adds a record to the batch, preceded by the count of events missing before it.
    fn record(&mut self, policy: &str, manifest: &Manifest, reported: &mut Reported, record: &[u8]) {
        if let Some(event) = Event::read(manifest, record) {
            let (id, rule) = (event.header.rule as usize, event.rule);
            let lost = increase(&mut reported.lost, id, event.header.lost);
            self.missing(policy, rule, Missing::Lost, lost);
            if let Some(now) = event.limited() {
                let limited = increase(&mut reported.limited, id, now);
                self.missing(policy, rule, Missing::Limited, limited);
            }
            self.event(policy, &event);
        } else {
            const SKIPPED: &str = "skipped an event that does not belong to this policy";
            match self.format {
                Format::Text => self.line(SKIPPED),
                Format::Json => self.line(&serde_json::json!({ "policy": policy, "error": SKIPPED }).to_string()),
            }
        }
        self.batch.ends.push(self.batch.text.len());
    }

    /// Adds the counts of missing events that are in the counters but that no event has reported.
    fn remaining(&mut self, policy: &str, manifest: &Manifest, reported: &mut Reported, counters: &Counters) {
        for (counts, reported, why) in [
            (&counters.lost, &mut reported.lost, Missing::Lost),
            (&counters.limited, &mut reported.limited, Missing::Limited),
        ] {
            for (id, (now, rule)) in counts.iter().zip(&manifest.rules).enumerate() {
                let count = increase(reported, id, *now);
                self.missing(policy, rule, why, count);
            }
        }
    }

    fn event(&mut self, policy: &str, event: &Event<'_>) {
        let time = self.boot.checked_add(Duration::from_nanos(event.header.time_ns)).unwrap_or(self.boot);
        let wall = humantime::format_rfc3339_micros(time).to_string();
        match self.format {
            Format::Json => self.line(&event.json(policy, &wall).to_string()),
            Format::Text => {
                let text = safe_lines(&event.text(policy, &wall)).replace('\n', "\\n");
                let text = match self.color && event.header.verdict < 0 {
                    true => format!("\x1b[31m{text}\x1b[0m\n"),
                    false => text + "\n",
                };
                self.batch.text.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// Adds the number of missing events of a rule, unless it is 0.
    fn missing(&mut self, policy: &str, rule: &Rule, why: Missing, count: u64) {
        if count == 0 {
            return;
        }
        let name = &rule.name;
        match self.format {
            Format::Json => {
                let why = if why == Missing::Lost { "lost" } else { "limited" };
                self.line(&serde_json::json!({ "policy": policy, "rule": name, why: count }).to_string());
            }
            Format::Text => {
                let events = if count == 1 { "event was" } else { "events were" };
                let limit = rule.audit.as_ref().and_then(|audit| audit.limit);
                let why = match (why, limit) {
                    (Missing::Limited, Some(limit)) => format!("over the limit of {}/{}", limit.count, limit.per),
                    (Missing::Limited, None) => "over the limit".to_owned(),
                    (Missing::Lost, _) => "lost: the ring buffer was full".to_owned(),
                };
                self.line(&format!("{policy}/{name}: {count} {events} {why}"));
            }
        }
    }

    fn line(&mut self, text: &str) {
        let safe = match self.format {
            Format::Text => safe_lines(text),
            Format::Json => safe_json(text),
        };
        self.batch.text.extend_from_slice(safe.as_bytes());
        self.batch.text.push(b'\n');
    }

    /// Returns true if the batch holds as many events as are sent together.
    fn is_due(&self) -> bool {
        let events = (self.arrived / EVENTS_PER_BATCHED).clamp(1, BATCH_EVENTS_MAX);
        self.batch.ends.len() as u64 >= events || self.batch.text.len() >= BATCH_BYTES
    }

    /// Sends the batch and waits until it has arrived. `held` tells that the last event is still in the ring buffer.
    /// Returns the number of events that are lost because the reader has closed the pipe.
    fn send(&mut self, held: bool) -> Result<usize, Failure> {
        let Batch { text, ends } = std::mem::take(&mut self.batch);
        if self.closed || text.is_empty() {
            return Ok(0);
        }
        let (bytes, done) = self.out.send(&text);
        let arrived = ends.iter().filter(|end| **end <= bytes).count();
        self.arrived += arrived as u64;
        let lost = (ends.len() - usize::from(held)).saturating_sub(arrived);
        match done {
            Ok(()) => Ok(0),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(lost)
            }
            Err(error) => {
                let failure = Failure::usage(format!("cannot write to standard output: {error}"));
                Err(if lost == 0 { failure } else { failure.note(lost_text(lost)) })
            }
        }
    }
}

fn lost_text(lost: usize) -> String {
    let events = if lost == 1 { "event is" } else { "events are" };
    format!("{lost} {events} lost, which had been taken from the ring buffer to be printed")
}

fn warn_of_lost(lost: usize) {
    if lost > 0 {
        cli::warn(&lost_text(lost));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::{fields, manifest, record};

    impl Output for Vec<u8> {
        fn send(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
            self.extend_from_slice(lines);
            (lines.len(), Ok(()))
        }
    }

    fn printed(format: Format, color: bool, print: impl FnOnce(&mut Printer<Vec<u8>>)) -> String {
        let boot = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
        let mut printer = Printer::new(Vec::new(), format, color, boot);
        print(&mut printer);
        printer.send(false).expect("writing to memory");
        String::from_utf8(printer.out).expect("it is text")
    }

    /// The record of rule 2 with counts of lost events and of events over the limit.
    fn limited(lost: u64, limited: u64) -> Vec<u8> {
        let mut bytes = record(2, 0, 0, &[limited.to_ne_bytes(), 42u64.to_ne_bytes()].concat());
        bytes[40..48].copy_from_slice(&lost.to_ne_bytes());
        bytes
    }

    /// Otherwise, `krsi events --follow` would wait forever.
    #[test]
    fn a_policy_that_is_not_loaded_has_no_events() {
        let message = |name| events(Some(name), Format::Json, true).expect_err("there is none").message;
        assert_eq!(message("a/b"), "invalid policy name `a/b`");
        let name = format!("no-policy-of-{}", std::process::id());
        assert_eq!(message(&name), format!("no policy `{name}` is loaded"));
    }

    #[test]
    fn counts_are_reported_once() {
        let mut reported = vec![0, 5];
        assert_eq!(
            (increase(&mut reported, 1, 7), increase(&mut reported, 1, 7), increase(&mut reported, 1, 8)),
            (2, 0, 1)
        );
        // Records of several processors may arrive out of the order of their counts.
        assert_eq!((increase(&mut reported, 1, 6), increase(&mut reported, 1, 9)), (0, 1));
        assert_eq!(increase(&mut reported, 2, 9), 0);
        assert_eq!(reported, [0, 9]);
    }

    /// Counts of missing events are printed before the event that carries them, and at the end.
    #[test]
    fn missing_events_are_reported() {
        let manifest = manifest();
        let print = |printer: &mut Printer<Vec<u8>>| {
            let mut reported = Reported::zero(&manifest);
            for bytes in [limited(0, 0), limited(1, 3), limited(1, 3)] {
                printer.record("p", &manifest, &mut reported, &bytes);
            }
            printer.record("p", &manifest, &mut reported, &[0; 8]);
            let counters = Counters { lost: vec![2, 0, 1], limited: vec![0, 0, 4], ..Counters::default() };
            printer.remaining("p", &manifest, &mut reported, &counters);
            printer.remaining("p", &manifest, &mut reported, &counters);
        };
        // 5.000000123 s after a boot at the end of the first day of the epoch.
        let event = "1970-01-02T00:00:05.000000Z p/limited file_open allowed  bash[811] uid=1000  uid=42";
        assert_eq!(
            printed(Format::Text, false, print).lines().collect::<Vec<_>>(),
            [
                event,
                "p/limited: 1 event was lost: the ring buffer was full",
                "p/limited: 3 events were over the limit of 5/m",
                event,
                event,
                "skipped an event that does not belong to this policy",
                "p/all: 2 events were lost: the ring buffer was full",
                "p/limited: 1 event was over the limit of 5/m",
            ]
        );
        let json = printed(Format::Json, false, print);
        let lines: Vec<&str> = json.lines().filter(|line| !line.contains("fields")).collect();
        assert_eq!(
            lines,
            [
                r#"{"lost":1,"policy":"p","rule":"limited"}"#,
                r#"{"limited":3,"policy":"p","rule":"limited"}"#,
                r#"{"error":"skipped an event that does not belong to this policy","policy":"p"}"#,
                r#"{"lost":2,"policy":"p","rule":"all"}"#,
                r#"{"limited":1,"policy":"p","rule":"limited"}"#,
            ]
        );
        assert_eq!(json.lines().filter(|line| line.contains(r#""time":"1970-01-02T00:00:05.000000Z""#)).count(), 3);
    }

    #[test]
    fn denials_are_red_on_a_terminal() {
        let manifest = manifest();
        let line = |color, verdict| {
            printed(Format::Text, color, |printer| {
                let mut reported = Reported::zero(&manifest);
                let mut bytes = record(0, verdict, 0, &fields());
                bytes[40..48].fill(0);
                printer.record("p", &manifest, &mut reported, &bytes);
            })
        };
        let denied = line(true, -13);
        assert!(denied.starts_with("\x1b[31m1970-") && denied.ends_with("\x1b[0m\n"), "{denied}");
        for plain in [line(false, -13), line(true, 13), line(true, 0)] {
            assert!(!plain.contains('\x1b'), "{plain}");
        }
    }

    /// An output to which the first so many bytes arrive.
    struct Broken(usize, ErrorKind);

    impl Output for Broken {
        fn send(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
            let arrived = lines.len().min(self.0);
            self.0 -= arrived;
            (arrived, if arrived == lines.len() { Ok(()) } else { Err(self.1.into()) })
        }
    }

    fn broken(bytes: usize, kind: ErrorKind) -> Printer<Broken> {
        Printer::new(Broken(bytes, kind), Format::Text, false, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_closed_pipe_ends_the_command() {
        let mut closed = broken(0, ErrorKind::BrokenPipe);
        closed.line("x");
        assert_eq!(closed.send(false).expect("a pipe may be closed"), 0);
        assert!(closed.closed);
        let mut full = broken(0, ErrorKind::StorageFull);
        full.line("x");
        let failure = full.send(false).expect_err("the disk is full").to_string();
        assert!(failure.starts_with("error: cannot write to standard output: ") && !full.closed, "{failure}");
    }

    /// The first events are sent alone, so that one that does not arrive is still in the ring buffer. Later ones are sent
    /// together, and those that had been taken and did not arrive are counted.
    #[test]
    fn events_are_sent_together_after_many_have_arrived() {
        let manifest = manifest();
        let mut reported = Reported::zero(&manifest);
        let mut sizes = Vec::new();
        let mut printer = broken(usize::MAX, ErrorKind::BrokenPipe);
        for _ in 0..5000 {
            printer.record("p", &manifest, &mut reported, &limited(0, 0));
            if printer.is_due() {
                sizes.push(printer.batch.ends.len());
                assert_eq!(printer.send(true).expect("it arrives"), 0);
            }
        }
        assert!(sizes[..16].iter().all(|size| *size == 1) && sizes[16] == 2, "{sizes:?}");
        assert!(sizes.is_sorted() && sizes.last() == Some(&64), "{sizes:?}");
        // Of ten events, the last of which is held, the first two arrive.
        for (held, lost) in [(true, 7), (false, 8)] {
            printer.batch = Batch::default();
            printer.closed = false;
            for _ in 0..10 {
                printer.record("p", &manifest, &mut reported, &limited(0, 0));
            }
            printer.out.0 = printer.batch.ends[1] + 5;
            assert_eq!(printer.send(held).expect("a pipe may be closed"), lost);
        }
        assert!(lost_text(1).starts_with("1 event is lost") && lost_text(7).starts_with("7 events are lost"));
    }
}
