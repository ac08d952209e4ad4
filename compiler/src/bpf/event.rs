//! Where the fields of an event go: behind the header in the order written, each at a multiple of its
//! size, strings at a multiple of 8 so that they can be copied 8 bytes at a time.

use krsi_abi::event::HEADER_BYTES;

use crate::hir::{Audit, Policy, Ty};
use crate::limits::TEXT_BYTES;

/// Places of an event's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// By field.
    pub offsets: Vec<u32>,
    /// Where eight bytes begin of which fields do not cover all; none is between those of two.
    pub holed: Vec<u32>,
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
    let (mut offsets, mut holed) = (Vec::with_capacity(audit.fields.len()), Vec::new());
    let mut align = |at: &mut u32, to: u32| {
        let aligned = at.next_multiple_of(to);
        if aligned != *at {
            // No gap reaches beyond the next multiple of 8.
            holed.push(*at / 8 * 8);
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
    holed.dedup();
    Layout { offsets, holed, bytes: at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hir::{Field, Int, Value, ValueKind};
    use krs_grammar::ast::Span;

    fn of(types: &[Ty]) -> Layout {
        let field = |ty: &Ty| Field {
            name: String::new(),
            value: Value { span: Span::default(), ty: *ty, kind: ValueKind::Const(0) },
        };
        layout(&Audit { span: Span::default(), message: None, fields: types.iter().map(field).collect(), limit: None })
    }

    #[test]
    fn each_word_with_a_gap_is_known_once() {
        let int = |bytes| Ty::Int(Int { bytes, signed: false, names: None });
        let at = HEADER_BYTES;
        assert_eq!(
            of(&[int(8), int(4), int(4)]),
            Layout { offsets: vec![at, at + 8, at + 12], holed: vec![], bytes: at + 16 }
        );
        // One gap between the fields and one behind them.
        assert_eq!(of(&[int(1), int(2)]), Layout { offsets: vec![at, at + 2], holed: vec![at], bytes: at + 8 });
        let all = of(&[int(4), Ty::Ip, Ty::Bool]);
        assert_eq!((all.offsets, all.holed), (vec![at, at + 8, at + 24], vec![at, at + 24]));
        assert_eq!(of(&[Ty::Str { bytes: 12 }]).holed, [at + 8]);
    }
}
