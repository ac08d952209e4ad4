//! The split of hooks whose rules need several programs.
//!
//! ```text
//! rules 0 to 7 too large  ->  0 to 3 fits; 4 to 7 too large  ->  4, 5 fits; 6, 7 fits
//! ```
//!
//! The split is found by bisection: the rules of a hook, in evaluation order (`decision::split`), are halved
//! until each piece fits. The verifier's work grows faster than the size of a program, so equal pieces are
//! better than large ones and a remainder.
//!
//! Absent: the calls between the programs, which `mir::lower::tail_calls` generates.

use std::ops::Range;

use super::{Observer, Refusal, Shared, program};
use crate::decision::split::{Groups, Next, Part, groups};
use crate::decision::{self, Plan, undecided};
use crate::hir::{HookId, Policy, RuleId};
use crate::limits::TooLarge;
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
    // Each piece calls at most one program more if a rule can be undecided: its own rules again, or undecided ones.
    let most = if undecided::any_can_be(policy, rules) { PARTS_MAX / 2 } else { PARTS_MAX };
    match pieces.get(most) {
        Some(piece) => Err(Unsplittable { rules: groups.rules(piece.clone()), why: TooLarge::Parts(most) }),
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
        let doubtful = undecided::any_can_be(self.policy, rules).then_some(0);
        let part = Part { next, effects_after: true, restart: doubtful, in_doubt: doubtful, ..Part::default() };
        let mut plan = Plan { graphs: Vec::new(), indexes: Vec::new(), rules: Vec::new() };
        let graph = decision::lower::graph(self.policy, self.hook, rules, &[], part, self.optimise, &mut plan.indexes);
        plan.graphs.push(graph);
        program(
            self.policy,
            &plan,
            &plan.graphs[0],
            self.most,
            self.optimise,
            &Observer::none(),
            &mut Shared::new(self.policy),
        )
        .map(drop)
    }
}
