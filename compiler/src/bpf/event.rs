//! Where the fields of an event go: behind the header in the order written, each at a multiple of its
//! size, strings at a multiple of 8 so that they can be copied 8 bytes at a time.

use krsi_abi::event::HEADER_BYTES;

use crate::hir::{Audit, Policy, TEXT_BYTES, Ty};

/// Places of an event's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// By field.
    pub offsets: Vec<u32>,
    /// Bytes that no field covers: offset and length.
    pub gaps: Vec<(u32, u32)>,
    /// Of the whole record.
    pub bytes: u32,
}

/// Bytes that a value takes in an event.
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

/// Events that the ring buffer has room for at least, each the policy's largest: it holds what comes while `krsi events` is
/// not at it.
const EVENTS_MIN: u32 = 64;

/// Bytes of the ring buffer that a policy needs; a power of two.
#[must_use]
pub fn ring_bytes(policy: &Policy) -> u32 {
    let largest = policy.rules.iter().filter_map(|rule| rule.audit.as_ref()).map(|audit| layout(audit).bytes).max();
    // Each has a head of 8 bytes there.
    (EVENTS_MIN * (largest.unwrap_or(0) + 8)).next_power_of_two().max(krsi_abi::EVENTS_BYTES)
}

/// Lays an event out.
#[must_use]
pub fn layout(audit: &Audit) -> Layout {
    // Behind the head a rule with a limit tells how many events were over it.
    let mut at = HEADER_BYTES + if audit.limit.is_some() { 8 } else { 0 };
    let (mut offsets, mut gaps) = (Vec::with_capacity(audit.fields.len()), Vec::new());
    let mut align = |at: &mut u32, to: u32| {
        let aligned = at.next_multiple_of(to);
        if aligned != *at {
            gaps.push((*at, aligned - *at));
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
    Layout { offsets, gaps, bytes: at }
}
