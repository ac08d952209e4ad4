//! Random bodies that keep the invariants of the form and of lowering.
//!
//! ```text
//! b0: v11 = r1; v12 = ...              some registers that any block may change
//!     if v13 & 4 then b1 else b3
//! b1: v20 = load 4 [v11 + task.f1]     registers of one block, read where every path has written them
//!     r1 = v20; call 201/1; v21 = r0
//! ...
//! ```
//!
//! Operands are drawn from few constants and masks, so that tests imply each other and loads repeat.
//!
//! Absent: back edges, and reads of registers without a definition; neither occurs in a program.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::helper::PROBE_READ_KERNEL;
use crate::isa::alu;
use crate::mir::text::{COMPARISONS, access};
use crate::mir::{Block, BlockId, Body, FIRST_VIRTUAL, Inst, Operand, Reg, Terminator};
use crate::relocation::RelocationKind;

/// Registers that every block may write.
const SHARED: u32 = 5;

/// Immediates: masks, the limits of 8, 16 and 32 bits, and small numbers.
const NUMBERS: [i32; 20] =
    [0, 1, 2, 3, 4, 5, 7, 8, 6, 255, 256, 0xff00, 0xffff, -1, -2, i32::MAX, i32::MIN, 16, 1 << 24, 12];

const WIDE: [u64; 6] = [u32::MAX as u64, 1 << 32, 0xffff << 32, u64::MAX >> 1, 0x8000_0000, 7];

const OPERATIONS: [u8; 12] = [
    alu::ADD,
    alu::SUB,
    alu::MUL,
    alu::DIV,
    alu::OR,
    alu::AND,
    alu::LSH,
    alu::RSH,
    alu::NEG,
    alu::MOD,
    alu::XOR,
    alu::ARSH,
];

type Choice = [u8; 5];

/// Random choices, each of which becomes one or a few instructions. Any part of them is a program as well, so
/// that failures shrink.
pub type Choices = Vec<(Vec<Choice>, Choice)>;

/// Choices for a program of about ten blocks.
pub fn choices() -> impl Strategy<Value = Choices> {
    vec((vec(any::<Choice>(), 0..7), any::<Choice>()), 2..12)
}

struct Maker {
    next: u32,
    insts: Vec<Inst>,
    /// Registers that are written on every path to this point.
    known: BTreeSet<Reg>,
}

impl Maker {
    fn pick(&self, choice: u8) -> Reg {
        // Mostly one of the newest, so that recent results are used.
        let at = if choice & 1 == 0 { usize::from(choice >> 1) % 6 } else { usize::from(choice >> 1) };
        *self.known.iter().rev().nth(at % self.known.len()).expect("the context is known")
    }

    fn src(&self, choice: u8) -> Operand {
        match choice % 3 {
            0 => Operand::Reg(self.pick(choice / 3)),
            _ => Operand::Imm(NUMBERS[usize::from(choice / 3) % NUMBERS.len()]),
        }
    }

    /// A register to write: sometimes a shared one, mostly a new one.
    fn dst(&mut self, choice: u8) -> Reg {
        if choice.is_multiple_of(3) {
            return Reg(FIRST_VIRTUAL + 1 + u32::from(choice) % SHARED);
        }
        self.next += 1;
        Reg(self.next - 1)
    }

    fn push(&mut self, inst: Inst) {
        if let Some(dst) = inst.def().filter(|dst| !dst.is_machine()) {
            self.known.insert(dst);
        }
        self.insts.push(inst);
    }

    fn mov(&mut self, dst: Reg, src: Operand, wide: bool) {
        self.push(Inst::Mov { dst, src, wide, reloc: None });
    }

    fn alu(&mut self, op: u8, dst: Reg, src: Operand, wide: bool) {
        self.push(Inst::Alu { op, wide, dst, src, reloc: None });
    }

    fn make(&mut self, [kind, a, b, c, d]: Choice) {
        let wide = d & 1 == 0;
        let field = || access(["task.a", "task.b", "inode.a"][usize::from(d) % 3]);
        let bytes = [1, 2, 4, 8][usize::from(b & 3)];
        match kind % 16 {
            0 => {
                let (src, dst) = (self.src(b), self.dst(a));
                self.mov(dst, src, wide);
            }
            1 => {
                let dst = self.dst(a);
                self.push(Inst::Wide { dst, value: WIDE[usize::from(b) % WIDE.len()] });
            }
            2 => {
                let dst = self.dst(a);
                self.push(Inst::Address { dst, of: RelocationKind::State(u32::from(b & 3) * 8) });
            }
            // The context register does not change.
            3 | 4 => {
                let dst = self.pick(a);
                if dst != Reg(FIRST_VIRTUAL) {
                    self.alu(OPERATIONS[usize::from(c) % OPERATIONS.len()], dst, self.src(b), wide);
                }
            }
            5 | 6 => {
                let (of, src) = (self.pick(b), self.src(c));
                self.next += 1;
                let dst = Reg(self.next - 1);
                self.mov(dst, Operand::Reg(of), d & 2 == 0);
                self.alu(OPERATIONS[usize::from(c ^ d) % OPERATIONS.len()], dst, src, wide);
            }
            7 => {
                let (base, dst) = (self.pick(c), self.dst(a));
                let reloc = Some(RelocationKind::FieldOffset(field()));
                self.push(Inst::Load { dst, base, offset: 0, bytes, reloc, argument: None });
            }
            8 => {
                let dst = self.dst(a);
                let (offset, argument) = (i16::from(c & 3) * 8, Some(format!("a{}", c & 3)));
                self.push(Inst::Load { dst, base: Reg(FIRST_VIRTUAL), offset, bytes, reloc: None, argument });
            }
            9 => {
                let (base, dst) = (self.pick(c), self.dst(a));
                self.push(Inst::Load { dst, base, offset: i16::from(d & 4), bytes, reloc: None, argument: None });
            }
            10 => {
                let (base, dst) = (self.pick(c), self.dst(a));
                self.push(Inst::Copy { dst, base, access: field(), bytes, uneven: d & 4 != 0, scratch: -8 });
            }
            11 => {
                let (base, src) = (self.pick(a), self.src(c));
                self.push(Inst::Store { base, offset: i16::from(d & 4), src, bytes });
                if d & 24 == 24 {
                    self.push(Inst::AtomicAdd { base, src: self.pick(d) });
                }
            }
            12 | 13 => {
                let args = [a, b, c, d, a ^ b];
                let count = kind >> 4 & 7;
                let count = if count > 5 { 1 } else { count };
                for (arg, choice) in (1..).zip(args).take(count.into()) {
                    self.mov(Reg(arg), self.src(choice), true);
                }
                self.push(match kind & 128 {
                    0 => Inst::Call { helper: 200 + u32::from(count), args: count },
                    _ => Inst::Invoke {
                        function: ["krs_0", "krs_1", "krs_2", "krs_3", "krs_4", "krs_5"][usize::from(count)],
                        args: count,
                    },
                });
                if d & 1 == 0 {
                    let dst = self.dst(a);
                    self.mov(dst, Operand::Reg(Reg(0)), true);
                }
            }
            // A number that is loaded in network byte order.
            14 => {
                let (base, dst) = (self.pick(c), self.dst(a));
                self.push(Inst::Load { dst, base, offset: 0, bytes, reloc: None, argument: None });
                self.push(Inst::Swap { dst, bits: if d & 4 == 0 { (8 * bytes).max(16) as i32 } else { 16 } });
            }
            // A value that is zero- or sign-extended from fewer bits.
            _ => {
                let (of, by) = (self.pick(b), [8, 16, 24, 32, 48, 56][usize::from(c) % 6]);
                let dst = self.dst(a);
                if self.known.contains(&dst) || d & 2 == 0 {
                    self.mov(dst, Operand::Reg(of), true);
                } else {
                    self.push(Inst::Load { dst, base: of, offset: 0, bytes, reloc: None, argument: None });
                }
                self.alu(alu::LSH, dst, Operand::Imm(by), true);
                self.alu(if d & 1 == 0 { alu::RSH } else { alu::ARSH }, dst, Operand::Imm(by), true);
            }
        }
    }
}

/// The program that the choices describe.
pub fn program(choices: &Choices) -> Body {
    let mut maker = Maker { next: FIRST_VIRTUAL + 1 + SHARED, insts: Vec::new(), known: BTreeSet::new() };
    let mut entering: Vec<Option<BTreeSet<Reg>>> = vec![None; choices.len()];
    maker.mov(Reg(FIRST_VIRTUAL), Operand::Reg(Reg(1)), true);
    for at in 0..SHARED {
        let dst = Reg(FIRST_VIRTUAL + 1 + at);
        match at {
            0 => maker.mov(dst, Operand::Imm(0), true),
            _ => maker.push(Inst::Load {
                dst,
                base: Reg(FIRST_VIRTUAL),
                offset: at as i16 * 8,
                bytes: 1 << (at - 1),
                reloc: None,
                argument: Some(format!("a{at}")),
            }),
        }
    }
    entering[0] = Some(maker.known.clone());
    let count = choices.len();
    let mut blocks = Vec::with_capacity(count);
    for (at, (insts, [kind, a, b, c, d])) in choices.iter().enumerate() {
        // An unreachable block reads registers that the first block defines.
        maker.known = match entering[at].take() {
            Some(known) => known,
            None => (FIRST_VIRTUAL..=FIRST_VIRTUAL + SHARED).map(Reg).collect(),
        };
        insts.iter().for_each(|choice| maker.make(*choice));
        let later = |choice: &u8| BlockId((at + 1 + usize::from(*choice) % (count - at - 1).clamp(1, 4)) as u32);
        let end = if at + 1 == count || kind % 16 == 0 {
            maker.mov(Reg(0), maker.src(*a), true);
            Terminator::Exit
        } else if kind % 16 < 4 {
            Terminator::Jump(later(a))
        } else {
            let op = COMPARISONS[usize::from(*b) % COMPARISONS.len()];
            let (left, right) = (maker.pick(*d), maker.src(*a));
            Terminator::Branch { op, wide: d & 128 == 0, left, right, then: later(c), otherwise: later(&(c >> 4)) }
        };
        for to in end.targets() {
            let seen = &mut entering[to.0 as usize];
            match seen {
                None => *seen = Some(maker.known.clone()),
                Some(seen) => seen.retain(|reg| maker.known.contains(reg)),
            }
        }
        let insts = std::mem::take(&mut maker.insts).into_iter().map(|inst| (inst, Default::default())).collect();
        let cold = at > 0 && kind & 0xc0 == 0xc0;
        blocks.push(Block { insts, terminator: end, terminator_span: Default::default(), cold, expensive: false });
    }
    Body { blocks, next: maker.next, frame_bytes: 8, cold_start: count as u32, flags: Vec::new() }
}

const _: () = assert!(PROBE_READ_KERNEL < 200, "calls of random programs are of no helper that the interpreter knows");
