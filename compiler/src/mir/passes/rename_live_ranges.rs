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
