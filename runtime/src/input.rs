//! Reading of files that the command line names.
//!
//! Only regular files are read: opening a FIFO would wait for a writer, and a device may have no end. Absent: standard
//! input, which its caller reads up to [`BYTES_MAX`].

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::failure::{self, Failure};

/// Maximum size of an object or a list of elements.
pub const BYTES_MAX: u64 = 256 << 20;

/// Reads a regular file of at most [`BYTES_MAX`] bytes.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| failure::at(path, "read", error);
    // Without O_NONBLOCK, opening a FIFO waits.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?);
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(failure::at(path, "read", "it is a directory"));
    }
    if !metadata.is_file() {
        return Err(failure::at(path, "read", "it is not a regular file"));
    }
    if metadata.len() > BYTES_MAX {
        return Err(failure::at(path, "read", "it is larger than 256 MiB"));
    }
    bounded(file).map_err(failed)?.ok_or_else(|| failure::at(path, "read", "it is larger than 256 MiB"))
}

/// Reads to the end; `None` after [`BYTES_MAX`] bytes.
pub fn bounded(from: impl Read) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= BYTES_MAX).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = |path: &Path| read(path).expect_err("it is not a regular file").message;
        assert!(text(folder.path()).ends_with("it is a directory"));
        for device in ["/dev/zero", "/dev/null"] {
            assert!(text(Path::new(device)).ends_with("it is not a regular file"));
        }
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, Mode::RUSR, 0).expect("it is new");
        assert!(text(&fifo).ends_with("it is not a regular file"));
        let file = folder.path().join("file");
        std::fs::write(&file, "text").expect("it is new");
        assert_eq!(read(&file).expect("it is a regular file"), b"text");
        assert!(text(&folder.path().join("none")).contains("No such file"));
    }
}
