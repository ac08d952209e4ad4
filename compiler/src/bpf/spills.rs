//! Spill code cleanup: fewer stores to and reloads from spill slots, and the frame offsets of slots.
//!
//! ```text
//! b0: spill 3 = r2                        b0: if r2 & 4 then b7 else b1
//!     if r2 & 4 then b7 else b1
//! b1: r2 = reload 3                       b1: store 8 [r10 - 24] = r2    only b1 loads the slot
//!     call ..                                 call ..
//!     r1 = reload 3                           r1 = load 8 [r10 - 24]
//! ```
//!
//! Register allocation has assigned a slot to each spilled value. Slots that are not live at the same time
//! share an offset.
//!
//! Absent: buffers in the frame, which calls write to; lowering has assigned their offsets.

use std::collections::{BTreeMap, BTreeSet};

use crate::limits::STACK_BYTES_MAX;
use crate::mir::analysis::liveness::{Place, Values, liveness};
use crate::mir::{Block, Body, FRAME_POINTER, Inst, Operand, Reg, Terminator};

/// The spill slots, by number.
struct Slots;

impl Values for Slots {
    fn uses(&self, inst: &Inst, each: &mut dyn FnMut(u32)) {
        if let Inst::Reload { slot, .. } = inst {
            each(*slot);
        }
    }

    fn def(&self, inst: &Inst) -> Option<u32> {
        match inst {
            Inst::Spill { slot, .. } => Some(*slot),
            _ => None,
        }
    }

    fn end_uses(&self, _: &Terminator, _: &mut dyn FnMut(u32)) {}
}

/// For each register, the slot whose value it holds.
type Held = BTreeMap<Reg, u32>;

/// Visits all blocks with the slots that registers hold at the entry of each: at a join, those that all
/// predecessors agree on. `each` updates the state to the end of the block.
fn follow(code: &mut Body, mut each: impl FnMut(&mut Block, &mut Held)) {
    let mut entering: Vec<Option<Held>> = vec![None; code.blocks.len()];
    for at in 0..code.blocks.len() {
        let mut held = entering[at].take().unwrap_or_default();
        let block = &mut code.blocks[at];
        each(block, &mut held);
        let targets: BTreeSet<_> = block.terminator.targets().collect();
        for to in targets {
            let seen = &mut entering[to.0 as usize];
            match seen {
                None => *seen = Some(held.clone()),
                Some(seen) => seen.retain(|reg, slot| held.get(reg) == Some(slot)),
            }
        }
    }
}

/// Stack-slot coalescing: a slot that only ever receives the value of one other slot is replaced by it,
/// unless the other is stored to while the value is live.
pub fn coalesce_slots(code: &mut Body) {
    let needed = liveness(code, &Slots).ranges;
    // For each slot, the slot that all its stores copy, if there is one; and the positions of its stores.
    let mut copies: BTreeMap<u32, Option<u32>> = BTreeMap::new();
    let mut written: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut at = 0;
    follow(code, |block, held| {
        for (inst, _) in &block.insts {
            at += 1;
            if let Inst::Spill { slot, src } = inst {
                let of = held.get(src).copied().filter(|of| of != slot);
                copies.entry(*slot).and_modify(|known| *known = known.filter(|known| Some(*known) == of)).or_insert(of);
                // Positions as in `liveness`.
                written.entry(*slot).or_default().push(2 * at + 1);
            }
            transfer(&mut inst.clone(), held);
        }
        at += 1;
    });
    let mut same: BTreeMap<u32, u32> = BTreeMap::new();
    for (slot, of) in copies {
        let Some(of) = of.map(|of| same.get(&of).copied().unwrap_or(of)).filter(|of| *of != slot) else { continue };
        let mut all: Vec<u32> = same.iter().filter(|(_, known)| **known == slot).map(|(copy, _)| *copy).collect();
        all.push(slot);
        let mut ranges = all.iter().filter_map(|slot| needed.get(slot)).flatten();
        // Unreachable blocks, which encoding omits, may load a slot that has no store.
        let writes = written.get(&of).map_or(&[][..], Vec::as_slice);
        if ranges.all(|(first, last)| !writes.iter().any(|at| (first..=last).contains(&at))) {
            same.extend(all.into_iter().map(|slot| (slot, of)));
        }
    }
    for (inst, _) in code.blocks.iter_mut().flat_map(|block| &mut block.insts) {
        if let Inst::Spill { slot, .. } | Inst::Reload { slot, .. } = inst {
            *slot = same.get(slot).copied().unwrap_or(*slot);
        }
    }
}

/// Redundant-reload elimination: a value that a register still holds is not loaded again. Stores to slots
/// that nothing loads from are removed.
pub fn eliminate_reloads(code: &mut Body) {
    follow(code, |block, held| block.insts.retain_mut(|(inst, _)| transfer(inst, held)));
    let insts = code.blocks.iter().flat_map(|block| &block.insts);
    let taken: BTreeSet<u32> = insts
        .filter_map(|(inst, _)| match inst {
            Inst::Reload { slot, .. } => Some(*slot),
            _ => None,
        })
        .collect();
    for block in &mut code.blocks {
        block.insts.retain(|(inst, _)| !matches!(inst, Inst::Spill { slot, .. } if !taken.contains(slot)));
    }
}

/// Updates `held` by an instruction; returns false if the instruction is redundant.
fn transfer(inst: &mut Inst, held: &mut Held) -> bool {
    match *inst {
        Inst::Spill { slot, src } => {
            if held.get(&src) == Some(&slot) {
                return false;
            }
            held.retain(|_, other| *other != slot);
            held.insert(src, slot);
        }
        Inst::Reload { dst, slot } => {
            if held.get(&dst) == Some(&slot) {
                return false;
            }
            if let Some((other, _)) = held.iter().find(|(_, known)| **known == slot) {
                *inst = Inst::Mov { dst, src: Operand::Reg(*other), wide: true, reloc: None };
            }
            held.insert(dst, slot);
        }
        Inst::Mov { dst, src: Operand::Reg(src), wide: true, reloc: None } => {
            match held.get(&src).copied() {
                Some(slot) => held.insert(dst, slot),
                None => held.remove(&dst),
            };
        }
        // Calls clobber `r0` to `r5`.
        Inst::Call { .. } | Inst::Invoke { .. } => held.retain(|reg, _| reg.0 > 5),
        ref other => {
            other.def().map(|dst| held.remove(&dst));
        }
    }
    true
}

/// The next access to a slot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Stored,
    Loaded,
}

/// Store sinking: a spill store moves past branches to the successors that load the slot, so that other paths
/// execute no store. A store that is overwritten before a load is removed.
pub fn sink_stores(code: &mut Body) {
    let entering = liveness(code, &Slots).live_in;
    let mut edges = vec![0u32; code.blocks.len()];
    code.blocks.iter().flat_map(|block| block.terminator.targets()).for_each(|to| edges[to.0 as usize] += 1);
    for at in 0..code.blocks.len() {
        let targets: Vec<usize> = code.blocks[at].terminator.targets().map(|to| to.0 as usize).collect();
        let needed = |to: &usize, slot: &u32| entering[*to].binary_search(slot).is_ok();
        let mut moved: Vec<(u32, Reg)> = Vec::new();
        let mut written = BTreeSet::new();
        let mut next: BTreeMap<u32, Next> = BTreeMap::new();
        let block = &mut code.blocks[at];
        let mut kept = Vec::with_capacity(block.insts.len());
        for (inst, span) in std::mem::take(&mut block.insts).into_iter().rev() {
            match inst {
                Inst::Spill { slot, src } => match next.insert(slot, Next::Stored) {
                    Some(Next::Stored) => continue,
                    Some(Next::Loaded) => {}
                    None => {
                        let one_way = targets.iter().all(|to| !needed(to, &slot) || edges[*to] == 1);
                        let always = targets.iter().all(|to| needed(to, &slot));
                        if !written.contains(&src) && one_way && !always {
                            moved.push((slot, src));
                            continue;
                        }
                    }
                },
                Inst::Reload { slot, .. } => {
                    next.insert(slot, Next::Loaded);
                }
                Inst::Call { .. } | Inst::Invoke { .. } => written.extend((0..6).map(Reg)),
                _ => {}
            }
            written.extend(inst.def());
            kept.push((inst, span));
        }
        kept.reverse();
        block.insts = kept;
        for to in targets {
            let stores = moved.iter().rev().filter(|(slot, _)| needed(&to, slot));
            let block = &mut code.blocks[to];
            let span = block.insts.first().map_or(block.terminator_span, |(_, span)| *span);
            let stores: Vec<_> = stores.map(|(slot, src)| (Inst::Spill { slot: *slot, src: *src }, span)).collect();
            block.insts.splice(0..0, stores);
        }
    }
}

/// Assigns frame offsets to slots. Slots that are not live at the same time share an offset.
///
/// # Errors
/// The bytes of the frame, if they are more than the kernel provides.
pub fn assign_offsets(code: &mut Body) -> Result<(), u32> {
    let needed = liveness(code, &Slots).ranges;
    if needed.is_empty() {
        return Ok(());
    }
    let mut places: Vec<Place> = Vec::new();
    let mut offsets: BTreeMap<u32, usize> = BTreeMap::new();
    for (slot, ranges) in &needed {
        let place = places.iter().position(|place| place.is_free(ranges)).unwrap_or(places.len());
        if place == places.len() {
            places.push(Place::default());
        }
        places[place].take(ranges);
        offsets.insert(*slot, place);
    }
    // The verifier requires multiples of 8 for loads and stores of 8 bytes.
    let first = code.frame_bytes.next_multiple_of(8);
    code.frame_bytes = first + 8 * places.len() as u32;
    if code.frame_bytes > STACK_BYTES_MAX {
        return Err(code.frame_bytes);
    }
    let offset = |slot: &u32| -((first + 8 + 8 * offsets[slot] as u32) as i16);
    for (inst, _) in code.blocks.iter_mut().flat_map(|block| &mut block.insts) {
        *inst = match inst {
            Inst::Spill { slot, src } => {
                Inst::Store { base: FRAME_POINTER, offset: offset(slot), src: Operand::Reg(*src), bytes: 8 }
            }
            Inst::Reload { dst, slot } => Inst::Load {
                dst: *dst,
                base: FRAME_POINTER,
                offset: offset(slot),
                bytes: 8,
                reloc: None,
                argument: None,
            },
            _ => continue,
        };
    }
    Ok(())
}
