//! Event headers, and the denials of permissive rules, which are events that consist of a header.
//!
//! ```text
//! krs_head(record, rule, verdict, counter)   writes the header into reserved memory, counts the event as written, and
//!                                            returns the memory; `counter` is the rule's counter of lost events
//! krs_no_room(rule)                          counts an event as lost
//! krs_would(rule, errno)                     records that a permissive rule would have denied with this errno
//! krs_row(place, errno)                      the strongest action (`krsi_abi::modes::EffectiveAction`) of a row's rules; its list
//!                                            begins at this offset of the constants; with an errno, also records the
//!                                            denials of its permissive rules
//! krs_row_step(place, errno)                 the same for one entry of it: a bit for the action of its rule, and
//!                                            whether another entry follows
//! krs_first(place, errno)                    the first rule of a list that is enforced, or `NOBODY`; also records the
//!                                            denials of permissive rules before it
//! ```
//!
//! The caller of `krs_head` reserves the memory: the verifier of 5.10 loses the result of a null check when a
//! function returns the pointer.
//!
//! Absent: the fields of events, which each program writes itself.

use krsi_abi::event as abi;
use krsi_abi::modes::EffectiveAction;

use super::{Asm, Checked, Function, Linker, R, Target, alu, jmp, size};
use crate::data::Data;
use crate::helper;
use crate::hir::RuleId;
use crate::limits::ROW_RULES_MAX;
use crate::relocation::{RelocationKind, Section};

/// Writes the header of an event.
pub const HEAD: &str = "krs_head";
/// Counts an event for which the buffer has no room.
pub const NO_ROOM: &str = "krs_no_room";
/// Records a denial that a permissive rule would have made.
pub const WOULD: &str = "krs_would";
/// Returns the strongest action of the rules of a row.
pub const ROW: &str = "krs_row";

/// Returns the first rule of a list that is enforced.
pub const FIRST: &str = "krs_first";
/// The result of [`FIRST`] if no rule is enforced.
pub const NOBODY: i32 = -1;

/// The bit of a list's entry that says that another rule of the row follows.
pub const MORE: u32 = 1 << 31;

const ROW_STEP: &str = "krs_row_step";
/// The bit of a step's result that says that another entry follows.
const FOLLOWS: i32 = 1 << 4;

/// Adds the functions that programs call.
pub(super) fn link(linker: &mut Linker, data: &mut Data, rules: i32) {
    if linker.is_called(ROW) || linker.is_called(FIRST) {
        linker.add(row_step(data, rules));
    }
    if linker.is_called(ROW) {
        linker.add(row());
    }
    if linker.is_called(FIRST) {
        linker.add(first(data));
    }
    if linker.is_called(WOULD) {
        linker.add(would(data, rules));
    }
    for (name, make) in [(HEAD, head as fn(i32) -> Function), (NO_ROOM, no_room)] {
        if linker.is_called(name) {
            linker.add(make(rules));
        }
    }
}

/// Emits `r4 =` the address of a rule's counter of lost events; jumps to `none` if there is no such rule.
fn counter(asm: &mut Asm, rule: R, rules: i32, none: Target) {
    // The register that is compared is the one that is used: the verifier does not propagate bounds between
    // registers.
    asm.mov(R(2), rule);
    asm.jump(jmp::JGE, R(2), rules, none);
    asm.alu(alu::LSH, R(2), 3);
    asm.address(R(4), RelocationKind::Lost(RuleId(0)));
    asm.alu(alu::ADD, R(4), R(2));
}

/// Generates the function `krs_head(record, rule, verdict, counter)`.
fn head(rules: i32) -> Function {
    let (record, rule, verdict, counter) = (R(6), R(2), R(3), R(4));
    let mut asm = Asm::default();
    asm.note("rule and verdict");
    asm.mov(record, R(1));
    asm.store(size::W, record, abi::RULE as i16, rule);
    asm.store(size::W, record, abi::VERDICT as i16, verdict);
    asm.store(size::DW, record, abi::UNKNOWN as i16, 0);
    asm.note("the count of lost events; this one is not lost");
    asm.load(size::DW, R(2), counter, 0);
    asm.store(size::DW, record, abi::LOST as i16, R(2));
    asm.alu(alu::ADD, counter, krsi_abi::written_at(rules as usize) as i32);
    asm.mov(R(2), 1);
    asm.add_atomic(counter, R(2));
    asm.note("time, task and cgroup");
    for (helper, at) in [
        (helper::KTIME_GET_BOOT_NS, abi::TIME),
        (helper::GET_CURRENT_PID_TGID, abi::PID_TGID),
        (helper::GET_CURRENT_UID_GID, abi::UID_GID),
        (helper::GET_CURRENT_CGROUP_ID, abi::CGROUP),
    ] {
        asm.call(helper);
        asm.store(size::DW, record, at as i16, R(0));
    }
    asm.sum(R(1), record, abi::COMM as i32);
    asm.mov(R(2), abi::COMM_BYTES as i32);
    asm.call(helper::GET_CURRENT_COMM);
    asm.mov(R(0), record);
    asm.exit();
    Function { checked: Checked::EachCall, ..asm.finish(HEAD, 4) }
}

/// Generates the function `krs_no_room(rule)`.
fn no_room(rules: i32) -> Function {
    let mut asm = Asm::default();
    let none = asm.target();
    asm.note("count the event as lost");
    counter(&mut asm, R(1), rules, none);
    asm.mov(R(2), 1);
    asm.add_atomic(R(4), R(2));
    asm.bind(none);
    asm.mov(R(0), 0);
    asm.exit();
    asm.finish(NO_ROOM, 1)
}

/// Generates the function `krs_would(rule, errno)`.
fn would(data: &mut Data, rules: i32) -> Function {
    let (rule, errno, count) = (R(6), R(7), R(8));
    let events = data.events();
    let mut asm = Asm::default();
    let (lost, done) = (asm.target(), asm.target());
    asm.note("reserve an event");
    asm.mov(rule, R(1));
    asm.mov(errno, R(2));
    counter(&mut asm, rule, rules, done);
    asm.mov(count, R(4));
    asm.address(R(1), events);
    asm.mov(R(2), abi::HEADER_BYTES as i32);
    asm.mov(R(3), 0);
    asm.call(helper::RINGBUF_RESERVE);
    asm.jump(jmp::JEQ, R(0), 0, lost);
    asm.note("an event that is only a header");
    asm.mov(R(1), R(0));
    asm.mov(R(2), rule);
    asm.mov(R(3), errno);
    asm.mov(R(4), count);
    asm.invoke(HEAD);
    asm.mov(R(1), R(0));
    asm.mov(R(2), 0);
    asm.call(helper::RINGBUF_SUBMIT);
    asm.goto(done);
    asm.bind(lost);
    asm.mov(R(1), rule);
    asm.invoke(NO_ROOM);
    asm.bind(done);
    asm.mov(R(0), 0);
    asm.exit();
    asm.finish(WOULD, 2)
}

/// Generates the function `krs_row(place, errno)`. The verifier follows every path through every iteration,
/// so the loop has a single path: the differences are in the step, or in bits.
fn row() -> Function {
    let (place, errno, left, actions) = (R(6), R(7), R(8), R(9));
    let mut asm = Asm::default();
    let (next, done) = (asm.target(), asm.target());
    asm.note("the actions of the rules of the row");
    asm.mov(place, R(1));
    asm.mov(errno, R(2));
    asm.mov(left, ROW_RULES_MAX as i32);
    asm.mov(actions, 0);
    asm.bind(next);
    asm.mov(R(1), place);
    asm.mov(R(2), errno);
    asm.invoke(ROW_STEP);
    asm.alu(alu::OR, actions, R(0));
    asm.alu(alu::ADD, place, 4);
    asm.alu(alu::SUB, left, 1);
    asm.jump(jmp::JEQ, left, 0, done);
    asm.jump(jmp::JSET, R(0), FOLLOWS, next);
    asm.bind(done);
    asm.note("the strongest action");
    for act in [EffectiveAction::Alone, EffectiveAction::Enforce, EffectiveAction::Permissive] {
        let weaker = asm.target();
        if act != EffectiveAction::Alone {
            asm.alu(alu::RSH, actions, 1);
        }
        asm.mov(R(0), actions);
        asm.alu(alu::AND, R(0), 1);
        asm.jump(jmp::JEQ, R(0), 0, weaker);
        asm.mov(R(0), act as i32);
        asm.exit();
        asm.bind(weaker);
    }
    asm.mov(R(0), EffectiveAction::Off as i32);
    asm.exit();
    asm.finish(ROW, 2)
}

/// Generates the function `krs_first(place, errno)`.
fn first(data: &Data) -> Function {
    let (place, errno, left) = (R(6), R(7), R(8));
    let limit = data.constants.end(Section::Tables) - 4;
    let mut asm = Asm::default();
    let (next, found, none) = (asm.target(), asm.target(), asm.target());
    asm.note("the first rule of a list that is enforced");
    asm.mov(place, R(1));
    asm.mov(errno, R(2));
    asm.mov(left, ROW_RULES_MAX as i32);
    asm.bind(next);
    asm.mov(R(1), place);
    asm.mov(R(2), errno);
    asm.invoke(ROW_STEP);
    asm.jump(jmp::JSET, R(0), 1 << EffectiveAction::Alone as i32 | 1 << EffectiveAction::Enforce as i32, found);
    asm.alu(alu::ADD, place, 4);
    asm.alu(alu::SUB, left, 1);
    asm.jump(jmp::JEQ, left, 0, none);
    asm.jump(jmp::JSET, R(0), FOLLOWS, next);
    asm.bind(none);
    asm.mov(R(0), NOBODY);
    asm.exit();
    asm.bind(found);
    asm.jump(jmp::JGT, place, limit, none);
    asm.address(R(3), RelocationKind::Constant(Section::Tables, 0));
    asm.alu(alu::ADD, R(3), place);
    asm.load(size::W, R(0), R(3), 0);
    asm.alu(alu::AND, R(0), (MORE - 1).cast_signed());
    asm.exit();
    asm.finish(FIRST, 2)
}

/// Generates the function `krs_row_step(place, errno)`.
fn row_step(data: &Data, rules: i32) -> Function {
    let (entry, result) = (R(6), R(7));
    let limit = data.constants.end(Section::Tables) - 4;
    let mut asm = Asm::default();
    let (end, none) = (asm.target(), asm.target());
    asm.note("the action of a rule of the row");
    asm.jump(jmp::JGT, R(1), limit, none);
    asm.address(R(3), RelocationKind::Constant(Section::Tables, 0));
    asm.alu(alu::ADD, R(3), R(1));
    asm.load(size::W, entry, R(3), 0);
    asm.mov(R(1), entry);
    asm.alu(alu::AND, R(1), (MORE - 1).cast_signed());
    asm.jump(jmp::JGE, R(1), rules, none);
    asm.address(R(3), RelocationKind::EffectiveAction(RuleId(0)));
    asm.alu(alu::ADD, R(3), R(1));
    asm.load(size::B, R(4), R(3), 0);
    asm.alu(alu::AND, R(4), 3);
    asm.mov(result, 1);
    asm.alu(alu::LSH, result, R(4));
    // Move `MORE` to `FOLLOWS`.
    asm.alu(alu::RSH, entry, 31);
    asm.alu(alu::LSH, entry, FOLLOWS.trailing_zeros() as i32);
    asm.alu(alu::OR, result, entry);
    asm.jump(jmp::JNE, R(4), EffectiveAction::Permissive as i32, end);
    asm.jump(jmp::JEQ, R(2), 0, end);
    asm.invoke(WOULD);
    asm.bind(end);
    asm.mov(R(0), result);
    asm.exit();
    asm.bind(none);
    asm.mov(R(0), 0);
    asm.exit();
    asm.finish(ROW_STEP, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_added_with_their_callees() {
        let names = |wanted: &'static str| {
            let mut data = Data::default();
            data.constants.add(Section::Tables, &[0; 8]);
            let mut linker = Linker { functions: Vec::new(), called: [wanted].into() };
            link(&mut linker, &mut data, 1);
            linker.functions.iter().map(|function| (function.name, function.checked)).collect::<Vec<_>>()
        };
        let (once, each) = (Checked::Once, Checked::EachCall);
        assert_eq!(names(HEAD), [(HEAD, each)]);
        assert_eq!(names(NO_ROOM), [(NO_ROOM, once)]);
        assert_eq!(names(WOULD), [(HEAD, each), (NO_ROOM, once), (WOULD, once)]);
        assert_eq!(names(ROW), [(HEAD, each), (NO_ROOM, once), (ROW, once), (ROW_STEP, once), (WOULD, once)]);
    }
}
