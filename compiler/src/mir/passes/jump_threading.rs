//! Jump threading: edges skip tests whose result follows from tests on the path to them.
//!
//! ```text
//! b0: if v12 & 4 then b1 else b2          b0: if v12 & 4 then b1 else b5
//! b2: if v12 & 4 then b3 else b5
//! ```
//!
//! For each edge the pass collects the comparisons that dominate it and whose operands are not redefined in
//! between, and the registers that hold constants there. An empty block whose comparison is implied by these
//! is skipped. A branch on a register that holds a constant becomes a jump.
//!
//! Absent: duplication of blocks with instructions, and contents of memory.

use std::collections::HashMap;

use crate::isa::jmp;
use crate::mir::analysis::cfg::{Edge, immediate_dominators, single_edges, skip_forwarding};
use crate::mir::analysis::definitions::{DefiningBlocks, counts, is_single};
use crate::mir::analysis::known_bits::Bits;
use crate::mir::{BlockId, Body, Inst, Operand, Reg, Terminator};

/// The largest number of dominators whose comparisons are collected, since the pass visits them for each
/// block.
const DOMINATORS_MAX: usize = 64;

/// The comparison of a conditional branch.
#[derive(Clone, Copy, PartialEq)]
struct Test {
    op: u8,
    wide: bool,
    left: Reg,
    right: Operand,
}

impl Test {
    fn of(terminator: &Terminator) -> Option<(Test, BlockId, BlockId)> {
        match terminator {
            Terminator::Branch { op, wide, left, right, then, otherwise } => {
                Some((Test { op: *op, wide: *wide, left: *left, right: *right }, *then, *otherwise))
            }
            Terminator::Jump(_) | Terminator::Exit => None,
        }
    }

    /// The result that follows from the result of another test, if any.
    fn implied_by(&self, known: &Test, holds: bool) -> Option<bool> {
        if (self.left, self.wide) != (known.left, known.wide) {
            return None;
        }
        if self.right == known.right {
            if self.op == known.op {
                return Some(holds);
            }
            if jmp::inverse(self.op) == Some(known.op) {
                return Some(!holds);
            }
        }
        let (Operand::Imm(own), Operand::Imm(other)) = (self.right, known.right) else { return None };
        match (known.op, holds) {
            (jmp::JEQ, true) | (jmp::JNE, false) => self.holds_for(other),
            (jmp::JSET, false) => match self.op {
                jmp::JSET => (own & !other == 0).then_some(false),
                jmp::JEQ => (own & other != 0).then_some(false),
                jmp::JNE => (own & other != 0).then_some(true),
                _ => None,
            },
            (jmp::JSET, true) => match self.op {
                jmp::JSET => (other & !own == 0).then_some(true),
                jmp::JEQ => (own & other == 0).then_some(false),
                jmp::JNE => (own & other == 0).then_some(true),
                _ => None,
            },
            _ => None,
        }
    }

    /// The result if the left operand is the given constant.
    fn holds_for(&self, number: i32) -> Option<bool> {
        let Operand::Imm(right) = self.right else { return None };
        let constant = |number: i32| Bits::constant(i64::from(number).cast_unsigned());
        Bits::holds(self.op, self.wide, constant(number), constant(right))
    }

    /// Returns true if no operand is redefined between the ends of two blocks, the first of which dominates
    /// the second. A call counts as a definition of `r0` only: no test reads `r1` to `r5` after a call, which
    /// clobbers them.
    fn is_unchanged(&self, definitions: &DefiningBlocks, first: BlockId, second: BlockId) -> bool {
        let unchanged = |reg| definitions.none_between(reg, first, second);
        unchanged(self.left)
            && match self.right {
                Operand::Reg(right) => unchanged(right),
                Operand::Imm(_) => true,
            }
    }
}

/// Registers that hold known constants.
struct Constants {
    /// Values of the registers that have one definition, a constant.
    single: HashMap<Reg, i32>,
    /// For each block, the constants in other registers at its end.
    live_out: Vec<Vec<(Reg, i32)>>,
}

impl Constants {
    fn of(body: &Body) -> Constants {
        let counts = counts(body);
        let constant = |inst: &Inst| match inst {
            Inst::Mov { dst, src: Operand::Imm(imm), wide: true, reloc: None } if !dst.is_machine() => {
                Some((*dst, *imm))
            }
            _ => None,
        };
        let all = body.blocks.iter().flat_map(|block| &block.insts).filter_map(|(inst, _)| constant(inst));
        let single = all.filter(|(reg, _)| is_single(&counts, *reg)).collect();
        let mut live_in: Vec<Option<Vec<(Reg, i32)>>> = vec![None; body.blocks.len()];
        let mut live_out = vec![Vec::new(); body.blocks.len()];
        live_in[0] = Some(Vec::new());
        for at in 0..body.blocks.len() {
            let Some(mut known) = live_in[at].take() else { continue };
            for (inst, _) in &body.blocks[at].insts {
                let Some(dst) = inst.def() else { continue };
                known.retain(|(reg, _)| *reg != dst);
                known.extend(constant(inst).filter(|(dst, _)| counts[dst.0 as usize] > 1));
            }
            for to in body.blocks[at].terminator.targets() {
                let seen = &mut live_in[to.0 as usize];
                match seen {
                    None => *seen = Some(known.clone()),
                    Some(seen) => seen.retain(|one| known.contains(one)),
                }
            }
            live_out[at] = known;
        }
        Constants { single, live_out }
    }

    /// The constant in a register at the end of a block, if it holds one.
    fn at(&self, block: BlockId, reg: Reg) -> Option<i32> {
        let here = self.live_out[block.0 as usize].iter().find(|(known, _)| *known == reg).map(|(_, number)| *number);
        here.or_else(|| self.single.get(&reg).copied())
    }
}

/// Runs the pass; returns true if it changed an edge.
///
/// The analyses stay valid while edges move: an edge that skips a test implies the result that led to its new
/// target before.
pub fn run(body: &mut Body) -> bool {
    let mut changed = false;
    let paths = Paths {
        edges: single_edges(body),
        dominators: immediate_dominators(body),
        definitions: DefiningBlocks::of(body),
    };
    let constants = Constants::of(body);
    for at in 0..body.blocks.len() {
        let block = BlockId(at as u32);
        let constant = |reg: Reg| constants.at(block, reg);
        if let Some((test, then, otherwise)) = Test::of(&body.blocks[at].terminator)
            && let Some(holds) = constant(test.left).and_then(|number| test.holds_for(number))
        {
            body.blocks[at].terminator = Terminator::Jump(if holds { then } else { otherwise });
            changed = true;
        }
        if let Terminator::Jump(to) = body.blocks[at].terminator {
            let target = threaded_target(body, to, &paths.dominating_tests(body, block), &constant);
            changed |= target != to;
            body.blocks[at].terminator = Terminator::Jump(target);
        }
        let Some((test, then, otherwise)) = Test::of(&body.blocks[at].terminator) else { continue };
        let mut known = paths.dominating_tests(body, block);
        known.insert(0, (test, true));
        let new_then = threaded_target(body, then, &known, &constant);
        known[0].1 = false;
        let new_otherwise = threaded_target(body, otherwise, &known, &constant);
        changed |= (new_then, new_otherwise) != (then, otherwise);
        if let Terminator::Branch { then, otherwise, .. } = &mut body.blocks[at].terminator {
            (*then, *otherwise) = (new_then, new_otherwise);
        }
    }
    changed
}

/// The analyses that find the tests on all paths to a block.
struct Paths {
    edges: Vec<Option<Edge>>,
    dominators: Vec<Option<usize>>,
    definitions: DefiningBlocks,
}

impl Paths {
    /// The tests that dominate the end of a block and whose operands are unchanged there, with their results;
    /// the nearest first. At a join the search continues at its immediate dominator.
    fn dominating_tests(&self, body: &Body, end: BlockId) -> Vec<(Test, bool)> {
        let (mut known, mut at) = (Vec::new(), end);
        for _ in 0..DOMINATORS_MAX {
            if let Some(Edge { from, holds }) = self.edges[at.0 as usize] {
                if let (Some((test, ..)), Some(holds)) = (Test::of(&body.blocks[from.0 as usize].terminator), holds)
                    && test.is_unchanged(&self.definitions, from, end)
                {
                    known.push((test, holds));
                }
                at = from;
            } else if let Some(dominator) = self.dominators[at.0 as usize] {
                at = BlockId(dominator as u32);
            } else {
                break;
            }
        }
        known
    }
}

/// Returns the target of an edge after it skips empty blocks whose tests are implied.
fn threaded_target(
    body: &Body,
    to: BlockId,
    known: &[(Test, bool)],
    constant: &impl Fn(Reg) -> Option<i32>,
) -> BlockId {
    let mut to = skip_forwarding(body, to);
    loop {
        let block = &body.blocks[to.0 as usize];
        if !block.insts.is_empty() {
            return to;
        }
        let Some((test, then, otherwise)) = Test::of(&block.terminator) else { return to };
        let result = match constant(test.left) {
            Some(number) => test.holds_for(number),
            None => known.iter().find_map(|(known, holds)| test.implied_by(known, *holds)),
        };
        match result {
            Some(holds) => to = skip_forwarding(body, if holds { then } else { otherwise }),
            None => return to,
        }
    }
}

#[cfg(test)]
mod tests;
