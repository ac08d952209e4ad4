//! Performs a list of acts under a separate task name and prints the result of each: `passed`, or the errno
//! if it is one that rules deny with.
//!
//! ```text
//! prctl 4660 1 0 42 7
//! mprotect 5
//! open /tmp/random/a/b
//! connect 10.0.0.1 80
//! bind ::1 8080
//! mode off r0 r3
//! ```
//!
//! All preparation of the acts happens before the name is set, because the policies apply to that name: under
//! it the program only performs acts. To change modes it temporarily takes another name.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use rustix::net::{AddressFamily, SocketType};

const NAME: &std::ffi::CStr = c"krs-random";
/// Name of all random policies.
const POLICY: &str = "random";
const PAGE_BYTES: usize = 4096;

/// The errnos that rules of random policies deny with.
const DENIED: [Errno; 4] = [Errno::PERM, Errno::NOENT, Errno::ACCESS, Errno::BUSY];

enum Act {
    Prctl([u64; 5]),
    Mprotect(*mut core::ffi::c_void, MprotectFlags),
    Open(PathBuf),
    Connect(OwnedFd, SocketAddr),
    Bind(OwnedFd, SocketAddr),
    /// Arguments of `krsi mode`.
    Mode(Vec<String>),
}

/// Performs the acts of a file.
pub fn run(file: &str) -> ExitCode {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            println!("setup: {file}: {error}");
            return ExitCode::from(2);
        }
    };
    let acts: Option<Vec<Act>> = text.lines().map(act).collect();
    let Some(acts) = acts else {
        println!("setup: {file} has an act that cannot be prepared");
        return ExitCode::from(2);
    };
    let mut results = Vec::with_capacity(acts.len());
    if rustix::thread::set_name(NAME).is_err() {
        println!("setup: the thread cannot be renamed");
        return ExitCode::from(2);
    }
    results.extend(acts.iter().map(perform));
    for result in results {
        match result {
            Err(errno) if DENIED.contains(&errno) => println!("{}", errno.raw_os_error()),
            _ => println!("passed"),
        }
    }
    ExitCode::SUCCESS
}

fn act(line: &str) -> Option<Act> {
    let (name, rest) = line.split_once(' ')?;
    let address = || {
        let (ip, port) = rest.split_once(' ')?;
        let ip: IpAddr = ip.parse().ok()?;
        let family = if ip.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket(family, SocketType::DGRAM, None).ok()?;
        Some((socket, SocketAddr::new(ip, port.parse().ok()?)))
    };
    Some(match name {
        "prctl" => {
            let mut words = [0; 5];
            let mut parts = rest.split(' ');
            // The kernel reads the first argument as an int.
            words[0] = i64::from(parts.next()?.parse::<i32>().ok()?).cast_unsigned();
            for word in &mut words[1..] {
                *word = parts.next()?.parse().ok()?;
            }
            Act::Prctl(words)
        }
        "mprotect" => {
            let protection = MprotectFlags::from_bits_retain(rest.parse().ok()?);
            #[expect(unsafe_code, reason = "a new page at an address that the kernel chooses touches no memory in use")]
            let page = unsafe {
                rustix::mm::mmap_anonymous(std::ptr::null_mut(), PAGE_BYTES, ProtFlags::READ, MapFlags::PRIVATE)
            };
            Act::Mprotect(page.ok()?, protection)
        }
        "open" => {
            std::fs::create_dir_all(rest).ok()?;
            Act::Open(PathBuf::from(rest))
        }
        "connect" => {
            let (socket, address) = address()?;
            Act::Connect(socket, address)
        }
        "bind" => {
            let (socket, address) = address()?;
            Act::Bind(socket, address)
        }
        "mode" => Act::Mode(rest.split(' ').map(str::to_owned).collect()),
        _ => return None,
    })
}

fn perform(act: &Act) -> Result<(), Errno> {
    match act {
        Act::Prctl([option, a, b, c, d]) => {
            #[expect(unsafe_code, reason = "no kernel knows the options that are asked for, so nothing is done")]
            let result = unsafe { libc::syscall(libc::SYS_prctl, *option, *a, *b, *c, *d) };
            if result < 0 {
                Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
            } else {
                Ok(())
            }
        }
        Act::Mprotect(page, protection) => {
            #[expect(unsafe_code, reason = "the page is this act's own and nothing refers into it")]
            let result = unsafe { rustix::mm::mprotect(*page, PAGE_BYTES, *protection) };
            result
        }
        Act::Open(path) => rustix::fs::open(path, OFlags::RDONLY, Mode::empty()).map(drop),
        Act::Connect(socket, address) => rustix::net::connect(socket, address),
        Act::Bind(socket, address) => rustix::net::bind(socket, address),
        Act::Mode(arguments) => {
            // The file is written because prctl(2) would be an act.
            std::fs::write("/proc/self/comm", "krs-guest").map_err(|_| Errno::PERM)?;
            let done = Command::new("krsi").args(["mode", POLICY]).args(arguments).stdout(Stdio::null()).status();
            rustix::thread::set_name(NAME)?;
            if done.is_ok_and(|status| status.success()) { Ok(()) } else { Err(Errno::PERM) }
        }
    }
}
