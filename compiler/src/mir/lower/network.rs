//! Endpoints of connections: addresses and ports.
//!
//! ```text
//! dst.ip     upper and lower half of 64 bits each, in host byte order; IPv4 is ::ffff:a.b.c.d
//! dst.port   a number in host byte order
//! ```
//!
//! An endpoint is described by a `struct sockaddr` that a task passes, or by the fields of a `struct sock`.
//! Families other than `AF_INET` and `AF_INET6` have neither address nor port: the value is unknown.
//!
//! A `sockaddr` may be shorter than the structure of its family, so its length is checked first. If the
//! hook's BTF types the argument as `struct sockaddr`, programs may load its 16 bytes; bytes after those, and
//! anything behind an untyped pointer, are copied to the frame with `bpf_probe_read_kernel`.
//!
//! Absent: the names of Unix sockets, which `unix` has.

use std::ops::Range;

use super::builder::{Builder, Fact, Target, ValueKey};
use crate::helper;
use crate::hir::{Access, Endpoint, Shape, Step, Ty, Value, ValueKind};
use crate::isa::{alu, jmp};
use crate::mir::{FRAME_POINTER, Inst, Operand, Reg};
use crate::rt;

const AF_UNSPEC: i32 = 0;
const AF_INET: i32 = 2;
const AF_INET6: i32 = 10;
const AF_UNIX: i32 = 1;
const SOCK_STREAM: i32 = 1;
const SOCK_RAW: i32 = 3;
const SOCK_SEQPACKET: i32 = 5;
const IPPROTO_SCTP: i32 = 132;
const MSG_FASTOPEN: i32 = 0x2000_0000;
/// The size of `struct sockaddr_in`.
const IN_BYTES: i32 = 16;
/// The size of `struct sockaddr_in6` without `sin6_scope_id`, which old programs omit (`SIN6_LEN_RFC2133`).
const IN6_BYTES: i32 = 24;
/// The size of the family, which begins every address.
const FAMILY_BYTES: i16 = 2;
/// The most bytes that are read of an address.
const ADDRESS_BYTES: i32 = 24;
/// Offsets in `struct sockaddr_in` and `struct sockaddr_in6`.
const PORT: i16 = 2;
const IN_ADDRESS: i16 = 4;
const IN6_ADDRESS: i16 = 8;
/// The `ffff` of `::ffff:0:0/96`, in the lower half.
const MAPPED: u64 = 0xffff << 32;
/// `127.0.0.1` in network byte order, as a little-endian number.
const LOOPBACK: i32 = 0x0100_007f;

/// Components of an endpoint, for the keys of available values.
const HIGH: u8 = 0;
const LOW: u8 = 1;
const NUMBER: u8 = 2;
const FAMILY: u8 = 3;

impl Builder<'_> {
    /// Reads an endpoint's address as two halves.
    pub(super) fn endpoint_ip(&mut self, value: &Value, end: &Endpoint, unknown: Target) -> (Reg, Reg) {
        let key = |component| ValueKey::Endpoint { of: Box::new(value.clone()), component };
        if let (Some(high), Some(low)) = (self.available(&key(HIGH)), self.available(&key(LOW))) {
            return (high, low);
        }
        let (high, low, join) = (self.fresh(), self.fresh(), self.fresh_target());
        let address = self.by_family(end, unknown, |build, family| {
            match family {
                Family::In(base, role) => {
                    let word = build.component(base, Component::In);
                    if let Some(role) = role {
                        build.bound_address(word, role, unknown);
                    }
                    build.set(high, Operand::Imm(0));
                    build.map(low, word);
                }
                Family::In6(base, role) => {
                    let expensive = build.expensive;
                    let base = match base {
                        Location::Direct(address) => {
                            // The copy is a call: paths without it must not pay for callee-saved registers.
                            build.expensive = true;
                            let buffer = build.address_buffer(address);
                            build.copy_address(address, buffer, IN6_ADDRESS..IN6_BYTES as i16, unknown);
                            Location::Address(buffer)
                        }
                        other => other,
                    };
                    for (half, first) in [(high, 0), (low, 2)] {
                        let word = build.in6_half(base, first);
                        build.set(half, Operand::Reg(word));
                    }
                    if let Some(role) = role {
                        build.bound_address6(high, low, role, join, unknown);
                    }
                    build.jump(join);
                    build.expensive = expensive;
                    return;
                }
            }
            build.jump(join);
        });
        self.bind(join);
        self.copied_address(address, ADDRESS_BYTES);
        self.add_fact(Fact::Available(key(HIGH), high));
        self.add_fact(Fact::Available(key(LOW), low));
        (high, low)
    }

    /// Reads an endpoint's port, in host byte order.
    pub(super) fn endpoint_port(&mut self, value: &Value, end: &Endpoint, unknown: Target) -> Reg {
        let key = ValueKey::Endpoint { of: Box::new(value.clone()), component: NUMBER };
        if let Some(port) = self.available(&key) {
            return port;
        }
        let (port, join) = (self.fresh(), self.fresh_target());
        let mut either = None;
        let address = self.by_family(end, unknown, |build, family| {
            let known = *either.get_or_insert_with(|| build.fresh_target());
            build.jump(known);
            let Family::In6(base, _) = family else { return };
            // The port has the same offset in both families.
            build.bind(known);
            either = None;
            let number = build.component(base, Component::Port);
            // `skc_num` is in host byte order, unlike `skc_dport`.
            if !matches!(base, Location::Local(_)) {
                build.push(Inst::Swap { dst: number, bits: 16 });
            }
            build.set(port, Operand::Reg(number));
            build.jump(join);
        });
        self.bind(join);
        self.copied_address(address, ADDRESS_BYTES);
        self.add_fact(Fact::Available(key, port));
        port
    }

    /// Reads an endpoint's address family.
    pub(super) fn endpoint_family(&mut self, value: &Value, end: &Endpoint, unknown: Target) -> Reg {
        let key = ValueKey::Endpoint { of: Box::new(value.clone()), component: FAMILY };
        if let Some(family) = self.available(&key) {
            return family;
        }
        let (family, join) = (self.fresh(), self.fresh_target());
        let address = self.endpoint_sources(
            end,
            unknown,
            |build, address, length, role| {
                let base = build.location(address, i32::from(FAMILY_BYTES), unknown);
                let read = build.address_bytes(base, 0, 2);
                if let Role::Message { socket, .. } = role {
                    // The peer has the family of the socket, too.
                    let (own, given) = (build.fresh_target(), build.fresh_target());
                    build.branch(jmp::JEQ, true, read, Operand::Imm(AF_UNSPEC), own, given);
                    build.bind(own);
                    let of = build.socket_family(socket);
                    build.set(family, Operand::Reg(of));
                    build.jump(join);
                    build.bind(given);
                }
                let length = build.length(length, unknown);
                build.at_least(length, i32::from(FAMILY_BYTES), unknown);
                build.set(family, Operand::Reg(read));
                build.jump(join);
            },
            |build, base, _| {
                let (Location::Local(socket) | Location::Peer(socket)) = base else {
                    unreachable!("a socket source has a socket location")
                };
                let read = build.socket_family(socket);
                build.set(family, Operand::Reg(read));
                build.jump(join);
            },
        );
        self.bind(join);
        self.copied_address(address, FAMILY_BYTES.into());
        self.add_fact(Fact::Available(key, family));
        family
    }

    /// Runs `each` for IPv4 and then for IPv6, on the paths where the endpoint has that family. `each` ends
    /// the current block.
    fn by_family(
        &mut self,
        end: &Endpoint,
        unknown: Target,
        mut each: impl FnMut(&mut Self, Family<'_>),
    ) -> Option<Reg> {
        let each = std::cell::RefCell::new(&mut each);
        self.endpoint_sources(
            end,
            unknown,
            |build, address, length, role| {
                build.address_families(address, length, role, unknown, &mut **each.borrow_mut());
            },
            |build, base, socket| build.socket_families(base, socket, unknown, &mut **each.borrow_mut()),
        )
    }

    /// Evaluates the length of an address. Comparing an `int` needs only its low half.
    fn length(&mut self, of: &Value, unknown: Target) -> Length {
        match of.ty {
            Ty::Int(int) if int.bytes == 4 && int.signed => Length { of: self.low(of, unknown), wide: false },
            _ => Length { of: self.value(of, unknown), wide: true },
        }
    }

    fn at_least(&mut self, length: Length, bytes: i32, unknown: Target) {
        self.branch_away(jmp::JSLT, length.wide, length.of, Operand::Imm(bytes), unknown);
    }

    /// Runs `address` with a socket address and its length, or `socket` with a socket, for each possible
    /// source of an endpoint. Both end the current block. Returns the socket address, if there is one, that
    /// every path with a non-null address has read.
    pub(super) fn endpoint_sources(
        &mut self,
        end: &Endpoint,
        unknown: Target,
        mut address: impl FnMut(&mut Self, Reg, &Value, Role<'_>),
        mut socket: impl FnMut(&mut Self, Location, Reg),
    ) -> Option<Reg> {
        match end {
            Endpoint::Bound { address: from, length } => {
                let at = self.passed_address(from, unknown);
                address(self, at, length, Role::Bound);
                Some(at)
            }
            Endpoint::Connected { address: from, length, socket: of } => {
                let at = self.passed_address(from, unknown);
                address(self, at, length, Role::Connected { socket: of });
                Some(at)
            }
            Endpoint::Local(of) => {
                let of = self.pointer(of, unknown);
                socket(self, Location::Local(of), of);
                None
            }
            Endpoint::Peer(of) => {
                let of = self.pointer(of, unknown);
                socket(self, Location::Peer(of), of);
                None
            }
            Endpoint::Message { address: at, length, flags, socket: of } => {
                let own = self.value(at, unknown);
                let of = self.pointer(of, unknown);
                let peer = self.fresh_target();
                self.branch_away(jmp::JEQ, true, own, Operand::Imm(0), peer);
                self.counted_address(length, flags, of, peer, unknown);
                address(self, own, length, Role::Message { socket: of, peer });
                self.bind(peer);
                socket(self, Location::Peer(of), of);
                Some(own)
            }
        }
    }

    /// Evaluates the pointer to an address that a task passed. The verifier permits direct loads of an argument.
    fn passed_address(&mut self, from: &Value, unknown: Target) -> Reg {
        let at = self.pointer(from, unknown);
        if matches!(from.kind, ValueKind::Arg(_)) {
            self.direct.insert(at);
        }
        at
    }

    /// Branches to `peer` if the kernel ignores the address of a message: see [`Endpoint::Message`].
    fn counted_address(&mut self, length: &Value, flags: &Value, socket: Reg, peer: Target, unknown: Target) {
        let (stream, seqpacket, counts) = (self.fresh_target(), self.fresh_target(), self.fresh_target());
        let kind = self.socket_field(socket, "sk_type");
        self.branch_away(jmp::JEQ, true, kind, Operand::Imm(SOCK_STREAM), stream);
        self.branch(jmp::JEQ, true, kind, Operand::Imm(SOCK_SEQPACKET), seqpacket, counts);
        self.bind(stream);
        let flags = self.value(flags, unknown);
        self.branch_away(jmp::JSET, false, flags, Operand::Imm(MSG_FASTOPEN), counts);
        let protocol = self.socket_field(socket, "sk_protocol");
        self.branch(jmp::JEQ, true, protocol, Operand::Imm(IPPROTO_SCTP), counts, peer);
        self.bind(seqpacket);
        let family = self.socket_family(socket);
        self.branch(jmp::JEQ, true, family, Operand::Imm(AF_UNIX), peer, counts);
        self.bind(counts);
        let length = self.length(length, unknown);
        self.branch_away(jmp::JEQ, length.wide, length.of, Operand::Imm(0), peer);
    }

    fn socket_field(&mut self, socket: Reg, name: &str) -> Reg {
        self.load(socket, &rt::field("sock", &[(name, Shape::Int { bytes: 2, signed: false })]), 2)
    }

    /// Replaces `0.0.0.0`, in network byte order, by the address to which the kernel connects the socket: the one
    /// that it is bound to, or `127.0.0.1`. Source: `ip_route_output_key_hash_rcu`, net/ipv4/route.c.
    fn bound_address(&mut self, word: Reg, role: Role<'_>, unknown: Target) {
        let (any, loopback, known) = (self.fresh_target(), self.fresh_target(), self.fresh_target());
        self.branch(jmp::JEQ, true, word, Operand::Imm(0), any, known);
        self.bind(any);
        let socket = self.destination_of(role, unknown);
        let bound = self.component(Location::Local(socket), Component::In);
        self.set(word, Operand::Reg(bound));
        self.branch(jmp::JEQ, true, word, Operand::Imm(0), loopback, known);
        self.bind(loopback);
        self.set(word, Operand::Imm(LOOPBACK));
        self.jump(known);
        self.bind(known);
    }

    /// Replaces `::` by `::1`, or by `::ffff:127.0.0.1` if the socket is bound to an IPv4-mapped address, and
    /// `::ffff:0.0.0.0` as [`Self::bound_address`] does. Source: `tcp_v6_connect` and `udpv6_sendmsg`, net/ipv6.
    fn bound_address6(&mut self, high: Reg, low: Reg, role: Role<'_>, join: Target, unknown: Target) {
        let (any, four) = (self.fresh_target(), self.fresh_target());
        self.branch_away(jmp::JNE, true, high, Operand::Imm(0), join);
        self.branch_away(jmp::JEQ, true, low, Operand::Imm(0), any);
        let mapped = self.constant(MAPPED);
        self.branch(jmp::JEQ, true, low, Operand::Reg(mapped), four, join);
        self.bind(any);
        let socket = self.destination_of(role, unknown);
        let bound = self.in6_half(Location::Local(socket), 2);
        self.set(low, Operand::Imm(1));
        self.push(Inst::Alu { op: alu::RSH, wide: true, dst: bound, src: Operand::Imm(32), reloc: None });
        self.branch_away(jmp::JNE, true, bound, Operand::Imm(0xffff), join);
        let word = self.fresh();
        self.set(word, Operand::Imm(LOOPBACK));
        self.map(low, word);
        self.jump(join);
        self.bind(four);
        let word = self.fresh();
        self.set(word, Operand::Imm(0));
        self.bound_address(word, role, unknown);
        self.map(low, word);
    }

    /// The `sock` whose destination an address is.
    fn destination_of(&mut self, role: Role<'_>, unknown: Target) -> Reg {
        match role {
            Role::Bound => unreachable!("bind(2) has no destination"),
            Role::Connected { socket } => self.pointer(socket, unknown),
            Role::Message { socket, .. } => socket,
        }
    }

    /// Sets `low` to the lower half of the IPv4-mapped form of an address in network byte order.
    fn map(&mut self, low: Reg, word: Reg) {
        self.push(Inst::Swap { dst: word, bits: 32 });
        let mapped = self.constant(MAPPED);
        self.or(word, mapped);
        self.set(low, Operand::Reg(word));
    }

    /// After a join: adds the fact that the first bytes of the address are in its buffer, on all paths with
    /// an address.
    fn copied_address(&mut self, address: Option<Reg>, bytes: i32) {
        if let Some(address) = address.filter(|address| self.keeps_copy(*address) && !self.direct.contains(address)) {
            self.add_fact(Fact::Available(ValueKey::Copied { address, bytes }, FRAME_POINTER));
        }
    }

    /// Returns the frame offset of the first bytes of an address, which are copied there unless available. A
    /// failed copy is counted as unreadable.
    pub(super) fn address_prefix(&mut self, address: Reg, bytes: i32, unknown: Target) -> i16 {
        let buffer = self.address_buffer(address);
        if [bytes, ADDRESS_BYTES]
            .into_iter()
            .any(|bytes| self.available(&ValueKey::Copied { address, bytes }).is_some())
        {
            return buffer;
        }
        self.copy_address(address, buffer, 0..bytes as i16, unknown);
        buffer
    }

    /// Copies a range of bytes of an address to the same offsets of its buffer.
    fn copy_address(&mut self, address: Reg, buffer: i16, bytes: Range<i16>, unknown: Target) {
        self.frame_address(Reg(1), buffer + bytes.start);
        self.push(Inst::Mov {
            dst: Reg(2),
            src: Operand::Imm(i32::from(bytes.end - bytes.start)),
            wide: true,
            reloc: None,
        });
        self.push(Inst::Mov { dst: Reg(3), src: Operand::Reg(address), wide: true, reloc: None });
        if bytes.start > 0 {
            self.add(Reg(3), i32::from(bytes.start));
        }
        self.push(Inst::Call { helper: helper::PROBE_READ_KERNEL, args: 3 });
        let (failed, read) = (self.fresh_target(), self.fresh_target());
        self.branch(jmp::JNE, true, Reg(0), Operand::Imm(0), failed, read);
        self.bind(failed);
        self.count_unreadable();
        self.jump(unknown);
        self.bind(read);
    }

    /// Returns the location from which `bytes` of an address are read.
    fn location(&mut self, address: Reg, bytes: i32, unknown: Target) -> Location {
        if self.direct.contains(&address) {
            Location::Direct(address)
        } else {
            Location::Address(self.address_prefix(address, bytes, unknown))
        }
    }

    pub(super) fn socket_family(&mut self, socket: Reg) -> Reg {
        self.load(socket, &common(&[("skc_family", Shape::Int { bytes: 2, signed: false })]), 2)
    }

    /// Dispatches on the family of a socket address.
    fn address_families(
        &mut self,
        address: Reg,
        length: &Value,
        role: Role<'_>,
        unknown: Target,
        each: &mut impl FnMut(&mut Self, Family<'_>),
    ) {
        let length = self.length(length, unknown);
        let base = self.location(address, ADDRESS_BYTES, unknown);
        let family = self.address_bytes(base, 0, 2);
        let (four, six, other) = (self.fresh_target(), self.fresh_target(), self.fresh_target());
        self.branch_away(jmp::JEQ, true, family, Operand::Imm(AF_INET), four);
        if role == Role::Bound {
            self.branch_away(jmp::JEQ, true, family, Operand::Imm(AF_UNSPEC), four);
        }
        self.branch(jmp::JEQ, true, family, Operand::Imm(AF_INET6), six, other);
        self.bind(other);
        match role {
            Role::Bound | Role::Connected { .. } => self.jump(unknown),
            Role::Message { socket, peer } => {
                self.branch_away(jmp::JNE, true, family, Operand::Imm(AF_UNSPEC), unknown);
                let family = self.socket_family(socket);
                self.branch_away(jmp::JEQ, true, family, Operand::Imm(AF_INET), four);
                self.branch_away(jmp::JNE, true, family, Operand::Imm(AF_INET6), peer);
                let kind = self.socket_field(socket, "sk_type");
                self.branch(jmp::JEQ, true, kind, Operand::Imm(SOCK_RAW), six, peer);
            }
        }
        let role = Some(role).filter(|role| *role != Role::Bound);
        let families = [(four, IN_BYTES, Family::In(base, role)), (six, IN6_BYTES, Family::In6(base, role))];
        for (target, bytes, family) in families {
            self.bind(target);
            self.at_least(length, bytes, unknown);
            each(self, family);
        }
    }

    fn socket_families(
        &mut self,
        base: Location,
        socket: Reg,
        unknown: Target,
        each: &mut impl FnMut(&mut Self, Family<'_>),
    ) {
        let family = self.socket_family(socket);
        let (four, six) = (self.fresh_target(), self.fresh_target());
        self.branch_away(jmp::JEQ, true, family, Operand::Imm(AF_INET), four);
        self.branch(jmp::JEQ, true, family, Operand::Imm(AF_INET6), six, unknown);
        self.bind(four);
        each(self, Family::In(base, None));
        self.bind(six);
        each(self, Family::In6(base, None));
    }

    /// Reads two words of an IPv6 address as a number, in a new register.
    fn in6_half(&mut self, base: Location, first: u32) -> Reg {
        if let Location::Address(buffer) = base {
            let both = self.frame_load(buffer + IN6_ADDRESS + 4 * first as i16, 8);
            self.push(Inst::Swap { dst: both, bits: 64 });
            return both;
        }
        let upper = self.component(base, Component::In6(first));
        self.push(Inst::Swap { dst: upper, bits: 32 });
        let by = Operand::Imm(32);
        self.push(Inst::Alu { op: alu::LSH, wide: true, dst: upper, src: by, reloc: None });
        let lower = self.component(base, Component::In6(first + 1));
        self.push(Inst::Swap { dst: lower, bits: 32 });
        self.or(upper, lower);
        upper
    }

    /// Reads a component of an endpoint into a new register, in its stored byte order.
    fn component(&mut self, base: Location, component: Component) -> Reg {
        let int = |bytes| Shape::Int { bytes, signed: false };
        let (steps, socket): (Vec<(&str, Shape)>, Reg) = match (base, component) {
            (Location::Address(_) | Location::Direct(_), component) => {
                let (offset, bytes) = match component {
                    Component::Port => (PORT, 2),
                    Component::In => (IN_ADDRESS, 4),
                    Component::In6(word) => (IN6_ADDRESS + 4 * word as i16, 4),
                };
                let read = self.address_bytes(base, offset, bytes);
                return self.copy(read, true);
            }
            (Location::Local(socket), Component::Port) => (vec![("skc_num", int(2))], socket),
            (Location::Local(socket), Component::In) => (vec![("skc_rcv_saddr", int(4))], socket),
            (Location::Local(socket), Component::In6(_)) => (vec![("skc_v6_rcv_saddr", Shape::Struct)], socket),
            (Location::Peer(socket), Component::Port) => (vec![("skc_dport", int(2))], socket),
            (Location::Peer(socket), Component::In) => (vec![("skc_daddr", int(4))], socket),
            (Location::Peer(socket), Component::In6(_)) => (vec![("skc_v6_daddr", Shape::Struct)], socket),
        };
        let mut access = common(&steps);
        let bytes = if component == Component::Port { 2 } else { 4 };
        if let Component::In6(word) = component {
            let words = Shape::Array { element: Box::new(int(4)), count: 4 };
            access.steps.push(Step::Field { name: "in6_u".into(), shape: Shape::Union });
            access.steps.push(Step::Field { name: "u6_addr32".into(), shape: words });
            access.steps.push(Step::Index(word));
        }
        let read = self.load(socket, &access, bytes);
        self.copy(read, true)
    }

    /// Reads bytes of an address; direct loads are limited to its first 16 bytes.
    fn address_bytes(&mut self, base: Location, offset: i16, bytes: u32) -> Reg {
        match base {
            Location::Direct(base) => self.once(ValueKey::Raw { base, offset, bytes }, |build| {
                let dst = build.fresh();
                build.push(Inst::Load { dst, base, offset, bytes, reloc: None, argument: None });
                dst
            }),
            Location::Address(buffer) => self.frame_load(buffer + offset, bytes),
            Location::Local(_) | Location::Peer(_) => unreachable!("sockets have no raw address bytes"),
        }
    }

    pub(super) fn frame_load(&mut self, offset: i16, bytes: u32) -> Reg {
        let dst = self.fresh();
        self.push(Inst::Load { dst, base: FRAME_POINTER, offset, bytes, reloc: None, argument: None });
        dst
    }

    pub(super) fn set(&mut self, dst: Reg, src: Operand) {
        self.push(Inst::Mov { dst, src, wide: true, reloc: None });
    }

    fn or(&mut self, dst: Reg, src: Reg) {
        self.push(Inst::Alu { op: alu::OR, wide: true, dst, src: Operand::Reg(src), reloc: None });
    }
}

/// The length of an address, in a register.
#[derive(Clone, Copy)]
struct Length {
    of: Reg,
    /// The comparison uses all 64 bits.
    wide: bool,
}

/// The use of an address that a task passed.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Role<'v> {
    Bound,
    /// The destination of a connection of this `sock`.
    Connected {
        socket: &'v Value,
    },
    /// The destination of a message of this `sock`; `peer` reads its peer instead.
    Message {
        socket: Reg,
        peer: Target,
    },
}

/// An address family, with the location of the components, and the use of an address that is a destination.
#[derive(Clone, Copy)]
enum Family<'v> {
    In(Location, Option<Role<'v>>),
    In6(Location, Option<Role<'v>>),
}

/// The location of an endpoint's components.
#[derive(Clone, Copy)]
pub(super) enum Location {
    /// In a frame buffer, at this offset.
    Address(i16),
    /// In the kernel's memory, loaded directly.
    Direct(Reg),
    /// The local fields of a `sock`.
    Local(Reg),
    /// The remote fields of a `sock`.
    Peer(Reg),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Component {
    Port,
    In,
    /// A 32-bit word of an IPv6 address.
    In6(u32),
}

/// Returns the access to a field of `sock.__sk_common`.
fn common(steps: &[(&str, Shape)]) -> Access {
    rt::field("sock", &[&[("__sk_common", Shape::Struct)], steps].concat())
}
