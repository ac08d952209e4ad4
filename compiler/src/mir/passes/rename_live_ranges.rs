//! Live-range renaming: each web of definitions and uses gets a separate register.
//!
//! ```text
//! b1: v12 = 0      goto b3            b1: v12 = 0      goto b3
//! b2: v12 = load   goto b4            b2: v20 = load   goto b4
//! b3: .. v12 ..                       b3: .. v12 ..
//! b4: .. v12 ..                       b4: .. v20 ..
//! ```
//!
//! Duplicated blocks define the registers of their originals a second time. After this pass most registers
//! have one definition again, which the redundancy passes need. A web (Chaitin, 1981) is a maximal set of
//! definitions that share a use.

use std::collections::BTreeMap;

use crate::mir::analysis::definitions::counts;
use crate::mir::analysis::liveness::{VirtualRegisters, liveness};
use crate::mir::{Body, Reg};

/// Disjoint sets of definitions, which are numbered in the order of the code.
#[derive(Default)]
struct Webs {
    /// For each definition, another one of its web, or itself for the representative.
    others: Vec<usize>,
}

impl Webs {
    fn definition(&mut self) -> usize {
        self.others.push(self.others.len());
        self.others.len() - 1
    }

    fn first(&self, mut write: usize) -> usize {
        while self.others[write] != write {
            write = self.others[write];
        }
        write
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.first(a), self.first(b));
        self.others[a.max(b)] = a.min(b);
    }
}

/// Runs the pass on a body.
pub fn run(code: &mut Body) {
    let entering = liveness(code, &VirtualRegisters).live_in;
    let counts = counts(code);
    let several = |reg: &Reg| !reg.is_machine() && counts[reg.0 as usize] > 1;
    let mut webs = Webs::default();
    // For each block, the definitions that reach its entry.
    let mut holding: Vec<BTreeMap<Reg, usize>> = vec![BTreeMap::new(); code.blocks.len()];
    for (at, block) in code.blocks.iter().enumerate() {
        let mut held = holding[at].clone();
        for (inst, _) in &block.insts {
            let Some(reg) = inst.def().filter(several) else { continue };
            let write = webs.definition();
            // An instruction that changes a register in place continues its web.
            let mut changed = false;
            inst.uses(|used| changed |= used == reg);
            if let Some(before) = held.insert(reg, write).filter(|_| changed) {
                webs.join(before, write);
            }
        }
        for to in block.terminator.targets() {
            for reg in entering[to.0 as usize].iter().map(|reg| Reg(*reg)) {
                if let Some(write) = held.get(&reg) {
                    let known = *holding[to.0 as usize].entry(reg).or_insert(*write);
                    webs.join(known, *write);
                }
            }
        }
    }
    // The first web of a register keeps its name.
    let mut names: BTreeMap<usize, Reg> = BTreeMap::new();
    let mut kept = vec![false; code.next as usize];
    let mut next = code.next;
    let mut write = 0;
    for (at, block) in code.blocks.iter_mut().enumerate() {
        let mut held = std::mem::take(&mut holding[at]);
        let mut name = |reg: Reg, held: &BTreeMap<Reg, usize>| {
            held.get(&reg).map_or(reg, |write| {
                *names.entry(webs.first(*write)).or_insert_with(|| {
                    if std::mem::replace(&mut kept[reg.0 as usize], true) {
                        next += 1;
                        Reg(next - 1)
                    } else {
                        reg
                    }
                })
            })
        };
        for (inst, _) in &mut block.insts {
            if let Some(reg) = inst.def().filter(several) {
                held.insert(reg, write);
                write += 1;
            }
            inst.rename(|reg| name(reg, &held));
        }
        block.terminator.rename(|reg| name(reg, &held));
    }
    code.next = next;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{alu, jmp};
    use crate::mir::{Block, BlockId, Inst, Operand, Terminator};
    use crate::testing::bodies::{becomes, stays};

    fn block(insts: Vec<Inst>, end: Terminator) -> Block {
        let insts = insts.into_iter().map(|inst| (inst, Default::default())).collect();
        Block { insts, terminator: end, terminator_span: Default::default(), cold: false, dear: false }
    }

    fn set(dst: u32, imm: i32) -> Inst {
        Inst::Mov { dst: Reg(dst), src: Operand::Imm(imm), wide: true, reloc: None }
    }

    fn add(dst: u32, imm: i32) -> Inst {
        Inst::Alu { op: alu::ADD, wide: true, dst: Reg(dst), src: Operand::Imm(imm), reloc: None }
    }

    fn give(src: u32) -> Inst {
        Inst::Mov { dst: Reg(0), src: Operand::Reg(Reg(src)), wide: true, reloc: None }
    }

    #[test]
    fn writes_for_other_reads_are_other_registers() {
        let branch = |then, otherwise| Terminator::Branch {
            op: jmp::JEQ,
            wide: true,
            left: Reg(1),
            right: Operand::Imm(0),
            then: BlockId(then),
            otherwise: BlockId(otherwise),
        };
        let mut code = Body {
            blocks: vec![
                block(vec![set(11, 1)], branch(1, 2)),
                // Continues the web of the first block.
                block(vec![add(11, 1)], Terminator::Jump(BlockId(3))),
                block(vec![], branch(3, 4)),
                block(vec![give(11)], Terminator::Exit),
                // Begins another web.
                block(vec![set(11, 7), give(11)], Terminator::Exit),
            ],
            next: 12,
            frame_bytes: 0,
            sunk: 5,
            flags: Vec::new(),
        };
        run(&mut code);
        let insts: Vec<Vec<Inst>> =
            code.blocks.iter().map(|block| block.insts.iter().map(|(inst, _)| inst.clone()).collect()).collect();
        assert_eq!(insts[..4], [vec![set(11, 1)], vec![add(11, 1)], vec![], vec![give(11)]]);
        assert_eq!(insts[4], [set(12, 7), give(12)]);
    }

    /// A join reads the writes of both predecessors, which stay one register.
    #[test]
    fn writes_that_meet_in_a_read_are_one_register() {
        stays(
            "b0: v11 = r1
                 if v11 == 0 then b1 else b2
             b1: v12 = 1
                 goto b3
             b2: v12 = 2
                 goto b3
             b3: r0 = v12
                 exit",
            run,
        );
    }

    /// Three writes: the first and second meet in one read, the second and third in another.
    #[test]
    fn a_web_is_transitive() {
        stays(
            "b0: v11 = r1
                 if v11 == 0 then b1 else b2
             b1: v12 = 1
                 if v11 == 1 then b4 else b5
             b2: v12 = 2
                 if v11 == 2 then b4 else b3
             b3: v12 = 3
                 goto b4
             b4: r0 = v12
                 exit
             b5: r0 = v12
                 exit",
            run,
        );
    }

    /// An operation in place reads its destination.
    #[test]
    fn a_value_changed_in_place_is_one_register() {
        stays(
            "b0: v11 = r1
                 v12 = 1
                 v12 += v11
                 store 8 [v11] = v12
                 v12 = be16 v12
                 if v12 == 0 then b1 else b1
             b1: r0 = v12
                 exit",
            run,
        );
    }

    #[test]
    fn a_value_written_again_in_its_block_is_another() {
        becomes(
            "b0: v11 = r1
                 v12 = 1
                 store 8 [v11] = v12
                 v12 = load 8 [v11]
                 if v12 == 0 then b1 else b1
             b1: r0 = v12
                 exit",
            run,
            "b0: v11 = r1
                 v12 = 1
                 store 8 [v11] = v12
                 v13 = load 8 [v11]
                 if v13 == 0 then b1 else b1
             b1: r0 = v13
                 exit",
        );
    }
}
