//! The meaning of a policy's rules for one call of a hook.
//!
//! ```text
//! r0: on file_open deny EACCES     r1: on file_open deny EBUSY audit     mode of r0: permissive
//! r0 would deny EACCES, r1 denies EBUSY: the operation fails with EBUSY, two events
//! ```
//!
//! The definition is `docs/language.md`, section "Rules": all rules on a hook are evaluated in source order;
//! the errno is that of the first matching rule in enforce mode that denies; all matching rules take effect.
//! Labels are read as they were before the call, and a label that is both set and removed is set.
//!
//! Absent: conditions (`expr`), and the text of a rule (`make`).

use std::collections::BTreeMap;

use krsi_abi::modes::Mode;

use super::expr::{Cond, Eval, Known, Labels, Number, Place, World};

/// Major and minor version of a kernel.
pub type Version = (u32, u32);

/// A rule of a policy.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// The name before `:`.
    pub name: String,
    /// Names of the kernel's hooks, with aliases resolved.
    pub hooks: Vec<&'static str>,
    /// The rule's condition and those of the enclosing blocks, all of which must be true.
    pub when: Vec<Cond>,
    /// Condition that must not be true.
    pub unless: Option<Cond>,
    /// The errno of a denial.
    pub deny: Option<i32>,
    /// Fields and limit of the event.
    pub audit: Option<Audit>,
    /// The signal to send, if any.
    pub kill: Option<i32>,
    /// Labels that are set (true) or removed, each with its object.
    pub marks: Vec<(bool, String, Place)>,
    /// True if the rule has `@permissive`.
    pub permissive: bool,
    /// Version given by `@since`, if any.
    pub since: Option<Version>,
}

/// An `audit` action of a rule.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Values to record in the event.
    pub fields: Vec<Field>,
    /// The maximum number of events, and the length of the window in nanoseconds.
    pub limit: Option<(u64, u64)>,
}

/// A field of an event.
#[derive(Clone, Debug)]
pub enum Field {
    /// The value of an integer expression.
    Number(Number),
    /// A text or an address.
    Place(Place),
    /// The truth value of a condition.
    Cond(Cond),
}

/// An event of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Name of the rule.
    pub rule: String,
    /// The errno of a denial that is not enforced.
    pub would_deny: Option<i32>,
    /// Number of events over the rule's limit so far, if it has one.
    pub over: Option<u64>,
    /// Values of the fields; `None` for an unknown value.
    pub fields: Vec<Option<Known>>,
}

/// The outcome of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The positive errno, or 0.
    pub errno: i32,
    /// Events in source order.
    pub events: Vec<Event>,
    /// Signals in ascending order.
    pub signals: Vec<i32>,
    /// Labels after the call; objects without labels are omitted.
    pub labels: Labels,
}

/// The current time window of a limit.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The time of its first event.
    began: u64,
    /// Number of events recorded in it.
    events: u64,
}

/// State that a call leaves to later calls.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The current window of each rule.
    windows: BTreeMap<String, Window>,
    /// Number of events over each rule's limit, over all windows.
    over: BTreeMap<String, u64>,
}

/// The circumstances of a call.
pub struct Call<'c> {
    /// Name of the kernel's hook.
    pub hook: &'static str,
    /// The first kernel that is known to have it.
    pub introduced: Version,
    /// Version of the running kernel.
    pub kernel: Version,
    /// Versions of all kernels that the compiler supports.
    pub known: &'c [Version],
    /// Modes that were set by rule name.
    pub modes: &'c BTreeMap<String, Mode>,
    /// Time in nanoseconds since boot.
    pub now: u64,
}

impl Call<'_> {
    /// Returns true if a rule is active on the running kernel. The kernel must have the hook. Its version
    /// matters only if a known kernel older than the rule's version also has the hook, so that the hook's
    /// presence implies nothing.
    fn active(&self, rule: &Rule) -> bool {
        let Some(since) = rule.since else { return true };
        let tells_nothing = self.known.iter().any(|known| *known < since && *known >= self.introduced);
        self.kernel >= self.introduced && (!tells_nothing || self.kernel >= since)
    }

    /// Returns the outcome of the call.
    pub fn outcome(&self, rules: &[Rule], world: &World, kept: &mut Kept) -> Outcome {
        let eval = Eval { world, ancestor: None };
        let mut outcome = Outcome::default();
        let mut marks = Vec::new();
        for rule in rules.iter().filter(|rule| rule.hooks.contains(&self.hook) && self.active(rule)) {
            let first = if rule.permissive { Mode::Permissive } else { Mode::Enforce };
            let mode = self.modes.get(&rule.name).copied().unwrap_or(first);
            let fires = rule.when.iter().all(|cond| eval.cond(cond) == Some(true))
                && rule.unless.as_ref().is_none_or(|cond| eval.cond(cond) != Some(true));
            if !fires || mode == Mode::Off {
                continue;
            }
            let would_deny = rule.deny.filter(|_| mode == Mode::Permissive);
            if mode == Mode::Enforce && outcome.errno == 0 {
                outcome.errno = rule.deny.unwrap_or(0);
            }
            if (rule.audit.is_some() || would_deny.is_some()) && kept.admits(rule, self.now) {
                let limited = rule.audit.as_ref().is_some_and(|audit| audit.limit.is_some());
                let fields = rule.audit.iter().flat_map(|audit| &audit.fields);
                outcome.events.push(Event {
                    rule: rule.name.clone(),
                    would_deny,
                    over: limited.then(|| kept.over(&rule.name)),
                    fields: fields.map(|field| field.value(&eval)).collect(),
                });
            }
            outcome.signals.extend(rule.kill);
            marks.extend(rule.marks.iter().map(|(set, label, place)| (*set, label, eval.object(place))));
        }
        outcome.signals.sort_unstable();
        outcome.labels = world.labels.clone();
        for pass in [false, true] {
            for (_, label, object) in marks.iter().filter(|(set, ..)| *set == pass) {
                let Some(object) = object else { continue };
                let labels = outcome.labels.entry(*object).or_default();
                if pass {
                    labels.insert((*label).clone())
                } else {
                    labels.remove(*label)
                };
            }
        }
        outcome.labels.retain(|_, labels| !labels.is_empty());
        outcome
    }
}

impl Field {
    fn value(&self, eval: &Eval<'_>) -> Option<Known> {
        match self {
            Field::Number(number) => eval.number(number).map(Known::Number),
            Field::Place(place) => eval.place(place),
            Field::Cond(cond) => eval.cond(cond).map(|known| Known::Number(i128::from(known))),
        }
    }
}

impl Kept {
    /// Counts an event of a rule; returns false if it exceeds the rule's limit.
    fn admits(&mut self, rule: &Rule, now: u64) -> bool {
        let Some((most, per)) = rule.audit.as_ref().and_then(|audit| audit.limit) else { return true };
        let window = self.windows.entry(rule.name.clone()).or_insert(Window { began: now, events: 0 });
        if now - window.began >= per {
            *window = Window { began: now, events: 0 };
        }
        if window.events < most {
            window.events += 1;
            return true;
        }
        *self.over.entry(rule.name.clone()).or_default() += 1;
        false
    }

    /// Returns the number of events over a rule's limit so far.
    fn over(&self, rule: &str) -> u64 {
        self.over.get(rule).copied().unwrap_or(0)
    }

    /// Returns the number of events over all limits.
    pub fn all_over(&self) -> u64 {
        self.over.values().sum()
    }
}
