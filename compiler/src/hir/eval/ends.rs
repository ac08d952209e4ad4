//! Ends of connections: addresses, ports, families and names, from what a task passes or a socket keeps.

use super::{Eval, named, until_nul};
use crate::hir::{Access, End, UnixName, Value};

const AF_UNSPEC: u16 = 0;
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

impl Eval<'_> {
    /// The address and the port of an end of a connection.
    pub(super) fn end(&self, end: &End) -> Option<(u128, u16)> {
        match end {
            End::Address { address, length, bind } => self.address(self.pointer(address)?, self.number(length)?, *bind),
            End::Local(socket) => self.socket(self.pointer(socket)?, "skc_rcv_saddr", "skc_v6_rcv_saddr", "skc_num"),
            End::Peer(socket) => self.socket(self.pointer(socket)?, "skc_daddr", "skc_v6_daddr", "skc_dport"),
            End::Message { address, length, socket } => match self.number(address)? {
                0 => self.socket(self.pointer(socket)?, "skc_daddr", "skc_v6_daddr", "skc_dport"),
                address => self.address(address as u64, self.number(length)?, false),
            },
        }
    }

    /// The family of an end of a connection.
    pub(super) fn family(&self, end: &End) -> Option<u16> {
        let of_socket = |socket: &Value| Some(self.world.number(self.pointer(socket)?, &sock("skc_family"))? as u16);
        let (address, length) = match end {
            End::Local(socket) | End::Peer(socket) => return of_socket(socket),
            End::Message { address, socket, .. } if self.number(address)? == 0 => return of_socket(socket),
            End::Message { address, length, .. } | End::Address { address, length, .. } => {
                (self.pointer(address)?, self.number(length)?)
            }
        };
        if length < 2 {
            return None;
        }
        let bytes = self.read(self.world.bytes(address, 2))?;
        Some(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    /// The name of an end that is a Unix socket.
    pub(super) fn unix(&self, end: &End, name: UnixName) -> Option<Vec<u8>> {
        let (socket, peer) = match end {
            End::Local(socket) => (socket, false),
            End::Peer(socket) => (socket, true),
            End::Message { address, socket, .. } if self.number(address)? == 0 => (socket, true),
            End::Message { address, length, .. } | End::Address { address, length, .. } => {
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

    /// `struct sockaddr_un` is a family and at most 108 bytes of a name: one of a file, up to a NUL or the address's end, or
    /// a NUL and one that is abstract, up to the end.
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

    /// `struct sockaddr_in` is a family, a port and 4 bytes, and 16 bytes long; `struct sockaddr_in6` a family, a port, 4 bytes
    /// of flow and 16 of address, and at least 24 bytes long.
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
        // The local port is kept in the machine's order, the other one in the network's.
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

/// A field of the part that all sockets have.
fn sock(name: &str) -> Access {
    named("sock", &["__sk_common", name])
}

/// An address of IPv4 as one of IPv6.
fn mapped(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0xffff, |address, byte| address << 8 | u128::from(*byte))
}
