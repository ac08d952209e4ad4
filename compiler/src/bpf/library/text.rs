//! Texts: claiming memory for them, and paths.

use super::{
    Asm, CGROUP, CGROUP_STEP, CLAIM, COUNT, FIRST, FP, Label, NUMBER, PATH, PATH_STEP, PLACE, R, ROOT, SECOND, SLOTS,
    WORK, alu, field, helper, jmp, size,
};
use crate::bpf::{Access, Checked, Function, RelocationKind, Shape};

/// Components and mounts on the way to the root, at most: as many components as fit into a path, and some mounts.
const DEPTH_MAX: i32 = 2200;
/// The longest name of a component, `NAME_MAX`.
const NAME_MAX: i32 = 255;
/// Where in the work room a path ends.
const END: i32 = 4096;
/// Where names of cgroups are read to, behind the end.
const NAME: i16 = WORK + 4096 + 8;

/// `krs_claim()`
pub(super) fn claim() -> Function {
    let mut asm = Asm::default();
    let none = asm.label();
    asm.note("memory that no other program on this processor uses");
    for slot in 0..SLOTS {
        let taken = asm.label();
        asm.store(size::W, FP, -4, slot);
        asm.find_slot(-4, none);
        asm.mov(R(1), 1);
        asm.add_atomic(R(0), R(1));
        asm.load(size::DW, R(2), R(0), COUNT);
        asm.jump(jmp::JNE, R(2), 1, taken);
        asm.store(size::DW, R(0), NUMBER, slot);
        asm.exit();
        asm.place(taken);
        asm.mov(R(1), -1);
        asm.add_atomic(R(0), R(1));
    }
    asm.place(none);
    asm.mov(R(0), 0);
    asm.exit();
    Function { checked: Checked::EachCall, ..asm.finish(CLAIM, 0) }
}

/// What a step answers: go on, the root is reached, or it cannot be read.
const ON: i32 = 0;
const DONE: i32 = 1;
const FAILED: i32 = 2;

const DENTRY: R = R(6);
const MEMORY: R = R(7);
const AT: R = R(8);
const MOUNT: R = R(9);

/// The frame of a step.
mod frame {
    pub const SLOT: i16 = -4;
    /// `struct qstr`: hash, length, name
    pub const NAME: i16 = -24;
    pub const NAME_LENGTH: i16 = -20;
    pub const NAME_POINTER: i16 = -16;
    pub const NEXT: i16 = NAME - 8;
}

/// Goes to a slot with the path's place in `AT`.
fn begin_step(asm: &mut Asm, failed: Label) {
    asm.slot(frame::SLOT, failed);
    asm.mov(MEMORY, R(0));
    asm.load(size::DW, DENTRY, MEMORY, FIRST);
    asm.load(size::DW, AT, MEMORY, PLACE);
}

/// Puts `/` and the name at the address in `r3`, as long as `r5` says, before what is there.
fn prepend(asm: &mut Asm, failed: Label) {
    asm.jump(jmp::JGT, R(5), NAME_MAX, failed);
    asm.alu(alu::SUB, AT, R(5));
    asm.alu(alu::ADD, AT, -1);
    asm.jump(jmp::JSLT, AT, 0, failed);
    asm.alu(alu::AND, AT, END - 1);
    asm.store(size::DW, MEMORY, PLACE, AT);
    asm.mov(R(1), MEMORY);
    asm.alu(alu::ADD, R(1), AT);
    asm.store(size::B, R(1), WORK, i32::from(b'/'));
    asm.alu(alu::ADD, R(1), i32::from(WORK) + 1);
    asm.mov(R(2), R(5));
    asm.alu(alu::AND, R(2), NAME_MAX);
    asm.call(helper::PROBE_READ_KERNEL);
    asm.jump(jmp::JNE, R(0), 0, failed);
}

fn answer(asm: &mut Asm, label: Label, answer: i32) {
    asm.place(label);
    asm.mov(R(0), answer);
    asm.exit();
}

fn dentry(steps: &[(&str, Shape)]) -> Access {
    field("dentry", steps)
}

fn mount(steps: &[(&str, Shape)]) -> Access {
    field("mount", steps)
}

fn mount_root() -> Access {
    mount(&[("mnt", Shape::Struct), ("mnt_root", Shape::Pointer)])
}

/// `krs_path_step(slot)`: one component, or one mount, up.
pub(super) fn path_step() -> Function {
    let mut asm = Asm::default();
    let (failed, done, on, cross) = (asm.label(), asm.label(), asm.label(), asm.label());
    asm.note("where the path has come to");
    begin_step(&mut asm, failed);
    asm.load(size::DW, R(1), MEMORY, ROOT);
    asm.jump(jmp::JEQ, DENTRY, R(1), cross);
    asm.note("one component up");
    let (parent, name) = (dentry(&[("d_parent", Shape::Pointer)]), dentry(&[("d_name", Shape::Struct)]));
    asm.probe_both(frame::NEXT, DENTRY, [(8, parent), (16, name)], failed);
    asm.load(size::W, R(5), FP, frame::NAME_LENGTH);
    asm.jump(jmp::JEQ, R(5), 0, failed);
    asm.load(size::DW, R(3), FP, frame::NAME_POINTER);
    prepend(&mut asm, failed);
    asm.load(size::DW, R(1), FP, frame::NEXT);
    asm.store(size::DW, MEMORY, FIRST, R(1));
    asm.note("files without a place, such as those of memfd_create, are their own parent");
    asm.jump(jmp::JEQ, R(1), DENTRY, done);
    answer(&mut asm, on, ON);

    asm.place(cross);
    asm.note("from the root of a mount to where it is mounted");
    asm.load(size::DW, MOUNT, MEMORY, SECOND);
    let (parent, place) = (mount(&[("mnt_parent", Shape::Pointer)]), mount(&[("mnt_mountpoint", Shape::Pointer)]));
    asm.probe_both(frame::NEXT, MOUNT, [(8, parent), (8, place)], failed);
    asm.load(size::DW, R(1), FP, frame::NEXT);
    asm.jump(jmp::JEQ, R(1), MOUNT, done);
    asm.store(size::DW, MEMORY, SECOND, R(1));
    asm.load(size::DW, R(1), FP, frame::NAME);
    asm.store(size::DW, MEMORY, FIRST, R(1));
    asm.load(size::DW, MOUNT, FP, frame::NEXT);
    asm.probe(frame::NAME, 8, MOUNT, mount_root(), failed);
    asm.load(size::DW, R(1), FP, frame::NAME);
    asm.store(size::DW, MEMORY, ROOT, R(1));
    asm.goto(on);
    answer(&mut asm, done, DONE);
    answer(&mut asm, failed, FAILED);
    asm.finish(PATH_STEP, 1)
}

/// `krs_cgroup_step(slot)`: one node up.
pub(super) fn cgroup_step() -> Function {
    let mut asm = Asm::default();
    let node = |name| field("kernfs_node", &[(name, Shape::Pointer)]);
    let (failed, done, on) = (asm.label(), asm.label(), asm.label());
    asm.note("where the path has come to");
    begin_step(&mut asm, failed);
    asm.note("one component up");
    let (renamed, read) = (asm.label(), asm.label());
    asm.relocate(RelocationKind::FieldExists(node("__parent")));
    asm.mov(R(1), 1);
    asm.jump(jmp::JNE, R(1), 0, renamed);
    asm.offset(R(3), node("parent"));
    asm.goto(read);
    asm.place(renamed);
    asm.offset(R(3), node("__parent"));
    asm.place(read);
    asm.alu(alu::ADD, R(3), DENTRY);
    asm.probe_at(frame::NEXT, 8, failed);
    asm.load(size::DW, R(1), FP, frame::NEXT);
    asm.jump(jmp::JEQ, R(1), 0, done);
    asm.store(size::DW, MEMORY, FIRST, R(1));
    asm.probe(frame::NAME, 8, DENTRY, node("name"), failed);
    asm.mov(R(1), MEMORY);
    asm.alu(alu::ADD, R(1), i32::from(NAME));
    asm.mov(R(2), NAME_MAX + 1);
    asm.load(size::DW, R(3), FP, frame::NAME);
    asm.call(helper::PROBE_READ_KERNEL_STR);
    asm.jump(jmp::JSLE, R(0), 1, failed);
    asm.mov(R(5), R(0));
    asm.alu(alu::ADD, R(5), -1);
    asm.mov(R(3), MEMORY);
    asm.alu(alu::ADD, R(3), i32::from(NAME));
    prepend(&mut asm, failed);
    answer(&mut asm, on, ON);
    answer(&mut asm, done, DONE);
    answer(&mut asm, failed, FAILED);
    asm.finish(CGROUP_STEP, 1)
}

/// The frame of a walk.
mod walk {
    pub const SLOT: i16 = -4;
    pub const REGION: i16 = -16;
    pub const LEFT: i16 = -24;
    pub const NEXT: i16 = -32;
    pub const NUMBER: i16 = -40;
}

fn begin(asm: &mut Asm, failed: Label) {
    asm.store(size::DW, FP, walk::REGION, R(2));
    asm.store(size::DW, FP, walk::NUMBER, R(1));
    asm.slot(walk::SLOT, failed);
    asm.mov(MEMORY, R(0));
    asm.mov(R(1), END);
    asm.store(size::DW, MEMORY, PLACE, R(1));
    asm.store(size::DW, MEMORY, WORK + END as i16, 0);
}

/// Goes up until the root is reached, copies the path to its region, and returns its length.
///
/// The verifier follows each iteration, but a step only once: it is a function of its own.
fn walk(asm: &mut Asm, step: &'static str, last: i16, failed: Label) {
    let (again, done, named) = (asm.label(), asm.label(), asm.label());
    // A number that comes from a register is known to every verifier when it is read back.
    asm.mov(R(1), DEPTH_MAX);
    asm.store(size::DW, FP, walk::LEFT, R(1));
    asm.place(again);
    asm.note("step by step");
    asm.load(size::DW, R(1), FP, walk::LEFT);
    asm.alu(alu::ADD, R(1), -1);
    asm.jump(jmp::JEQ, R(1), 0, failed);
    asm.store(size::DW, FP, walk::LEFT, R(1));
    asm.load(size::DW, R(1), FP, walk::NUMBER);
    asm.invoke(step);
    asm.jump(jmp::JEQ, R(0), ON, again);
    asm.place(done);
    asm.jump(jmp::JNE, R(0), DONE, failed);
    asm.note("the root itself has no name");
    asm.load(size::DW, AT, MEMORY, PLACE);
    asm.jump(jmp::JNE, AT, END, named);
    asm.mov(AT, END - 1);
    asm.store(size::B, MEMORY, WORK + END as i16 - 1, i32::from(b'/'));
    asm.place(named);
    asm.note("copy the path to where the program wants it");
    asm.alu(alu::AND, AT, END - 1);
    asm.load(size::DW, R(1), FP, walk::REGION);
    asm.jump(jmp::JGT, R(1), i32::from(last), failed);
    asm.alu(alu::ADD, R(1), MEMORY);
    asm.mov(R(2), END + 1);
    asm.alu(alu::SUB, R(2), AT);
    asm.mov(R(3), MEMORY);
    asm.alu(alu::ADD, R(3), AT);
    asm.alu(alu::ADD, R(3), i32::from(WORK));
    asm.call(helper::PROBE_READ_KERNEL);
    asm.jump(jmp::JNE, R(0), 0, failed);
    asm.mov(R(0), END);
    asm.alu(alu::SUB, R(0), AT);
    asm.exit();
    answer(asm, failed, -1);
}

/// `krs_path(slot, region)`
///
/// From a dentry to the root of its mount, from there to where that is mounted, up to the mount that is mounted
/// nowhere: the root of the mount namespace. Unlike `bpf_d_path` it does not stop at the root of the task, which the task
/// chooses itself by chroot(2), and it works on every hook. What was unlinked ends in ` (deleted)`, as in `/proc`.
pub(super) fn path(last: i16) -> Function {
    let mut asm = Asm::default();
    let (failed, there) = (asm.label(), asm.label());
    asm.note("the dentry and the mount that the program asks about");
    begin(&mut asm, failed);
    asm.load(size::DW, DENTRY, MEMORY, FIRST);
    asm.load(size::DW, MOUNT, MEMORY, SECOND);
    asm.offset(R(1), mount(&[("mnt", Shape::Struct)]));
    asm.alu(alu::SUB, MOUNT, R(1));
    asm.store(size::DW, MEMORY, SECOND, MOUNT);
    asm.probe(walk::NEXT, 8, MOUNT, mount_root(), failed);
    asm.load(size::DW, R(1), FP, walk::NEXT);
    asm.store(size::DW, MEMORY, ROOT, R(1));
    asm.note("what is in no directory any more is deleted");
    asm.jump(jmp::JEQ, DENTRY, R(1), there);
    asm.probe(walk::NEXT, 8, DENTRY, dentry(&[("d_hash", Shape::Struct), ("pprev", Shape::Pointer)]), failed);
    asm.load(size::DW, R(1), FP, walk::NEXT);
    asm.jump(jmp::JNE, R(1), 0, there);
    for (at, piece) in b" (deleted)".chunks(2).enumerate() {
        let word = i32::from(u16::from_le_bytes([piece[0], piece[1]]));
        asm.store(size::H, MEMORY, WORK + END as i16 - 10 + 2 * at as i16, word);
    }
    asm.mov(R(1), END - 10);
    asm.store(size::DW, MEMORY, PLACE, R(1));
    asm.place(there);
    walk(&mut asm, PATH_STEP, last, failed);
    asm.finish(PATH, 2)
}

/// `krs_cgroup(slot, region)`
pub(super) fn cgroup(last: i16) -> Function {
    let mut asm = Asm::default();
    let failed = asm.label();
    asm.note("the node that the program asks about");
    begin(&mut asm, failed);
    walk(&mut asm, CGROUP_STEP, last, failed);
    asm.finish(CGROUP, 2)
}
