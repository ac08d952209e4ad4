//! The order of blocks, and what is kept apart for it.
//!
//! Recording an event is rare and calls a dozen helpers; what leads only there is *cold*. Cold code that never returns to
//! the rest is moved behind it, so that tests follow each other without jumps; and whatever it needs of the rest is copied
//! where it begins, so that the rest keeps its values in registers that calls may take, for which a program saves
//! nothing.
//!
//! ```text
//! b0: v12 = load ..               b0: v12 = load ..
//!     if v12 & 4 then b1 else b2      if v12 & 4 then b2 else b1
//! b1: call .. v12 .. exit         b1: exit
//! b2: exit                        b2: v20 = v12
//!                                     call .. v20 .. exit
//! ```
//!
//! Invariant: jumps still lead to later blocks only.

use std::collections::{BTreeMap, BTreeSet};

use super::encode::inverse;
use super::liveness::{Values, liveness};
use super::vcode::{B, Block, Code, End, Inst, Src, V};

/// Instructions of an exit that is copied rather than shared between cold and other code.
const EXIT_INSTS_MAX: usize = 2;
/// Instructions that are copied so that cold code need not return to the rest.
const COPIED_INSTS_MAX: usize = 300;

/// Moves cold blocks that lead to nothing else behind all others; marks those that only cold ones lead to as cold.
pub fn sink_cold(code: &mut Code) {
    let count = code.blocks.len();
    // What follows a dear call is set apart from what is done without, if that is anything.
    if !code.blocks[0].dear {
        code.blocks.iter_mut().for_each(|block| block.cold |= block.dear);
    }
    for at in (0..count).rev() {
        // What leads to nothing else is as rare.
        let block = &code.blocks[at];
        let rare = block.end != End::Exit && block.end.targets().all(|to| code.blocks[to.0 as usize].cold);
        code.blocks[at].cold |= rare;
    }
    let mut before: Vec<(bool, bool)> = vec![(false, false); count];
    before[0].0 = true;
    for at in 0..count {
        let (hot, cold) = before[at];
        // What nothing leads to is dropped later.
        code.blocks[at].cold |= cold && !hot;
        let cold = code.blocks[at].cold;
        if hot || before[at].1 {
            code.blocks[at].end.targets().for_each(|to| {
                let seen = &mut before[to.0 as usize];
                if cold { seen.1 = true } else { seen.0 = true }
            });
        }
    }
    // What both reach becomes two, if that is not too much; short exits always do.
    let below = below_cold(code);
    let twice = |at: &usize| below[*at] && before[*at].0 && !code.blocks[*at].cold;
    let all: usize = (0..count).filter(twice).map(|at| code.blocks[at].insts.len() + 1).sum();
    let short = |block: &Block| block.end == End::Exit && block.insts.len() <= EXIT_INSTS_MAX;
    let copied: Vec<usize> =
        (0..count).filter(twice).filter(|at| all <= COPIED_INSTS_MAX || short(&code.blocks[*at])).collect();
    let copies: BTreeMap<B, B> =
        copied.iter().enumerate().map(|(index, at)| (B(*at as u32), B((count + index) as u32))).collect();
    for at in &copied {
        let copy = Block { cold: true, ..code.blocks[*at].clone() };
        code.blocks.push(copy);
    }
    for block in code.blocks.iter_mut().filter(|block| block.cold) {
        for_targets(&mut block.end, |to| *to = copies.get(to).copied().unwrap_or(*to));
    }
    // Copies stand where what they copy does.
    let mut order: Vec<usize> = (0..code.blocks.len()).collect();
    order.sort_by_key(|at| if *at < count { (*at, 0) } else { (copied[*at - count], 1) });
    let mut sinks = vec![false; code.blocks.len()];
    for at in order.iter().rev() {
        let block = &code.blocks[*at];
        sinks[*at] = block.cold && block.end.targets().all(|to| sinks[to.0 as usize]);
    }
    if sinks[0] {
        // There is nothing but cold code.
        return;
    }
    let (stay, go): (Vec<usize>, Vec<usize>) = order.into_iter().partition(|at| !sinks[*at]);
    let sunk = stay.len() as u32;
    reorder(code, &stay.into_iter().chain(go).collect::<Vec<_>>());
    code.sunk = sunk;
}

/// What cold blocks lead to.
fn below_cold(code: &Code) -> Vec<bool> {
    let mut below = vec![false; code.blocks.len()];
    for at in 0..code.blocks.len() {
        if code.blocks[at].cold || below[at] {
            code.blocks[at].end.targets().for_each(|to| below[to.0 as usize] = true);
        }
    }
    below
}

/// Puts blocks behind those that lead to them, as far as all others that do stand before them too, so that most ways run on
/// without a jump. Cold blocks stay behind the rest.
pub fn chain(code: &mut Code) {
    let count = code.blocks.len();
    for at in 0..count {
        let mut end = code.blocks[at].end.clone();
        for_targets(&mut end, |to| *to = through(code, *to));
        code.blocks[at].end = end;
    }
    // How many edges of blocks that can be reached lead to each and have not been followed.
    let mut edges = vec![0u32; count];
    let mut reached = vec![false; count];
    reached[0] = true;
    for at in 0..count {
        if reached[at] {
            for to in code.blocks[at].end.targets() {
                reached[to.0 as usize] = true;
                edges[to.0 as usize] += 1;
            }
        }
    }
    let sunk = code.sunk as usize;
    let mut ready = BTreeSet::from([0]);
    let mut order: Vec<usize> = Vec::with_capacity(count);
    let mut next = Some(0);
    while let Some(at) = next.or_else(|| ready.first().copied()) {
        ready.remove(&at);
        order.push(at);
        let targets: Vec<usize> = code.blocks[at].end.targets().map(|to| to.0 as usize).collect();
        for to in &targets {
            edges[*to] -= 1;
            if edges[*to] == 0 {
                ready.insert(*to);
            }
        }
        // The one that was next, or else where a test does not hold.
        let mut follow: Vec<usize> =
            targets.into_iter().rev().filter(|to| ready.contains(to) && (*to < sunk) == (at < sunk)).collect();
        follow.sort_by_key(|to| *to != at + 1);
        next = follow.first().copied();
    }
    code.sunk = order.iter().filter(|at| **at < sunk).count() as u32;
    reorder(code, &order);
}

/// Copies short exits to where a jump would lead to them, and behind tests neither of whose ways follows.
pub fn copy_exits(code: &mut Code) {
    let count = code.blocks.len();
    let exit = |code: &Code, to: B| -> Option<Block> {
        let block = &code.blocks[through(code, to).0 as usize];
        (block.end == End::Exit && block.insts.len() <= EXIT_INSTS_MAX).then(|| block.clone())
    };
    let mut order = Vec::with_capacity(count);
    let mut sunk = code.sunk;
    for at in 0..count {
        order.push(at);
        let next = B(at as u32 + 1);
        match code.blocks[at].end.clone() {
            End::Jump(to) if to != next => {
                if let Some(copy) = exit(code, to) {
                    let block = &mut code.blocks[at];
                    block.insts.extend(copy.insts);
                    (block.end, block.end_span) = (copy.end, copy.end_span);
                }
            }
            End::Branch { op, then, otherwise, .. } if otherwise != next => {
                let turned = inverse(op).is_some();
                let copy = match then == next {
                    true if turned => None,
                    // Where neither follows, a jump is saved for an instruction more.
                    false if code.blocks[at].cold => None,
                    true => exit(code, otherwise).map(|copy| (copy, false)),
                    false => {
                        let held = || exit(code, then).filter(|_| turned).map(|copy| (copy, true));
                        exit(code, otherwise).map(|copy| (copy, false)).or_else(held)
                    }
                };
                if let Some((copy, holds)) = copy {
                    let new = code.blocks.len();
                    order.push(new);
                    if let End::Branch { then, otherwise, .. } = &mut code.blocks[at].end {
                        *(if holds { then } else { otherwise }) = B(new as u32);
                    }
                    code.blocks.push(copy);
                    sunk += u32::from(at < code.sunk as usize);
                }
            }
            _ => {}
        }
    }
    code.sunk = sunk;
    reorder(code, &order);
}

/// Past blocks that do nothing but jump.
pub fn through(code: &Code, mut at: B) -> B {
    loop {
        let block = &code.blocks[at.0 as usize];
        match block.end {
            End::Jump(to) if block.insts.is_empty() => at = to,
            _ => return at,
        }
    }
}

fn for_targets(end: &mut End, mut each: impl FnMut(&mut B)) {
    match end {
        End::Jump(to) => each(to),
        End::Branch { then, otherwise, .. } => {
            each(then);
            each(otherwise);
        }
        End::Exit => {}
    }
}

/// Drops all blocks but some, which lead to none of the others.
pub fn keep_only(code: &mut Code, kept: &[bool]) {
    let order: Vec<usize> = (0..code.blocks.len()).filter(|at| kept[*at]).collect();
    code.sunk = order.iter().filter(|at| **at < code.sunk as usize).count() as u32;
    reorder(code, &order);
}

/// Puts blocks in order, without those that are left out, to which none of the others leads.
fn reorder(code: &mut Code, order: &[usize]) {
    let mut places = vec![B(0); code.blocks.len()];
    for (to, from) in order.iter().enumerate() {
        places[*from] = B(to as u32);
    }
    let mut blocks: Vec<Option<Block>> = std::mem::take(&mut code.blocks).into_iter().map(Some).collect();
    code.blocks = order.iter().filter_map(|from| blocks[*from].take()).collect();
    for block in &mut code.blocks {
        for_targets(&mut block.end, |to| *to = places[to.0 as usize]);
    }
}

/// Virtual registers.
pub struct Registers;

impl Values for Registers {
    fn uses(&self, inst: &Inst, each: &mut dyn FnMut(u32)) {
        inst.uses(|reg| {
            if !reg.is_machine() {
                each(reg.0);
            }
        });
    }

    fn def(&self, inst: &Inst) -> Option<u32> {
        inst.def().filter(|reg| !reg.is_machine()).map(|reg| reg.0)
    }

    fn end_uses(&self, end: &End, each: &mut dyn FnMut(u32)) {
        end.uses(|reg| {
            if !reg.is_machine() {
                each(reg.0);
            }
        });
    }
}

/// Gives the blocks that were moved registers of their own for what they need of the others.
pub fn split_cold(code: &mut Code) {
    let sunk = code.sunk as usize;
    if sunk >= code.blocks.len() {
        return;
    }
    let entering = liveness(code, &Registers).entering;
    let mut own: BTreeMap<u32, V> = BTreeMap::new();
    // Which moved blocks others lead to, and moved ones too.
    let mut before = vec![(false, false); code.blocks.len()];
    for (at, block) in code.blocks.iter().enumerate() {
        for to in block.end.targets() {
            let seen = &mut before[to.0 as usize];
            if at < sunk { seen.0 = true } else { seen.1 = true }
        }
    }
    let mut next = code.next;
    let mut stand_in = |reg: u32| {
        *own.entry(reg).or_insert_with(|| {
            next += 1;
            V(next - 1)
        })
    };
    // A block that both lead to gets the copies in a block of its own before it.
    let mut gates: BTreeMap<u32, Block> = BTreeMap::new();
    for at in sunk..code.blocks.len() {
        if !before[at].0 || entering[at].is_empty() {
            continue;
        }
        let span = code.blocks[at].insts.first().map_or(code.blocks[at].end_span, |(_, span)| *span);
        let copies: Vec<_> = entering[at]
            .iter()
            .map(|reg| (Inst::Mov { dst: stand_in(*reg), src: Src::Reg(V(*reg)), wide: true, reloc: None }, span))
            .collect();
        gates.insert(
            at as u32,
            Block { insts: copies, end: End::Jump(B(at as u32)), end_span: span, cold: true, dear: false },
        );
    }
    for block in &mut code.blocks[sunk..] {
        // A register that only moved blocks know keeps its name.
        let rename = |reg: V| own.get(&reg.0).copied().unwrap_or(reg);
        block.insts.iter_mut().for_each(|(inst, _)| inst.rename(rename));
        block.end.rename(rename);
    }
    code.next = next;
    for at in (sunk..code.blocks.len()).filter(|at| !before[*at].1) {
        if let Some(gate) = gates.remove(&(at as u32)) {
            code.blocks[at].insts.splice(0..0, gate.insts);
        }
    }
    if gates.is_empty() {
        return;
    }
    let first = code.blocks.len() as u32;
    let mut order: Vec<usize> = Vec::new();
    for at in 0..code.blocks.len() {
        if let Some(place) = gates.keys().position(|gate| *gate == at as u32) {
            order.push(first as usize + place);
        }
        order.push(at);
    }
    for block in &mut code.blocks[..sunk] {
        for_targets(&mut block.end, |to| {
            if let Some(place) = gates.keys().position(|gate| *gate == to.0) {
                *to = B(first + place as u32);
            }
        });
    }
    code.blocks.extend(gates.into_values());
    reorder(code, &order);
}

#[cfg(test)]
mod tests;
