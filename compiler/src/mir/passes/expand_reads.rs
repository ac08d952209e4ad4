//! Expansion of field reads: the pseudo-instruction `copy` becomes a call of `bpf_probe_read_kernel`.
//!
//! ```text
//! v12 = copy 4 [v11 + cdev.count] scratch -8      v13 = cdev.count
//!                                                 v13 += v11
//!                                                 r3 = v13
//!                                                 r1 = r10
//!                                                 r1 += -8
//!                                                 r2 = 4
//!                                                 call 113/3
//!                                                 v12 = load 4 [r10 - 8]
//! ```
//!
//! While a read is one instruction, value numbering treats it like a load.

use krs_grammar::ast::Span;

use crate::access::Access;
use crate::helper;
use crate::isa::alu;
use crate::mir::{Body, FRAME_POINTER, Inst, Operand, Reg};
use crate::relocation::RelocationKind;

/// Runs the pass on a body.
pub fn run(code: &mut Body) {
    for block in &mut code.blocks {
        if !block.insts.iter().any(|(inst, _)| matches!(inst, Inst::Copy { .. })) {
            continue;
        }
        let mut insts: Vec<(Inst, Span)> = Vec::with_capacity(block.insts.len() + 8);
        for (inst, span) in block.insts.drain(..) {
            match inst {
                Inst::Copy { dst, base, access, bytes, uneven, scratch } => {
                    let from = Reg(code.next);
                    code.next += 1;
                    insts.extend(copy((dst, from), base, access, (bytes, uneven), scratch).map(|inst| (inst, span)));
                }
                inst => insts.push((inst, span)),
            }
        }
        block.insts = insts;
    }
}

/// The instructions of a read into the first register; `r0` is 0 if it succeeds. The second register must be
/// unused.
pub fn copy(
    (dst, from): (Reg, Reg),
    base: Reg,
    access: Access,
    (bytes, uneven): (u32, bool),
    scratch: i16,
) -> impl Iterator<Item = Inst> {
    let mov = |dst, src, reloc| Inst::Mov { dst, src, wide: true, reloc };
    let add = |dst, src| Inst::Alu { op: alu::ADD, wide: true, dst, src, reloc: None };
    // A field that is narrower on the running kernel is zero-extended.
    let cleared =
        uneven.then_some(Inst::Store { base: FRAME_POINTER, offset: scratch, src: Operand::Imm(0), bytes: 8 });
    let size = uneven.then(|| RelocationKind::FieldSize(access.clone()));
    cleared.into_iter().chain([
        mov(from, Operand::Imm(0), Some(RelocationKind::FieldOffset(access))),
        add(from, Operand::Reg(base)),
        mov(Reg(3), Operand::Reg(from), None),
        mov(Reg(1), Operand::Reg(FRAME_POINTER), None),
        add(Reg(1), Operand::Imm(i32::from(scratch))),
        mov(Reg(2), Operand::Imm(bytes.cast_signed()), size),
        Inst::Call { helper: helper::PROBE_READ_KERNEL, args: 3 },
        Inst::Load {
            dst,
            base: FRAME_POINTER,
            offset: scratch,
            bytes: if uneven { 8 } else { bytes },
            reloc: None,
            argument: None,
        },
    ])
}
