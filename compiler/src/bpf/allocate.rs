//! Registers: values take turns in them by their weight, the most used first.
//!
//! What is needed where is known exactly ([`liveness`]), so that a register can hold a value in the holes of another's
//! ranges. Machine registers are busy where the code names them: an argument from its move to the call, a
//! result from the call to its move; a call takes `r0` to `r5` from everybody else.
//!
//! Calls leave `r6` to `r9` alone, but a program that uses one of them saves and restores it in each of its runs. A value gets
//! one only where that costs less than to keep it in the frame, counted in code that is not cold.
//!
//! What finds no register lives in the frame: its definition is followed by a store and its uses are preceded by a load,
//! one for all uses between two calls; then all is done again. Values that live in the frame take turns there, too.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::{self, Registers};
use super::liveness::{Place, Range, Values, liveness};
use super::vcode::{Code, FRAME, Inst, Src, V};
use super::{demand, flow, frame, peephole, swaps, webs};
use crate::optimise::{Optimisation, Optimise};

/// Gives every virtual register a machine register.
///
/// # Errors
/// When the frame has too little room for what registers cannot hold; the bytes that it would take.
pub fn allocate(mut code: Code, optimise: Optimise) -> Result<Code, u32> {
    if optimise.does(Optimisation::Sinking) {
        layout::sink_cold(&mut code);
        if optimise.does(Optimisation::Webs) {
            // What cold code shared with the rest is a copy now, so that each is known to be reached by fewer ways.
            webs::split(&mut code);
            flow::optimise(&mut code, optimise);
        }
        if optimise.does(Optimisation::Splitting) {
            layout::split_cold(&mut code);
        }
    }
    if optimise.does(Optimisation::Constants) {
        peephole::constants(&mut code);
    }
    if optimise.does(Optimisation::Copies) {
        peephole::copies(&mut code);
    }
    if optimise.does(Optimisation::Joined) {
        peephole::joined(&mut code);
    }
    if optimise.does(Optimisation::Swaps) {
        swaps::spare(&mut code);
    }
    if optimise.does(Optimisation::Demand) {
        demand::spare(&mut code);
    }
    if optimise.does(Optimisation::Unused) {
        remove_unused(&mut code);
    }
    let options = Options { frugal: optimise.does(Optimisation::Frugal), share: optimise.does(Optimisation::Reloads) };
    debug_assert!(liveness(&code, &Registers).entering[0].is_empty(), "every register is written before it is read");
    let mut code = match options.share.then(|| place_all(code.clone(), options)).flatten() {
        Some(code) => code,
        // What is loaded for each use anew lives for one instruction and always finds a register.
        None => place_all(code, Options { share: false, ..options })
            .expect("what lives for one instruction finds a register"),
    };
    frame::lay_out(&mut code, optimise)?;
    Ok(code)
}

/// How registers are given out.
#[derive(Clone, Copy)]
struct Options {
    /// Registers that calls leave are used only where that pays.
    frugal: bool,
    /// A load serves all uses until the next call.
    share: bool,
}

/// Gives out registers until all have one; `None` where what was loaded finds none.
fn place_all(mut code: Code, options: Options) -> Option<Code> {
    // Registers from here on were made by spilling and are not spilled again.
    let unspillable = code.next;
    let mut slots = 0;
    loop {
        let (machine, victims) = color(&code, unspillable, options)?;
        if !victims.is_empty() {
            spill(&mut code, &victims, &mut slots, options.share);
            continue;
        }
        for block in &mut code.blocks {
            block.insts.iter_mut().for_each(|(inst, _)| inst.rename(|reg| machine[reg.0 as usize]));
            block.end.rename(|reg| machine[reg.0 as usize]);
            block.insts.retain(
                |(inst, _)| !matches!(inst, Inst::Mov { dst, src: Src::Reg(src), wide: true, .. } if dst == src),
            );
        }
        return Some(code);
    }
}

/// Drops what computes a value that nothing behind it reads.
fn remove_unused(code: &mut Code) {
    // By block: what is read before it is written from there on.
    let mut entering: Vec<Vec<V>> = vec![Vec::new(); code.blocks.len()];
    let mut read: BTreeSet<V> = BTreeSet::new();
    for (at, block) in code.blocks.iter_mut().enumerate().rev() {
        read.clear();
        block.end.targets().for_each(|to| read.extend(&entering[to.0 as usize]));
        block.end.uses(|reg| _ = read.insert(reg));
        let mut kept = Vec::with_capacity(block.insts.len());
        for (inst, span) in block.insts.drain(..).rev() {
            let acts =
                matches!(inst, Inst::Call { .. } | Inst::Invoke { .. } | Inst::Store { .. } | Inst::AtomicAdd { .. });
            // What registers of the machine hold is an argument or a result.
            if acts || inst.def().is_none_or(|reg| reg.is_machine() || read.contains(&reg)) {
                inst.def().map(|reg| read.remove(&reg));
                inst.uses(|reg| _ = read.insert(reg));
                kept.push((inst, span));
            }
        }
        kept.reverse();
        block.insts = kept;
        entering[at] = read.iter().copied().collect();
    }
}

/// What is known of a virtual register.
#[derive(Default)]
struct Value {
    ranges: Vec<Range>,
    /// Places that read or write it, in code that is not cold.
    hot: u32,
    /// The same in cold code.
    cold: u32,
    /// Its only definition, where that is a constant that can be made again.
    again: bool,
    defs: u32,
    /// Registers that a move connects it to: sharing one makes the move vanish.
    hints: Vec<V>,
}

/// By machine register, ascending: where code names it.
fn busy(code: &Code) -> [Vec<Range>; 11] {
    let mut busy: [Vec<Range>; 11] = Default::default();
    let mut opened = [None::<u32>; 11];
    // The context comes in r1, arguments of a function in r1 to r5.
    opened[1..=5].fill(Some(0));
    let mut at = 0u32;
    let close = |busy: &mut [Vec<Range>; 11], opened: &[Option<u32>; 11], reg: V, position: u32| {
        if let Some(start) = opened[reg.0 as usize] {
            let list = &mut busy[reg.0 as usize];
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
                if reg.is_machine() && reg != FRAME {
                    close(&mut busy, &opened, reg, read);
                }
            });
            if let Inst::Call { .. } | Inst::Invoke { .. } = inst {
                for (open, busy) in opened.iter_mut().zip(&mut busy).take(6) {
                    *open = None;
                    match busy.last_mut() {
                        // An argument of the call.
                        Some(last) if last.1 == read => last.1 = write,
                        _ => busy.push((read, write)),
                    }
                }
                opened[0] = Some(read);
            } else if let Some(reg) = inst.def()
                && reg.is_machine()
                // `r1 += 8` goes on with what `r1 = ...` began.
                && !matches!(inst, Inst::Alu { .. })
            {
                opened[reg.0 as usize] = Some(write);
            }
        }
        at += 1;
        block.end.uses(|reg| {
            if reg.is_machine() && reg != FRAME {
                close(&mut busy, &opened, reg, 2 * at);
            }
        });
    }
    busy
}

/// Registers that calls take.
const TAKEN: [u32; 6] = [2, 3, 4, 5, 1, 0];
/// Registers that they leave.
const LEFT: [u32; 4] = [6, 7, 8, 9];
/// What it costs a run to save and restore one of those.
const SAVING: u32 = 2;

fn values(code: &Code) -> BTreeMap<u32, Value> {
    let mut values: BTreeMap<u32, Value> = BTreeMap::new();
    for (reg, ranges) in liveness(code, &Registers).ranges {
        values.entry(reg).or_default().ranges = ranges;
    }
    for block in &code.blocks {
        let mut count = |reg: u32| {
            let value = values.entry(reg).or_default();
            *(if block.cold { &mut value.cold } else { &mut value.hot }) += 1;
        };
        for (inst, _) in &block.insts {
            Registers.uses(inst, &mut count);
            Registers.def(inst).into_iter().for_each(&mut count);
        }
        Registers.end_uses(&block.end, &mut count);
        for (inst, _) in &block.insts {
            if let Some(reg) = Registers.def(inst) {
                let value = values.entry(reg).or_default();
                value.defs += 1;
                value.again = value.defs == 1 && can_be_made_again(inst);
            }
            if let Inst::Mov { dst, src: Src::Reg(src), wide: true, .. } = inst {
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

fn can_be_made_again(inst: &Inst) -> bool {
    matches!(inst, Inst::Mov { src: Src::Imm(_), .. } | Inst::Wide { .. } | Inst::Address { .. })
}

/// A machine register for each virtual one, and those that must live in the frame. `None` where one finds no register that
/// must have one.
fn color(code: &Code, unspillable: u32, options: Options) -> Option<(Vec<V>, Vec<V>)> {
    let values = values(code);
    let mut places: Vec<Place> = busy(code)
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
    let mut machine: Vec<V> = (0..code.next).map(V).collect();
    let mut saved: BTreeSet<u32> = BTreeSet::new();
    let mut victims = Vec::new();
    for reg in order {
        let value = &values[&reg];
        if value.ranges.is_empty() {
            continue;
        }
        // What else a hint has got by now.
        let hinted =
            value.hints.iter().map(|other| machine[other.0 as usize]).filter(|reg| reg.0 <= 9).map(|reg| reg.0);
        let must = reg >= unspillable;
        let pays = must || !options.frugal || value.hot > if value.again { SAVING + 1 } else { SAVING };
        let allowed = |reg: &u32| *reg < 6 || pays || saved.contains(reg);
        let choice = hinted
            .chain(TAKEN)
            .chain(LEFT.into_iter().filter(|reg| saved.contains(reg)))
            .chain(LEFT)
            .filter(allowed)
            .find(|reg| places[*reg as usize].is_free(&value.ranges));
        match choice {
            Some(chosen) => {
                if chosen >= 6 {
                    saved.insert(chosen);
                }
                places[chosen as usize].take(&value.ranges);
                machine[reg as usize] = V(chosen);
            }
            None if must => return None,
            None => victims.push(V(reg)),
        }
    }
    Some((machine, victims))
}

/// So many spilled values stay in registers from one block to the next, at most: what a block needs itself must find one too.
const CARRIED_MAX: usize = 3;

/// Where a spilled register's value comes from.
enum Home {
    /// Of the frame.
    Slot(u32),
    /// A constant, made again where it is needed.
    Again(Inst),
}

fn spill(code: &mut Code, victims: &[V], slots: &mut u32, share: bool) {
    let wanted: BTreeSet<V> = victims.iter().copied().collect();
    let mut defs: BTreeMap<V, Vec<&Inst>> = BTreeMap::new();
    for (inst, _) in code.blocks.iter().flat_map(|block| &block.insts) {
        if let Some(reg) = inst.def().filter(|reg| wanted.contains(reg)) {
            defs.entry(reg).or_default().push(inst);
        }
    }
    let mut homes: BTreeMap<V, Home> = BTreeMap::new();
    for victim in wanted {
        let home = match defs.get(&victim).map(Vec::as_slice) {
            Some([inst]) if can_be_made_again(inst) => Home::Again((*inst).clone()),
            _ => {
                *slots += 1;
                Home::Slot(*slots - 1)
            }
        };
        homes.insert(victim, home);
    }
    let needed = liveness(code, &Registers).entering;
    let Code { blocks, next, .. } = code;
    let mut fresh = || {
        *next += 1;
        V(*next - 1)
    };
    // By block: what all that lead there have in the same register.
    let mut entering: Vec<Option<BTreeMap<V, V>>> = vec![None; blocks.len()];
    for at in 0..blocks.len() {
        let block = &mut blocks[at];
        let mut insts = Vec::with_capacity(block.insts.len() + 8);
        // What of the spilled is in a register here.
        let mut here: BTreeMap<V, V> = entering[at].take().unwrap_or_default();
        for (mut inst, span) in std::mem::take(&mut block.insts) {
            if !share {
                here.clear();
            }
            let written = inst.def().filter(|reg| homes.contains_key(reg));
            if let Some(reg) = written
                && matches!(homes[&reg], Home::Again(_))
            {
                continue;
            }
            // A move between the frame and a register needs no other.
            if let Inst::Mov { dst, src: Src::Reg(src), wide: true, reloc: None } = &inst {
                match (homes.get(dst), homes.get(src)) {
                    (Some(Home::Slot(slot)), None) if *src != FRAME => {
                        insts.push((Inst::Spill { slot: *slot, src: *src }, span));
                        // A result of a call is there until the next one.
                        match share && *src == V(0) {
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
                    let stand_in = fresh();
                    insts.push((reload(&homes[&reg], stand_in), span));
                    stand_in
                });
            }
            if let Some(reg) = written {
                match here.get(&reg) {
                    Some(result) if result.is_machine() => {
                        let stand_in = fresh();
                        let src = Src::Reg(*result);
                        insts.push((Inst::Mov { dst: stand_in, src, wide: true, reloc: None }, span));
                        here.insert(reg, stand_in);
                    }
                    Some(_) => {}
                    None => {
                        here.insert(reg, fresh());
                    }
                }
            }
            inst.rename(|reg| here.get(&reg).copied().unwrap_or(reg));
            let call = matches!(inst, Inst::Call { .. } | Inst::Invoke { .. });
            if inst.def() == Some(V(0)) {
                here.retain(|_, reg| *reg != V(0));
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
        block.end.uses(|reg| {
            if let Some(home) = homes.get(&reg) {
                here.entry(reg).or_insert_with(|| {
                    let stand_in = fresh();
                    insts.push((reload(home, stand_in), block.end_span));
                    stand_in
                });
            }
        });
        block.end.rename(|reg| here.get(&reg).copied().unwrap_or(reg));
        block.insts = insts;
        if share {
            here.retain(|_, reg| !reg.is_machine());
            for to in blocks[at].end.targets() {
                let to = to.0 as usize;
                let wanted = |reg: &V| needed[to].binary_search(&reg.0).is_ok();
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
                    Some(known) => known.retain(|reg, stand_in| here.get(reg) == Some(stand_in)),
                }
            }
        }
    }
}

fn reload(home: &Home, to: V) -> Inst {
    match home {
        Home::Slot(slot) => Inst::Reload { dst: to, slot: *slot },
        Home::Again(inst) => {
            let mut inst = inst.clone();
            inst.rename(|_| to);
            inst
        }
    }
}

#[cfg(test)]
mod tests;
