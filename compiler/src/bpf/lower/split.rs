//! Hooks whose rules need several programs: the split into programs that continue by tail calls.
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
//! The split is found by bisection: the rules of a hook, in evaluation order (`decision::split`), are halved
//! until each piece fits. The verifier's work grows faster than the size of a program, so equal pieces are
//! better than large ones and a remainder.
//!
//! Absent: sleepable programs, which cannot make tail calls; krs emits none.

use std::ops::Range;

use super::builder::Builder;
use super::{Refusal, program, shared_data};
use crate::bpf::encode::TooLarge;
use crate::bpf::{Map, MapKind, helper};
use crate::decision::split::{Groups, Next, Part, groups};
use crate::decision::{self, Plan, Verdict};
use crate::driver::Observer;
use crate::hir::{HookId, Policy, RuleId, errno};
use crate::isa::jmp;
use crate::mir::{Inst, Operand, Reg, Terminator};
use crate::optimise::{Optimisation, Optimise};

/// The most programs in one chain. The kernel allows 32 tail calls (`MAX_TAIL_CALL_CNT`, 33 since 5.17).
const PARTS_MAX: usize = 32;

/// The most instructions of a program before it is split. The kernel accepts more, but the verifier's work
/// grows faster than the size; and each later piece exists once per verdict of the pieces before it, so small
/// pieces cost more in total. Loading 2,000 rules without a common test is fastest with pieces of about
/// 10,000 instructions (5.10 and 7.2).
pub(super) const INSTRUCTIONS_MAX: usize = 16_000;

/// The lower bound of the size limit when a hook is split again.
pub(super) const INSTRUCTIONS_LEAST: usize = 1000;

/// The number of pieces into which `-Z no-one-program` cuts a hook with as many groups of rules.
const FORCED: usize = 4;

/// Returns the symbol of a hook's program.
pub(super) fn name(hook: &str, part: &Part) -> String {
    match (part.number, part.denied) {
        (0, _) => hook.to_owned(),
        (number, 0) => format!("{hook}_{}", number + 1),
        (number, errno) => match errno::name(errno) {
            Some(name) => format!("{hook}_{}_{name}", number + 1),
            None => format!("{hook}_{}_{errno}", number + 1),
        },
    }
}

/// A group of rules that does not fit into one program, and the reason.
pub(super) struct Unsplittable {
    pub(super) rules: Vec<RuleId>,
    pub(super) why: TooLarge,
}

/// Splits the rules of a hook into programs of at most `most` instructions each.
pub(super) fn split(
    policy: &Policy,
    hook: HookId,
    rules: &[RuleId],
    most: usize,
    optimise: Optimise,
) -> Result<Vec<Vec<RuleId>>, Unsplittable> {
    let groups = groups(policy, rules, optimise);
    let mut pieces = Vec::new();
    Bisection { policy, hook, groups: &groups, most, optimise }.cut(0..groups.groups.len(), &mut pieces)?;
    match pieces.get(PARTS_MAX) {
        Some(piece) => Err(Unsplittable { rules: groups.rules(piece.clone()), why: TooLarge::Parts(PARTS_MAX) }),
        None => Ok(pieces.into_iter().map(|piece| groups.rules(piece)).collect()),
    }
}

struct Bisection<'h> {
    policy: &'h Policy,
    hook: HookId,
    groups: &'h Groups,
    most: usize,
    optimise: Optimise,
}

impl Bisection<'_> {
    fn cut(&self, piece: Range<usize>, pieces: &mut Vec<Range<usize>>) -> Result<(), Unsplittable> {
        let Groups { groups, together } = self.groups;
        let rules = self.groups.rules(piece.clone());
        let middle = piece.start.midpoint(piece.end).min(groups.len() - together);
        let can_be_cut = piece.start < middle && middle < piece.end;
        let forced = !self.optimise.does(Optimisation::OneProgram) && piece.len() > groups.len().div_ceil(FORCED);
        if !(forced && can_be_cut) {
            match self.fit(&rules) {
                Ok(()) => {
                    pieces.push(piece);
                    return Ok(());
                }
                Err(Refusal { why, .. }) if !can_be_cut => return Err(Unsplittable { rules, why }),
                Err(_) => {}
            }
        }
        self.cut(piece.start..middle, pieces)?;
        self.cut(middle..piece.end, pieces)
    }

    /// Checks that rules fit into one program that another one follows.
    fn fit(&self, rules: &[RuleId]) -> Result<(), Refusal> {
        let next = vec![Next { denied: 0, graph: 0 }];
        let part = Part { next, effects_after: true, ..Part::default() };
        let mut plan = Plan { graphs: Vec::new(), indexes: Vec::new(), rules: Vec::new() };
        let graph = decision::lower::graph(self.policy, self.hook, rules, part, self.optimise, &mut plan.indexes);
        plan.graphs.push(graph);
        program(
            self.policy,
            &plan,
            &plan.graphs[0],
            self.most,
            self.optimise,
            &Observer::none(),
            &mut shared_data(self.policy),
        )
        .map(drop)
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
            let of = self.code.map(Map {
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
