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

mod labels;

pub use labels::{Entry, Known, Labels};

use super::since::Since;
use super::{
    Access, ArgId, Atom, AtomKind, Binary, Compare, Cond, End, EndField, FileField, Hook, HookId, Int, Members, Mode,
    Policy, RuleId, Shape, Step, TaskField, Text, TextTest, Ty, Unary, UnixName, Value, ValueKind,
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
}

/// A record of a rule that fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// This one.
    pub rule: RuleId,
    /// The positive errno that it would have denied with.
    pub would_deny: Option<i32>,
    /// The values of its fields; none where one cannot be read.
    pub fields: Vec<Option<Datum>>,
}

/// What the rules on a hook do in a world.
#[must_use]
pub fn outcome(policy: &Policy, hook: HookId, world: &dyn World) -> Outcome {
    let Hook { name, void, .. } = &policy.hooks[hook.index()];
    let call = labels::Call { policy, hook: name, void: *void, world };
    let mut outcome = Outcome { labels: world.labels(), ..Outcome::default() };
    if let Err(errno) = call.begin(&mut outcome.labels) {
        return Outcome { errno, ..outcome };
    }
    // Every rule sees the labels as they are before any rule has marked something.
    let before = outcome.labels.clone();
    let eval = Eval { policy, hook, world, labels: &before, ancestor: None };
    let mut marks = Vec::new();
    for (id, rule) in policy.rules.iter().enumerate() {
        let when = || rule.when.as_ref().is_none_or(|cond| eval.cond(cond) == Some(true));
        let unless = || rule.unless.as_ref().is_some_and(|cond| eval.cond(cond) == Some(true));
        let active = rule.since.as_ref().is_none_or(|since| world.active(since));
        let mode = world.mode(&rule.name).unwrap_or(rule.first_mode());
        if rule.hook != hook || mode == Mode::Off || !active || !when() || unless() {
            continue;
        }
        let would_deny = rule.deny.as_ref().filter(|_| mode == Mode::Permissive).map(|deny| deny.errno);
        if let (Some(deny), None) = (&rule.deny, would_deny)
            && outcome.errno == 0
        {
            outcome.errno = deny.errno;
        }
        if rule.audit.is_some() || would_deny.is_some() {
            let fields =
                rule.audit.iter().flat_map(|audit| &audit.fields).map(|field| eval.value(&field.value)).collect();
            outcome.events.push(Event { rule: RuleId(id as u32), would_deny, fields });
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
    Eval { policy, hook, world, labels: &world.labels(), ancestor: None }.cond(cond)
}

/// A value, where it can be read; inside a question about ancestors, of this one.
#[must_use]
pub fn value(policy: &Policy, hook: HookId, value: &Value, ancestor: Option<u64>, world: &dyn World) -> Option<Datum> {
    Eval { policy, hook, world, labels: &world.labels(), ancestor }.value(value)
}

/// The longest text that is known.
const TEXT_MAX: usize = 4095;

/// The most ancestors that are asked.
const ANCESTORS_MAX: usize = 128;

const AF_UNSPEC: u16 = 0;
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

struct Eval<'a> {
    policy: &'a Policy,
    hook: HookId,
    world: &'a dyn World,
    labels: &'a Labels,
    /// The one that is asked at the moment.
    ancestor: Option<u64>,
}

impl Eval<'_> {
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
            task = parent?;
            if self.world.number(task, &named("task_struct", &["pid"]))? == 0 {
                break;
            }
            if count == ANCESTORS_MAX {
                return None;
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
            ValueKind::Enumerator { of, name, value } => i128::from(self.world.enumerator(of, name).unwrap_or(*value)),
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
            Text::Path { dentry, mount } => self.world.path(self.pointer(dentry)?, self.pointer(mount)?)?,
            Text::Cgroup { node } => self.world.cgroup(self.pointer(node)?)?,
            Text::Pointer(of) => self.world.text(self.pointer(of)?)?,
            Text::Copy(of) => self.text(of)?,
            Text::Unix { end, name } => self.unix(end, *name)?,
        };
        (text.len() <= TEXT_MAX).then_some(text)
    }

    /// The address and the port of an end of a connection.
    fn end(&self, end: &End) -> Option<(u128, u16)> {
        match end {
            End::Address { address, length, bind } => self.address(self.pointer(address)?, self.number(length)?, *bind),
            End::Local(socket) => self.socket(self.pointer(socket)?, "skc_rcv_saddr", "skc_v6_rcv_saddr", "skc_num"),
            End::Peer(socket) => self.socket(self.pointer(socket)?, "skc_daddr", "skc_v6_daddr", "skc_dport"),
            End::Message { address, length, socket } => match self.number(address)? {
                0 => self.socket(self.pointer(socket)?, "skc_daddr", "skc_v6_daddr", "skc_dport"),
                address => self.address(address as u64, self.number(length)?, false),
            },
        }
    }

    /// The family of an end of a connection.
    fn family(&self, end: &End) -> Option<u16> {
        let of_socket = |socket: &Value| Some(self.world.number(self.pointer(socket)?, &sock("skc_family"))? as u16);
        let (address, length) = match end {
            End::Local(socket) | End::Peer(socket) => return of_socket(socket),
            End::Message { address, socket, .. } if self.number(address)? == 0 => return of_socket(socket),
            End::Message { address, length, .. } | End::Address { address, length, .. } => {
                (self.pointer(address)?, self.number(length)?)
            }
        };
        let bytes = self.world.bytes(address, 2).filter(|_| length >= 2)?;
        Some(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    /// The name of an end that is a Unix socket.
    fn unix(&self, end: &End, name: UnixName) -> Option<Vec<u8>> {
        let (socket, peer) = match end {
            End::Local(socket) => (socket, false),
            End::Peer(socket) => (socket, true),
            End::Message { address, socket, .. } if self.number(address)? == 0 => (socket, true),
            End::Message { address, length, .. } | End::Address { address, length, .. } => {
                return self.unix_address(self.pointer(address)?, self.number(length)?, name);
            }
        };
        let mut socket = self.pointer(socket)?;
        if self.world.number(socket, &sock("skc_family"))? as u16 != AF_UNIX {
            return None;
        }
        let behind = |at, access: &Access| self.world.number(at, access).filter(|pointer| *pointer != 0);
        if peer {
            socket = behind(socket, &named("unix_sock", &["peer"]))?;
        }
        match name {
            UnixName::Path => {
                let dentry = behind(socket, &named("unix_sock", &["path", "dentry"]))?;
                self.world.path(dentry, behind(socket, &named("unix_sock", &["path", "mnt"]))?)
            }
            UnixName::Abstract => {
                let bound = behind(socket, &named("unix_sock", &["addr"]))?;
                let length = self.world.number(bound, &named("unix_address", &["len"]))? as i32;
                let at = self.world.address(bound, &named("unix_address", &["name"]))?;
                self.unix_address(at, i128::from(length), name)
            }
        }
    }

    /// `struct sockaddr_un` is a family and at most 108 bytes of a name: one of a file, up to a NUL or the address's end, or
    /// a NUL and one that is abstract, up to the end.
    fn unix_address(&self, at: u64, length: i128, name: UnixName) -> Option<Vec<u8>> {
        if !(3..=110).contains(&length) {
            return None;
        }
        let bytes = self.world.bytes(at, length as usize)?;
        if u16::from_le_bytes([bytes[0], bytes[1]]) != AF_UNIX {
            return None;
        }
        match name {
            UnixName::Path => Some(until_nul(&bytes[2..])).filter(|path| !path.is_empty()),
            UnixName::Abstract => (bytes[2] == 0).then(|| bytes[3..].to_vec()),
        }
    }

    /// `struct sockaddr_in` is a family, a port and 4 bytes, and 16 bytes long; `struct sockaddr_in6` a family, a port, 4 bytes
    /// of flow and 16 of address, and at least 24 bytes long.
    fn address(&self, at: u64, length: i128, bind: bool) -> Option<(u128, u16)> {
        let bytes = self.world.bytes(at, 24)?;
        let family = u16::from_le_bytes([bytes[0], bytes[1]]);
        let port = u16::from_be_bytes([bytes[2], bytes[3]]);
        match family {
            AF_INET if length >= 16 => Some((mapped(&bytes[4..8]), port)),
            AF_UNSPEC if bind && length >= 16 => Some((mapped(&bytes[4..8]), port)),
            AF_INET6 if length >= 24 => Some((u128::from_be_bytes(bytes[8..24].try_into().ok()?), port)),
            _ => None,
        }
    }

    fn socket(&self, socket: u64, four: &str, six: &str, port: &str) -> Option<(u128, u16)> {
        let family = self.world.number(socket, &sock("skc_family"))? as u16;
        let number = self.world.number(socket, &sock(port))? as u16;
        // The local port is kept in the machine's order, the other one in the network's.
        let port = if port == "skc_dport" { u16::from_be(number) } else { number };
        match family {
            AF_INET => Some((mapped(&(self.world.number(socket, &sock(four))? as u32).to_le_bytes()), port)),
            AF_INET6 => {
                let bytes = self.world.characters(socket, &sock(six))?;
                Some((u128::from_be_bytes(bytes.try_into().ok()?), port))
            }
            _ => None,
        }
    }
}

/// A field of the part that all sockets have.
fn sock(name: &str) -> Access {
    named("sock", &["__sk_common", name])
}

/// A field by its names alone; worlds look at nothing else.
fn named(root: &str, steps: &[&str]) -> Access {
    let step = |name: &&str| Step::Field { name: (*name).to_owned(), shape: Shape::Struct };
    Access { is_struct: true, root: root.to_owned(), steps: steps.iter().map(step).collect() }
}

/// An address of IPv4 as one of IPv6.
fn mapped(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0xffff, |address, byte| address << 8 | u128::from(*byte))
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

/// Whether a text is what a test asks for.
#[must_use]
pub fn passes(test: &TextTest, text: &[u8]) -> bool {
    match test {
        TextTest::OneOf(set) => set.iter().any(|one| one == text),
        TextTest::Under(directory) => text == directory || text.starts_with(&[directory.as_slice(), b"/"].concat()),
        TextTest::StartsWith(part) => text.starts_with(part),
        TextTest::EndsWith(part) => text.ends_with(part),
        TextTest::Contains(part) => text.windows(part.len()).any(|window| window == part.as_slice()),
        TextTest::Like(pattern) => glob(pattern, text),
    }
}

/// Whether a glob fits a whole text, tried from left to right with every way that there is.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    fits(&[pattern], text)
}

/// Parts of a pattern, one after the other.
fn fits(pattern: &[&[u8]], text: &[u8]) -> bool {
    let Some((first, others)) = pattern.split_first() else {
        return text.is_empty();
    };
    let after = |rest: &[u8], text: &[u8]| {
        let parts: Vec<&[u8]> = std::iter::once(rest).chain(others.iter().copied()).collect();
        fits(&parts, text)
    };
    match *first {
        [] => fits(others, text),
        [b'*', b'*', rest @ ..] => (0..=text.len()).any(|skip| after(rest, &text[skip..])),
        [b'*', rest @ ..] => {
            let run = text.iter().take_while(|byte| **byte != b'/').count();
            (0..=run).any(|skip| after(rest, &text[skip..]))
        }
        [b'?', rest @ ..] => text.first().is_some_and(|byte| *byte != b'/') && after(rest, &text[1..]),
        [b'[', rest @ ..] => {
            let (class, rest) = class(rest);
            text.first().is_some_and(|byte| class.contains(byte)) && after(rest, &text[1..])
        }
        [b'{', rest @ ..] => {
            let (choices, rest) = choices(rest);
            choices.iter().any(|choice| {
                let parts: Vec<&[u8]> = [*choice, rest].into_iter().chain(others.iter().copied()).collect();
                fits(&parts, text)
            })
        }
        [b'\\', byte, rest @ ..] | [byte, rest @ ..] => text.first() == Some(byte) && after(rest, &text[1..]),
    }
}

/// The bytes of a class from behind its `[`, and what follows its `]`.
fn class(pattern: &[u8]) -> (Vec<u8>, &[u8]) {
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let mut at = usize::from(negated);
    let first = at;
    let mut listed = Vec::new();
    let byte = |at: &mut usize| {
        *at += usize::from(pattern[*at] == b'\\');
        *at += 1;
        pattern[*at - 1]
    };
    while at == first || pattern[at] != b']' {
        let low = byte(&mut at);
        let high = if pattern[at] == b'-' && pattern[at + 1] != b']' {
            at += 1;
            byte(&mut at)
        } else {
            low
        };
        listed.extend(low..=high);
    }
    // What is left out never brings the slash in.
    let bytes = if negated { (0..=u8::MAX).filter(|b| !listed.contains(b) && *b != b'/').collect() } else { listed };
    (bytes, &pattern[at + 1..])
}

/// The choices from behind a `{`, and what follows its `}`.
fn choices(pattern: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let (mut depth, mut at, mut from, mut choices) = (1, 0, 0, Vec::new());
    loop {
        match pattern[at] {
            b'\\' => at += 1,
            b'[' => {
                let (_, rest) = class(&pattern[at + 1..]);
                at = pattern.len() - rest.len() - 1;
            }
            b'{' => depth += 1,
            b',' if depth == 1 => {
                choices.push(&pattern[from..at]);
                from = at + 1;
            }
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    choices.push(&pattern[from..at]);
                    return (choices, &pattern[at + 1..]);
                }
            }
            _ => {}
        }
        at += 1;
    }
}
