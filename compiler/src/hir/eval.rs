//! Reference evaluator: the meaning of a typed policy, one rule and one operator at a time, without sharing
//! or reordering.
//!
//! ```text
//! on file_open when file.inode.uid == 0 deny audit { file.flags }      with file.inode = null, file.flags = 2
//!   when: unknown, so the rule does not match
//! outcome: allowed, no events, no signals
//! ```
//!
//! A rule in permissive mode only records that it would deny; a rule that is off has no effect.
//!
//! The evaluator is the oracle for all later stages: differential tests compare generated code and running
//! kernels with it. It therefore shares no code with those stages, globs included, and obtains everything
//! that it does not compute from a [`World`].
//!
//! Absent: how a program finds a field, cost, and the transport of events.

mod endpoints;
mod labels;
mod limits;
mod text;

use std::cell::Cell;
use std::collections::BTreeSet;

pub use labels::{Entry, Labels, ObjectKey};
pub use limits::{Window, Windows};
pub use text::passes;

use super::since::Since;
use super::{
    Access, ArgId, Atom, AtomKind, Binary, Compare, Cond, EndpointField, FileField, Hook, HookId, Int, Mark, Members,
    Mode, Policy, Rule, RuleId, Shape, Step, TaskField, TextSource, TextTest, Ty, Unary, Value, ValueKind, walk,
};

/// The environment of one call of a hook. Addresses are opaque numbers, except for 0, which is null.
pub trait World {
    /// Returns an argument of the hook. Only the low bits of a narrow one are significant.
    fn argument(&self, name: &str) -> u64;
    /// Returns true if a rule with `@since` is active on this kernel.
    fn active(&self, since: &Since) -> bool;
    /// Returns the current elements of a dynamic set.
    fn elements(&self, set: &str) -> &[Vec<Element>];
    /// Returns the nanoseconds since boot.
    fn now(&self) -> u64;
    /// Returns the value of a parameter that was set at load time; `None` means the default.
    fn param(&self, name: &str) -> Option<i128>;
    /// Returns device and inode number of a file that was found at load time.
    fn found(&self, path: &str) -> Option<(u64, u64)>;
    /// Returns the value of an enumerator on this kernel.
    fn enumerator(&self, of: &str, name: &str) -> Option<i64>;
    /// Returns true if this kernel has a field.
    fn has(&self, access: &Access) -> bool;
    /// Returns the bits of a field, those of a bitfield right-aligned; `None` if it cannot be read.
    fn number(&self, at: u64, access: &Access) -> Option<u64>;
    /// Returns the bytes of an inline array.
    fn characters(&self, at: u64, access: &Access) -> Option<Vec<u8>>;
    /// Returns the address of a field.
    fn address(&self, at: u64, access: &Access) -> Option<u64>;
    /// Returns `count` bytes at an address.
    fn bytes(&self, at: u64, count: usize) -> Option<Vec<u8>>;
    /// Returns the NUL-terminated string at an address, of any length, without its NUL.
    fn text(&self, at: u64) -> Option<Vec<u8>>;
    /// Returns the full path of a dentry on a mount.
    fn path(&self, dentry: u64, mount: u64) -> Option<Vec<u8>>;
    /// Returns the path of a node in the cgroup hierarchy.
    fn cgroup(&self, node: u64) -> Option<Vec<u8>>;
    /// Returns the address of the current task.
    fn current(&self) -> u64;
    /// Returns a property of the current task other than its name.
    fn task(&self, field: TaskField) -> u64;
    /// Returns the name of the current task.
    fn comm(&self) -> [u8; 16];
    /// Returns the labels of all objects before the call.
    fn labels(&self) -> Labels;
    /// Returns the rate-limit windows of all rules before the call.
    fn windows(&self) -> Windows;
    /// Returns the mode of a rule; `None` means its initial mode.
    fn mode(&self, _rule: &str) -> Option<Mode> {
        None
    }
}

/// One column of an element of a dynamic set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// An integer of any type.
    Number(i128),
    /// An IPv4 or IPv6 address.
    Ip(u128),
    /// A network: its first address and the length of the prefix in bits.
    Network(u128, u32),
    /// A text without NUL.
    Text(Vec<u8>),
}

impl Element {
    fn holds(&self, value: &Datum) -> bool {
        match (self, value) {
            (Element::Number(number), Datum::Number(value)) => number == value,
            (Element::Ip(address), Datum::Ip(value)) => address == value,
            (Element::Network(first, bits), Datum::Ip(value)) => {
                let rest = 128 - bits;
                rest == 128 || first >> rest == value >> rest
            }
            (Element::Text(text), Datum::Text(value)) => text == value,
            _ => false,
        }
    }
}

/// The result of evaluating a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datum {
    /// An integer as a mathematical number, a bool as 0 or 1, or a pointer.
    Number(i128),
    /// An IPv4 or IPv6 address.
    Ip(u128),
    /// A string without its terminating NUL.
    Text(Vec<u8>),
}

/// The effects of one call of a hook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The positive errno that the operation fails with; 0 if it is allowed.
    pub errno: i32,
    /// The verdict of the rules, which events contain. It differs from `errno` if a label cannot be stored,
    /// which denies the operation after the rules.
    pub decided: i32,
    /// Recorded events, in source order.
    pub events: Vec<Event>,
    /// Signals sent to the current task, in source order.
    pub signals: Vec<i32>,
    /// The labels of all objects after the call.
    pub labels: Labels,
    /// The rate-limit windows of all rules after the call.
    pub windows: Windows,
    /// Rules that read a text, an address or an ancestor that cannot be read, even if the value is not needed.
    pub unread: BTreeSet<RuleId>,
    /// The rule that acts although it is undecided, if there is one: see [`Eval::in_doubt`].
    pub doubted: Option<RuleId>,
    /// The rules among those that are not off and are unknown for this reason only.
    pub undecided: BTreeSet<RuleId>,
}

/// An event of a rule that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The rule that matched.
    pub rule: RuleId,
    /// The positive errno of a rule in permissive mode.
    pub would_deny: Option<i32>,
    /// The rule is undecided: a value that could not be read counts against the operation.
    pub undecided: bool,
    /// Number of events of the rule that its limit has suppressed so far.
    pub over: Option<u64>,
    /// The values of its fields; `None` for one that cannot be read. The event of an undecided rule that is permissive
    /// has none.
    pub fields: Vec<Option<Datum>>,
}

/// Evaluates all rules on a hook.
#[must_use]
pub fn outcome(policy: &Policy, hook: HookId, world: &dyn World) -> Outcome {
    let Hook { name, void, .. } = &policy.hooks[hook.index()];
    let call = labels::Call { policy, hook: name, void: *void, world };
    let mut outcome = Outcome { labels: world.labels(), windows: world.windows(), ..Outcome::default() };
    if let Err(errno) = call.begin(&mut outcome.labels) {
        return Outcome { errno, ..outcome };
    }
    // All rules see the labels from before the call.
    let before = outcome.labels.clone();
    let missing = Cell::default();
    let eval = Eval { policy, hook, world, labels: &before, ancestor: None, missing: &missing };
    let mut marks = Vec::new();
    // The undecided rules that deny, with their modes.
    let mut in_doubt = Vec::new();
    for (id, rule) in policy.rules.iter().enumerate() {
        let id = RuleId(id as u32);
        let active = rule.since.as_ref().is_none_or(|since| world.active(since));
        if rule.hook != hook || !active {
            continue;
        }
        let mode = world.mode(&rule.name).unwrap_or(rule.first_mode());
        let matches = eval.matches(rule, id, &mut outcome);
        if mode == Mode::Off {
            outcome.undecided.remove(&id);
            continue;
        }
        if matches {
            eval.act(id, mode, false, &call, &mut outcome, &mut marks);
        } else if rule.deny.is_some() && eval.denies_in_doubt(rule) {
            in_doubt.push((id, mode));
        }
    }
    if outcome.errno == 0 && !eval.in_kernel_thread() {
        for (id, mode) in in_doubt {
            let rule = &policy.rules[id.0 as usize];
            if mode == Mode::Enforce {
                outcome.doubted = Some(id);
                eval.act(id, mode, true, &call, &mut outcome, &mut marks);
                break;
            }
            let would_deny = rule.errno();
            outcome.events.push(Event { rule: id, would_deny, undecided: true, over: None, fields: Vec::new() });
        }
        outcome.events.sort_by_key(|event| event.rule);
    }
    outcome.decided = outcome.errno;
    if !call.mark(&marks, &mut outcome.labels) && outcome.errno == 0 {
        outcome.errno = labels::ENOMEM;
    }
    call.forget_destroyed(&mut outcome.labels);
    outcome
}

/// Evaluates a condition; `None` is unknown.
#[must_use]
pub fn condition(policy: &Policy, hook: HookId, cond: &Cond, world: &dyn World) -> Option<bool> {
    Eval { policy, hook, world, labels: &world.labels(), ancestor: None, missing: &Cell::default() }.cond(cond)
}

/// Evaluates a value; `None` if it cannot be read. `ancestor` is the value of [`ValueKind::Ancestor`].
#[must_use]
pub fn value(policy: &Policy, hook: HookId, value: &Value, ancestor: Option<u64>, world: &dyn World) -> Option<Datum> {
    Eval { policy, hook, world, labels: &world.labels(), ancestor, missing: &Cell::default() }.value(value)
}

/// Maximum length of a text; a longer one is unknown.
const TEXT_MAX: usize = 4095;

/// Maximum number of ancestors that are tested.
const ANCESTORS_MAX: usize = 128;

struct Eval<'a> {
    policy: &'a Policy,
    hook: HookId,
    world: &'a dyn World,
    labels: &'a Labels,
    /// The ancestor that is being tested.
    ancestor: Option<u64>,
    missing: &'a Cell<Missing>,
}

/// Counts of values that could not be read.
#[derive(Clone, Copy, Default)]
struct Missing {
    /// Texts, addresses and ancestors that could not be read.
    unread: u32,
    /// Tests that are unknown for any other reason, usually a null pointer.
    absent: u32,
}

impl<'a> Eval<'a> {
    /// Performs the actions of a rule in a mode other than `off`.
    fn act(
        &self,
        id: RuleId,
        mode: Mode,
        undecided: bool,
        call: &labels::Call<'a>,
        outcome: &mut Outcome,
        marks: &mut Vec<(&'a Mark, ObjectKey)>,
    ) {
        let rule = &self.policy.rules[id.0 as usize];
        let would_deny = rule.deny.as_ref().filter(|_| mode == Mode::Permissive).map(|deny| deny.errno);
        if let (Some(deny), None) = (&rule.deny, would_deny)
            && outcome.errno == 0
        {
            outcome.errno = deny.errno;
        }
        let limit = rule.audit.as_ref().and_then(|audit| audit.limit);
        let (mut within, mut over) = (true, None);
        if let Some(limit) = limit {
            let window = outcome.windows.entry(rule.name.clone()).or_default();
            within = window.admits(limit, self.world.now());
            over = Some(window.over);
        }
        if within && (rule.audit.is_some() || would_deny.is_some()) {
            let fields =
                rule.audit.iter().flat_map(|audit| &audit.fields).map(|field| self.value(&field.value)).collect();
            outcome.events.push(Event { rule: id, would_deny, undecided, over, fields });
        }
        outcome.signals.extend(rule.kill.as_ref().map(|kill| kill.signal));
        for mark in &rule.marks {
            let object = self.pointer(&mark.object);
            let on = self.policy.labels[mark.label.index()].on;
            let known = object.and_then(|object| call.object(on, object, &mark.object));
            marks.extend(known.map(|known| (mark, known)));
        }
    }

    /// Returns true if a rule that does not match would, were every test of an unreadable value to count
    /// against the operation: as satisfied in `when`, as not satisfied in `unless`.
    fn denies_in_doubt(&self, rule: &Rule) -> bool {
        rule.when.as_ref().is_some_and(|cond| self.in_doubt(cond, true))
            && rule.unless.as_ref().is_none_or(|cond| self.cond(cond) != Some(true))
    }

    /// Returns true if a condition is `sense`, or could be because a value is unreadable.
    fn in_doubt(&self, cond: &Cond, sense: bool) -> bool {
        match cond {
            Cond::Const(known) => *known == sense,
            Cond::Not(inner) => self.in_doubt(inner, !sense),
            Cond::And(left, right) | Cond::Or(left, right) if matches!(cond, Cond::And(..)) == sense => {
                self.in_doubt(left, sense) && self.in_doubt(right, sense)
            }
            Cond::And(left, right) | Cond::Or(left, right) => self.in_doubt(left, sense) || self.in_doubt(right, sense),
            Cond::Atom(atom) => match &atom.kind {
                AtomKind::AnyAncestor { of, cond, .. } => {
                    self.test(atom) == Some(sense)
                        || self.pointer(of).is_some_and(|task| self.ancestors_in_doubt(task, cond, sense))
                }
                _ => {
                    self.test(atom) == Some(sense)
                        || self.reads_unreadable(atom) && !(sense && self.has_other_name(atom))
                }
            },
        }
    }

    /// Returns true if one of the ancestors that a walk visits could meet a condition or there are more; or,
    /// without `sense`, if all that it visits could fail to.
    fn ancestors_in_doubt(&self, task: u64, cond: &Cond, sense: bool) -> bool {
        let (ancestors, more) = self.ancestors(task);
        let mut answers =
            ancestors.into_iter().map(|task| (Eval { ancestor: Some(task), ..*self }).in_doubt(cond, sense));
        if sense { more || answers.any(|could| could) } else { answers.all(|could| could) }
    }

    /// Returns the ancestors of a task up to init, at most [`ANCESTORS_MAX`], and whether there are more.
    fn ancestors(&self, mut task: u64) -> (Vec<u64>, bool) {
        let mut found = Vec::new();
        loop {
            let parent = self.world.number(task, &named("task_struct", &["real_parent"])).filter(|task| *task != 0);
            let Some(pid) = parent.and_then(|task| self.world.number(task, &named("task_struct", &["pid"]))) else {
                return (found, true);
            };
            if pid == 0 || found.len() == ANCESTORS_MAX {
                return (found, pid != 0);
            }
            task = parent.unwrap_or_default();
            found.push(task);
        }
    }

    /// Returns true if a path cannot equal any of a list, because its last component has the length of none of
    /// theirs. The name of the root of a mount is that of the mount point.
    fn has_other_name(&self, atom: &Atom) -> bool {
        let AtomKind::Text { value: Value { kind: ValueKind::Text(text), .. }, test: TextTest::OneOf(set) } =
            &atom.kind
        else {
            return false;
        };
        let TextSource::Path { dentry, mount } = &**text else { return false };
        let (Some(dentry), Some(mount)) = (self.pointer(dentry), self.pointer(mount)) else { return false };
        let root = self.world.number(mount, &named("vfsmount", &["mnt_root"]));
        let length = self.world.number(dentry, &named("dentry", &["d_name", "len"]));
        let fits = |path: &Vec<u8>| {
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            path.ends_with(b")") || length == Some(name.len() as u64)
        };
        root != Some(dentry) && !set.iter().any(fits)
    }

    /// Returns true if a text of a test exists but cannot be read.
    fn reads_unreadable(&self, atom: &Atom) -> bool {
        if matches!(atom.kind, AtomKind::Known(_)) {
            return false;
        }
        let mut texts = Vec::new();
        walk::texts_in_atom(atom, &mut texts);
        let is_absent = |value: &Value| {
            !matches!(value.ty, Ty::Ptr(_)) && self.value(value).is_none() && !self.is_unreadable(value)
        };
        texts.into_iter().any(|text| self.is_unreadable(text)) && !walk::values(&atom.kind).any(is_absent)
    }

    fn is_unreadable(&self, text: &Value) -> bool {
        let before = self.missing.get().unread;
        self.value(text).is_none() && self.missing.get().unread > before
    }

    /// Returns true in a kernel thread other than a worker of io_uring, which acts for a process.
    fn in_kernel_thread(&self) -> bool {
        const PF_IO_WORKER: u64 = 0x10;
        const PF_KTHREAD: u64 = 0x20_0000;
        let flags = self.world.number(self.world.current(), &named("task_struct", &["flags"])).unwrap_or(0);
        flags & (PF_KTHREAD | PF_IO_WORKER) == PF_KTHREAD
    }

    /// Returns true if the conditions of a rule match. All its values are evaluated, even those that are not
    /// needed.
    fn matches(&self, rule: &Rule, id: RuleId, outcome: &mut Outcome) -> bool {
        let start = self.missing.get();
        let [(when, when_unread), (unless, unless_unread)] =
            [(&rule.when, true), (&rule.unless, false)].map(|(cond, none)| {
                let before = self.missing.get();
                let answer = cond.as_ref().map_or(Some(none), |cond| self.cond(cond));
                (answer, answer.is_none() && self.missing.get().absent == before.absent)
            });
        rule.audit.iter().flat_map(|audit| &audit.fields).for_each(|field| drop(self.value(&field.value)));
        if self.missing.get().unread > start.unread {
            outcome.unread.insert(id);
        }
        let when_unread = if rule.deny.is_some() { when.is_none() && self.denies_in_doubt(rule) } else { when_unread };
        if when_unread && unless != Some(true) || when == Some(true) && unless_unread {
            outcome.undecided.insert(id);
        }
        when == Some(true) && unless != Some(true)
    }

    /// Counts a value that could not be read.
    fn read<T>(&self, found: Option<T>) -> Option<T> {
        if found.is_none() {
            let missing = self.missing.get();
            self.missing.set(Missing { unread: missing.unread + 1, ..missing });
        }
        found
    }

    fn cond(&self, cond: &Cond) -> Option<bool> {
        match cond {
            Cond::Const(known) => Some(*known),
            Cond::Not(inner) => self.cond(inner).map(|known| !known),
            Cond::And(left, right) => match (self.cond(left), self.cond(right)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Cond::Or(left, right) => match (self.cond(left), self.cond(right)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Cond::Atom(atom) => self.atom(atom),
        }
    }

    fn atom(&self, atom: &Atom) -> Option<bool> {
        let before = self.missing.get();
        let answer = self.test(atom);
        let missing = self.missing.get();
        if answer.is_none() && missing.unread == before.unread {
            self.missing.set(Missing { absent: missing.absent + 1, ..missing });
        }
        answer
    }

    fn test(&self, atom: &Atom) -> Option<bool> {
        Some(match &atom.kind {
            AtomKind::Compare { op, left, right } => {
                let (left, right) = (self.number(left)?, self.number(right)?);
                match op {
                    Compare::Eq => left == right,
                    Compare::Ne => left != right,
                    Compare::Lt => left < right,
                    Compare::Le => left <= right,
                    Compare::Gt => left > right,
                    Compare::Ge => left >= right,
                }
            }
            AtomKind::AnyBit(value) | AtomKind::True(value) => self.number(value)? != 0,
            AtomKind::AllBits { value, mask } => self.number(value)? as u64 & mask == *mask,
            AtomKind::Null(value) => self.number(value)? == 0,
            AtomKind::Same(left, right) => self.value(left)? == self.value(right)?,
            AtomKind::InSet { values, set } => {
                let values: Vec<Datum> = values.iter().map(|value| self.value(value)).collect::<Option<_>>()?;
                let set = &self.policy.sets[set.index()];
                match &set.members {
                    Members::Static(rows) => rows.iter().any(|row| {
                        row.iter().zip(&values).all(|((low, high), value)| {
                            let value = match value {
                                Datum::Number(number) => u128::from(*number as u64),
                                Datum::Ip(address) => *address,
                                Datum::Text(_) => unreachable!("sets of texts are lists"),
                            };
                            *low <= value && value <= *high
                        })
                    }),
                    Members::Dynamic { .. } => {
                        let elements = self.world.elements(set.name.as_deref().unwrap_or_default());
                        elements
                            .iter()
                            .any(|element| element.iter().zip(&values).all(|(part, value)| part.holds(value)))
                    }
                }
            }
            AtomKind::Label { object, label } => {
                let Hook { name, void, .. } = &self.policy.hooks[self.hook.index()];
                let call = labels::Call { policy: self.policy, hook: name, void: *void, world: self.world };
                let label = &self.policy.labels[label.index()];
                let known = call.object(label.on, self.pointer(object)?, object)?;
                self.labels.entries.get(&known).is_some_and(|entry| entry.labels.contains(&label.name))
            }
            AtomKind::AnyAncestor { of, cond, .. } => return self.any_ancestor(self.pointer(of)?, cond),
            AtomKind::Known(value) => match value.ty {
                Ty::Ptr(_) => self.pointer(value).is_some(),
                _ => self.value(value).is_some(),
            },
            AtomKind::Unreadable(_) | AtomKind::KernelThread => {
                unreachable!("a rule has no test of the decision stage")
            }
            AtomKind::OneOf { value, set } => {
                let value = self.number(value)?;
                let set: Vec<i128> = set.iter().map(|element| self.number(element)).collect::<Option<_>>()?;
                set.contains(&value)
            }
            AtomKind::OneOfStrings { value, set } => set.contains(&self.text(value)?),
            AtomKind::Text { value, test } => passes(test, &self.text(value)?),
        })
    }

    /// Evaluates the Kleene disjunction over all ancestors up to init; unknown beyond [`ANCESTORS_MAX`].
    fn any_ancestor(&self, mut task: u64, cond: &Cond) -> Option<bool> {
        let mut known = Some(false);
        for count in 0.. {
            let parent = self.world.number(task, &named("task_struct", &["real_parent"])).filter(|task| *task != 0);
            task = self.read(parent)?;
            if self.read(self.world.number(task, &named("task_struct", &["pid"])))? == 0 {
                break;
            }
            if count == ANCESTORS_MAX {
                return self.read(None);
            }
            match (Eval { ancestor: Some(task), ..*self }).cond(cond) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => known = None,
            }
        }
        known
    }

    fn number(&self, value: &Value) -> Option<i128> {
        match self.value(value)? {
            Datum::Number(number) => Some(number),
            other => unreachable!("{other:?} has the type of a number"),
        }
    }

    fn text(&self, value: &Value) -> Option<Vec<u8>> {
        match self.value(value)? {
            Datum::Text(text) => Some(text),
            other => unreachable!("{other:?} has the type of a text"),
        }
    }

    fn value(&self, value: &Value) -> Option<Datum> {
        let number = match &value.kind {
            ValueKind::Const(number) => *number,
            ValueKind::Address(address) => return Some(Datum::Ip(*address)),
            ValueKind::Param(param) => {
                let param = &self.policy.params[param.index()];
                self.world.param(&param.name).unwrap_or(param.default)
            }
            ValueKind::File(file, field) => {
                // No file has these numbers.
                let (device, inode) =
                    self.world.found(&self.policy.files[file.index()]).unwrap_or((u64::MAX, u64::MAX));
                i128::from(if *field == FileField::Device { device } else { inode })
            }
            ValueKind::Enumerator(known) => {
                i128::from(self.world.enumerator(&known.of, &known.name).unwrap_or(known.value))
            }
            ValueKind::Arg(arg) => typed(value.ty, self.argument(*arg)),
            ValueKind::Task(TaskField::Comm) => return Some(Datum::Text(until_nul(&self.world.comm()))),
            ValueKind::Task(field) => i128::from(self.world.task(*field)),
            ValueKind::Current => i128::from(self.world.current()),
            ValueKind::Ancestor => i128::from(self.ancestor?),
            ValueKind::Now => i128::from(self.world.now()),
            ValueKind::Literal(text) => return Some(Datum::Text(text.clone())),
            ValueKind::FirstOf(values) => {
                let found = values.iter().find(|value| self.kernel_has(value)).or(values.last())?;
                return self.value(found);
            }
            ValueKind::Load { base, access } => return self.load(base, access, value.ty),
            ValueKind::Unary(op, inner) => {
                let inner = self.number(inner)?;
                wrapped(value.ty, if *op == Unary::Neg { -inner } else { !inner })
            }
            ValueKind::Binary(op, left, right) => {
                let (left, right) = (self.number(left)?, self.number(right)?);
                wrapped(value.ty, binary(*op, left, right, value.ty))
            }
            ValueKind::Convert(inner) => wrapped(value.ty, self.number(inner)?),
            ValueKind::Cond(cond) => i128::from(self.cond(cond)?),
            ValueKind::Text(text) => return self.fetch(text).map(Datum::Text),
            ValueKind::Endpoint(end, EndpointField::Family) => i128::from(self.family(end)?),
            ValueKind::Endpoint(end, field) => {
                let (ip, port) = self.endpoint(end)?;
                return Some(match field {
                    EndpointField::Ip => Datum::Ip(ip?),
                    EndpointField::Port | EndpointField::Family => Datum::Number(i128::from(port)),
                });
            }
        };
        Some(Datum::Number(number))
    }

    fn argument(&self, arg: ArgId) -> u64 {
        self.world.argument(&self.policy.hooks[self.hook.index()].args[arg.index()].name)
    }

    /// Returns true if this kernel has every field that a value reads.
    fn kernel_has(&self, value: &Value) -> bool {
        match &value.kind {
            ValueKind::Load { base, access } => self.world.has(access) && self.kernel_has(base),
            ValueKind::Unary(_, inner) | ValueKind::Convert(inner) => self.kernel_has(inner),
            ValueKind::Binary(_, left, right) => self.kernel_has(left) && self.kernel_has(right),
            _ => true,
        }
    }

    fn pointer(&self, value: &Value) -> Option<u64> {
        match self.number(value)? {
            0 => None,
            address => Some(address as u64),
        }
    }

    fn load(&self, base: &Value, access: &Access, ty: Ty) -> Option<Datum> {
        let base = self.pointer(base)?;
        if matches!(ty, Ty::Str { .. }) {
            return Some(Datum::Text(until_nul(&self.world.characters(base, access)?)));
        }
        let bits = self.world.number(base, access)?;
        // A signed bitfield is sign-extended from its own width.
        let number = match access.steps.last() {
            Some(Step::Field { shape: Shape::Bits { signed: true, bits: width, .. }, .. }) => {
                let up = 64 - width;
                i128::from((bits << up).cast_signed() >> up)
            }
            _ => typed(ty, bits),
        };
        Some(Datum::Number(number))
    }

    fn fetch(&self, text: &TextSource) -> Option<Vec<u8>> {
        let text = match text {
            TextSource::Path { dentry, mount } => {
                let (dentry, mount) = (self.pointer(dentry)?, self.pointer(mount)?);
                self.read(self.world.path(dentry, mount))?
            }
            TextSource::Cgroup { node } => {
                let node = self.pointer(node)?;
                self.read(self.world.cgroup(node))?
            }
            TextSource::Pointer(of) => {
                let of = self.pointer(of)?;
                self.read(self.world.text(of))?
            }
            TextSource::Copy(of) => self.text(of)?,
            TextSource::Unix { end, name } => self.unix(end, *name)?,
        };
        self.read((text.len() <= TEXT_MAX).then_some(text))
    }
}

/// Builds an access from names. Worlds ignore its shapes.
fn named(root: &str, steps: &[&str]) -> Access {
    let step = |name: &&str| Step::Field { name: (*name).to_owned(), shape: Shape::Struct };
    Access { is_struct: true, root: root.to_owned(), steps: steps.iter().map(step).collect() }
}

/// Interprets bits as a number of a type.
fn typed(ty: Ty, bits: u64) -> i128 {
    match ty {
        Ty::Int(int) => int_of(int, bits),
        Ty::Bool => i128::from(bits as u8),
        _ => i128::from(bits),
    }
}

fn int_of(int: Int, bits: u64) -> i128 {
    match (int.bytes, int.signed) {
        (1, false) => i128::from(bits as u8),
        (2, false) => i128::from(bits as u16),
        (4, false) => i128::from(bits as u32),
        (1, true) => i128::from(bits as i8),
        (2, true) => i128::from(bits as i16),
        (4, true) => i128::from(bits as i32),
        (_, true) => i128::from(bits.cast_signed()),
        (_, false) => i128::from(bits),
    }
}

/// Truncates a number to a type.
fn wrapped(ty: Ty, number: i128) -> i128 {
    match ty {
        Ty::Int(int) => int_of(int, number as u64),
        _ => number,
    }
}

/// Computes the exact result, which may not fit the type.
fn binary(op: Binary, left: i128, right: i128, ty: Ty) -> i128 {
    let bits = match ty {
        Ty::Int(int) => 8 * int.bytes,
        _ => 64,
    };
    let amount = (right as u32) & (bits - 1);
    match op {
        Binary::Add => left + right,
        Binary::Sub => left - right,
        Binary::Mul => left.wrapping_mul(right),
        // Rounds towards zero, as in C; divisors are nonzero constants.
        Binary::Div => left / right,
        Binary::Rem => left % right,
        Binary::And => left & right,
        Binary::Or => left | right,
        Binary::Xor => left ^ right,
        Binary::Shl => left << amount,
        Binary::Shr => left >> amount,
    }
}

fn until_nul(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take_while(|byte| *byte != 0).collect()
}
