//! Rate limits of events: `audit limit 10/s`.
//!
//! ```text
//! windows[rule]   u64 start of the period, u64 events in it
//! limited[rule]   u64 events over the limit
//! ```
//!
//! A period begins with the rule's first event after the previous period has ended, and at most `count`
//! events are recorded in it. Further events are counted and otherwise ignored. The counters are updated
//! without a lock: if several processors begin a period at once, each may record one event more.
//!
//! Absent: limits on other effects; only events are limited.

use super::builder::{Builder, Target};
use super::events::EventRule;
use crate::data::Data;
use crate::helper;
use crate::hir::Limit;
use crate::isa::{alu, jmp};
use crate::mir::{Inst, Operand, Reg};
use crate::relocation::RelocationKind;

/// Offset of the number of events in a window, after the time at which it began.
const COUNT: i16 = 8;
const WINDOW_BYTES: u32 = 16;

impl Builder<'_> {
    /// Falls through if the rule may record an event now, and jumps to `next` otherwise. Returns the address
    /// of the counter of events over the limit.
    pub(super) fn within_limit(&mut self, which: EventRule, limit: Limit, next: Target) -> Reg {
        let rules = self.policy.rules.len() as u32;
        let (limited, windows) = (self.module.data.limited(rules), self.module.data.windows(rules));
        let counter = self.state_of(which, limited, 8, next);
        let window = self.state_of(which, windows, WINDOW_BYTES, next);
        let (fresh, within, over, record) =
            (self.fresh_target(), self.fresh_target(), self.fresh_target(), self.fresh_target());

        let now = self.call(helper::KTIME_GET_BOOT_NS, &[]);
        let since = self.copy(now, true);
        let began = self.word(window, 0);
        self.push(Inst::Alu { op: alu::SUB, wide: true, dst: since, src: Operand::Reg(began), reloc: None });
        let period = self.constant(limit.per.ns());
        self.branch(jmp::JGE, true, since, Operand::Reg(period), fresh, within);

        self.bind(fresh);
        self.push(Inst::Store { base: window, offset: 0, src: Operand::Reg(now), bytes: 8 });
        self.push(Inst::Store { base: window, offset: COUNT, src: Operand::Imm(1), bytes: 8 });
        self.jump(record);

        self.bind(within);
        let so_far = self.word(window, COUNT);
        self.branch_away(jmp::JGE, true, so_far, Operand::Imm(limit.count.cast_signed()), over);
        let count = self.copy(window, true);
        self.add(count, COUNT.into());
        let one = self.constant(1);
        self.push(Inst::AtomicAdd { base: count, src: one });
        self.jump(record);

        self.bind(over);
        let one = self.constant(1);
        self.push(Inst::AtomicAdd { base: counter, src: one });
        self.jump(next);

        self.bind(record);
        counter
    }

    /// Returns the address of a rule's entry in a table of the state, whose entries have `bytes` bytes.
    fn state_of(&mut self, which: EventRule, table: u32, bytes: u32, beyond: Target) -> Reg {
        match which {
            EventRule::Rule(rule) => {
                let entry = self.fresh();
                self.push(Inst::Address { dst: entry, of: RelocationKind::State(table + bytes * rule.0) });
                entry
            }
            EventRule::Found { number, .. } => self.entry_of(RelocationKind::State(table), bytes, number, beyond),
        }
    }
}

impl Data {
    /// Returns the offset of the counters of events over the limit, one per rule.
    fn limited(&mut self, rules: u32) -> u32 {
        let first = self.limited.unwrap_or_else(|| self.state(8 * rules));
        *self.limited.insert(first)
    }

    /// Returns the offset of the windows, one per rule: a rule may record at several places of several
    /// programs.
    fn windows(&mut self, rules: u32) -> u32 {
        let first = self.windows.unwrap_or_else(|| self.state(WINDOW_BYTES * rules));
        *self.windows.insert(first)
    }
}
