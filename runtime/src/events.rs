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
use krsi_abi::manifest::Manifest;
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
            // A policy without audits records nothing.
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
        let lost = vec![0; manifest.rules.len()];
        sources.insert(name, Source { inode, manifest, ring, lost, _lock: lock });
    }
    Ok(())
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
                    let before = source.lost.get_mut(event.header.rule as usize);
                    let newly = before.map_or(0, |before| {
                        let newly = event.header.lost.saturating_sub(*before);
                        *before = (*before).max(event.header.lost);
                        newly
                    });
                    if newly > 0 {
                        self.lost(policy, &event.rule.name, newly)?;
                    }
                    self.event(policy, &event)?;
                }
                None => self.line("an event that is not of this policy was skipped")?,
            }
        }
        // Events that were lost behind the last one that was not.
        if let Ok(counters) = list::counters(policy, &source.manifest) {
            for (rule, (now, told)) in counters.lost.iter().zip(&mut source.lost).enumerate() {
                let newly = now.saturating_sub(*told);
                *told = (*told).max(*now);
                if newly > 0 {
                    let name = source.manifest.rules[rule].name.clone();
                    self.lost(policy, &name, newly)?;
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
                if self.color && event.header.verdict != 0 {
                    self.line(&format!("\x1b[31m{text}\x1b[0m"))
                } else {
                    self.line(&text)
                }
            }
        }
    }

    fn lost(&mut self, policy: &str, rule: &str, count: u64) -> Result<(), Failure> {
        match self.format {
            Format::Json => {
                self.line(&serde_json::json!({ "policy": policy, "rule": rule, "lost": count }).to_string())
            }
            Format::Text => {
                let events = if count == 1 { "event was" } else { "events were" };
                self.line(&format!("{policy}/{rule}: {count} {events} lost: the ring buffer was full"))
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
