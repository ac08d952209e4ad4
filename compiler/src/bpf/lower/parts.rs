//! Hooks whose rules make too large a program: they become several, which call each other.
//!
//! ```text
//! file_open              the first part, which is attached
//! file_open_2            the second, where nothing has been denied
//! file_open_2_EPERM      the second, where the first has denied
//! krs_parts_file_open    the array of the programs behind the first
//! ```
//!
//! A part is called by `bpf_tail_call`, so that it gets the hook's arguments as the kernel's verifier trusts them, a frame
//! of its own, and has its own share of what a verifier follows. The index is a constant, which the kernel compiles to a jump.
//! A kernel's call fails only where the array has no program, which is when its policy is being unloaded: then what
//! has been decided so far holds.
//!
//! Parts are found by halves: the rules of a hook in the order that they are asked in (`decision::split`), cut in
//! two until each piece fits. What a part costs a verifier grows faster than its size, so equal pieces are better than large
//! ones and a rest.
//!
//! Absent: programs that sleep, which cannot go on with others; no program here does.

use std::ops::Range;

use super::builder::Builder;
use super::{Refusal, begun, program};
use crate::bpf::encode::TooLarge;
use crate::bpf::{Map, MapKind, helper};
use crate::decision::split::{Groups, Next, Part, groups};
use crate::decision::{self, Plan, Verdict};
use crate::driver::Observer;
use crate::hir::{HookId, Policy, RuleId, errno};
use crate::isa::jmp;
use crate::mir::{Inst, Operand, Reg, Terminator};
use crate::optimise::{Optimisation, Optimise};

/// Programs of a hook that follow each other: the kernel goes on 32 times at most (`MAX_TAIL_CALL_CNT`, 33 since 5.17).
const PARTS_MAX: usize = 32;

/// Instructions of a program, beyond which it is split. The kernel would take more, but what a verifier takes for them grows
/// faster than their number; and each piece is there for each verdict that those before it can have, so that small ones take more
/// in all. Of 2,000 rules that have nothing in common the load takes the least with pieces of some 10,000 (5.10 and 7.2).
pub(super) const INSTRUCTIONS_MAX: usize = 16_000;

/// Pieces are made no smaller than this.
pub(super) const INSTRUCTIONS_LEAST: usize = 1000;

/// Pieces that `-Z no-whole` cuts a hook into where it has as many groups of rules.
const FORCED: usize = 4;

/// The symbol of a part.
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

/// A group of rules that fits into no part, and why.
pub(super) struct NoFit {
    pub(super) rules: Vec<RuleId>,
    pub(super) why: TooLarge,
}

/// The rules of each part of a hook, each of so many instructions at most.
pub(super) fn parts(policy: &Policy, hook: HookId, most: usize, optimise: Optimise) -> Result<Vec<Vec<RuleId>>, NoFit> {
    let groups = groups(policy, hook, optimise);
    let mut pieces = Vec::new();
    Halves { policy, hook, groups: &groups, most, optimise }.cut(0..groups.groups.len(), &mut pieces)?;
    match pieces.get(PARTS_MAX) {
        Some(piece) => Err(NoFit { rules: groups.rules(piece.clone()), why: TooLarge::Parts(PARTS_MAX) }),
        None => Ok(pieces.into_iter().map(|piece| groups.rules(piece)).collect()),
    }
}

struct Halves<'h> {
    policy: &'h Policy,
    hook: HookId,
    groups: &'h Groups,
    most: usize,
    optimise: Optimise,
}

impl Halves<'_> {
    fn cut(&self, piece: Range<usize>, pieces: &mut Vec<Range<usize>>) -> Result<(), NoFit> {
        let Groups { groups, together } = self.groups;
        let rules = self.groups.rules(piece.clone());
        let middle = piece.start.midpoint(piece.end).min(groups.len() - together);
        let can_be_cut = piece.start < middle && middle < piece.end;
        let forced = !self.optimise.does(Optimisation::Whole) && piece.len() > groups.len().div_ceil(FORCED);
        if !(forced && can_be_cut) {
            match self.fit(&rules) {
                Ok(()) => {
                    pieces.push(piece);
                    return Ok(());
                }
                Err(Refusal { why, .. }) if !can_be_cut => return Err(NoFit { rules, why }),
                Err(_) => {}
            }
        }
        self.cut(piece.start..middle, pieces)?;
        self.cut(middle..piece.end, pieces)
    }

    /// Whether rules fit into one part, which others follow.
    fn fit(&self, rules: &[RuleId]) -> Result<(), Refusal> {
        let next = vec![Next { denied: 0, graph: 0 }];
        let part = Part { next, effects_after: true, ..Part::default() };
        let mut plan = Plan { graphs: Vec::new(), indexes: Vec::new() };
        let graph = decision::lower::graph(self.policy, self.hook, rules, part, self.optimise, &mut plan.indexes);
        plan.graphs.push(graph);
        program(
            self.policy,
            &plan,
            &plan.graphs[0],
            self.most,
            self.optimise,
            &Observer::none(),
            &mut begun(self.policy),
        )
        .map(drop)
    }
}

impl Builder<'_> {
    /// Goes on with the next part, of so many programs behind the hook's first.
    pub(super) fn go_on(&mut self, verdict: Verdict, next: &[Next], programs: u32) {
        self.release();
        let denied = next.iter().filter(|next| next.denied != 0);
        match verdict {
            Verdict::Constant(denied) => self.tail_call(next, denied, programs),
            Verdict::Chosen => {
                let verdict = self.verdict();
                for to in denied {
                    let (here, other) = (self.fresh_label(), self.fresh_label());
                    self.branch(jmp::JEQ, true, verdict, Operand::Imm(-to.denied), here, other);
                    self.place(here);
                    self.tail_call(next, to.denied, programs);
                    self.place(other);
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
