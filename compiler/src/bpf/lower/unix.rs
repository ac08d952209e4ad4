//! Names of Unix sockets: of a file, or abstract.
//!
//! An address that a task passes has the name in it, as it was written. What a socket is bound to the kernel keeps behind
//! it: the file, whose full path can be walked, and the address that was given.

use super::builder::{Builder, Label};
use super::network::Base;
use crate::access::{Access, Shape, Step};
use crate::bpf::helper;
use crate::hir::{End, UnixName};
use crate::isa::{alu, jmp};
use crate::mir::{Inst, Operand, Reg};

const AF_UNIX: i32 = 1;
/// The family before the name.
const FAMILY_BYTES: i32 = 2;
/// `struct sockaddr_un`
const ADDRESS_MAX: i32 = 110;
/// At least as large as any name, so that the verifier knows a bound.
const NAME_MASK: i32 = 127;

impl Builder<'_> {
    /// Fetches a name to its place in the memory: its length. To `none` where there is no such name.
    pub(super) fn unix_name(
        &mut self,
        end: &End,
        name: UnixName,
        memory: Reg,
        offset: i16,
        none: Label,
        failed: Label,
    ) -> Reg {
        let (result, join) = (self.fresh(), self.fresh_label());
        self.ends(
            end,
            none,
            |build, address, length| {
                let length = build.value(length, none);
                let length = build.name_in_address(address, length, name, (memory, offset), none, failed);
                build.set(result, Operand::Reg(length));
                build.jump(join);
            },
            |build, base, socket| {
                let family = build.socket_family(socket);
                build.branch_away(jmp::JNE, true, family, Operand::Imm(AF_UNIX), none);
                let socket = match base {
                    Base::Peer(socket) => build.behind(socket, &unix(&[("peer", Shape::Pointer)]), none),
                    _ => socket,
                };
                let length = match name {
                    UnixName::Path => {
                        let part = |name| unix(&[("path", Shape::Struct), (name, Shape::Pointer)]);
                        let dentry = build.behind(socket, &part("dentry"), none);
                        let mount = build.behind(socket, &part("mnt"), none);
                        build.numbers.extend([dentry, mount]);
                        build.path(dentry, mount, memory, offset)
                    }
                    UnixName::Abstract => {
                        let bound = build.behind(socket, &unix(&[("addr", Shape::Pointer)]), none);
                        let length = access("unix_address", &[("len", Shape::Int { bytes: 4, signed: true })]);
                        let length = build.far(bound, &length, 4, none);
                        let element = Box::new(Shape::Struct);
                        let address = access("unix_address", &[("name", Shape::Array { element, count: 1 })]);
                        let address = build.field_address(bound, &address);
                        build.name_in_address(address, length, name, (memory, offset), none, failed)
                    }
                };
                build.set(result, Operand::Reg(length));
                build.jump(join);
            },
        );
        self.place(join);
        result
    }

    /// A name as it stands in a `sockaddr_un` of so many bytes. That of a file ends at its first NUL or with the address; an
    /// abstract one, which a NUL begins, only with the address.
    fn name_in_address(
        &mut self,
        address: Reg,
        length: Reg,
        name: UnixName,
        (memory, offset): (Reg, i16),
        none: Label,
        failed: Label,
    ) -> Reg {
        self.branch_away(jmp::JSLE, true, length, Operand::Imm(FAMILY_BYTES), none);
        self.branch_away(jmp::JSGT, true, length, Operand::Imm(ADDRESS_MAX), none);
        let buffer = self.begin_of(address, FAMILY_BYTES + 1, none);
        let family = self.frame_load(buffer, 2);
        self.branch_away(jmp::JNE, true, family, Operand::Imm(AF_UNIX), none);
        let first = self.frame_load(buffer + FAMILY_BYTES as i16, 1);
        let (op, skipped) = match name {
            UnixName::Path => (jmp::JEQ, FAMILY_BYTES),
            UnixName::Abstract => (jmp::JNE, FAMILY_BYTES + 1),
        };
        self.branch_away(op, true, first, Operand::Imm(0), none);
        // A name of a file is read with the NUL that is put behind it.
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

    /// A pointer at a field that the verifier does not let a program load: a `unix_sock` begins with the `sock` that it is.
    fn behind(&mut self, base: Reg, field: &Access, none: Label) -> Reg {
        let pointer = self.far(base, field, 8, none);
        self.branch_away(jmp::JEQ, true, pointer, Operand::Imm(0), none);
        pointer
    }

    fn far(&mut self, base: Reg, field: &Access, bytes: i32, none: Label) -> Reg {
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
    access("unix_sock", steps)
}

fn access(root: &str, steps: &[(&str, Shape)]) -> Access {
    let steps = steps.iter().map(|(name, shape)| Step::Field { name: (*name).to_owned(), shape: shape.clone() });
    Access { is_struct: true, root: root.to_owned(), steps: steps.collect() }
}
