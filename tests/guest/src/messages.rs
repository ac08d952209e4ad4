//! Sends one message, and prints which socket receives it.
//!
//! ```text
//! # krs-guest message udp4 - unspec:127.0.0.1:5300 127.0.0.1:5300
//! message udp4 - unspec:127.0.0.1:5300: to 127.0.0.1:5300
//! # krs-guest message dgram @peer empty:@other @peer @other
//! message dgram @peer empty:@other: to @peer
//! ```
//!
//! The arguments are the kind of the sender, the peer that it is connected to, the address of the message, and
//! the receivers, which exist before the message is sent; `-` stands for no peer and for no address. An address
//! begins with `inet` or `unix` for its own family, with `unspec` for AF_UNSPEC, or with `empty` for an address of 0
//! bytes. `fast-open:` before it adds MSG_FASTOPEN; `bound:IP:0/` before the peer binds the sender.

use std::io;
use std::mem::size_of_val;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketAddrUnix, SocketFlags, SocketType};

/// A protocol number that IANA reserves for experiments, RFC 3692.
const EXPERIMENT: u32 = 253;

/// A kind of socket.
#[derive(Clone, Copy)]
struct Kind {
    family: AddressFamily,
    kind: SocketType,
    protocol: Option<Protocol>,
}

/// An address to send to, to connect to or to receive at.
enum Address {
    Ip(SocketAddr),
    Unix(SocketAddrUnix),
}

/// Runs the act and prints its result; returns false if it could not be prepared.
pub fn message(arguments: &[String]) -> bool {
    let [kind, peer, address, receivers @ ..] = arguments else {
        println!("message: KIND PEER ADDRESS RECEIVER...");
        return false;
    };
    let said = match send(kind, peer, address, receivers) {
        Ok(Sent::To(receiver)) => format!("to {receiver}"),
        Ok(Sent::Nowhere) => "to no receiver".to_owned(),
        Ok(Sent::Refused(error)) => super::errno_name(&error),
        Err(error) => {
            println!("message {kind} {peer} {address}: setup: {error}");
            return false;
        }
    };
    println!("message {kind} {peer} {address}: {said}");
    true
}

/// The end of a message.
enum Sent {
    To(String),
    Nowhere,
    Refused(io::Error),
}

fn send(kind: &str, peer: &str, address: &str, receivers: &[String]) -> io::Result<Sent> {
    let kind = Kind::parse(kind)?;
    let open = receivers
        .iter()
        .map(|at| {
            let socket = kind.socket()?;
            // A connection of the act before may still be in TIME_WAIT.
            rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
            Address::parse(at)?.bind(&socket)?;
            if matches!(kind.kind, SocketType::STREAM | SocketType::SEQPACKET) {
                rustix::net::listen(&socket, 4)?;
            }
            Ok((at, socket))
        })
        .collect::<io::Result<Vec<_>>>()?;
    let sender = kind.socket()?;
    let peer = match peer.strip_prefix("bound:") {
        Some(rest) => {
            let (ip, peer) = rest.split_at(rest.rfind('/').ok_or_else(|| other("no peer"))?);
            Address::parse(ip)?.bind(&sender)?;
            &peer[1..]
        }
        None => peer,
    };
    if peer != "-" {
        Address::parse(peer)?.connect(&sender)?;
    }
    let (address, flags) = match address.strip_prefix("fast-open:") {
        Some(rest) => (rest, libc::MSG_FASTOPEN),
        None => (address, 0),
    };
    let bytes = if address == "-" { None } else { Some(bytes(address)?) };
    let length = if address.starts_with("empty:") { 0 } else { bytes.as_ref().map_or(0, Vec::len) };
    match send_to(&sender, bytes.as_deref(), length, flags) {
        // The connection of a fast open is on its way.
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Ok(Sent::Refused(error)),
        _ => {}
    }
    let until = Instant::now() + Duration::from_millis(300);
    while Instant::now() < until {
        for (at, socket) in &open {
            if receives(kind, socket) {
                return Ok(Sent::To((*at).clone()));
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(Sent::Nowhere)
}

/// Calls sendto(2).
fn send_to(socket: &OwnedFd, address: Option<&[u8]>, length: usize, flags: i32) -> io::Result<()> {
    let at = address.map_or(std::ptr::null(), <[u8]>::as_ptr);
    let text = b"krs";
    #[expect(
        unsafe_code,
        reason = "the kernel reads the text and at most `length` bytes of the address, which are there"
    )]
    let sent = unsafe {
        let flags = flags | libc::MSG_NOSIGNAL;
        libc::sendto(socket.as_raw_fd(), text.as_ptr().cast(), size_of_val(text), flags, at.cast(), length as u32)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Returns true if a message has arrived at a receiver.
fn receives(kind: Kind, socket: &OwnedFd) -> bool {
    let mut buffer = [0; 64];
    let mut arrived = |socket: &OwnedFd| {
        rustix::net::recv(socket, &mut buffer, RecvFlags::DONTWAIT).is_ok_and(|(_, bytes)| bytes > 0)
    };
    if !matches!(kind.kind, SocketType::STREAM | SocketType::SEQPACKET) {
        return arrived(socket);
    }
    let Ok(connection) = rustix::net::accept(socket.as_fd()) else { return false };
    // The connection and its first bytes may arrive one after the other.
    (0..20).any(|_| {
        std::thread::sleep(Duration::from_millis(2));
        arrived(&connection)
    })
}

impl Kind {
    fn parse(text: &str) -> io::Result<Kind> {
        let (family, kind, protocol) = match text {
            "udp4" => (AddressFamily::INET, SocketType::DGRAM, 0),
            "udp6" => (AddressFamily::INET6, SocketType::DGRAM, 0),
            "raw4" => (AddressFamily::INET, SocketType::RAW, EXPERIMENT),
            "raw6" => (AddressFamily::INET6, SocketType::RAW, EXPERIMENT),
            "tcp4" => (AddressFamily::INET, SocketType::STREAM, 0),
            "tcp6" => (AddressFamily::INET6, SocketType::STREAM, 0),
            "dgram" => (AddressFamily::UNIX, SocketType::DGRAM, 0),
            "seqpacket" => (AddressFamily::UNIX, SocketType::SEQPACKET, 0),
            _ => return Err(other("no such kind")),
        };
        Ok(Kind { family, kind, protocol: std::num::NonZeroU32::new(protocol).map(Protocol::from_raw) })
    }

    fn socket(self) -> io::Result<OwnedFd> {
        Ok(rustix::net::socket_with(self.family, self.kind, SocketFlags::NONBLOCK, self.protocol)?)
    }
}

impl Address {
    fn parse(text: &str) -> io::Result<Address> {
        if let Some(name) = text.strip_prefix('@') {
            return Ok(Address::Unix(SocketAddrUnix::new_abstract_name(name.as_bytes())?));
        }
        text.parse().map(Address::Ip).map_err(other)
    }

    fn bind(&self, socket: &OwnedFd) -> io::Result<()> {
        match self {
            Address::Ip(address) => rustix::net::bind(socket, address)?,
            Address::Unix(address) => rustix::net::bind(socket, address)?,
        }
        Ok(())
    }

    fn connect(&self, socket: &OwnedFd) -> io::Result<()> {
        let result = match self {
            Address::Ip(address) => rustix::net::connect(socket, address),
            Address::Unix(address) => rustix::net::connect(socket, address),
        };
        match result {
            Ok(()) => Ok(()),
            // The other end is on this machine, too.
            Err(rustix::io::Errno::INPROGRESS) => {
                std::thread::sleep(Duration::from_millis(50));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The bytes of `inet:127.0.0.1:53` and the like.
fn bytes(text: &str) -> io::Result<Vec<u8>> {
    let (family, address) = text.split_once(':').ok_or_else(|| other("no family"))?;
    if let Some(name) = address.strip_prefix('@') {
        return Ok([&[1, 0, 0], name.as_bytes()].concat());
    }
    let address: SocketAddr = address.parse().map_err(other)?;
    let natural: u16 = if address.is_ipv4() { 2 } else { 10 };
    let family = if family == "unspec" { 0 } else { natural };
    let mut bytes = [&family.to_ne_bytes()[..], &address.port().to_be_bytes()].concat();
    match address.ip() {
        IpAddr::V4(ip) => {
            bytes.extend(ip.octets());
            bytes.resize(16, 0);
        }
        IpAddr::V6(ip) => {
            bytes.extend([0; 4]);
            bytes.extend(ip.octets());
            bytes.resize(28, 0);
        }
    }
    Ok(bytes)
}

fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::other(error)
}
