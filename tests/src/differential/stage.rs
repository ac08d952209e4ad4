//! Scenes for the rules on a hook. Every value that they read is set, usually to a constant that a rule
//! compares it with, or to a neighbour of one.

use std::collections::BTreeSet;

use krsic::btf::{Btf, Kind, Type, TypeId};
use krsic::hir::eval::{self, Datum, Element, World as _};
use krsic::hir::{
    Atom, AtomKind, Column, Cond, Endpoint, HookId, Int, Members, Mode, Policy, Ptr, Set, TextSource, TextTest, Ty,
    Value, ValueKind, walk,
};
use krsic::kernel::{Kernel, embedded};
use krsic::simulate::scene::{Reach, Scene, Tail, Task, named};

use super::shapes::Shape;
use super::tape::Tape;

/// The constants that a policy compares with.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    pub(super) numbers: Vec<i128>,
    pub(super) texts: Vec<Vec<u8>>,
    pub(super) addresses: Vec<u128>,
}

impl Pool {
    /// Collects all constants of a policy.
    #[must_use]
    pub fn of(policy: &Policy) -> Pool {
        let mut pool = Pool::default();
        for rule in &policy.rules {
            rule.when.iter().chain(&rule.unless).for_each(|cond| pool.cond(cond));
            rule.audit.iter().flat_map(|audit| &audit.fields).for_each(|field| pool.value(&field.value));
        }
        for set in &policy.sets {
            let Members::Static(rows) = &set.members else { continue };
            for (low, high) in rows.iter().take(40).flatten() {
                for end in [*low, *high] {
                    pool.addresses.push(end);
                    pool.numbers.push(i128::from((end as u64).cast_signed()));
                }
            }
        }
        pool.numbers.extend(policy.params.iter().map(|param| param.default));
        pool
    }

    fn cond(&mut self, cond: &Cond) {
        match cond {
            Cond::Const(_) => {}
            Cond::Not(inner) => self.cond(inner),
            Cond::And(left, right) | Cond::Or(left, right) => {
                self.cond(left);
                self.cond(right);
            }
            Cond::Atom(atom) => self.atom(atom),
        }
    }

    fn atom(&mut self, atom: &Atom) {
        walk::values(&atom.kind).for_each(|value| self.value(value));
        match &atom.kind {
            AtomKind::AnyAncestor { cond, .. } => self.cond(cond),
            AtomKind::AllBits { mask, .. } => self.numbers.push(i128::from(*mask)),
            AtomKind::OneOf { set, .. } => set.iter().for_each(|value| self.value(value)),
            AtomKind::OneOfStrings { set, .. } => self.texts.extend(set.iter().cloned()),
            AtomKind::Text { test, .. } => match test {
                TextTest::OneOf(set) => self.texts.extend(set.iter().cloned()),
                TextTest::Like(glob) => {
                    self.texts.extend([sample(glob, false), sample(glob, true)]);
                }
                TextTest::Under(text)
                | TextTest::StartsWith(text)
                | TextTest::EndsWith(text)
                | TextTest::Contains(text) => self.texts.push(text.clone()),
            },
            _ => {}
        }
    }

    fn value(&mut self, value: &Value) {
        match &value.kind {
            ValueKind::Const(number) => self.numbers.push(*number),
            ValueKind::Enumerator(known) => self.numbers.push(i128::from(known.value)),
            ValueKind::Address(address) => self.addresses.push(*address),
            _ => {}
        }
        let (values, cond) = walk::operands(value);
        values.into_iter().for_each(|value| self.value(value));
        cond.into_iter().for_each(|cond| self.cond(cond));
    }
}

/// More ancestors than a program examines.
const GENERATIONS_MAX: usize = 200;

/// A kernel address without memory.
const NOWHERE: u64 = 0xffff_fe00_0000_0000;

/// Returns true if the kernel may have null there.
fn nullable(pointer: &Value) -> bool {
    matches!(pointer.ty, Ty::Ptr(Ptr { nullable: true, .. }))
}

/// Returns a text that a glob matches; with `more`, its wildcards match more bytes.
fn sample(glob: &[u8], more: bool) -> Vec<u8> {
    let mut text = Vec::new();
    let mut at = 0;
    while let Some(byte) = glob.get(at) {
        at += 1;
        match byte {
            b'*' => {
                let deep = glob.get(at) == Some(&b'*');
                at += usize::from(deep);
                if more {
                    text.extend_from_slice(if deep { b"x/y" } else { b"xy" });
                }
            }
            b'?' => text.push(b'q'),
            b'[' => {
                let not = matches!(glob.get(at), Some(b'!' | b'^'));
                text.push(if not { b'q' } else { glob.get(at).copied().unwrap_or(b'a') });
                while at < glob.len() && glob[at] != b']' {
                    at += 1;
                }
                at += 1;
            }
            b'{' | b'}' => {}
            b',' => {
                while at < glob.len() && glob[at] != b'}' {
                    at += 1;
                }
            }
            b'\\' => {
                text.extend(glob.get(at));
                at += 1;
            }
            byte => text.push(*byte),
        }
    }
    text
}

/// A call, with the times of its repetitions.
#[derive(Clone, Debug)]
pub struct Staged<'k> {
    /// The environment of the first call.
    pub scene: Scene<'k>,
    /// Times of the repetitions, in nanoseconds since boot, ascending.
    pub again: Vec<u64>,
    /// The shapes that were drawn.
    pub shapes: Vec<Shape>,
}

/// Makes a scene for a hook of a policy on a kernel.
///
/// # Errors
/// Returns an error if the kernel's types lack a structure that every scene needs.
pub fn stage<'k>(
    policy: &Policy,
    hook: HookId,
    pool: &Pool,
    kernel: &'k Kernel,
    tape: &mut Tape<'_>,
) -> Result<Staged<'k>, String> {
    let scene = Scene::new(kernel)?;
    let types = embedded().iter().find(|kernel| kernel.name == policy.typed_by).map(|kernel| &kernel.btf);
    let types = types.ok_or_else(|| format!("types of an unknown kernel, {}", policy.typed_by))?;
    let mut stage =
        Stage { policy, hook, pool, types, scene, tape, ancestor: None, known: BTreeSet::new(), shapes: Vec::new() };
    stage.task();
    for param in &policy.params {
        if stage.tape.percent(40)
            && let Ty::Int(int) = param.ty
        {
            let value = stage.number(int);
            stage.scene.params.insert(param.name.clone(), value);
        }
    }
    // A mode applies to a rule on all of its hooks. Usually all modes keep their initial values.
    if stage.tape.percent(40) {
        for rule in &policy.rules {
            if stage.tape.percent(60) {
                let mode = *stage.tape.pick(&Mode::ALL);
                stage.scene.modes.insert(rule.name.clone(), mode);
            }
        }
    }
    stage.scene.upper = stage.tape.word();
    stage.scene.time_ns = stage.number(Int::plain(8, false)) as u64;
    for path in &policy.files {
        let number = Int::plain(4, false);
        if stage.tape.percent(80) {
            let file = (stage.number(number) as u64, stage.number(number) as u64);
            stage.scene.files.insert(path.clone(), file);
        }
    }
    for set in &policy.sets {
        stage.fill(set);
    }
    let rules: Vec<_> = policy.rules.iter().filter(|rule| rule.hook == hook).collect();
    // Paths come first, since the objects that lead to them must be consistent.
    for texts in [true, false] {
        for rule in &rules {
            for cond in rule.when.iter().chain(&rule.unless) {
                stage.cond(cond, texts)?;
            }
            for field in rule.audit.iter().flat_map(|audit| &audit.fields) {
                stage.value(&field.value, texts)?;
            }
        }
    }
    stage.kept()?;
    for mark in rules.iter().flat_map(|rule| &rule.marks) {
        stage.value(&mark.object, false)?;
        stage.labelled(policy.labels[mark.label.index()].on, &mark.object);
    }
    stage.room();
    let again = stage.again();
    Ok(Staged { scene: stage.scene, again, shapes: stage.shapes })
}

pub(super) struct Stage<'s, 't, 'k> {
    pub(super) policy: &'s Policy,
    pub(super) hook: HookId,
    pool: &'s Pool,
    /// Types of the kernel that the policy was typed by, to which its pointers refer.
    types: &'s Btf,
    pub(super) scene: Scene<'k>,
    pub(super) tape: &'s mut Tape<'t>,
    /// The current ancestor inside a quantifier.
    ancestor: Option<u64>,
    /// Arguments that already have a value.
    known: BTreeSet<String>,
    shapes: Vec<Shape>,
}

impl Stage<'_, '_, '_> {
    /// Draws times of repetitions: usually none, otherwise one or several, inside a rule's time window and
    /// after it.
    fn again(&mut self) -> Vec<u64> {
        // No repetitions with full label maps, since entries could be released between the calls.
        let often = if self.tape.percent(30) && !self.scene.labels.full { 1 + self.tape.below(4) } else { 0 };
        let mut now = self.scene.time_ns;
        let later = (0..often).map(|_| {
            now = now.saturating_add([0, 1, 999_999_999, 1_000_000_000, 3_600_000_000_000][self.tape.below(5)]);
            now
        });
        later.collect()
    }

    fn task(&mut self) {
        let id = Int::plain(4, false);
        let mut number = || self.number(id) as u32;
        let (pid, tgid, uid, euid, gid) = (number(), number(), number(), number(), number());
        let mut comm = [0; 16];
        let name = self.name();
        let length = name.len().min(15);
        comm[..length].copy_from_slice(&name[..length]);
        let task = Task { pid, tgid, uid, euid, gid, comm, cgroup_id: 7, address: self.scene.task.address };
        self.scene.be(task);
    }

    /// Adds random elements to a dynamic set.
    fn fill(&mut self, set: &Set) {
        let (Some(name), Members::Dynamic { max }) = (&set.name, &set.members) else { return };
        let mut elements: Vec<Vec<Element>> = Vec::new();
        for _ in 0..self.tape.below(6).min(*max as usize) {
            let element = set.columns.iter().map(|part| match part {
                Column::Int(int) => Element::Number(self.number(*int)),
                Column::Ip => Element::Ip(self.ip()),
                Column::Network => {
                    let bits = [128, 128, 104, 112, 32, 0, 127][self.tape.below(7)];
                    let first = self.ip().checked_shr(128 - bits).map_or(0, |high| high << (128 - bits));
                    Element::Network(first, bits)
                }
                Column::Text { .. } => {
                    let mut text = self.name();
                    text.truncate(255);
                    Element::Text(text)
                }
            });
            let element: Vec<Element> = element.collect();
            if !elements.contains(&element) {
                elements.push(element);
            }
        }
        self.scene.sets.insert(name.clone(), elements);
    }

    /// Draws an integer of a type.
    fn number(&mut self, int: Int) -> i128 {
        let near = |tape: &mut Tape<'_>, pool: &Pool| match pool.numbers.len() {
            0 => 0,
            _ => *tape.pick(&pool.numbers),
        };
        let number = match self.tape.below(9) {
            0 => 0,
            1..5 => near(self.tape, self.pool),
            5 => near(self.tape, self.pool) + 1,
            6 => near(self.tape, self.pool) - 1,
            7 => near(self.tape, self.pool) | near(self.tape, self.pool),
            _ => i128::from(self.tape.word()),
        };
        int.wrap(number)
    }

    /// Draws a text without NUL.
    fn name(&mut self) -> Vec<u8> {
        let mut text = match self.pool.texts.len() {
            0 => b"x".to_vec(),
            _ => self.tape.pick(&self.pool.texts).clone(),
        };
        match self.tape.below(8) {
            0..3 => {}
            3 => text.push(b'x'),
            4 => drop(text.pop()),
            5 => text.extend_from_slice(b"/x"),
            6 => text.insert(0, b'x'),
            _ => {
                let at = self.tape.below(text.len());
                if let Some(byte) = text.get_mut(at) {
                    *byte = b"/aq\xff"[self.tape.below(4)];
                }
            }
        }
        if self.tape.percent(1) {
            text = text.repeat(1 + 4100 / text.len().max(1));
        }
        text.retain(|byte| *byte != 0);
        text
    }

    /// Returns the components of a path, sometimes of one that is too long.
    fn components(&mut self, mut text: Vec<u8>) -> Vec<Vec<u8>> {
        if self.tape.percent(1) {
            text = [b"/", &[b'd'; 200][..]].concat().repeat(19 + self.tape.below(4));
        }
        text.split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty() && part.len() < 256)
            .map(<[u8]>::to_vec)
            .collect()
    }

    fn cond(&mut self, cond: &Cond, texts: bool) -> Result<(), String> {
        match cond {
            Cond::Const(_) => Ok(()),
            Cond::Not(inner) => self.cond(inner, texts),
            Cond::And(left, right) | Cond::Or(left, right) => {
                self.cond(left, texts)?;
                self.cond(right, texts)
            }
            Cond::Atom(atom) => {
                walk::values(&atom.kind).try_for_each(|value| self.value(value, texts))?;
                match &atom.kind {
                    AtomKind::AnyAncestor { of, cond, .. } => self.ancestors(of, cond, texts),
                    AtomKind::Label { object, label } if !texts => {
                        self.labelled(self.policy.labels[label.index()].on, object);
                        Ok(())
                    }
                    _ => Ok(()),
                }
            }
        }
    }

    /// Sets the storage that a value is read from: with `texts` that of texts, otherwise all other storage.
    pub(super) fn value(&mut self, value: &Value, texts: bool) -> Result<(), String> {
        match &value.kind {
            ValueKind::Text(text) if texts => return self.text(text),
            ValueKind::Endpoint(end, _) => return if texts { self.end(end) } else { Ok(()) },
            ValueKind::Text(text) => {
                if let TextSource::Copy(of) = &**text {
                    self.value(of, false)?;
                }
                return Ok(());
            }
            ValueKind::Load { .. } | ValueKind::Arg(_) if !texts => return self.read(value),
            _ => {}
        }
        let (values, cond) = walk::operands(value);
        values.into_iter().try_for_each(|value| self.value(value, texts))?;
        cond.into_iter().try_for_each(|cond| self.cond(cond, texts))
    }

    /// Gives a task some ancestors, and sets the values that a condition reads from them.
    fn ancestors(&mut self, of: &Value, cond: &Cond, texts: bool) -> Result<(), String> {
        let parent = named("task_struct", &["real_parent"]);
        self.value(of, false)?;
        let mut task = self.address(of);
        if task == 0 {
            return Ok(());
        }
        if !self.scene.is_given(task, &parent) {
            let most = if self.tape.percent(2) { GENERATIONS_MAX } else { 5 };
            let count = self.tape.below(most);
            let mut child = task;
            for left in (0..=count).rev() {
                let made = self.scene.object("task_struct", true)?;
                // The idle task usually ends the chain; sometimes no task does.
                let end = left == 0 && !self.tape.percent(5);
                self.scene.set(made, &named("task_struct", &["pid"]), if end { 0 } else { 1 + left as u64 });
                // Every task has a leader, which is another task if it is not the first thread of its process.
                let leader = if self.tape.percent(30) { self.scene.object("task_struct", true)? } else { made };
                self.scene.set(made, &named("task_struct", &["group_leader"]), leader);
                self.scene.set(child, &parent, made);
                child = made;
            }
        }
        // The chain as it is now: a value set for the last ancestor can have given it a parent.
        let mut generations = Vec::new();
        while let Some(next) =
            self.scene.number(task, &parent).filter(|next| *next != 0 && generations.len() < GENERATIONS_MAX)
        {
            task = next;
            generations.push(task);
        }
        for task in generations {
            let before = self.ancestor.replace(task);
            self.cond(cond, texts)?;
            self.ancestor = before;
        }
        Ok(())
    }

    pub(super) fn address(&self, pointer: &Value) -> u64 {
        match eval::value(self.policy, self.hook, pointer, self.ancestor, &self.scene) {
            Some(Datum::Number(number)) => number as u64,
            _ => 0,
        }
    }

    fn argument(&self, arg: krsic::hir::ArgId) -> String {
        self.policy.hooks[self.hook.index()].args[arg.index()].name.clone()
    }

    /// Returns the storage of a value that is not yet set: its base address and its name. Returns `None` if
    /// the value is set or a null pointer precedes it.
    fn unknown(&mut self, value: &Value) -> Result<Option<(u64, String)>, String> {
        let key = match &value.kind {
            ValueKind::Arg(arg) => (0, self.argument(*arg)),
            ValueKind::Load { base, access } => {
                self.value(base, false)?;
                let at = self.address(base);
                if at == 0 {
                    return Ok(None);
                }
                // Members of a union overlap; a number there is not a valid pointer, and neither is a pointer
                // to another type.
                if self.scene.is_given(at, access) {
                    let number = self.scene.number(at, access).unwrap_or(0);
                    if let Ty::Ptr(Ptr { target, .. }) = value.ty
                        && number != 0
                        && self.scene.memory.peek(number, self.bytes(target)).is_none()
                    {
                        self.scene.set(at, access, 0);
                    }
                    return Ok(None);
                }
                (at, access.to_string())
            }
            _ => return Ok(None),
        };
        Ok((!self.known.contains(&key.1)).then_some(key))
    }

    fn assign(&mut self, value: &Value, number: u64) -> Result<(), String> {
        if let ValueKind::FirstOf(values) = &value.kind {
            return values.iter().try_for_each(|value| self.assign(value, number));
        }
        let Some(key) = self.unknown(value)? else { return Ok(()) };
        match &value.kind {
            ValueKind::Arg(arg) => {
                let name = self.argument(*arg);
                self.scene.arguments.insert(name, number);
            }
            ValueKind::Load { access, .. } => {
                self.scene.set(key.0, access, number);
            }
            _ => {}
        }
        if key.0 == 0 {
            self.known.insert(key.1);
        }
        Ok(())
    }

    /// Sets an argument or a field.
    fn read(&mut self, value: &Value) -> Result<(), String> {
        let Some((at, _)) = self.unknown(value)? else { return Ok(()) };
        let number = match value.ty {
            Ty::Int(int) => self.number(int) as u64,
            Ty::Bool => self.tape.below(2) as u64,
            Ty::Ptr(pointer) => self.pointer(pointer)?,
            Ty::Str { bytes } => {
                let mut text = self.name();
                text.resize(bytes as usize, 0);
                if let ValueKind::Load { access, .. } = &value.kind {
                    self.scene.set_bytes(at, access, &text);
                }
                return Ok(());
            }
            Ty::Ip | Ty::Text { .. } => return Ok(()),
        };
        self.assign(value, number)
    }

    /// Returns the size of a struct or union on the scene's kernel; 0 for other types and for types unknown
    /// there.
    fn bytes(&self, target: TypeId) -> usize {
        let target = self.types.strip(target);
        let btf = &self.scene.kernel.btf;
        let found = [Kind::Struct, Kind::Union].into_iter().find_map(|kind| btf.find(kind, self.types.name(target)));
        found.map_or(0, |found| btf.size(found) as usize)
    }

    fn pointer(&mut self, Ptr { target, nullable }: Ptr) -> Result<u64, String> {
        if nullable && self.tape.percent(25) {
            return Ok(0);
        }
        // A helper reads the fields of ancestors, and fails at addresses without memory. A mark loads the
        // same pointers directly, since no task of a kernel lacks them.
        let marks = self.policy.rules.iter().any(|rule| !rule.marks.is_empty());
        if self.ancestor.is_some() && !marks && self.tape.percent(8) {
            return Ok([0, NOWHERE][self.tape.below(2)]);
        }
        let target = self.types.strip(target);
        let is_struct = match self.types.ty(target) {
            Type::Struct { .. } => true,
            Type::Union { .. } => false,
            Type::Fwd { .. } => self.types.find(Kind::Union, self.types.name(target)).is_none(),
            _ => return Ok(self.scene.put_bytes(&[0; 64])),
        };
        let name = self.types.name(target);
        // Any socket could be a Unix socket, whose struct is larger.
        if name == "sock"
            && let Ok(made) = self.scene.object("unix_sock", true)
        {
            return Ok(made);
        }
        // A path that is read through this mount continues in the parent mounts.
        if name == "vfsmount" {
            return self.scene.mounted(&[]);
        }
        // No program reads from types that the trimmed kernel types only declare.
        Ok(self.scene.object(name, is_struct).unwrap_or_else(|_| self.scene.put_bytes(&[0; 64])))
    }

    fn text(&mut self, text: &TextSource) -> Result<(), String> {
        match text {
            TextSource::Path { dentry, mount } => {
                self.prepare(dentry)?;
                self.prepare(mount)?;
                let mut text = self.name();
                let mut tail = match self.tape.below(12) {
                    0..10 => Tail::Ordinary,
                    10 => Tail::Deleted,
                    _ => Tail::Nowhere,
                };
                // A path with this suffix usually belongs to an unlinked file.
                let deleted = b" (deleted)";
                if text.ends_with(deleted) && self.tape.percent(70) {
                    text.truncate(text.len() - deleted.len());
                    tail = Tail::Deleted;
                }
                let inner = self.components(text);
                let null = nullable(mount) && self.tape.percent(4);
                // If the mount exists already, another path below it is created.
                let cut = match self.tape.below(10) {
                    0..7 => 0,
                    7 | 8 => self.tape.below(inner.len() + 1),
                    _ => inner.len(),
                };
                let parts: Vec<&[u8]> = inner.iter().map(Vec::as_slice).collect();
                let mut at = self.address(mount);
                let mut below = &parts[..];
                if at == 0 {
                    if self.tape.percent(6) {
                        let reach = [Reach::Anonymous, Reach::Unmounted, Reach::Internal][self.tape.below(3)];
                        at = self.scene.top_mount(reach)?;
                    } else {
                        at = self.scene.mounted(&parts[..cut])?;
                        below = &parts[cut..];
                    }
                    self.assign(mount, if null { 0 } else { at })?;
                    at = self.address(mount);
                }
                if at != 0 {
                    if below.is_empty() {
                        self.shapes.push(Shape::MountRoot);
                    } else if tail == Tail::Deleted {
                        self.shapes.push(Shape::DeletedPath);
                    }
                    let made = self.scene.file(at, below, tail)?;
                    self.assign(dentry, made)?;
                }
                Ok(())
            }
            TextSource::Cgroup { node } => {
                self.prepare(node)?;
                let text = self.name();
                let inner = self.components(text);
                let parts: Vec<&[u8]> = inner.iter().map(Vec::as_slice).collect();
                let made = self.scene.cgroup_node(&parts)?;
                let null = nullable(node) && self.tape.percent(4);
                self.assign(node, if null { 0 } else { made })
            }
            TextSource::Pointer(of) => {
                self.prepare(of)?;
                let name = self.name();
                let made = self.scene.put_text(&name);
                let null = nullable(of) && self.tape.percent(10);
                self.assign(of, if null { 0 } else { made })
            }
            TextSource::Copy(_) => Ok(()),
            TextSource::Unix { end, .. } => self.end(end),
        }
    }

    /// Sets everything that leads to a pointer, except the pointer itself.
    fn prepare(&mut self, pointer: &Value) -> Result<(), String> {
        match &pointer.kind {
            ValueKind::Load { base, .. } => self.value(base, false),
            ValueKind::FirstOf(values) => values.iter().try_for_each(|value| self.prepare(value)),
            _ => Ok(()),
        }
    }

    fn ip(&mut self) -> u128 {
        let known = match self.pool.addresses.len() {
            0 => 0xffff_0a00_0001,
            _ => *self.tape.pick(&self.pool.addresses),
        };
        match self.tape.below(6) {
            0..3 => known,
            3 => known.wrapping_add(1),
            4 => [0, 0xffff_0000_0000][self.tape.below(2)],
            _ => known.wrapping_sub(1),
        }
    }

    fn end(&mut self, end: &Endpoint) -> Result<(), String> {
        match end {
            Endpoint::Bound { address, length } => self.sockaddr(address, length, 10)?,
            Endpoint::Connected { address, length, socket } => {
                self.sockaddr(address, length, 10)?;
                self.socket(socket)?;
            }
            Endpoint::Local(socket) | Endpoint::Peer(socket) => self.socket(socket)?,
            Endpoint::Message { address, length, flags, socket } => {
                self.sockaddr(address, length, 50)?;
                // MSG_FASTOPEN, include/linux/socket.h.
                let fast_open = [0, 0x2000_0000][self.tape.below(2)];
                self.assign(flags, fast_open)?;
                self.socket(socket)?;
            }
        }
        Ok(())
    }

    fn sockaddr(&mut self, address: &Value, length: &Value, null: usize) -> Result<(), String> {
        self.prepare(address)?;
        self.prepare(length)?;
        let ip = self.ip();
        let port = self.number(Int::plain(2, false)) as u16;
        let four = ip >> 32 == 0xffff;
        let family: u16 = match self.tape.below(10) {
            0..8 => {
                if four {
                    2
                } else {
                    10
                }
            }
            8 => [0, 0, 1, 16][self.tape.below(4)],
            _ => [2, 10][self.tape.below(2)],
        };
        let mut bytes = [0; 128];
        bytes[..2].copy_from_slice(&family.to_le_bytes());
        bytes[2..4].copy_from_slice(&port.to_be_bytes());
        if family == 10 {
            bytes[8..24].copy_from_slice(&ip.to_be_bytes());
        } else {
            bytes[4..8].copy_from_slice(&(ip as u32).to_be_bytes());
        }
        let mut count = match self.tape.below(16) {
            0..10 if family == 10 => 28,
            0..10 => 16,
            10 => 16,
            11 => 28,
            12 => 24,
            13 => [15, 23][self.tape.below(2)],
            _ => self.tape.below(30) as u64,
        };
        if family == 1 {
            let name = self.unix_name();
            bytes[..name.len()].copy_from_slice(&name);
            count = if self.tape.percent(10) { count } else { name.len() as u64 };
        }
        self.shapes.extend(Shape::of_length(count));
        if family == 0 {
            self.shapes.push(Shape::Unspec);
        }
        let made = self.scene.put_bytes(&bytes);
        let null = nullable(address) && self.tape.percent(null);
        self.assign(address, if null { 0 } else { made })?;
        self.assign(length, count)
    }

    /// Gives a Unix socket a name: a file path, an abstract name, or none.
    fn unix(&mut self, at: u64) -> Result<(), String> {
        if self.tape.percent(50) {
            let text = self.name();
            let inner = self.components(text);
            let parts: Vec<&[u8]> = inner.iter().map(Vec::as_slice).collect();
            let mount = self.scene.mounted(&[])?;
            let dentry = self.scene.file(mount, &parts, Tail::Ordinary)?;
            self.scene.set(at, &named("unix_sock", &["path", "dentry"]), dentry);
            self.scene.set(at, &named("unix_sock", &["path", "mnt"]), mount);
        }
        if self.tape.percent(50) {
            let name = self.unix_name();
            let bound = self.scene.put_bytes(&[0; 256]);
            self.scene.set(bound, &named("unix_address", &["len"]), name.len() as u64);
            let place = self.scene.address_of(bound, &named("unix_address", &["name"])).ok_or("no `unix_address`")?;
            self.scene.memory.poke(place, &name);
            self.scene.set(at, &named("unix_sock", &["addr"]), bound);
        }
        Ok(())
    }

    /// Draws the bytes of a `sockaddr_un`.
    fn unix_name(&mut self) -> Vec<u8> {
        let mut name = self.name();
        name.truncate(100);
        let begin: &[u8] = if self.tape.percent(50) { &[1, 0, 0] } else { &[1, 0] };
        [begin, &name].concat()
    }

    fn socket(&mut self, socket: &Value) -> Result<(), String> {
        self.value(socket, false)?;
        let at = self.address(socket);
        let field = |name: &str| named("sock", &["__sk_common", name]);
        if at == 0 || self.scene.is_given(at, &field("skc_daddr")) {
            return Ok(());
        }
        let (local, peer) = (self.ip(), self.ip());
        let port = Int::plain(2, false);
        let (local_port, peer_port) = (self.number(port) as u16, self.number(port) as u16);
        let family: u64 = match self.tape.below(8) {
            0..4 => 2,
            4..7 => 10,
            _ => 1,
        };
        let numbers = [
            ("skc_family", family),
            ("skc_num", u64::from(local_port)),
            ("skc_dport", u64::from(peer_port.to_be())),
            ("skc_rcv_saddr", u64::from((local as u32).to_be())),
            ("skc_daddr", u64::from((peer as u32).to_be())),
        ];
        for (name, number) in numbers {
            self.scene.set(at, &field(name), number);
        }
        let kind = [1, 2, 3, 5][self.tape.below(4)];
        self.scene.set(at, &named("sock", &["sk_type"]), kind);
        let protocol = [6, 132][self.tape.below(2)];
        self.scene.set(at, &named("sock", &["sk_protocol"]), protocol);
        self.scene.set_bytes(at, &field("skc_v6_rcv_saddr"), &local.to_be_bytes());
        self.scene.set_bytes(at, &field("skc_v6_daddr"), &peer.to_be_bytes());
        if family == 1
            && let Ok(other) = self.scene.object("unix_sock", true)
        {
            self.scene.set(other, &field("skc_family"), family);
            self.scene.set(at, &named("unix_sock", &["peer"]), other);
            self.unix(at)?;
            self.unix(other)?;
        }
        Ok(())
    }
}
