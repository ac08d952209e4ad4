//! The invariants of a body.
//!
//! ```text
//! b0: r0 = v11        refused: v11 is read before it is written
//!     goto b0         refused: an edge leads back
//! ```
//!
//! The driver calls [`verify`] after each pass in debug builds and under `-Z verify-each`.
//!
//! Absent: types. Any number is an address here; the kernel's verifier checks pointers.

use super::analysis::cfg::{keep_only, reachable};
use super::analysis::liveness::{VirtualRegisters, liveness};
use super::{Body, FRAME_POINTER, Inst, Operand};

/// Checks the invariants that the module documentation of [`super`] lists as checked.
///
/// # Errors
/// The first violation.
pub fn verify(body: &Body) -> Result<(), String> {
    let count = body.blocks.len();
    if count == 0 {
        return Err("the body has no block".to_owned());
    }
    if body.cold_start == 0 || body.cold_start as usize > count {
        return Err(format!("the cold region begins at b{} of {count} blocks", body.cold_start));
    }
    for (at, block) in body.blocks.iter().enumerate() {
        for (inst, _) in &block.insts {
            registers(body, inst).map_err(|why| format!("b{at}: {why}"))?;
        }
        edges(body, at)?;
    }
    // Unreachable blocks may read any register: its definition can have been removed.
    let reachable = reachable(body);
    let mut reached = body.clone();
    keep_only(&mut reached, &reachable);
    match liveness(&reached, &VirtualRegisters).live_in[0].first() {
        Some(reg) => Err(format!("v{reg} is read before it is written")),
        None => Ok(()),
    }
}

fn edges(body: &Body, at: usize) -> Result<(), String> {
    for to in body.blocks[at].terminator.targets() {
        let to = to.0 as usize;
        if to >= body.blocks.len() {
            return Err(format!("b{at} has an edge to b{to}, which does not exist"));
        }
        if to <= at {
            return Err(format!("b{at} has an edge back to b{to}"));
        }
    }
    Ok(())
}

fn registers(body: &Body, inst: &Inst) -> Result<(), String> {
    let mut wrong = None;
    let mut see = |reg: super::Reg| {
        if reg.0 >= body.next {
            wrong = Some(format!("register {} is not below the next unused one, {}", reg.0, body.next));
        }
    };
    inst.uses(&mut see);
    inst.def().into_iter().for_each(&mut see);
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    if inst.def() == Some(FRAME_POINTER) {
        return Err("the frame pointer is written".to_owned());
    }
    match inst {
        Inst::Call { args, .. } | Inst::Invoke { args, .. } if *args > 5 => {
            Err(format!("a call has {args} arguments, more than 5"))
        }
        Inst::Load { bytes, .. } | Inst::Store { bytes, .. } | Inst::Copy { bytes, .. }
            if ![1, 2, 4, 8].contains(bytes) =>
        {
            Err(format!("an access of {bytes} bytes, not 1, 2, 4 or 8"))
        }
        Inst::Swap { bits, .. } if ![16, 32, 64].contains(bits) => Err(format!("a byte swap of {bits} bits")),
        Inst::Mov { src: Operand::Reg(_), reloc: Some(_), .. } => {
            Err("a relocation fills in the immediate of a register move".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mir::text::parse;
    use crate::mir::{BlockId, Reg, Terminator};

    #[track_caller]
    fn refused(text: &str, change: impl FnOnce(&mut Body), why: &str) {
        let mut body = parse(text);
        assert_eq!(verify(&body), Ok(()));
        change(&mut body);
        let found = verify(&body).expect_err("it is invalid");
        assert!(found.contains(why), "{found}");
    }

    const DIAMOND: &str = "b0: v11 = r1
            if v11 == 0 then b1 else b2
        b1: v12 = 1
            goto b3
        b2: v12 = 2
            goto b3
        b3: r0 = v12
            exit";

    #[test]
    fn edges_lead_to_later_blocks() {
        refused(DIAMOND, |body| body.blocks[2].terminator = Terminator::Jump(BlockId(1)), "b2 has an edge back to b1");
        refused(DIAMOND, |body| body.blocks[2].terminator = Terminator::Jump(BlockId(2)), "b2 has an edge back to b2");
        refused(DIAMOND, |body| body.blocks[3].terminator = Terminator::Jump(BlockId(4)), "b4, which does not exist");
    }

    #[test]
    fn registers_are_written_on_every_path_before_they_are_read() {
        refused(DIAMOND, |body| body.blocks[2].insts.clear(), "v12 is read before it is written");
        // An unreachable block may read any register.
        assert_eq!(verify(&parse("b0: r0 = 0\nexit\nb1: r0 = v11\nexit")), Ok(()));
    }

    #[test]
    fn registers_are_below_the_next_unused_one() {
        refused(DIAMOND, |body| body.next = 12, "register 12");
        refused(DIAMOND, |body| body.blocks[0].insts[0].0.rename(|_| Reg(10)), "frame pointer");
    }

    #[test]
    fn accesses_have_a_width_of_the_machine() {
        let text = "b0: v11 = r1\nv12 = load 8 [v11]\nr0 = v12\nexit";
        let narrow = |body: &mut Body| {
            if let Inst::Load { bytes, .. } = &mut body.blocks[0].insts[1].0 {
                *bytes = 3;
            }
        };
        refused(text, narrow, "3 bytes");
    }

    #[test]
    fn the_cold_region_begins_inside_the_body() {
        refused(DIAMOND, |body| body.cold_start = 5, "cold region");
        refused(DIAMOND, |body| body.blocks.clear(), "no block");
    }
}
