//! Calls between the programs of a hook.
//!
//! ```text
//! file_open              the first program, which is attached
//! file_open_unread       its rules again, after a value was unreadable
//! file_open_undecided    whether a rule is undecided
//! file_open_2            the second part of a split hook, if nothing has been denied so far
//! file_open_2_EPERM      the second part, if the first has denied
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
use crate::decision::split::{GraphId, Next, Part, Role};
use crate::helper;
use crate::hir::errno;
use crate::isa::jmp;
use crate::mir::{Inst, Operand, Reg, Terminator};

/// Returns the symbol of a hook's program.
#[must_use]
pub fn name(hook: &str, part: &Part) -> String {
    let part_of = match part.number {
        0 => hook.to_owned(),
        number => format!("{hook}_{}", number + 1),
    };
    match (part.role, part.denied) {
        (Role::Decide, 0) => part_of,
        (Role::Decide, errno) => match errno::name(errno) {
            Some(name) => format!("{part_of}_{name}"),
            None => format!("{part_of}_{errno}"),
        },
        (Role::Restart, _) => format!("{part_of}_unread"),
        (Role::Undecided(0), _) => format!("{part_of}_undecided"),
        (Role::Undecided(share), _) => format!("{part_of}_undecided_{}", share + 1),
    }
}

impl Builder<'_> {
    /// Continues in the next part, one of `programs` after the hook's first.
    pub(super) fn tail_call_next(&mut self, verdict: Verdict, next: &[Next], programs: u32) {
        self.release();
        let to = |denied| next.iter().find(|next| next.denied == denied).map(|next| next.graph);
        match verdict {
            Verdict::Constant(denied) => self.tail_call(to(denied), denied, programs),
            Verdict::Chosen => {
                let verdict = self.verdict();
                for Next { denied, graph } in next.iter().filter(|next| next.denied != 0) {
                    let (here, other) = (self.fresh_target(), self.fresh_target());
                    self.branch(jmp::JEQ, true, verdict, Operand::Imm(-denied), here, other);
                    self.bind(here);
                    self.tail_call(Some(*graph), *denied, programs);
                    self.bind(other);
                }
                self.tail_call(to(0), 0, programs);
            }
        }
    }

    /// Continues in another program of the hook. The operation is allowed so far.
    pub(super) fn tail_call_in_doubt(&mut self, graph: GraphId, programs: u32) {
        self.release();
        self.tail_call(Some(graph), 0, programs);
    }

    fn tail_call(&mut self, graph: Option<GraphId>, denied: i32, programs: u32) {
        if let Some(graph) = graph {
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
            self.push(Inst::Mov { dst: Reg(3), src: Operand::Imm(graph.cast_signed()), wide: true, reloc: None });
            self.push(Inst::Call { helper: helper::TAIL_CALL, args: 3 });
        }
        self.push(Inst::Mov { dst: Reg(0), src: Operand::Imm(-denied), wide: true, reloc: None });
        self.end(Terminator::Exit);
    }
}
