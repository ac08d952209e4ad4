//! Encoding: blocks become instruction slots. Unreachable blocks and jumps to the next block are omitted,
//! branches are inverted if their true successor follows, and edges to blocks that only jump lead to the
//! target of the jump.

use krsi_abi::manifest::ArgumentLoad;

use super::Program;
use crate::isa::{Insn, SRC_REG, alu, class, jmp, mode, pseudo, size};
use crate::limits::{BRANCHES_MAX, TooLarge};
use crate::mir::analysis::cfg::skip_forwarding;
use crate::mir::{BlockId, Body, Inst, Operand, Reg, Terminator};
use crate::optimise::{Optimisation, Optimise};
use crate::relocation::{Relocation, RelocationKind};

/// Encodes one program.
///
/// # Errors
/// When the program exceeds a limit of the format or of the verifier.
pub fn encode(name: &str, hook: &str, code: &Body, optimise: Optimise) -> Result<Program, TooLarge> {
    let threading = optimise.does(Optimisation::SkipForwarding);
    let target = |at: usize| if threading { skip_forwarding(code, BlockId(at as u32)) } else { BlockId(at as u32) };
    let targets: Vec<BlockId> = (0..code.blocks.len()).map(target).collect();
    let resolve = |to: BlockId| targets[to.0 as usize];
    let reached = reached(code, &targets);
    let branches = most_branches(code, &targets);
    if branches > BRANCHES_MAX {
        return Err(TooLarge::Branches(branches));
    }
    let order: Vec<usize> = (0..code.blocks.len()).filter(|at| reached[*at]).collect();

    let mut out = Out {
        program: Program {
            name: name.to_owned(),
            hook: hook.to_owned(),
            insns: Vec::new(),
            relocations: Vec::new(),
            lines: Vec::new(),
            arguments: Vec::new(),
        },
    };
    let mut starts = vec![0usize; code.blocks.len()];
    let mut jumps: Vec<(usize, BlockId)> = Vec::new();
    for (index, &at) in order.iter().enumerate() {
        let block = &code.blocks[at];
        let next = order.get(index + 1).map(|next| BlockId(*next as u32));
        starts[at] = out.program.insns.len();
        for (inst, span) in &block.insts {
            out.line(*span);
            out.inst(inst);
        }
        match &block.terminator {
            Terminator::Exit => out.push(Insn { code: class::JMP | jmp::EXIT, ..Insn::default() }),
            Terminator::Jump(to) => {
                let to = resolve(*to);
                if Some(to) != next {
                    out.line(block.terminator_span);
                    jumps.push((out.program.insns.len(), to));
                    out.push(Insn { code: class::JMP | jmp::JA, ..Insn::default() });
                }
            }
            Terminator::Branch { op, wide, left, right, then, otherwise } => {
                out.line(block.terminator_span);
                let (then, otherwise) = (resolve(*then), resolve(*otherwise));
                let mut branch = |out: &mut Out, op: u8, to: BlockId| {
                    jumps.push((out.program.insns.len(), to));
                    out.branch(op, *wide, *left, *right);
                };
                if then == otherwise {
                    if Some(then) != next {
                        jumps.push((out.program.insns.len(), then));
                        out.push(Insn { code: class::JMP | jmp::JA, ..Insn::default() });
                    }
                } else if Some(otherwise) == next {
                    branch(&mut out, *op, then);
                } else if Some(then) == next
                    && let Some(inverse) = jmp::inverse(*op)
                {
                    branch(&mut out, inverse, otherwise);
                } else {
                    branch(&mut out, *op, then);
                    jumps.push((out.program.insns.len(), otherwise));
                    out.push(Insn { code: class::JMP | jmp::JA, ..Insn::default() });
                }
            }
        }
    }
    for (at, to) in jumps {
        let distance = starts[to.0 as usize] - at - 1;
        out.program.insns[at].off = i16::try_from(distance).map_err(|_| TooLarge::Jump(distance))?;
    }
    Ok(out.program)
}

fn reached(code: &Body, targets: &[BlockId]) -> Vec<bool> {
    let mut reached = vec![false; code.blocks.len()];
    reached[targets[0].0 as usize] = true;
    for at in 0..code.blocks.len() {
        if reached[at] {
            for to in code.blocks[at].terminator.targets() {
                reached[targets[to.0 as usize].0 as usize] = true;
            }
        }
    }
    reached
}

/// The most branches on one path, computed backwards since edges only lead forward.
fn most_branches(code: &Body, targets: &[BlockId]) -> u32 {
    let mut most = vec![0u32; code.blocks.len()];
    for at in (0..code.blocks.len()).rev() {
        let end = &code.blocks[at].terminator;
        let own = u32::from(matches!(end, Terminator::Branch { .. }));
        most[at] = end.targets().map(|to| most[targets[to.0 as usize].0 as usize]).max().unwrap_or(0) + own;
    }
    most.first().copied().unwrap_or(0)
}

struct Out {
    program: Program,
}

fn reg(v: Reg) -> u8 {
    debug_assert!(v.is_machine(), "every register has been given one of the machine's");
    v.0 as u8
}

fn width(bytes: u32) -> u8 {
    match bytes {
        1 => size::B,
        2 => size::H,
        4 => size::W,
        _ => size::DW,
    }
}

impl Out {
    fn push(&mut self, insn: Insn) {
        self.program.insns.push(insn);
    }

    fn line(&mut self, span: krs_grammar::ast::Span) {
        let at = self.program.insns.len() as u32;
        match self.program.lines.last_mut() {
            Some((_, last)) if *last == span => {}
            Some((slot, last)) if *slot == at => *last = span,
            _ => self.program.lines.push((at, span)),
        }
    }

    fn relocate(&mut self, kind: Option<&RelocationKind>) {
        if let Some(kind) = kind {
            let slot = self.program.insns.len() as u32;
            self.program.relocations.push(Relocation { slot, kind: kind.clone() });
        }
    }

    fn alu(&mut self, op: u8, wide: bool, dst: Reg, src: Operand) {
        let class = if wide { class::ALU64 } else { class::ALU };
        let insn = match src {
            _ if op == alu::NEG => Insn { code: class | op, dst: reg(dst), ..Insn::default() },
            Operand::Reg(src) => Insn { code: class | op | SRC_REG, dst: reg(dst), src: reg(src), ..Insn::default() },
            Operand::Imm(imm) => Insn { code: class | op, dst: reg(dst), imm, ..Insn::default() },
        };
        self.push(insn);
    }

    fn branch(&mut self, op: u8, wide: bool, left: Reg, right: Operand) {
        let class = if wide { class::JMP } else { class::JMP32 };
        let insn = match right {
            Operand::Reg(right) => {
                Insn { code: class | op | SRC_REG, dst: reg(left), src: reg(right), ..Insn::default() }
            }
            Operand::Imm(imm) => Insn { code: class | op, dst: reg(left), imm, ..Insn::default() },
        };
        self.push(insn);
    }

    fn inst(&mut self, inst: &Inst) {
        match inst {
            Inst::Mov { dst, src, wide, reloc } => {
                self.relocate(reloc.as_ref());
                self.alu(alu::MOV, *wide, *dst, *src);
            }
            Inst::Alu { op, wide, dst, src, reloc } => {
                self.relocate(reloc.as_ref());
                self.alu(*op, *wide, *dst, *src);
            }
            Inst::Swap { dst, bits } => {
                // The source bit selects the conversion to big-endian order.
                self.push(Insn {
                    code: class::ALU | alu::END | SRC_REG,
                    dst: reg(*dst),
                    imm: *bits,
                    ..Insn::default()
                });
            }
            Inst::Wide { dst, value } => {
                let code = class::LD | size::DW | mode::IMM;
                self.push(Insn { code, dst: reg(*dst), imm: (*value as u32).cast_signed(), ..Insn::default() });
                self.push(Insn { imm: ((*value >> 32) as u32).cast_signed(), ..Insn::default() });
            }
            Inst::Address { dst, of } => {
                self.relocate(Some(of));
                self.push(Insn { code: class::LD | size::DW | mode::IMM, dst: reg(*dst), ..Insn::default() });
                self.push(Insn::default());
            }
            Inst::Load { dst, base, offset, bytes, reloc, argument } => {
                self.relocate(reloc.as_ref());
                if let Some(name) = argument {
                    self.program.arguments.push(ArgumentLoad {
                        instruction: self.program.insns.len() as u32,
                        name: name.clone(),
                        slot: (*offset / 8) as u32,
                    });
                }
                let code = class::LDX | mode::MEM | width(*bytes);
                self.push(Insn { code, dst: reg(*dst), src: reg(*base), off: *offset, imm: 0 });
            }
            Inst::Store { base, offset, src: Operand::Reg(src), bytes } => {
                let code = class::STX | mode::MEM | width(*bytes);
                self.push(Insn { code, dst: reg(*base), src: reg(*src), off: *offset, imm: 0 });
            }
            Inst::Store { base, offset, src: Operand::Imm(imm), bytes } => {
                let code = class::ST | mode::MEM | width(*bytes);
                self.push(Insn { code, dst: reg(*base), src: 0, off: *offset, imm: *imm });
            }
            Inst::AtomicAdd { base, src } => {
                let code = class::STX | mode::ATOMIC | size::DW;
                self.push(Insn { code, dst: reg(*base), src: reg(*src), off: 0, imm: i32::from(alu::ADD) });
            }
            Inst::Call { helper, .. } => {
                self.push(Insn { code: class::JMP | jmp::CALL, imm: helper.cast_signed(), ..Insn::default() });
            }
            Inst::Copy { .. } => unreachable!("copies have become calls"),
            Inst::Spill { .. } | Inst::Reload { .. } => unreachable!("slots of the frame have got their offsets"),
            Inst::Invoke { function, .. } => {
                self.relocate(Some(&RelocationKind::Function(function)));
                self.push(Insn { code: class::JMP | jmp::CALL, src: pseudo::CALL, imm: -1, ..Insn::default() });
            }
        }
    }
}

#[cfg(test)]
mod tests;
