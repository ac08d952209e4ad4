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
use crate::list;
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
    /// By rule, as last told.
    lost: Vec<u64>,
    /// By rule, as last told.
    limited: Vec<u64>,
    /// Held while reading: two readers would each see half.
    _lock: File,
}

/// Prints events of one policy or all, those that are there or all that come.
pub fn events(name: Option<&str>, format: Format, follow: bool) -> Result<(), Failure> {
    if let Some(name) = name {
        pins::check_name(name)?;
        if !pins::folder(name).exists() {
            return Err(not_loaded(name));
        }
    }
    let mut printer = Printer::new(format)?;
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
        let none = vec![0; manifest.rules.len()];
        sources.insert(name, Source { inode, manifest, ring, lost: none.clone(), limited: none, _lock: lock });
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

struct Printer {
    out: io::BufWriter<io::StdoutLock<'static>>,
    format: Format,
    color: bool,
    /// Time of day at boot, for the kernel counts from there.
    boot: SystemTime,
    /// Whoever reads has read enough.
    closed: bool,
}

impl Printer {
    fn new(format: Format) -> Result<Printer, Failure> {
        let since_boot = clock_gettime(ClockId::Boottime);
        let since_boot = Duration::new(since_boot.tv_sec.unsigned_abs(), since_boot.tv_nsec.unsigned_abs() as u32);
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let color = io::stdout().is_terminal() && !plain;
        Ok(Printer {
            out: io::BufWriter::new(io::stdout().lock()),
            format,
            color,
            boot: SystemTime::now().checked_sub(since_boot).unwrap_or(SystemTime::UNIX_EPOCH),
            closed: false,
        })
    }

    fn drain(&mut self, policy: &str, source: &mut Source) -> Result<(), Failure> {
        while let Some(record) = source.ring.next() {
            match Event::read(&source.manifest, &record) {
                Some(event) => {
                    let (id, rule) = (event.header.rule as usize, event.rule);
                    let lost = newly(&mut source.lost, id, event.header.lost);
                    self.missing(policy, rule, Missing::Lost, lost)?;
                    if let Some(now) = event.limited() {
                        let limited = newly(&mut source.limited, id, now);
                        self.missing(policy, rule, Missing::Limited, limited)?;
                    }
                    self.event(policy, &event)?;
                }
                None => self.line("an event that is not of this policy was skipped")?,
            }
        }
        // What is missing behind the last event.
        if let Ok(counters) = list::counters(policy, &source.manifest) {
            for (counts, told, why) in [
                (&counters.lost, &mut source.lost, Missing::Lost),
                (&counters.limited, &mut source.limited, Missing::Limited),
            ] {
                for (id, (now, rule)) in counts.iter().zip(&source.manifest.rules).enumerate() {
                    let count = newly(told, id, *now);
                    self.missing(policy, rule, why, count)?;
                }
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
