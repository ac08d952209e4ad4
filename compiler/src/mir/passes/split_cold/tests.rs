//! Blocks that become cold, and the blocks that both hot and cold code reach.

use super::*;
use crate::mir::text::parse;
use crate::testing::bodies::{becomes, stays};

#[test]
fn a_cold_way_that_does_not_return_is_sunk() {
    // The exit that both reach is duplicated.
    becomes(
        "b0: v11 = r1
             if v11 == 0 then b1 else b2
         b1 cold: call 5/0
             goto b3
         b2: store 8 [v11] = 1
             goto b3
         b3: r0 = 0
             exit",
        run,
        "b0: v11 = r1
             if v11 == 0 then b3 else b1
         b1: store 8 [v11] = 1
             goto b2
         b2: r0 = 0
             exit
         sunk:
         b3 cold: call 5/0
             goto b4
         b4 cold: r0 = 0
             exit",
    );
}

#[test]
fn a_block_that_leads_only_to_cold_ones_is_cold() {
    becomes(
        "b0: if r1 == 0 then b1 else b4
         b1: if r1 == 1 then b2 else b3
         b2 cold: exit
         b3 cold: exit
         b4: exit",
        run,
        "b0: if r1 == 0 then b2 else b1
         b1: exit
         sunk:
         b2 cold: if r1 == 1 then b3 else b4
         b3 cold: exit
         b4 cold: exit",
    );
}

#[test]
fn a_block_that_leads_to_a_warm_one_is_not_cold() {
    stays(
        "b0: if r1 == 0 then b1 else b2
         b1: if r1 == 1 then b2 else b3
         b2: exit
         sunk:
         b3 cold: exit",
        run,
    );
}

#[test]
fn a_block_that_only_cold_ones_lead_to_is_cold() {
    becomes(
        "b0: if r1 == 0 then b1 else b3
         b1 cold: if r1 == 1 then b2 else b2
         b2: exit
         b3: exit",
        run,
        "b0: if r1 == 0 then b2 else b1
         b1: exit
         sunk:
         b2 cold: if r1 == 1 then b3 else b3
         b3 cold: exit",
    );
}

#[test]
fn a_program_of_cold_code_stays() {
    becomes("b0: goto b1\nb1 cold: exit", run, "b0 cold: goto b1\nb1 cold: exit");
}

/// A block with an expensive call is cold unless the entry block has one.
#[test]
fn dear_blocks_are_cold_behind_cheap_ones() {
    becomes(
        "b0: if r1 == 0 then b1 else b2
         b1 dear: exit
         b2: exit",
        run,
        "b0: if r1 == 0 then b2 else b1
         b1: exit
         sunk:
         b2 cold dear: exit",
    );
    stays(
        "b0 dear: if r1 == 0 then b1 else b2
         b1 dear: exit
         b2: exit",
        run,
    );
}

/// A large block that both reach is shared: the cold code returns to hot code and stays out of the cold
/// region.
#[test]
fn what_is_too_large_to_copy_is_shared() {
    let shared = |count: usize| {
        let insts = "r2 = 1\n".repeat(count);
        format!("b0: if r1 == 0 then b1 else b2\nb1 cold: r0 = 1\ngoto b3\nb2: r0 = 2\ngoto b3\nb3: {insts}\nexit")
    };
    let mut code = parse(&shared(DUPLICATED_INSTS_MAX - 1));
    run(&mut code);
    assert_eq!((code.blocks.len(), code.sunk), (5, 3));
    stays(&shared(DUPLICATED_INSTS_MAX), run);
}

/// A short exit is duplicated even if all shared blocks together exceed the budget.
#[test]
fn a_short_exit_is_copied_beside_a_large_block() {
    let insts = "r2 = 1\n".repeat(DUPLICATED_INSTS_MAX);
    let text = format!(
        "b0: if r1 == 0 then b1 else b2
         b1 cold: if r1 == 1 then b3 else b4
         b2: if r1 == 2 then b3 else b4
         b3: {insts}
             exit
         b4: r0 = 0
             exit"
    );
    let mut code = parse(&text);
    run(&mut code);
    // Only the exit is duplicated; b1 still leads to b3 and keeps its place.
    assert_eq!(code.blocks.len(), 6);
    assert_eq!(code.sunk, 5);
    assert_eq!(code.blocks[1].terminator.targets().collect::<Vec<_>>(), [BlockId(3), BlockId(5)]);
    assert_eq!(code.blocks[2].terminator.targets().collect::<Vec<_>>(), [BlockId(3), BlockId(4)]);
}
