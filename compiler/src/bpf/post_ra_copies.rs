//! Copy propagation and dead-code elimination after register allocation.
//!
//! ```text
//! r2 = r0
//! store 4 [r10 - 24] = r2          store 4 [r10 - 24] = r0
//! ```
//!
//! Within a block, reads of a copy are replaced by reads of its source; instructions whose result is not read
//! are removed.
//!
//! Absent: arguments of calls, which must be in their registers, and operands of branches: the verifier of
//! 5.10 learns the bounds of the register that is compared, not those of its copies.

use std::collections::BTreeMap;

use crate::mir::{Body, Inst, Operand, Reg};

/// Runs the pass on a body.
pub fn run(code: &mut Body) {
    for block in &mut code.blocks {
        let mut same: BTreeMap<Reg, Reg> = BTreeMap::new();
        for (inst, _) in &mut block.insts {
            read_from(inst, |reg| same.get(&reg).copied().unwrap_or(reg));
            match *inst {
                Inst::Call { .. } | Inst::Invoke { .. } => same.retain(|copy, of| copy.0 > 5 && of.0 > 5),
                Inst::Mov { dst, src: Operand::Reg(src), wide: true, reloc: None } => {
                    same.retain(|copy, of| *copy != dst && *of != dst);
                    if dst != src {
                        same.insert(dst, src);
                    }
                }
                ref other => {
                    if let Some(dst) = other.def() {
                        same.retain(|copy, of| *copy != dst && *of != dst);
                    }
                }
            }
        }
    }
    drop_unread(code);
}

/// Renames the registers that an instruction reads and does not write.
fn read_from(inst: &mut Inst, to: impl Fn(Reg) -> Reg) {
    let src = |src: &mut Operand| {
        if let Operand::Reg(reg) = src {
            *reg = to(*reg);
        }
    };
    match inst {
        Inst::Mov { src: from, .. } | Inst::Alu { src: from, .. } => src(from),
        Inst::Load { base, .. } | Inst::Copy { base, .. } => *base = to(*base),
        Inst::Store { base, src: from, .. } => {
            *base = to(*base);
            src(from);
        }
        Inst::AtomicAdd { base, src } => {
            *base = to(*base);
            *src = to(*src);
        }
        Inst::Spill { src, .. } => *src = to(*src),
        Inst::Wide { .. }
        | Inst::Address { .. }
        | Inst::Swap { .. }
        | Inst::Reload { .. }
        | Inst::Call { .. }
        | Inst::Invoke { .. } => {}
    }
}

/// A set of machine registers, one bit each.
type Registers = u16;

fn bit(reg: Reg) -> Registers {
    1 << reg.0
}

/// Removes instructions whose result is not read, in one pass from the last block.
fn drop_unread(code: &mut Body) {
    let mut entering: Vec<Registers> = vec![0; code.blocks.len()];
    for at in (0..code.blocks.len()).rev() {
        let mut read = code.blocks[at].terminator.targets().fold(0, |all, to| all | entering[to.0 as usize]);
        code.blocks[at].terminator.uses(|reg| read |= bit(reg));
        let mut kept = Vec::with_capacity(code.blocks[at].insts.len());
        for (inst, span) in std::mem::take(&mut code.blocks[at].insts).into_iter().rev() {
            let call = matches!(inst, Inst::Call { .. } | Inst::Invoke { .. });
            if let Some(dst) = inst.def()
                && read & bit(dst) == 0
                && !call
            {
                continue;
            }
            // A call clobbers `r1` to `r5`: a read after it follows another write.
            debug_assert!(!call || read & 0x3e == 0, "a register that a call clobbers is read");
            inst.def().into_iter().for_each(|dst| read &= !bit(dst));
            inst.uses(|reg| read |= bit(reg));
            kept.push((inst, span));
        }
        kept.reverse();
        code.blocks[at].insts = kept;
        entering[at] = read;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bodies::{becomes, stays};

    #[test]
    fn copies_are_propagated_and_dead_moves_removed() {
        becomes(
            "b0: r6 = r1
                 r2 = r6
                 r3 = load 8 [r2]
                 store 4 [r2] = r3
                 r4 = r3
                 r5 = r4
                 r5 += r4
                 atomic [r2] += r4
                 spill 0 = r4
                 r0 = r4
                 exit",
            run,
            "b0: r3 = load 8 [r1]
                 store 4 [r1] = r3
                 atomic [r1] += r3
                 spill 0 = r3
                 r0 = r3
                 exit",
        );
    }

    #[test]
    fn an_operand_changed_in_place_keeps_its_copy() {
        stays("b0: r2 = r1\nr2 += 1\nr0 = r2\nexit", run);
        stays("b0: r2 = r1\nr2 = be16 r2\nr0 = r2\nexit", run);
    }

    #[test]
    fn a_copy_ends_where_either_register_changes() {
        // The source, then the copy.
        stays("b0: r2 = r1\nr1 = load 8 [r1 + 8]\nstore 8 [r1] = r2\nr0 = 0\nexit", run);
        becomes(
            "b0: r2 = r1
                 r2 = load 8 [r1 + 8]
                 store 8 [r1] = r2
                 r0 = 0
                 exit",
            run,
            "b0: r2 = load 8 [r1 + 8]
                 store 8 [r1] = r2
                 r0 = 0
                 exit",
        );
        // A move from a third register over the source.
        becomes(
            "b0: r3 = load 8 [r1]
                 r2 = r1
                 r1 = r3
                 store 8 [r2] = r1
                 r0 = r1
                 exit",
            run,
            "b0: r3 = load 8 [r1]
                 r2 = r1
                 store 8 [r2] = r3
                 r0 = r3
                 exit",
        );
    }

    #[test]
    fn a_copy_of_half_a_register_is_no_copy() {
        stays("b0: w2 = w1\nstore 8 [r1] = r2\nr0 = 0\nexit", run);
        stays("b0: r2 = size(inode.i_mode)\nstore 8 [r1] = r2\nr0 = 0\nexit", run);
    }

    /// The verifier of 5.10 learns bounds of the tested register only, and arguments are in fixed registers.
    #[test]
    fn tests_and_arguments_keep_their_registers() {
        stays("b0: r2 = r1\nif r2 == 0 then b1 else b1\nb1: r0 = 0\nexit", run);
        stays("b0: r6 = r1\ncall 5/1\nr1 = r6\ncall 5/1\nexit", run);
    }

    #[test]
    fn a_call_ends_copies_in_registers_that_it_clobbers() {
        for copy in ["r6 = r1", "r6 = r5", "r6 = r0"] {
            let (_, source) = copy.split_once(" = ").expect("a move");
            stays(&format!("b0: {source} = load 8 [r10 - 8]\n{copy}\ncall 5/0\nstore 8 [r10 - 16] = r6\nexit"), run);
        }
        becomes(
            "b0: r6 = load 8 [r1]
                 r7 = r6
                 call 5/0
                 store 8 [r10 - 8] = r7
                 call krs_f/0
                 store 8 [r10 - 8] = r7
                 exit",
            run,
            "b0: r6 = load 8 [r1]
                 call 5/0
                 store 8 [r10 - 8] = r6
                 call krs_f/0
                 store 8 [r10 - 8] = r6
                 exit",
        );
    }

    /// The result of a call is in `r0`, whatever was copied there before.
    #[test]
    fn a_copy_in_r0_ends_at_a_call() {
        becomes(
            "b0: r6 = load 8 [r1]
                 r0 = r6
                 call 5/0
                 store 8 [r6] = r0
                 exit",
            run,
            "b0: r6 = load 8 [r1]
                 call 5/0
                 store 8 [r6] = r0
                 exit",
        );
    }

    #[test]
    fn what_nothing_reads_is_not_computed() {
        becomes(
            "b0: r5 = 1
                 r6 = 2
                 r7 = 3
                 r1 = 4
                 r2 = 5
                 call 5/1
                 r8 = 6
                 if r7 == 0 then b1 else b2
             b1: r0 = r8
                 exit
             b2: exit",
            run,
            "b0: r7 = 3
                 r1 = 4
                 call 5/1
                 r8 = 6
                 if r7 == 0 then b1 else b2
             b1: r0 = r8
                 exit
             b2: exit",
        );
    }

    #[test]
    fn copies_are_not_followed_into_other_blocks() {
        stays("b0: r2 = r1\ngoto b1\nb1: store 8 [r2] = 1\nr0 = 0\nexit", run);
    }
}
