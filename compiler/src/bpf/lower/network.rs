//! Ends of connections: addresses and ports.
//!
//! An address is two halves of 64 bits in the order of numbers; one of IPv4 is `::ffff:a.b.c.d`. Families other than those
//! two have neither address nor port: not known. The names of Unix sockets are in `unix`.

use std::ops::Range;

use super::builder::{Builder, Fact, Key, Label};
use crate::bpf::helper;
use crate::hir::{Access, End, Shape, Step, Ty, Value, ValueKind};
use crate::isa::{alu, jmp};
use crate::mir::{FRAME_POINTER, Inst, Operand, Reg};

const AF_UNSPEC: i32 = 0;
const AF_INET: i32 = 2;
const AF_INET6: i32 = 10;
/// `struct sockaddr_in`
const IN_BYTES: i32 = 16;
/// `struct sockaddr_in6` without its scope, which old programs leave out.
const IN6_BYTES: i32 = 24;
/// The family, which every address begins with.
const FAMILY_BYTES: i16 = 2;
/// What is read of an address at most.
const ADDRESS_BYTES: i32 = 24;
/// Offsets in both kinds of addresses.
const PORT: i16 = 2;
const IN_ADDRESS: i16 = 4;
const IN6_ADDRESS: i16 = 8;
/// The upper part of the lower half of an IPv4 address.
const MAPPED: u64 = 0xffff << 32;

/// Which part of an end a register holds.
const HIGH: u8 = 0;
const LOW: u8 = 1;
const NUMBER: u8 = 2;
const FAMILY: u8 = 3;

impl Builder<'_> {
    /// An address as its halves.
    pub(super) fn end_ip(&mut self, value: &Value, end: &End, unknown: Label) -> (Reg, Reg) {
        let key = |part| Key::End { of: Box::new(value.clone()), part };
        if let (Some(high), Some(low)) = (self.read(&key(HIGH)), self.read(&key(LOW))) {
            return (high, low);
        }
        let (high, low, join) = (self.fresh(), self.fresh(), self.fresh_label());
        let address = self.families(end, unknown, |build, source| {
            match source {
                Source::In(base) => {
                    let word = build.part(base, Part::In);
                    build.push(Inst::Swap { dst: word, bits: 32 });
                    let mapped = build.constant(MAPPED);
                    build.or(word, mapped);
                    build.set(high, Operand::Imm(0));
                    build.set(low, Operand::Reg(word));
                }
                Source::In6(base) => {
                    let dear = build.dear;
                    let base = match base {
                        Base::Direct(address) => {
                            // It takes a call; ways that do without shall not save registers for it.
                            build.dear = true;
                            let buffer = build.address_buffer(address);
                            build.copy_address(address, buffer, IN6_ADDRESS..IN6_BYTES as i16, unknown);
                            Base::Address(buffer)
                        }
                        other => other,
                    };
                    for (half, first) in [(high, 0), (low, 2)] {
                        let word = build.in6_half(base, first);
                        build.set(half, Operand::Reg(word));
                    }
                    build.jump(join);
                    build.dear = dear;
                    return;
                }
            }
            build.jump(join);
        });
        self.place(join);
        self.copied_address(address, ADDRESS_BYTES);
        self.know(Fact::Read(key(HIGH), high));
        self.know(Fact::Read(key(LOW), low));
        (high, low)
    }

    /// A port in the machine's byte order.
    pub(super) fn end_port(&mut self, value: &Value, end: &End, unknown: Label) -> Reg {
        let key = Key::End { of: Box::new(value.clone()), part: NUMBER };
        if let Some(port) = self.read(&key) {
            return port;
        }
        let (port, join) = (self.fresh(), self.fresh_label());
        let mut either = None;
        let address = self.families(end, unknown, |build, source| {
            let known = *either.get_or_insert_with(|| build.fresh_label());
            build.jump(known);
            let Source::In6(base) = source else { return };
            // Both families have it at the same place.
            build.place(known);
            either = None;
            let number = build.part(base, Part::Port);
            // The kernel keeps the local port in its own order.
            if !matches!(base, Base::Local(_)) {
                build.push(Inst::Swap { dst: number, bits: 16 });
            }
            build.set(port, Operand::Reg(number));
            build.jump(join);
        });
        self.place(join);
        self.copied_address(address, ADDRESS_BYTES);
        self.know(Fact::Read(key, port));
        port
    }

    /// The family, whatever it is.
    pub(super) fn end_family(&mut self, value: &Value, end: &End, unknown: Label) -> Reg {
        let key = Key::End { of: Box::new(value.clone()), part: FAMILY };
        if let Some(family) = self.read(&key) {
            return family;
        }
        let (family, join) = (self.fresh(), self.fresh_label());
        let address = self.ends(
            end,
            unknown,
            |build, address, length| {
                let length = build.length(length, unknown);
                build.at_least(length, i32::from(FAMILY_BYTES), unknown);
                let base = build.base(address, i32::from(FAMILY_BYTES), unknown);
                let read = build.address_bytes(base, 0, 2);
                build.set(family, Operand::Reg(read));
                build.jump(join);
            },
            |build, base, _| {
                let (Base::Local(socket) | Base::Peer(socket)) = base else { unreachable!("an address is no socket") };
                let read = build.socket_family(socket);
                build.set(family, Operand::Reg(read));
                build.jump(join);
            },
        );
        self.place(join);
        self.copied_address(address, FAMILY_BYTES.into());
        self.know(Fact::Read(key, family));
        family
    }

    /// Runs `each` for IPv4 and then for IPv6, on the ways where an end is of that family; each way ends there.
    fn families(&mut self, end: &End, unknown: Label, mut each: impl FnMut(&mut Self, Source)) -> Option<Reg> {
        let bind = matches!(end, End::Address { bind: true, .. });
        let each = std::cell::RefCell::new(&mut each);
        self.ends(
            end,
            unknown,
            |build, address, length| {
                build.address_families(address, length, bind, unknown, &mut **each.borrow_mut());
            },
            |build, base, socket| build.socket_families(base, socket, unknown, &mut **each.borrow_mut()),
        )
    }

    /// The length of an address: an `int` needs no more than its low half to be compared.
    fn length(&mut self, of: &Value, unknown: Label) -> Length {
        match of.ty {
            Ty::Int(int) if int.bytes == 4 && int.signed => Length { of: self.low(of, unknown), wide: false },
            _ => Length { of: self.value(of, unknown), wide: true },
        }
    }

    fn at_least(&mut self, length: Length, bytes: i32, unknown: Label) {
        self.branch_away(jmp::JSLT, length.wide, length.of, Operand::Imm(bytes), unknown);
    }

    /// Runs `address` with an address and its length, or `socket` with a socket, for each way that an end can be found;
    /// each way ends there. The address that `address` has met on all ways on which it is not null.
    pub(super) fn ends(
        &mut self,
        end: &End,
        unknown: Label,
        mut address: impl FnMut(&mut Self, Reg, &Value),
        mut socket: impl FnMut(&mut Self, Base, Reg),
    ) -> Option<Reg> {
        match end {
            End::Address { address: from, length, .. } => {
                let at = self.pointer(from, unknown);
                if matches!(from.kind, ValueKind::Arg(_)) {
                    self.direct.insert(at);
                }
                address(self, at, length);
                Some(at)
            }
            End::Local(of) => {
                let of = self.pointer(of, unknown);
                socket(self, Base::Local(of), of);
                None
            }
            End::Peer(of) => {
                let of = self.pointer(of, unknown);
                socket(self, Base::Peer(of), of);
                None
            }
            End::Message { address: at, length, socket: of } => {
                let own = self.value(at, unknown);
                let (named, connected) = (self.fresh_label(), self.fresh_label());
                self.branch(jmp::JNE, true, own, Operand::Imm(0), named, connected);
                self.place(named);
                address(self, own, length);
                self.place(connected);
                let of = self.pointer(of, unknown);
                socket(self, Base::Peer(of), of);
                Some(own)
            }
        }
    }

    /// Remembers behind a join what has been copied on all ways there that have an address.
    fn copied_address(&mut self, address: Option<Reg>, bytes: i32) {
        if let Some(address) = address.filter(|address| self.keeps(*address) && !self.direct.contains(address)) {
            self.know(Fact::Read(Key::Copied { address, bytes }, FRAME_POINTER));
        }
    }

    /// The first bytes of an address, in the frame; counted where they cannot be read.
    ///
    /// Where a hook's argument says that it is a `struct sockaddr`, programs may load its 16 bytes ([`Base::Direct`]); what is
    /// behind them, and what an untyped pointer leads to, is copied.
    pub(super) fn begin_of(&mut self, address: Reg, bytes: i32, unknown: Label) -> i16 {
        let buffer = self.address_buffer(address);
        if [bytes, ADDRESS_BYTES].into_iter().any(|bytes| self.read(&Key::Copied { address, bytes }).is_some()) {
            return buffer;
        }
        self.copy_address(address, buffer, 0..bytes as i16, unknown);
        buffer
    }

    /// Copies some bytes of an address to where they are in the buffer.
    fn copy_address(&mut self, address: Reg, buffer: i16, bytes: Range<i16>, unknown: Label) {
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
        let (failed, read) = (self.fresh_label(), self.fresh_label());
        self.branch(jmp::JNE, true, Reg(0), Operand::Imm(0), failed, read);
        self.place(failed);
        self.count_unreadable();
        self.jump(unknown);
        self.place(read);
    }

    /// Where an address is read, of which so many bytes are.
    fn base(&mut self, address: Reg, bytes: i32, unknown: Label) -> Base {
        if self.direct.contains(&address) {
            Base::Direct(address)
        } else {
            Base::Address(self.begin_of(address, bytes, unknown))
        }
    }

    pub(super) fn socket_family(&mut self, socket: Reg) -> Reg {
        self.load(socket, &common(&[("skc_family", Shape::Int { bytes: 2, signed: false })]), 2)
    }

    /// The parts of an address, by its family.
    fn address_families(
        &mut self,
        address: Reg,
        length: &Value,
        bind: bool,
        unknown: Label,
        each: &mut impl FnMut(&mut Self, Source),
    ) {
        let length = self.length(length, unknown);
        let base = self.base(address, ADDRESS_BYTES, unknown);
        let family = self.address_bytes(base, 0, 2);
        let (four, six, other) = (self.fresh_label(), self.fresh_label(), self.fresh_label());
        self.branch_away(jmp::JEQ, true, family, Operand::Imm(AF_INET), four);
        if bind {
            self.branch_away(jmp::JEQ, true, family, Operand::Imm(AF_UNSPEC), four);
        }
        self.branch(jmp::JEQ, true, family, Operand::Imm(AF_INET6), six, other);
        self.place(other);
        self.jump(unknown);
        for (label, bytes, source) in [(four, IN_BYTES, Source::In(base)), (six, IN6_BYTES, Source::In6(base))] {
            self.place(label);
            self.at_least(length, bytes, unknown);
            each(self, source);
        }
    }

    fn socket_families(&mut self, base: Base, socket: Reg, unknown: Label, each: &mut impl FnMut(&mut Self, Source)) {
        let family = self.socket_family(socket);
        let (four, six) = (self.fresh_label(), self.fresh_label());
        self.branch_away(jmp::JEQ, true, family, Operand::Imm(AF_INET), four);
        self.branch(jmp::JEQ, true, family, Operand::Imm(AF_INET6), six, unknown);
        self.place(four);
        each(self, Source::In(base));
        self.place(six);
        each(self, Source::In6(base));
    }

    /// Two words of an address of IPv6 as a number, in a register of its own.
    fn in6_half(&mut self, base: Base, first: u32) -> Reg {
        if let Base::Address(buffer) = base {
            let both = self.frame_load(buffer + IN6_ADDRESS + 4 * first as i16, 8);
            self.push(Inst::Swap { dst: both, bits: 64 });
            return both;
        }
        let upper = self.part(base, Part::In6(first));
        self.push(Inst::Swap { dst: upper, bits: 32 });
        let by = Operand::Imm(32);
        self.push(Inst::Alu { op: alu::LSH, wide: true, dst: upper, src: by, reloc: None });
        let lower = self.part(base, Part::In6(first + 1));
        self.push(Inst::Swap { dst: lower, bits: 32 });
        self.or(upper, lower);
        upper
    }

    /// A part of an end in a register of its own, in the order that it is kept in.
    fn part(&mut self, base: Base, part: Part) -> Reg {
        let int = |bytes| Shape::Int { bytes, signed: false };
        let (steps, socket): (Vec<(&str, Shape)>, Reg) = match (base, part) {
            (Base::Address(_) | Base::Direct(_), part) => {
                let (offset, bytes) = match part {
                    Part::Port => (PORT, 2),
                    Part::In => (IN_ADDRESS, 4),
                    Part::In6(word) => (IN6_ADDRESS + 4 * word as i16, 4),
                };
                let read = self.address_bytes(base, offset, bytes);
                return self.copy(read, true);
            }
            (Base::Local(socket), Part::Port) => (vec![("skc_num", int(2))], socket),
            (Base::Local(socket), Part::In) => (vec![("skc_rcv_saddr", int(4))], socket),
            (Base::Local(socket), Part::In6(_)) => (vec![("skc_v6_rcv_saddr", Shape::Struct)], socket),
            (Base::Peer(socket), Part::Port) => (vec![("skc_dport", int(2))], socket),
            (Base::Peer(socket), Part::In) => (vec![("skc_daddr", int(4))], socket),
            (Base::Peer(socket), Part::In6(_)) => (vec![("skc_v6_daddr", Shape::Struct)], socket),
        };
        let mut access = common(&steps);
        let bytes = if part == Part::Port { 2 } else { 4 };
        if let Part::In6(word) = part {
            let words = Shape::Array { element: Box::new(int(4)), count: 4 };
            access.steps.push(Step::Field { name: "in6_u".into(), shape: Shape::Union });
            access.steps.push(Step::Field { name: "u6_addr32".into(), shape: words });
            access.steps.push(Step::Index(word));
        }
        let read = self.load(socket, &access, bytes);
        self.copy(read, true)
    }

    /// Bytes of an address, below its first 16 where it is read in its place.
    fn address_bytes(&mut self, base: Base, offset: i16, bytes: u32) -> Reg {
        match base {
            Base::Direct(base) => self.once(Key::Raw { base, offset, bytes }, |build| {
                let dst = build.fresh();
                build.push(Inst::Load { dst, base, offset, bytes, reloc: None, argument: None });
                dst
            }),
            Base::Address(buffer) => self.frame_load(buffer + offset, bytes),
            Base::Local(_) | Base::Peer(_) => unreachable!("a socket is no address"),
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

/// The length of an address.
#[derive(Clone, Copy)]
struct Length {
    of: Reg,
    /// All of the register counts.
    wide: bool,
}

/// A family, and where its parts are read.
#[derive(Clone, Copy)]
enum Source {
    In(Base),
    In6(Base),
}

/// Where the parts of an end are.
#[derive(Clone, Copy)]
pub(super) enum Base {
    /// In the frame.
    Address(i16),
    /// In its place.
    Direct(Reg),
    /// Behind a `sock`.
    Local(Reg),
    /// Behind a `sock`.
    Peer(Reg),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Port,
    In,
    /// A word of 32 bits.
    In6(u32),
}

/// A field of `sock.__sk_common`.
fn common(steps: &[(&str, Shape)]) -> Access {
    let first = Step::Field { name: "__sk_common".into(), shape: Shape::Struct };
    let rest = steps.iter().map(|(name, shape)| Step::Field { name: (*name).to_owned(), shape: shape.clone() });
    Access { is_struct: true, root: "sock".into(), steps: std::iter::once(first).chain(rest).collect() }
}
