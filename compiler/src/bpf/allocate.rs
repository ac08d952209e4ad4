//! Registers: linear scan (Poletto and Sarkar, 1999) over code without loops.
//!
//! Jumps only lead forward, so that every way from a definition to a use passes between the two: a register
//! lives from its first definition to its last use in the order of the code, and no analysis is needed to know
//! it. Machine registers are busy where the code names them: an argument from its move to the call, a
//! result from the call to its move; a call takes `r0` to `r5` from everybody else.
//!
//! ```text
//! position   2i: instruction i reads     2i + 1: it writes
//! v12  |--------------------|            two that touch at 2i | 2i+1 can share a register
//! v13                        |-----|
//! ```
//!
//! What finds no register lives in the frame: its definition is followed by a store and each use preceded by
//! a load, through registers that live for one instruction; then all is done again.

use std::collections::BTreeMap;

use super::vcode::{Code, End, FRAME, Inst, Src, V};
use crate::optimise::{Optimisation, Optimise};

/// Bytes of stack that the kernel gives a program.
pub const FRAME_BYTES_MAX: u32 = 512;

/// Gives every virtual register a machine register.
///
/// # Errors
/// When the frame has too little room for what registers cannot hold; the bytes that it would take.
pub fn allocate(mut code: Code, optimise: Optimise) -> Result<Code, u32> {
    if optimise.does(Optimisation::Unused) {
        remove_unused(&mut code);
    }
    // Registers from here on were made by spilling and live too short to be spilled again.
    let unspillable = code.next;
    loop {
        match scan(&code, unspillable) {
            Ok(machine) => {
                for block in &mut code.blocks {
                    for (inst, _) in &mut block.insts {
                        inst.rename(|reg| machine[reg.0 as usize]);
                    }
                    if let End::Branch { left, right, .. } = &mut block.end {
                        *left = machine[left.0 as usize];
                        if let Src::Reg(right) = right {
                            *right = machine[right.0 as usize];
                        }
                    }
                    block.insts.retain(|(inst, _)| {
                        !matches!(inst, Inst::Mov { dst, src: Src::Reg(src), wide: true, .. } if dst == src)
                    });
                }
                return Ok(code);
            }
            Err(victims) => spill(&mut code, &victims)?,
        }
    }
}

/// Drops what computes a value that nothing reads.
fn remove_unused(code: &mut Code) {
    loop {
        let mut used = vec![false; code.next as usize];
        for block in &code.blocks {
            for (inst, _) in &block.insts {
                // An in-place change alone keeps nothing alive.
                let own = match inst {
                    Inst::Alu { dst, .. } => Some(*dst),
                    _ => None,
                };
                inst.uses(|reg| used[reg.0 as usize] |= Some(reg) != own);
                if let Inst::Alu { dst, src: Src::Reg(src), .. } = inst
                    && dst == src
                {
                    used[dst.0 as usize] = true;
                }
            }
            block.end.uses(|reg| used[reg.0 as usize] = true);
        }
        let mut changed = false;
        for block in &mut code.blocks {
            let before = block.insts.len();
            block.insts.retain(|(inst, _)| match inst {
                Inst::Call { .. } | Inst::Invoke { .. } | Inst::Store { .. } | Inst::AtomicAdd { .. } => true,
                other => other.def().is_none_or(|reg| reg.is_machine() || used[reg.0 as usize]),
            });
            changed |= block.insts.len() != before;
        }
        if !changed {
            return;
        }
    }
}

/// From its first definition to its last use.
#[derive(Clone, Copy, Debug)]
struct Interval {
    reg: V,
    start: u32,
    end: u32,
}

#[derive(Default)]
struct Ranges {
    /// By virtual register.
    live: BTreeMap<V, (u32, u32)>,
    /// By machine register, ascending.
    busy: [Vec<(u32, u32)>; 11],
    /// Registers that a move connects: sharing one makes the move vanish.
    hints: BTreeMap<V, Vec<V>>,
}

fn ranges(code: &Code) -> Ranges {
    let mut ranges = Ranges::default();
    let mut opened = [None::<u32>; 11];
    // The context comes in r1.
    opened[1] = Some(0);
    let mut at = 0u32;
    let close = |ranges: &mut Ranges, opened: &mut [Option<u32>; 11], reg: V, position: u32| {
        if let Some(start) = opened[reg.0 as usize] {
            let list: &mut Vec<(u32, u32)> = &mut ranges.busy[reg.0 as usize];
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
                if reg == FRAME {
                } else if reg.is_machine() {
                    close(&mut ranges, &mut opened, reg, read);
                } else if let Some(live) = ranges.live.get_mut(&reg) {
                    live.1 = live.1.max(read);
                }
            });
            if let Inst::Call { .. } | Inst::Invoke { .. } = inst {
                for (open, busy) in opened.iter_mut().zip(&mut ranges.busy).take(6) {
                    *open = None;
                    busy.push((read, write));
                }
                opened[0] = Some(write);
            } else if let Some(reg) = inst.def() {
                if reg.is_machine() {
                    // `r1 += 8` goes on with what `r1 = ...` began.
                    if !matches!(inst, Inst::Alu { .. }) {
                        opened[reg.0 as usize] = Some(write);
                    }
                } else {
                    let live = ranges.live.entry(reg).or_insert((write, write));
                    live.1 = live.1.max(write);
                }
            }
            if let Inst::Mov { dst, src: Src::Reg(src), wide: true, .. } = inst {
                ranges.hints.entry(*dst).or_default().push(*src);
                ranges.hints.entry(*src).or_default().push(*dst);
            }
        }
        at += 1;
        block.end.uses(|reg| {
            if reg == FRAME {
            } else if reg.is_machine() {
                close(&mut ranges, &mut opened, reg, 2 * at);
            } else if let Some(live) = ranges.live.get_mut(&reg) {
                live.1 = live.1.max(2 * at);
            }
        });
    }
    for list in &mut ranges.busy {
        list.sort_unstable();
    }
    ranges
}

/// Registers that calls take first, since those that they leave are few.
const ORDER: [u32; 10] = [1, 2, 3, 4, 5, 0, 6, 7, 8, 9];

/// A machine register for each virtual one, or those that must live in the frame.
fn scan(code: &Code, unspillable: u32) -> Result<Vec<V>, Vec<V>> {
    let ranges = ranges(code);
    let mut intervals: Vec<Interval> =
        ranges.live.iter().map(|(reg, (start, end))| Interval { reg: *reg, start: *start, end: *end }).collect();
    intervals.sort_by_key(|interval| (interval.start, interval.reg));
    let mut machine: Vec<V> = (0..code.next).map(V).collect();
    let mut active: Vec<(Interval, u32)> = Vec::new();
    let mut victims = Vec::new();
    let is_busy = |reg: u32, interval: &Interval| {
        let list = &ranges.busy[reg as usize];
        let from = list.partition_point(|(_, end)| *end < interval.start);
        // Ranges of one register may nest where it is opened twice: look at all that begin in time.
        list[from..].iter().take_while(|(start, _)| *start <= interval.end).next().is_some()
    };
    for interval in &intervals {
        active.retain(|(other, _)| other.end >= interval.start);
        let free = |reg: u32, active: &[(Interval, u32)]| {
            !active.iter().any(|(_, taken)| *taken == reg) && !is_busy(reg, interval)
        };
        let hinted = ranges.hints.get(&interval.reg).into_iter().flatten().filter_map(|other| {
            if other.is_machine() {
                Some(other.0)
            } else {
                let given = machine[other.0 as usize];
                given.is_machine().then_some(given.0)
            }
        });
        let choice = hinted.filter(|reg| *reg <= 9).chain(ORDER).find(|reg| free(*reg, &active));
        if let Some(reg) = choice {
            machine[interval.reg.0 as usize] = V(reg);
            active.push((*interval, reg));
            continue;
        }
        // Of all that could make room, the one that would keep its register longest goes.
        let victim = active
            .iter()
            .enumerate()
            .filter(|(_, (other, reg))| other.reg.0 < unspillable && !is_busy(*reg, interval))
            .max_by_key(|(_, (other, _))| (other.end, other.reg))
            .map(|(at, _)| at);
        match victim {
            Some(at) if interval.reg.0 >= unspillable || active[at].0.end > interval.end => {
                let (other, reg) = active.remove(at);
                machine[other.reg.0 as usize] = other.reg;
                victims.push(other.reg);
                machine[interval.reg.0 as usize] = V(reg);
                active.push((*interval, reg));
            }
            _ => {
                assert!(interval.reg.0 < unspillable, "what lives for one instruction finds a register");
                victims.push(interval.reg);
            }
        }
    }
    if victims.is_empty() { Ok(machine) } else { Err(victims) }
}

/// Where a spilled register's value comes from.
enum Home {
    /// 8 bytes of the frame.
    Slot(i16),
    /// A constant, made again where it is needed.
    Again(Inst),
}

fn spill(code: &mut Code, victims: &[V]) -> Result<(), u32> {
    let mut homes: BTreeMap<V, Home> = BTreeMap::new();
    for &victim in victims {
        let mut defs = code
            .blocks
            .iter()
            .flat_map(|block| &block.insts)
            .map(|(inst, _)| inst)
            .filter(|inst| inst.def() == Some(victim));
        let home = match (defs.next(), defs.next()) {
            (
                Some(
                    inst @ (Inst::Mov { src: Src::Imm(_), reloc: None, .. } | Inst::Wide { .. } | Inst::Address { .. }),
                ),
                None,
            ) => Home::Again(inst.clone()),
            _ => {
                // Loads and stores of 8 bytes must lie at multiples of 8.
                code.frame_bytes = code.frame_bytes.next_multiple_of(8) + 8;
                if code.frame_bytes > FRAME_BYTES_MAX {
                    return Err(code.frame_bytes);
                }
                Home::Slot(-(code.frame_bytes as i16))
            }
        };
        homes.insert(victim, home);
    }
    for block in &mut code.blocks {
        let mut insts = Vec::with_capacity(block.insts.len() + 8);
        for (mut inst, span) in std::mem::take(&mut block.insts) {
            let mut read = Vec::new();
            inst.uses(|reg| {
                if homes.contains_key(&reg) && !read.contains(&reg) {
                    read.push(reg);
                }
            });
            let written = inst.def().filter(|reg| homes.contains_key(reg));
            if let Some(reg) = written
                && matches!(homes[&reg], Home::Again(_))
            {
                continue;
            }
            let mut stand_ins: Vec<(V, V)> = Vec::new();
            for reg in read {
                let stand_in = V(code.next);
                code.next += 1;
                insts.push((reload(&homes[&reg], stand_in), span));
                stand_ins.push((reg, stand_in));
            }
            if let Some(reg) = written
                && !stand_ins.iter().any(|(known, _)| *known == reg)
            {
                stand_ins.push((reg, V(code.next)));
                code.next += 1;
            }
            inst.rename(|reg| stand_ins.iter().find(|(known, _)| *known == reg).map_or(reg, |(_, to)| *to));
            insts.push((inst, span));
            if let Some(reg) = written
                && let Home::Slot(offset) = homes[&reg]
                && let Some((_, stand_in)) = stand_ins.iter().find(|(known, _)| *known == reg)
            {
                insts.push((Inst::Store { base: FRAME, offset, src: Src::Reg(*stand_in), bytes: 8 }, span));
            }
        }
        if let End::Branch { left, right, .. } = &mut block.end {
            let mut replace = |reg: &mut V| {
                if let Some(home) = homes.get(reg) {
                    let stand_in = V(code.next);
                    code.next += 1;
                    insts.push((reload(home, stand_in), block.end_span));
                    *reg = stand_in;
                }
            };
            replace(left);
            if let Src::Reg(right) = right {
                replace(right);
            }
        }
        block.insts = insts;
    }
    Ok(())
}

fn reload(home: &Home, to: V) -> Inst {
    match home {
        Home::Slot(offset) => {
            Inst::Load { dst: to, base: FRAME, offset: *offset, bytes: 8, reloc: None, argument: None }
        }
        Home::Again(inst) => {
            let mut inst = inst.clone();
            inst.rename(|_| to);
            inst
        }
    }
}
