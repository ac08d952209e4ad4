//! Denials that are recorded and not enforced, by one function for all rules: the base fields of an event say all of them.
//!
//! ```text
//! krs_would(rule, errno)       the event that a rule would deny with this errno
//! krs_row(place, errno)        what the strongest of a row's rules does (`krsi_abi::modes::Act`), whose list begins at this
//!                              offset of the constants; with an errno, events of those that would deny with it
//! krs_row_step(place, errno)   the same for one entry of a list: a bit for what its rule does, and whether another follows
//! ```

use krsi_abi::event as abi;
use krsi_abi::modes::Act;

use super::{Asm, R, alu, jmp, size};
use crate::bpf::{Code, Function, RelocationKind, helper};
use crate::decision::index::ROW_RULES_MAX;
use crate::hir::RuleId;

/// Records that a rule would deny.
pub const WOULD: &str = "krs_would";
/// Looks at the rules of a row.
pub const ROW: &str = "krs_row";

/// Another rule of the row follows, in a list's entry.
pub const MORE: u32 = 1 << 31;

const ROW_STEP: &str = "krs_row_step";
/// Another entry follows, in what a step says.
const FOLLOWS: i32 = 1 << 4;

/// Adds the functions that programs call.
pub(super) fn link(code: &mut Code, rules: i32, called: impl Fn(&Code, &str) -> bool) {
    if called(code, ROW) {
        let step = row_step(code, rules);
        code.function(ROW, |_| row());
        code.function(ROW_STEP, |_| step);
    }
    if called(code, WOULD) {
        code.function(WOULD, |code| would(code, rules));
    }
}

/// `krs_would(rule, errno)`
fn would(code: &mut Code, rules: i32) -> Function {
    let (rule, errno, room) = (R(6), R(7), R(8));
    let events = code.events();
    let mut asm = Asm::default();
    let (lost, count, done) = (asm.label(), asm.label(), asm.label());
    // The register that is compared is the one that is used: the verifier does not carry bounds from one to another.
    let counter = |asm: &mut Asm| {
        asm.address(R(1), RelocationKind::Lost(RuleId(0)));
        asm.mov(R(2), rule);
        asm.alu(alu::LSH, R(2), 3);
        asm.alu(alu::ADD, R(1), R(2));
    };
    asm.note("room for an event");
    asm.mov(rule, R(1));
    asm.mov(errno, R(2));
    asm.jump(jmp::JGE, rule, rules, done);
    asm.address(R(1), events);
    asm.mov(R(2), abi::HEADER_BYTES as i32);
    asm.mov(R(3), 0);
    asm.call(helper::RINGBUF_RESERVE);
    asm.jump(jmp::JEQ, R(0), 0, lost);
    asm.mov(room, R(0));
    asm.note("who and when");
    for (helper, at) in [
        (helper::KTIME_GET_BOOT_NS, abi::TIME),
        (helper::GET_CURRENT_PID_TGID, abi::PID_TGID),
        (helper::GET_CURRENT_UID_GID, abi::UID_GID),
        (helper::GET_CURRENT_CGROUP_ID, abi::CGROUP),
    ] {
        asm.call(helper);
        asm.store(size::DW, room, at as i16, R(0));
    }
    asm.store(size::W, room, abi::RULE as i16, rule);
    asm.store(size::W, room, abi::VERDICT as i16, errno);
    counter(&mut asm);
    asm.load(size::DW, R(1), R(1), 0);
    asm.store(size::DW, room, abi::LOST as i16, R(1));
    asm.store(size::DW, room, abi::UNKNOWN as i16, 0);
    asm.sum(R(1), room, abi::COMM as i32);
    asm.mov(R(2), abi::COMM_BYTES as i32);
    asm.call(helper::GET_CURRENT_COMM);
    asm.mov(R(1), room);
    asm.mov(R(2), 0);
    asm.call(helper::RINGBUF_SUBMIT);
    asm.note("it is counted as written");
    counter(&mut asm);
    asm.alu(alu::ADD, R(1), krsi_abi::written_at(rules as usize) as i32);
    asm.goto(count);
    asm.note("no room: it is counted as lost");
    asm.place(lost);
    counter(&mut asm);
    asm.place(count);
    asm.mov(R(2), 1);
    asm.add_atomic(R(1), R(2));
    asm.place(done);
    asm.mov(R(0), 0);
    asm.exit();
    asm.finish(WOULD, 2)
}

/// `krs_row(place, errno)`. The loop has one way only, for the verifier follows each: what differs is in the step, or in bits.
fn row() -> Function {
    let (place, errno, left, said) = (R(6), R(7), R(8), R(9));
    let mut asm = Asm::default();
    let (again, done) = (asm.label(), asm.label());
    asm.note("what the rules of the row do");
    asm.mov(place, R(1));
    asm.mov(errno, R(2));
    asm.mov(left, ROW_RULES_MAX as i32);
    asm.mov(said, 0);
    asm.place(again);
    asm.mov(R(1), place);
    asm.mov(R(2), errno);
    asm.invoke(ROW_STEP);
    asm.alu(alu::OR, said, R(0));
    asm.alu(alu::ADD, place, 4);
    asm.alu(alu::SUB, left, 1);
    asm.jump(jmp::JEQ, left, 0, done);
    asm.jump(jmp::JSET, R(0), FOLLOWS, again);
    asm.place(done);
    asm.note("the strongest");
    for act in [Act::Alone, Act::Enforce, Act::Try] {
        let weaker = asm.label();
        asm.alu(alu::RSH, said, i32::from(act != Act::Alone));
        asm.mov(R(0), said);
        asm.alu(alu::AND, R(0), 1);
        asm.jump(jmp::JEQ, R(0), 0, weaker);
        asm.mov(R(0), act as i32);
        asm.exit();
        asm.place(weaker);
    }
    asm.mov(R(0), Act::Nothing as i32);
    asm.exit();
    asm.finish(ROW, 2)
}

/// `krs_row_step(place, errno)`
fn row_step(code: &Code, rules: i32) -> Function {
    let (entry, said) = (R(6), R(7));
    let limit = (code.constants.len() as u32 - 4).cast_signed();
    let mut asm = Asm::default();
    let (end, none) = (asm.label(), asm.label());
    asm.note("what a rule of the row does");
    asm.jump(jmp::JGT, R(1), limit, none);
    asm.address(R(3), RelocationKind::Constant(0));
    asm.alu(alu::ADD, R(3), R(1));
    asm.load(size::W, entry, R(3), 0);
    asm.mov(R(1), entry);
    asm.alu(alu::AND, R(1), (MORE - 1).cast_signed());
    asm.jump(jmp::JGE, R(1), rules, none);
    asm.address(R(3), RelocationKind::Act(RuleId(0)));
    asm.alu(alu::ADD, R(3), R(1));
    asm.load(size::B, R(4), R(3), 0);
    asm.alu(alu::AND, R(4), 3);
    asm.mov(said, 1);
    asm.alu(alu::LSH, said, R(4));
    // `MORE` as `FOLLOWS`.
    asm.alu(alu::RSH, entry, 31);
    asm.alu(alu::LSH, entry, FOLLOWS.trailing_zeros() as i32);
    asm.alu(alu::OR, said, entry);
    asm.jump(jmp::JNE, R(4), Act::Try as i32, end);
    asm.jump(jmp::JEQ, R(2), 0, end);
    asm.invoke(WOULD);
    asm.place(end);
    asm.mov(R(0), said);
    asm.exit();
    asm.place(none);
    asm.mov(R(0), 0);
    asm.exit();
    asm.finish(ROW_STEP, 2)
}
