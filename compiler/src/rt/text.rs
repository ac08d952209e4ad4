//! Scratch slots and paths: functions that claim memory and build paths in it, from the last component to the
//! root.
//!
//! ```text
//! krs_path_near    components by direct loads, while the dentry is typed and names are short
//! krs_path         calls krs_path_step, each of which walks up 16 components or mounts
//! krs_cgroup       calls krs_cgroup_step, likewise for kernfs nodes
//! ```
//!
//! A walk takes no lock. It runs in the RCU read-side critical section of the program and ends at the first
//! read that faults; a concurrent rename can produce a path that mixes old and new components.
//!
//! The verifier follows every iteration of a loop. Steps are global functions, so that it checks the body of
//! a step once and otherwise follows only the calls.
//!
//! Absent: comparisons of texts, which `whole_text`, `automaton` and the programs themselves have.

use super::{
    Asm, CGROUP, CGROUP_STEP, CLAIM, COUNT, Checked, END, FIRST, FP, Function, HASHED, MOUNT, NUMBER, PATH, PATH_NEAR,
    PATH_STEP, PLACE, R, ROOT, SECOND, SLOTS, Target, WORK, alu, field, helper, jmp, size,
};
use crate::access::{Access, Shape};
use crate::helper::TYPED_TASK;
use crate::hir::UNREACHABLE;
use crate::relocation::RelocationKind;

/// The most components that are walked by direct loads; most paths have no more. The verifier checks them at
/// each call.
const NEAR_MAX: i32 = 8;
/// The most bytes of a short name, embedded in its dentry, that are read by loads; newer kernels have room
/// for 40 bytes there.
const SHORT_MAX: i32 = 32;

/// The most components and mounts of one step. The verifier follows each of them.
const STEP_MAX: i32 = 16;
/// The most steps of a walk: as many components as fit into a path, and some mounts.
const STEPS_MAX: i32 = 138;
/// The maximum length of a component, `NAME_MAX` of the kernel.
const NAME_MAX: i32 = 255;
/// Offset in a slot at which names of cgroups are read, after the end of the path.
const NAME: i16 = WORK + 4096 + 8;

/// Generates the function `krs_claim()`.
pub(super) fn claim() -> Function {
    let mut asm = Asm::default();
    let none = asm.target();
    asm.note("scratch memory that no other program on this processor uses");
    for slot in 0..SLOTS {
        let taken = asm.target();
        asm.store(size::W, FP, -4, slot);
        asm.find_slot(-4, none);
        asm.mov(R(1), 1);
        asm.add_atomic(R(0), R(1));
        asm.load(size::DW, R(2), R(0), COUNT);
        asm.jump(jmp::JNE, R(2), 1, taken);
        asm.store(size::DW, R(0), NUMBER, slot);
        asm.exit();
        asm.bind(taken);
        asm.mov(R(1), -1);
        asm.add_atomic(R(0), R(1));
    }
    asm.bind(none);
    asm.mov(R(0), 0);
    asm.exit();
    Function { checked: Checked::EachCall, ..asm.finish(CLAIM, 0) }
}

/// Results of a step: not finished, the root was reached, or a read failed.
const ON: i32 = 0;
const DONE: i32 = 1;
const FAILED: i32 = 2;

const AT_NODE: R = R(6);
const MEMORY: R = R(7);
const LEFT: R = R(9);

/// Stack offsets of a step.
mod frame {
    pub const SLOT: i16 = -4;
    /// A copy of `struct qstr`: hash, length, name.
    pub const NAME: i16 = -24;
    pub const NAME_LENGTH: i16 = -20;
    pub const NAME_POINTER: i16 = -16;
    pub const NEXT: i16 = NAME - 8;
}

/// Targets of a step, by its result.
struct Ends {
    on: Target,
    done: Target,
    failed: Target,
}

/// Generates a step, which repeats `up` from the node in `AT_NODE`. If `up` falls through, the walk
/// continues.
///
/// The verifier follows every iteration. Its state at the end of one is the same on every path, so that it
/// prunes all paths but one: `up` keeps nothing but the node in registers, and the position in the path is in
/// the slot, whose contents the verifier does not track.
fn step(name: &'static str, up: impl Fn(&mut Asm, &Ends)) -> Function {
    let mut asm = Asm::default();
    let again = asm.target();
    let ends = Ends { on: asm.target(), done: asm.target(), failed: asm.target() };
    asm.note("the path so far");
    asm.slot(frame::SLOT, ends.failed);
    asm.mov(MEMORY, R(0));
    asm.load(size::DW, AT_NODE, MEMORY, FIRST);
    asm.mov(LEFT, STEP_MAX);
    asm.bind(again);
    up(&mut asm, &ends);
    asm.bind(ends.on);
    asm.alu(alu::ADD, LEFT, -1);
    asm.jump(jmp::JNE, LEFT, 0, again);
    asm.store(size::DW, MEMORY, FIRST, AT_NODE);
    asm.mov(R(0), ON);
    asm.exit();
    return_value(&mut asm, ends.done, DONE);
    return_value(&mut asm, ends.failed, FAILED);
    asm.finish(name, 1)
}

/// Reserves space for a `/` and a name of `r5` bytes in front of the path, and writes the `/`. It is at `r2 +
/// WORK`.
fn before(asm: &mut Asm, most: i32, failed: Target) {
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

/// Prepends a `/` and the name of `r5` bytes at the address in `r3`.
fn prepend(asm: &mut Asm, failed: Target) {
    before(asm, NAME_MAX, failed);
    asm.sum(R(1), R(2), i32::from(WORK) + 1);
    asm.mov(R(2), R(5));
    asm.alu(alu::AND, R(2), NAME_MAX);
    asm.call(helper::PROBE_READ_KERNEL);
    asm.jump(jmp::JNE, R(0), 0, failed);
}

fn return_value(asm: &mut Asm, label: Target, return_value: i32) {
    asm.bind(label);
    asm.mov(R(0), return_value);
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

/// Generates the function `krs_path_near(memory, dentry)`.
///
/// Walks up from a typed dentry towards the root of its mount, as long as names are short, i.e. embedded in
/// their dentries. [`path`] does the rest, including unlinked files and unexpected states.
pub(super) fn path_near() -> Function {
    const PARENT: R = R(8);
    let mut asm = Asm::default();
    let [again, renamed, inline, whole, out] = [(); 5].map(|()| asm.target());
    asm.note("a hashed dentry");
    asm.mov(MEMORY, R(1));
    asm.mov(AT_NODE, R(2));
    asm.load(size::DW, R(1), MEMORY, HASHED);
    asm.jump(jmp::JEQ, R(1), 0, out);
    asm.mov(LEFT, NEAR_MAX);
    asm.bind(again);
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
    asm.bind(renamed);
    asm.offset(R(1), newer);
    asm.bind(inline);
    asm.alu(alu::ADD, R(1), AT_NODE);
    asm.load_field(size::DW, R(3), AT_NODE, dentry(&[("d_name", Shape::Struct), ("name", Shape::Pointer)]));
    asm.jump(jmp::JNE, R(3), R(1), out);
    let length = ("len", Shape::Int { bytes: 4, signed: false });
    asm.load_field(size::W, R(5), AT_NODE, dentry(&[("d_name", Shape::Struct), length]));
    before(&mut asm, SHORT_MAX, out);
    asm.note("in words; the bytes that the last one overwrites are restored");
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
    asm.bind(whole);
    asm.store(size::DW, end, name, behind);
    asm.mov(AT_NODE, PARENT);
    asm.alu(alu::ADD, LEFT, -1);
    asm.jump(jmp::JNE, LEFT, 0, again);
    asm.bind(out);
    asm.store(size::DW, MEMORY, FIRST, AT_NODE);
    asm.mov(R(0), 0);
    asm.exit();
    Function { checked: Checked::EachCall, ..asm.finish(PATH_NEAR, 2) }
}

/// Generates the function `krs_path_step(slot)`, which walks up components and mounts.
pub(super) fn path_step() -> Function {
    step(PATH_STEP, |asm, ends| {
        let ([component, cross, unreachable], at) = ([(); 3].map(|()| asm.target()), R(8));
        asm.load(size::DW, R(1), MEMORY, ROOT);
        asm.jump(jmp::JNE, AT_NODE, R(1), component);
        asm.note("from the root of a mount to its mount point");
        asm.load(size::DW, at, MEMORY, MOUNT);
        asm.load(size::DW, R(1), MEMORY, SECOND);
        asm.jump(jmp::JNE, at, R(1), cross);
        reachable(asm, at, ends, unreachable);

        asm.bind(cross);
        asm.store(size::DW, MEMORY, SECOND, at);
        asm.load(size::DW, AT_NODE, MEMORY, MOUNT + 8);
        let root = field("mount", &[("mnt", Shape::Struct), ("mnt_root", Shape::Pointer)]);
        let fields = [(8, mount("mnt_parent")), (8, mount("mnt_mountpoint")), (8, root)];
        asm.probe_all((MEMORY, MOUNT), at, fields, ends.failed);
        asm.goto(ends.on);

        asm.bind(component);
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
        asm.note("files without a directory, such as those of memfd_create, are their own parent");
        asm.mov(at, AT_NODE);
        asm.load(size::DW, AT_NODE, FP, frame::NEXT);
        asm.jump(jmp::JNE, AT_NODE, at, ends.on);
        asm.load(size::DW, R(2), MEMORY, PLACE);
        asm.alu(alu::AND, R(2), END - 1);
        asm.mov(R(1), R(2));
        asm.alu(alu::ADD, R(2), MEMORY);
        asm.load(size::B, R(2), R(2), WORK + 1);
        asm.jump(jmp::JNE, R(2), i32::from(b'/'), ends.done);
        asm.note("a root that is not that of the mount: no directory of the mount leads to the file");
        asm.alu(alu::ADD, R(1), 2);
        asm.store(size::DW, MEMORY, PLACE, R(1));
        asm.bind(unreachable);
        begin_unreachable(asm, ends);
    })
}

/// Ends a walk at the mount in `at`, which has no parent: jumps to `unreachable` if it is not the root of a
/// mount namespace.
///
/// ```text
/// mount                                                     mount.mnt_ns
/// root of a namespace                                       the namespace
/// open_tree(2) with OPEN_TREE_CLONE, fsmount(2)             an anonymous namespace: ns.inum is 0,
///                                                           since 6.18 MNT_NS_ANON_INO
/// umount2(2) with MNT_DETACH, a namespace that has ended    null
/// layers of overlayfs, memfd_create(2), pipes               ERR_PTR(-EINVAL), MNT_NS_INTERNAL
/// ```
///
/// Sources: fs/mount.h and fs/namespace.c. The root of the task's own namespace is recognised without a copy.
fn reachable(asm: &mut Asm, at: R, ends: &Ends, unreachable: Target) {
    const MNT_NS_ANON_INO: u64 = 0xefff_fff7;
    const MAX_ERRNO: i32 = 4095;
    let slow = asm.target();
    let pointer = |root, name| field(root, &[(name, Shape::Pointer)]);
    asm.note("the root of the task's mount namespace");
    let (of, value) = TYPED_TASK;
    asm.relocate(RelocationKind::EnumValueExists { name: of.into(), value: value.into() });
    asm.mov(R(1), 1);
    asm.jump(jmp::JEQ, R(1), 0, slow);
    asm.call(helper::GET_CURRENT_TASK_BTF);
    asm.load_field(size::DW, R(1), R(0), pointer("task_struct", "nsproxy"));
    // A task that exits has given its namespaces back.
    asm.jump(jmp::JEQ, R(1), 0, slow);
    asm.load_field(size::DW, R(1), R(1), pointer("nsproxy", "mnt_ns"));
    asm.jump(jmp::JEQ, R(1), 0, slow);
    asm.load_field(size::DW, R(1), R(1), pointer("mnt_namespace", "root"));
    asm.jump(jmp::JEQ, at, R(1), ends.done);
    asm.bind(slow);
    asm.note("the root of another namespace, or of none");
    asm.probe(frame::NEXT, 8, at, mount("mnt_ns"), ends.failed);
    asm.load(size::DW, R(3), FP, frame::NEXT);
    asm.jump(jmp::JEQ, R(3), 0, unreachable);
    asm.jump(jmp::JGE, R(3), -MAX_ERRNO, unreachable);
    let inum = ("inum", Shape::Int { bytes: 4, signed: false });
    asm.offset(R(1), field("mnt_namespace", &[("ns", Shape::Struct), inum]));
    asm.alu(alu::ADD, R(3), R(1));
    asm.probe_at((FP, frame::NEXT), 4, ends.failed);
    asm.load(size::W, R(1), FP, frame::NEXT);
    asm.jump(jmp::JEQ, R(1), 0, unreachable);
    asm.wide(R(2), MNT_NS_ANON_INO);
    asm.jump(jmp::JNE, R(1), R(2), ends.done);
    asm.goto(unreachable);
}

/// Ends a walk whose file no path from a root leads to.
fn begin_unreachable(asm: &mut Asm, ends: &Ends) {
    let text = UNREACHABLE;
    asm.note("no path leads to the file");
    asm.load(size::DW, R(2), MEMORY, PLACE);
    asm.alu(alu::ADD, R(2), -(text.len() as i32));
    asm.jump(jmp::JSLT, R(2), 0, ends.failed);
    asm.alu(alu::AND, R(2), END - 1);
    asm.store(size::DW, MEMORY, PLACE, R(2));
    asm.alu(alu::ADD, R(2), MEMORY);
    for (at, byte) in text.iter().enumerate() {
        asm.store(size::B, R(2), WORK + at as i16, i32::from(*byte));
    }
    asm.goto(ends.done);
}

/// Generates the function `krs_cgroup_step(slot)`, which walks up kernfs nodes.
pub(super) fn cgroup_step() -> Function {
    let node = |name| field("kernfs_node", &[(name, Shape::Pointer)]);
    step(CGROUP_STEP, |asm, ends| {
        let (renamed, read) = (asm.target(), asm.target());
        asm.note("one component up");
        asm.relocate(RelocationKind::FieldExists(node("__parent")));
        asm.mov(R(1), 1);
        asm.jump(jmp::JNE, R(1), 0, renamed);
        asm.offset(R(3), node("parent"));
        asm.goto(read);
        asm.bind(renamed);
        asm.offset(R(3), node("__parent"));
        asm.bind(read);
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

/// Bytes per iteration of the loop that copies the finished path.
const COPIED: i16 = 32;

/// Saves the arguments of a walk, and terminates the path with a NUL.
fn begin(asm: &mut Asm, failed: Target) {
    asm.mov(R(6), R(1));
    asm.mov(R(8), R(2));
    asm.slot(frame::SLOT, failed);
    asm.mov(MEMORY, R(0));
    asm.store(size::DW, MEMORY, WORK + END as i16, 0);
}

/// Walks up to the root, copies the path to its region, and returns its length.
///
/// The verifier follows every call of a step but checks the step, a global function, only once.
fn walk(asm: &mut Asm, step: &'static str, last: i16, failed: Target) {
    let (slot, region, place, to, from) = (R(6), R(8), R(8), R(1), R(3));
    let [again, ended, named, copy] = [(); 4].map(|()| asm.target());
    asm.mov(LEFT, STEPS_MAX);
    asm.bind(again);
    asm.note("step by step");
    asm.mov(R(1), slot);
    asm.invoke(step);
    asm.jump(jmp::JNE, R(0), ON, ended);
    asm.alu(alu::ADD, LEFT, -1);
    asm.jump(jmp::JNE, LEFT, 0, again);
    asm.goto(failed);
    asm.bind(ended);
    asm.jump(jmp::JNE, R(0), DONE, failed);
    asm.jump(jmp::JGT, region, i32::from(last), failed);
    asm.mov(to, MEMORY);
    asm.alu(alu::ADD, to, region);
    asm.note("the root itself has no name");
    asm.load(size::DW, place, MEMORY, PLACE);
    asm.jump(jmp::JNE, place, END, named);
    asm.mov(place, END - 1);
    asm.store(size::B, MEMORY, WORK + END as i16 - 1, i32::from(b'/'));
    asm.bind(named);
    asm.note("copy the path, its NUL and some bytes after it, which nobody reads");
    asm.alu(alu::AND, place, END - 1);
    asm.mov(from, MEMORY);
    asm.alu(alu::ADD, from, place);
    asm.mov(R(0), END);
    asm.alu(alu::SUB, R(0), place);
    asm.mov(R(2), R(0));
    asm.bind(copy);
    for at in (0..COPIED).step_by(8) {
        asm.load(size::DW, R(4), from, WORK + at);
        asm.store(size::DW, to, at, R(4));
    }
    asm.alu(alu::ADD, from, i32::from(COPIED));
    asm.alu(alu::ADD, to, i32::from(COPIED));
    asm.alu(alu::ADD, R(2), -i32::from(COPIED));
    asm.jump(jmp::JSGE, R(2), 0, copy);
    asm.exit();
    return_value(asm, failed, -1);
}

/// Generates the function `krs_path(slot, region)`.
///
/// The walk goes from a dentry to the root of its mount, from there to the mount point, and so on up to the
/// mount without a parent, the root of the mount namespace. Unlike `bpf_d_path`, it does not stop at the root
/// of the task, which the task itself chooses by chroot(2), and it works on every hook. The path of an
/// unlinked file ends in ` (deleted)`, as in `/proc`. A text of a file that no path leads to begins with
/// [`UNREACHABLE`]: a text without it would equal the path of another file.
pub(super) fn path(last: i16) -> Function {
    let mut asm = Asm::default();
    let (failed, there) = (asm.target(), asm.target());
    asm.note("the dentry and the mount to start from");
    begin(&mut asm, failed);
    let at = LEFT;
    asm.load(size::DW, at, MEMORY, SECOND);
    asm.offset(R(1), field("mount", &[("mnt", Shape::Struct)]));
    asm.alu(alu::SUB, at, R(1));
    asm.store(size::DW, MEMORY, SECOND, at);
    asm.probe_all((MEMORY, MOUNT), at, [(8, mount("mnt_parent")), (8, mount("mnt_mountpoint"))], failed);
    asm.load(size::DW, R(1), MEMORY, ROOT);
    asm.jump(jmp::JEQ, R(1), 0, failed);
    asm.note("an unhashed dentry was deleted");
    asm.load(size::DW, R(2), MEMORY, HASHED);
    asm.jump(jmp::JNE, R(2), 0, there);
    asm.load(size::DW, R(2), MEMORY, FIRST);
    asm.jump(jmp::JEQ, R(2), R(1), there);
    for (at, piece) in b" (deleted)".chunks(2).enumerate() {
        let word = i32::from(u16::from_le_bytes([piece[0], piece[1]]));
        asm.store(size::H, MEMORY, WORK + END as i16 - 10 + 2 * at as i16, word);
    }
    asm.store(size::DW, MEMORY, PLACE, END - 10);
    asm.bind(there);
    walk(&mut asm, PATH_STEP, last, failed);
    asm.finish(PATH, 2)
}

/// Generates the function `krs_cgroup(slot, region)`.
pub(super) fn cgroup(last: i16) -> Function {
    let mut asm = Asm::default();
    let failed = asm.target();
    asm.note("the node to start from");
    begin(&mut asm, failed);
    walk(&mut asm, CGROUP_STEP, last, failed);
    asm.finish(CGROUP, 2)
}
