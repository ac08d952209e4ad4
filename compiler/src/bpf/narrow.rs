//! What known bits settle: arithmetic that changes nothing goes, tests whose answer they tell are not asked, and constants
//! stand in the instructions that use them.
//!
//! ```text
//! v12 = load 1 [v11]                       v12 = load 1 [v11]
//! v12 <<= 56; v12 >>= 56                   if v12 == 7 then b1 else b2
//! v13 = 0x80000007 (32 bits)
//! v13 &= 0xff
//! if v12 == v13 then b1 else b2
//! ```
//!
//! A register that several blocks write is what any of them left in it; those that come later do not count, since jumps
//! only lead forward.
//!
//! Absent: 32-bit operations that would do as well as 64-bit ones. They take as many instructions, and from 64-bit ones every
//! verifier learns more.

use std::collections::{BTreeMap, BTreeSet};

use super::bits::Bits;
use super::insn::{alu, jmp};
use super::vcode::{Code, End, Inst, Src, V};

/// What registers hold.
struct Known {
    /// In the block at hand.
    here: BTreeMap<V, Bits>,
    /// By register: what blocks before have left in it.
    left: Vec<Option<Bits>>,
    /// Registers that are only shifted, and then compared with constants.
    compared: BTreeSet<V>,
    /// Those of them whose upper half is known and has been left out: what was known of them with it.
    halved: BTreeMap<V, Bits>,
}

impl Known {
    fn of(&self, reg: V) -> Bits {
        let before = || self.left[reg.0 as usize].unwrap_or(Bits::UNKNOWN);
        self.here.get(&reg).copied().unwrap_or_else(before)
    }

    fn src(&self, src: Src) -> Bits {
        match src {
            Src::Reg(reg) => self.of(reg),
            Src::Imm(imm) => Bits::constant(i64::from(imm).cast_unsigned()),
        }
    }

    fn end_block(&mut self) {
        for (reg, bits) in std::mem::take(&mut self.here) {
            // What a register of the machine holds is told by nothing outside its block.
            if !reg.is_machine() {
                let left = &mut self.left[reg.0 as usize];
                *left = Some(left.map_or(bits, |known| known.or_else(bits)));
            }
        }
    }

    /// What an instruction leaves in the register that it writes.
    fn result(&self, inst: &Inst) -> Bits {
        match inst {
            Inst::Mov { dst, src, wide, reloc: None } => Bits::computed(alu::MOV, *wide, self.of(*dst), self.src(*src)),
            Inst::Alu { op, wide, dst, src, reloc: None } => Bits::computed(*op, *wide, self.of(*dst), self.src(*src)),
            Inst::Wide { value, .. } => Bits::constant(*value),
            Inst::Swap { dst, bits } => self.of(*dst).swapped(bits.cast_unsigned()),
            Inst::Load { bytes, .. } | Inst::Copy { bytes, uneven: false, .. } => Bits::low(8 * bytes),
            _ => Bits::UNKNOWN,
        }
    }
}

/// Leaves out and replaces what known bits settle.
pub fn narrow(code: &mut Code) {
    let mut known = Known {
        here: BTreeMap::new(),
        left: vec![None; code.next as usize],
        compared: compared(code),
        halved: BTreeMap::new(),
    };
    let mut reached = vec![false; code.blocks.len()];
    reached[0] = true;
    for at in 0..code.blocks.len() {
        if !reached[at] {
            continue;
        }
        let block = &mut code.blocks[at];
        let mut insts = std::mem::take(&mut block.insts).into_iter().peekable();
        while let Some((inst, span)) = insts.next() {
            let paired = insts.peek().and_then(|(next, _)| both_shifts(&inst, next, &known));
            let inst = match paired {
                Some(one) => {
                    insts.next();
                    one
                }
                None => alone(inst, &known),
            };
            let Some(inst) = inst else { continue };
            let inst = halved(inst, &mut known);
            if let Some(dst) = inst.def() {
                let bits = known.result(&inst);
                known.here.insert(dst, bits);
                if let Inst::Call { .. } | Inst::Invoke { .. } = inst {
                    (0..=5).for_each(|reg| _ = known.here.insert(V(reg), Bits::UNKNOWN));
                }
            }
            block.insts.push((inst, span));
        }
        block.end = end(block.end.clone(), &known);
        known.end_block();
        code.blocks[at].end.targets().for_each(|to| reached[to.0 as usize] = true);
    }
}

/// What does the same as an instruction; nothing, where that changes nothing.
fn alone(inst: Inst, known: &Known) -> Option<Inst> {
    match inst {
        Inst::Alu { op, wide, dst, src, reloc: None } => {
            let (of, by) = (known.of(dst), known.src(src));
            let result = Bits::computed(op, wide, of, by);
            if let Some(imm) = result.number().and_then(|number| immediate(number, true))
                && !dst.is_machine()
            {
                return Some(Inst::Mov { dst, src: Src::Imm(imm), wide: true, reloc: None });
            }
            let same = match (op, by.number()) {
                (alu::AND, _) => of.kept_by(by),
                (alu::OR, _) => by.kept_by(of.only_ones()),
                (alu::ADD | alu::SUB | alu::XOR | alu::LSH | alu::RSH | alu::ARSH, Some(0)) => true,
                _ => false,
            };
            if same && (wide || of == of.half()) {
                return None;
            }
            Some(cheaper(op, wide, dst, src, by))
        }
        Inst::Mov { dst, src: Src::Reg(src), wide: false, reloc: None } => {
            let wide = known.of(src) == known.of(src).half();
            Some(Inst::Mov { dst, src: Src::Reg(src), wide, reloc: None })
        }
        other => Some(other),
    }
}

/// An operation with a constant where its operand is one; a mask of the low half as one of 32 bits; divided by a power of two,
/// shifted.
fn cheaper(op: u8, wide: bool, dst: V, src: Src, by: Bits) -> Inst {
    let whole = Inst::Alu { op, wide, dst, src, reloc: None };
    let Some(number) = by.number().map(|number| if wide { number } else { number & u64::from(u32::MAX) }) else {
        return whole;
    };
    let with = |op, wide, imm| Inst::Alu { op, wide, dst, src: Src::Imm(imm), reloc: None };
    match (op, immediate(number, wide)) {
        (alu::DIV, _) if number.is_power_of_two() => with(alu::RSH, wide, number.trailing_zeros().cast_signed()),
        (alu::MOD, _) if number.is_power_of_two() && immediate(number - 1, wide).is_some() => {
            with(alu::AND, wide, (number as u32).wrapping_sub(1).cast_signed())
        }
        (alu::DIV | alu::MOD, _) if number == 0 => whole,
        // No verifier takes more.
        (alu::LSH | alu::RSH | alu::ARSH, _) => with(op, wide, number as i32 & if wide { 63 } else { 31 }),
        (alu::AND, None) if number == u64::from(u32::MAX) => {
            Inst::Mov { dst, src: Src::Reg(dst), wide: false, reloc: None }
        }
        (alu::AND, None) if let Ok(low) = u32::try_from(number) => with(op, false, low.cast_signed()),
        (_, Some(imm)) if op != alu::NEG => with(op, wide, imm),
        _ => whole,
    }
}

/// A shift to the left and back, where bits tell what comes of both: nothing, or a mask.
fn both_shifts(first: &Inst, second: &Inst, known: &Known) -> Option<Option<Inst>> {
    let shift = |inst: &Inst| match inst {
        Inst::Alu { op, wide: true, dst, src: Src::Imm(by @ 1..64), reloc: None } => Some((*op, *dst, *by)),
        _ => None,
    };
    let ((alu::LSH, dst, by), (back @ (alu::RSH | alu::ARSH), again, same)) = (shift(first)?, shift(second)?) else {
        return None;
    };
    if dst != again || by != same {
        return None;
    }
    let bits = 64 - by.cast_unsigned();
    let of = known.of(dst);
    let kept = if back == alu::RSH { bits } else { bits - 1 };
    if of.kept_by(Bits::constant(u64::MAX >> (64 - kept))) {
        return Some(None);
    }
    match (back, bits) {
        (alu::RSH, 32) => Some(Some(Inst::Mov { dst, src: Src::Reg(dst), wide: false, reloc: None })),
        (alu::RSH, ..32) => {
            let mask = Src::Imm((u32::MAX >> (32 - bits)).cast_signed());
            Some(Some(Inst::Alu { op: alu::AND, wide: true, dst, src: mask, reloc: None }))
        }
        _ => None,
    }
}

/// Registers that are written twice in a block, last by a shift to the right, and then only compared with constants.
fn compared(code: &Code) -> BTreeSet<V> {
    let mut shifted: BTreeMap<V, usize> = BTreeMap::new();
    let mut writes: BTreeMap<V, Vec<usize>> = BTreeMap::new();
    for (at, block) in code.blocks.iter().enumerate() {
        for (inst, _) in &block.insts {
            let Some(dst) = inst.def().filter(|dst| !dst.is_machine()) else { continue };
            writes.entry(dst).or_default().push(at);
            match inst {
                Inst::Alu { op: alu::RSH, wide: true, src: Src::Imm(1..32), reloc: None, .. } => {
                    shifted.insert(dst, at);
                }
                _ => _ = shifted.remove(&dst),
            }
        }
    }
    let mut compared: BTreeSet<V> =
        shifted.into_iter().filter(|(reg, at)| writes[reg] == [*at, *at]).map(|(reg, _)| reg).collect();
    for block in &code.blocks {
        for (inst, _) in &block.insts {
            if !matches!(inst, Inst::Alu { op: alu::RSH, .. }) {
                inst.uses(|reg| _ = compared.remove(&reg));
            }
        }
        match block.end {
            End::Branch { op: jmp::JEQ | jmp::JNE, wide: true, right: Src::Imm(_), .. } => {}
            ref other => other.uses(|reg| _ = compared.remove(&reg)),
        }
    }
    compared
}

/// A shift of the low half alone where that is compared and the upper one is known; the constants lose it too.
fn halved(inst: Inst, known: &mut Known) -> Inst {
    match inst {
        Inst::Alu { op: alu::RSH, wide: true, dst, src: src @ Src::Imm(1..32), reloc: None }
            if known.compared.contains(&dst) && known.of(dst).upper().is_some_and(|upper| upper > 0) =>
        {
            let bits = known.result(&inst);
            known.halved.insert(dst, bits);
            Inst::Alu { op: alu::RSH, wide: false, dst, src, reloc: None }
        }
        other => other,
    }
}

/// What does the same as the end of a block.
fn end(end: End, known: &Known) -> End {
    let End::Branch { op, wide, left, right, then, otherwise } = end else { return end };
    let by = known.src(right);
    let of = known.halved.get(&left).copied().unwrap_or_else(|| known.of(left));
    if let Some(holds) = Bits::holds(op, wide, of, by) {
        return End::Jump(if holds { then } else { otherwise });
    }
    let branch = |wide, right| End::Branch { op, wide, left, right, then, otherwise };
    if let (true, Some(number)) = (known.halved.contains_key(&left), by.number()) {
        return branch(false, Src::Imm((number & known.of(left).ones()) as i32));
    }
    let signed = matches!(op, jmp::JSGT | jmp::JSGE | jmp::JSLT | jmp::JSLE);
    match by.number() {
        Some(number) if let Some(imm) = immediate(number, wide) => branch(wide, Src::Imm(imm)),
        // Where the upper halves are the same, an immediate is no constant that has to be made.
        Some(number) if of.upper().is_some() && of.upper() == by.upper() && !signed => {
            branch(false, Src::Imm((number as u32).cast_signed()))
        }
        _ => branch(wide, right),
    }
}

/// A number as an immediate, which 64-bit operations extend with its sign.
fn immediate(number: u64, wide: bool) -> Option<i32> {
    if wide { i32::try_from(number.cast_signed()).ok() } else { Some((number as u32).cast_signed()) }
}

#[cfg(test)]
mod tests {
    use super::super::vcode::{B, Block};
    use super::*;

    fn block(insts: Vec<Inst>, end: End) -> Block {
        let insts = insts.into_iter().map(|inst| (inst, Default::default())).collect();
        Block { insts, end, end_span: Default::default(), cold: false, dear: false }
    }

    fn load(dst: u32, bytes: u32) -> Inst {
        Inst::Load { dst: V(dst), base: V(11), offset: 0, bytes, reloc: None, argument: None }
    }

    fn with(op: u8, dst: u32, imm: i32) -> Inst {
        Inst::Alu { op, wide: true, dst: V(dst), src: Src::Imm(imm), reloc: None }
    }

    fn set(dst: u32, imm: i32) -> Inst {
        Inst::Mov { dst: V(dst), src: Src::Imm(imm), wide: true, reloc: None }
    }

    fn branch(op: u8, left: u32, right: Src) -> End {
        End::Branch { op, wide: true, left: V(left), right, then: B(1), otherwise: B(2) }
    }

    /// The first of three blocks, narrowed.
    fn narrowed(insts: Vec<Inst>, end: End) -> (Vec<Inst>, End) {
        let exit = block(vec![set(0, 0)], End::Exit);
        let mut code = Code { blocks: vec![block(insts, end), exit.clone(), exit], next: 20, frame_bytes: 0, sunk: 3 };
        narrow(&mut code);
        let first = code.blocks.swap_remove(0);
        (first.insts.into_iter().map(|(inst, _)| inst).collect(), first.end)
    }

    #[test]
    fn what_changes_nothing_goes() {
        let end = branch(jmp::JEQ, 12, Src::Imm(7));
        let insts = vec![load(12, 1), with(alu::AND, 12, 0xff), with(alu::LSH, 12, 48), with(alu::ARSH, 12, 48)];
        assert_eq!(narrowed(insts, end.clone()), (vec![load(12, 1)], end.clone()));
        // The sign of half a word is one of its bits.
        let kept = vec![load(12, 2), with(alu::LSH, 12, 48), with(alu::ARSH, 12, 48)];
        assert_eq!(narrowed(kept.clone(), end.clone()), (kept, end.clone()));
        let masked = vec![load(12, 8), with(alu::LSH, 12, 48), with(alu::RSH, 12, 48)];
        assert_eq!(narrowed(masked, end.clone()).0, [load(12, 8), with(alu::AND, 12, 0xffff)]);
    }

    #[test]
    fn tests_that_bits_answer_are_not_asked() {
        let mapped = vec![load(12, 4), Inst::Wide { dst: V(13), value: 0xffff << 32 }];
        let or = Inst::Alu { op: alu::OR, wide: true, dst: V(12), src: Src::Reg(V(13)), reloc: None };
        let insts: Vec<Inst> = mapped.into_iter().chain([or]).collect();
        assert_eq!(narrowed(insts.clone(), branch(jmp::JEQ, 12, Src::Imm(1))).1, End::Jump(B(2)));
        assert_eq!(narrowed(insts, branch(jmp::JSET, 12, Src::Imm(-1))).1, End::Jump(B(1)));
        assert_eq!(narrowed(vec![load(12, 1)], branch(jmp::JSLT, 12, Src::Imm(0))).1, End::Jump(B(2)));
    }

    #[test]
    fn constants_that_only_half_a_register_holds_are_immediates() {
        let large = Inst::Mov { dst: V(13), src: Src::Imm(-2), wide: false, reloc: None };
        let insts = vec![load(12, 4), large.clone()];
        let End::Branch { wide, right, .. } = narrowed(insts, branch(jmp::JEQ, 12, Src::Reg(V(13)))).1 else {
            panic!("it is a test");
        };
        assert_eq!((wide, right), (false, Src::Imm(-2)));
        let mapped = vec![load(12, 4), Inst::Wide { dst: V(13), value: 1 << 32 }];
        let or = Inst::Alu { op: alu::OR, wide: true, dst: V(12), src: Src::Reg(V(13)), reloc: None };
        let mapped_too = Inst::Wide { dst: V(14), value: 1 << 32 | 7 };
        let insts: Vec<Inst> = mapped.into_iter().chain([or, mapped_too]).collect();
        let End::Branch { wide, right, .. } = narrowed(insts, branch(jmp::JLT, 12, Src::Reg(V(14)))).1 else {
            panic!("it is a test");
        };
        assert_eq!((wide, right), (false, Src::Imm(7)));
        // All of a word counts.
        let end = branch(jmp::JEQ, 12, Src::Reg(V(13)));
        assert_eq!(narrowed(vec![load(12, 8), large], end.clone()).1, end);
    }

    #[test]
    fn an_upper_half_that_is_known_is_not_compared() {
        let or = Inst::Alu { op: alu::OR, wide: true, dst: V(12), src: Src::Reg(V(13)), reloc: None };
        let mapped = [load(12, 4), Inst::Wide { dst: V(13), value: 0xffff << 32 }, or];
        let copy = Inst::Mov { dst: V(14), src: Src::Reg(V(12)), wide: true, reloc: None };
        let insts = |shift| mapped.iter().cloned().chain([copy.clone(), shift]).collect::<Vec<_>>();
        let half = Inst::Alu { op: alu::RSH, wide: false, dst: V(14), src: Src::Imm(24), reloc: None };
        let (found, end) = narrowed(insts(with(alu::RSH, 14, 24)), branch(jmp::JEQ, 14, Src::Imm(0xffff0a)));
        let right = Src::Imm(0x0a);
        let narrow = End::Branch { op: jmp::JEQ, wide: false, left: V(14), right, then: B(1), otherwise: B(2) };
        assert_eq!((found, end), (insts(half), narrow));
        let (_, never) = narrowed(insts(with(alu::RSH, 14, 24)), branch(jmp::JEQ, 14, Src::Imm(0x0a)));
        assert_eq!(never, End::Jump(B(2)));
        // By order the whole counts.
        let end = branch(jmp::JLT, 14, Src::Imm(0xffff0a));
        assert_eq!(narrowed(insts(with(alu::RSH, 14, 24)), end.clone()), (insts(with(alu::RSH, 14, 24)), end));
    }

    #[test]
    fn powers_of_two_are_not_divided_by() {
        let end = branch(jmp::JEQ, 12, Src::Imm(7));
        let insts = vec![load(12, 8), with(alu::DIV, 12, 4096), with(alu::MOD, 12, 16)];
        let cheap = vec![load(12, 8), with(alu::RSH, 12, 12), with(alu::AND, 12, 15)];
        assert_eq!(narrowed(insts, end.clone()), (cheap, end));
    }

    #[test]
    fn a_register_is_what_any_block_left_in_it() {
        let jump = |to| End::Jump(B(to));
        let mut code = Code {
            blocks: vec![
                block(vec![set(12, 1)], branch(jmp::JEQ, 11, Src::Imm(0))),
                block(vec![set(12, 3)], jump(2)),
                block(
                    vec![],
                    End::Branch {
                        op: jmp::JEQ,
                        wide: true,
                        left: V(12),
                        right: Src::Imm(4),
                        then: B(3),
                        otherwise: B(4),
                    },
                ),
                block(vec![set(0, 0)], End::Exit),
                block(
                    vec![],
                    End::Branch {
                        op: jmp::JEQ,
                        wide: true,
                        left: V(12),
                        right: Src::Imm(3),
                        then: B(3),
                        otherwise: B(5),
                    },
                ),
                block(vec![set(0, 1), set(12, 4)], End::Exit),
            ],
            next: 13,
            frame_bytes: 0,
            sunk: 6,
        };
        let last = code.blocks[4].end.clone();
        narrow(&mut code);
        // 1 and 3 have a bit that 4 lacks; which of the two it is, nothing tells.
        assert_eq!(code.blocks[2].end, jump(4));
        assert_eq!(code.blocks[4].end, last);
    }
}
