//! How many events of a rule are recorded: `audit limit 2/s`.
//!
//! ```text
//! at 0.1 s, 0.2 s, 0.9 s and 1.2 s      recorded, recorded, over, recorded: the second time begins with it
//! ```

use std::collections::BTreeMap;

use crate::hir::Limit;

/// By the rule's name; those that are not here have recorded nothing.
pub type Windows = BTreeMap<String, Window>;

/// The time that a rule's limit is for at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// When it began, in nanoseconds since boot.
    pub began: u64,
    /// Events recorded in it.
    pub events: u64,
    /// Events over the limit, in this one and all before it.
    pub over: u64,
}

impl Window {
    /// Whether another event is recorded.
    pub(super) fn admits(&mut self, limit: Limit, now: u64) -> bool {
        // Time never goes back, but processors see it at slightly different times.
        if now.wrapping_sub(self.began) >= limit.per.ns() {
            *self = Window { began: now, events: 0, ..*self };
        }
        let within = self.events < u64::from(limit.count);
        *(if within { &mut self.events } else { &mut self.over }) += 1;
        within
    }
}
