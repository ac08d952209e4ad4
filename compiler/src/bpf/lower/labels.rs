//! Labels of tasks, files and sockets: asked for once on a way, set at its end, kept while their object lives.
//!
//! Each kind of object has one hash (see `krsi_abi::labels`), on every kernel: task storage came after 5.10, and asks for
//! pointers that the verifier trusts. Objects are known by what stays the same and comes back when they do:
//!
//! - A *task* by the first `task_struct` of its process. It is there before the process runs, while `task_alloc` is
//!   asked, and no later than its last thread gone. If another thread executes a program it becomes the first one:
//!   before the kernel ends the others its entry begins as a copy, which says of whom (`former`), and afterwards takes
//!   what they were marked with in between. Whichever of the two comes first, `bprm_committing_creds` or the
//!   `task_free` of the former one, moves it.
//! - A *file* by its file system, inode number and generation, so that its labels outlive its inode in memory.
//! - A *socket* by its `sock`.
//!
//! What rules mark is only noted while they are looked at, in a register for each object, and done when all have been:
//! every test sees the labels as they were before. First all labels are taken, then all are set, so that `mark` wins
//! over `unmark` whatever their order, also where two names turn out to be one object.

use std::collections::BTreeMap;

use krsi_abi::labels::{OBJECTS_MAX, Object};

use super::builder::{Builder, Key, Label};
use crate::bpf::{Map, MapKind, RelocationKind, helper, library};
use crate::decision::{Graph, Node, Verdict};
use crate::hir::walk::{each_in_atom, each_in_cond, each_in_value};
use crate::hir::{
    Access, Atom, AtomKind, Cond, LabelId, Policy, RuleId, Shape, TaskField, Ty, Value, ValueKind, newborn,
};
use crate::isa::{alu, jmp};
use crate::kernel::BOOL_HOOKS;
use crate::mir::{FRAME_POINTER, Inst, Operand, Reg, Terminator};

/// `CLONE_THREAD`
const THREAD: i32 = 0x0001_0000;
/// `SB_ACTIVE`: no file system that is being taken down.
const ACTIVE: u32 = 1 << 30;
/// `SB_KERNMOUNT` and `SB_NOUSER`: pipes, sockets and the like, whose numbers are given out again.
const INTERNAL: u32 = 1 << 22 | 1 << 31;
/// File systems that give a file another number when they read it again: FAT and exFAT, and those of processes.
const RENUMBERED: [i32; 3] = [0x4d44, 0x2011_bab0, 0x9fa0];
const EAGAIN: i32 = -11;
const ENOMEM: i32 = -12;

/// What a program does with labels.
#[derive(Default)]
pub(super) struct Labels {
    /// Objects that are asked about.
    asked: Vec<Asked>,
    /// Objects that are marked.
    marked: Vec<Marked>,
}

struct Asked {
    object: Value,
    on: Object,
    /// Registers of the words of its value that matter.
    words: BTreeMap<usize, Reg>,
}

struct Marked {
    object: Value,
    on: Object,
    /// Bits of the labels to set and to take.
    set: Option<Reg>,
    take: Option<Reg>,
}

/// Which nodes can come after a rule has marked something.
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

/// Whose effects a node has.
fn recorded(node: &Node) -> Option<RuleId> {
    match node {
        Node::Record { rule, .. } | Node::RecordFound { rule, .. } => Some(*rule),
        _ => None,
    }
}

/// Every test of a graph, also those inside of values, as often as it stands there.
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
            | Node::Set { .. }
            | Node::Continue { .. }
            | Node::Exit { .. } => {}
        }
    }
}

fn field(root: &str, name: &str, shape: Shape) -> Access {
    library::field(root, &[(name, shape)])
}

fn unsigned(bytes: u32) -> Shape {
    Shape::Int { bytes, signed: false }
}

impl Builder<'_> {
    /// Before anything is tested: finds what the program does with labels, and does what its hook is there for.
    pub(super) fn begin_labels(&mut self, graph: &Graph) {
        let policy = self.policy;
        if policy.labels.is_empty() {
            return;
        }
        let mut atoms = Vec::new();
        tests(policy, graph, &mut |atom| atoms.push(atom));
        let mut labels = Labels { asked: self.asked_about(&atoms), marked: Vec::new() };
        for node in &graph.nodes {
            let Some(rule) = recorded(node) else { continue };
            for mark in &policy.rules[rule.0 as usize].marks {
                let at = labels.marked.iter().position(|known| known.object == mark.object).unwrap_or_else(|| {
                    let (object, on) = (mark.object.clone(), policy.labels[mark.label.index()].on);
                    labels.marked.push(Marked { object, on, set: None, take: None });
                    labels.marked.len() - 1
                });
                let marked = &mut labels.marked[at];
                let reg = if mark.set { &mut marked.set } else { &mut marked.take };
                reg.get_or_insert_with(|| self.fresh());
            }
        }
        self.object_labels = labels;
        self.begin_marks();
        if graph.part.number == 0 {
            self.inherit();
        }
    }

    /// The same for what is asked of an ancestor, which is a function of its own.
    pub(super) fn begin_asked_labels(&mut self, cond: &Cond) {
        let mut atoms = Vec::new();
        each_in_cond(cond, &mut |atom| atoms.push(atom));
        self.object_labels.asked = self.asked_about(&atoms);
    }

    fn asked_about(&mut self, atoms: &[&Atom]) -> Vec<Asked> {
        let mut all: Vec<Asked> = Vec::new();
        for atom in atoms {
            let AtomKind::Label { object, label } = &atom.kind else { continue };
            let at = all.iter().position(|asked| asked.object == *object).unwrap_or_else(|| {
                let (object, on) = (object.clone(), self.policy.labels[label.index()].on);
                all.push(Asked { object, on, words: BTreeMap::new() });
                all.len() - 1
            });
            all[at].words.entry(self.policy.label_byte(*label) / 8).or_insert_with(|| self.fresh());
        }
        all
    }

    /// Nothing has been marked.
    fn begin_marks(&mut self) {
        let marks: Vec<Reg> =
            self.object_labels.marked.iter().flat_map(|marked| [marked.set, marked.take]).flatten().collect();
        for dst in marks {
            self.push(Inst::Mov { dst, src: Operand::Imm(0), wide: true, reloc: None });
        }
    }

    fn has_labels(&self, on: Object) -> bool {
        self.policy.labels_on(on).next().is_some()
    }

    fn label_map(&mut self, on: Object) -> RelocationKind {
        let labels = self.policy.labels_on(on).count();
        self.code.map(Map {
            name: on.map().into(),
            kind: MapKind::Hash,
            key: on.key_bytes(),
            value: on.value_bytes(labels),
            entries: OBJECTS_MAX,
        })
    }

    /// Leads to `yes` where an object has a label.
    pub(super) fn labelled(&mut self, object: &Value, label: LabelId, yes: Label, no: Label, unknown: Label) {
        let byte = self.policy.label_byte(label);
        let at = self.object_labels.asked.iter().position(|asked| asked.object == *object);
        let at = at.expect("every object of a graph is in its list");
        self.look_up(at, unknown);
        let reg = self.object_labels.asked[at].words[&(byte / 8)];
        let mask = 1u64 << (8 * (byte % 8));
        match i32::try_from(mask) {
            Ok(mask) => self.branch(jmp::JSET, false, reg, Operand::Imm(mask), yes, no),
            Err(_) => {
                let mask = self.constant(mask);
                self.branch(jmp::JSET, true, reg, Operand::Reg(mask), yes, no);
            }
        }
    }

    /// Reads an object's labels.
    fn look_up(&mut self, at: usize, unknown: Label) {
        let Asked { object, on, words } = &self.object_labels.asked[at];
        let (object, on, words) = (object.clone(), *on, words.clone());
        let registers: Vec<Reg> = words.values().copied().collect();
        self.read_once(Key::Labels(at), &registers, None, |build, _| {
            let pointer = build.identity(&object, unknown);
            let (none, join) = (build.fresh_label(), build.fresh_label());
            let key = build.key_buffer();
            build.store_key(on, pointer, key);
            let map = build.label_map(on);
            build.push(Inst::Address { dst: Reg(1), of: map });
            build.frame_address(Reg(2), key);
            build.push(Inst::Call { helper: helper::MAP_LOOKUP_ELEM, args: 2 });
            let found = build.copy(Reg(0), true);
            build.branch_away(jmp::JEQ, true, found, Operand::Imm(0), none);
            for (word, dst) in &words {
                let offset = 8 * *word as i16;
                build.push(Inst::Load { dst: *dst, base: found, offset, bytes: 8, reloc: None, argument: None });
            }
            build.jump(join);
            build.place(none);
            for dst in words.values() {
                build.push(Inst::Mov { dst: *dst, src: Operand::Imm(0), wide: true, reloc: None });
            }
            build.jump(join);
            build.place(join);
        });
    }

    /// The pointer that an object is known by.
    fn identity(&mut self, object: &Value, unknown: Label) -> Reg {
        let pointer = self.pointer(object, unknown);
        if !newborn(self.hook, object) {
            return pointer;
        }
        let (thread, join, id) = (self.fresh_label(), self.fresh_label(), self.fresh());
        self.push(Inst::Mov { dst: id, src: Operand::Reg(pointer), wide: true, reloc: None });
        let flags = self.hook_argument("clone_flags", unknown);
        self.branch(jmp::JSET, true, flags, Operand::Imm(THREAD), thread, join);
        self.place(thread);
        let leader = self.leader(pointer);
        self.push(Inst::Mov { dst: id, src: Operand::Reg(leader), wide: true, reloc: None });
        self.jump(join);
        self.place(join);
        id
    }

    fn leader(&mut self, task: Reg) -> Reg {
        self.load(task, &field("task_struct", "group_leader", Shape::Pointer), 8)
    }

    fn hook_argument(&mut self, name: &str, unknown: Label) -> Reg {
        let at = self.hook.args.iter().position(|arg| arg.name == name);
        let at = at.expect("a hook that keeps labels has the arguments that it needs for that");
        let (arg, ty) = (crate::hir::ArgId(at as u32), self.hook.args[at].ty);
        let value = Value { span: self.span, ty, kind: ValueKind::Arg(arg) };
        match ty {
            Ty::Ptr(_) => self.pointer(&value, unknown),
            _ => self.value(&value, unknown),
        }
    }

    /// Puts an object's key into the frame.
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

    /// Notes what a rule marks.
    pub(super) fn note_marks(&mut self, rule: RuleId) {
        for mark in &self.policy.rules[rule.0 as usize].marks {
            self.span = mark.span;
            let marked = self.object_labels.marked.iter().find(|known| known.object == mark.object);
            let reg = marked.and_then(|marked| if mark.set { marked.set } else { marked.take });
            let dst = reg.expect("every mark of a graph has a register");
            let bit = 1u64 << self.policy.label_byte(mark.label);
            let src = match i32::try_from(bit) {
                Ok(bit) => Operand::Imm(bit),
                Err(_) => Operand::Reg(self.constant(bit)),
            };
            self.push(Inst::Alu { op: alu::OR, wide: true, dst, src, reloc: None });
        }
    }

    /// Ends the program. A mark that finds no room turns what would be allowed into `ENOMEM`, where the hook can.
    pub(super) fn leave(&mut self, verdict: Verdict, marks: bool) {
        self.release();
        let status = if marks { Some(self.set_marks()) } else { None };
        self.forget();
        let denies = !self.hook.void && !BOOL_HOOKS.contains(&self.hook.name.as_str());
        let mut full = None;
        if let Some(status) = status.filter(|_| denies && matches!(verdict, Verdict::Constant(0) | Verdict::Chosen)) {
            let (label, done) = (self.fresh_label(), self.fresh_label());
            if verdict == Verdict::Chosen {
                let verdict = self.verdict();
                let lost = self.fresh_label();
                self.branch(jmp::JNE, true, verdict, Operand::Imm(0), done, lost);
                self.place(lost);
            }
            self.branch(jmp::JNE, true, status, Operand::Imm(0), label, done);
            self.place(done);
            full = Some(label);
        }
        let src = match verdict {
            Verdict::Constant(errno) => Operand::Imm(-errno),
            Verdict::Chosen => Operand::Reg(self.verdict()),
        };
        self.push(Inst::Mov { dst: Reg(0), src, wide: true, reloc: None });
        self.end(Terminator::Exit);
        if let Some(full) = full {
            self.place(full);
            self.push(Inst::Mov { dst: Reg(0), src: Operand::Imm(ENOMEM), wide: true, reloc: None });
            self.end(Terminator::Exit);
        }
    }

    /// Takes and sets what was noted; not 0 where something found no room.
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

    fn set_mark(&mut self, at: usize, set: bool, take: bool, status: Reg) {
        let Marked { object, on, set: to_set, take: to_take } = &self.object_labels.marked[at];
        let (object, on) = (object.clone(), *on);
        let (to_set, to_take) = (to_set.filter(|_| set), to_take.filter(|_| take));
        let skip = self.fresh_label();
        let any = match (to_set, to_take) {
            (None, None) => return,
            (Some(reg), None) | (None, Some(reg)) => reg,
            (Some(set), Some(take)) => {
                let any = self.copy(set, true);
                self.push(Inst::Alu { op: alu::OR, wide: true, dst: any, src: Operand::Reg(take), reloc: None });
                any
            }
        };
        self.branch_away(jmp::JEQ, true, any, Operand::Imm(0), skip);
        let pointer = self.identity(&object, skip);
        let mut args = self.key_numbers(on, pointer);
        args.extend([to_set, to_take].map(|reg| reg.map_or(Operand::Imm(0), Operand::Reg)));
        let lost = self.keep(library::labels::mark(on), on, &args);
        self.push(Inst::Alu { op: alu::OR, wide: true, dst: status, src: Operand::Reg(lost), reloc: None });
        self.jump(skip);
        self.place(skip);
    }

    /// The words of an object's key as numbers, which is what functions take.
    fn key_numbers(&mut self, on: Object, pointer: Reg) -> Vec<Operand> {
        let key = self.key_buffer();
        if on == Object::Inode {
            self.store_key(on, pointer, key);
            return [0, 8].into_iter().map(|offset| Operand::Reg(self.frame_load(key + offset, 8))).collect();
        }
        vec![Operand::Reg(self.number(pointer))]
    }

    /// Calls a function that changes labels.
    fn keep(&mut self, function: &'static str, on: Object, args: &[Operand]) -> Reg {
        self.label_map(on);
        for (at, arg) in args.iter().enumerate() {
            self.push(Inst::Mov { dst: Reg(at as u32 + 1), src: *arg, wide: true, reloc: None });
        }
        self.push(Inst::Invoke { function, args: args.len() as u8 });
        self.copy(Reg(0), true)
    }

    /// Ends the program here where something found no room.
    fn refuse(&mut self, lost: Reg, errno: i32) {
        let (full, on) = (self.fresh_label(), self.fresh_label());
        self.branch(jmp::JNE, true, lost, Operand::Imm(0), full, on);
        self.place(full);
        self.release();
        self.push(Inst::Mov { dst: Reg(0), src: Operand::Imm(errno), wide: true, reloc: None });
        self.end(Terminator::Exit);
        self.place(on);
    }

    /// What happens to labels before a hook's rules are looked at: objects that come to be get those that they inherit.
    fn inherit(&mut self) {
        let done = self.fresh_label();
        let hook = self.hook.name.as_str();
        match hook {
            "task_alloc" if self.has_labels(Object::Task) => {
                let flags = self.hook_argument("clone_flags", done);
                self.branch_away(jmp::JSET, true, flags, Operand::Imm(THREAD), done);
                let child = self.hook_argument("task", done);
                let to = self.number(child);
                let parent = self.current();
                let parent = self.leader(parent);
                let from = self.number(parent);
                let args = [from, to].map(Operand::Reg);
                let lost = self.keep(library::labels::inherit(Object::Task), Object::Task, &args);
                self.refuse(lost, EAGAIN);
            }
            "bprm_creds_from_file" if self.has_labels(Object::Task) => {
                // Of a process with one thread there is nothing to do.
                let (pid, tgid) = (self.task(TaskField::Pid), self.task(TaskField::Tgid));
                self.branch_away(jmp::JEQ, true, pid, Operand::Reg(tgid), done);
                let own = self.current();
                let leader = self.leader(own);
                let (own, leader) = (self.number(own), self.number(leader));
                let lost = self.keep(library::labels::EXEC, Object::Task, &[own, leader].map(Operand::Reg));
                self.refuse(lost, ENOMEM);
            }
            "bprm_committing_creds" if self.has_labels(Object::Task) => {
                let own = self.current();
                let own = self.number(own);
                self.keep(library::labels::EXECUTED, Object::Task, &[Operand::Reg(own)]);
            }
            "sk_clone_security" | "unix_stream_connect"
                if self.policy.labels_on(Object::Socket).any(|(_, label)| label.inherit) =>
            {
                let from = self.hook_argument(if hook == "unix_stream_connect" { "other" } else { "sk" }, done);
                let from = self.number(from);
                let to = self.hook_argument("newsk", done);
                let to = self.number(to);
                let args = [from, to].map(Operand::Reg);
                let lost = self.keep(library::labels::inherit(Object::Socket), Object::Socket, &args);
                if !self.hook.void {
                    self.refuse(lost, ENOMEM);
                }
            }
            _ => return,
        }
        self.jump(done);
        self.place(done);
    }

    /// What happens to labels when a hook's rules have been looked at: objects that go leave none.
    fn forget(&mut self) {
        let done = self.fresh_label();
        match self.hook.name.as_str() {
            "task_free" if self.has_labels(Object::Task) => {
                let own = self.hook_argument("task", done);
                let leader = self.leader(own);
                let (own, leader) = (self.number(own), self.number(leader));
                self.keep(library::labels::FREE, Object::Task, &[own, leader].map(Operand::Reg));
            }
            "sk_free_security" if self.has_labels(Object::Socket) => {
                let sock = self.hook_argument("sk", done);
                self.remove(Object::Socket, sock);
            }
            "inode_free_security" if self.has_labels(Object::Inode) => {
                let inode = self.hook_argument("inode", done);
                self.unless_it_comes_back(inode, done);
                self.remove(Object::Inode, inode);
            }
            _ => return,
        }
        self.jump(done);
        self.place(done);
    }

    fn remove(&mut self, on: Object, pointer: Reg) {
        let key = self.key_buffer();
        self.store_key(on, pointer, key);
        let map = self.label_map(on);
        self.push(Inst::Address { dst: Reg(1), of: map });
        self.frame_address(Reg(2), key);
        self.push(Inst::Call { helper: helper::MAP_DELETE_ELEM, args: 2 });
    }

    /// Goes to `back` where an inode only leaves memory, and its file can be read again under the same key.
    fn unless_it_comes_back(&mut self, inode: Reg, back: Label) {
        let gone = self.fresh_label();
        let links = self.load(inode, &field("inode", "i_nlink", unsigned(4)), 4);
        self.branch_away(jmp::JEQ, true, links, Operand::Imm(0), gone);
        let sb = self.load(inode, &field("inode", "i_sb", Shape::Pointer), 8);
        let magic = self.load(sb, &field("super_block", "s_magic", unsigned(8)), 8);
        for renumbered in RENUMBERED {
            self.branch_away(jmp::JEQ, true, magic, Operand::Imm(renumbered), gone);
        }
        // A disk has the same number when it is mounted again; others have theirs only while they are.
        let disk = self.load(sb, &field("super_block", "s_bdev", Shape::Pointer), 8);
        self.branch_away(jmp::JNE, true, disk, Operand::Imm(0), back);
        let flags = self.load(sb, &field("super_block", "s_flags", unsigned(8)), 8);
        self.branch_away(jmp::JSET, false, flags, Operand::Imm(INTERNAL.cast_signed()), gone);
        // Those that keep no inode without a name let go of theirs before they are inactive, but behind their root
        // (`shrink_dcache_for_umount`): tmpfs, overlayfs.
        let root = self.load(sb, &field("super_block", "s_root", Shape::Pointer), 8);
        self.branch_away(jmp::JEQ, true, root, Operand::Imm(0), gone);
        self.branch_away(jmp::JSET, false, flags, Operand::Imm(ACTIVE.cast_signed()), back);
        self.jump(gone);
        self.place(gone);
    }
}
