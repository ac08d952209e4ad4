//! What a typed policy means, said slowly: the rules on a hook are looked at one by one, each condition is true, false or not
//! known, and nothing is shared, ordered or left out.
//!
//! ```text
//! on file_open when file.inode.uid == 0 deny audit { file.flags }      with file.inode = null, file.flags = 2
//!   when: unknown, so the rule does not fire
//! outcome: allowed, no events, no signals
//! ```
//!
//! A rule that is permissive only records that it would deny, and one that is off is passed over.
//!
//! It is the oracle of all that follows `hir`: the differential tests hold emitted code and kernels against it. So it shares
//! no code with the stages behind it, globs included, and asks a [`World`] for everything that it does not compute.
//!
//! Absent: how a program finds a field, what it costs, and anything that happens behind an event's fields.

mod ends;
mod labels;
mod limits;
mod text;

use std::cell::Cell;
use std::collections::BTreeSet;

pub use labels::{Entry, Known, Labels};
pub use limits::{Window, Windows};
pub use text::passes;

use super::since::Since;
use super::{
    Access, ArgId, Atom, AtomKind, Binary, Compare, Cond, EndField, FileField, Hook, HookId, Int, Members, Mode,
    Policy, Rule, RuleId, Shape, Step, TaskField, Text, Ty, Unary, Value, ValueKind,
};

/// Everything outside a policy that one call of a hook can look at. Addresses are numbers that only the world knows
/// the meaning of, but for 0, which is null.
pub trait World {
    /// An argument of the hook; of a narrow one only the low bits count.
    fn argument(&self, name: &str) -> u64;
    /// Whether a rule for newer kernels is active on this one.
    fn active(&self, since: &Since) -> bool;
    /// The elements of a set that changes, as they are now.
    fn elements(&self, set: &str) -> &[Vec<Element>];
    /// Nanoseconds since boot.
    fn now(&self) -> u64;
    /// What the load has set a parameter to; `None` leaves the default.
    fn param(&self, name: &str) -> Option<i128>;
    /// Device and inode of a file that the load has found.
    fn found(&self, path: &str) -> Option<(u64, u64)>;
    /// The value of an enumerator on this kernel.
    fn enumerator(&self, of: &str, name: &str) -> Option<i64>;
    /// Whether this kernel has a field.
    fn has(&self, access: &Access) -> bool;
    /// The bits of a field of a struct, those of a bitfield moved down; nothing where it cannot be read.
    fn number(&self, at: u64, access: &Access) -> Option<u64>;
    /// The bytes of an array of characters.
    fn characters(&self, at: u64, access: &Access) -> Option<Vec<u8>>;
    /// Where a field of a struct is.
    fn address(&self, at: u64, access: &Access) -> Option<u64>;
    /// So many bytes at an address.
    fn bytes(&self, at: u64, count: usize) -> Option<Vec<u8>>;
    /// What stands at an address up to a NUL, of any length.
    fn text(&self, at: u64) -> Option<Vec<u8>>;
    /// The full path of a dentry below a mount.
    fn path(&self, dentry: u64, mount: u64) -> Option<Vec<u8>>;
    /// The path of a node of the cgroup hierarchy.
    fn cgroup(&self, node: u64) -> Option<Vec<u8>>;
    /// The current task.
    fn current(&self) -> u64;
    /// Something about it; not its name.
    fn task(&self, field: TaskField) -> u64;
    /// Its name.
    fn comm(&self) -> [u8; 16];
    /// Labels, as they are before the call.
    fn labels(&self) -> Labels;
    /// What rules with limits have recorded before the call.
    fn windows(&self) -> Windows;
    /// The mode of a rule; `None` leaves the first one.
    fn mode(&self, _rule: &str) -> Option<Mode> {
        None
    }
}

/// A part of an element of a set that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// An integer.
    Number(i128),
    /// An address.
    Ip(u128),
    /// Addresses that begin with the same bits: the first, and how many bits.
    Network(u128, u32),
    /// A text.
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

/// A value that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datum {
    /// An integer as the mathematical number, 0 or 1, or an address of memory.
    Number(i128),
    /// An address of a network.
    Ip(u128),
    /// Characters, without the NUL behind them.
    Text(Vec<u8>),
}

/// What happens on one call of a hook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The positive errno that the operation fails with; 0 where it goes on.
    pub errno: i32,
    /// The same as the rules have it, and events say it: a mark that finds no room refuses behind them.
    pub decided: i32,
    /// What is recorded, in source order.
    pub events: Vec<Event>,
    /// Signals to the current task, in source order.
    pub signals: Vec<i32>,
    /// Labels, as they are then.
    pub labels: Labels,
    /// What rules with limits have recorded then.
    pub windows: Windows,
    /// Rules that ask for a text, an address or an ancestor that cannot be read, whether or not it matters.
    pub unread: BTreeSet<RuleId>,
    /// Those of them that are on, and unknown for that alone.
    pub undecided: BTreeSet<RuleId>,
}

/// A record of a rule that fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// This one.
    pub rule: RuleId,
    /// The positive errno that it would have denied with.
    pub would_deny: Option<i32>,
    /// How many of its rule were over a limit so far.
    pub over: Option<u64>,
    /// The values of its fields; none where one cannot be read.
    pub fields: Vec<Option<Datum>>,
}

/// What the rules on a hook do in a world.
#[must_use]
pub fn outcome(policy: &Policy, hook: HookId, world: &dyn World) -> Outcome {
    let Hook { name, void, .. } = &policy.hooks[hook.index()];
    let call = labels::Call { policy, hook: name, void: *void, world };
    let mut outcome = Outcome { labels: world.labels(), windows: world.windows(), ..Outcome::default() };
    if let Err(errno) = call.begin(&mut outcome.labels) {
        return Outcome { errno, ..outcome };
    }
    // Every rule sees the labels as they are before any rule has marked something.
    let before = outcome.labels.clone();
    let missing = Cell::default();
    let eval = Eval { policy, hook, world, labels: &before, ancestor: None, missing: &missing };
    let mut marks = Vec::new();
    for (id, rule) in policy.rules.iter().enumerate() {
        let id = RuleId(id as u32);
        let active = rule.since.as_ref().is_none_or(|since| world.active(since));
        if rule.hook != hook || !active {
            continue;
        }
        let mode = world.mode(&rule.name).unwrap_or(rule.first_mode());
        let fires = eval.fires(rule, id, &mut outcome);
        if mode == Mode::Off {
            outcome.undecided.remove(&id);
        }
        if mode == Mode::Off || !fires {
            continue;
        }
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
            within = window.admits(limit, world.now());
            over = Some(window.over);
        }
        if within && (rule.audit.is_some() || would_deny.is_some()) {
            let fields =
                rule.audit.iter().flat_map(|audit| &audit.fields).map(|field| eval.value(&field.value)).collect();
            outcome.events.push(Event { rule: id, would_deny, over, fields });
        }
        outcome.signals.extend(rule.kill.as_ref().map(|kill| kill.signal));
        for mark in &rule.marks {
            let object = eval.pointer(&mark.object);
            let on = policy.labels[mark.label.index()].on;
            let known = object.and_then(|object| call.object(on, object, &mark.object));
            marks.extend(known.map(|known| (mark, known)));
        }
    }
    outcome.decided = outcome.errno;
    if !call.mark(&marks, &mut outcome.labels) && outcome.errno == 0 {
        outcome.errno = labels::ENOMEM;
    }
    call.end(&mut outcome.labels);
    outcome
}

/// Whether a condition is true or false, if that can be known.
#[must_use]
pub fn condition(policy: &Policy, hook: HookId, cond: &Cond, world: &dyn World) -> Option<bool> {
    Eval { policy, hook, world, labels: &world.labels(), ancestor: None, missing: &Cell::default() }.cond(cond)
}

/// A value, where it can be read; inside a question about ancestors, of this one.
#[must_use]
pub fn value(policy: &Policy, hook: HookId, value: &Value, ancestor: Option<u64>, world: &dyn World) -> Option<Datum> {
    Eval { policy, hook, world, labels: &world.labels(), ancestor, missing: &Cell::default() }.value(value)
}

/// The longest text that is known.
const TEXT_MAX: usize = 4095;

/// The most ancestors that are asked.
const ANCESTORS_MAX: usize = 128;

struct Eval<'a> {
    policy: &'a Policy,
    hook: HookId,
    world: &'a dyn World,
    labels: &'a Labels,
    /// The one that is asked at the moment.
    ancestor: Option<u64>,
    missing: &'a Cell<Missing>,
}

/// What was asked for in vain so far.
#[derive(Clone, Copy, Default)]
struct Missing {
    /// Texts, addresses and ancestors that cannot be read.
    unread: u32,
    /// Tests that are unknown for anything else, most often a null.
    absent: u32,
}

impl Eval<'_> {
    /// Whether a rule's conditions let it fire. All that it asks for is looked at, needed or not.
    fn fires(&self, rule: &Rule, id: RuleId, outcome: &mut Outcome) -> bool {
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
        if when_unread && unless != Some(true) || when == Some(true) && unless_unread {
            outcome.undecided.insert(id);
        }
        when == Some(true) && unless != Some(true)
    }

    /// Notes what cannot be read.
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
            AtomKind::AnyAncestor { of, cond } => return self.any_ancestor(self.pointer(of)?, cond),
            AtomKind::OneOf { value, set } => {
                let value = self.number(value)?;
                let set: Vec<i128> = set.iter().map(|element| self.number(element)).collect::<Option<_>>()?;
                set.contains(&value)
            }
            AtomKind::OneOfStrings { value, set } => set.contains(&self.text(value)?),
            AtomKind::Text { value, test } => passes(test, &self.text(value)?),
        })
    }

    /// Kleene's or over the ancestors, up to the first process; what lies beyond [`ANCESTORS_MAX`] is unknown.
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
            other => unreachable!("{other:?} where the types say a number"),
        }
    }

    fn text(&self, value: &Value) -> Option<Vec<u8>> {
        match self.value(value)? {
            Datum::Text(text) => Some(text),
            other => unreachable!("{other:?} where the types say a text"),
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
                // No file has such numbers.
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
            ValueKind::End(end, EndField::Family) => i128::from(self.family(end)?),
            ValueKind::End(end, field) => {
                let (ip, port) = self.end(end)?;
                return Some(match field {
                    EndField::Ip => Datum::Ip(ip),
                    EndField::Port | EndField::Family => Datum::Number(i128::from(port)),
                });
            }
        };
        Some(Datum::Number(number))
    }

    fn argument(&self, arg: ArgId) -> u64 {
        self.world.argument(&self.policy.hooks[self.hook.index()].args[arg.index()].name)
    }

    /// Whether this kernel has every field that a value reads.
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
        // A bitfield has its own sign, above which its type has room.
        let number = match access.steps.last() {
            Some(Step::Field { shape: Shape::Bits { signed: true, bits: width, .. }, .. }) => {
                let up = 64 - width;
                i128::from((bits << up).cast_signed() >> up)
            }
            _ => typed(ty, bits),
        };
        Some(Datum::Number(number))
    }

    fn fetch(&self, text: &Text) -> Option<Vec<u8>> {
        let text = match text {
            Text::Path { dentry, mount } => {
                let (dentry, mount) = (self.pointer(dentry)?, self.pointer(mount)?);
                self.read(self.world.path(dentry, mount))?
            }
            Text::Cgroup { node } => {
                let node = self.pointer(node)?;
                self.read(self.world.cgroup(node))?
            }
            Text::Pointer(of) => {
                let of = self.pointer(of)?;
                self.read(self.world.text(of))?
            }
            Text::Copy(of) => self.text(of)?,
            Text::Unix { end, name } => self.unix(end, *name)?,
        };
        self.read((text.len() <= TEXT_MAX).then_some(text))
    }
}

/// A field by its names alone; worlds look at nothing else.
fn named(root: &str, steps: &[&str]) -> Access {
    let step = |name: &&str| Step::Field { name: (*name).to_owned(), shape: Shape::Struct };
    Access { is_struct: true, root: root.to_owned(), steps: steps.iter().map(step).collect() }
}

/// Bits as a number of a type.
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

/// A number cut to a type.
fn wrapped(ty: Ty, number: i128) -> i128 {
    match ty {
        Ty::Int(int) => int_of(int, number as u64),
        _ => number,
    }
}

/// The exact result, which the type may have no room for.
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
        // Towards zero, as in C; a divisor is a constant other than 0.
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
