//! Delivery of lines to standard output, with an answer to the question whether they have arrived.
//!
//! An event is taken from its ring buffer only after its line has arrived, so that no event is lost between the buffer
//! and the reader. A line in a file has arrived once it is written. A line in a pipe has arrived once the reader has taken
//! it: `krsi events | head -1` closes the pipe with the second line still in it, and that event stays in the buffer.
//!
//! A command that is killed between the two leaves an event that has arrived in the buffer, and the next reader sees it
//! again.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;

/// A destination of lines that can tell whether all of them have arrived.
pub trait Output: Write {
    /// Waits until everything written has arrived. A reader that has gone is the error [`ErrorKind::BrokenPipe`].
    fn delivered(&mut self) -> io::Result<()>;
}

/// The standard output of the command, unbuffered.
pub struct Stdout {
    file: File,
    pipe: bool,
}

impl Stdout {
    /// Opens the command's standard output.
    pub fn open() -> io::Result<Stdout> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let pipe = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) == FileType::Fifo;
        Ok(Stdout { file, pipe })
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Number of times that the reader is given the processor before the command sleeps.
const YIELDS: u32 = 32;
/// The longest sleep until the pipe is looked at again.
const SLEEP_MAX_NS: i64 = 5_000_000;

impl Output for Stdout {
    fn delivered(&mut self) -> io::Result<()> {
        if !self.pipe {
            return Ok(());
        }
        for attempt in 0u32.. {
            if rustix::io::ioctl_fionread(&self.file)? == 0 {
                return Ok(());
            }
            let tv_nsec = match attempt.checked_sub(YIELDS) {
                None => {
                    std::thread::yield_now();
                    0
                }
                Some(sleeps) => (50_000_i64 << sleeps.min(16)).min(SLEEP_MAX_NS),
            };
            // A pipe without a reader is always ready with an error.
            let mut waiting = [PollFd::new(&self.file, PollFlags::empty())];
            match poll(&mut waiting, Some(&Timespec { tv_sec: 0, tv_nsec })) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) if rustix::io::ioctl_fionread(&self.file)? == 0 => return Ok(()),
                Ok(_) => return Err(ErrorKind::BrokenPipe.into()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn pipe() -> (File, Stdout) {
        let (reader, writer) = io::pipe().expect("a pipe");
        let [reader, writer] = [reader.into(), writer.into()].map(|end: std::os::fd::OwnedFd| File::from(end));
        (reader, Stdout { file: writer, pipe: true })
    }

    #[test]
    fn a_line_in_a_pipe_arrives_when_it_is_read() {
        let (mut reader, mut out) = pipe();
        out.write_all(b"one\n").expect("there is room");
        let read = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let mut text = [0; 8];
            (reader.read(&mut text).expect("it is readable"), reader)
        });
        out.delivered().expect("it is read");
        let (bytes, reader) = read.join().expect("it does not panic");
        assert_eq!(bytes, 4);
        // A reader that has read everything before it goes has all of it.
        drop(reader);
        out.delivered().expect("nothing is left");
    }

    #[test]
    fn a_line_that_nobody_reads_does_not_arrive() {
        let (reader, mut out) = pipe();
        out.write_all(b"one\n").expect("there is room");
        drop(reader);
        assert_eq!(out.delivered().expect_err("the reader is gone").kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_line_in_a_file_arrives_when_it_is_written() {
        let file = tempfile::tempfile().expect("a file");
        let mut out = Stdout { file, pipe: false };
        out.write_all(b"one\n").and_then(|()| out.delivered()).expect("it is written");
    }
}
