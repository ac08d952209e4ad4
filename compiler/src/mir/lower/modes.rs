//! Modes: the effective action of a matching rule.
//!
//! A map has a byte for each rule, the effective action that follows from its mode and the policy's (see
//! `krsi_abi::modes`). A program reads it once per mode node, into a register that all later tests use, so
//! that a change of mode in between is not seen by half of a decision. If an index search found a row of
//! several rules, the strongest action decides; each rule records according to its own.
//!
//! Absent: the derivation of actions from modes, which `krsi_abi::modes` has.

use krsi_abi::event::UNDECIDED;
use krsi_abi::modes::EffectiveAction;

use super::builder::{Builder, Target};
use crate::decision::{Errno, IndexId, Verdict};
use crate::hir::RuleId;
use crate::isa::{alu, jmp};
use crate::mir::{Inst, Operand, Reg};
use crate::relocation::RelocationKind;
use crate::rt::record::{ROW, WOULD};

impl Builder<'_> {
    /// Reads the effective action of a rule, or the strongest action of the rules that an index search found,
    /// and jumps to `next`.
    pub(super) fn effective_action(&mut self, rule: RuleId, index: Option<IndexId>, next: Target) -> Reg {
        self.span = self.policy.rules[rule.0 as usize].span;
        let action = match index.and_then(|index| self.found_rules(index)) {
            None => {
                let base = self.fresh();
                self.push(Inst::Address { dst: base, of: RelocationKind::EffectiveAction(rule) });
                self.load_action(base)
            }
            Some((found, Some(list))) => self.walk_row(found, list, Operand::Imm(0)),
            Some((which, None)) => {
                let action = self.constant(EffectiveAction::Off as u64);
                let done = self.fresh_target();
                let known = self.action_of(which, done);
                self.push(Inst::Mov { dst: action, src: Operand::Reg(known), wide: true, reloc: None });
                self.jump(done);
                self.bind(done);
                action
            }
        };
        self.jump(next);
        action
    }

    /// Returns the register with the effective action of the current rule.
    pub(super) fn action(&self) -> Reg {
        self.action.expect("a mode node dominates every use of the action")
    }

    /// Branches to `then` if the effective action is at least as strong as `least`. A weaker action is a
    /// greater number.
    pub(super) fn branch_on_action(&mut self, least: EffectiveAction, then: Target, otherwise: Target) {
        self.branch(jmp::JGT, true, self.action(), Operand::Imm(least as i32), otherwise, then);
    }

    /// Loads the effective action of the rule whose number is in a register; jumps to `beyond` if there is no
    /// such rule.
    pub(super) fn action_of(&mut self, which: Reg, beyond: Target) -> Reg {
        let base = self.entry_of(RelocationKind::EffectiveAction(RuleId(0)), 1, which, beyond);
        self.load_action(base)
    }

    /// Returns the address of the entry of a rule whose number is in a register. The entries have `bytes`
    /// bytes, a power of two.
    pub(super) fn entry_of(&mut self, table: RelocationKind, bytes: u32, which: Reg, beyond: Target) -> Reg {
        let rules = self.policy.rules.len() as i32;
        // The number comes from a table, so the verifier needs a bound, and needs it on the register that is
        // used.
        let at = self.copy(which, true);
        self.branch_away(jmp::JGE, true, at, Operand::Imm(rules), beyond);
        if bytes > 1 {
            let shift = Operand::Imm(bytes.trailing_zeros() as i32);
            self.push(Inst::Alu { op: alu::LSH, wide: true, dst: at, src: shift, reloc: None });
        }
        let entry = self.fresh();
        self.push(Inst::Address { dst: entry, of: table });
        self.push(Inst::Alu { op: alu::ADD, wide: true, dst: entry, src: Operand::Reg(at), reloc: None });
        entry
    }

    fn load_action(&mut self, base: Reg) -> Reg {
        let action = self.fresh();
        self.push(Inst::Load { dst: action, base, offset: 0, bytes: 1, reloc: None, argument: None });
        action
    }

    /// Sets the register of the verdict to the negative errno, with `first` only if the operation is still allowed.
    pub(super) fn assign_verdict(&mut self, errno: Errno, first: bool, next: Target) {
        if first {
            let verdict = self.verdict();
            self.branch_away(jmp::JNE, true, verdict, Operand::Imm(0), next);
        }
        self.set_verdict(errno);
        self.jump(next);
    }

    /// Sets the register of the verdict to the negative errno.
    fn set_verdict(&mut self, errno: Errno) {
        let verdict = self.verdict();
        let known = match errno {
            Errno::Constant(errno) => Some(Operand::Imm(errno)),
            Errno::Found(index) => self.errno_found(index),
        };
        match known {
            Some(Operand::Reg(errno)) => {
                self.push(Inst::Mov { dst: verdict, src: Operand::Imm(0), wide: true, reloc: None });
                self.push(Inst::Alu { op: alu::SUB, wide: true, dst: verdict, src: Operand::Reg(errno), reloc: None });
            }
            Some(Operand::Imm(errno)) => {
                self.push(Inst::Mov { dst: verdict, src: Operand::Imm(-errno), wide: true, reloc: None });
            }
            None => unreachable!("rules that set the verdict deny"),
        }
    }

    /// Returns the errno that a rule denies with, if it does.
    pub(super) fn errno(&self, rule: RuleId) -> Option<Operand> {
        self.policy.rules[rule.0 as usize].errno().map(Operand::Imm)
    }

    /// Returns the verdict for the event of a rule that denies with `errno`, if it does: what the caller
    /// sees, or the errno that a permissive rule would have denied with.
    pub(super) fn recorded_verdict(&mut self, errno: Option<Operand>, action: Reg, verdict: Verdict) -> Operand {
        let actual = match verdict {
            Verdict::Constant(errno) => Operand::Imm(-errno),
            Verdict::Chosen => Operand::Reg(self.verdict()),
        };
        let Some(errno) = errno else { return actual };
        let (actual, errno) = (self.in_doubt(actual), self.in_doubt(errno));
        let (recorded, would, done) = (self.fresh(), self.fresh_target(), self.fresh_target());
        self.push(Inst::Mov { dst: recorded, src: actual, wide: true, reloc: None });
        self.branch(jmp::JGT, true, action, Operand::Imm(EffectiveAction::Enforce as i32), would, done);
        self.bind(would);
        self.push(Inst::Mov { dst: recorded, src: errno, wide: true, reloc: None });
        self.jump(done);
        self.bind(done);
        Operand::Reg(recorded)
    }

    /// Records a denial that a permissive rule without `audit` would have made.
    pub(super) fn would_deny(&mut self, errno: Option<Operand>, which: Operand) {
        let Some(errno) = errno else { return };
        let (would, done) = (self.fresh_target(), self.fresh_target());
        self.branch(jmp::JGT, true, self.action(), Operand::Imm(EffectiveAction::Enforce as i32), would, done);
        self.bind(would);
        let errno = self.in_doubt(errno);
        self.invoke(WOULD, &[which, errno]);
        self.jump(done);
        self.bind(done);
    }

    /// Marks the verdict of an event as that of an undecided rule, if it is.
    fn in_doubt(&mut self, verdict: Operand) -> Operand {
        match verdict {
            _ if !self.undecided => verdict,
            Operand::Imm(verdict) => Operand::Imm(verdict + UNDECIDED),
            Operand::Reg(verdict) => {
                let marked = self.copy(verdict, true);
                self.add(marked, UNDECIDED);
                Operand::Reg(marked)
            }
        }
    }

    /// Records the denials that the permissive rules of a row would have made.
    pub(super) fn row_would_deny(&mut self, errno: Option<Operand>, found: Reg, list: u32) {
        let Some(errno) = errno else { return };
        let (would, done) = (self.fresh_target(), self.fresh_target());
        self.branch(jmp::JGT, true, self.action(), Operand::Imm(EffectiveAction::Alone as i32), would, done);
        self.bind(would);
        self.walk_row(found, list, errno);
        self.jump(done);
        self.bind(done);
    }

    /// Calls the function that walks the rules of a row.
    fn walk_row(&mut self, found: Reg, list: u32, errno: Operand) -> Reg {
        let at = self.copy(found, true);
        for (op, imm) in [(alu::LSH, 2), (alu::ADD, list.cast_signed())] {
            self.push(Inst::Alu { op, wide: true, dst: at, src: Operand::Imm(imm), reloc: None });
        }
        self.invoke(ROW, &[Operand::Reg(at), errno]);
        self.copy(Reg(0), true)
    }

    pub(super) fn invoke(&mut self, function: &'static str, args: &[Operand]) {
        for (at, src) in args.iter().enumerate() {
            self.push(Inst::Mov { dst: Reg(1 + at as u32), src: *src, wide: true, reloc: None });
        }
        self.push(Inst::Invoke { function, args: args.len() as u8 });
    }
}
