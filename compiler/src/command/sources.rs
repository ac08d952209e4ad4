//! Reads the files that policies name, and identifies those that are the same.
//!
//! `use "./company.krs"` in `policies/web.krs` is `policies/company.krs`. A file reached by several file paths
//! (with `..`, through a link, or with another spelling) has the name by which it was reached first.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;

use crate::Source;

/// The name of a policy from standard input.
pub(super) const STDIN: &str = "<stdin>";

/// Maximum size of a file; larger ones are neither policies nor usable lists.
const BYTES_MAX: u64 = 64 << 20;

/// Names of files, by their canonical file paths.
pub(super) struct FileNames {
    names: Mutex<HashMap<PathBuf, String>>,
}

impl FileNames {
    /// Records the files given on the command line.
    pub(super) fn new(given: &[PathBuf]) -> FileNames {
        let mut names = HashMap::new();
        for path in given.iter().filter(|path| *path != Path::new("-")) {
            if let Ok(place) = fs::canonicalize(path) {
                names.entry(place).or_insert_with(|| path.display().to_string());
            }
        }
        FileNames { names: Mutex::new(names) }
    }

    /// Reads a file that the policy names, relative to the directory of the naming file.
    pub(super) fn read(&self, file: &str, path: &str) -> Result<Source, String> {
        let at = match Path::new(file).parent() {
            Some(folder) if file != STDIN => folder.join(path),
            _ => PathBuf::from(path),
        };
        if path.is_empty() {
            return Err("is an empty path".to_owned());
        }
        let bytes = read(&at)?;
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

/// Reads a regular file of at most 64 MiB. Others are refused before they are opened: a FIFO would wait for a writer, and
/// a device may have no end. The error continues a sentence that begins with the file's name.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => "does not exist".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    let kind = fs::metadata(path).map_err(failed)?.file_type();
    if kind.is_dir() {
        return Err("is a directory".to_owned());
    }
    if !kind.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(failed)?;
    match bytes.len() as u64 > BYTES_MAX {
        true => Err("is larger than 64 MiB".to_owned()),
        false => Ok(bytes),
    }
}

/// Decodes a file as UTF-8. The error continues a sentence that begins with the file's name.
pub(super) fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("is not UTF-8: line {line} has an invalid byte sequence")
    })
}
