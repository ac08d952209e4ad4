//! Continuation of a split hook: the call of its next program.
//!
//! ```text
//! file_open              the first program, which is attached
//! file_open_2            the second, if nothing has been denied so far
//! file_open_2_EPERM      the second, if the first has denied
//! krs_parts_file_open    the program array with all programs after the first
//! ```
//!
//! `bpf_tail_call` gives each program the hook's arguments as the verifier trusts them, a stack frame, and a
//! separate budget of verified instructions. The index is a constant, so the JIT compiles the call to a
//! direct jump. A tail call fails only if the array has no program at the index, i.e. while the policy is
//! being unloaded; then the verdict so far holds.
//!
//! Absent: the choice of the rules of each program, which `driver` makes; and sleepable programs, which cannot
//! make tail calls; krs emits none.

use super::builder::Builder;
use crate::data::{Map, MapKind};
use crate::decision::Verdict;
use crate::decision::split::{Next, Part};
use crate::helper;
use crate::hir::errno;
use crate::isa::jmp;
use crate::mir::{Inst, Operand, Reg, Terminator};

/// Returns the symbol of a hook's program.
#[must_use]
pub fn name(hook: &str, part: &Part) -> String {
    match (part.number, part.denied) {
        (0, _) => hook.to_owned(),
        (number, 0) => format!("{hook}_{}", number + 1),
        (number, errno) => match errno::name(errno) {
            Some(name) => format!("{hook}_{}_{name}", number + 1),
            None => format!("{hook}_{}_{errno}", number + 1),
        },
    }
}

impl Builder<'_> {
    /// Continues in the next program, one of `programs` after the hook's first.
    pub(super) fn tail_call_next(&mut self, verdict: Verdict, next: &[Next], programs: u32) {
        self.release();
        let denied = next.iter().filter(|next| next.denied != 0);
        match verdict {
            Verdict::Constant(denied) => self.tail_call(next, denied, programs),
            Verdict::Chosen => {
                let verdict = self.verdict();
                for to in denied {
                    let (here, other) = (self.fresh_target(), self.fresh_target());
                    self.branch(jmp::JEQ, true, verdict, Operand::Imm(-to.denied), here, other);
                    self.bind(here);
                    self.tail_call(next, to.denied, programs);
                    self.bind(other);
                }
                self.tail_call(next, 0, programs);
            }
        }
    }

    fn tail_call(&mut self, next: &[Next], denied: i32, programs: u32) {
        if let Some(to) = next.iter().find(|next| next.denied == denied) {
            let of = self.module.data.map(Map {
                name: krsi_abi::parts_map(&self.hook.name),
                kind: MapKind::ProgArray,
                key: 4,
                value: 4,
                entries: programs,
            });
            let context = self.context;
            self.push(Inst::Mov { dst: Reg(1), src: Operand::Reg(context), wide: true, reloc: None });
            self.push(Inst::Address { dst: Reg(2), of });
            self.push(Inst::Mov { dst: Reg(3), src: Operand::Imm(to.graph.cast_signed()), wide: true, reloc: None });
            self.push(Inst::Call { helper: helper::TAIL_CALL, args: 3 });
        }
        self.push(Inst::Mov { dst: Reg(0), src: Operand::Imm(-denied), wide: true, reloc: None });
        self.end(Terminator::Exit);
    }
}
