//! Texts: claiming memory for them, and paths.

use super::{
    Asm, CGROUP, CGROUP_STEP, CLAIM, COUNT, END, FIRST, FP, HASHED, Label, MOUNT, NUMBER, PATH, PATH_NEAR, PATH_STEP,
    PLACE, R, ROOT, SECOND, SLOTS, WORK, alu, field, helper, jmp, size,
};
use crate::access::{Access, Shape};
use crate::bpf::{Checked, Function, RelocationKind};

/// Components that are gone up by loads, at most: most files have no more. The verifier follows them with each call.
const NEAR_MAX: i32 = 8;
/// Of a short name, which is in its dentry, so much is had by loads; newer kernels have 40 bytes there.
const SHORT_MAX: i32 = 32;

/// Components and mounts that a step goes up, at most. More are more for the verifier to follow, which looks at them one by one.
const STEP_MAX: i32 = 16;
/// Steps on the way to the root, at most: as many components as fit into a path, and some mounts.
const STEPS_MAX: i32 = 138;
/// The longest name of a component, `NAME_MAX`.
const NAME_MAX: i32 = 255;
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

const AT_NODE: R = R(6);
const MEMORY: R = R(7);
const LEFT: R = R(9);

/// The frame of a step.
mod frame {
    pub const SLOT: i16 = -4;
    /// `struct qstr`: hash, length, name
    pub const NAME: i16 = -24;
    pub const NAME_LENGTH: i16 = -20;
    pub const NAME_POINTER: i16 = -16;
    pub const NEXT: i16 = NAME - 8;
}

/// What a step can come to.
struct Ends {
    on: Label,
    done: Label,
    failed: Label,
}

/// A step: goes up from what is in `AT_NODE`, time and again. What `up` does not lead elsewhere has come to the root.
///
/// The verifier follows each round. What it knows is the same in all of them, whichever way they came: so `up` has nothing in
/// registers but the node, and how far the path has come is read from the slot and written there.
fn step(name: &'static str, up: impl Fn(&mut Asm, &Ends)) -> Function {
    let mut asm = Asm::default();
    let again = asm.label();
    let ends = Ends { on: asm.label(), done: asm.label(), failed: asm.label() };
    asm.note("where the path has come to");
    asm.slot(frame::SLOT, ends.failed);
    asm.mov(MEMORY, R(0));
    asm.load(size::DW, AT_NODE, MEMORY, FIRST);
    asm.mov(LEFT, STEP_MAX);
    asm.place(again);
    up(&mut asm, &ends);
    asm.place(ends.on);
    asm.alu(alu::ADD, LEFT, -1);
    asm.jump(jmp::JNE, LEFT, 0, again);
    asm.store(size::DW, MEMORY, FIRST, AT_NODE);
    asm.mov(R(0), ON);
    asm.exit();
    answer(&mut asm, ends.done, DONE);
    answer(&mut asm, ends.failed, FAILED);
    asm.finish(name, 1)
}

/// `r2 =` where a name as long as `r5` says begins with its `/`, before what is there; counted from the slot's beginning where
/// the work room's is.
fn before(asm: &mut Asm, most: i32, failed: Label) {
    asm.jump(jmp::JEQ, R(5), 0, failed);
    asm.jump(jmp::JGT, R(5), most, failed);
    asm.load(size::DW, R(2), MEMORY, PLACE);
    asm.alu(alu::SUB, R(2), R(5));
    asm.alu(alu::ADD, R(2), -1);
    asm.jump(jmp::JSLT, R(2), 0, failed);
    asm.alu(alu::AND, R(2), END - 1);
    asm.store(size::DW, MEMORY, PLACE, R(2));
    asm.alu(alu::ADD, R(2), MEMORY);
    asm.store(size::B, R(2), WORK, i32::from(b'/'));
}

/// Puts `/` and the name at the address in `r3`, as long as `r5` says, before what is there.
fn prepend(asm: &mut Asm, failed: Label) {
    before(asm, NAME_MAX, failed);
    asm.sum(R(1), R(2), i32::from(WORK) + 1);
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

fn parent() -> Access {
    dentry(&[("d_parent", Shape::Pointer)])
}

fn mount(name: &str) -> Access {
    field("mount", &[(name, Shape::Pointer)])
}

/// `krs_path_near(memory, dentry)`
///
/// Goes up from a dentry that the verifier knows as one, towards the root of its mount, as long as names are short: those are
/// in their dentries. The rest is [`path`]'s, as is what is in no directory, or not as it should be.
pub(super) fn path_near() -> Function {
    const PARENT: R = R(8);
    let mut asm = Asm::default();
    let [again, renamed, inline, whole, out] = [(); 5].map(|()| asm.label());
    asm.note("a dentry in its directory");
    asm.mov(MEMORY, R(1));
    asm.mov(AT_NODE, R(2));
    asm.load(size::DW, R(1), MEMORY, HASHED);
    asm.jump(jmp::JEQ, R(1), 0, out);
    asm.mov(LEFT, NEAR_MAX);
    asm.place(again);
    asm.load(size::DW, R(1), MEMORY, ROOT);
    asm.jump(jmp::JEQ, AT_NODE, R(1), out);
    asm.load_field(size::DW, PARENT, AT_NODE, parent());
    asm.jump(jmp::JEQ, AT_NODE, PARENT, out);
    asm.note("a short name");
    let element = Box::new(Shape::Int { bytes: 1, signed: false });
    let older = dentry(&[("d_iname", Shape::Array { element, count: 1 })]);
    let newer = dentry(&[("d_shortname", Shape::Union)]);
    asm.relocate(RelocationKind::FieldExists(newer.clone()));
    asm.mov(R(1), 1);
    asm.jump(jmp::JNE, R(1), 0, renamed);
    asm.offset(R(1), older);
    asm.goto(inline);
    asm.place(renamed);
    asm.offset(R(1), newer);
    asm.place(inline);
    asm.alu(alu::ADD, R(1), AT_NODE);
    asm.load_field(size::DW, R(3), AT_NODE, dentry(&[("d_name", Shape::Struct), ("name", Shape::Pointer)]));
    asm.jump(jmp::JNE, R(3), R(1), out);
    let length = ("len", Shape::Int { bytes: 4, signed: false });
    asm.load_field(size::W, R(5), AT_NODE, dentry(&[("d_name", Shape::Struct), length]));
    before(&mut asm, SHORT_MAX, out);
    asm.note("in words: what the last one writes over is put back");
    let (name, end, behind) = (WORK + 1, R(4), R(0));
    asm.mov(end, R(2));
    asm.alu(alu::ADD, end, R(5));
    asm.load(size::DW, behind, end, name);
    for at in (0..SHORT_MAX).step_by(8) {
        if at > 0 {
            asm.jump(jmp::JLE, R(5), at, whole);
        }
        asm.load(size::DW, R(3), R(1), at as i16);
        asm.store(size::DW, R(2), name + at as i16, R(3));
    }
    asm.place(whole);
    asm.store(size::DW, end, name, behind);
    asm.mov(AT_NODE, PARENT);
    asm.alu(alu::ADD, LEFT, -1);
    asm.jump(jmp::JNE, LEFT, 0, again);
    asm.place(out);
    asm.store(size::DW, MEMORY, FIRST, AT_NODE);
    asm.mov(R(0), 0);
    asm.exit();
    Function { checked: Checked::EachCall, ..asm.finish(PATH_NEAR, 2) }
}

/// `krs_path_step(slot)`: components, and mounts, up.
pub(super) fn path_step() -> Function {
    step(PATH_STEP, |asm, ends| {
        let (component, at) = (asm.label(), R(8));
        asm.load(size::DW, R(1), MEMORY, ROOT);
        asm.jump(jmp::JNE, AT_NODE, R(1), component);
        asm.note("from the root of a mount to where it is mounted");
        asm.load(size::DW, at, MEMORY, MOUNT);
        asm.load(size::DW, R(1), MEMORY, SECOND);
        asm.jump(jmp::JEQ, at, R(1), ends.done);
        asm.store(size::DW, MEMORY, SECOND, at);
        asm.load(size::DW, AT_NODE, MEMORY, MOUNT + 8);
        let root = field("mount", &[("mnt", Shape::Struct), ("mnt_root", Shape::Pointer)]);
        let fields = [(8, mount("mnt_parent")), (8, mount("mnt_mountpoint")), (8, root)];
        asm.probe_all((MEMORY, MOUNT), at, fields, ends.failed);
        asm.goto(ends.on);

        asm.place(component);
        asm.note("one component up");
        asm.probe_all(
            (FP, frame::NEXT),
            AT_NODE,
            [(8, parent()), (16, dentry(&[("d_name", Shape::Struct)]))],
            ends.failed,
        );
        asm.load(size::W, R(5), FP, frame::NAME_LENGTH);
        asm.load(size::DW, R(3), FP, frame::NAME_POINTER);
        prepend(asm, ends.failed);
        asm.note("files without a place, such as those of memfd_create, are their own parent");
        asm.mov(at, AT_NODE);
        asm.load(size::DW, AT_NODE, FP, frame::NEXT);
        asm.jump(jmp::JEQ, AT_NODE, at, ends.done);
    })
}

/// `krs_cgroup_step(slot)`: nodes up.
pub(super) fn cgroup_step() -> Function {
    let node = |name| field("kernfs_node", &[(name, Shape::Pointer)]);
    step(CGROUP_STEP, |asm, ends| {
        let (renamed, read) = (asm.label(), asm.label());
        asm.note("one component up");
        asm.relocate(RelocationKind::FieldExists(node("__parent")));
        asm.mov(R(1), 1);
        asm.jump(jmp::JNE, R(1), 0, renamed);
        asm.offset(R(3), node("parent"));
        asm.goto(read);
        asm.place(renamed);
        asm.offset(R(3), node("__parent"));
        asm.place(read);
        asm.alu(alu::ADD, R(3), AT_NODE);
        asm.probe_at((FP, frame::NEXT), 8, ends.failed);
        asm.load(size::DW, R(1), FP, frame::NEXT);
        asm.jump(jmp::JEQ, R(1), 0, ends.done);
        asm.probe(frame::NAME, 8, AT_NODE, node("name"), ends.failed);
        asm.load(size::DW, AT_NODE, FP, frame::NEXT);
        asm.sum(R(1), MEMORY, i32::from(NAME));
        asm.mov(R(2), NAME_MAX + 1);
        asm.load(size::DW, R(3), FP, frame::NAME);
        asm.call(helper::PROBE_READ_KERNEL_STR);
        asm.jump(jmp::JSLE, R(0), 1, ends.failed);
        asm.sum(R(5), R(0), -1);
        asm.sum(R(3), MEMORY, i32::from(NAME));
        prepend(asm, ends.failed);
    })
}

/// Bytes of a finished path that are copied at once.
const COPIED: i16 = 32;

/// Keeps what a walk is called with, and ends the path.
fn begin(asm: &mut Asm, failed: Label) {
    asm.mov(R(6), R(1));
    asm.mov(R(8), R(2));
    asm.slot(frame::SLOT, failed);
    asm.mov(MEMORY, R(0));
    asm.store(size::DW, MEMORY, WORK + END as i16, 0);
}

/// Goes up until the root is reached, copies the path to its region, and returns its length.
///
/// The verifier follows each call of a step, but looks into it only once: it is a function of its own.
fn walk(asm: &mut Asm, step: &'static str, last: i16, failed: Label) {
    let (slot, region, place, to, from) = (R(6), R(8), R(8), R(1), R(3));
    let [again, ended, named, copy] = [(); 4].map(|()| asm.label());
    asm.mov(LEFT, STEPS_MAX);
    asm.place(again);
    asm.note("step by step");
    asm.mov(R(1), slot);
    asm.invoke(step);
    asm.jump(jmp::JNE, R(0), ON, ended);
    asm.alu(alu::ADD, LEFT, -1);
    asm.jump(jmp::JNE, LEFT, 0, again);
    asm.goto(failed);
    asm.place(ended);
    asm.jump(jmp::JNE, R(0), DONE, failed);
    asm.jump(jmp::JGT, region, i32::from(last), failed);
    asm.mov(to, MEMORY);
    asm.alu(alu::ADD, to, region);
    asm.note("the root itself has no name");
    asm.load(size::DW, place, MEMORY, PLACE);
    asm.jump(jmp::JNE, place, END, named);
    asm.mov(place, END - 1);
    asm.store(size::B, MEMORY, WORK + END as i16 - 1, i32::from(b'/'));
    asm.place(named);
    asm.note("the path and its NUL go to where the program wants them, and some of what is behind, which nobody reads");
    asm.alu(alu::AND, place, END - 1);
    asm.mov(from, MEMORY);
    asm.alu(alu::ADD, from, place);
    asm.mov(R(0), END);
    asm.alu(alu::SUB, R(0), place);
    asm.mov(R(2), R(0));
    asm.place(copy);
    for at in (0..COPIED).step_by(8) {
        asm.load(size::DW, R(4), from, WORK + at);
        asm.store(size::DW, to, at, R(4));
    }
    asm.alu(alu::ADD, from, i32::from(COPIED));
    asm.alu(alu::ADD, to, i32::from(COPIED));
    asm.alu(alu::ADD, R(2), -i32::from(COPIED));
    asm.jump(jmp::JSGE, R(2), 0, copy);
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
    let at = LEFT;
    asm.load(size::DW, at, MEMORY, SECOND);
    asm.offset(R(1), field("mount", &[("mnt", Shape::Struct)]));
    asm.alu(alu::SUB, at, R(1));
    asm.store(size::DW, MEMORY, SECOND, at);
    asm.probe_all((MEMORY, MOUNT), at, [(8, mount("mnt_parent")), (8, mount("mnt_mountpoint"))], failed);
    asm.load(size::DW, R(1), MEMORY, ROOT);
    asm.jump(jmp::JEQ, R(1), 0, failed);
    asm.note("what is in no directory any more is deleted");
    asm.load(size::DW, R(2), MEMORY, HASHED);
    asm.jump(jmp::JNE, R(2), 0, there);
    asm.load(size::DW, R(2), MEMORY, FIRST);
    asm.jump(jmp::JEQ, R(2), R(1), there);
    for (at, piece) in b" (deleted)".chunks(2).enumerate() {
        let word = i32::from(u16::from_le_bytes([piece[0], piece[1]]));
        asm.store(size::H, MEMORY, WORK + END as i16 - 10 + 2 * at as i16, word);
    }
    asm.store(size::DW, MEMORY, PLACE, END - 10);
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
