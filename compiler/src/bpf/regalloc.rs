//! Register allocation: linear assignment by weight over exact live ranges, with iterated spilling.
//!
//! ```text
//! v12: uses 9, live 3..40, across a call       r6
//! v13: uses 4, live 5..12                      r2
//! v14: uses 2, live 7..38, across a call       spill slot 0
//! ```
//!
//! Registers of spill code are assigned first, then the others in the order of their weight: the number of
//! uses and definitions in hot code, then in cold code. Live ranges have holes ([`liveness`]), so a machine
//! register can serve a value in the holes of another. Machine registers are reserved where code names them,
//! from the move of an argument to its call and from a call to the move of its result; a call clobbers `r0`
//! to `r5`.
//!
//! A program saves and restores each callee-saved register (`r6` to `r9`) that it uses in every run. A value
//! gets one only if another value already uses it, or if that costs less than the spill code of the value in
//! hot code.
//!
//! A value without a register is spilled: its definition is followed by a store and its uses are preceded by
//! a reload, one for all uses between two calls. Constants are rematerialised. Then the assignment starts
//! again; the registers of spill code are not spilled.
//!
//! Absent: coalescing as a pass. A move's operands are hints for one machine register, and a move within one
//! register is removed.

use std::collections::{BTreeMap, BTreeSet};

use crate::mir::analysis::liveness::{Place, Range, Values, VirtualRegisters, liveness};
use crate::mir::{Body, FRAME_POINTER, Inst, Operand, Reg};
use crate::optimise::{Optimisation, Optimise};

/// Runs the pass.
///
/// Reloads that serve several uses can exceed the registers that are free between two calls; then each use
/// gets a separate reload, whose live range is one instruction, and the allocation succeeds.
pub fn run(body: &mut Body, optimise: Optimise) {
    let options = Options {
        frugal: optimise.does(Optimisation::CalleeSavedCost),
        share: optimise.does(Optimisation::ShareReloads),
    };
    let shared = options.share.then(|| allocate(body.clone(), options)).flatten();
    *body = shared.unwrap_or_else(|| {
        let body = std::mem::take(body);
        allocate(body, Options { share: false, ..options }).expect("a live range of one instruction finds a register")
    });
}

/// Options of the allocation.
#[derive(Clone, Copy)]
struct Options {
    /// Callee-saved registers are used only if that costs less than spilling.
    frugal: bool,
    /// A reload serves all uses until the next call.
    share: bool,
}

/// Assigns and spills until all registers are assigned; `None` if a register of spill code finds no machine
/// register.
fn allocate(mut code: Body, options: Options) -> Option<Body> {
    // Registers from here on belong to spill code.
    let unspillable = code.next;
    let mut slots = 0;
    loop {
        let (machine, victims) = assign(&code, unspillable, options)?;
        if !victims.is_empty() {
            spill(&mut code, &victims, &mut slots, options.share);
            continue;
        }
        for block in &mut code.blocks {
            block.insts.iter_mut().for_each(|(inst, _)| inst.rename(|reg| machine[reg.0 as usize]));
            block.terminator.rename(|reg| machine[reg.0 as usize]);
            block.insts.retain(
                |(inst, _)| !matches!(inst, Inst::Mov { dst, src: Operand::Reg(src), wide: true, .. } if dst == src),
            );
        }
        return Some(code);
    }
}

/// A virtual register: its live ranges and its weight.
#[derive(Default)]
struct Value {
    ranges: Vec<Range>,
    /// Uses and definitions in hot code.
    hot: u32,
    /// Uses and definitions in cold code.
    cold: u32,
    /// True if its only definition is a constant.
    rematerialisable: bool,
    defs: u32,
    /// Registers that a move connects it to; in one machine register the move is removed.
    hints: Vec<Reg>,
}

/// For each machine register, the ranges in which code names it, ascending.
fn reserved(code: &Body) -> [Vec<Range>; 11] {
    let mut reserved: [Vec<Range>; 11] = Default::default();
    let mut opened = [None::<u32>; 11];
    // At the entry `r1` holds the context, or `r1` to `r5` the arguments of a function.
    opened[1..=5].fill(Some(0));
    let mut at = 0u32;
    let close = |reserved: &mut [Vec<Range>; 11], opened: &[Option<u32>; 11], reg: Reg, position: u32| {
        if let Some(start) = opened[reg.0 as usize] {
            let list = &mut reserved[reg.0 as usize];
            match list.last_mut() {
                Some(last) if last.0 == start => last.1 = position,
                _ => list.push((start, position)),
            }
        }
    };
    for block in &code.blocks {
        for (inst, _) in &block.insts {
            at += 1;
            let (read, write) = (2 * at, 2 * at + 1);
            inst.uses(|reg| {
                if reg.is_machine() && reg != FRAME_POINTER {
                    close(&mut reserved, &opened, reg, read);
                }
            });
            if let Inst::Call { .. } | Inst::Invoke { .. } = inst {
                for (open, reserved) in opened.iter_mut().zip(&mut reserved).take(6) {
                    *open = None;
                    match reserved.last_mut() {
                        // An argument of the call.
                        Some(last) if last.1 == read => last.1 = write,
                        _ => reserved.push((read, write)),
                    }
                }
                opened[0] = Some(read);
            } else if let Some(reg) = inst.def()
                && reg.is_machine()
                // `r1 += 8` extends the range that `r1 = ...` began.
                && !matches!(inst, Inst::Alu { .. })
            {
                opened[reg.0 as usize] = Some(write);
            }
        }
        at += 1;
        block.terminator.uses(|reg| {
            if reg.is_machine() && reg != FRAME_POINTER {
                close(&mut reserved, &opened, reg, 2 * at);
            }
        });
    }
    reserved
}

/// Caller-saved registers in the order of preference: arguments of calls last.
const CALLER_SAVED: [u32; 6] = [2, 3, 4, 5, 1, 0];
/// Callee-saved registers in the order of preference.
const CALLEE_SAVED: [u32; 4] = [6, 7, 8, 9];
/// Instructions per run that save and restore one callee-saved register.
const SAVE_COST: u32 = 2;

fn values(code: &Body) -> BTreeMap<u32, Value> {
    let mut values: BTreeMap<u32, Value> = BTreeMap::new();
    for (reg, ranges) in liveness(code, &VirtualRegisters).ranges {
        values.entry(reg).or_default().ranges = ranges;
    }
    for block in &code.blocks {
        let mut count = |reg: u32| {
            let value = values.entry(reg).or_default();
            *(if block.cold { &mut value.cold } else { &mut value.hot }) += 1;
        };
        for (inst, _) in &block.insts {
            VirtualRegisters.uses(inst, &mut count);
            VirtualRegisters.def(inst).into_iter().for_each(&mut count);
        }
        VirtualRegisters.end_uses(&block.terminator, &mut count);
        for (inst, _) in &block.insts {
            if let Some(reg) = VirtualRegisters.def(inst) {
                let value = values.entry(reg).or_default();
                value.defs += 1;
                value.rematerialisable = value.defs == 1 && is_rematerialisable(inst);
            }
            if let Inst::Mov { dst, src: Operand::Reg(src), wide: true, .. } = inst {
                for (one, other) in [(dst, src), (src, dst)] {
                    if !one.is_machine() {
                        values.entry(one.0).or_default().hints.push(*other);
                    }
                }
            }
        }
    }
    values
}

fn is_rematerialisable(inst: &Inst) -> bool {
    matches!(inst, Inst::Mov { src: Operand::Imm(_), .. } | Inst::Wide { .. } | Inst::Address { .. })
}

/// Returns the machine register of each virtual register, and the registers to spill; `None` if a register of
/// spill code finds no machine register.
fn assign(code: &Body, unspillable: u32, options: Options) -> Option<(Vec<Reg>, Vec<Reg>)> {
    let values = values(code);
    let mut places: Vec<Place> = reserved(code)
        .iter()
        .map(|ranges| {
            let mut place = Place::default();
            place.take(ranges);
            place
        })
        .collect();
    let first = |reg: u32| values[&reg].ranges.first().map_or(0, |range| range.0);
    let mut order: Vec<u32> = values.keys().copied().collect();
    order.sort_by_key(|reg| {
        let value = &values[reg];
        (*reg < unspillable, std::cmp::Reverse((value.hot, value.cold)), first(*reg), *reg)
    });
    let mut machine: Vec<Reg> = (0..code.next).map(Reg).collect();
    let mut saved: BTreeSet<u32> = BTreeSet::new();
    let mut victims = Vec::new();
    for reg in order {
        let value = &values[&reg];
        if value.ranges.is_empty() {
            continue;
        }
        // Machine registers of the hints that are assigned already.
        let hinted =
            value.hints.iter().map(|other| machine[other.0 as usize]).filter(|reg| reg.0 <= 9).map(|reg| reg.0);
        let must = reg >= unspillable;
        let pays =
            must || !options.frugal || value.hot > if value.rematerialisable { SAVE_COST + 1 } else { SAVE_COST };
        let allowed = |reg: &u32| *reg < 6 || pays || saved.contains(reg);
        let choice = hinted
            .chain(CALLER_SAVED)
            .chain(CALLEE_SAVED.into_iter().filter(|reg| saved.contains(reg)))
            .chain(CALLEE_SAVED)
            .filter(allowed)
            .find(|reg| places[*reg as usize].is_free(&value.ranges));
        match choice {
            Some(chosen) => {
                if chosen >= 6 {
                    saved.insert(chosen);
                }
                places[chosen as usize].take(&value.ranges);
                machine[reg as usize] = Reg(chosen);
            }
            None if must => return None,
            None => victims.push(Reg(reg)),
        }
    }
    Some((machine, victims))
}

/// The largest number of reloaded values that stay in registers across an edge: the values of the block
/// itself need registers, too.
const CARRIED_MAX: usize = 3;

/// The source of a spilled register's value.
enum Home {
    /// A spill slot of the frame.
    Slot(u32),
    /// A constant, which is rematerialised by this instruction.
    Constant(Inst),
}

fn spill(code: &mut Body, victims: &[Reg], slots: &mut u32, share: bool) {
    let wanted: BTreeSet<Reg> = victims.iter().copied().collect();
    let mut defs: BTreeMap<Reg, Vec<&Inst>> = BTreeMap::new();
    for (inst, _) in code.blocks.iter().flat_map(|block| &block.insts) {
        if let Some(reg) = inst.def().filter(|reg| wanted.contains(reg)) {
            defs.entry(reg).or_default().push(inst);
        }
    }
    let mut homes: BTreeMap<Reg, Home> = BTreeMap::new();
    for victim in wanted {
        let home = match defs.get(&victim).map(Vec::as_slice) {
            Some([inst]) if is_rematerialisable(inst) => Home::Constant((*inst).clone()),
            _ => {
                *slots += 1;
                Home::Slot(*slots - 1)
            }
        };
        homes.insert(victim, home);
    }
    let needed = liveness(code, &VirtualRegisters).live_in;
    let Body { blocks, next, .. } = code;
    let mut fresh = || {
        *next += 1;
        Reg(*next - 1)
    };
    // For each block, the reloaded values that all predecessors have in the same register.
    let mut entering: Vec<Option<BTreeMap<Reg, Reg>>> = vec![None; blocks.len()];
    for at in 0..blocks.len() {
        let block = &mut blocks[at];
        let mut insts = Vec::with_capacity(block.insts.len() + 8);
        // Spilled registers that are in a register at this point.
        let mut here: BTreeMap<Reg, Reg> = entering[at].take().unwrap_or_default();
        for (mut inst, span) in std::mem::take(&mut block.insts) {
            if !share {
                here.clear();
            }
            let written = inst.def().filter(|reg| homes.contains_key(reg));
            if let Some(reg) = written
                && matches!(homes[&reg], Home::Constant(_))
            {
                continue;
            }
            // A move to or from a spilled register is a store or a reload.
            if let Inst::Mov { dst, src: Operand::Reg(src), wide: true, reloc: None } = &inst {
                match (homes.get(dst), homes.get(src)) {
                    (Some(Home::Slot(slot)), None) if *src != FRAME_POINTER => {
                        insts.push((Inst::Spill { slot: *slot, src: *src }, span));
                        // The result of a call stays in `r0` until the next call.
                        match share && *src == Reg(0) {
                            true => here.insert(*dst, *src),
                            false => here.remove(dst),
                        };
                        continue;
                    }
                    (None, Some(home)) if !here.contains_key(src) => {
                        insts.push((reload(home, *dst), span));
                        continue;
                    }
                    _ => {}
                }
            }
            let mut read = Vec::new();
            inst.uses(|reg| {
                if homes.contains_key(&reg) && !read.contains(&reg) {
                    read.push(reg);
                }
            });
            for reg in read {
                here.entry(reg).or_insert_with(|| {
                    let reloaded = fresh();
                    insts.push((reload(&homes[&reg], reloaded), span));
                    reloaded
                });
            }
            if let Some(reg) = written {
                match here.get(&reg) {
                    Some(result) if result.is_machine() => {
                        let reloaded = fresh();
                        let src = Operand::Reg(*result);
                        insts.push((Inst::Mov { dst: reloaded, src, wide: true, reloc: None }, span));
                        here.insert(reg, reloaded);
                    }
                    Some(_) => {}
                    None => {
                        here.insert(reg, fresh());
                    }
                }
            }
            inst.rename(|reg| here.get(&reg).copied().unwrap_or(reg));
            let call = matches!(inst, Inst::Call { .. } | Inst::Invoke { .. });
            if inst.def() == Some(Reg(0)) {
                here.retain(|_, reg| *reg != Reg(0));
            }
            insts.push((inst, span));
            if let Some(reg) = written
                && let Home::Slot(slot) = homes[&reg]
            {
                insts.push((Inst::Spill { slot, src: here[&reg] }, span));
            }
            if call {
                here.clear();
            }
        }
        if !share {
            here.clear();
        }
        block.terminator.uses(|reg| {
            if let Some(home) = homes.get(&reg) {
                here.entry(reg).or_insert_with(|| {
                    let reloaded = fresh();
                    insts.push((reload(home, reloaded), block.terminator_span));
                    reloaded
                });
            }
        });
        block.terminator.rename(|reg| here.get(&reg).copied().unwrap_or(reg));
        block.insts = insts;
        if share {
            here.retain(|_, reg| !reg.is_machine());
            for to in blocks[at].terminator.targets() {
                let to = to.0 as usize;
                let wanted = |reg: &Reg| needed[to].binary_search(&reg.0).is_ok();
                match &mut entering[to] {
                    None => {
                        entering[to] = Some(
                            here.iter()
                                .filter(|(reg, _)| wanted(reg))
                                .take(CARRIED_MAX)
                                .map(|(a, b)| (*a, *b))
                                .collect(),
                        )
                    }
                    Some(known) => known.retain(|reg, reloaded| here.get(reg) == Some(reloaded)),
                }
            }
        }
    }
}

fn reload(home: &Home, to: Reg) -> Inst {
    match home {
        Home::Slot(slot) => Inst::Reload { dst: to, slot: *slot },
        Home::Constant(inst) => {
            let mut inst = inst.clone();
            inst.rename(|_| to);
            inst
        }
    }
}

#[cfg(test)]
mod tests;
