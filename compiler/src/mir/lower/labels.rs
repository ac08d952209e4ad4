//! Security labels of tasks, files and sockets: looked up at most once per object, changed at the end of the
//! program, kept while the object lives.
//!
//! ```text
//! file_open:  look up the labels of the task     at the first `is`
//!             tainted |= 1 << 0                  a matching rule marks the task: noted in a register
//!             krs_mark_task(key, set, clear)     before the exit
//! ```
//!
//! Each kind of object has one hash map (see `krsi_abi::labels`). Task storage is not used: it came after
//! 5.10, and its helpers require pointers that the verifier trusts. Objects are identified by a key that
//! survives as long as their labels must:
//!
//! - A *task* by the address of the first `task_struct` of its process. That struct exists before the process
//!   runs, while `task_alloc` is called, until its last thread is gone. If another thread executes a program,
//!   it becomes the first one: before the kernel kills the other threads, its entry is created as a copy that
//!   names the former first thread (`former`); afterwards the labels that the former one received in between
//!   are merged. Whichever of `bprm_committing_creds` and the `task_free` of the former thread comes first
//!   does so.
//! - A *file* by its file system, inode number and generation, so that labels outlive the inode in memory.
//! - A *socket* by the address of its `sock`.
//!
//! Marks are noted in a register per object while rules are evaluated, and applied when all have been: every
//! `is` sees the labels as they were before the operation. All clears are applied before all sets, so that
//! `mark` wins over `unmark` in any order, even if two expressions turn out to denote one object.

use std::collections::BTreeMap;

use krsi_abi::labels::{OBJECTS_MAX, Object};

use super::builder::{Builder, Target, ValueKey};
use crate::data::{Map, MapKind};
use crate::decision::{Graph, Node, Role, Verdict};
use crate::helper;
use crate::hir::walk::{each_in_atom, each_in_cond, each_in_value};
use crate::hir::{
    Access, Atom, AtomKind, Cond, LabelId, Policy, RuleId, Shape, TaskField, Ty, Value, ValueKind, is_new_task,
};
use crate::isa::{alu, jmp};
use crate::kernel::BOOL_HOOKS;
use crate::mir::{FRAME_POINTER, Inst, Operand, Reg, Terminator};
use crate::relocation::RelocationKind;
use crate::rt;

/// The clone flag `CLONE_THREAD`.
const THREAD: i32 = 0x0001_0000;
/// The superblock flag `SB_ACTIVE`, cleared when a file system is being shut down.
const ACTIVE: u32 = 1 << 30;
/// The flags `SB_KERNMOUNT` and `SB_NOUSER`: pipes, sockets and the like, whose inode numbers are reused.
const INTERNAL: u32 = 1 << 22 | 1 << 31;
/// File systems that may assign another inode number when they read a file again: FAT, exFAT and procfs.
const RENUMBERED: [i32; 3] = [0x4d44, 0x2011_bab0, 0x9fa0];
const EAGAIN: i32 = -11;
const ENOMEM: i32 = -12;

/// The objects whose labels a program tests or changes.
#[derive(Default)]
pub(super) struct Labels {
    /// Objects whose labels are tested.
    tested: Vec<TestedObject>,
    /// Objects that rules mark or unmark.
    marked: Vec<MarkedObject>,
}

struct TestedObject {
    object: Value,
    on: Object,
    /// The registers of the words of its value that are tested, by word.
    words: BTreeMap<usize, Reg>,
}

struct MarkedObject {
    object: Value,
    on: Object,
    /// Registers with the bits of the labels to set and to clear.
    set: Option<Reg>,
    clear: Option<Reg>,
}

/// Returns, by node, whether a path from a rule with marks leads to it.
pub(super) fn after_marks(policy: &Policy, graph: &Graph) -> Vec<bool> {
    let mut after = vec![false; graph.nodes.len()];
    for (at, node) in graph.nodes.iter().enumerate() {
        let marks = recorded(node).is_some_and(|rule| !policy.rules[rule.0 as usize].marks.is_empty());
        if marks || after[at] {
            node.edges().for_each(|next| after[next.index()] = true);
        }
    }
    after
}

/// Returns the rule whose effects a node performs.
fn recorded(node: &Node) -> Option<RuleId> {
    match node {
        Node::Record { rule, .. } | Node::RecordFound { rule, .. } => Some(*rule),
        _ => None,
    }
}

/// Visits every test of a graph, including those inside values.
fn tests<'p>(policy: &'p Policy, graph: &'p Graph, each: &mut impl FnMut(&'p Atom)) {
    for node in &graph.nodes {
        match node {
            Node::Test { atom, .. } => each_in_atom(atom, each),
            Node::Record { rule, .. } | Node::RecordFound { rule, .. } => {
                let audit = &policy.rules[rule.0 as usize].audit;
                audit.iter().flat_map(|audit| &audit.fields).for_each(|field| each_in_value(&field.value, each));
            }
            Node::Guard { .. }
            | Node::Find { .. }
            | Node::Mode { .. }
            | Node::TestMode { .. }
            | Node::TestVerdict { .. }
            | Node::Set { .. }
            | Node::Continue { .. }
            | Node::Call { .. }
            | Node::Exit { .. } => {}
        }
    }
}

fn field(root: &str, name: &str, shape: Shape) -> Access {
    rt::field(root, &[(name, shape)])
}

fn unsigned(bytes: u32) -> Shape {
    Shape::Int { bytes, signed: false }
}

impl Builder<'_> {
    /// Before any test: collects the objects whose labels the program uses, and performs the hook's own part
    /// in maintaining labels.
    pub(super) fn begin_labels(&mut self, graph: &Graph) {
        let policy = self.policy;
        if policy.labels.is_empty() {
            return;
        }
        let mut atoms = Vec::new();
        tests(policy, graph, &mut |atom| atoms.push(atom));
        let mut labels = Labels { tested: self.tested_objects(&atoms), marked: Vec::new() };
        for node in &graph.nodes {
            let Some(rule) = recorded(node) else { continue };
            for mark in &policy.rules[rule.0 as usize].marks {
                let at = labels.marked.iter().position(|known| known.object == mark.object).unwrap_or_else(|| {
                    let (object, on) = (mark.object.clone(), policy.labels[mark.label.index()].on);
                    labels.marked.push(MarkedObject { object, on, set: None, clear: None });
                    labels.marked.len() - 1
                });
                let marked = &mut labels.marked[at];
                let reg = if mark.set { &mut marked.set } else { &mut marked.clear };
                reg.get_or_insert_with(|| self.fresh());
            }
        }
        self.object_labels = labels;
        self.begin_marks();
        if graph.part.number == 0 && graph.part.role == Role::Decide {
            self.inherit();
        }
    }

    /// Collects the objects whose labels an ancestor predicate tests.
    pub(super) fn begin_ancestor_labels(&mut self, cond: &Cond) {
        let mut atoms = Vec::new();
        each_in_cond(cond, &mut |atom| atoms.push(atom));
        self.object_labels.tested = self.tested_objects(&atoms);
    }

    fn tested_objects(&mut self, atoms: &[&Atom]) -> Vec<TestedObject> {
        let mut all: Vec<TestedObject> = Vec::new();
        for atom in atoms {
            let AtomKind::Label { object, label } = &atom.kind else { continue };
            let at = all.iter().position(|tested| tested.object == *object).unwrap_or_else(|| {
                let (object, on) = (object.clone(), self.policy.labels[label.index()].on);
                all.push(TestedObject { object, on, words: BTreeMap::new() });
                all.len() - 1
            });
            all[at].words.entry(self.policy.label_byte(*label) / 8).or_insert_with(|| self.fresh());
        }
        all
    }

    /// Clears the registers of marks.
    fn begin_marks(&mut self) {
        let marks: Vec<Reg> =
            self.object_labels.marked.iter().flat_map(|marked| [marked.set, marked.clear]).flatten().collect();
        for dst in marks {
            self.push(Inst::Mov { dst, src: Operand::Imm(0), wide: true, reloc: None });
        }
    }

    fn has_labels(&self, on: Object) -> bool {
        self.policy.labels_on(on).next().is_some()
    }

    fn label_map(&mut self, on: Object) -> RelocationKind {
        let labels = self.policy.labels_on(on).count();
        self.module.data.map(Map {
            name: on.map().into(),
            kind: MapKind::Hash,
            key: on.key_bytes(),
            value: on.value_bytes(labels),
            entries: OBJECTS_MAX,
        })
    }

    /// Branches to `yes` if an object has a label.
    pub(super) fn labelled(&mut self, object: &Value, label: LabelId, yes: Target, no: Target, unknown: Target) {
        let byte = self.policy.label_byte(label);
        let at = self.object_labels.tested.iter().position(|tested| tested.object == *object);
        let at = at.expect("every tested object is in the list");
        self.look_up(at, unknown);
        let reg = self.object_labels.tested[at].words[&(byte / 8)];
        let mask = 1u64 << (8 * (byte % 8));
        match i32::try_from(mask) {
            Ok(mask) => self.branch(jmp::JSET, false, reg, Operand::Imm(mask), yes, no),
            Err(_) => {
                let mask = self.constant(mask);
                self.branch(jmp::JSET, true, reg, Operand::Reg(mask), yes, no);
            }
        }
    }

    /// Looks up an object's labels; an object without an entry has none.
    fn look_up(&mut self, at: usize, unknown: Target) {
        let TestedObject { object, on, words } = &self.object_labels.tested[at];
        let (object, on, words) = (object.clone(), *on, words.clone());
        let registers: Vec<Reg> = words.values().copied().collect();
        self.read_once(ValueKey::Labels(at), &registers, None, |build, _| {
            let pointer = build.identity(&object, unknown);
            let (none, join) = (build.fresh_target(), build.fresh_target());
            build.call_with_key(helper::MAP_LOOKUP_ELEM, on, pointer);
            let found = build.copy(Reg(0), true);
            build.branch_away(jmp::JEQ, true, found, Operand::Imm(0), none);
            for (word, dst) in &words {
                let offset = 8 * *word as i16;
                build.push(Inst::Load { dst: *dst, base: found, offset, bytes: 8, reloc: None, argument: None });
            }
            build.jump(join);
            build.bind(none);
            for dst in words.values() {
                build.push(Inst::Mov { dst: *dst, src: Operand::Imm(0), wide: true, reloc: None });
            }
            build.jump(join);
            build.bind(join);
        });
    }

    /// Returns the pointer that identifies an object. In `task_alloc` the `group_leader` of the new task is
    /// still a copy of its parent's, so it identifies the process only if `CLONE_THREAD` is set.
    fn identity(&mut self, object: &Value, unknown: Target) -> Reg {
        let pointer = self.pointer(object, unknown);
        if !is_new_task(self.hook, object) {
            return pointer;
        }
        let (thread, join, id) = (self.fresh_target(), self.fresh_target(), self.fresh());
        self.push(Inst::Mov { dst: id, src: Operand::Reg(pointer), wide: true, reloc: None });
        let flags = self.hook_argument("clone_flags", unknown);
        self.branch(jmp::JSET, true, flags, Operand::Imm(THREAD), thread, join);
        self.bind(thread);
        let leader = self.leader(pointer);
        self.push(Inst::Mov { dst: id, src: Operand::Reg(leader), wide: true, reloc: None });
        self.jump(join);
        self.bind(join);
        id
    }

    fn leader(&mut self, task: Reg) -> Reg {
        self.load(task, &field("task_struct", "group_leader", Shape::Pointer), 8)
    }

    fn hook_argument(&mut self, name: &str, unknown: Target) -> Reg {
        let at = self.hook.args.iter().position(|arg| arg.name == name);
        let at = at.expect("a hook that maintains labels has the arguments for it");
        let (arg, ty) = (crate::hir::ArgId(at as u32), self.hook.args[at].ty);
        let value = Value { span: self.span, ty, kind: ValueKind::Arg(arg) };
        match ty {
            Ty::Ptr(_) => self.pointer(&value, unknown),
            _ => self.value(&value, unknown),
        }
    }

    /// Writes an object's key to the frame.
    fn store_key(&mut self, on: Object, pointer: Reg, at: i16) {
        let store = |build: &mut Self, src, offset, bytes| {
            build.push(Inst::Store { base: FRAME_POINTER, offset: at + offset, src: Operand::Reg(src), bytes });
        };
        if on != Object::Inode {
            return store(self, pointer, 0, 8);
        }
        let number = self.load(pointer, &field("inode", "i_ino", unsigned(8)), 8);
        let generation = self.load(pointer, &field("inode", "i_generation", unsigned(4)), 4);
        let sb = self.load(pointer, &field("inode", "i_sb", Shape::Pointer), 8);
        let device = self.load(sb, &field("super_block", "s_dev", unsigned(4)), 4);
        store(self, number, 0, 8);
        store(self, device, 8, 4);
        store(self, generation, 12, 4);
    }

    /// Notes the marks of a matching rule.
    pub(super) fn note_marks(&mut self, rule: RuleId) {
        for mark in &self.policy.rules[rule.0 as usize].marks {
            self.span = mark.span;
            let marked = self.object_labels.marked.iter().find(|known| known.object == mark.object);
            let reg = marked.and_then(|marked| if mark.set { marked.set } else { marked.clear });
            let dst = reg.expect("every mark of a graph has a register");
            let bit = 1u64 << self.policy.label_byte(mark.label);
            let src = match i32::try_from(bit) {
                Ok(bit) => Operand::Imm(bit),
                Err(_) => Operand::Reg(self.constant(bit)),
            };
            self.push(Inst::Alu { op: alu::OR, wide: true, dst, src, reloc: None });
        }
    }

    /// Applies the marks and exits. If a mark found no room, an allowed operation fails with `ENOMEM`,
    /// provided that the hook can deny.
    pub(super) fn exit(&mut self, verdict: Verdict, marks: bool) {
        self.release();
        let status = if marks { Some(self.set_marks()) } else { None };
        self.remove_dying();
        let denies = !self.hook.void && !BOOL_HOOKS.contains(&self.hook.name.as_str());
        let mut full = None;
        if let Some(status) = status.filter(|_| denies && matches!(verdict, Verdict::Constant(0) | Verdict::Chosen)) {
            let (label, done) = (self.fresh_target(), self.fresh_target());
            if verdict == Verdict::Chosen {
                let verdict = self.verdict();
                let lost = self.fresh_target();
                self.branch(jmp::JNE, true, verdict, Operand::Imm(0), done, lost);
                self.bind(lost);
            }
            self.branch(jmp::JNE, true, status, Operand::Imm(0), label, done);
            self.bind(done);
            full = Some(label);
        }
        let src = match verdict {
            Verdict::Constant(errno) => Operand::Imm(-errno),
            Verdict::Chosen => Operand::Reg(self.verdict()),
        };
        self.push(Inst::Mov { dst: Reg(0), src, wide: true, reloc: None });
        self.end(Terminator::Exit);
        if let Some(full) = full {
            self.bind(full);
            self.push(Inst::Mov { dst: Reg(0), src: Operand::Imm(ENOMEM), wide: true, reloc: None });
            self.end(Terminator::Exit);
        }
    }

    /// Applies all noted marks. The result is not 0 if some mark found no room.
    fn set_marks(&mut self) -> Reg {
        let status = self.constant(0);
        for on in Object::ALL {
            let of_kind: Vec<usize> =
                (0..self.object_labels.marked.len()).filter(|at| self.object_labels.marked[*at].on == on).collect();
            if let [one] = of_kind[..] {
                self.set_mark(one, true, true, status);
                continue;
            }
            of_kind.iter().for_each(|at| self.set_mark(*at, false, true, status));
            of_kind.iter().for_each(|at| self.set_mark(*at, true, false, status));
        }
        status
    }

    fn set_mark(&mut self, at: usize, set: bool, clear: bool, status: Reg) {
        let MarkedObject { object, on, set: to_set, clear: to_clear } = &self.object_labels.marked[at];
        let (object, on) = (object.clone(), *on);
        let (to_set, to_clear) = (to_set.filter(|_| set), to_clear.filter(|_| clear));
        let skip = self.fresh_target();
        let any = match (to_set, to_clear) {
            (None, None) => return,
            (Some(reg), None) | (None, Some(reg)) => reg,
            (Some(set), Some(clear)) => {
                let any = self.copy(set, true);
                self.push(Inst::Alu { op: alu::OR, wide: true, dst: any, src: Operand::Reg(clear), reloc: None });
                any
            }
        };
        self.branch_away(jmp::JEQ, true, any, Operand::Imm(0), skip);
        let pointer = self.identity(&object, skip);
        let mut args = self.key_scalars(on, pointer);
        args.extend([to_set, to_clear].map(|reg| reg.map_or(Operand::Imm(0), Operand::Reg)));
        let lost = self.call_label_function(rt::labels::mark(on), on, &args);
        self.push(Inst::Alu { op: alu::OR, wide: true, dst: status, src: Operand::Reg(lost), reloc: None });
        self.jump(skip);
        self.bind(skip);
    }

    /// Returns the words of an object's key as scalars, because global functions take no kernel pointers.
    fn key_scalars(&mut self, on: Object, pointer: Reg) -> Vec<Operand> {
        let key = self.key_buffer();
        if on == Object::Inode {
            self.store_key(on, pointer, key);
            return [0, 8].into_iter().map(|offset| Operand::Reg(self.frame_load(key + offset, 8))).collect();
        }
        vec![Operand::Reg(self.scalar_of(pointer))]
    }

    /// Calls a shared function that changes labels.
    fn call_label_function(&mut self, function: &'static str, on: Object, args: &[Operand]) -> Reg {
        self.label_map(on);
        for (at, arg) in args.iter().enumerate() {
            self.push(Inst::Mov { dst: Reg(at as u32 + 1), src: *arg, wide: true, reloc: None });
        }
        self.push(Inst::Invoke { function, args: args.len() as u8 });
        self.copy(Reg(0), true)
    }

    /// Exits with an errno if a label found no room.
    fn exit_if_full(&mut self, lost: Reg, errno: i32) {
        let (full, stored) = (self.fresh_target(), self.fresh_target());
        self.branch(jmp::JNE, true, lost, Operand::Imm(0), full, stored);
        self.bind(full);
        self.release();
        self.push(Inst::Mov { dst: Reg(0), src: Operand::Imm(errno), wide: true, reloc: None });
        self.end(Terminator::Exit);
        self.bind(stored);
    }

    /// The hook's part before its rules are evaluated: new objects inherit labels.
    fn inherit(&mut self) {
        let done = self.fresh_target();
        let hook = self.hook.name.as_str();
        match hook {
            "task_alloc" if self.has_labels(Object::Task) => {
                let flags = self.hook_argument("clone_flags", done);
                self.branch_away(jmp::JSET, true, flags, Operand::Imm(THREAD), done);
                let child = self.hook_argument("task", done);
                let to = self.scalar_of(child);
                let parent = self.current();
                let parent = self.leader(parent);
                let from = self.scalar_of(parent);
                let args = [from, to].map(Operand::Reg);
                let lost = self.call_label_function(rt::labels::inherit(Object::Task), Object::Task, &args);
                self.exit_if_full(lost, EAGAIN);
            }
            "bprm_creds_from_file" if self.has_labels(Object::Task) => {
                // A process with a single thread keeps its first thread across exec.
                let (pid, tgid) = (self.task(TaskField::Pid), self.task(TaskField::Tgid));
                self.branch_away(jmp::JEQ, true, pid, Operand::Reg(tgid), done);
                let own = self.current();
                let leader = self.leader(own);
                let (own, leader) = (self.scalar_of(own), self.scalar_of(leader));
                let lost = self.call_label_function(rt::labels::EXEC, Object::Task, &[own, leader].map(Operand::Reg));
                self.exit_if_full(lost, ENOMEM);
            }
            "bprm_committing_creds" if self.has_labels(Object::Task) => {
                let own = self.current();
                let own = self.scalar_of(own);
                self.call_label_function(rt::labels::EXECUTED, Object::Task, &[Operand::Reg(own)]);
            }
            "sk_clone_security" | "unix_stream_connect"
                if self.policy.labels_on(Object::Socket).any(|(_, label)| label.inherit) =>
            {
                let from = self.hook_argument(if hook == "unix_stream_connect" { "other" } else { "sk" }, done);
                let from = self.scalar_of(from);
                let to = self.hook_argument("newsk", done);
                let to = self.scalar_of(to);
                let args = [from, to].map(Operand::Reg);
                let lost = self.call_label_function(rt::labels::inherit(Object::Socket), Object::Socket, &args);
                if !self.hook.void {
                    self.exit_if_full(lost, ENOMEM);
                }
            }
            _ => return,
        }
        self.jump(done);
        self.bind(done);
    }

    /// The hook's part after its rules have been evaluated: the entries of dying objects are removed.
    fn remove_dying(&mut self) {
        let done = self.fresh_target();
        match self.hook.name.as_str() {
            "task_free" if self.has_labels(Object::Task) => {
                let own = self.hook_argument("task", done);
                let leader = self.leader(own);
                let (own, leader) = (self.scalar_of(own), self.scalar_of(leader));
                self.call_label_function(rt::labels::FREE, Object::Task, &[own, leader].map(Operand::Reg));
            }
            "sk_free_security" if self.has_labels(Object::Socket) => {
                let sock = self.hook_argument("sk", done);
                self.remove(Object::Socket, sock);
            }
            "inode_free_security" if self.has_labels(Object::Inode) => {
                let inode = self.hook_argument("inode", done);
                self.skip_if_reloadable(inode, done);
                self.remove(Object::Inode, inode);
            }
            _ => return,
        }
        self.jump(done);
        self.bind(done);
    }

    /// Calls a helper on the label map of a kind of object, with the key of an object.
    fn call_with_key(&mut self, helper: u32, on: Object, pointer: Reg) {
        let key = self.key_buffer();
        self.store_key(on, pointer, key);
        let map = self.label_map(on);
        self.push(Inst::Address { dst: Reg(1), of: map });
        self.frame_address(Reg(2), key);
        self.push(Inst::Call { helper, args: 2 });
    }

    fn remove(&mut self, on: Object, pointer: Reg) {
        self.call_with_key(helper::MAP_DELETE_ELEM, on, pointer);
    }

    /// Jumps to `back` if the inode only leaves memory and its file can be read again under the same key.
    fn skip_if_reloadable(&mut self, inode: Reg, back: Target) {
        let gone = self.fresh_target();
        let links = self.load(inode, &field("inode", "i_nlink", unsigned(4)), 4);
        self.branch_away(jmp::JEQ, true, links, Operand::Imm(0), gone);
        let sb = self.load(inode, &field("inode", "i_sb", Shape::Pointer), 8);
        let magic = self.load(sb, &field("super_block", "s_magic", unsigned(8)), 8);
        for renumbered in RENUMBERED {
            self.branch_away(jmp::JEQ, true, magic, Operand::Imm(renumbered), gone);
        }
        // A file system on a block device keeps its device number across mounts; other file systems have
        // theirs only while mounted.
        let disk = self.load(sb, &field("super_block", "s_bdev", Shape::Pointer), 8);
        self.branch_away(jmp::JNE, true, disk, Operand::Imm(0), back);
        let flags = self.load(sb, &field("super_block", "s_flags", unsigned(8)), 8);
        self.branch_away(jmp::JSET, false, flags, Operand::Imm(INTERNAL.cast_signed()), gone);
        // File systems that cache no unreferenced inodes (tmpfs, overlayfs) evict theirs while the superblock
        // is still active but has already lost its root (`shrink_dcache_for_umount`).
        let root = self.load(sb, &field("super_block", "s_root", Shape::Pointer), 8);
        self.branch_away(jmp::JEQ, true, root, Operand::Imm(0), gone);
        self.branch_away(jmp::JSET, false, flags, Operand::Imm(ACTIVE.cast_signed()), back);
        self.jump(gone);
        self.bind(gone);
    }
}
