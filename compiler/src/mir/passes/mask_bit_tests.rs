//! Bit-test masking: a bit test of a value that is also compared by order tests a masked copy.
//!
//! ```text
//! if w12 & 8 then b2 else b1           v13 = v12
//!                                      w13 &= 8
//!                                      if w13 != 0 then b2 else b1
//! b2: if w12 < 0x18 then b3 else b4    b2: if w12 < 0x18 then b3 else b4
//! ```
//!
//! The kernel's verifier keeps a range and the known bits of each register, and `BPF_JSET` is the branch that
//! changes the known bits. On a branch that is never taken the two can contradict each other: after
//! `x < 0x18` and `x & 8`, the branch of `x & 0x10` requires a value of at least 0x18. Linux 6.16 to 7.0
//! report that as a defect of the verifier, with a warning and a stack trace in the kernel log, and a machine
//! with `panic_on_warn` stops. The bits of a copy are not part of the state of the original.
//!
//! Absent: masks in registers, which are no constants to the verifier, and comparisons for equality, which
//! change a range only at its ends.

use crate::isa::{alu, jmp};
use crate::mir::{Body, Inst, Operand, Reg, Terminator};

/// Runs the pass on a body.
pub fn run(body: &mut Body) {
    let mut copies = Copies::of(body);
    let mut ordered = vec![false; body.next as usize];
    for block in &body.blocks {
        if let Terminator::Branch { op, .. } = &block.terminator
            && !matches!(*op, jmp::JEQ | jmp::JNE | jmp::JSET)
        {
            block.terminator.uses(|reg| ordered[copies.representative(reg) as usize] = true);
        }
    }
    for block in &mut body.blocks {
        if let Terminator::Branch { op: op @ jmp::JSET, wide, left, right: right @ Operand::Imm(_), .. } =
            &mut block.terminator
            && ordered[copies.representative(*left) as usize]
        {
            let masked = Reg(body.next);
            body.next += 1;
            let span = block.terminator_span;
            block.insts.push((Inst::Mov { dst: masked, src: Operand::Reg(*left), wide: true, reloc: None }, span));
            block.insts.push((Inst::Alu { op: alu::AND, wide: *wide, dst: masked, src: *right, reloc: None }, span));
            (*op, *left, *right) = (jmp::JNE, masked, Operand::Imm(0));
        }
    }
}

/// Sets of virtual registers that are connected by copies: the verifier may narrow all of a set by a branch
/// on one.
struct Copies(Vec<u32>);

impl Copies {
    fn of(body: &Body) -> Copies {
        let mut copies = Copies((0..body.next).collect());
        for (inst, _) in body.blocks.iter().flat_map(|block| &block.insts) {
            if let Inst::Mov { dst, src: Operand::Reg(src), .. } = inst
                && !dst.is_machine()
                && !src.is_machine()
            {
                let (dst, src) = (copies.representative(*dst), copies.representative(*src));
                copies.0[dst as usize] = src;
            }
        }
        copies
    }

    /// The register that stands for the set of `reg`.
    fn representative(&mut self, reg: Reg) -> u32 {
        let mut at = reg.0;
        while self.0[at as usize] != at {
            let next = self.0[at as usize];
            self.0[at as usize] = self.0[next as usize];
            at = next;
        }
        at
    }
}
