//! `krsi events`: what policies have recorded.
//!
//! Each policy has a ring buffer of its own, which one reader at a time empties. A reader that follows sees policies
//! come, go and be replaced: it looks at the pins again now and then.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use aya::maps::{MapData, RingBuf};
use krsi_abi::manifest::{Manifest, Rule};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::time::{ClockId, clock_gettime};

use crate::decode::Event;
use crate::failure::{self, Failure};
use crate::list::{self, Counters};
use crate::load::not_loaded;
use crate::pins;

/// How events are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One line each, for people
    Text,
    /// One JSON object a line
    Json,
}

/// How long a change of the pins can stay unseen.
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };

/// A policy whose events are read.
struct Source {
    /// Tells a policy from another of the same name that replaced it.
    inode: u64,
    manifest: Manifest,
    ring: RingBuf<MapData>,
    told: Told,
    /// Held while reading: two readers would each see half.
    _lock: File,
}

/// Counts of missing events by rule, as last told.
struct Told {
    lost: Vec<u64>,
    limited: Vec<u64>,
}

impl Told {
    fn nothing(manifest: &Manifest) -> Told {
        let none = vec![0; manifest.rules.len()];
        Told { lost: none.clone(), limited: none }
    }
}

/// Prints events of one policy or all, those that are there or all that come.
pub fn events(name: Option<&str>, format: Format, follow: bool) -> Result<(), Failure> {
    if let Some(name) = name {
        pins::check_name(name)?;
        if !pins::folder(name).exists() {
            return Err(not_loaded(name));
        }
    }
    let mut printer = printer(format);
    let mut sources: BTreeMap<String, Source> = BTreeMap::new();
    loop {
        look(name, &mut sources)?;
        for (policy, source) in &mut sources {
            printer.drain(policy, source)?;
        }
        printer.flush()?;
        if !follow || printer.closed {
            return Ok(());
        }
        let mut waiting: Vec<PollFd<'_>> =
            sources.values().map(|source| PollFd::from_borrowed_fd(source.ring.as_fd(), PollFlags::IN)).collect();
        match poll(&mut waiting, Some(&LOOK_AGAIN)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                return Err(Failure::usage(format!("waiting for events failed: {error}")));
            }
        }
    }
}

/// Opens what has come and drops what has gone.
fn look(name: Option<&str>, sources: &mut BTreeMap<String, Source>) -> Result<(), Failure> {
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
            // A policy whose rules only kill and mark records nothing.
            continue;
        }
        let lock = File::open(&folder).map_err(|error| failure::at(&folder, "opened", error))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(Failure::usage(format!("another `krsi events` reads the events of `{name}`"))
                .help("end it first: each event is given to one reader only"));
        }
        let manifest = list::manifest(&name)?;
        let data = MapData::from_pin(&pin).map_err(|error| failure::at(&pin, "opened", error))?;
        let ring =
            RingBuf::try_from(aya::maps::Map::RingBuf(data)).map_err(|error| failure::at(&pin, "read", error))?;
        let told = Told::nothing(&manifest);
        sources.insert(name, Source { inode, manifest, ring, told, _lock: lock });
    }
    Ok(())
}

/// Why an event is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// There was no room for it.
    Lost,
    /// The rule had recorded as many as it may.
    Limited,
}

/// By how much a rule's count has grown since it was told last.
fn newly(told: &mut [u64], rule: usize, now: u64) -> u64 {
    told.get_mut(rule).map_or(0, |told| {
        let newly = now.saturating_sub(*told);
        *told = (*told).max(now);
        newly
    })
}

struct Printer<W: Write> {
    out: W,
    format: Format,
    color: bool,
    /// Time of day at boot, for the kernel counts from there.
    boot: SystemTime,
    /// Whoever reads has read enough.
    closed: bool,
}

/// A printer to the standard output.
fn printer(format: Format) -> Printer<io::BufWriter<io::StdoutLock<'static>>> {
    let since_boot = clock_gettime(ClockId::Boottime);
    let since_boot = Duration::new(since_boot.tv_sec.unsigned_abs(), since_boot.tv_nsec.unsigned_abs() as u32);
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    let color = io::stdout().is_terminal() && !plain;
    Printer {
        out: io::BufWriter::new(io::stdout().lock()),
        format,
        color,
        boot: SystemTime::now().checked_sub(since_boot).unwrap_or(SystemTime::UNIX_EPOCH),
        closed: false,
    }
}

impl<W: Write> Printer<W> {
    fn drain(&mut self, policy: &str, source: &mut Source) -> Result<(), Failure> {
        while let Some(record) = source.ring.next() {
            self.record(policy, &source.manifest, &mut source.told, &record)?;
        }
        // What is missing behind the last event.
        match list::counters(policy, &source.manifest) {
            Ok(counters) => self.rest(policy, &source.manifest, &mut source.told, &counters),
            Err(_) => Ok(()),
        }
    }

    /// Prints a record, and before it the events that are missing in front of it.
    fn record(&mut self, policy: &str, manifest: &Manifest, told: &mut Told, record: &[u8]) -> Result<(), Failure> {
        let Some(event) = Event::read(manifest, record) else {
            return self.line("an event that is not of this policy was skipped");
        };
        let (id, rule) = (event.header.rule as usize, event.rule);
        let lost = newly(&mut told.lost, id, event.header.lost);
        self.missing(policy, rule, Missing::Lost, lost)?;
        if let Some(now) = event.limited() {
            let limited = newly(&mut told.limited, id, now);
            self.missing(policy, rule, Missing::Limited, limited)?;
        }
        self.event(policy, &event)
    }

    /// Tells of the missing events that the counters know and no event has told.
    fn rest(&mut self, policy: &str, manifest: &Manifest, told: &mut Told, counters: &Counters) -> Result<(), Failure> {
        for (counts, told, why) in
            [(&counters.lost, &mut told.lost, Missing::Lost), (&counters.limited, &mut told.limited, Missing::Limited)]
        {
            for (id, (now, rule)) in counts.iter().zip(&manifest.rules).enumerate() {
                let count = newly(told, id, *now);
                self.missing(policy, rule, why, count)?;
            }
        }
        Ok(())
    }

    fn event(&mut self, policy: &str, event: &Event<'_>) -> Result<(), Failure> {
        let time = self.boot.checked_add(Duration::from_nanos(event.header.time_ns)).unwrap_or(self.boot);
        let wall = humantime::format_rfc3339_micros(time).to_string();
        match self.format {
            Format::Json => self.line(&event.json(policy, &wall).to_string()),
            Format::Text => {
                let text = event.text(policy, &wall);
                if self.color && event.header.verdict < 0 {
                    self.line(&format!("\x1b[31m{text}\x1b[0m"))
                } else {
                    self.line(&text)
                }
            }
        }
    }

    /// Says how many events of a rule there are not, if any.
    fn missing(&mut self, policy: &str, rule: &Rule, why: Missing, count: u64) -> Result<(), Failure> {
        if count == 0 {
            return Ok(());
        }
        let name = &rule.name;
        match self.format {
            Format::Json => {
                let why = if why == Missing::Lost { "lost" } else { "limited" };
                self.line(&serde_json::json!({ "policy": policy, "rule": name, why: count }).to_string())
            }
            Format::Text => {
                let events = if count == 1 { "event was" } else { "events were" };
                let limit = rule.audit.as_ref().and_then(|audit| audit.limit);
                let why = match (why, limit) {
                    (Missing::Limited, Some(limit)) => format!("over the limit of {}/{}", limit.count, limit.per),
                    (Missing::Limited, None) => "over the limit".to_owned(),
                    (Missing::Lost, _) => "lost: the ring buffer was full".to_owned(),
                };
                self.line(&format!("{policy}/{name}: {count} {events} {why}"))
            }
        }
    }

    fn line(&mut self, text: &str) -> Result<(), Failure> {
        let done = writeln!(self.out, "{text}");
        self.check(done)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let done = self.out.flush();
        self.check(done)
    }

    fn check(&mut self, done: io::Result<()>) -> Result<(), Failure> {
        match done {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(Failure::usage(format!("standard output cannot be written: {error}"))),
            Ok(()) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::{fields, manifest, record};

    fn printed(format: Format, color: bool, print: impl FnOnce(&mut Printer<Vec<u8>>)) -> String {
        let boot = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
        let mut printer = Printer { out: Vec::new(), format, color, boot, closed: false };
        print(&mut printer);
        String::from_utf8(printer.out).expect("it is text")
    }

    /// The record of rule 2 with counts of lost events and of events over the limit.
    fn limited(lost: u64, limited: u64) -> Vec<u8> {
        let mut bytes = record(2, 0, 0, &[limited.to_ne_bytes(), 42u64.to_ne_bytes()].concat());
        bytes[40..48].copy_from_slice(&lost.to_ne_bytes());
        bytes
    }

    #[test]
    fn counts_are_told_once() {
        let mut told = vec![0, 5];
        assert_eq!((newly(&mut told, 1, 7), newly(&mut told, 1, 7), newly(&mut told, 1, 8)), (2, 0, 1));
        // Records of several processors may come in another order than their counts.
        assert_eq!((newly(&mut told, 1, 6), newly(&mut told, 1, 9)), (0, 1));
        assert_eq!(newly(&mut told, 2, 9), 0);
        assert_eq!(told, [0, 9]);
    }

    /// Missing events stand in front of the event that tells of them, and at the end.
    #[test]
    fn missing_events_are_told() {
        let manifest = manifest();
        let print = |printer: &mut Printer<Vec<u8>>| {
            let mut told = Told::nothing(&manifest);
            for bytes in [limited(0, 0), limited(1, 3), limited(1, 3)] {
                printer.record("p", &manifest, &mut told, &bytes).expect("memory takes all");
            }
            printer.record("p", &manifest, &mut told, &[0; 8]).expect("memory takes all");
            let counters = Counters { lost: vec![2, 0, 1], limited: vec![0, 0, 4], ..Counters::default() };
            printer.rest("p", &manifest, &mut told, &counters).expect("memory takes all");
            printer.rest("p", &manifest, &mut told, &counters).expect("memory takes all");
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
                "an event that is not of this policy was skipped",
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
                "an event that is not of this policy was skipped",
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
                let mut told = Told::nothing(&manifest);
                let mut bytes = record(0, verdict, 0, &fields());
                bytes[40..48].fill(0);
                printer.record("p", &manifest, &mut told, &bytes).expect("memory takes all");
            })
        };
        let denied = line(true, -13);
        assert!(denied.starts_with("\x1b[31m1970-") && denied.ends_with("\x1b[0m\n"), "{denied}");
        for plain in [line(false, -13), line(true, 13), line(true, 0)] {
            assert!(!plain.contains('\x1b'), "{plain}");
        }
    }

    #[test]
    fn whoever_has_read_enough_ends_the_command() {
        struct Broken(ErrorKind);
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(self.0.into())
            }
        }
        let printer = |kind| Printer {
            out: Broken(kind),
            format: Format::Text,
            color: false,
            boot: SystemTime::UNIX_EPOCH,
            closed: false,
        };
        let mut closed = printer(ErrorKind::BrokenPipe);
        closed.line("x").expect("a pipe may be closed");
        assert!(closed.closed);
        let mut closed = printer(ErrorKind::BrokenPipe);
        closed.flush().expect("a pipe may be closed");
        assert!(closed.closed);
        let mut full = printer(ErrorKind::StorageFull);
        let failure = full.line("x").expect_err("the disk is full").to_string();
        assert!(failure.starts_with("error: standard output cannot be written: ") && !full.closed, "{failure}");
        let mut fine = Printer {
            out: Vec::new(),
            format: Format::Text,
            color: false,
            boot: SystemTime::UNIX_EPOCH,
            closed: false,
        };
        fine.line("x").and_then(|()| fine.flush()).expect("memory takes all");
        assert!(!fine.closed && fine.out == b"x\n");
    }
}
