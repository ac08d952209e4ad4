//! What is known on the way to a block: tests whose answer is known are passed by, and what has been read is not read
//! again.
//!
//! ```text
//! b0: if v12 & 4 then b1 else b2          b0: if v12 & 4 then b1 else b5
//! b2: if v12 & 4 then b3 else b5
//! ```
//!
//! `lower` knows what the block that leads to another has read; this knows what every way to a block has in common once
//! ways that cannot be gone are gone. What is read again must be in registers that are written once: they hold the same
//! everywhere. What tests look at must not be written between them.
//!
//! Absent: what is in memory that programs write (the frame, maps, events).

use std::collections::{BTreeMap, HashMap};

use super::RelocationKind;
use super::bits::Bits;
use super::copies;
use super::insn::jmp;
use super::layout::{keep_only, through};
use super::narrow::narrow;
use super::vcode::{B, Code, End, Inst, Src, V};
use crate::access::Access;
use crate::optimise::{Optimisation, Optimise};

/// Blocks looked at on the way to one, at most: they are found one by one, back from it.
const WAY_MAX: usize = 64;

/// A test.
#[derive(Clone, Copy, PartialEq)]
struct Test {
    op: u8,
    wide: bool,
    left: V,
    right: Src,
}

impl Test {
    fn of(end: &End) -> Option<(Test, B, B)> {
        match end {
            End::Branch { op, wide, left, right, then, otherwise } => {
                Some((Test { op: *op, wide: *wide, left: *left, right: *right }, *then, *otherwise))
            }
            _ => None,
        }
    }

    /// Its answer where another test was answered.
    fn answer(&self, known: &Test, holds: bool) -> Option<bool> {
        if (self.left, self.wide) != (known.left, known.wide) {
            return None;
        }
        if self.right == known.right {
            if self.op == known.op {
                return Some(holds);
            }
            if super::encode::inverse(self.op) == Some(known.op) {
                return Some(!holds);
            }
        }
        let (Src::Imm(own), Src::Imm(other)) = (self.right, known.right) else { return None };
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

    /// Whether it holds where its left side is a number.
    fn holds_for(&self, number: i32) -> Option<bool> {
        let Src::Imm(right) = self.right else { return None };
        let constant = |number: i32| Bits::constant(i64::from(number).cast_unsigned());
        Bits::holds(self.op, self.wide, constant(number), constant(right))
    }
}

/// Each of them finds more behind the others.
const ROUNDS: u32 = 8;

/// Does what is asked for.
pub fn optimise(code: &mut Code, optimise: Optimise) {
    for _ in 0..ROUNDS {
        if optimise.does(Optimisation::Bits) {
            narrow(code);
        }
        let mut found = false;
        if optimise.does(Optimisation::Passing) {
            found |= pass_by(code);
            // What nothing leads to would count as a way to where it leads.
            keep_only(code, &reached(code));
        }
        if optimise.does(Optimisation::Again) {
            found |= reuse(code);
        }
        if !found {
            break;
        }
    }
    copies::expand(code);
}

/// How often each register is written.
fn writes(code: &Code) -> Vec<u32> {
    let mut writes = vec![0u32; code.next as usize];
    for (inst, _) in code.blocks.iter().flat_map(|block| &block.insts) {
        if let Some(reg) = inst.def() {
            writes[reg.0 as usize] += 1;
        }
    }
    writes
}

fn once(writes: &[u32], reg: V) -> bool {
    !reg.is_machine() && writes[reg.0 as usize] == 1
}

/// By register: the blocks that write it, ascending.
struct Writers(Vec<Vec<u32>>);

impl Writers {
    fn of(code: &Code) -> Writers {
        let mut writers = vec![Vec::new(); code.next as usize];
        for (at, block) in code.blocks.iter().enumerate() {
            for reg in block.insts.iter().filter_map(|(inst, _)| inst.def()) {
                let known: &mut Vec<u32> = &mut writers[reg.0 as usize];
                if known.last() != Some(&(at as u32)) {
                    known.push(at as u32);
                }
            }
        }
        Writers(writers)
    }

    /// What a test looks at is the same at the ends of two blocks, the first on every way to the second. A call counts as a
    /// write of `r0` only; no test reads `r1` to `r5` behind a call, which leaves nothing there.
    fn same(&self, test: &Test, first: B, second: B) -> bool {
        let same = |reg: V| {
            let writers = &self.0[reg.0 as usize];
            // Blocks on a way between the two stand between them.
            let between = writers.partition_point(|at| *at <= first.0)..writers.partition_point(|at| *at <= second.0);
            between.is_empty()
        };
        same(test.left)
            && match test.right {
                Src::Reg(right) => same(right),
                Src::Imm(_) => true,
            }
    }
}

/// The only edge to a block.
#[derive(Clone, Copy)]
struct Edge {
    from: B,
    /// Where it comes from a test, the answer that leads here.
    holds: Option<bool>,
}

/// The only edge to each block, where there is one.
///
/// What is known of it stays true while [`pass_by`] moves edges: one that comes to a block past a test comes with that test's
/// answer known to be the one that led there before.
fn only_edges(code: &Code) -> Vec<Option<Edge>> {
    let mut edges: Vec<(u32, Option<Edge>)> = vec![(0, None); code.blocks.len()];
    let reached = reached(code);
    for (at, block) in code.blocks.iter().enumerate().filter(|(at, _)| reached[*at]) {
        let then = Test::of(&block.end).map(|(_, then, _)| then);
        for to in block.end.targets() {
            let seen = &mut edges[to.0 as usize];
            *seen = (seen.0 + 1, Some(Edge { from: B(at as u32), holds: then.map(|then| then == to) }));
        }
    }
    edges.into_iter().map(|(count, edge)| edge.filter(|_| count == 1)).collect()
}

fn reached(code: &Code) -> Vec<bool> {
    let mut reached = vec![false; code.blocks.len()];
    reached[0] = true;
    for at in 0..code.blocks.len() {
        if reached[at] {
            code.blocks[at].end.targets().for_each(|to| reached[to.0 as usize] = true);
        }
    }
    reached
}

/// Registers that hold known constants.
struct Constants {
    /// What those hold that are written once.
    always: HashMap<V, i32>,
    /// By block: what the others hold at its end.
    leaving: Vec<Vec<(V, i32)>>,
}

impl Constants {
    /// What a register holds at the end of a block.
    fn at(&self, block: B, reg: V) -> Option<i32> {
        let here = self.leaving[block.0 as usize].iter().find(|(known, _)| *known == reg).map(|(_, number)| *number);
        here.or_else(|| self.always.get(&reg).copied())
    }
}

fn constants(code: &Code, writes: &[u32]) -> Constants {
    let constant = |inst: &Inst| match inst {
        Inst::Mov { dst, src: Src::Imm(imm), wide: true, reloc: None } if !dst.is_machine() => Some((*dst, *imm)),
        _ => None,
    };
    let all = code.blocks.iter().flat_map(|block| &block.insts).filter_map(|(inst, _)| constant(inst));
    let always = all.filter(|(reg, _)| once(writes, *reg)).collect();
    let mut entering: Vec<Option<Vec<(V, i32)>>> = vec![None; code.blocks.len()];
    let mut leaving = vec![Vec::new(); code.blocks.len()];
    entering[0] = Some(Vec::new());
    for at in 0..code.blocks.len() {
        let Some(mut known) = entering[at].take() else { continue };
        for (inst, _) in &code.blocks[at].insts {
            let Some(dst) = inst.def() else { continue };
            known.retain(|(reg, _)| *reg != dst);
            known.extend(constant(inst).filter(|(dst, _)| writes[dst.0 as usize] > 1));
        }
        for to in code.blocks[at].end.targets() {
            let seen = &mut entering[to.0 as usize];
            match seen {
                None => *seen = Some(known.clone()),
                Some(seen) => seen.retain(|one| known.contains(one)),
            }
        }
        leaving[at] = known;
    }
    Constants { always, leaving }
}

/// Leads past tests whose answer is known on the way; whether there was any.
fn pass_by(code: &mut Code) -> bool {
    let mut found = false;
    let writes = writes(code);
    let writers = Writers::of(code);
    let (only, above) = (only_edges(code), above(code));
    let constants = constants(code, &writes);
    for at in 0..code.blocks.len() {
        let constant = |reg: V| constants.at(B(at as u32), reg);
        if let Some((test, then, otherwise)) = Test::of(&code.blocks[at].end)
            && let Some(holds) = constant(test.left).and_then(|number| test.holds_for(number))
        {
            code.blocks[at].end = End::Jump(if holds { then } else { otherwise });
            found = true;
        }
        let Some((test, then, otherwise)) = Test::of(&code.blocks[at].end) else {
            if let End::Jump(to) = code.blocks[at].end {
                let way = way(code, &only, &above, &writers, B(at as u32));
                let beyond = beyond(code, to, &way, &constant);
                found |= beyond != to;
                code.blocks[at].end = End::Jump(beyond);
            }
            continue;
        };
        let mut way = way(code, &only, &above, &writers, B(at as u32));
        way.insert(0, (test, true));
        let new_then = beyond(code, then, &way, &constant);
        way[0].1 = false;
        let new_otherwise = beyond(code, otherwise, &way, &constant);
        found |= (new_then, new_otherwise) != (then, otherwise);
        if let End::Branch { then, otherwise, .. } = &mut code.blocks[at].end {
            (*then, *otherwise) = (new_then, new_otherwise);
        }
    }
    found
}

/// The tests on the way to the end of a block whose answers still hold there; nearest first. Where several ways meet, those
/// count that stand before they parted.
fn way(code: &Code, only: &[Option<Edge>], above: &[Option<usize>], writers: &Writers, end: B) -> Vec<(Test, bool)> {
    let (mut way, mut at) = (Vec::new(), end);
    for _ in 0..WAY_MAX {
        if let Some(Edge { from, holds }) = only[at.0 as usize] {
            if let (Some((test, ..)), Some(holds)) = (Test::of(&code.blocks[from.0 as usize].end), holds)
                && writers.same(&test, from, end)
            {
                way.push((test, holds));
            }
            at = from;
        } else if let Some(before) = above[at.0 as usize] {
            at = B(before as u32);
        } else {
            break;
        }
    }
    way
}

/// Where a way leads, past blocks that only ask what it has answered.
fn beyond(code: &Code, to: B, way: &[(Test, bool)], constant: &impl Fn(V) -> Option<i32>) -> B {
    let mut to = through(code, to);
    loop {
        let block = &code.blocks[to.0 as usize];
        if !block.insts.is_empty() {
            return to;
        }
        let Some((test, then, otherwise)) = Test::of(&block.end) else { return to };
        let answer = match constant(test.left) {
            Some(number) => test.holds_for(number),
            None => way.iter().find_map(|(known, holds)| test.answer(known, *holds)),
        };
        match answer {
            Some(holds) => to = through(code, if holds { then } else { otherwise }),
            None => return to,
        }
    }
}

/// Something computed from registers and nothing else that changes.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    /// A field, or an argument of the hook, behind a register, loaded or copied.
    Load { base: V, offset: i16, bytes: u32, access: Option<Access>, argument: Option<String> },
    /// What a loader puts in.
    Loaded { imm: i32, wide: bool, kind: RelocationKind },
    /// `dst = of; dst op= imm`
    Alu { of: V, copy_wide: bool, op: u8, wide: bool, imm: i32 },
}

/// Takes what a block on every way has computed instead of computing it again; whether there was any.
fn reuse(code: &mut Code) -> bool {
    let writes = writes(code);
    let above = above(code);
    let mut known: HashMap<Key, Vec<(usize, V)>> = HashMap::new();
    let mut same: BTreeMap<V, V> = BTreeMap::new();
    for at in 0..code.blocks.len() {
        let mut found = Vec::new();
        let insts = &code.blocks[at].insts;
        for (index, (inst, _)) in insts.iter().enumerate() {
            let name = |reg: V| same.get(&reg).copied().unwrap_or(reg);
            let (key, dst) = match (inst, insts.get(index + 1).map(|(inst, _)| inst)) {
                (Inst::Load { dst, base, offset, bytes, reloc, argument }, _)
                    if once(&writes, *dst) && once(&writes, *base) =>
                {
                    let access = match reloc {
                        Some(RelocationKind::FieldOffset(access)) => Some(access.clone()),
                        None if argument.is_some() => None,
                        _ => continue,
                    };
                    let argument = argument.clone();
                    (Key::Load { base: name(*base), offset: *offset, bytes: *bytes, access, argument }, *dst)
                }
                (Inst::Copy { dst, base, access, bytes, .. }, _) if once(&writes, *dst) && once(&writes, *base) => {
                    let (base, bytes, access) = (name(*base), *bytes, Some(access.clone()));
                    (Key::Load { base, offset: 0, bytes, access, argument: None }, *dst)
                }
                (Inst::Mov { dst, src: Src::Imm(imm), wide, reloc: Some(kind) }, _) if once(&writes, *dst) => {
                    (Key::Loaded { imm: *imm, wide: *wide, kind: kind.clone() }, *dst)
                }
                (
                    Inst::Mov { dst, src: Src::Reg(of), wide: copy_wide, reloc: None },
                    Some(Inst::Alu { op, wide, dst: changed, src: Src::Imm(imm), reloc: None }),
                ) if dst == changed && !dst.is_machine() && writes[dst.0 as usize] == 2 && once(&writes, *of) => {
                    let of = name(*of);
                    (Key::Alu { of, copy_wide: *copy_wide, op: *op, wide: *wide, imm: *imm }, *dst)
                }
                _ => continue,
            };
            let before = known.get(&key).and_then(|list| {
                list.iter().find(|(block, _)| *block == at || is_above(&above, *block, at)).map(|(_, reg)| *reg)
            });
            match before {
                Some(before) => {
                    same.insert(dst, before);
                    found.push(dst);
                }
                None => known.entry(key).or_default().push((at, dst)),
            }
        }
        if !found.is_empty() {
            code.blocks[at].insts.retain(|(inst, _)| inst.def().is_none_or(|dst| !found.contains(&dst)));
        }
    }
    if same.is_empty() {
        return false;
    }
    let rename = |reg: V| same.get(&reg).copied().unwrap_or(reg);
    for block in &mut code.blocks {
        block.insts.iter_mut().for_each(|(inst, _)| inst.rename(rename));
        block.end.rename(rename);
    }
    true
}

/// The nearest block that stands on every way to a block; none for the first, and for those that nothing leads to.
fn above(code: &Code) -> Vec<Option<usize>> {
    let mut above: Vec<Option<usize>> = vec![None; code.blocks.len()];
    let reached = reached(code);
    for at in (0..code.blocks.len()).filter(|at| reached[*at]) {
        for to in code.blocks[at].end.targets() {
            let to = to.0 as usize;
            above[to] = Some(match above[to] {
                None => at,
                Some(known) => {
                    let (mut a, mut b) = (known, at);
                    while a != b {
                        if a > b {
                            a = above[a].unwrap_or(0);
                        } else {
                            b = above[b].unwrap_or(0);
                        }
                    }
                    a
                }
            });
        }
    }
    above
}

/// Blocks between, at most: of what stands far above, nothing is looked for.
const ABOVE_MAX: usize = 256;

fn is_above(above: &[Option<usize>], high: usize, low: usize) -> bool {
    let mut at = low;
    for _ in 0..ABOVE_MAX {
        match above[at] {
            Some(next) if next > high => at = next,
            other => return other == Some(high),
        }
    }
    false
}

#[cfg(test)]
mod tests;
