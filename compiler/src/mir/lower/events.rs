//! Events: the code that records an event in the ring buffer.
//!
//! ```text
//! record = ringbuf_reserve(events, bytes, 0)    if null: krs_no_room(rule)
//! krs_head(record, rule, verdict, counter)      the header
//! *(u32 *)(record + 72) = ..                    the fields
//! ringbuf_submit(record, 0)
//! ```
//!
//! An event is written in place; shared functions write its header (`rt::record`). The program itself
//! calls `bpf_ringbuf_reserve`, because the verifier of 5.10 loses the result of a null check when a function
//! returns the pointer. If the buffer has no room, the event is counted as lost and nothing else changes:
//! recording never affects a verdict.
//!
//! Absent: the layout of the fields, which `event_layout` computes, and rate limits, which `limit` has.

use krsi_abi::event as abi;
use krsi_abi::modes::EffectiveAction;

use super::builder::{Builder, Target, ValueKey};
use super::conds::{element, pieces};
use super::event_layout;
use crate::decision::Verdict;
use crate::helper;
use crate::hir::{AuditField, RuleId, Ty, Value, ValueKind};
use crate::isa::{alu, jmp};
use crate::mir::{Inst, Operand, Reg};
use crate::relocation::RelocationKind;
use crate::rt::record::{HEAD, NO_ROOM};

/// The rule whose event is written.
#[derive(Clone, Copy)]
pub(super) enum EventRule {
    /// A rule known at compile time.
    Rule(RuleId),
    /// A rule that an index search has found.
    Found {
        /// The register with its number.
        number: Reg,
        /// The register with the address of its counter of lost events.
        counter: Reg,
        /// The errno that it denies with, if it does.
        errno: Option<Operand>,
    },
}

impl Builder<'_> {
    /// Performs the effects of a rule other than the denial, and jumps to `next`.
    pub(super) fn record(&mut self, rule: RuleId, verdict: Verdict, next: Target) {
        if self.policy.rules[rule.0 as usize].audit.is_some() {
            let recorded = self.fresh_target();
            self.event(rule, EventRule::Rule(rule), self.action(), verdict, recorded);
            self.bind(recorded);
        } else {
            self.would_deny(self.errno(rule), Operand::Imm(rule.0.cast_signed()));
        }
        self.effects(rule);
        self.jump(next);
    }

    /// Sends the signal of a rule, if it has one, and notes its marks.
    pub(super) fn effects(&mut self, rule: RuleId) {
        let policy = self.policy;
        self.note_marks(rule);
        if let Some(kill) = &policy.rules[rule.0 as usize].kill {
            self.span = kill.span;
            self.call_only(helper::SEND_SIGNAL, &[Operand::Imm(kill.signal)]);
        }
    }

    /// Writes the event of the rule whose number is in a register, and jumps to `next`. The rule records the
    /// same fields as `like` and denies with `errno`, if it does.
    pub(super) fn event_of(
        &mut self,
        like: RuleId,
        which: Reg,
        errno: Option<Operand>,
        verdict: Verdict,
        next: Target,
    ) {
        let action = self.action_of(which, next);
        self.branch_away(jmp::JGT, true, action, Operand::Imm(EffectiveAction::Permissive as i32), next);
        let counter = self.entry_of(RelocationKind::Lost(RuleId(0)), 8, which, next);
        self.event(like, EventRule::Found { number: which, counter, errno }, action, verdict, next);
    }

    /// Writes the event that `rule` declares, if it has an `audit`, under an effective action, and jumps to
    /// `next`.
    fn event(&mut self, rule: RuleId, which: EventRule, action: Reg, verdict: Verdict, next: Target) {
        let policy = self.policy;
        let Some(audit) = &policy.rules[rule.0 as usize].audit else {
            return self.jump(next);
        };
        self.span = audit.span;
        self.rule = rule;
        let layout = event_layout::layout(audit);
        let (write, lost) = (self.fresh_target(), self.fresh_target());
        let over = audit.limit.map(|limit| self.within_limit(which, limit, next));

        let events = self.module.data.events();
        self.push(Inst::Address { dst: Reg(1), of: events });
        self.push(Inst::Mov { dst: Reg(2), src: Operand::Imm(layout.bytes as i32), wide: true, reloc: None });
        self.push(Inst::Mov { dst: Reg(3), src: Operand::Imm(0), wide: true, reloc: None });
        self.push(Inst::Call { helper: helper::RINGBUF_RESERVE, args: 3 });
        let reserved = self.copy(Reg(0), true);
        self.branch(jmp::JNE, true, reserved, Operand::Imm(0), write, lost);
        let number = match which {
            EventRule::Rule(rule) => Operand::Imm(rule.0.cast_signed()),
            EventRule::Found { number, .. } => Operand::Reg(number),
        };

        // The rare case comes first, so that the common one falls through into the code that follows.
        self.bind(lost);
        self.invoke(NO_ROOM, &[number]);
        self.jump(next);

        self.bind(write);
        let errno = match which {
            EventRule::Rule(rule) => self.errno(rule),
            EventRule::Found { errno, .. } => errno,
        };
        let recorded = self.recorded_verdict(errno, action, verdict);
        let counter = match which {
            EventRule::Rule(rule) => {
                let counter = self.fresh();
                self.push(Inst::Address { dst: counter, of: RelocationKind::Lost(rule) });
                counter
            }
            EventRule::Found { counter, .. } => counter,
        };
        self.invoke(HEAD, &[Operand::Reg(reserved), number, recorded, Operand::Reg(counter)]);
        let record = self.copy(Reg(0), true);
        // The header contains these values, so later fields reload them from it.
        self.once(ValueKey::PidTgid, |build| build.word(record, abi::PID_TGID as i16));
        self.once(ValueKey::UidGid, |build| build.word(record, abi::UID_GID as i16));
        if let Some(counter) = over {
            let count = self.word(counter, 0);
            self.store(record, abi::HEADER_BYTES, Operand::Reg(count), 8);
        }
        for &offset in &layout.padded_words {
            // `bpf_ringbuf_reserve` does not clear its memory, and padding must not leak old events. The
            // fields are written after this.
            self.store(record, offset, Operand::Imm(0), 8);
        }
        for (index, (field, &offset)) in audit.fields.iter().zip(&layout.offsets).enumerate() {
            self.span = field.value.span;
            self.field_of_event(record, index, field, offset);
        }
        self.span = audit.span;
        self.call_only(helper::RINGBUF_SUBMIT, &[Operand::Reg(record), Operand::Imm(0)]);
        self.jump(next);
    }

    fn store(&mut self, base: Reg, offset: u32, src: Operand, bytes: u32) {
        self.push(Inst::Store { base, offset: offset as i16, src, bytes });
    }

    fn zero(&mut self, base: Reg, offset: u32, bytes: u32) {
        for (at, size) in pieces(bytes) {
            self.store(base, offset + at, Operand::Imm(0), size);
        }
    }

    fn field_of_event(&mut self, record: Reg, index: usize, field: &AuditField, offset: u32) {
        if !field.value.may_be_unreadable() {
            // No jump leads to this target.
            let never = self.fresh_target();
            return self.copy_field(record, &field.value, offset, never);
        }
        let (unknown, done) = (self.fresh_target(), self.fresh_target());
        self.copy_field(record, &field.value, offset, unknown);
        self.jump(done);
        if self.is_reachable(unknown) {
            self.bind(unknown);
            // A reader stops at the NUL, so only the first word is cleared.
            let bytes = if let Ty::Text { .. } = field.value.ty { 8 } else { event_layout::bytes(field.value.ty) };
            self.zero(record, offset, bytes);
            let mask = self.word(record, abi::UNKNOWN as i16);
            let bit = 1u64 << index;
            let src = match i32::try_from(bit.cast_signed()) {
                Ok(imm) => Operand::Imm(imm),
                Err(_) => Operand::Reg(self.constant(bit)),
            };
            self.push(Inst::Alu { op: alu::OR, wide: true, dst: mask, src, reloc: None });
            self.store(record, abi::UNKNOWN, Operand::Reg(mask), 8);
            self.jump(done);
        }
        self.bind(done);
    }

    /// Writes a constant text in whole words. A store has a 32-bit immediate, so a word takes two stores
    /// unless it is a sign-extended half.
    fn literal_field(&mut self, record: Reg, text: &[u8], offset: u32, bytes: u32) {
        let mut words = text.to_vec();
        words.resize(bytes as usize, 0);
        for (word, at) in words.as_chunks::<8>().0.iter().zip((offset..).step_by(8)) {
            let word = i64::from_le_bytes(*word);
            if let Ok(word) = i32::try_from(word) {
                self.store(record, at, Operand::Imm(word), 8);
                continue;
            }
            for (at, half) in [(at, word), (at + 4, word >> 32)] {
                self.store(record, at, Operand::Imm((half as u32).cast_signed()), 4);
            }
        }
    }

    fn copy_field(&mut self, record: Reg, value: &Value, offset: u32, unknown: Target) {
        if let Ty::Text { .. } = value.ty {
            return self.text_field(record, value, offset, unknown);
        }
        if value.ty == Ty::Ip {
            let (high, low) = self.ip(value, unknown);
            self.store(record, offset, Operand::Reg(high), 8);
            return self.store(record, offset + 8, Operand::Reg(low), 8);
        }
        if let ValueKind::Literal(text) = &value.kind {
            return self.literal_field(record, text, offset, event_layout::bytes(value.ty));
        }
        let Ty::Str { bytes } = value.ty else {
            let bytes = event_layout::bytes(value.ty);
            let src = match &value.kind {
                ValueKind::Const(number) => match i32::try_from((*number as u64).cast_signed()) {
                    Ok(imm) => Operand::Imm(imm),
                    Err(_) => Operand::Reg(self.constant(*number as u64)),
                },
                _ if bytes <= 4 && matches!(value.ty, Ty::Int(_)) => Operand::Reg(self.low(value, unknown)),
                _ => Operand::Reg(self.value(value, unknown)),
            };
            return self.store(record, offset, src, bytes);
        };
        let source = match &value.kind {
            ValueKind::Load { base, access } => Some((self.pointer(base, unknown), access)),
            _ => None,
        };
        for (at, size) in pieces(bytes) {
            let reg = match source {
                Some((base, access)) => self.load(base, &element(access, at), size),
                None => self.comm_bytes(at, size),
            };
            self.store(record, offset + at, Operand::Reg(reg), size);
        }
    }
}
