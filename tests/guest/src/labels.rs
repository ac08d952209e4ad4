//! Acts for policies with labels: they show which tasks get a label when one has read `/tmp/secret`, and that
//! an accepted socket has the labels of the listening one. Nothing listens on port 1, so that a permitted
//! connect fails with ECONNREFUSED.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;

use super::{Act, Failure, Outcome, act, refused};

pub const ACTS: &[Act] = &[
    act("connect-only", "connect to port 1", |_| connect()),
    act("read-connect", "read the secret, then connect", |_| {
        read()?;
        connect()
    }),
    act("read-open-socket", "connect with a socket that was made before the secret was read", |_| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").map_err(Failure::Setup)?;
        read()?;
        refused(socket.connect("127.0.0.1:1"))
    }),
    act("read-clean-connect", "connect when what clears has been opened too", |_| {
        read()?;
        File::open("/tmp/clean").map_err(Failure::Setup)?;
        connect()
    }),
    act("thread-reads", "connect when another thread has read", |_| {
        join(thread::spawn(read))?;
        connect()
    }),
    act("thread-connects", "let a thread connect that was there before the secret was read", |_| {
        let (go, wait) = channel();
        let other = thread::spawn(move || {
            wait.recv().map_err(|_| Failure::Setup(io::Error::other("gone"))).and_then(|()| connect())
        });
        read()?;
        go.send(()).map_err(|_| Failure::Setup(io::Error::other("gone")))?;
        join(other)
    }),
    act("child-connects", "let a child connect", |_| {
        read()?;
        child("connect-only")
    }),
    act("grandchild-connects", "let a child's child connect", |_| {
        read()?;
        child("child-connects-unread")
    }),
    act("child-connects-unread", "let a child connect, without reading", |_| child("connect-only")),
    act("child-reads", "connect when a child has read", |_| {
        child("read-only")?;
        connect()
    }),
    act("read-only", "read the secret", |_| read()),
    act("thread-executes", "read, and execute a program from another thread than the first", |_| {
        read()?;
        executes()
    }),
    act("thread-executes-unread", "execute a program from another thread than the first", |_| executes()),
    act("threads-race", "execute a program while another thread reads", |_| {
        let (begun, wait) = channel();
        thread::spawn(move || {
            // The secret is read twice: rules evaluate labels as they were before the operation, so that only
            // the second read matches a rule that tests the label.
            let _ = begun.send(read().and_then(|()| read()));
            while read().is_ok() {}
        });
        wait.recv().map_err(|_| Failure::Setup(io::Error::other("gone")))??;
        executes()
    }),
    act("many-children", "start 300 processes that end at once, then connect", |_| {
        for _ in 0..300 {
            Command::new("/bin/true").status().map_err(Failure::Setup)?;
        }
        connect()
    }),
    act("accepted-sends", "send on a TCP connection that was accepted", |_| {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(Failure::Setup)?;
        let address = listener.local_addr().map_err(Failure::Setup)?;
        let _client = TcpStream::connect(address).map_err(Failure::Setup)?;
        let (mut accepted, _) = listener.accept().map_err(Failure::Setup)?;
        refused(accepted.write_all(b"krs"))
    }),
    act("client-sends", "send on a TCP connection that was made", |_| {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(Failure::Setup)?;
        let address = listener.local_addr().map_err(Failure::Setup)?;
        refused(TcpStream::connect(address).map_err(Failure::Setup)?.write_all(b"krs"))
    }),
    act("unix-accepted-sends", "send on a local connection that was accepted", |folder| {
        let path = folder.join("socket");
        let listener = UnixListener::bind(&path).map_err(Failure::Setup)?;
        let _client = UnixStream::connect(&path).map_err(Failure::Setup)?;
        let (mut accepted, _) = listener.accept().map_err(Failure::Setup)?;
        refused(accepted.write_all(b"krs"))
    }),
    act("unix-client-sends", "send on a local connection that was made", |folder| {
        let path = folder.join("socket");
        let _listener = UnixListener::bind(&path).map_err(Failure::Setup)?;
        refused(UnixStream::connect(&path).map_err(Failure::Setup)?.write_all(b"krs"))
    }),
    act("trace-reader", "open the memory of a process that has read", |_| trace(Path::new("/tmp/secret"))),
    act("trace-other", "open the memory of a process that has not", |_| trace(Path::new("/tmp/other"))),
];

fn read() -> Outcome {
    File::open("/tmp/secret").map(drop).map_err(Failure::Setup)
}

fn connect() -> Outcome {
    refused(TcpStream::connect("127.0.0.1:1"))
}

fn join(other: thread::JoinHandle<Outcome>) -> Outcome {
    other.join().unwrap_or_else(|_| Err(Failure::Setup(io::Error::other("panicked"))))
}

/// Performs an act in a child process, which prints the result; this process only starts it.
fn child(act: &str) -> Outcome {
    let this = std::env::current_exe().map_err(Failure::Setup)?;
    Command::new(this).arg(act).status().map(drop).map_err(Failure::Setup)
}

/// Executes a program that connects, from a thread other than the first.
fn executes() -> Outcome {
    let this = std::env::current_exe().map_err(Failure::Setup)?;
    let other = thread::spawn(move || Err(Failure::Setup(Command::new(this).arg("connect-only").exec())));
    join(other)
}

/// Opens the memory of a shell that sleeps with a file open.
fn trace(file: &Path) -> Outcome {
    let mut child = Command::new("/bin/sh");
    child.arg("-c").arg(format!("exec 3< {}; echo; sleep 10", file.display()));
    let mut child = child.stdout(std::process::Stdio::piped()).spawn().map_err(Failure::Setup)?;
    let mut line = [0; 1];
    if let Some(out) = &mut child.stdout {
        io::Read::read(out, &mut line).map_err(Failure::Setup)?;
    }
    let result = File::open(format!("/proc/{}/mem", child.id()));
    child.kill().and_then(|()| child.wait()).map_err(Failure::Setup)?;
    refused(result)
}
