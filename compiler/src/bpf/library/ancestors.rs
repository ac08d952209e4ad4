//! Walks from a task to its ancestors, one function for each question.
//!
//! ```text
//! krs_any_3(task, slot)        ANSWER where `krs_asked_3` says so of some ancestor
//! krs_all_3(task, slot)        ANSWER where it does of every one, up to the first process
//! krs_asked_3(task, slot)      ANSWER where an ancestor is known to be as asked
//! ```
//!
//! Parents are the kernel's `real_parent`: the thread that forked, or who took the task over. The walk ends before the idle
//! task, whose id is 0. What is beyond [`ANCESTORS_MAX`] is not known, so that `all` is not either.
//!
//! The verifier follows each iteration, but `krs_asked` only once: it is a function of its own.

use std::sync::LazyLock;

use super::{Asm, FP, Function, R, alu, field, jmp, size};
use crate::access::Shape;
use crate::limits::{ANCESTOR_CONDS_MAX, ANCESTORS_MAX};

/// A function says yes: of an ancestor, or of them all.
pub const ANSWER: i32 = 1;
/// Something could not be read on the way: a text, or an ancestor beyond the last that is asked.
pub const UNREADABLE: i32 = 2;

/// `krs_any_3`, `krs_all_3` and `krs_asked_3`
pub struct Names {
    /// Walks until one is as asked.
    pub any: String,
    /// Walks while all are.
    pub all: String,
    /// Asks one.
    pub asked: String,
}

static NAMES: LazyLock<Vec<Names>> = LazyLock::new(|| {
    (0..ANCESTOR_CONDS_MAX)
        .map(|at| Names {
            any: format!("krs_any_{at}"),
            all: format!("krs_all_{at}"),
            asked: format!("krs_asked_{at}"),
        })
        .collect()
});

/// The names of the functions of a question.
#[must_use]
pub fn names(question: usize) -> Option<&'static Names> {
    NAMES.get(question)
}

const TASK: R = R(6);
const SLOT: R = R(7);
const LEFT: R = R(8);
const SAID: R = R(9);

/// The frame of a walk.
mod frame {
    pub const PARENT: i16 = -8;
    pub const PID: i16 = -16;
}

/// The walk for a question. `some` asks whether there is one, otherwise whether all are so.
pub fn walk(name: &'static str, asked: &'static str, some: bool) -> Function {
    let mut asm = Asm::default();
    let (again, end, no, unknown) = (asm.label(), asm.label(), asm.label(), asm.label());
    asm.note("from a task to its parent");
    asm.mov(TASK, R(1));
    asm.mov(SLOT, R(2));
    asm.mov(SAID, 0);
    asm.mov(LEFT, ANCESTORS_MAX);
    asm.place(again);
    asm.probe(frame::PARENT, 8, TASK, field("task_struct", &[("real_parent", Shape::Pointer)]), unknown);
    asm.load(size::DW, TASK, FP, frame::PARENT);
    asm.jump(jmp::JEQ, TASK, 0, unknown);
    let pid = field("task_struct", &[("pid", Shape::Int { bytes: 4, signed: true })]);
    asm.probe(frame::PID, 4, TASK, pid, unknown);
    asm.load(size::W, R(1), FP, frame::PID);
    asm.jump(jmp::JEQ, R(1), 0, end);
    asm.jump(jmp::JEQ, LEFT, 0, unknown);
    asm.alu(alu::ADD, LEFT, -1);
    asm.note("what is asked of it");
    asm.mov(R(1), TASK);
    asm.mov(R(2), SLOT);
    asm.invoke(asked);
    asm.mov(R(1), R(0));
    asm.alu(alu::AND, R(1), UNREADABLE);
    asm.alu(alu::OR, SAID, R(1));
    asm.alu(alu::AND, R(0), ANSWER);
    if some {
        asm.jump(jmp::JEQ, R(0), 0, again);
        answer(&mut asm, ANSWER);
    } else {
        asm.jump(jmp::JNE, R(0), 0, again);
        asm.goto(no);
    }
    asm.place(end);
    if some {
        asm.goto(no);
    } else {
        answer(&mut asm, ANSWER);
    }
    asm.place(unknown);
    asm.mov(SAID, UNREADABLE);
    asm.place(no);
    asm.mov(R(0), SAID);
    asm.exit();
    asm.finish(name, 2)
}

fn answer(asm: &mut Asm, answer: i32) {
    asm.mov(R(0), answer);
    asm.exit();
}
