//! Tests that imply others, and paths on which a test must not be skipped.

use super::*;
use crate::mir::text::{COMPARISONS, parse};
use crate::simulate::machine::taken;
use crate::testing::bodies::rounds;

fn jump_threading(body: &mut Body) {
    rounds(&["thread-jumps", "simplify-cfg"], body);
}

/// The result of a test that follows another, if jump threading finds it.
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
    let (_, then, otherwise) = Test::of(&code.blocks[0].terminator).expect("nothing is known of the first test");
    let target = &code.blocks[if holds { then } else { otherwise }.0 as usize];
    match target.insts.first() {
        Some((Inst::Mov { src: Operand::Imm(result), .. }, _)) => Some(*result == 1),
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
        // An equality decides every comparison with a constant.
        ("v12 == 5", true, "v12 < 6", Some(true)),
        ("v12 == 5", true, "v12 < 5", Some(false)),
        ("v12 != 5", false, "v12 & 2", Some(false)),
        ("v12 != 5", false, "v12 & 6", Some(true)),
        ("w12 == -1", true, "w12 > 7", Some(true)),
        ("w12 == -1", true, "w12 s> 7", Some(false)),
        // No bit of 6 is set: bits 1 and 2 are zero, and all others are unknown.
        ("v12 & 6", false, "v12 & 2", Some(false)),
        ("v12 & 6", false, "v12 & 6", Some(false)),
        ("v12 & 6", false, "v12 & 7", None),
        ("v12 & 6", false, "v12 == 3", Some(false)),
        ("v12 & 6", false, "v12 != 3", Some(true)),
        ("v12 & 6", false, "v12 == 9", None),
        ("v12 & 6", false, "v12 != 9", None),
        ("v12 & 6", false, "v12 < 9", None),
        // Some bit of 6 is set: a bit of 7 is, too, and the number is neither 9 nor 0.
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
        // No result is implied if the order, the width or a register differs.
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

/// Each implied result is compared with the results for numbers that satisfy the first test.
#[test]
fn an_implied_answer_holds_for_every_number() {
    const CONSTANTS: [i32; 8] = [0, 1, 2, 3, 6, 9, -1, -2];
    let numbers: Vec<u64> =
        (0..16u64).flat_map(|low| [low, low | 1 << 32, low.wrapping_neg(), low | 1 << 63]).collect();
    let mut decided = 0;
    for (op, asked_op) in COMPARISONS.into_iter().flat_map(|op| COMPARISONS.map(|asked| (op, asked))) {
        for (right, asked_right) in CONSTANTS.into_iter().flat_map(|right| CONSTANTS.map(|asked| (right, asked))) {
            for (wide, holds) in [(true, true), (true, false), (false, true), (false, false)] {
                let test = |op, right| Test { op, wide, left: Reg(12), right: Operand::Imm(right) };
                let Some(answer) = test(asked_op, asked_right).implied_by(&test(op, right), holds) else { continue };
                decided += 1;
                let holds_for = |op, right: i32, number| taken(op, wide, number, i64::from(right).cast_unsigned());
                for number in numbers.iter().filter(|number| holds_for(op, right, **number) == Some(holds)) {
                    assert!(
                        holds_for(asked_op, asked_right, *number) == Some(answer),
                        "{number:#x} {} {right} is {holds}: {} {asked_right}",
                        jmp::comparison(op),
                        jmp::comparison(asked_op)
                    );
                }
            }
        }
    }
    // At least the tests after an equality have implied results.
    assert!(decided > 2000, "{decided}");
}
