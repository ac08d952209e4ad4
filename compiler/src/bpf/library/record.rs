//! What all events have, written by functions that every rule's own code calls; and denials that are recorded and not
//! enforced, of which these fields say all.
//!
//! ```text
//! krs_head(room, rule, verdict, counter)  what begins an event, in room from the ring buffer, which it gives back; counts the
//!                              event as written. The counter is the rule's of lost ones
//! krs_no_room(rule)            counts an event as lost
//! krs_would(rule, errno)       the event that a rule would deny with this errno
//! krs_row(place, errno)        what the strongest of a row's rules does (`krsi_abi::modes::Act`), whose list begins at this
//!                              offset of the constants; with an errno, events of those that would deny with it
//! krs_row_step(place, errno)   the same for one entry of a list: a bit for what its rule does, and whether another follows
//! ```
//!
//! Room is asked for by whoever calls `krs_head`: the verifier of 5.10 does not know of a pointer that a function gives back that
//! it was found not to be null.

use krsi_abi::event as abi;
use krsi_abi::modes::Act;

use super::{Asm, Label, R, alu, jmp, size};
use crate::bpf::{Checked, Code, Function, RelocationKind, Section, helper};
use crate::hir::RuleId;
use crate::limits::ROW_RULES_MAX;

/// Writes the head of an event.
pub const HEAD: &str = "krs_head";
/// Counts an event that found no room.
pub const NO_ROOM: &str = "krs_no_room";
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
    for (name, make) in [(HEAD, head as fn(i32) -> Function), (NO_ROOM, no_room)] {
        if called(code, name) {
            code.function(name, |_| make(rules));
        }
    }
}

/// The address of a rule's counter of lost events, in `r4`; to `none` where there is no such rule.
fn counter(asm: &mut Asm, rule: R, rules: i32, none: Label) {
    // What is compared is what is used: the verifier does not carry bounds from one register to another.
    asm.mov(R(2), rule);
    asm.jump(jmp::JGE, R(2), rules, none);
    asm.alu(alu::LSH, R(2), 3);
    asm.address(R(4), RelocationKind::Lost(RuleId(0)));
    asm.alu(alu::ADD, R(4), R(2));
}

/// `krs_head(room, rule, verdict, counter)`
fn head(rules: i32) -> Function {
    let (room, rule, verdict, counter) = (R(6), R(2), R(3), R(4));
    let mut asm = Asm::default();
    asm.note("whose event, and what it says");
    asm.mov(room, R(1));
    asm.store(size::W, room, abi::RULE as i16, rule);
    asm.store(size::W, room, abi::VERDICT as i16, verdict);
    asm.store(size::DW, room, abi::UNKNOWN as i16, 0);
    asm.note("how many were lost; this one is not");
    asm.load(size::DW, R(2), counter, 0);
    asm.store(size::DW, room, abi::LOST as i16, R(2));
    asm.alu(alu::ADD, counter, krsi_abi::written_at(rules as usize) as i32);
    asm.mov(R(2), 1);
    asm.add_atomic(counter, R(2));
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
    asm.sum(R(1), room, abi::COMM as i32);
    asm.mov(R(2), abi::COMM_BYTES as i32);
    asm.call(helper::GET_CURRENT_COMM);
    asm.mov(R(0), room);
    asm.exit();
    Function { checked: Checked::EachCall, ..asm.finish(HEAD, 4) }
}

/// `krs_no_room(rule)`
fn no_room(rules: i32) -> Function {
    let mut asm = Asm::default();
    let none = asm.label();
    asm.note("it is counted as lost");
    counter(&mut asm, R(1), rules, none);
    asm.mov(R(2), 1);
    asm.add_atomic(R(4), R(2));
    asm.place(none);
    asm.mov(R(0), 0);
    asm.exit();
    asm.finish(NO_ROOM, 1)
}

/// `krs_would(rule, errno)`
fn would(code: &mut Code, rules: i32) -> Function {
    let (rule, errno, count) = (R(6), R(7), R(8));
    let events = code.events();
    let mut asm = Asm::default();
    let (lost, done) = (asm.label(), asm.label());
    asm.note("room for an event");
    asm.mov(rule, R(1));
    asm.mov(errno, R(2));
    counter(&mut asm, rule, rules, done);
    asm.mov(count, R(4));
    asm.address(R(1), events);
    asm.mov(R(2), abi::HEADER_BYTES as i32);
    asm.mov(R(3), 0);
    asm.call(helper::RINGBUF_RESERVE);
    asm.jump(jmp::JEQ, R(0), 0, lost);
    asm.note("there is no more to it than its head");
    asm.mov(R(1), R(0));
    asm.mov(R(2), rule);
    asm.mov(R(3), errno);
    asm.mov(R(4), count);
    asm.invoke(HEAD);
    asm.mov(R(1), R(0));
    asm.mov(R(2), 0);
    asm.call(helper::RINGBUF_SUBMIT);
    asm.goto(done);
    asm.place(lost);
    asm.mov(R(1), rule);
    asm.invoke(NO_ROOM);
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
        if act != Act::Alone {
            asm.alu(alu::RSH, said, 1);
        }
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
    let limit = code.constants.end(Section::Tables) - 4;
    let mut asm = Asm::default();
    let (end, none) = (asm.label(), asm.label());
    asm.note("what a rule of the row does");
    asm.jump(jmp::JGT, R(1), limit, none);
    asm.address(R(3), RelocationKind::Constant(Section::Tables, 0));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_added_with_what_they_call() {
        let names = |wanted: &'static str| {
            let mut code = Code::default();
            code.constants.add(Section::Tables, &[0; 8]);
            link(&mut code, 1, |code, name| {
                let mut called = code.functions.iter().flat_map(|function| &function.relocations);
                name == wanted || called.any(|one| matches!(one.kind, RelocationKind::Function(known) if known == name))
            });
            code.functions.iter().map(|function| (function.name, function.checked)).collect::<Vec<_>>()
        };
        let (once, each) = (Checked::Once, Checked::EachCall);
        assert_eq!(names(HEAD), [(HEAD, each)]);
        assert_eq!(names(NO_ROOM), [(NO_ROOM, once)]);
        assert_eq!(names(WOULD), [(HEAD, each), (NO_ROOM, once), (WOULD, once)]);
        assert_eq!(names(ROW), [(HEAD, each), (NO_ROOM, once), (ROW, once), (ROW_STEP, once), (WOULD, once)]);
    }
}
