//! An interpreter of bodies and of encoded programs, which returns their observable behaviour.
//!
//! ```text
//! run(&code, 7) == Outcome { result: 0, calls: ["5[c, 3]"], memory: {0x40: 1} }
//! ```
//!
//! The initial contents of memory are a function of the seed and the address; the result of a call, of the
//! seed, the name and the number of earlier calls; a number that a loader fills in, of its symbol. A read of
//! a register or of a frame slot without a value is a failed assertion; a call leaves no value in `r1` to
//! `r5`.
//!
//! Absent: the verifier's rules for pointers; any number is an address.

use std::collections::BTreeMap;

use crate::access::Access;
use crate::bpf::Program;
use crate::helper;
use crate::isa::{Insn, SRC_REG, alu, class, jmp, mode, pseudo};
use crate::mir::{Body, FRAME_POINTER, Inst, Operand, Reg, Terminator};
use crate::relocation::RelocationKind;
use crate::simulate::machine::{arithmetic, taken};

/// Address of the end of the frame.
const FRAME_END: u64 = 0x7fff_0000;
/// Address of the hook's context.
const CONTEXT: u64 = 0x5000_0000;

/// The observable behaviour of a program.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// Value of `r0` at the exit.
    pub result: u64,
    /// Calls with their arguments, in order.
    pub calls: Vec<String>,
    /// Bytes outside the frame that it has written.
    pub memory: BTreeMap<u64, u8>,
}

struct State {
    seed: u64,
    registers: Vec<Option<u64>>,
    written: BTreeMap<u64, u8>,
    slots: BTreeMap<u32, u64>,
    calls: Vec<String>,
}

fn mix(a: u64, b: u64) -> u64 {
    // The finaliser of SplitMix64.
    let mut word = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.wrapping_add(0x632b_e59b_d9b4_e019);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

/// A number that is often small, so that some tests of equality hold.
fn number(seed: u64, of: u64) -> u64 {
    let word = mix(seed, of);
    match word >> 60 {
        0..4 => word & 1,
        4..8 => word & 7,
        8..10 => (word & 7).wrapping_neg(),
        10..12 => word & 0xffff_ffff,
        _ => word,
    }
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(0, |hash, byte| mix(hash, byte.into()))
}

fn offset(access: &Access) -> u64 {
    hash(&access.to_string()) % 512 * 8
}

/// Returns the number that a loader fills in.
fn loaded(kind: &RelocationKind) -> u64 {
    match kind {
        RelocationKind::FieldOffset(access) => offset(access),
        RelocationKind::FieldSize(_) => 4,
        RelocationKind::FieldExists(access) => hash(&access.to_string()) & 1,
        other => hash(&other.to_string()) % 64,
    }
}

impl State {
    fn new(registers: u32, seed: u64) -> State {
        let mut registers = vec![None; registers.max(11) as usize];
        (registers[1], registers[10]) = (Some(CONTEXT), Some(FRAME_END));
        State { seed, registers, written: BTreeMap::new(), slots: BTreeMap::new(), calls: Vec::new() }
    }

    #[track_caller]
    fn get(&self, reg: Reg) -> u64 {
        self.registers[reg.0 as usize].unwrap_or_else(|| panic!("register {} is read and holds nothing", reg.0))
    }

    #[track_caller]
    fn src(&self, src: Operand) -> u64 {
        match src {
            Operand::Reg(reg) => self.get(reg),
            Operand::Imm(imm) => i64::from(imm).cast_unsigned(),
        }
    }

    fn set(&mut self, reg: Reg, value: u64) {
        assert_ne!(reg, FRAME_POINTER, "the frame pointer is written");
        self.registers[reg.0 as usize] = Some(value);
    }

    /// The initial byte at an address.
    fn constant(&self, at: u64) -> u8 {
        number(self.seed, at & !7).to_le_bytes()[(at & 7) as usize]
    }

    fn read(&self, at: u64, bytes: u32, constant: bool) -> u64 {
        let mut word = [0; 8];
        for (index, byte) in word.iter_mut().enumerate().take(bytes as usize) {
            let at = at.wrapping_add(index as u64);
            *byte = match self.written.get(&at) {
                Some(written) if !constant => *written,
                _ => {
                    assert!(!in_frame(at), "a byte of the frame is read and holds nothing");
                    self.constant(at)
                }
            };
        }
        u64::from_le_bytes(word)
    }

    fn write(&mut self, at: u64, value: u64, bytes: u32) {
        for (index, byte) in value.to_le_bytes().into_iter().enumerate().take(bytes as usize) {
            self.written.insert(at.wrapping_add(index as u64), byte);
        }
    }

    fn alu(&mut self, op: u8, wide: bool, dst: Reg, by: u64) {
        let left = if op == alu::MOV { 0 } else { self.get(dst) };
        let insn = Insn { code: class::ALU64 | op | SRC_REG, ..Insn::default() };
        self.set(dst, arithmetic(insn, left, by, wide).expect("a known operation"));
    }

    fn swap(&mut self, dst: Reg, bits: i32) {
        let insn = Insn { code: class::ALU | alu::END | SRC_REG, imm: bits, ..Insn::default() };
        self.set(dst, arithmetic(insn, self.get(dst), 0, false).expect("a known width"));
    }

    fn call(&mut self, name: &str, args: u32) {
        let args: Vec<u64> = (1..=args).map(|arg| self.get(Reg(arg))).collect();
        let result = if name == helper::PROBE_READ_KERNEL.to_string() {
            for at in 0..args[1] {
                let byte = self.constant(args[2].wrapping_add(at));
                self.written.insert(args[0].wrapping_add(at), byte);
            }
            0
        } else {
            let result = number(self.seed ^ self.calls.len() as u64, hash(name));
            self.calls.push(format!("{name}{args:x?}"));
            result
        };
        self.registers[..6].fill(None);
        self.set(Reg(0), result);
    }

    fn inst(&mut self, inst: &Inst) {
        let address = |state: &State, base: Reg, offset: i16| state.get(base).wrapping_add_signed(offset.into());
        match inst {
            Inst::Mov { dst, src, wide, reloc } => {
                let value = reloc.as_ref().map_or_else(|| self.src(*src), loaded);
                self.alu(alu::MOV, *wide, *dst, value);
            }
            Inst::Wide { dst, value } => self.set(*dst, *value),
            Inst::Address { dst, of } => self.set(*dst, hash(&of.to_string()) & 0xffff << 32),
            Inst::Alu { op, wide, dst, src, reloc } => {
                let by = reloc.as_ref().map_or_else(|| self.src(*src), loaded);
                self.alu(*op, *wide, *dst, by);
            }
            Inst::Swap { dst, bits } => self.swap(*dst, *bits),
            Inst::Load { dst, base, offset, bytes, reloc, argument } => {
                let further = reloc.as_ref().map_or(0, loaded);
                let at = address(self, *base, *offset).wrapping_add(further);
                self.set(*dst, self.read(at, *bytes, reloc.is_some() || argument.is_some()));
            }
            Inst::Copy { dst, base, access, bytes, uneven, .. } => {
                let size = if *uneven { loaded(&RelocationKind::FieldSize(access.clone())) as u32 } else { *bytes };
                let value = self.read(self.get(*base).wrapping_add(offset(access)), size, true);
                self.registers[..6].fill(None);
                self.set(*dst, value);
            }
            Inst::Store { base, offset, src, bytes } => {
                self.write(address(self, *base, *offset), self.src(*src), *bytes);
            }
            Inst::AtomicAdd { base, src } => {
                let at = self.get(*base);
                self.write(at, self.read(at, 8, false).wrapping_add(self.get(*src)), 8);
            }
            Inst::Call { helper, args } => self.call(&helper.to_string(), (*args).into()),
            Inst::Invoke { function, args } => self.call(function, (*args).into()),
            Inst::Spill { slot, src } => _ = self.slots.insert(*slot, self.get(*src)),
            Inst::Reload { dst, slot } => {
                let value = *self.slots.get(slot).expect("a slot is read and holds nothing");
                self.set(*dst, value);
            }
        }
    }

    fn outcome(self) -> Outcome {
        let memory = self.written.iter().filter(|(at, _)| !in_frame(**at)).map(|(at, byte)| (*at, *byte)).collect();
        Outcome { result: self.get(Reg(0)), calls: self.calls, memory }
    }
}

fn in_frame(at: u64) -> bool {
    (FRAME_END - 512..FRAME_END).contains(&at)
}

/// Runs a body over virtual or machine registers.
pub fn run(code: &Body, seed: u64) -> Outcome {
    let mut state = State::new(code.next, seed);
    let mut at = 0;
    loop {
        let block = &code.blocks[at];
        block.insts.iter().for_each(|(inst, _)| state.inst(inst));
        let next = match &block.terminator {
            Terminator::Exit => return state.outcome(),
            Terminator::Jump(to) => to.0 as usize,
            Terminator::Branch { op, wide, left, right, then, otherwise } => {
                let holds = taken(*op, *wide, state.get(*left), state.src(*right)).expect("a known comparison");
                (if holds { then } else { otherwise }).0 as usize
            }
        };
        assert!(next > at, "a jump leads back");
        at = next;
    }
}

/// Returns the number of arguments of a call: the last digit of its number in random programs.
fn arity(name: &str) -> u8 {
    match name.parse() {
        Ok(helper::PROBE_READ_KERNEL) => 3,
        _ => name.as_bytes().last().map_or(0, |digit| digit - b'0'),
    }
}

/// Runs an encoded program.
pub fn run_program(program: &Program, seed: u64) -> Outcome {
    let mut state = State::new(11, seed);
    let mut slot = 0;
    loop {
        let Insn { code, dst, src, off, imm } = program.insns[slot];
        let reloc = program.relocations.iter().find(|reloc| reloc.slot as usize == slot).map(|reloc| &reloc.kind);
        let (dst, src_reg) = (Reg(dst.into()), Reg(src.into()));
        let wide = matches!(code & 7, class::ALU64 | class::JMP);
        let operand = if code & SRC_REG != 0 { Operand::Reg(src_reg) } else { Operand::Imm(imm) };
        let bytes = [4, 2, 1, 8][usize::from(code >> 3 & 3)];
        let argument = program.arguments.iter().any(|load| load.instruction as usize == slot);
        slot += 1;
        let inst = match code & 7 {
            class::ALU if code & 0xf0 == alu::END => Inst::Swap { dst, bits: imm },
            class::ALU | class::ALU64 => Inst::Alu { op: code & 0xf0, wide, dst, src: operand, reloc: reloc.cloned() },
            class::LD => {
                let high = program.insns[slot].imm.cast_unsigned();
                slot += 1;
                match reloc {
                    Some(of) => Inst::Address { dst, of: of.clone() },
                    None => {
                        let value = u64::from(imm.cast_unsigned()) | u64::from(high) << 32;
                        Inst::Wide { dst, value }
                    }
                }
            }
            class::LDX => Inst::Load {
                dst,
                base: src_reg,
                offset: off,
                bytes,
                reloc: reloc.cloned(),
                argument: argument.then(String::new),
            },
            class::ST => Inst::Store { base: dst, offset: off, src: Operand::Imm(imm), bytes },
            class::STX if code & 0xe0 == mode::ATOMIC => Inst::AtomicAdd { base: dst, src: src_reg },
            class::STX => Inst::Store { base: dst, offset: off, src: Operand::Reg(src_reg), bytes },
            _ => match code & 0xf0 {
                jmp::EXIT => return state.outcome(),
                jmp::CALL => match reloc {
                    Some(RelocationKind::Function(function)) if src == pseudo::CALL => {
                        Inst::Invoke { function, args: arity(function) }
                    }
                    _ => Inst::Call { helper: imm.cast_unsigned(), args: arity(&imm.to_string()) },
                },
                jmp::JA => {
                    slot = slot.checked_add_signed(off.into()).expect("a jump leads into the program");
                    continue;
                }
                op => {
                    if taken(op, wide, state.get(dst), state.src(operand)).expect("a known comparison") {
                        slot = slot.checked_add_signed(off.into()).expect("a jump leads into the program");
                    }
                    continue;
                }
            },
        };
        state.inst(&inst);
    }
}
