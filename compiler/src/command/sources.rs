//! Files that policies name: where they are, and which of them are the same.
//!
//! `use "./company.krs"` in `policies/web.krs` is `policies/company.krs`. One file has one name, the one by which it was
//! reached first, whether by `..`, a link or another spelling.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;

use crate::Source;

/// What a policy from standard input is called.
pub(super) const STDIN: &str = "<stdin>";

/// Larger files are no policy, and no list that a policy can hold.
const BYTES_MAX: u64 = 64 << 20;

/// Names of files, by the place where they really are.
pub(super) struct Named {
    names: Mutex<HashMap<PathBuf, String>>,
}

impl Named {
    /// Of the files that were given.
    pub(super) fn new(given: &[PathBuf]) -> Named {
        let mut names = HashMap::new();
        for path in given.iter().filter(|path| *path != Path::new("-")) {
            if let Ok(place) = fs::canonicalize(path) {
                names.entry(place).or_insert_with(|| path.display().to_string());
            }
        }
        Named { names: Mutex::new(names) }
    }

    /// Reads a file that another names, from the folder of that one.
    pub(super) fn read(&self, file: &str, path: &str) -> Result<Source, String> {
        let at = match Path::new(file).parent() {
            Some(folder) if file != STDIN => folder.join(path),
            _ => PathBuf::from(path),
        };
        if path.is_empty() {
            return Err("names no file".to_owned());
        }
        if fs::metadata(&at).is_ok_and(|known| known.is_dir()) {
            return Err("is a folder".to_owned());
        }
        let mut bytes = Vec::new();
        let read = File::open(&at).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes));
        read.map_err(|error| match error.kind() {
            ErrorKind::NotFound => "is not there".to_owned(),
            _ => format!("cannot be read: {error}"),
        })?;
        if bytes.len() as u64 > BYTES_MAX {
            return Err("is larger than 64 MiB".to_owned());
        }
        Ok(Source { name: self.name(&at), text: text(bytes)? })
    }

    fn name(&self, at: &Path) -> String {
        let plain: PathBuf = at.components().filter(|part| *part != Component::CurDir).collect();
        let name = plain.display().to_string();
        match (fs::canonicalize(at), self.names.lock()) {
            (Ok(place), Ok(mut names)) => names.entry(place).or_insert(name).clone(),
            _ => name,
        }
    }
}

/// Bytes as text. The error goes on with the file's name.
pub(super) fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("is no UTF-8 text: line {line} has bytes that are no character")
    })
}
