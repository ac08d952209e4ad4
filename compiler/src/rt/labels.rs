//! Functions that change security labels. Keys are scalars; `krsi_abi::labels` describes the maps.
//!
//! ```text
//! krs_mark_task(key, set, clear)         sets label i for bit i of `set`, clears it for bit i of `clear`; -1 if full
//! krs_mark_inode(key, more, set, clear)
//! krs_mark_sock(key, set, clear)
//! krs_inherit_task(from, to)             replaces the labels of `to` by the inherited labels of `from`
//! krs_inherit_sock(from, to)
//! krs_exec(own, first)                   before a thread becomes the first one: copies the labels of the process
//! krs_executed(own)                      afterwards: merges the labels that the process received in between
//! krs_free(own, first)                   removes the entry of a dead task
//! ```
//!
//! A label is a byte, so that processors set different labels of an object by plain stores; 5.10 has no
//! atomic OR. An entry is created without labels and marked afterwards, so that of two processors that create
//! it at once neither loses the other's marks.
//!
//! Absent: lookups of labels, which programs do inline.

use krsi_abi::labels::Object;

use super::{Asm, FP, Function, Linker, R, Target, alu, jmp, size};
use crate::helper;
use crate::hir::Policy;
use crate::relocation::RelocationKind;

/// Copies the labels of a process for the thread that executes a program.
pub const EXEC: &str = "krs_exec";
/// Merges the labels once that thread has become the first one.
pub const EXECUTED: &str = "krs_executed";
/// Removes the entry of a dead task.
pub const FREE: &str = "krs_free";

/// Returns the function that marks objects of a kind.
#[must_use]
pub fn mark(on: Object) -> &'static str {
    match on {
        Object::Task => "krs_mark_task",
        Object::Inode => "krs_mark_inode",
        Object::Socket => "krs_mark_sock",
    }
}

/// Returns the function by which objects of a kind inherit labels.
#[must_use]
pub fn inherit(on: Object) -> &'static str {
    match on {
        Object::Task => "krs_inherit_task",
        Object::Inode => "krs_inherit_inode",
        Object::Socket => "krs_inherit_sock",
    }
}

/// The flags `BPF_ANY` and `BPF_NOEXIST` of `bpf_map_update_elem`.
const ANY: i32 = 0;
const NEW: i32 = 1;

/// Adds the functions that programs call. `lost` is the offset in the state of the counter of labels for
/// which there was no room.
pub(super) fn link(linker: &mut Linker, policy: &Policy, lost: u32) {
    for on in Object::ALL {
        let kind = Kind {
            on,
            labels: policy.labels_on(on).count(),
            marked: policy
                .rules
                .iter()
                .flat_map(|rule| &rule.marks)
                .filter(|mark| policy.labels[mark.label.index()].on == on)
                .fold(0, |all, mark| all | 1 << policy.label_byte(mark.label)),
            inherited: policy
                .labels_on(on)
                .filter(|(_, label)| label.inherit)
                .fold(0, |all, (id, _)| all | 1 << policy.label_byte(id)),
            lost,
        };
        let mut add = |name: &'static str, make: &dyn Fn(&Kind) -> Function| {
            if linker.is_called(name) {
                linker.add(make(&kind));
            }
        };
        add(mark(on), &Kind::mark);
        add(inherit(on), &Kind::inherit);
        if on == Object::Task {
            add(EXEC, &Kind::exec);
            add(EXECUTED, &Kind::executed);
            add(FREE, &Kind::free);
        }
    }
}

/// A kind of object, and the labels that the policy uses on it.
struct Kind {
    on: Object,
    labels: usize,
    /// Bits of the labels that some rule sets or clears.
    marked: u64,
    /// Bits of the labels that are inherited.
    inherited: u64,
    lost: u32,
}

/// Stack offset of a key.
const KEY: i16 = -16;

impl Kind {
    /// Returns the size of the labels; in a task's value, `former` follows them.
    fn bytes(&self) -> i16 {
        self.labels.next_multiple_of(8) as i16
    }

    fn value_bytes(&self) -> i16 {
        self.on.value_bytes(self.labels) as i16
    }

    /// Returns the stack offset of a value.
    fn buffer(&self) -> i16 {
        KEY - self.value_bytes()
    }

    /// Looks up the key on the stack; jumps to `none` if there is no entry.
    fn find(&self, asm: &mut Asm, none: Target) {
        self.map_and_key(asm);
        asm.call(helper::MAP_LOOKUP_ELEM);
        asm.jump(jmp::JEQ, R(0), 0, none);
    }

    fn map_and_key(&self, asm: &mut Asm) {
        asm.address(R(1), RelocationKind::Map(self.on.map().into()));
        asm.sum(R(2), FP, i32::from(KEY));
    }

    /// Stores the value on the stack under the key there.
    fn update(&self, asm: &mut Asm, how: i32) {
        self.map_and_key(asm);
        asm.sum(R(3), FP, i32::from(self.buffer()));
        asm.mov(R(4), how);
        asm.call(helper::MAP_UPDATE_ELEM);
    }

    /// Emits the end of a function, and the path of an update that found no room.
    fn end(&self, mut asm: Asm, done: Target, full: Option<Target>, name: &'static str, params: u32) -> Function {
        asm.bind(done);
        asm.mov(R(0), 0);
        asm.exit();
        if let Some(full) = full {
            asm.note("no room: count the lost label");
            asm.bind(full);
            asm.address(R(1), RelocationKind::State(self.lost));
            asm.mov(R(2), 1);
            asm.add_atomic(R(1), R(2));
            asm.mov(R(0), -1);
            asm.exit();
        }
        asm.finish(name, params)
    }

    fn mark(&self) -> Function {
        let words = self.on.key_bytes() as u8 / 8;
        let (set, clear) = (R(6), R(7));
        let mut asm = Asm::default();
        let (have, done, full, make) = (asm.target(), asm.target(), asm.target(), asm.target());
        asm.note("the labels of the object");
        for word in 0..words {
            asm.store(size::DW, FP, KEY + 8 * i16::from(word), R(1 + word));
        }
        asm.mov(set, R(1 + words));
        asm.mov(clear, R(2 + words));
        self.find(&mut asm, make);
        asm.goto(have);
        asm.bind(make);
        asm.note("no entry yet");
        asm.jump(jmp::JEQ, set, 0, done);
        for at in (0..self.value_bytes()).step_by(8) {
            asm.store(size::DW, FP, self.buffer() + at, 0);
        }
        // If another processor has created the entry meanwhile, that entry is marked.
        self.update(&mut asm, NEW);
        self.find(&mut asm, full);
        asm.bind(have);
        for (bits, value) in [(clear, 0), (set, 1)] {
            for label in (0..self.labels).filter(|label| self.marked >> label & 1 != 0) {
                let next = asm.target();
                asm.mov(R(1), bits);
                asm.alu(alu::RSH, R(1), label as i32);
                asm.alu(alu::AND, R(1), 1);
                asm.jump(jmp::JEQ, R(1), 0, next);
                asm.store(size::B, R(0), label as i16, value);
                asm.bind(next);
            }
        }
        self.end(asm, done, Some(full), mark(self.on), u32::from(words) + 2)
    }

    fn inherit(&self) -> Function {
        let (to, any) = (R(6), R(7));
        let mut asm = Asm::default();
        let (none, done, full) = (asm.target(), asm.target(), asm.target());
        asm.note("the inherited labels");
        asm.store(size::DW, FP, KEY, R(1));
        asm.mov(to, R(2));
        self.find(&mut asm, none);
        asm.mov(any, 0);
        for at in (0..self.bytes()).step_by(8) {
            let mask = (0..8)
                .filter(|byte| self.inherited >> (at + byte) & 1 != 0)
                .fold(0, |all, byte| all | 1u64 << (8 * byte));
            asm.wide(R(1), mask);
            asm.load(size::DW, R(2), R(0), at);
            asm.alu(alu::AND, R(2), R(1));
            asm.alu(alu::OR, any, R(2));
            asm.store(size::DW, FP, self.buffer() + at, R(2));
        }
        for at in (self.bytes()..self.value_bytes()).step_by(8) {
            asm.store(size::DW, FP, self.buffer() + at, 0);
        }
        asm.jump(jmp::JEQ, any, 0, none);
        asm.store(size::DW, FP, KEY, to);
        self.update(&mut asm, ANY);
        asm.jump(jmp::JNE, R(0), 0, full);
        asm.goto(done);
        asm.note("nothing is inherited: remove the entry of a former object at this address");
        asm.bind(none);
        asm.store(size::DW, FP, KEY, to);
        self.find(&mut asm, done);
        self.map_and_key(&mut asm);
        asm.call(helper::MAP_DELETE_ELEM);
        self.end(asm, done, Some(full), inherit(self.on), 2)
    }

    /// Adds the labels of one entry to another.
    fn merge(&self, asm: &mut Asm, from: R, to: R) {
        for label in 0..self.labels as i16 {
            let next = asm.target();
            asm.load(size::B, R(1), from, label);
            asm.jump(jmp::JEQ, R(1), 0, next);
            asm.store(size::B, to, label, 1);
            asm.bind(next);
        }
    }

    fn exec(&self) -> Function {
        let (own, first) = (R(6), R(7));
        let mut asm = Asm::default();
        let (write, done, full) = (asm.target(), asm.target(), asm.target());
        asm.note("a copy of the labels of the process");
        asm.mov(own, R(1));
        asm.mov(first, R(2));
        for at in (0..self.bytes()).step_by(8) {
            asm.store(size::DW, FP, self.buffer() + at, 0);
        }
        asm.store(size::DW, FP, self.buffer() + self.bytes(), first);
        asm.store(size::DW, FP, KEY, first);
        self.find(&mut asm, write);
        for at in (0..self.bytes()).step_by(8) {
            asm.load(size::DW, R(1), R(0), at);
            asm.store(size::DW, FP, self.buffer() + at, R(1));
        }
        asm.bind(write);
        asm.store(size::DW, FP, KEY, own);
        self.update(&mut asm, ANY);
        asm.jump(jmp::JNE, R(0), 0, full);
        self.end(asm, done, Some(full), EXEC, 2)
    }

    fn executed(&self) -> Function {
        let (own, first) = (R(6), R(7));
        let mut asm = Asm::default();
        let (clear, done) = (asm.target(), asm.target());
        asm.note("the labels of the former first thread");
        asm.store(size::DW, FP, KEY, R(1));
        self.find(&mut asm, done);
        asm.mov(own, R(0));
        asm.load(size::DW, first, own, self.bytes());
        asm.jump(jmp::JEQ, first, 0, done);
        asm.store(size::DW, FP, KEY, first);
        self.find(&mut asm, clear);
        self.merge(&mut asm, R(0), own);
        asm.bind(clear);
        asm.store(size::DW, own, self.bytes(), 0);
        self.end(asm, done, None, EXECUTED, 1)
    }

    fn free(&self) -> Function {
        let (own, first, entry) = (R(6), R(7), R(8));
        let mut asm = Asm::default();
        let (remove, done) = (asm.target(), asm.target());
        asm.mov(own, R(1));
        asm.mov(first, R(2));
        asm.note("the task's own entry");
        asm.store(size::DW, FP, KEY, own);
        self.find(&mut asm, done);
        asm.jump(jmp::JEQ, own, first, remove);
        asm.mov(entry, R(0));
        asm.note("a successor that has not merged these labels yet");
        asm.store(size::DW, FP, KEY, first);
        self.find(&mut asm, remove);
        asm.load(size::DW, R(1), R(0), self.bytes());
        asm.jump(jmp::JNE, R(1), own, remove);
        self.merge(&mut asm, entry, R(0));
        asm.bind(remove);
        asm.store(size::DW, FP, KEY, own);
        self.map_and_key(&mut asm);
        asm.call(helper::MAP_DELETE_ELEM);
        self.end(asm, done, None, FREE, 2)
    }
}
