//! Evaluation of socket endpoints: addresses, ports, families and names.

use super::{Eval, named, until_nul};
use crate::hir::{Access, Endpoint, UnixName, Value};

const AF_UNSPEC: u16 = 0;
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

impl Eval<'_> {
    /// Returns address and port of an endpoint.
    pub(super) fn endpoint(&self, end: &Endpoint) -> Option<(u128, u16)> {
        match end {
            Endpoint::Address { address, length, bind } => {
                self.address(self.pointer(address)?, self.number(length)?, *bind)
            }
            Endpoint::Local(socket) => {
                self.socket(self.pointer(socket)?, "skc_rcv_saddr", "skc_v6_rcv_saddr", "skc_num")
            }
            Endpoint::Peer(socket) => self.socket(self.pointer(socket)?, "skc_daddr", "skc_v6_daddr", "skc_dport"),
            Endpoint::Message { address, length, socket } => match self.number(address)? {
                0 => self.socket(self.pointer(socket)?, "skc_daddr", "skc_v6_daddr", "skc_dport"),
                address => self.address(address as u64, self.number(length)?, false),
            },
        }
    }

    /// Returns the address family of an endpoint.
    pub(super) fn family(&self, end: &Endpoint) -> Option<u16> {
        let of_socket = |socket: &Value| Some(self.world.number(self.pointer(socket)?, &sock("skc_family"))? as u16);
        let (address, length) = match end {
            Endpoint::Local(socket) | Endpoint::Peer(socket) => return of_socket(socket),
            Endpoint::Message { address, socket, .. } if self.number(address)? == 0 => return of_socket(socket),
            Endpoint::Message { address, length, .. } | Endpoint::Address { address, length, .. } => {
                (self.pointer(address)?, self.number(length)?)
            }
        };
        if length < 2 {
            return None;
        }
        let bytes = self.read(self.world.bytes(address, 2))?;
        Some(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    /// Returns a name of an `AF_UNIX` endpoint.
    pub(super) fn unix(&self, end: &Endpoint, name: UnixName) -> Option<Vec<u8>> {
        let (socket, peer) = match end {
            Endpoint::Local(socket) => (socket, false),
            Endpoint::Peer(socket) => (socket, true),
            Endpoint::Message { address, socket, .. } if self.number(address)? == 0 => (socket, true),
            Endpoint::Message { address, length, .. } | Endpoint::Address { address, length, .. } => {
                return self.unix_address(self.pointer(address)?, self.number(length)?, name);
            }
        };
        let mut socket = self.pointer(socket)?;
        if self.world.number(socket, &sock("skc_family"))? as u16 != AF_UNIX {
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
    fn address(&self, at: u64, length: i128, bind: bool) -> Option<(u128, u16)> {
        let bytes = self.read(self.world.bytes(at, 24))?;
        let family = u16::from_le_bytes([bytes[0], bytes[1]]);
        let port = u16::from_be_bytes([bytes[2], bytes[3]]);
        match family {
            AF_INET if length >= 16 => Some((mapped(&bytes[4..8]), port)),
            AF_UNSPEC if bind && length >= 16 => Some((mapped(&bytes[4..8]), port)),
            AF_INET6 if length >= 24 => Some((u128::from_be_bytes(bytes[8..24].try_into().ok()?), port)),
            _ => None,
        }
    }

    fn socket(&self, socket: u64, four: &str, six: &str, port: &str) -> Option<(u128, u16)> {
        let family = self.world.number(socket, &sock("skc_family"))? as u16;
        let number = self.world.number(socket, &sock(port))? as u16;
        // `skc_num` is in host byte order, `skc_dport` in network byte order.
        let port = if port == "skc_dport" { u16::from_be(number) } else { number };
        match family {
            AF_INET => Some((mapped(&(self.world.number(socket, &sock(four))? as u32).to_le_bytes()), port)),
            AF_INET6 => {
                let bytes = self.world.characters(socket, &sock(six))?;
                Some((u128::from_be_bytes(bytes.try_into().ok()?), port))
            }
            _ => None,
        }
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
