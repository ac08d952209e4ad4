//! Jump threading and common subexpression elimination, each with the cases in which they must not be done.

use super::super::testing::text::{COMPARISONS, parse};
use super::super::testing::{becomes, stays};
use super::*;
use crate::bpf::print::comparison;
use crate::simulate::machine::taken;

fn only(wanted: &[Optimisation]) -> Optimise {
    let others = Optimisation::ALL.iter().filter(|one| !wanted.contains(one));
    others.fold(Optimise::default(), |all, one| all.without(*one))
}

fn jump_threading(code: &mut Code) {
    optimise(code, only(&[Optimisation::Passing]));
}

fn common_subexpressions(code: &mut Code) {
    optimise(code, only(&[Optimisation::Again]));
}

/// The answer of a test that follows another, where jump threading finds one.
fn implied(known: &str, holds: bool, asked: &str) -> Option<bool> {
    let (then, otherwise) = if holds { (1, 2) } else { (2, 1) };
    let mut code = parse(&format!(
        "b0: v11 = r1
             v12 = load 8 [v11]
             v13 = load 8 [v11 + 8]
             if {known} then b{then} else b{otherwise}
         b1: if {asked} then b3 else b4
         b2: r0 = 2
             exit
         b3: r0 = 1
             exit
         b4: r0 = 0
             exit"
    ));
    jump_threading(&mut code);
    let (_, then, otherwise) = Test::of(&code.blocks[0].end).expect("nothing is known of the first test");
    let target = &code.blocks[if holds { then } else { otherwise }.0 as usize];
    match target.insts.first() {
        Some((Inst::Mov { src: Src::Imm(result), .. }, _)) => Some(*result == 1),
        _ => None,
    }
}

#[test]
fn a_test_implies_others() {
    for (known, holds, asked, answer) in [
        // The same test, and its inverse.
        ("v12 < v13", true, "v12 < v13", Some(true)),
        ("v12 < v13", false, "v12 < v13", Some(false)),
        ("v12 < v13", true, "v12 >= v13", Some(false)),
        ("v12 < v13", false, "v12 >= v13", Some(true)),
        ("v12 s<= 4", false, "v12 s> 4", Some(true)),
        ("v12 & v13", true, "v12 & v13", Some(true)),
        // A number decides every test of a constant.
        ("v12 == 5", true, "v12 < 6", Some(true)),
        ("v12 == 5", true, "v12 < 5", Some(false)),
        ("v12 != 5", false, "v12 & 2", Some(false)),
        ("v12 != 5", false, "v12 & 6", Some(true)),
        ("w12 == -1", true, "w12 > 7", Some(true)),
        ("w12 == -1", true, "w12 s> 7", Some(false)),
        // No bit of 6 is set: none of 2 or 6, all of 0b1001 are open.
        ("v12 & 6", false, "v12 & 2", Some(false)),
        ("v12 & 6", false, "v12 & 6", Some(false)),
        ("v12 & 6", false, "v12 & 7", None),
        ("v12 & 6", false, "v12 == 3", Some(false)),
        ("v12 & 6", false, "v12 != 3", Some(true)),
        ("v12 & 6", false, "v12 == 9", None),
        ("v12 & 6", false, "v12 != 9", None),
        ("v12 & 6", false, "v12 < 9", None),
        // Some bit of 6 is set: one of 7, and it is neither 9 nor 0.
        ("v12 & 6", true, "v12 & 7", Some(true)),
        ("v12 & 6", true, "v12 & 2", None),
        ("v12 & 6", true, "v12 & 14", Some(true)),
        ("v12 & 6", true, "v12 & 10", None),
        ("v12 & 6", true, "v12 == 9", Some(false)),
        ("v12 & 6", true, "v12 != 9", Some(true)),
        ("v12 & 6", true, "v12 == 2", None),
        ("v12 & 6", true, "v12 != 2", None),
        ("v12 & 6", true, "v12 == 0", Some(false)),
        ("v12 & 6", true, "v12 < 9", None),
        // Nothing follows where the order, the width or a register differs.
        ("v12 != 5", true, "v12 == 6", None),
        ("v12 == 5", false, "v12 == 6", None),
        ("v12 < 5", true, "v12 < 6", None),
        ("v12 == 5", true, "w12 == 5", None),
        ("w12 == 5", true, "v12 == 5", None),
        ("v12 == 5", true, "v13 == 5", None),
        ("v12 == v13", true, "v12 == 5", None),
        ("v12 == 5", true, "v12 == v13", None),
        ("v12 < v13", true, "v13 < v12", None),
    ] {
        assert_eq!(implied(known, holds, asked), answer, "{known} is {holds}: {asked}");
    }
}

/// Each answer is compared with the answers for numbers that the first test leaves.
#[test]
fn an_implied_answer_holds_for_every_number() {
    const CONSTANTS: [i32; 8] = [0, 1, 2, 3, 6, 9, -1, -2];
    let numbers: Vec<u64> =
        (0..16u64).flat_map(|low| [low, low | 1 << 32, low.wrapping_neg(), low | 1 << 63]).collect();
    let mut decided = 0;
    for (op, asked_op) in COMPARISONS.into_iter().flat_map(|op| COMPARISONS.map(|asked| (op, asked))) {
        for (right, asked_right) in CONSTANTS.into_iter().flat_map(|right| CONSTANTS.map(|asked| (right, asked))) {
            for (wide, holds) in [(true, true), (true, false), (false, true), (false, false)] {
                let test = |op, right| Test { op, wide, left: V(12), right: Src::Imm(right) };
                let Some(answer) = test(asked_op, asked_right).answer(&test(op, right), holds) else { continue };
                decided += 1;
                let holds_for = |op, right: i32, number| taken(op, wide, number, i64::from(right).cast_unsigned());
                for number in numbers.iter().filter(|number| holds_for(op, right, **number) == Some(holds)) {
                    assert!(
                        holds_for(asked_op, asked_right, *number) == Some(answer),
                        "{number:#x} {} {right} is {holds}: {} {asked_right}",
                        comparison(op),
                        comparison(asked_op)
                    );
                }
            }
        }
    }
    // All tests after an equality, and the table above, answer something.
    assert!(decided > 2000, "{decided}");
}

#[test]
fn a_jump_to_a_test_that_is_answered_leads_past_it() {
    // Both ways to b4 come from the block in which `v12 & 4` holds.
    becomes(
        "b0: v11 = r1
             v12 = load 8 [v11]
             v13 = load 8 [v11 + 8]
             if v12 & 4 then b1 else b5
         b1: if v13 == 0 then b2 else b3
         b2: store 8 [v11] = 1
             goto b4
         b3: store 8 [v11] = 2
             goto b4
         b4: if v12 & 4 then b5 else b6
         b5: r0 = 0
             exit
         b6: r0 = 1
             exit",
        jump_threading,
        "b0: v11 = r1
             v12 = load 8 [v11]
             v13 = load 8 [v11 + 8]
             if v12 & 4 then b1 else b4
         b1: if v13 == 0 then b2 else b3
         b2: store 8 [v11] = 1
             goto b4
         b3: store 8 [v11] = 2
             goto b4
         b4: r0 = 0
             exit",
    );
}

#[test]
fn a_test_with_instructions_before_it_is_not_threaded() {
    stays(
        "b0: v11 = r1
             v12 = load 8 [v11]
             if v12 & 4 then b1 else b3
         b1: store 8 [v11] = 1
             if v12 & 4 then b2 else b3
         b2: r0 = 0
             exit
         b3: r0 = 1
             exit",
        jump_threading,
    );
}

#[test]
fn a_join_of_both_answers_knows_neither() {
    stays(
        "b0: v11 = r1
             v12 = load 8 [v11]
             if v12 & 4 then b1 else b2
         b1: store 8 [v11] = 1
             goto b3
         b2: store 8 [v11] = 2
             goto b3
         b3: store 8 [v11] = 3
             goto b4
         b4: if v12 & 4 then b5 else b6
         b5: r0 = 0
             exit
         b6: r0 = 1
             exit",
        jump_threading,
    );
}

#[test]
fn two_edges_of_one_branch_tell_nothing() {
    stays(
        "b0: v11 = r1
             v12 = load 8 [v11]
             if v12 & 4 then b1 else b1
         b1: store 8 [v11] = 1
             goto b2
         b2: if v12 & 4 then b3 else b4
         b3: r0 = 0
             exit
         b4: r0 = 1
             exit",
        jump_threading,
    );
}

/// The block that a test follows may be any of those on the way, and the last of them.
#[test]
fn a_register_written_on_the_way_is_tested_again() {
    stays(
        "b0: v11 = r1
             v12 = load 8 [v11]
             if v12 == 4 then b1 else b3
         b1: v12 = load 8 [v11 + 8]
             goto b2
         b2: if v12 == 4 then b3 else b4
         b3: r0 = 0
             exit
         b4: r0 = 1
             exit",
        jump_threading,
    );
    stays(
        "b0: v11 = r1
             v12 = load 8 [v11]
             v13 = load 8 [v11 + 8]
             if v12 < v13 then b1 else b4
         b1: v13 = load 8 [v11 + 16]
             goto b2
         b2: store 8 [v11] = 1
             goto b3
         b3: if v12 < v13 then b4 else b5
         b4: r0 = 0
             exit
         b5: r0 = 1
             exit",
        jump_threading,
    );
}

#[test]
fn a_register_written_before_the_test_keeps_its_answer() {
    becomes(
        "b0: v11 = r1
             v12 = load 8 [v11]
             v12 = load 8 [v11 + 8]
             if v12 == 4 then b1 else b3
         b1: store 8 [v11] = 1
             goto b2
         b2: if v12 == 4 then b3 else b4
         b3: r0 = 0
             exit
         b4: r0 = 1
             exit",
        jump_threading,
        "b0: v11 = r1
             v12 = load 8 [v11]
             v12 = load 8 [v11 + 8]
             if v12 == 4 then b1 else b2
         b1: store 8 [v11] = 1
             goto b2
         b2: r0 = 0
             exit",
    );
}

/// `r0` is another result after each call.
#[test]
fn a_test_of_a_result_is_not_remembered_over_a_call() {
    stays(
        "b0: call 5/0
             if r0 == 0 then b1 else b3
         b1: call 6/0
             goto b2
         b2: if r0 == 0 then b3 else b4
         b3: r0 = 0
             exit
         b4: r0 = 1
             exit",
        jump_threading,
    );
}

#[test]
fn a_test_of_a_constant_is_answered() {
    becomes(
        "b0: v11 = r1
             v12 = 5
             if v12 < 6 then b1 else b2
         b1: r0 = 0
             exit
         b2: r0 = 1
             exit",
        jump_threading,
        "b0: v11 = r1
             v12 = 5
             goto b1
         b1: r0 = 0
             exit",
    );
}

/// `v12` tells which way was gone; each way knows it.
#[test]
fn a_constant_of_an_edge_threads_that_edge() {
    becomes(
        "b0: v11 = r1
             v12 = 0
             v13 = load 8 [v11]
             if v13 == 1 then b1 else b2
         b1: store 8 [v11] = 1
             v12 = 1
             goto b2
         b2: if v12 != 0 then b3 else b4
         b3: r0 = 0
             exit
         b4: r0 = 1
             exit",
        jump_threading,
        "b0: v11 = r1
             v12 = 0
             v13 = load 8 [v11]
             if v13 == 1 then b1 else b3
         b1: store 8 [v11] = 1
             v12 = 1
             goto b2
         b2: r0 = 0
             exit
         b3: r0 = 1
             exit",
    );
}

#[test]
fn what_is_no_constant_is_tested() {
    for (write, test) in [
        // The upper half is zero.
        ("w12 = -1", "v12 == -1"),
        // The loader puts the number in.
        ("v12 = exists(inode.i_mode)", "v12 == 0"),
        // It changes after it was set.
        ("v12 = 1 / v12 += v11", "v12 == 1"),
        // The other operand is unknown.
        ("v12 = 1", "v12 == v11"),
    ] {
        let write = write.replace(" / ", "\n");
        stays(
            &format!(
                "b0: v11 = r1
                 {write}
                 if {test} then b1 else b2
             b1: r0 = 0
                 exit
             b2: r0 = 1
                 exit"
            ),
            jump_threading,
        );
    }
}

/// Two edges that leave different constants, or of which one leaves none.
#[test]
fn a_join_keeps_only_constants_of_all_edges() {
    for (left, right) in [("v12 = 1", "v12 = 2"), ("v12 = 1", "v12 = load 8 [v11]")] {
        stays(
            &format!(
                "b0: v11 = r1
                     v13 = load 8 [v11]
                     if v13 == 0 then b1 else b2
                 b1: {left}
                     goto b3
                 b2: {right}
                     goto b3
                 b3: store 8 [v11] = 3
                     if v12 == 1 then b4 else b5
                 b4: r0 = 0
                     exit
                 b5: r0 = 1
                     exit"
            ),
            jump_threading,
        );
    }
    becomes(
        "b0: v11 = r1
             v13 = load 8 [v11]
             if v13 == 0 then b1 else b2
         b1: v12 = 1
             goto b3
         b2: v12 = 1
             goto b3
         b3: store 8 [v11] = 3
             if v12 == 1 then b4 else b5
         b4: r0 = 0
             exit
         b5: r0 = 1
             exit",
        jump_threading,
        "b0: v11 = r1
             v13 = load 8 [v11]
             if v13 == 0 then b1 else b2
         b1: v12 = 1
             goto b3
         b2: v12 = 1
             goto b3
         b3: store 8 [v11] = 3
             goto b4
         b4: r0 = 0
             exit",
    );
}

/// Two instructions of one block, of which the second may be the first again.
fn pair(first: &str, second: &str) -> String {
    let [first, second] = [first, second].map(|inst| inst.replace(" / ", "\n"));
    format!(
        "b0: v11 = r1\nv12 = load 8 [v11]\n{first}\n{second}\nstore 8 [v11] = v20\nstore 8 [v11] = v21\nr0 = 0\nexit"
    )
}

#[test]
fn a_value_computed_twice_is_computed_once() {
    for (first, second) in [
        ("v20 = load 4 [v12 + inode.i_mode]", "v21 = load 4 [v12 + inode.i_mode]"),
        ("v20 = load 8 [v11 + 16] arg prot", "v21 = load 8 [v11 + 16] arg prot"),
        ("v20 = size(inode.i_mode)", "v21 = size(inode.i_mode)"),
        ("v20 = v12 / v20 += 8", "v21 = v12 / v21 += 8"),
        ("v20 = v12 / v20 = -v20", "v21 = v12 / v21 = -v21"),
        ("w20 = v12 / w20 >>= 8", "w21 = v12 / w21 >>= 8"),
    ] {
        let after = pair(first, "").replace("v21", "v20");
        becomes(&pair(first, second), common_subexpressions, &after);
    }
}

#[test]
fn values_that_differ_are_both_computed() {
    for (first, second) in [
        // Another field, size, base or argument.
        ("v20 = load 4 [v12 + inode.i_mode]", "v21 = load 4 [v12 + inode.i_uid]"),
        ("v20 = load 4 [v12 + inode.i_mode]", "v21 = load 2 [v12 + inode.i_mode]"),
        ("v20 = load 4 [v12 + inode.i_mode]", "v21 = load 4 [v11 + inode.i_mode]"),
        ("v20 = load 8 [v11 + 16] arg prot", "v21 = load 8 [v11 + 24] arg flags"),
        ("v20 = size(inode.i_mode)", "v21 = size(inode.i_uid)"),
        ("v20 = size(inode.i_mode)", "v21 = exists(inode.i_mode)"),
        ("v20 = size(inode.i_mode)", "w21 = size(inode.i_mode)"),
        // Another operation, operand or width.
        ("v20 = v12 / v20 += 8", "v21 = v12 / v21 -= 8"),
        ("v20 = v12 / v20 += 8", "v21 = v12 / v21 += 9"),
        ("v20 = v12 / v20 += 8", "v21 = v12 / w21 += 8"),
        ("v20 = v12 / w20 += 8", "w21 = v12 / w21 += 8"),
        ("v20 = v12 / v20 += 8", "v21 = v11 / v21 += 8"),
        ("v20 = v12 / v20 += v11", "v21 = v12 / v21 += v11"),
        ("v20 = v12 / v20 >>= shift_left(inode.i_mode)", "v21 = v12 / v21 >>= shift_right(inode.i_mode)"),
        // A program writes the memory that it reads without a relocation.
        ("v20 = load 4 [v12 + 8]", "v21 = load 4 [v12 + 8]"),
        ("v20 = load 4 [r10 - 8]", "v21 = load 4 [r10 - 8]"),
        // Constants cost nothing to make.
        ("v20 = 7", "v21 = 7"),
        // The base has another value the second time.
        ("v20 = load 4 [v12 + inode.i_mode]", "v12 = load 8 [v12] / v21 = load 4 [v12 + inode.i_mode]"),
        ("v20 = v12 / v20 += 8", "v12 = load 8 [v12] / v21 = v12 / v21 += 8"),
        // A result that changes is no longer the value.
        ("v20 = load 4 [v12 + inode.i_mode] / v20 += 1", "v21 = load 4 [v12 + inode.i_mode]"),
        ("v20 = load 4 [v12 + inode.i_mode]", "v21 = load 4 [v12 + inode.i_mode] / v21 += 1"),
        ("v20 = size(inode.i_mode) / v20 += 1", "v21 = size(inode.i_mode)"),
        ("v20 = v12 / v20 += 8 / v20 += 1", "v21 = v12 / v21 += 8"),
        ("v20 = v12 / v20 += 8", "v21 = v12 / v21 += 8 / v21 += 1"),
        // The operation that follows a copy changes another register.
        ("v20 = v12 / v20 += 8", "v21 = v12 / v13 += 8 / v21 = 3"),
        // A call takes its arguments.
        ("r1 = v12 / r1 += 8 / call 5/1 / v20 = 0", "v21 = v12 / v21 += 8"),
    ] {
        stays(&pair(first, second), common_subexpressions);
    }
}

/// A copy of a field that a helper makes is the field; a copy is a call after the pass.
#[test]
fn a_field_copied_and_loaded_is_read_once() {
    becomes(
        "b0: v11 = r1
             v20 = load 4 [v11 + inode.i_mode]
             v21 = copy 4 [v11 + inode.i_mode] scratch -8
             store 8 [v11] = v20
             r0 = v21
             exit",
        common_subexpressions,
        "b0: v11 = r1
             v20 = load 4 [v11 + inode.i_mode]
             store 8 [v11] = v20
             r0 = v20
             exit",
    );
}

#[test]
fn a_value_of_every_way_is_reused() {
    becomes(
        "b0: v11 = r1
             v20 = load 4 [v11 + inode.i_mode]
             if v20 == 1 then b1 else b2
         b1: store 8 [v11] = 1
             goto b2
         b2: v21 = load 4 [v11 + inode.i_mode]
             r0 = v21
             exit",
        common_subexpressions,
        "b0: v11 = r1
             v20 = load 4 [v11 + inode.i_mode]
             if v20 == 1 then b1 else b2
         b1: store 8 [v11] = 1
             goto b2
         b2: r0 = v20
             exit",
    );
}

/// A chain: the address of the second field is the first field, which is read twice.
#[test]
fn a_value_behind_a_reused_value_is_reused() {
    becomes(
        "b0: v11 = r1
             v20 = load 8 [v11 + file.f_inode]
             v21 = load 4 [v20 + inode.i_mode]
             v22 = load 8 [v11 + file.f_inode]
             v23 = load 4 [v22 + inode.i_mode]
             store 8 [v11] = v21
             r0 = v23
             exit",
        common_subexpressions,
        "b0: v11 = r1
             v20 = load 8 [v11 + file.f_inode]
             v21 = load 4 [v20 + inode.i_mode]
             store 8 [v11] = v21
             r0 = v21
             exit",
    );
}

#[test]
fn a_value_of_some_ways_is_computed_again() {
    stays(
        "b0: v11 = r1
             v12 = load 8 [v11 + 8] arg a
             if v12 == 1 then b1 else b2
         b1: v20 = load 4 [v11 + inode.i_mode]
             store 8 [v11] = v20
             goto b2
         b2: v21 = load 4 [v11 + inode.i_mode]
             r0 = v21
             exit",
        common_subexpressions,
    );
    // Neither side of a branch is on the way to the other.
    stays(
        "b0: v11 = r1
             v12 = load 8 [v11 + 8] arg a
             if v12 == 1 then b1 else b2
         b1: v20 = load 4 [v11 + inode.i_mode]
             r0 = v20
             exit
         b2: v21 = load 4 [v11 + inode.i_mode]
             r0 = v21
             exit",
        common_subexpressions,
    );
}

/// The nearest dominators of a nest of branches, by hand.
#[test]
fn dominators_are_the_blocks_of_every_way() {
    let code = parse(
        "b0: v11 = r1
             if v11 == 1 then b1 else b4
         b1: if v11 == 2 then b2 else b3
         b2: goto b5
         b3: goto b5
         b4: goto b6
         b5: goto b6
         b6: goto b8
         b7: goto b8
         b8: r0 = 0
             exit",
    );
    // Nothing leads to b7, so that it does not count as a way to b8.
    let wanted = [None, Some(0), Some(1), Some(1), Some(0), Some(1), Some(0), None, Some(6)];
    assert_eq!(above(&code), wanted);
    for (high, low, wanted) in [(0, 8, true), (1, 5, true), (1, 6, false), (2, 5, false), (4, 6, false), (6, 8, true)] {
        assert_eq!(is_above(&above(&code), high, low), wanted, "b{high} above b{low}");
    }
}

#[test]
fn blocks_that_nothing_leads_to_are_dropped() {
    becomes(
        "b0: r0 = 0
             exit
         b1: r0 = 1
             goto b2
         b2: exit",
        jump_threading,
        "b0: r0 = 0
             exit",
    );
}
