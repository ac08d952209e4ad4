//! The order of blocks, and exits that are duplicated.

use super::*;
use crate::testing::bodies::{becomes, stays};

#[test]
fn a_block_follows_the_one_that_leads_to_it() {
    // The former b3 is placed after b1, which jumps to it, and b2 last.
    becomes(
        "b0: if r1 == 0 then b2 else b1
         b1: r0 = 1
             goto b3
         b2: r0 = 2
             exit
         b3: r0 = 3
             exit",
        place_blocks,
        "b0: if r1 == 0 then b3 else b1
         b1: r0 = 1
             goto b2
         b2: r0 = 3
             exit
         b3: r0 = 2
             exit",
    );
}

/// Edges lead forward: a block is placed after all its predecessors.
#[test]
fn a_join_is_placed_behind_all_its_predecessors() {
    stays(
        "b0: if r1 == 0 then b2 else b1
         b1: r0 = 1
             goto b3
         b2: r0 = 2
             goto b3
         b3: exit",
        place_blocks,
    );
}

/// The next block is preferred as the one that follows, then the false successor.
#[test]
fn the_next_block_or_the_false_successor_follows() {
    stays(
        "b0: if r1 == 0 then b1 else b2
         b1: r0 = 1
             exit
         b2: r0 = 2
             exit",
        place_blocks,
    );
    becomes(
        "b0: if r1 == 0 then b2 else b3
         b1: exit
         b2: r0 = 1
             exit
         b3: r0 = 2
             exit",
        place_blocks,
        "b0: if r1 == 0 then b2 else b1
         b1: r0 = 2
             exit
         b2: r0 = 1
             exit",
    );
}

#[test]
fn sunk_blocks_do_not_follow_warm_ones() {
    becomes(
        "b0: if r1 == 0 then b1 else b3
         b1: goto b2
         b2: r0 = 0
             exit
         sunk:
         b3 cold: r0 = 1
             exit",
        place_blocks,
        "b0: if r1 == 0 then b1 else b2
         b1: r0 = 0
             exit
         sunk:
         b2 cold: r0 = 1
             exit",
    );
}

#[test]
fn a_jump_to_a_short_exit_is_the_exit() {
    becomes(
        "b0: if r1 == 0 then b1 else b2
         b1: r2 = 1
             goto b3
         b2: r2 = 2
             exit
         b3: r0 = 0
             exit",
        duplicate_exits,
        "b0: if r1 == 0 then b1 else b2
         b1: r2 = 1
             r0 = 0
             exit
         b2: r2 = 2
             exit
         b3: r0 = 0
             exit",
    );
}

#[test]
fn a_long_exit_and_the_next_block_are_not_copied() {
    stays(
        "b0: if r1 == 0 then b1 else b2
         b1: r2 = 1
             goto b3
         b2: r2 = 2
             exit
         b3: r0 = 0
             r2 = 0
             r3 = 0
             exit",
        duplicate_exits,
    );
    stays("b0: r2 = 1\ngoto b1\nb1: r0 = 0\nexit", duplicate_exits);
}

#[test]
fn a_branch_that_would_need_a_jump_gets_a_copy_of_the_exit() {
    becomes(
        "b0: if r1 == 0 then b2 else b3
         b1: exit
         b2: store 8 [r1] = 1
             r2 = 1
             r0 = 1
             exit
         b3: r0 = 2
             exit",
        duplicate_exits,
        "b0: if r1 == 0 then b3 else b1
         b1: r0 = 2
             exit
         b2: exit
         b3: store 8 [r1] = 1
             r2 = 1
             r0 = 1
             exit
         b4: r0 = 2
             exit",
    );
    // The exit is the true successor: encoding inverts the branch.
    becomes(
        "b0: if r1 == 0 then b2 else b3
         b1: exit
         b2: r0 = 2
             exit
         b3: store 8 [r1] = 1
             r2 = 1
             r0 = 1
             exit",
        duplicate_exits,
        "b0: if r1 == 0 then b1 else b4
         b1: r0 = 2
             exit
         b2: exit
         b3: r0 = 2
             exit
         b4: store 8 [r1] = 1
             r2 = 1
             r0 = 1
             exit",
    );
}

/// `JSET` has no inverse: if its true successor follows, the false one needs a jump.
#[test]
fn a_test_without_inverse_gets_a_copy_of_the_exit() {
    let text = |op: &str| {
        format!(
            "b0: if r1 {op} 4 then b1 else b2
             b1: store 8 [r1] = 1
                 r2 = 1
                 r0 = 1
                 exit
             b2: r0 = 2
                 exit"
        )
    };
    stays(&text("=="), duplicate_exits);
    becomes(
        &text("&"),
        duplicate_exits,
        "b0: if r1 & 4 then b2 else b1
         b1: r0 = 2
             exit
         b2: store 8 [r1] = 1
             r2 = 1
             r0 = 1
             exit
         b3: r0 = 2
             exit",
    );
    // An exit that is the true successor cannot be placed next either.
    stays(
        "b0: if r1 & 4 then b2 else b3
         b1: exit
         b2: r0 = 2
             exit
         b3: store 8 [r1] = 1
             r2 = 1
             r0 = 1
             exit",
        duplicate_exits,
    );
}

#[test]
fn a_cold_branch_gets_no_copy_where_neither_way_follows() {
    stays(
        "b0 cold: if r1 == 0 then b2 else b3
         b1: exit
         b2: store 8 [r1] = 1
             r2 = 1
             r0 = 1
             exit
         b3: r0 = 2
             exit",
        duplicate_exits,
    );
}

/// A duplicate is in the region of its branch.
#[test]
fn a_copied_exit_moves_the_first_sunk_block() {
    becomes(
        "b0: if r1 == 0 then b2 else b3
         b1: exit
         sunk:
         b2 cold: store 8 [r1] = 1
             r2 = 1
             r0 = 1
             exit
         b3 cold: r0 = 2
             exit",
        duplicate_exits,
        "b0: if r1 == 0 then b3 else b1
         b1 cold: r0 = 2
             exit
         b2: exit
         sunk:
         b3 cold: store 8 [r1] = 1
             r2 = 1
             r0 = 1
             exit
         b4 cold: r0 = 2
             exit",
    );
}
