//! The pin folders below `/sys/fs/bpf/krsi`, implemented on the mounted BPF file system.
//!
//! Each method is about one system call. Absent: every decision; [`crate::pins`] makes them.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use aya::programs::{ProgramInfo, loaded_programs};
use krsi_abi::manifest::Manifest;
use krsi_abi::modes::{Modes, Stage};

use crate::failure::Failure;
use crate::map_value::{self, Value};
use crate::pins::Folders;
use crate::{cli, denials, list, load, modes, pins};

/// The mounted BPF file system.
#[derive(Debug)]
pub struct Bpffs;

impl Folders for Bpffs {
    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        match fs::read_dir(folder) {
            Ok(entries) => Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn exists(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }

    fn is_folder(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
    }

    fn make(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_pin(&self, pin: &Path) -> io::Result<()> {
        fs::remove_file(pin)
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        fs::remove_dir(folder)
    }

    fn stage(&self, folder: &Path) -> Option<Stage> {
        let pin = modes::pin_in(folder);
        if !self.exists(&pin) {
            return None;
        }
        Some(map_value::read(&pin).map_or(Stage::InForce, |value| Modes::stage(&value)))
    }

    fn retire(&self, folder: &Path) -> Result<(), Failure> {
        let pin = modes::pin_in(folder);
        if !self.exists(&pin) {
            return Ok(());
        }
        let map = Value::open(&pin)?;
        let mut value = map.read()?;
        Modes::disable(&mut value, Stage::Retired);
        map.write(&value)
    }

    fn enforce(&self, folder: &Path, old: Option<&Path>) -> Result<(), Failure> {
        let pin = modes::pin_in(folder);
        let manifest = list::manifest_in(folder)?;
        let Some(value) = modes::in_force(folder, &manifest)? else {
            return old.map_or(Ok(()), |old| self.retire(old));
        };
        // Both maps are open before the first write: what follows it are writes alone, which only rules on bpf(2) deny.
        let new = Value::open(&pin)?;
        let old = old.map(modes::pin_in).filter(|pin| self.exists(pin)).map(|pin| Value::open(&pin)).transpose()?;
        let retired = old
            .map(|old| {
                let mut value = old.read()?;
                Modes::disable(&mut value, Stage::Retired);
                Ok((old, value))
            })
            .transpose()?;
        new.write(&value)?;
        // A policy that denies this would deny its own unload.
        if let Err(failure) = Value::open(&pin).and_then(|again| again.write(&value)) {
            return Err(load::denied_by_itself(&manifest, failure));
        }
        retired.map_or(Ok(()), |(old, value)| old.write(&value))
    }

    fn programs(&self, folder: &Path) -> Vec<u32> {
        let names = self.names(folder).unwrap_or_default();
        names.into_iter().filter_map(|name| Some(ProgramInfo::from_pin(folder.join(name)).ok()?.id())).collect()
    }

    fn running(&self, programs: &[u32]) -> usize {
        if programs.is_empty() {
            return 0;
        }
        loaded_programs().filter_map(Result::ok).filter(|program| programs.contains(&program.id())).count()
    }

    fn pause(&self) {
        std::thread::sleep(Duration::from_millis(2));
    }

    fn denials(&self, operation: &str) -> Vec<String> {
        let denials_of = |name: &String| {
            let manifest: Manifest = list::manifest(name).ok()?;
            let modes = modes::read(name, &manifest).ok()?;
            denials::denials(name, &manifest, &modes, operation)
        };
        pins::loaded().unwrap_or_default().iter().filter_map(denials_of).collect()
    }

    fn warn(&self, text: &str) {
        cli::warn(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uses plain files for pins: operations on names work as on any file system.
    #[test]
    fn names_are_created_renamed_and_removed() {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        let root = temporary.path();
        let names = |folder: &Path| {
            let mut names = Bpffs.names(folder).expect("it can be read");
            names.sort();
            names
        };
        assert_eq!(names(&root.join("none")), [""; 0]);
        Bpffs.make(&root.join("a")).expect("it is new");
        assert_eq!(Bpffs.make(&root.join("a")).expect_err("it exists").kind(), io::ErrorKind::AlreadyExists);
        fs::write(root.join("a/pin"), "").expect("it is new");
        fs::write(root.join("a/more"), "").expect("it is new");
        assert_eq!(names(&root.join("a")), ["more", "pin"]);
        assert!(Bpffs.names(&root.join("a/pin")).is_err(), "a pin is not a folder");
        Bpffs.rename(&root.join("a"), &root.join("trash~a")).expect("it exists");
        assert!(Bpffs.exists(&root.join("trash~a/pin")) && !Bpffs.exists(&root.join("a")));
        assert!(Bpffs.remove_folder(&root.join("trash~a")).is_err(), "it is not empty");
        for pin in ["pin", "more"] {
            Bpffs.remove_pin(&root.join("trash~a").join(pin)).expect("it exists");
        }
        Bpffs.remove_folder(&root.join("trash~a")).expect("it is empty");
        assert_eq!(names(root), [""; 0]);
        // Only programs have ids.
        assert!(Bpffs.programs(root).is_empty());
    }
}
