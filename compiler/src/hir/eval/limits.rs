//! Rate limits: `audit limit 2/s`.
//!
//! ```text
//! at 0.1 s, 0.2 s, 0.9 s and 1.2 s      recorded, recorded, suppressed, recorded: the last one begins a new window
//! ```

use std::collections::BTreeMap;

use crate::hir::Limit;

/// Windows by the name of the rule; a rule without one has recorded nothing.
pub type Windows = BTreeMap<String, Window>;

/// The current period of a rule's limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Start of the period, in nanoseconds since boot.
    pub began: u64,
    /// Events recorded in this period.
    pub events: u64,
    /// Events suppressed in this and all earlier periods.
    pub over: u64,
}

impl Window {
    /// Counts an event; returns true if it is recorded.
    pub(super) fn admits(&mut self, limit: Limit, now: u64) -> bool {
        // The clock is monotonic, but CPUs read it at slightly different times.
        if now.wrapping_sub(self.began) >= limit.per.ns() {
            *self = Window { began: now, events: 0, ..*self };
        }
        let within = self.events < u64::from(limit.count);
        *(if within { &mut self.events } else { &mut self.over }) += 1;
        within
    }
}
