//! The guest's file system: a cpio archive that the kernel unpacks at boot.
//!
//! ```text
//! /init                  mounts the usual file systems, runs /krs/script, prints its exit status
//! /krs/script            the script of this run
//! /bin/busybox, /bin/sh  and a link for each of busybox's commands
//! /bin/krsi ...          files that the run added, each program with its shared libraries
//! ```
//!
//! The format is "newc" (Documentation/driver-api/early-userspace/buffer-format.rst). It is written here
//! because that takes fewer lines than calling cpio with a staged tree, and needs no root for device files.
//! The archive is not compressed: under emulation, unpacking costs more than reading.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::host;

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const REGULAR: u32 = 0o100_644;
const SYMLINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// An archive under construction.
pub struct Archive {
    bytes: Vec<u8>,
    inodes: u32,
    /// Paths present, so that folders precede their contents and no path is added twice.
    present: BTreeSet<String>,
}

impl Archive {
    /// Contents of every guest: a shell, its commands and `init`.
    pub fn base(init: &str) -> Result<Self> {
        host::require(&[host::BUSYBOX])?;
        let busybox = host::find(host::BUSYBOX.program).context("busybox is not there")?;
        ensure!(
            libraries(&busybox)?.is_empty(),
            "{} is not static: install the package {}",
            busybox.display(),
            host::BUSYBOX.package
        );
        let mut archive = Self { bytes: Vec::with_capacity(8 << 20), inodes: 0, present: BTreeSet::new() };
        for folder in ["dev", "proc", "sys", "tmp", "run", "root", "etc", "krs", "mnt"] {
            archive.folder(folder);
        }
        // The kernel opens it for init's first three descriptors, before devtmpfs is mounted.
        archive.entry("dev/console", CHARACTER_DEVICE, (5, 1), &[]);
        archive.data("init", PROGRAM, init.as_bytes());
        archive.data("etc/passwd", REGULAR, b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n");
        archive.data("etc/group", REGULAR, b"root:x:0:\nnogroup:x:65534:\n");
        archive.data("bin/busybox", PROGRAM, &fs::read(&busybox)?);
        let commands = host::run(Command::new(&busybox).arg("--list"))?;
        for command in String::from_utf8_lossy(&commands).lines() {
            if command != "busybox" {
                archive.entry(&format!("bin/{command}"), SYMLINK, (0, 0), b"busybox");
            }
        }
        Ok(archive)
    }

    /// Adds a file of this machine at a path in the guest, with its shared libraries if it is a program. A
    /// folder is added with its contents.
    pub fn add(&mut self, file: &Path, guest: &str) -> Result<()> {
        if file.is_dir() {
            let mut entries: Vec<_> = fs::read_dir(file)?.collect::<Result<_, _>>()?;
            entries.sort_by_key(fs::DirEntry::file_name);
            self.folder(guest.trim_matches('/'));
            for entry in entries {
                let name = entry.file_name().to_string_lossy().into_owned();
                self.add(&entry.path(), &format!("{guest}/{name}"))?;
            }
            return Ok(());
        }
        let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let executable = fs::metadata(file)?.permissions().mode() & 0o111 != 0;
        self.data(guest, if executable { PROGRAM } else { REGULAR }, &content);
        if executable && content.starts_with(b"\x7fELF") {
            for library in libraries(file)? {
                let bytes = fs::read(&library)?;
                self.data(&library, PROGRAM, &bytes);
            }
        }
        Ok(())
    }

    /// Adds a script at a path in the guest.
    pub fn script(&mut self, guest: &str, text: &str) {
        self.data(guest, PROGRAM, text.as_bytes());
    }

    /// Ends the archive and returns its bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn data(&mut self, guest: &str, mode: u32, content: &[u8]) {
        let guest = guest.trim_matches('/');
        if let Some((folder, _)) = guest.rsplit_once('/') {
            self.folder(folder);
        }
        self.entry(guest, mode, (0, 0), content);
    }

    fn folder(&mut self, guest: &str) {
        if let Some((parent, _)) = guest.rsplit_once('/') {
            self.folder(parent);
        }
        self.entry(guest, DIRECTORY, (0, 0), &[]);
    }

    /// Adds one member: a header of 13 numbers of 8 hexadecimal digits, the path and the content; path and
    /// content are each padded to 4 bytes.
    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        if !self.present.insert(path.to_owned()) {
            return;
        }
        self.inodes += 1;
        let (size, path_size) = (content.len(), path.len() + 1);
        let (inode, major, minor) = (self.inodes, device.0, device.1);
        self.bytes.extend_from_slice(
            format!(
                "070701{inode:08x}{mode:08x}{0:08x}{0:08x}{1:08x}{0:08x}{size:08x}{0:08x}{0:08x}{major:08x}{minor:08x}\
                 {path_size:08x}{0:08x}",
                0, 1
            )
            .as_bytes(),
        );
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// Shared libraries that a program names, and its loader, as absolute paths; empty for a static program.
fn libraries(program: &Path) -> Result<Vec<String>> {
    let output = Command::new("ldd").arg(program).output().context("cannot run `ldd`, which is part of glibc")?;
    // For a static program ldd fails or prints that it is static; neither output has a line with a path.
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut found = Vec::new();
    for line in text.lines() {
        ensure!(!line.contains("not found"), "{} needs a library that is not here: {}", program.display(), line.trim());
        let path = match line.split_once("=>") {
            Some((_, path)) => path,
            None => line,
        };
        if let Some(path) = path.split_whitespace().next()
            && path.starts_with('/')
        {
            found.push(path.to_owned());
        }
    }
    Ok(found)
}
