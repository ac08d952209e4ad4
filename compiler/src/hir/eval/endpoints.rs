//! Evaluation of socket endpoints: addresses, ports, families and names.

use super::{Eval, named, until_nul};
use crate::hir::{Access, Endpoint, UnixName, Value};

const AF_UNSPEC: u16 = 0;
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const SOCK_STREAM: u64 = 1;
const SOCK_RAW: u64 = 3;
const SOCK_SEQPACKET: u64 = 5;
const IPPROTO_SCTP: u64 = 132;
const MSG_FASTOPEN: i128 = 0x2000_0000;
/// The address `127.0.0.1` in IPv6 form, `::ffff:127.0.0.1`.
const LOOPBACK: u128 = 0xffff_7f00_0001;

/// The structure that describes an endpoint.
enum Described<'e> {
    /// An address in memory, and the number of its bytes.
    Address { at: u64, length: i128, role: Role<'e> },
    /// The local fields of a `sock`.
    Local(&'e Value),
    /// The remote fields of a `sock`.
    Peer(&'e Value),
}

/// The use of an address.
#[derive(Clone, Copy, PartialEq)]
enum Role<'e> {
    Bound,
    /// The destination of a connection of this `sock`.
    Connected(&'e Value),
    /// The destination of a message of this `sock`.
    Message(u64),
}

impl Eval<'_> {
    /// Returns the structure that describes an endpoint.
    fn described<'e>(&self, end: &'e Endpoint) -> Option<Described<'e>> {
        Some(match end {
            Endpoint::Local(socket) => Described::Local(socket),
            Endpoint::Peer(socket) => Described::Peer(socket),
            Endpoint::Bound { address, length } => {
                Described::Address { at: self.pointer(address)?, length: self.number(length)?, role: Role::Bound }
            }
            Endpoint::Connected { address, length, socket } => {
                let (at, length) = (self.pointer(address)?, self.number(length)?);
                Described::Address { at, length, role: Role::Connected(socket) }
            }
            Endpoint::Message { address, length, flags, socket } => {
                let sock = self.pointer(socket)?;
                let (at, length) = (self.number(address)? as u64, self.number(length)?);
                let field = |name: &str| self.world.number(sock, &named("sock", &[name]));
                let counts = match field("sk_type")? {
                    _ if at == 0 || length == 0 => false,
                    SOCK_STREAM => self.number(flags)? & MSG_FASTOPEN != 0 || field("sk_protocol")? == IPPROTO_SCTP,
                    SOCK_SEQPACKET => self.socket_family(sock)? != AF_UNIX,
                    _ => true,
                };
                if !counts {
                    return Some(Described::Peer(socket));
                }
                let elsewhere = || {
                    let family = self.socket_family(sock)?;
                    Some(!(family == AF_INET || family == AF_INET6 && field("sk_type")? == SOCK_RAW))
                };
                if self.address_family(at)? == AF_UNSPEC && elsewhere()? {
                    return Some(Described::Peer(socket));
                }
                Described::Address { at, length, role: Role::Message(sock) }
            }
        })
    }

    fn socket_family(&self, socket: u64) -> Option<u16> {
        Some(self.world.number(socket, &sock("skc_family"))? as u16)
    }

    fn address_family(&self, at: u64) -> Option<u16> {
        let bytes = self.read(self.world.bytes(at, 2))?;
        Some(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    /// Returns address and port of an endpoint. The address alone may depend on the socket of a connection.
    pub(super) fn endpoint(&self, end: &Endpoint) -> Option<(Option<u128>, u16)> {
        match self.described(end)? {
            Described::Address { at, length, role } => self.address(at, length, role),
            Described::Local(socket) => {
                self.socket(self.pointer(socket)?, "skc_rcv_saddr", "skc_v6_rcv_saddr", "skc_num")
            }
            Described::Peer(socket) => self.socket(self.pointer(socket)?, "skc_daddr", "skc_v6_daddr", "skc_dport"),
        }
    }

    /// Returns the address family of an endpoint.
    pub(super) fn family(&self, end: &Endpoint) -> Option<u16> {
        match self.described(end)? {
            Described::Local(socket) | Described::Peer(socket) => self.socket_family(self.pointer(socket)?),
            Described::Address { at, length, role } => match (self.address_family(at)?, role) {
                (AF_UNSPEC, Role::Message(socket)) => self.socket_family(socket),
                (family, _) => Some(family).filter(|_| length >= 2),
            },
        }
    }

    /// Returns a name of an `AF_UNIX` endpoint.
    pub(super) fn unix(&self, end: &Endpoint, name: UnixName) -> Option<Vec<u8>> {
        let (socket, peer) = match self.described(end)? {
            Described::Local(socket) => (socket, false),
            Described::Peer(socket) => (socket, true),
            Described::Address { at, length, .. } => return self.unix_address(at, length, name),
        };
        let mut socket = self.pointer(socket)?;
        if self.socket_family(socket)? != AF_UNIX {
            return None;
        }
        let behind = |at, access: &Access| self.world.number(at, access).filter(|pointer| *pointer != 0);
        if peer {
            socket = behind(socket, &named("unix_sock", &["peer"]))?;
        }
        match name {
            UnixName::Path => {
                let dentry = behind(socket, &named("unix_sock", &["path", "dentry"]))?;
                let mount = behind(socket, &named("unix_sock", &["path", "mnt"]))?;
                self.read(self.world.path(dentry, mount))
            }
            UnixName::Abstract => {
                let bound = behind(socket, &named("unix_sock", &["addr"]))?;
                let length = self.world.number(bound, &named("unix_address", &["len"]))? as i32;
                let at = self.world.address(bound, &named("unix_address", &["name"]))?;
                self.unix_address(at, i128::from(length), name)
            }
        }
    }

    /// Parses a `struct sockaddr_un`: a family and at most 108 bytes of a name. The name of a file ends at a
    /// NUL or at the end of the address; an abstract name follows a NUL and extends to the end.
    fn unix_address(&self, at: u64, length: i128, name: UnixName) -> Option<Vec<u8>> {
        if !(3..=110).contains(&length) {
            return None;
        }
        let bytes = self.read(self.world.bytes(at, length as usize))?;
        if u16::from_le_bytes([bytes[0], bytes[1]]) != AF_UNIX {
            return None;
        }
        match name {
            UnixName::Path => Some(until_nul(&bytes[2..])).filter(|path| !path.is_empty()),
            UnixName::Abstract => (bytes[2] == 0).then(|| bytes[3..].to_vec()),
        }
    }

    /// Parses a `struct sockaddr_in` of 16 bytes (family, port, 4 bytes of address) or a
    /// `struct sockaddr_in6` of at least 24 bytes (family, port, 4 bytes of flow label, 16 bytes of address).
    fn address(&self, at: u64, length: i128, role: Role<'_>) -> Option<(Option<u128>, u16)> {
        let bytes = self.read(self.world.bytes(at, 24))?;
        let port = u16::from_be_bytes([bytes[2], bytes[3]]);
        let family = match (u16::from_le_bytes([bytes[0], bytes[1]]), role) {
            (AF_UNSPEC, Role::Bound) => AF_INET,
            (AF_UNSPEC, Role::Message(socket)) => self.socket_family(socket)?,
            (family, _) => family,
        };
        let address = match family {
            AF_INET if length >= 16 => mapped(&bytes[4..8]),
            AF_INET6 if length >= 24 => u128::from_be_bytes(bytes[8..24].try_into().ok()?),
            _ => return None,
        };
        let address = match role {
            Role::Bound => Some(address),
            Role::Connected(socket) => self.destination(address, || self.pointer(socket)),
            Role::Message(socket) => self.destination(address, || Some(socket)),
        };
        Some((address, port))
    }

    /// Replaces the address of no host by that of this host to which the kernel connects a socket.
    fn destination(&self, address: u128, socket: impl Fn() -> Option<u64>) -> Option<u128> {
        const ANY: u128 = 0xffff << 32;
        match address {
            ANY => match self.world.number(socket()?, &sock("skc_rcv_saddr"))? as u32 {
                0 => Some(LOOPBACK),
                bound => Some(mapped(&bound.to_le_bytes())),
            },
            0 => {
                let bound = self.world.characters(socket()?, &sock("skc_v6_rcv_saddr"))?;
                let bound = u128::from_be_bytes(bound.try_into().ok()?);
                Some(if bound >> 32 == 0xffff { LOOPBACK } else { 1 })
            }
            address => Some(address),
        }
    }

    fn socket(&self, socket: u64, four: &str, six: &str, port: &str) -> Option<(Option<u128>, u16)> {
        let family = self.socket_family(socket)?;
        let number = self.world.number(socket, &sock(port))? as u16;
        // `skc_num` is in host byte order, `skc_dport` in network byte order.
        let port = if port == "skc_dport" { u16::from_be(number) } else { number };
        let address = match family {
            AF_INET => mapped(&(self.world.number(socket, &sock(four))? as u32).to_le_bytes()),
            AF_INET6 => u128::from_be_bytes(self.world.characters(socket, &sock(six))?.try_into().ok()?),
            _ => return None,
        };
        Some((Some(address), port))
    }
}

/// Returns a field of `struct sock_common`.
fn sock(name: &str) -> Access {
    named("sock", &["__sk_common", name])
}

/// Maps an IPv4 address to IPv6.
fn mapped(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0xffff, |address, byte| address << 8 | u128::from(*byte))
}
