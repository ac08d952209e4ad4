//! Limits of events: `audit limit 10/s`.
//!
//! A rule's time begins with its first event after the last time has ended, and so many events are recorded in it. What
//! is over is counted, and nothing else depends on it. Processors do not wait for each other here, so where several begin a
//! time at once it can have an event more for each of them.

use super::builder::{Builder, Label};
use super::events::Which;
use crate::bpf::{Code, RelocationKind, helper};
use crate::hir::Limit;
use crate::isa::{alu, jmp};
use crate::mir::{Inst, Operand, Reg};

/// Where a window has the number of its events, behind the time when it began.
const COUNT: i16 = 8;
const WINDOW_BYTES: u32 = 16;

impl Builder<'_> {
    /// Goes on where the rule may record an event now, and to `next` where not. Tells where the count is of those that
    /// were over the limit.
    pub(super) fn within_limit(&mut self, which: Which, limit: Limit, next: Label) -> Reg {
        let rules = self.policy.rules.len() as u32;
        let (limited, windows) = (self.code.limited(rules), self.code.windows(rules));
        let counter = self.state_of(which, limited, 8, next);
        let window = self.state_of(which, windows, WINDOW_BYTES, next);
        let (fresh, within, over, record) =
            (self.fresh_label(), self.fresh_label(), self.fresh_label(), self.fresh_label());

        let now = self.call(helper::KTIME_GET_BOOT_NS, &[]);
        let since = self.copy(now, true);
        let began = self.word(window, 0);
        self.push(Inst::Alu { op: alu::SUB, wide: true, dst: since, src: Operand::Reg(began), reloc: None });
        let period = self.constant(limit.per.ns());
        self.branch(jmp::JGE, true, since, Operand::Reg(period), fresh, within);

        self.place(fresh);
        self.push(Inst::Store { base: window, offset: 0, src: Operand::Reg(now), bytes: 8 });
        self.push(Inst::Store { base: window, offset: COUNT, src: Operand::Imm(1), bytes: 8 });
        self.jump(record);

        self.place(within);
        let so_far = self.word(window, COUNT);
        self.branch_away(jmp::JGE, true, so_far, Operand::Imm(limit.count.cast_signed()), over);
        let count = self.copy(window, true);
        self.add(count, COUNT.into());
        let one = self.constant(1);
        self.push(Inst::AtomicAdd { base: count, src: one });
        self.jump(record);

        self.place(over);
        let one = self.constant(1);
        self.push(Inst::AtomicAdd { base: counter, src: one });
        self.jump(next);

        self.place(record);
        counter
    }

    /// The address of a rule's own entry of a table in the state, of so many bytes each.
    fn state_of(&mut self, which: Which, table: u32, bytes: u32, beyond: Label) -> Reg {
        match which {
            Which::Rule(rule) => {
                let entry = self.fresh();
                self.push(Inst::Address { dst: entry, of: RelocationKind::State(table + bytes * rule.0) });
                entry
            }
            Which::Found { which, .. } => self.entry_of(RelocationKind::State(table), bytes, which, beyond),
        }
    }
}

impl Code {
    /// Where the state counts, by rule, what is over a limit.
    fn limited(&mut self, rules: u32) -> u32 {
        let first = self.limited.unwrap_or_else(|| self.state_at(8 * rules));
        *self.limited.insert(first)
    }

    /// Where the state has the windows, by rule. A rule may record in several places.
    fn windows(&mut self, rules: u32) -> u32 {
        let first = self.windows.unwrap_or_else(|| self.state_at(WINDOW_BYTES * rules));
        *self.windows.insert(first)
    }

    fn state_at(&mut self, bytes: u32) -> u32 {
        match self.state(bytes) {
            RelocationKind::State(at) => at,
            _ => unreachable!("state has an offset"),
        }
    }
}
