//! Blocks that become cold, and the blocks that both hot and cold code reach.

use super::*;
use crate::mir::text::parse;
use crate::testing::bodies::stays;

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
    assert_eq!((code.blocks.len(), code.cold_start), (5, 3));
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
    assert_eq!(code.cold_start, 5);
    assert_eq!(code.blocks[1].terminator.targets().collect::<Vec<_>>(), [BlockId(3), BlockId(5)]);
    assert_eq!(code.blocks[2].terminator.targets().collect::<Vec<_>>(), [BlockId(3), BlockId(4)]);
}
