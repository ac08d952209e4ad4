//! Delivery of lines to standard output, with an answer to the question whether they have arrived.
//!
//! An event is taken from its ring buffer only after its line has arrived, so that no event is lost between the buffer
//! and the reader. A line in a file has arrived once it is written. A line in a pipe has arrived once the reader has taken
//! it: `krsi events | head -1` closes the pipe with the second line still in it, and that event stays in the buffer.
//!
//! A command that is killed between the two leaves an event that has arrived in the buffer, and the next reader sees it
//! again.
//!
//! Absent: the choice how many events are sent together; [`crate::events`] makes it.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};

/// A destination of lines that can tell which of them have arrived.
pub trait Output {
    /// Writes lines and waits until they have arrived. Returns the number of bytes that have, and the error that kept
    /// the others. A reader that has gone is the error [`ErrorKind::BrokenPipe`].
    fn send(&mut self, lines: &[u8]) -> (usize, io::Result<()>);
}

/// The standard output of the command, unbuffered.
pub struct Stdout {
    file: File,
    pipe: Option<Pipe>,
}

/// A pipe at the standard output.
struct Pipe {
    /// Size of the pipe before the command made it smaller; `None` if it could not.
    size: Option<usize>,
}

impl Stdout {
    /// Opens the command's standard output.
    pub fn open() -> io::Result<Stdout> {
        Stdout::of(File::from(io::stdout().as_fd().try_clone_to_owned()?))
    }

    fn of(file: File) -> io::Result<Stdout> {
        let is_pipe = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) == FileType::Fifo;
        // A pipe of one page is ready to be written only while it is empty (`pipe_full`). That tells without further
        // system calls, which rules could record, that a line has been read.
        let shrink = || {
            let size = fcntl_getpipe_size(&file).ok()?;
            fcntl_setpipe_size(&file, 1).ok().map(|_| size)
        };
        let pipe = is_pipe.then(|| Pipe { size: shrink() });
        Ok(Stdout { file, pipe })
    }

    fn write(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        while let Some(rest) = lines.get(written..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(()))
    }

    /// Returns the number of bytes in the pipe.
    fn unread(&self) -> io::Result<usize> {
        Ok(usize::try_from(rustix::io::ioctl_fionread(&self.file)?).unwrap_or(usize::MAX))
    }

    /// Waits until the pipe is empty.
    fn wait_until_read(&self, pipe: &Pipe) -> io::Result<()> {
        let mut sleep_ns = SLEEP_MIN_NS;
        loop {
            let (events, timeout) = match pipe.size {
                Some(_) => (PollFlags::OUT, None),
                None if self.unread()? == 0 => return Ok(()),
                None => (PollFlags::empty(), Some(Timespec { tv_sec: 0, tv_nsec: sleep_ns })),
            };
            let mut waiting = [PollFd::new(&self.file, events)];
            match poll(&mut waiting, timeout.as_ref()) {
                Ok(0) | Err(rustix::io::Errno::INTR) => sleep_ns = (2 * sleep_ns).min(SLEEP_MAX_NS),
                // A pipe without a reader is always ready with an error.
                Ok(_) if waiting[0].revents().contains(PollFlags::ERR) && self.unread()? > 0 => {
                    return Err(ErrorKind::BrokenPipe.into());
                }
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The first sleep until a pipe that could not be made smaller is looked at again.
const SLEEP_MIN_NS: i64 = 50_000;
/// The longest sleep until it is looked at again.
const SLEEP_MAX_NS: i64 = 5_000_000;

impl Output for Stdout {
    fn send(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        let (written, done) = self.write(lines);
        let Some(pipe) = &self.pipe else { return (written, done) };
        match done.and_then(|()| self.wait_until_read(pipe)) {
            Ok(()) => (written, Ok(())),
            Err(error) => (written.saturating_sub(self.unread().unwrap_or(usize::MAX)), Err(error)),
        }
    }
}

impl Drop for Stdout {
    fn drop(&mut self) {
        if let Some(Pipe { size: Some(size) }) = self.pipe {
            let _ = fcntl_setpipe_size(&self.file, size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    fn pipe() -> (File, Stdout) {
        let (reader, writer) = io::pipe().expect("a pipe");
        let [reader, writer] = [reader.into(), writer.into()].map(|end: std::os::fd::OwnedFd| File::from(end));
        (reader, Stdout::of(writer).expect("it is open"))
    }

    /// The same pipe with its usual size, as if it could not be made smaller.
    fn large_pipe() -> (File, Stdout) {
        let (reader, mut out) = pipe();
        let pipe = out.pipe.as_mut().expect("it is a pipe");
        let size = pipe.size.take().expect("it is a pipe of several pages");
        fcntl_setpipe_size(&out.file, size).expect("it had this size");
        (reader, out)
    }

    #[test]
    fn a_line_in_a_pipe_arrives_when_it_is_read() {
        for (mut reader, mut out) in [pipe(), large_pipe()] {
            let begun = Arc::new(AtomicUsize::new(0));
            let reads = Arc::clone(&begun);
            let read = std::thread::spawn(move || {
                let (mut text, mut bytes) = ([0; 3], 0);
                while bytes < 8 {
                    std::thread::sleep(Duration::from_millis(5));
                    reads.fetch_add(1, Ordering::SeqCst);
                    bytes += reader.read(&mut text).expect("it is readable");
                }
                (bytes, reader)
            });
            let (sent, done) = out.send(b"one\ntwo\n");
            done.expect("it is read");
            assert_eq!(begun.load(Ordering::SeqCst), 3, "the last of three reads takes the rest");
            let (bytes, reader) = read.join().expect("it does not panic");
            assert_eq!((sent, bytes), (8, 8));
            // A reader that has read everything before it goes has all of it.
            drop(reader);
            out.wait_until_read(out.pipe.as_ref().expect("it is a pipe")).expect("nothing is left");
        }
    }

    #[test]
    fn a_line_that_nobody_reads_does_not_arrive() {
        for (mut reader, mut out) in [pipe(), large_pipe()] {
            let read = std::thread::spawn(move || {
                let mut text = [0; 3];
                assert_eq!(reader.read(&mut text).expect("it is readable"), 3);
            });
            let (sent, done) = out.send(b"one\n");
            assert_eq!((sent, done.expect_err("the reader is gone").kind()), (3, ErrorKind::BrokenPipe));
            read.join().expect("it does not panic");
            assert_eq!(out.send(b"two\n").1.expect_err("the reader is gone").kind(), ErrorKind::BrokenPipe);
        }
    }

    /// Lines that are longer than the pipe is large arrive too, and the pipe gets its size back.
    #[test]
    fn a_pipe_is_small_while_it_is_used() {
        let (mut reader, mut out) = pipe();
        assert!(fcntl_getpipe_size(&reader).expect("it is a pipe") < 60_000);
        let read = std::thread::spawn(move || {
            let mut text = Vec::new();
            Read::by_ref(&mut reader).take(100_000).read_to_end(&mut text).expect("it is readable");
            reader
        });
        let (sent, done) = out.send(&[b'x'; 100_000]);
        done.expect("it is read");
        assert_eq!(sent, 100_000);
        drop(out);
        let reader = read.join().expect("it does not panic");
        assert!(fcntl_getpipe_size(&reader).expect("it is a pipe") > 60_000);
    }

    #[test]
    fn a_line_in_a_file_arrives_when_it_is_written() {
        let mut out = Stdout::of(tempfile::tempfile().expect("a file")).expect("it is open");
        let (sent, done) = out.send(b"one\n");
        done.expect("it is written");
        assert_eq!(sent, 4);
        let full = File::options().write(true).open("/dev/full").expect("each system has it");
        let (sent, done) = Stdout::of(full).expect("it is open").send(b"one\n");
        assert_eq!((sent, done.expect_err("it is full").kind()), (0, ErrorKind::StorageFull));
    }
}
