//! Copies at the entry of the cold region.

use super::*;
use crate::testing::bodies::{becomes, stays};

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
        run,
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

/// A cold block that also has a cold predecessor must not copy a value again that the predecessor has
/// changed.
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
        run,
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
        run,
    );
    stays("b0: v11 = r1\nr0 = v11\nexit", run);
}
