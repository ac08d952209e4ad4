//! Assignment of registers, spilling, and ranges of machine registers.

use super::*;
use crate::mir::text::{parse, print};
use crate::testing::bodies::becomes;
use crate::testing::run::run;

const GENEROUS: Options = Options { frugal: false, share: true };
const FRUGAL: Options = Options { frugal: true, share: true };

/// A call clobbers all of `r0` to `r5`, arguments or not: values that find no room in `r6` to `r9` are
/// spilled.
#[test]
fn no_value_stays_in_a_clobbered_register_over_a_call() {
    let writes: String = (12..20).map(|reg| format!("v{reg} = load 8 [v11 + {}]\n", 8 * (reg - 12))).collect();
    let reads: String = (12..20).map(|reg| format!("store 8 [v20] = v{reg}\n")).collect();
    for call in ["call 5/0", "call 5/3", "call krs_f/1"] {
        let before =
            parse(&format!("b0: v11 = r1\n{writes}r1 = 1\nr2 = 2\nr3 = 3\n{call}\nv20 = r0\n{reads}r0 = v20\nexit"));
        for options in [GENEROUS, FRUGAL, Options { frugal: true, share: false }] {
            let after = allocate(before.clone(), options).expect("registers suffice");
            // The interpreter leaves no value in the registers that a call clobbers.
            assert_eq!(run(&after, 1), run(&before, 1));
            let reloads = after.blocks[0].insts.iter().filter(|(inst, _)| matches!(inst, Inst::Reload { .. }));
            assert_eq!(reloads.count(), if options.frugal { 8 } else { 4 }, "{}", print(&after));
        }
    }
}

/// A register with two definitions is not rematerialised, even if both are constants.
#[test]
fn a_register_of_two_constants_is_spilled() {
    let before = parse(
        "b0: v11 = r1
             v12 = 1
             if v11 == 0 then b1 else b2
         b1: v12 = 2
             goto b2
         b2: call 5/0
             r0 = v12
             exit",
    );
    let mut after = before.clone();
    let mut slots = 0;
    spill(&mut after, &[Reg(12)], &mut slots, true);
    assert_eq!(slots, 1);
    assert_eq!(run(&after, 1), run(&before, 1));
}

fn spilled(code: &mut Body) {
    spill(code, &[Reg(12)], &mut 0, true);
}

#[test]
fn one_reload_serves_all_uses_up_to_a_call() {
    becomes(
        "b0: v11 = r1
             v12 = load 8 [v11]
             store 8 [v11] = v12
             call 5/0
             store 8 [v11] = v12
             store 8 [v11 + 8] = v12
             r0 = 0
             exit",
        spilled,
        "b0: v11 = r1
             v13 = load 8 [v11]
             spill 0 = v13
             store 8 [v11] = v13
             call 5/0
             v14 = reload 0
             store 8 [v11] = v14
             store 8 [v11 + 8] = v14
             r0 = 0
             exit",
    );
    // Without sharing, each use has a reload.
    becomes(
        "b0: v11 = r1
             v12 = load 8 [v11]
             store 8 [v11] = v12
             store 8 [v11 + 8] = v12
             r0 = 0
             exit",
        |code| spill(code, &[Reg(12)], &mut 0, false),
        "b0: v11 = r1
             v13 = load 8 [v11]
             spill 0 = v13
             v14 = reload 0
             store 8 [v11] = v14
             v15 = reload 0
             store 8 [v11 + 8] = v15
             r0 = 0
             exit",
    );
}

#[test]
fn a_value_changed_in_place_is_stored_again() {
    becomes(
        "b0: v11 = r1
             v12 = load 8 [v11]
             call 5/0
             v12 += 1
             if v12 == 0 then b1 else b1
         b1: r0 = 0
             exit",
        spilled,
        "b0: v11 = r1
             v13 = load 8 [v11]
             spill 0 = v13
             call 5/0
             v14 = reload 0
             v14 += 1
             spill 0 = v14
             if v14 == 0 then b1 else b1
         b1: r0 = 0
             exit",
    );
}

/// A reload also serves a successor without another predecessor.
#[test]
fn a_reload_serves_a_block_with_one_predecessor() {
    becomes(
        "b0: v11 = r1
             v12 = load 8 [v11]
             call 5/0
             if v12 == 0 then b1 else b2
         b1: r0 = v12
             exit
         b2: r0 = 0
             exit",
        spilled,
        "b0: v11 = r1
             v13 = load 8 [v11]
             spill 0 = v13
             call 5/0
             v14 = reload 0
             if v14 == 0 then b1 else b2
         b1: r0 = v14
             exit
         b2: r0 = 0
             exit",
    );
}

/// Two predecessors hold the value in different registers; the join reloads it.
#[test]
fn a_join_of_different_reloads_reloads() {
    becomes(
        "b0: v11 = r1
             v12 = load 8 [v11]
             call 5/0
             if v11 == 0 then b1 else b2
         b1: store 8 [v11] = v12
             goto b3
         b2: store 8 [v11 + 8] = v12
             goto b3
         b3: v13 = v12
             r0 = v13
             exit",
        spilled,
        "b0: v11 = r1
             v14 = load 8 [v11]
             spill 0 = v14
             call 5/0
             if v11 == 0 then b1 else b2
         b1: v15 = reload 0
             store 8 [v11] = v15
             goto b3
         b2: v16 = reload 0
             store 8 [v11 + 8] = v16
             goto b3
         b3: v13 = reload 0
             r0 = v13
             exit",
    );
    // One of them holds it in no register.
    becomes(
        "b0: v11 = r1
             v12 = load 8 [v11]
             call 5/0
             if v11 == 0 then b1 else b2
         b1: store 8 [v11] = v12
             goto b2
         b2: v13 = v12
             r0 = v13
             exit",
        spilled,
        "b0: v11 = r1
             v14 = load 8 [v11]
             spill 0 = v14
             call 5/0
             if v11 == 0 then b1 else b2
         b1: v15 = reload 0
             store 8 [v11] = v15
             goto b2
         b2: v13 = reload 0
             r0 = v13
             exit",
    );
}

#[test]
fn a_join_of_one_reload_keeps_it() {
    becomes(
        "b0: v11 = r1
             v12 = load 8 [v11]
             if v12 == 0 then b1 else b2
         b1: store 8 [v11] = 1
             goto b2
         b2: r0 = v12
             exit",
        spilled,
        "b0: v11 = r1
             v13 = load 8 [v11]
             spill 0 = v13
             if v13 == 0 then b1 else b2
         b1: store 8 [v11] = 1
             goto b2
         b2: r0 = v13
             exit",
    );
}

/// A result is spilled from `r0`, which serves its uses until the next definition of `r0`.
#[test]
fn a_spilled_result_is_read_from_r0_up_to_the_next_write() {
    becomes(
        "b0: call 5/0
             v12 = r0
             store 8 [r10 - 8] = v12
             v12 += 1
             call 6/0
             r0 = v12
             exit",
        spilled,
        "b0: call 5/0
             spill 0 = r0
             store 8 [r10 - 8] = r0
             v13 = r0
             v13 += 1
             spill 0 = v13
             call 6/0
             r0 = reload 0
             exit",
    );
    becomes(
        "b0: call 5/0
             v12 = r0
             r0 = 1
             store 8 [r10 - 8] = v12
             exit",
        spilled,
        "b0: call 5/0
             spill 0 = r0
             r0 = 1
             v13 = reload 0
             store 8 [r10 - 8] = v13
             exit",
    );
    // It does not serve the next block.
    becomes(
        "b0: call 5/0
             v12 = r0
             goto b1
         b1: store 8 [r10 - 8] = v12
             exit",
        spilled,
        "b0: call 5/0
             spill 0 = r0
             goto b1
         b1: v13 = reload 0
             store 8 [r10 - 8] = v13
             exit",
    );
}

#[test]
fn the_frame_pointer_is_not_spilled_directly() {
    becomes(
        "b0: v12 = r10
             v12 += -8
             r0 = 0
             exit",
        spilled,
        "b0: v13 = r10
             spill 0 = v13
             v13 += -8
             spill 0 = v13
             r0 = 0
             exit",
    );
}

#[test]
fn a_narrow_move_to_a_spilled_register_is_computed() {
    becomes(
        "b0: v11 = r1
             w12 = w11
             r0 = v12
             exit",
        spilled,
        "b0: v11 = r1
             w13 = w11
             spill 0 = v13
             r0 = v13
             exit",
    );
}

/// Ranges of machine registers have the positions of `liveness`: `2i` reads, `2i + 1` writes.
#[test]
fn machine_registers_are_busy_between_writes_and_reads() {
    let code = parse(
        "b0: v11 = r1
             r2 = v11
             r2 += 8
             r6 = 1
             call 5/2
             v12 = r0
             r0 = v12
             exit",
    );
    let busy = reserved(&code);
    // `r0` at the call and to its read; `r1`, an argument, from the entry to the call; `r2` from its move to
    // the call.
    assert_eq!(busy[0], [(10, 12), (15, 16)]);
    assert_eq!(busy[1], [(0, 11)]);
    assert_eq!(busy[2], [(5, 11)]);
    assert_eq!(busy[3], [(10, 11)]);
    assert_eq!(busy[5], [(10, 11)]);
    assert_eq!(busy[6], []);
}
