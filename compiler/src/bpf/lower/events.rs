//! Recording: an event is written straight into the ring buffer, what all have by a function (`library/record.rs`).
//!
//! Room that is not to be had is counted, and changes nothing else: logging never turns a verdict.

use krsi_abi::event as abi;
use krsi_abi::modes::Act;

use super::builder::{Builder, Key, Label};
use super::conds::{element, pieces};
use crate::bpf::library::record::{HEAD, NO_ROOM};
use crate::bpf::{RelocationKind, event, helper};
use crate::decision::Verdict;
use crate::hir::{Field, RuleId, Ty, Value, ValueKind};
use crate::isa::{alu, jmp};
use crate::mir::{Inst, Operand, Reg};

/// Whose event is written.
#[derive(Clone, Copy)]
pub(super) enum Which {
    /// This rule's.
    Rule(RuleId),
    /// That of a rule that a search has found.
    Found {
        /// Its number.
        which: Reg,
        /// Points to its counter of lost events.
        counter: Reg,
        /// What it denies with, if it does.
        errno: Option<Operand>,
    },
}

impl Builder<'_> {
    /// Does what a rule does besides denying, and goes to `next`.
    pub(super) fn record(&mut self, rule: RuleId, verdict: Verdict, next: Label) {
        if self.policy.rules[rule.0 as usize].audit.is_some() {
            let recorded = self.fresh_label();
            self.event(rule, Which::Rule(rule), self.act(), verdict, recorded);
            self.place(recorded);
        } else {
            self.would_deny(self.errno(rule), Operand::Imm(rule.0.cast_signed()));
        }
        self.effects(rule);
        self.jump(next);
    }

    /// Sends the signal of a rule, if it has one, and notes what it marks.
    pub(super) fn effects(&mut self, rule: RuleId) {
        let policy = self.policy;
        self.note_marks(rule);
        if let Some(kill) = &policy.rules[rule.0 as usize].kill {
            self.span = kill.span;
            self.call_only(helper::SEND_SIGNAL, &[Operand::Imm(kill.signal)]);
        }
    }

    /// Writes the event of the rule whose number is in a register, which records the same as `like` and denies with `errno`, if
    /// it does, and goes to `next`.
    pub(super) fn event_of(&mut self, like: RuleId, which: Reg, errno: Option<Operand>, verdict: Verdict, next: Label) {
        let act = self.act_of(which, next);
        self.branch_away(jmp::JGT, true, act, Operand::Imm(Act::Try as i32), next);
        let counter = self.entry_of(RelocationKind::Lost(RuleId(0)), 8, which, next);
        self.event(like, Which::Found { which, counter, errno }, act, verdict, next);
    }

    /// Writes an event as `rule` records it, if it does, for a rule that does this much, and goes to `next`.
    fn event(&mut self, rule: RuleId, which: Which, act: Reg, verdict: Verdict, next: Label) {
        let policy = self.policy;
        let Some(audit) = &policy.rules[rule.0 as usize].audit else {
            return self.jump(next);
        };
        self.span = audit.span;
        self.rule = rule;
        let layout = event::layout(audit);
        let (room, lost) = (self.fresh_label(), self.fresh_label());
        let over = audit.limit.map(|limit| self.within_limit(which, limit, next));

        let events = self.code.events();
        self.push(Inst::Address { dst: Reg(1), of: events });
        self.push(Inst::Mov { dst: Reg(2), src: Operand::Imm(layout.bytes as i32), wide: true, reloc: None });
        self.push(Inst::Mov { dst: Reg(3), src: Operand::Imm(0), wide: true, reloc: None });
        self.push(Inst::Call { helper: helper::RINGBUF_RESERVE, args: 3 });
        let found = self.copy(Reg(0), true);
        self.branch(jmp::JNE, true, found, Operand::Imm(0), room, lost);
        let number = match which {
            Which::Rule(rule) => Operand::Imm(rule.0.cast_signed()),
            Which::Found { which, .. } => Operand::Reg(which),
        };

        // What is rare comes first: so what is written runs into what follows.
        self.place(lost);
        self.invoke(NO_ROOM, &[number]);
        self.jump(next);

        self.place(room);
        let errno = match which {
            Which::Rule(rule) => self.errno(rule),
            Which::Found { errno, .. } => errno,
        };
        let said = self.said(errno, act, verdict);
        let counter = match which {
            Which::Rule(rule) => {
                let counter = self.fresh();
                self.push(Inst::Address { dst: counter, of: RelocationKind::Lost(rule) });
                counter
            }
            Which::Found { counter, .. } => counter,
        };
        self.invoke(HEAD, &[Operand::Reg(found), number, said, Operand::Reg(counter)]);
        let room = self.copy(Reg(0), true);
        // What the head says need not be asked again.
        self.once(Key::PidTgid, |build| build.word(room, abi::PID_TGID as i16));
        self.once(Key::UidGid, |build| build.word(room, abi::UID_GID as i16));
        if let Some(counter) = over {
            let count = self.word(counter, 0);
            self.store(room, abi::HEADER_BYTES, Operand::Reg(count), 8);
        }
        for &offset in &layout.holed {
            // The buffer holds what was there before; nothing of it may be taken for a value. Fields come later.
            self.store(room, offset, Operand::Imm(0), 8);
        }
        for (index, (field, &offset)) in audit.fields.iter().zip(&layout.offsets).enumerate() {
            self.span = field.value.span;
            self.field_of_event(room, index, field, offset);
        }
        self.span = audit.span;
        self.call_only(helper::RINGBUF_SUBMIT, &[Operand::Reg(room), Operand::Imm(0)]);
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

    fn field_of_event(&mut self, room: Reg, index: usize, field: &Field, offset: u32) {
        if !field.value.unreadable() {
            // Nothing leads there.
            let never = self.fresh_label();
            return self.copy_field(room, &field.value, offset, never);
        }
        let (unknown, done) = (self.fresh_label(), self.fresh_label());
        self.copy_field(room, &field.value, offset, unknown);
        self.jump(done);
        if self.reached(unknown) {
            self.place(unknown);
            // A text ends at its NUL, whatever is behind it.
            let bytes = if let Ty::Text { .. } = field.value.ty { 8 } else { event::bytes(field.value.ty) };
            self.zero(room, offset, bytes);
            let mask = self.word(room, abi::UNKNOWN as i16);
            let bit = 1u64 << index;
            let src = match i32::try_from(bit.cast_signed()) {
                Ok(imm) => Operand::Imm(imm),
                Err(_) => Operand::Reg(self.constant(bit)),
            };
            self.push(Inst::Alu { op: alu::OR, wide: true, dst: mask, src, reloc: None });
            self.store(room, abi::UNKNOWN, Operand::Reg(mask), 8);
            self.jump(done);
        }
        self.place(done);
    }

    /// Writes a constant text in whole words. An instruction has room for half a word, or for one that is its half's extension.
    fn literal_field(&mut self, room: Reg, text: &[u8], offset: u32, bytes: u32) {
        let mut words = text.to_vec();
        words.resize(bytes as usize, 0);
        for (word, at) in words.as_chunks::<8>().0.iter().zip((offset..).step_by(8)) {
            let word = i64::from_le_bytes(*word);
            if let Ok(word) = i32::try_from(word) {
                self.store(room, at, Operand::Imm(word), 8);
                continue;
            }
            for (at, half) in [(at, word), (at + 4, word >> 32)] {
                self.store(room, at, Operand::Imm((half as u32).cast_signed()), 4);
            }
        }
    }

    fn copy_field(&mut self, room: Reg, value: &Value, offset: u32, unknown: Label) {
        if let Ty::Text { .. } = value.ty {
            return self.text_field(room, value, offset, unknown);
        }
        if value.ty == Ty::Ip {
            let (high, low) = self.ip(value, unknown);
            self.store(room, offset, Operand::Reg(high), 8);
            return self.store(room, offset + 8, Operand::Reg(low), 8);
        }
        if let ValueKind::Literal(text) = &value.kind {
            return self.literal_field(room, text, offset, event::bytes(value.ty));
        }
        let Ty::Str { bytes } = value.ty else {
            let bytes = event::bytes(value.ty);
            let src = match &value.kind {
                ValueKind::Const(number) => match i32::try_from((*number as u64).cast_signed()) {
                    Ok(imm) => Operand::Imm(imm),
                    Err(_) => Operand::Reg(self.constant(*number as u64)),
                },
                _ if bytes <= 4 && matches!(value.ty, Ty::Int(_)) => Operand::Reg(self.low(value, unknown)),
                _ => Operand::Reg(self.value(value, unknown)),
            };
            return self.store(room, offset, src, bytes);
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
            self.store(room, offset + at, Operand::Reg(reg), size);
        }
    }
}
