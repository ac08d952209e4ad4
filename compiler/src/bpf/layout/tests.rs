//! Block placement: cold code sunk behind the rest, chains of blocks, copied exits.

use super::super::testing::text::parse;
use super::super::testing::{becomes, stays};
use super::*;

#[test]
fn a_cold_way_that_does_not_return_is_sunk() {
    // The exit that both reach becomes two.
    becomes(
        "b0: v11 = r1
             if v11 == 0 then b1 else b2
         b1 cold: call 5/0
             goto b3
         b2: store 8 [v11] = 1
             goto b3
         b3: r0 = 0
             exit",
        sink_cold,
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
        sink_cold,
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
        sink_cold,
    );
}

#[test]
fn a_block_that_only_cold_ones_lead_to_is_cold() {
    becomes(
        "b0: if r1 == 0 then b1 else b3
         b1 cold: if r1 == 1 then b2 else b2
         b2: exit
         b3: exit",
        sink_cold,
        "b0: if r1 == 0 then b2 else b1
         b1: exit
         sunk:
         b2 cold: if r1 == 1 then b3 else b3
         b3 cold: exit",
    );
}

#[test]
fn a_program_of_cold_code_stays() {
    becomes("b0: goto b1\nb1 cold: exit", sink_cold, "b0 cold: goto b1\nb1 cold: exit");
}

/// What follows a dear call is set apart, unless the program begins with one.
#[test]
fn dear_blocks_are_cold_behind_cheap_ones() {
    becomes(
        "b0: if r1 == 0 then b1 else b2
         b1 dear: exit
         b2: exit",
        sink_cold,
        "b0: if r1 == 0 then b2 else b1
         b1: exit
         sunk:
         b2 cold dear: exit",
    );
    stays(
        "b0 dear: if r1 == 0 then b1 else b2
         b1 dear: exit
         b2: exit",
        sink_cold,
    );
}

/// A large block that both reach is shared: cold code returns to the rest and does not sink.
#[test]
fn what_is_too_large_to_copy_is_shared() {
    let shared = |count: usize| {
        let insts = "r2 = 1\n".repeat(count);
        format!("b0: if r1 == 0 then b1 else b2\nb1 cold: r0 = 1\ngoto b3\nb2: r0 = 2\ngoto b3\nb3: {insts}\nexit")
    };
    let mut code = parse(&shared(COPIED_INSTS_MAX - 1));
    sink_cold(&mut code);
    assert_eq!((code.blocks.len(), code.sunk), (5, 3));
    stays(&shared(COPIED_INSTS_MAX), sink_cold);
}

/// An exit of two instructions is copied where all together would be too much.
#[test]
fn a_short_exit_is_copied_beside_a_large_block() {
    let insts = "r2 = 1\n".repeat(COPIED_INSTS_MAX);
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
    sink_cold(&mut code);
    // Only the exit has become two; b1 leads to b3 still and stays where it was.
    assert_eq!(code.blocks.len(), 6);
    assert_eq!(code.sunk, 5);
    assert_eq!(code.blocks[1].end.targets().collect::<Vec<_>>(), [B(3), B(5)]);
    assert_eq!(code.blocks[2].end.targets().collect::<Vec<_>>(), [B(3), B(4)]);
}

#[test]
fn sunk_code_gets_copies_of_live_registers() {
    becomes(
        "b0: v11 = r1
             v12 = load 8 [v11]
             if v12 == 0 then b2 else b1
         b1: r0 = v12
             exit
         sunk:
         b2 cold: r1 = v12
             call 5/1
             v12 += 1
             if v12 == 7 then b3 else b3
         b3 cold: r0 = v12
             exit",
        split_cold,
        "b0: v11 = r1
             v12 = load 8 [v11]
             if v12 == 0 then b2 else b1
         b1: r0 = v12
             exit
         sunk:
         b2 cold: v13 = v12
             r1 = v13
             call 5/1
             v13 += 1
             if v13 == 7 then b3 else b3
         b3 cold: r0 = v13
             exit",
    );
}

/// A sunk block that another sunk block leads to as well must not copy again what that has changed.
#[test]
fn a_block_entered_from_both_sides_gets_its_copies_in_a_block_before_it() {
    becomes(
        "b0: v11 = r1
             v12 = load 8 [v11]
             if v12 == 0 then b2 else b1
         b1: if v12 == 1 then b3 else b3
         sunk:
         b2 cold: call 5/0
             v12 += 1
             goto b3
         b3 cold: r0 = v12
             exit",
        split_cold,
        "b0: v11 = r1
             v12 = load 8 [v11]
             if v12 == 0 then b2 else b1
         b1: if v12 == 1 then b3 else b3
         sunk:
         b2 cold: v13 = v12
             call 5/0
             v13 += 1
             goto b4
         b3 cold: v13 = v12
             goto b4
         b4 cold: r0 = v13
             exit",
    );
}

#[test]
fn sunk_code_that_needs_nothing_gets_no_copies() {
    stays(
        "b0: v11 = r1
             if v11 == 0 then b2 else b1
         b1: r0 = 0
             exit
         sunk:
         b2 cold: v12 = 1
             r0 = v12
             exit",
        split_cold,
    );
    stays("b0: v11 = r1\nr0 = v11\nexit", split_cold);
}

#[test]
fn a_block_follows_the_one_that_leads_to_it() {
    // b2 is placed behind b1, which jumps to it, and b3 last.
    becomes(
        "b0: if r1 == 0 then b2 else b1
         b1: r0 = 1
             goto b3
         b2: r0 = 2
             exit
         b3: r0 = 3
             exit",
        chain,
        "b0: if r1 == 0 then b3 else b1
         b1: r0 = 1
             goto b2
         b2: r0 = 3
             exit
         b3: r0 = 2
             exit",
    );
}

/// Jumps lead forward: a block waits for all that lead to it.
#[test]
fn a_join_is_placed_behind_all_its_predecessors() {
    stays(
        "b0: if r1 == 0 then b2 else b1
         b1: r0 = 1
             goto b3
         b2: r0 = 2
             goto b3
         b3: exit",
        chain,
    );
}

/// Of two successors the next block follows, else the one where the test does not hold.
#[test]
fn the_next_block_or_the_false_successor_follows() {
    stays(
        "b0: if r1 == 0 then b1 else b2
         b1: r0 = 1
             exit
         b2: r0 = 2
             exit",
        chain,
    );
    becomes(
        "b0: if r1 == 0 then b2 else b3
         b1: exit
         b2: r0 = 1
             exit
         b3: r0 = 2
             exit",
        chain,
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
        chain,
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
        copy_exits,
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
        copy_exits,
    );
    stays("b0: r2 = 1\ngoto b1\nb1: r0 = 0\nexit", copy_exits);
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
        copy_exits,
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
    // The exit is where the test holds: the branch will be inverted.
    becomes(
        "b0: if r1 == 0 then b2 else b3
         b1: exit
         b2: r0 = 2
             exit
         b3: store 8 [r1] = 1
             r2 = 1
             r0 = 1
             exit",
        copy_exits,
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

/// `JSET` has no inverse: with the block where it holds next, the other way takes a jump.
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
    stays(&text("=="), copy_exits);
    becomes(
        &text("&"),
        copy_exits,
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
    // Nor can the exit where it holds be placed next.
    stays(
        "b0: if r1 & 4 then b2 else b3
         b1: exit
         b2: r0 = 2
             exit
         b3: store 8 [r1] = 1
             r2 = 1
             r0 = 1
             exit",
        copy_exits,
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
        copy_exits,
    );
}

/// A copy stands on the side of its branch.
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
        copy_exits,
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

#[test]
fn blocks_that_only_jump_are_passed() {
    let code = parse("b0: goto b1\nb1: goto b3\nb2: r0 = 0\ngoto b3\nb3: exit");
    assert_eq!([0, 1, 2, 3].map(|at| through(&code, B(at))), [B(3), B(3), B(2), B(3)]);
}

#[test]
fn dropped_blocks_leave_the_count_of_sunk_ones() {
    becomes(
        "b0: if r1 == 0 then b2 else b3
         b1: r0 = 7
             exit
         b2: exit
         sunk:
         b3 cold: exit",
        |code| keep_only(code, &[true, false, true, true]),
        "b0: if r1 == 0 then b1 else b2
         b1: exit
         sunk:
         b2 cold: exit",
    );
}
