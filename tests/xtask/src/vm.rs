//! Runs a script as root in a guest: a Debian kernel under QEMU's software emulation.
//!
//! The guest has two serial lines. The first carries the kernel's console, into a file that is read after the
//! guest has ended: an oops there fails the run whatever the script's status is. The second carries only the
//! script's output and, at the end, the line `krs-exit STATUS`.
//!
//! The kernel panics on an oops, and a panic ends QEMU, so that a broken guest does not run until its time
//! limit.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::host;
use crate::initramfs::Archive;
use crate::kernel::Image;

/// Prefix of the last line of the guest's output.
const EXIT_MARK: &str = "krs-exit ";
/// Texts that the kernel prints on a fault.
const FAULTS: &[&str] =
    &["BUG:", "Oops:", "Kernel panic", "general protection fault", "WARNING: CPU", "UBSAN:", "KASAN:"];
/// Security modules of a guest, unless a run names others; `capability` is always present.
pub const LSM_WITH_BPF: &str = "landlock,lockdown,yama,bpf";

/// Init program of the guest. `stty` disables the line's translation of `\n` to `\r\n`. Pids do not wrap
/// around, so that a later process has a higher one.
const INIT: &str = r#"#!/bin/sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root TERM=dumb
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
stty -F /dev/ttyS1 raw -echo
exec </dev/null >/dev/ttyS1 2>&1
mkdir -p /dev/pts
mount -t devpts pts /dev/pts
mount -t securityfs security /sys/kernel/security
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs trace /sys/kernel/tracing
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs run /run
ip link set lo up
sysctl -q -w kernel.hostname=guest
sysctl -q -w kernel.pid_max=4194304
cd /root
setsid /bin/sh /krs/script
status=$?
printf '\nkrs-exit %s\n' $status
# The line must be empty of bytes before the machine goes.
stty -F /dev/ttyS1 cooked
poweroff -f
"#;

/// A script to run in a guest, with its files and settings.
#[derive(Clone, Debug)]
pub struct GuestSpec {
    /// Text for the guest's `/bin/sh`.
    pub script: String,
    /// Files of this machine and their paths in the guest; programs are added with their shared libraries,
    /// folders with their contents.
    pub files: Vec<(PathBuf, String)>,
    /// Scripts to write into the guest: path and text.
    pub scripts: Vec<(String, String)>,
    /// The `lsm=` list of the kernel's command line.
    pub lsm: String,
    /// Make guest time the number of executed instructions, one nanosecond each. Twice as slow.
    pub counted: bool,
    /// Longest time without output, boot included. A guest that makes progress is not ended, however slow the
    /// machine is.
    pub silence: Duration,
}

impl GuestSpec {
    /// A script without files, with 60 seconds of silence allowed.
    pub fn new(script: impl Into<String>) -> Self {
        Self {
            script: script.into(),
            files: Vec::new(),
            scripts: Vec::new(),
            lsm: LSM_WITH_BPF.to_owned(),
            counted: false,
            silence: Duration::from_secs(60),
        }
    }
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct GuestResult {
    /// Output of the script, both streams.
    pub output: String,
    /// Reason for the guest's end.
    pub end: GuestEnd,
    /// Output of the kernel's console.
    pub console: String,
    /// Lines of `console` that report a fault of the kernel.
    pub faults: Vec<String>,
    /// Time from QEMU's start to its end.
    pub elapsed: Duration,
}

/// Reason for a guest's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestEnd {
    /// The script ended with this status.
    Exit(i32),
    /// It printed nothing for too long.
    Silent,
    /// QEMU ended before the script did: a panic, or QEMU itself failed.
    Died,
}

impl GuestResult {
    /// Describes the failure for the user; `None` if the script ended and the kernel reported no fault.
    pub fn failure(&self) -> Option<String> {
        let end = match self.end {
            GuestEnd::Exit(_) if self.faults.is_empty() => return None,
            GuestEnd::Exit(_) => "the kernel reported a fault".to_owned(),
            GuestEnd::Silent => {
                format!("the guest printed nothing for too long and was ended after {} s", self.elapsed.as_secs())
            }
            GuestEnd::Died => "the guest ended before the command did".to_owned(),
        };
        let lines: Vec<&str> = self.console.lines().collect();
        // From the first fault on; without one, the last lines.
        let from = lines.iter().position(|line| is_fault(line)).unwrap_or(lines.len().saturating_sub(15));
        let shown: Vec<String> = lines[from..].iter().take(60).map(|line| format!("  | {line}")).collect();
        Some(format!("{end}; its console:\n{}", shown.join("\n")))
    }
}

fn is_fault(line: &str) -> bool {
    FAULTS.iter().any(|fault| line.contains(fault))
}

/// Boots the kernel, runs the script and waits for its end. `on_output` receives the output as it arrives.
pub fn run(image: &Image, spec: &GuestSpec, on_output: &mut dyn FnMut(&[u8])) -> Result<GuestResult> {
    host::require(&[host::QEMU])?;
    let mut archive = Archive::base(INIT)?;
    archive.script("krs/script", &spec.script);
    for (place, text) in &spec.scripts {
        archive.script(place, text);
    }
    for (file, place) in &spec.files {
        archive.add(file, place)?;
    }
    let scratch = tempfile::Builder::new().prefix("krs-vm-").tempdir()?;
    let initrd = scratch.path().join("initrd");
    let console = scratch.path().join("console");
    std::fs::write(&initrd, archive.finish())?;

    let started = Instant::now();
    let qemu = host::find(host::QEMU.program).context("qemu is not there")?;
    let mut child = Qemu(
        Command::new(qemu)
            .args(["-accel", "tcg", "-machine", "q35", "-cpu", "max"])
            .args(if spec.counted { &["-icount", "shift=0,sleep=off"][..] } else { &[] })
            .args(["-m", "768", "-smp", "1", "-nodefaults", "-nographic", "-no-reboot"])
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .args(["-serial", "stdio"])
            .arg("-kernel")
            .arg(&image.vmlinuz)
            .arg("-initrd")
            .arg(&initrd)
            .arg("-append")
            .arg(format!("console=ttyS0 loglevel=5 panic=-1 oops=panic mitigations=off lsm={}", spec.lsm))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start QEMU")?,
    );
    let (sender, chunks) = mpsc::channel::<Vec<u8>>();
    let mut stdout = child.0.stdout.take().context("QEMU has no output")?;
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stdout.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });

    let mut cutter = Cutter::default();
    let mut silent = false;
    loop {
        match chunks.recv_timeout(spec.silence) {
            Ok(chunk) => on_output(cutter.push(&chunk)),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                silent = true;
                break;
            }
        }
        if cutter.status.is_some() {
            break;
        }
    }
    on_output(cutter.rest());
    let end = match (cutter.status, silent) {
        (Some(status), _) => GuestEnd::Exit(status),
        (None, true) => GuestEnd::Silent,
        (None, false) => GuestEnd::Died,
    };
    // The script has ended or never will: the guest is no longer needed.
    child.0.kill().ok();
    let mut complaint = String::new();
    if let Some(mut stderr) = child.0.stderr.take() {
        stderr.read_to_string(&mut complaint).ok();
    }
    drop(child);

    let console = std::fs::read(&console).unwrap_or_default();
    let mut console = String::from_utf8_lossy(&console).replace('\r', "");
    if end == GuestEnd::Died {
        console.push_str(&complaint);
    }
    let output = String::from_utf8_lossy(cutter.output()).into_owned();
    Ok(GuestResult {
        output,
        end,
        faults: console.lines().filter(|line| is_fault(line)).map(str::to_owned).collect(),
        console,
        elapsed: started.elapsed(),
    })
}

/// A QEMU process that is killed when this value is dropped.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Separates the script's output from the last line.
#[derive(Default)]
struct Cutter {
    bytes: Vec<u8>,
    /// Number of `bytes` that were returned.
    shown: usize,
    /// Number of `bytes` that are the script's, once known.
    end: Option<usize>,
    status: Option<i32>,
}

impl Cutter {
    /// Adds a chunk; returns the bytes that are certainly the script's and were not returned before.
    fn push(&mut self, chunk: &[u8]) -> &[u8] {
        let searched = self.bytes.len().saturating_sub(EXIT_MARK.len() + 16);
        self.bytes.extend_from_slice(chunk);
        let mark = format!("\n{EXIT_MARK}");
        let tail = &self.bytes[searched..];
        if let Some(at) = tail.windows(mark.len()).position(|window| window == mark.as_bytes()) {
            let number = &tail[at + mark.len()..];
            if let Some(line_end) = number.iter().position(|&byte| byte == b'\n') {
                self.end = Some(searched + at);
                self.status = std::str::from_utf8(&number[..line_end]).ok().and_then(|n| n.trim().parse().ok());
            }
        }
        // Bytes that may be the beginning of the marker are not returned yet.
        let sure = self.end.unwrap_or(self.bytes.len().saturating_sub(mark.len() + 8)).max(self.shown);
        let from = std::mem::replace(&mut self.shown, sure);
        &self.bytes[from..sure]
    }

    /// The remaining bytes, after the last chunk.
    fn rest(&mut self) -> &[u8] {
        let end = self.end.unwrap_or(self.bytes.len());
        let from = std::mem::replace(&mut self.shown, end);
        &self.bytes[from.min(end)..end]
    }

    fn output(&self) -> &[u8] {
        &self.bytes[..self.end.unwrap_or(self.bytes.len())]
    }
}

/// Writes guest output to the terminal as it arrives.
pub fn to_stdout(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).ok();
}

/// Quotes a word for the guest's shell.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_cut_wherever_the_chunks_end() {
        let all = b"one\ntwo\n\nkrs-exit 3\n";
        for cut in 0..all.len() {
            let mut cutter = Cutter::default();
            let mut seen = cutter.push(&all[..cut]).to_vec();
            seen.extend_from_slice(cutter.push(&all[cut..]));
            seen.extend_from_slice(cutter.rest());
            assert_eq!(seen, b"one\ntwo\n", "cut at {cut}");
            assert_eq!(cutter.status, Some(3), "cut at {cut}");
            assert_eq!(cutter.output(), b"one\ntwo\n");
        }
    }

    #[test]
    fn quoted_words_are_one_word() {
        assert_eq!(quote("krsi"), "krsi");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }
}
