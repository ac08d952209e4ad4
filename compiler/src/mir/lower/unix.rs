//! Names of Unix sockets: paths of socket files, and abstract names.
//!
//! ```text
//! sockaddr_un    AF_UNIX, the name as the task wrote it       the address that a task passes
//! unix_sock      path: dentry and mount; addr: sockaddr_un    what a socket is bound to
//! ```
//!
//! A bound socket refers to its file, whose full path can be walked, and to the address that it was bound
//! with. The verifier gives programs a `sock`, not a `unix_sock`, so these fields are copied with
//! `bpf_probe_read_kernel`.
//!
//! Absent: addresses and ports, which `network` has.

use super::builder::{Builder, Target};
use super::network::Location;
use crate::access::{Access, Shape};
use crate::helper;
use crate::hir::{Endpoint, UnixName};
use crate::isa::{alu, jmp};
use crate::mir::{Inst, Operand, Reg};
use crate::rt;

const AF_UNIX: i32 = 1;
/// The size of the family, which precedes the name.
const FAMILY_BYTES: i32 = 2;
/// The size of `struct sockaddr_un`.
const ADDRESS_MAX: i32 = 110;
/// A mask that no name exceeds, which bounds the length for the verifier.
const NAME_MASK: i32 = 127;

impl Builder<'_> {
    /// Fetches a name into its region of the scratch memory and returns its length; jumps to `none` if there
    /// is no such name.
    pub(super) fn unix_name(
        &mut self,
        end: &Endpoint,
        name: UnixName,
        memory: Reg,
        offset: i16,
        none: Target,
        failed: Target,
    ) -> Reg {
        let (result, join) = (self.fresh(), self.fresh_target());
        self.endpoint_sources(
            end,
            none,
            |build, address, length, _| {
                let length = build.value(length, none);
                let length = build.name_in_address(address, length, name, (memory, offset), none, failed);
                build.set(result, Operand::Reg(length));
                build.jump(join);
            },
            |build, base, socket| {
                let family = build.socket_family(socket);
                build.branch_away(jmp::JNE, true, family, Operand::Imm(AF_UNIX), none);
                let socket = match base {
                    Location::Peer(socket) => build.probe_pointer(socket, &unix(&[("peer", Shape::Pointer)]), none),
                    _ => socket,
                };
                let length = match name {
                    UnixName::Path => {
                        let part = |name| unix(&[("path", Shape::Struct), (name, Shape::Pointer)]);
                        let dentry = build.probe_pointer(socket, &part("dentry"), none);
                        let mount = build.probe_pointer(socket, &part("mnt"), none);
                        build.scalars.extend([dentry, mount]);
                        build.path(dentry, mount, memory, offset)
                    }
                    UnixName::Abstract => {
                        let bound = build.probe_pointer(socket, &unix(&[("addr", Shape::Pointer)]), none);
                        let length = rt::field("unix_address", &[("len", Shape::Int { bytes: 4, signed: true })]);
                        let length = build.probe_field(bound, &length, 4, none);
                        let element = Box::new(Shape::Struct);
                        let address = rt::field("unix_address", &[("name", Shape::Array { element, count: 1 })]);
                        let address = build.field_address(bound, &address);
                        build.name_in_address(address, length, name, (memory, offset), none, failed)
                    }
                };
                build.set(result, Operand::Reg(length));
                build.jump(join);
            },
        );
        self.bind(join);
        result
    }

    /// Reads a name from a `sockaddr_un`. The name of a file ends at its first NUL or with the address; an
    /// abstract one begins with a NUL and ends only with the address.
    fn name_in_address(
        &mut self,
        address: Reg,
        length: Reg,
        name: UnixName,
        (memory, offset): (Reg, i16),
        none: Target,
        failed: Target,
    ) -> Reg {
        self.branch_away(jmp::JSLE, true, length, Operand::Imm(FAMILY_BYTES), none);
        self.branch_away(jmp::JSGT, true, length, Operand::Imm(ADDRESS_MAX), none);
        let buffer = self.address_prefix(address, FAMILY_BYTES + 1, none);
        let family = self.frame_load(buffer, 2);
        self.branch_away(jmp::JNE, true, family, Operand::Imm(AF_UNIX), none);
        let first = self.frame_load(buffer + FAMILY_BYTES as i16, 1);
        let (op, skipped) = match name {
            UnixName::Path => (jmp::JEQ, FAMILY_BYTES),
            UnixName::Abstract => (jmp::JNE, FAMILY_BYTES + 1),
        };
        self.branch_away(op, true, first, Operand::Imm(0), none);
        // The string is read together with the NUL that terminates it.
        let bytes = self.copy(length, true);
        self.add(bytes, if name == UnixName::Path { 1 - skipped } else { -skipped });
        self.push(Inst::Alu { op: alu::AND, wide: true, dst: bytes, src: Operand::Imm(NAME_MASK), reloc: None });
        self.push(Inst::Mov { dst: Reg(3), src: Operand::Reg(address), wide: true, reloc: None });
        self.add(Reg(3), skipped);
        self.push(Inst::Mov { dst: Reg(1), src: Operand::Reg(memory), wide: true, reloc: None });
        self.add(Reg(1), i32::from(offset));
        self.push(Inst::Mov { dst: Reg(2), src: Operand::Reg(bytes), wide: true, reloc: None });
        match name {
            UnixName::Path => {
                self.push(Inst::Call { helper: helper::PROBE_READ_KERNEL_STR, args: 3 });
                let length = self.copy(Reg(0), true);
                self.add(length, -1);
                length
            }
            UnixName::Abstract => {
                self.push(Inst::Call { helper: helper::PROBE_READ_KERNEL, args: 3 });
                self.branch_away(jmp::JNE, true, Reg(0), Operand::Imm(0), failed);
                bytes
            }
        }
    }

    /// Reads a pointer field of a `unix_sock`, which begins with its `sock`; jumps to `none` if it is null.
    fn probe_pointer(&mut self, base: Reg, field: &Access, none: Target) -> Reg {
        let pointer = self.probe_field(base, field, 8, none);
        self.branch_away(jmp::JEQ, true, pointer, Operand::Imm(0), none);
        pointer
    }

    fn probe_field(&mut self, base: Reg, field: &Access, bytes: i32, none: Target) -> Reg {
        let from = self.field_address(base, field);
        let scratch = self.scratch();
        self.frame_address(Reg(1), scratch);
        self.push(Inst::Mov { dst: Reg(2), src: Operand::Imm(bytes), wide: true, reloc: None });
        self.push(Inst::Mov { dst: Reg(3), src: Operand::Reg(from), wide: true, reloc: None });
        self.push(Inst::Call { helper: helper::PROBE_READ_KERNEL, args: 3 });
        self.branch_away(jmp::JNE, true, Reg(0), Operand::Imm(0), none);
        self.frame_load(scratch, bytes.cast_unsigned())
    }
}

fn unix(steps: &[(&str, Shape)]) -> Access {
    rt::field("unix_sock", steps)
}
