//! Live-range splitting at the entry of the cold region.
//!
//! ```text
//! b0: v12 = load ..                   b0: v12 = load ..
//!     if v12 & 4 then b2 else b1          if v12 & 4 then b2 else b1
//! b2 cold: call ..                    b2 cold: v20 = v12
//!     store 8 [r10 - 8] = v12             call ..
//!                                         store 8 [r10 - 8] = v20
//! ```
//!
//! Cold code calls helpers, so values that live across it need callee-saved registers or spill slots. With
//! separate names in the cold region, hot code can keep the same values in caller-saved registers, which a
//! program need not save.
//!
//! Registers that are only used in the cold region keep their names.

use std::collections::BTreeMap;

use crate::mir::analysis::cfg::{for_each_target, reorder};
use crate::mir::analysis::liveness::{VirtualRegisters, liveness};
use crate::mir::{Block, BlockId, Body, Inst, Operand, Reg, Terminator};

/// Runs the pass on a body.
pub fn run(body: &mut Body) {
    let cold_start = body.cold_start as usize;
    if cold_start >= body.blocks.len() {
        return;
    }
    let entering = liveness(body, &VirtualRegisters).live_in;
    let mut renamed: BTreeMap<u32, Reg> = BTreeMap::new();
    // For each block, true if a hot block has an edge to it, and true if a cold one has.
    let mut before = vec![(false, false); body.blocks.len()];
    for (at, block) in body.blocks.iter().enumerate() {
        for to in block.terminator.targets() {
            let seen = &mut before[to.0 as usize];
            if at < cold_start { seen.0 = true } else { seen.1 = true }
        }
    }
    let mut next = body.next;
    let mut new_name = |reg: u32| {
        *renamed.entry(reg).or_insert_with(|| {
            next += 1;
            Reg(next - 1)
        })
    };
    // A block with both kinds of predecessors gets the copies in a new block on its edges from hot code.
    let mut entries: BTreeMap<u32, Block> = BTreeMap::new();
    for at in cold_start..body.blocks.len() {
        if !before[at].0 || entering[at].is_empty() {
            continue;
        }
        let span = body.blocks[at].insts.first().map_or(body.blocks[at].terminator_span, |(_, span)| *span);
        let copies: Vec<_> = entering[at]
            .iter()
            .map(|reg| (Inst::Mov { dst: new_name(*reg), src: Operand::Reg(Reg(*reg)), wide: true, reloc: None }, span))
            .collect();
        entries.insert(
            at as u32,
            Block {
                insts: copies,
                terminator: Terminator::Jump(BlockId(at as u32)),
                terminator_span: span,
                cold: true,
                expensive: false,
            },
        );
    }
    for block in &mut body.blocks[cold_start..] {
        // Registers that are not live at the entry of the region keep their names.
        let rename = |reg: Reg| renamed.get(&reg.0).copied().unwrap_or(reg);
        block.insts.iter_mut().for_each(|(inst, _)| inst.rename(rename));
        block.terminator.rename(rename);
    }
    body.next = next;
    for at in (cold_start..body.blocks.len()).filter(|at| !before[*at].1) {
        if let Some(entry) = entries.remove(&(at as u32)) {
            body.blocks[at].insts.splice(0..0, entry.insts);
        }
    }
    if entries.is_empty() {
        return;
    }
    let first = body.blocks.len() as u32;
    let mut order: Vec<usize> = Vec::new();
    for at in 0..body.blocks.len() {
        if let Some(place) = entries.keys().position(|entry| *entry == at as u32) {
            order.push(first as usize + place);
        }
        order.push(at);
    }
    for block in &mut body.blocks[..cold_start] {
        for_each_target(&mut block.terminator, |to| {
            if let Some(place) = entries.keys().position(|entry| *entry == to.0) {
                *to = BlockId(first + place as u32);
            }
        });
    }
    body.blocks.extend(entries.into_values());
    reorder(body, &order);
}
