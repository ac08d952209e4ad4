//! The layout of events: fields follow the header in source order.
//!
//! ```text
//! 0          header of 72 bytes (`krsi_abi::event`)
//! 72         u64 events over the limit, for a rule with `limit`
//! 72 or 80   fields, each at a multiple of its size; texts, addresses and strings at a multiple of 8
//! ```
//!
//! Multiples of 8 allow strings to be copied 8 bytes at a time. Words with padding are listed, because
//! `bpf_ringbuf_reserve` does not clear its memory.

use krsi_abi::event::HEADER_BYTES;

use crate::hir::{Audit, Policy, Ty};
use crate::limits::TEXT_BYTES;

/// The layout of one rule's event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Offsets of the fields, in source order.
    pub offsets: Vec<u32>,
    /// Offsets of the words that contain padding; no padding crosses a word boundary.
    pub padded_words: Vec<u32>,
    /// Size of the whole event.
    pub bytes: u32,
}

/// Returns the size of a value in an event.
#[must_use]
pub fn bytes(ty: Ty) -> u32 {
    match ty {
        Ty::Int(int) => int.bytes,
        Ty::Bool => 1,
        Ty::Ptr(_) => 8,
        Ty::Ip => 16,
        Ty::Str { bytes } => bytes,
        Ty::Text { .. } => TEXT_BYTES,
    }
}

/// The number of the policy's largest events that the ring buffer holds at least, so that events survive
/// while `krsi events` is busy.
const EVENTS_MIN: u32 = 64;

/// Returns the size of the ring buffer that a policy needs, a power of two.
#[must_use]
pub fn ring_bytes(policy: &Policy) -> u32 {
    let largest = policy.rules.iter().filter_map(|rule| rule.audit.as_ref()).map(|audit| layout(audit).bytes).max();
    // The kernel prepends a header of 8 bytes (`struct bpf_ringbuf_hdr`).
    (EVENTS_MIN * (largest.unwrap_or(0) + 8)).next_power_of_two().max(krsi_abi::EVENTS_BYTES)
}

/// Computes the layout of an event.
#[must_use]
pub fn layout(audit: &Audit) -> Layout {
    // With a limit, the count of events over it follows the header.
    let mut at = HEADER_BYTES + if audit.limit.is_some() { 8 } else { 0 };
    let (mut offsets, mut padded_words) = (Vec::with_capacity(audit.fields.len()), Vec::new());
    let mut align = |at: &mut u32, to: u32| {
        let aligned = at.next_multiple_of(to);
        if aligned != *at {
            // No gap crosses a multiple of 8, since every alignment divides 8.
            padded_words.push(*at / 8 * 8);
        }
        *at = aligned;
    };
    for field in &audit.fields {
        let size = bytes(field.value.ty);
        align(&mut at, if matches!(field.value.ty, Ty::Str { .. } | Ty::Text { .. } | Ty::Ip) { 8 } else { size });
        offsets.push(at);
        at += size;
    }
    align(&mut at, 8);
    padded_words.dedup();
    Layout { offsets, padded_words, bytes: at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hir::{AuditField, Int, Value, ValueKind};
    use krs_grammar::ast::Span;

    fn of(types: &[Ty]) -> Layout {
        let field = |ty: &Ty| AuditField {
            name: String::new(),
            value: Value { span: Span::default(), ty: *ty, kind: ValueKind::Const(0) },
        };
        layout(&Audit { span: Span::default(), message: None, fields: types.iter().map(field).collect(), limit: None })
    }

    #[test]
    fn each_word_with_padding_is_listed_once() {
        let int = |bytes| Ty::Int(Int { bytes, signed: false, names: None });
        let at = HEADER_BYTES;
        assert_eq!(
            of(&[int(8), int(4), int(4)]),
            Layout { offsets: vec![at, at + 8, at + 12], padded_words: vec![], bytes: at + 16 }
        );
        // One gap between the fields and one after them.
        assert_eq!(of(&[int(1), int(2)]), Layout { offsets: vec![at, at + 2], padded_words: vec![at], bytes: at + 8 });
        let all = of(&[int(4), Ty::Ip, Ty::Bool]);
        assert_eq!((all.offsets, all.padded_words), (vec![at, at + 8, at + 24], vec![at, at + 24]));
        assert_eq!(of(&[Ty::Str { bytes: 12 }]).padded_words, [at + 8]);
    }
}
