//! Values that are numbered alike, and values that only look alike.

use super::*;
use crate::testing::bodies::{becomes, rounds, stays};

fn common_subexpressions(body: &mut Body) {
    rounds(&["gvn"], body);
    rounds(&["expand-reads"], body);
}

/// A block with two instructions, the second of which may compute the value of the first again.
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
        // A program can write the memory that it reads without a relocation.
        ("v20 = load 4 [v12 + 8]", "v21 = load 4 [v12 + 8]"),
        ("v20 = load 4 [r10 - 8]", "v21 = load 4 [r10 - 8]"),
        // A constant costs no more than a copy.
        ("v20 = 7", "v21 = 7"),
        // The base has another value the second time.
        ("v20 = load 4 [v12 + inode.i_mode]", "v12 = load 8 [v12] / v21 = load 4 [v12 + inode.i_mode]"),
        ("v20 = v12 / v20 += 8", "v12 = load 8 [v12] / v21 = v12 / v21 += 8"),
        // A result that is changed afterwards has a second definition.
        ("v20 = load 4 [v12 + inode.i_mode] / v20 += 1", "v21 = load 4 [v12 + inode.i_mode]"),
        ("v20 = load 4 [v12 + inode.i_mode]", "v21 = load 4 [v12 + inode.i_mode] / v21 += 1"),
        ("v20 = size(inode.i_mode) / v20 += 1", "v21 = size(inode.i_mode)"),
        ("v20 = v12 / v20 += 8 / v20 += 1", "v21 = v12 / v21 += 8"),
        ("v20 = v12 / v20 += 8", "v21 = v12 / v21 += 8 / v21 += 1"),
        // The operation that follows a copy changes another register.
        ("v20 = v12 / v20 += 8", "v21 = v12 / v13 += 8 / v21 = 3"),
        // A call clobbers its arguments.
        ("r1 = v12 / r1 += 8 / call 5/1 / v20 = 0", "v21 = v12 / v21 += 8"),
    ] {
        stays(&pair(first, second), common_subexpressions);
    }
}

/// A field that a helper reads has the value of the loaded field; the read is a call after `expand-reads`.
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
    // Neither successor of a branch dominates the other.
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
