//! Limits of events: `audit limit 10/s`.
//!
//! A rule's time begins with its first event after the last time has ended, and so many events are recorded in it. What
//! is over is counted, and nothing else depends on it. Processors do not wait for each other here, so where several begin a
//! time at once it can have an event more for each of them.

use super::builder::{Builder, Label};
use crate::bpf::insn::{alu, jmp};
use crate::bpf::vcode::{Inst, Src, V};
use crate::bpf::{Code, RelocationKind, helper};
use crate::hir::{Limit, RuleId};

/// Where a window has the number of its events.
const COUNT: u32 = 8;
const WINDOW_BYTES: u32 = 16;

impl Builder<'_> {
    /// Goes on where the rule may record an event now, and to `next` where not. Tells where the count is of those that
    /// were over the limit.
    pub(super) fn within_limit(&mut self, rule: RuleId, limit: Limit, next: Label) -> V {
        let limited = self.code.limited(rule, self.policy.rules.len());
        let window = self.code.window(rule);
        let counter = self.address(RelocationKind::State(limited));
        let begin = self.address(RelocationKind::State(window));
        let count = self.address(RelocationKind::State(window + COUNT));
        let (fresh, within, over, record) =
            (self.fresh_label(), self.fresh_label(), self.fresh_label(), self.fresh_label());

        let now = self.call(helper::KTIME_GET_BOOT_NS, &[]);
        let since = self.copy(now, true);
        let began = self.word(begin);
        self.push(Inst::Alu { op: alu::SUB, wide: true, dst: since, src: Src::Reg(began), reloc: None });
        let period = self.constant(limit.per.ns());
        self.branch(jmp::JGE, true, since, Src::Reg(period), fresh, within);

        self.place(fresh);
        self.push(Inst::Store { base: begin, offset: 0, src: Src::Reg(now), bytes: 8 });
        self.push(Inst::Store { base: count, offset: 0, src: Src::Imm(1), bytes: 8 });
        self.jump(record);

        self.place(within);
        let so_far = self.word(count);
        self.branch_away(jmp::JGE, true, so_far, Src::Imm(limit.count.cast_signed()), over);
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

    fn address(&mut self, of: RelocationKind) -> V {
        let dst = self.fresh();
        self.push(Inst::Address { dst, of });
        dst
    }

    fn word(&mut self, base: V) -> V {
        let dst = self.fresh();
        self.push(Inst::Load { dst, base, offset: 0, bytes: 8, reloc: None, argument: None });
        dst
    }
}

impl Code {
    /// Where the state counts what is over a rule's limit.
    fn limited(&mut self, rule: RuleId, rules: usize) -> u32 {
        let first = match self.limited {
            Some(first) => first,
            None => self.state_at(8 * rules as u32),
        };
        self.limited = Some(first);
        first + 8 * rule.0
    }

    /// A rule's window: it may record in several places.
    fn window(&mut self, rule: RuleId) -> u32 {
        if let Some((_, at)) = self.windows.iter().find(|(of, _)| *of == rule) {
            return *at;
        }
        let at = self.state_at(WINDOW_BYTES);
        self.windows.push((rule, at));
        at
    }

    fn state_at(&mut self, bytes: u32) -> u32 {
        match self.state(bytes) {
            RelocationKind::State(at) => at,
            _ => unreachable!("state has an offset"),
        }
    }
}
