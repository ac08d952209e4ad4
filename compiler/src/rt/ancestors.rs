//! Walks from a task to its ancestors, generated for each query.
//!
//! ```text
//! krs_any_3(task, slot)          HOLDS if `krs_predicate_3` holds for some ancestor
//! krs_all_3(task, slot)          HOLDS if it holds for every ancestor, up to the first process
//! krs_predicate_3(task, slot)    HOLDS if the condition is known to hold for one ancestor
//! ```
//!
//! The parent is `task_struct.real_parent`: the thread that forked, or the one that adopted the task. The
//! walk ends at the idle task, whose pid is 0. Ancestors beyond [`ANCESTORS_MAX`] are unknown, so `all` does
//! not hold either.
//!
//! The verifier follows every iteration of the loop. `krs_predicate` is a global function, so its body is checked
//! only once.
//!
//! Absent: the condition, which `lower::ancestors` compiles.

use std::sync::LazyLock;

use super::{Asm, FP, Function, R, alu, field, jmp, size};
use crate::access::Shape;
use crate::limits::{ANCESTOR_CONDS_MAX, ANCESTORS_MAX};

/// Result bit: the condition holds, for one ancestor or for all.
pub const HOLDS: i32 = 1;
/// Result bit: something could not be read, such as a text, or an ancestor beyond the last one visited.
pub const UNREADABLE: i32 = 2;
/// Result bit of a walk: no ancestor that it has visited decides, and there are more. [`UNREADABLE`] is set as well.
pub const MORE: i32 = 4;

/// The names of a query's functions: `krs_any_3`, `krs_all_3` and `krs_predicate_3`.
pub struct Names {
    /// The walk that ends at the first ancestor for which the condition holds.
    pub any: String,
    /// The walk that ends at the first ancestor for which it does not.
    pub all: String,
    /// The condition for one ancestor.
    pub predicate: String,
}

static NAMES: LazyLock<Vec<Names>> = LazyLock::new(|| {
    (0..ANCESTOR_CONDS_MAX)
        .map(|at| Names {
            any: format!("krs_any_{at}"),
            all: format!("krs_all_{at}"),
            predicate: format!("krs_predicate_{at}"),
        })
        .collect()
});

/// Returns the names of a query's functions, if the limit allows it.
#[must_use]
pub fn names(query: usize) -> Option<&'static Names> {
    NAMES.get(query)
}

const TASK: R = R(6);
const SLOT: R = R(7);
const LEFT: R = R(8);
const RESULT: R = R(9);

/// Stack offsets of a walk.
mod frame {
    pub const PARENT: i16 = -8;
    pub const PID: i16 = -16;
}

/// Generates the walk of a query: for some ancestor, or else for all of them.
pub fn walk(name: &'static str, predicate: &'static str, some: bool) -> Function {
    let mut asm = Asm::default();
    let (next, end, no, unknown) = (asm.target(), asm.target(), asm.target(), asm.target());
    asm.note("from a task to its parent");
    asm.mov(TASK, R(1));
    asm.mov(SLOT, R(2));
    asm.mov(RESULT, 0);
    asm.mov(LEFT, ANCESTORS_MAX);
    asm.bind(next);
    asm.probe(frame::PARENT, 8, TASK, field("task_struct", &[("real_parent", Shape::Pointer)]), unknown);
    asm.load(size::DW, TASK, FP, frame::PARENT);
    asm.jump(jmp::JEQ, TASK, 0, unknown);
    let pid = field("task_struct", &[("pid", Shape::Int { bytes: 4, signed: true })]);
    asm.probe(frame::PID, 4, TASK, pid, unknown);
    asm.load(size::W, R(1), FP, frame::PID);
    asm.jump(jmp::JEQ, R(1), 0, end);
    asm.jump(jmp::JEQ, LEFT, 0, unknown);
    asm.alu(alu::ADD, LEFT, -1);
    asm.note("the condition on it");
    asm.mov(R(1), TASK);
    asm.mov(R(2), SLOT);
    asm.invoke(predicate);
    asm.mov(R(1), R(0));
    asm.alu(alu::AND, R(1), UNREADABLE);
    asm.alu(alu::OR, RESULT, R(1));
    asm.alu(alu::AND, R(0), HOLDS);
    if some {
        asm.jump(jmp::JEQ, R(0), 0, next);
        answer(&mut asm, HOLDS);
    } else {
        asm.jump(jmp::JNE, R(0), 0, next);
        asm.goto(no);
    }
    asm.bind(end);
    if some {
        asm.goto(no);
    } else {
        answer(&mut asm, HOLDS);
    }
    asm.bind(unknown);
    asm.mov(RESULT, UNREADABLE | MORE);
    asm.bind(no);
    asm.mov(R(0), RESULT);
    asm.exit();
    asm.finish(name, 2)
}

fn answer(asm: &mut Asm, answer: i32) {
    asm.mov(R(0), answer);
    asm.exit();
}
