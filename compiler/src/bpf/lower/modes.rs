//! Modes: what a rule does where it has fired.
//!
//! A byte of a map says it for each rule (see `krsi_abi::modes`). It is read once for a unit, into a register that all that
//! follows looks at, so that a mode which changes meanwhile does not count twice. Of the rules of a row that an index has found
//! the strongest counts; what each of them records is its own mode's.

use krsi_abi::modes::Act;

use super::builder::{Builder, Label};
use crate::bpf::RelocationKind;
use crate::bpf::library::record::{ROW, WOULD};
use crate::decision::{Errno, IndexId, Verdict};
use crate::hir::RuleId;
use crate::isa::{alu, jmp};
use crate::mir::{Inst, Operand, Reg};

impl Builder<'_> {
    /// Reads what a rule does, or the strongest of those that an index has found, and goes to `next`.
    pub(super) fn mode(&mut self, rule: RuleId, index: Option<IndexId>, next: Label) -> Reg {
        self.span = self.policy.rules[rule.0 as usize].span;
        let act = match index.and_then(|index| self.found_rules(index)) {
            None => {
                let base = self.fresh();
                self.push(Inst::Address { dst: base, of: RelocationKind::Act(rule) });
                self.act_at(base)
            }
            Some((found, Some(list))) => self.of_row(found, list, Operand::Imm(0)),
            Some((which, None)) => {
                let act = self.constant(Act::Nothing as u64);
                let done = self.fresh_label();
                let known = self.act_of(which, done);
                self.push(Inst::Mov { dst: act, src: Operand::Reg(known), wide: true, reloc: None });
                self.jump(done);
                self.place(done);
                act
            }
        };
        self.jump(next);
        act
    }

    /// What the rule at hand does.
    pub(super) fn act(&self) -> Reg {
        self.act.expect("what a rule does stands behind the question for its mode")
    }

    /// Leads to `then` where the rule at hand does so much.
    pub(super) fn does(&mut self, least: Act, then: Label, otherwise: Label) {
        self.branch(jmp::JGT, true, self.act(), Operand::Imm(least as i32), otherwise, then);
    }

    /// What a rule does whose number is in a register; to `beyond` where there is none of that number.
    pub(super) fn act_of(&mut self, which: Reg, beyond: Label) -> Reg {
        let base = self.entry_of(RelocationKind::Act(RuleId(0)), 1, which, beyond);
        self.act_at(base)
    }

    /// The address of what a table has for the rule whose number is in a register: so many bytes each, a power of two.
    pub(super) fn entry_of(&mut self, table: RelocationKind, bytes: u32, which: Reg, beyond: Label) -> Reg {
        let rules = self.policy.rules.len() as i32;
        // The number comes from a table too: the verifier wants to see that it is in bounds, in the register that is used.
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

    fn act_at(&mut self, base: Reg) -> Reg {
        let act = self.fresh();
        self.push(Inst::Load { dst: act, base, offset: 0, bytes: 1, reloc: None, argument: None });
        act
    }

    /// Settles the verdict.
    pub(super) fn set_verdict(&mut self, errno: Errno) {
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

    /// What a rule denies with, if it does.
    pub(super) fn errno(&self, rule: RuleId) -> Option<Operand> {
        self.policy.rules[rule.0 as usize].errno().map(Operand::Imm)
    }

    /// The verdict that the event of a rule carries which denies with this errno, or does not.
    pub(super) fn said(&mut self, errno: Option<Operand>, act: Reg, verdict: Verdict) -> Operand {
        let met = match verdict {
            Verdict::Constant(errno) => Operand::Imm(-errno),
            Verdict::Chosen => Operand::Reg(self.verdict()),
        };
        let Some(errno) = errno else { return met };
        let (said, would, done) = (self.fresh(), self.fresh_label(), self.fresh_label());
        self.push(Inst::Mov { dst: said, src: met, wide: true, reloc: None });
        self.branch(jmp::JGT, true, act, Operand::Imm(Act::Enforce as i32), would, done);
        self.place(would);
        self.push(Inst::Mov { dst: said, src: errno, wide: true, reloc: None });
        self.jump(done);
        self.place(done);
        Operand::Reg(said)
    }

    /// Records that a rule without `audit` would deny, where its mode is so.
    pub(super) fn would_deny(&mut self, errno: Option<Operand>, which: Operand) {
        let Some(errno) = errno else { return };
        let (would, done) = (self.fresh_label(), self.fresh_label());
        self.branch(jmp::JGT, true, self.act(), Operand::Imm(Act::Enforce as i32), would, done);
        self.place(would);
        self.invoke(WOULD, &[which, errno]);
        self.jump(done);
        self.place(done);
    }

    /// The same for all rules of a row.
    pub(super) fn row_would_deny(&mut self, errno: Option<Operand>, found: Reg, list: u32) {
        let Some(errno) = errno else { return };
        let (would, done) = (self.fresh_label(), self.fresh_label());
        self.branch(jmp::JGT, true, self.act(), Operand::Imm(Act::Alone as i32), would, done);
        self.place(would);
        self.of_row(found, list, errno);
        self.jump(done);
        self.place(done);
    }

    /// Calls the function that looks at the rules of a row.
    fn of_row(&mut self, found: Reg, list: u32, errno: Operand) -> Reg {
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
