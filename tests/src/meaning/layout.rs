//! Inputs of a row as kernel memory: structs, paths, sockets and tasks, laid out by the types of a kernel.
//!
//! ```text
//! vma.vm_file.f_inode.i_uid.val = 5    the argument `vma` points to a `struct vm_area_struct`, its `vm_file`
//!                                      to a `struct file`, and so on; missing objects are created
//! path(file.f_path) = "/etc/passwd"    dentries up to the root of a mount
//! ```
//!
//! Offsets and widths come from the kernel's BTF. An argument that is a pointer to a struct points to a
//! zeroed struct unless a row sets it; all other pointers are null by default. [`Meeting`] answers the
//! evaluator from the same memory; it walks paths as `prepend_path` in `fs/d_path.c` does.
//!
//! Absent: names of the standard library, and anything taken from a policy.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use krsi_abi::labels::Object;
use krsic::btf::{Kind, Type, TypeId, field};
use krsic::hir::eval::{Element, Entry, Labels, ObjectKey, Windows, World};
use krsic::hir::since::Since;
use krsic::hir::{Access, Mode, TaskField};
use krsic::kernel::Kernel;
use krsic::simulate::memory::Rights;
use krsic::simulate::scene::Scene;

use super::parse::{Address, Given, Input, PathSpec, Place, Step};

/// A kernel address without memory.
const NOWHERE: u64 = 0xffff_fe00_0000_0000;

/// The bits above a narrow argument, which no program may read.
const GARBAGE: u64 = 0xa5c3_96f1_5a3c_e70f;

/// Byte offset and type of a field, by struct name and field names.
type Offsets = BTreeMap<(String, String), (u64, TypeId)>;

/// The memory that a call accesses. Clones share the cache of field offsets, since each lookup searches BTF.
#[derive(Clone)]
pub struct Layout<'k> {
    /// Memory and arguments of the call.
    pub scene: Scene<'k>,
    kernel: &'k Kernel,
    /// Name and type of each argument of the hook.
    arguments: Vec<(String, TypeId)>,
    /// The `struct mount` of the namespace root.
    root: Option<u64>,
    /// Addresses of all `struct task_struct`.
    tasks: Vec<u64>,
    /// The idle task: parent of the first process and of itself.
    idle: u64,
    /// Addresses of pointers that a row sets to null.
    nulls: BTreeSet<u64>,
    /// Cache of field offsets by struct name and field names.
    offsets: Rc<RefCell<Offsets>>,
    /// Cache of struct sizes by name.
    sizes: Rc<RefCell<BTreeMap<String, usize>>>,
    /// True if the ring buffer is full.
    pub no_room: bool,
}

/// A resolved place: its type and its storage.
#[derive(Clone, Debug)]
struct Spot {
    ty: TypeId,
    home: Home,
}

#[derive(Clone, Debug)]
enum Home {
    Argument(String),
    Memory {
        /// Address of the first byte.
        at: u64,
        /// Offset in bits from there.
        bit: u32,
        /// Width of a bitfield in bits, or 0.
        bits: u32,
    },
}

impl<'k> Layout<'k> {
    /// Creates a layout with one task and nothing else.
    ///
    /// # Errors
    /// Returns an error if the kernel's types do not include tasks.
    pub fn new(kernel: &'k Kernel) -> Result<Layout<'k>, String> {
        let mut scene = Scene::new(kernel)?;
        scene.upper = GARBAGE;
        scene.time_ns = 1_000_000_000_000;
        let first = scene.task.address;
        let mut layout = Layout {
            scene,
            kernel,
            arguments: Vec::new(),
            root: None,
            tasks: vec![first],
            idle: 0,
            nulls: BTreeSet::new(),
            offsets: Rc::default(),
            sizes: Rc::default(),
            no_room: false,
        };
        layout.idle = layout.object("task_struct")?;
        Ok(layout)
    }

    /// Makes the layout a call of a hook.
    ///
    /// # Errors
    /// Returns an error if the kernel has no such hook.
    pub fn call(&mut self, hook: &str) -> Result<(), String> {
        let found = self.kernel.hook(hook).ok_or_else(|| format!("no hook `{hook}`"))?;
        self.arguments = found.args.iter().map(|arg| (arg.name.to_owned(), arg.ty)).collect();
        Ok(())
    }

    /// Applies one input; the caller handles inputs that do not concern memory.
    ///
    /// # Errors
    /// Returns an error if the kernel lacks a name, or if a value does not fit.
    pub fn give(&mut self, input: &Input) -> Result<(), String> {
        match input {
            Input::Hook(_) | Input::Kernels(_) => {}
            Input::Param(name, value) => {
                self.scene.params.insert(name.clone(), *value);
            }
            Input::Set(name, elements) => {
                self.scene.sets.insert(name.clone(), elements.clone());
            }
            Input::Mode(Some(rule), mode) => {
                self.scene.modes.insert(rule.clone(), *mode);
            }
            Input::Mode(None, _) => {}
            Input::Now(time) => self.scene.time_ns = *time,
            Input::NoRoom => self.no_room = true,
            Input::LabelsFull => self.scene.labels.full = true,
            Input::Labels(place, labels) => {
                let known = self.known(place)?;
                let labels = labels.iter().cloned().collect();
                self.scene.labels.entries.insert(known, Entry { labels, former: 0 });
            }
            Input::Found(path, device, inode) => {
                self.scene.files.insert(path.clone(), (*device, *inode));
            }
            Input::Give(place, given) => self.set(place, given)?,
            Input::Path(places, spec) => self.path(places, spec)?,
            Input::Sockaddr(place, length, address, bytes) => self.sockaddr(place, length, address, *bytes)?,
            Input::End { sock, peer, address } => {
                let sock = self.target(sock)?;
                self.end(sock, *peer, address)?;
            }
            Input::Cgroup(place, text) => self.cgroup(place, text)?,
            Input::Ancestors(place, count) => {
                let mut child = self.target(place)?;
                for number in 0..=*count {
                    let parent = self.object("task_struct")?;
                    self.poke(child, "task_struct", "real_parent", parent)?;
                    // The idle task, with pid 0, ends the chain of ancestors.
                    self.poke(
                        parent,
                        "task_struct",
                        "pid",
                        if number == *count { 0 } else { u64::from(1000 + number) },
                    )?;
                    child = parent;
                }
            }
        }
        Ok(())
    }

    /// Completes the inputs: arguments that point to structs, parents of tasks, and the ids that helpers
    /// return.
    ///
    /// # Errors
    /// Returns an error if the kernel's types lack a field that every task has.
    pub fn finish(&mut self) -> Result<(), String> {
        for (name, ty) in self.arguments.clone() {
            if self.scene.arguments.contains_key(&name) {
                continue;
            }
            let btf = &self.kernel.btf;
            if let Type::Ptr(target) = btf.ty(btf.strip(ty))
                && let Some(object) = self.pointee(target)
            {
                self.scene.arguments.insert(name, object);
            }
        }
        // Every task has a parent.
        let (offset, _) = self.offset("task_struct", "real_parent")?;
        for task in self.tasks.clone() {
            if self.peek(task, "task_struct", "real_parent")? == 0 && !self.nulls.contains(&(task + offset)) {
                self.poke(task, "task_struct", "real_parent", self.idle)?;
            }
        }
        let task = self.scene.task.address;
        let cred = self.peek(task, "task_struct", "cred")?;
        let id = |layout: &Layout<'_>, name| layout.peek(cred, "cred", name).map(|id| id as u32);
        let (uid, euid, gid) = (id(self, "uid.val")?, id(self, "euid.val")?, id(self, "gid.val")?);
        let of_task = |layout: &Layout<'_>, name| layout.peek(task, "task_struct", name).map(|id| id as u32);
        let (pid, tgid) = (of_task(self, "pid")?, of_task(self, "tgid")?);
        let (at, _) = self.offset("task_struct", "comm")?;
        let comm = self.scene.memory.peek(task + at, 16).and_then(|bytes| bytes.first_chunk().copied());
        let task = &mut self.scene.task;
        (task.uid, task.euid, task.gid, task.pid, task.tgid) = (uid, euid, gid, pid, tgid);
        task.comm = comm.ok_or("a task without a name")?;
        Ok(())
    }

    /// Returns the key of the object at a place in the label maps.
    ///
    /// # Errors
    /// Returns an error for an object of a kind that cannot have labels.
    pub fn known(&mut self, place: &Place) -> Result<ObjectKey, String> {
        let target = self.target(place)?;
        let spot = self.resolve(place)?;
        let btf = &self.kernel.btf;
        let name = match btf.ty(btf.strip(spot.ty)) {
            Type::Ptr(target) => btf.name(btf.strip(target)),
            _ => btf.name(btf.strip(spot.ty)),
        };
        Ok(match name {
            // All threads of a process share one object.
            "task_struct" => (Object::Task, [self.peek(target, "task_struct", "group_leader")?, 0]),
            "inode" => {
                let sb = self.peek(target, "inode", "i_sb")?;
                let device = if sb == 0 { 0 } else { self.peek(sb, "super_block", "s_dev")? };
                let generation = self.peek(target, "inode", "i_generation")?;
                (Object::Inode, [self.peek(target, "inode", "i_ino")?, device | generation << 32])
            }
            "socket" => (Object::Socket, [self.peek(target, "socket", "sk")?, 0]),
            "sock" => (Object::Socket, [target, 0]),
            other => return Err(format!("no labels are on `{other}`")),
        })
    }

    /// Creates a zeroed struct. A socket has room for the socket type of any family.
    fn object(&mut self, name: &str) -> Result<u64, String> {
        let known = self.sizes.borrow().get(name).copied();
        let bytes = match known {
            Some(bytes) => bytes,
            None => {
                let bytes = self.size(name)?;
                self.sizes.borrow_mut().insert(name.to_owned(), bytes);
                bytes
            }
        };
        let at = self.scene.memory.add(vec![0; bytes], Rights::Read, "struct");
        if name == "task_struct" {
            // A process with one thread.
            self.poke(at, "task_struct", "group_leader", at)?;
            self.tasks.push(at);
        }
        Ok(at)
    }

    fn size(&self, name: &str) -> Result<usize, String> {
        let btf = &self.kernel.btf;
        let wide = if name == "sock" { btf.find(Kind::Struct, "unix_sock") } else { None };
        let found = wide.or_else(|| btf.find(Kind::Struct, name)).or_else(|| btf.find(Kind::Union, name));
        let ty = found.ok_or_else(|| format!("no struct `{name}`"))?;
        // One element for a flexible array member, as in `struct pid`.
        let behind = match btf.members(ty).next_back().map(|last| btf.ty(btf.strip(last.ty))) {
            Some(Type::Array { element, count: 0 }) => btf.size(element),
            _ => 0,
        };
        Ok((btf.size(ty) + behind) as usize)
    }

    /// Creates an object of a pointer's target type, if that is a struct with known members.
    fn pointee(&mut self, target: TypeId) -> Option<u64> {
        let btf = &self.kernel.btf;
        match btf.ty(btf.strip(target)) {
            Type::Struct { name, .. } | Type::Union { name, .. } | Type::Fwd { name } => {
                let name = name.to_owned();
                self.object(&name).ok()
            }
            _ => None,
        }
    }

    fn offset(&self, root: &str, path: &str) -> Result<(u64, TypeId), String> {
        let key = (root.to_owned(), path.to_owned());
        if let Some(known) = self.offsets.borrow().get(&key) {
            return Ok(*known);
        }
        let found = self.find_offset(root, path)?;
        self.offsets.borrow_mut().insert(key, found);
        Ok(found)
    }

    fn find_offset(&self, root: &str, path: &str) -> Result<(u64, TypeId), String> {
        let btf = &self.kernel.btf;
        let mut ty = btf.find(Kind::Struct, root).ok_or_else(|| format!("no struct `{root}`"))?;
        let mut at = 0;
        for name in path.split('.') {
            let found = field(btf, ty, name).ok_or_else(|| format!("`{root}` has no `{path}`"))?;
            at += u64::from(found.bit_offset / 8);
            ty = found.ty;
        }
        Ok((at, ty))
    }

    fn poke(&mut self, at: u64, root: &str, path: &str, value: u64) -> Result<(), String> {
        let (offset, ty) = self.offset(root, path)?;
        let bytes = self.kernel.btf.size(ty).min(8) as usize;
        let done = self.scene.memory.poke(at + offset, &value.to_le_bytes()[..bytes]);
        if done { Ok(()) } else { Err(format!("no memory at `{root}.{path}`")) }
    }

    fn peek(&self, at: u64, root: &str, path: &str) -> Result<u64, String> {
        let (offset, ty) = self.offset(root, path)?;
        let bytes = self.scene.memory.peek(at + offset, self.kernel.btf.size(ty).min(8) as usize);
        bytes.map(little).ok_or_else(|| format!("no memory at `{root}.{path}`"))
    }

    fn resolve(&mut self, Place(steps): &Place) -> Result<Spot, String> {
        let Some((Step::Name(root), steps)) = steps.split_first() else { return Err("an empty place".to_owned()) };
        let argument = self.arguments.iter().find(|(name, _)| name == root);
        let mut spot = match argument {
            Some((name, ty)) => Spot { ty: *ty, home: Home::Argument(name.clone()) },
            None if root == "task" || root == "current" => {
                let ty = self.kernel.btf.find(Kind::Struct, "task_struct").ok_or("no tasks")?;
                Spot { ty, home: Home::Memory { at: self.scene.task.address, bit: 0, bits: 0 } }
            }
            None => return Err(format!("the hook has no argument `{root}`")),
        };
        for (at, step) in steps.iter().enumerate() {
            match (step, at.checked_sub(1).and_then(|before| steps.get(before))) {
                (Step::Times(count), Some(Step::Name(name))) => {
                    for _ in 1..*count {
                        spot = self.member(&spot, name)?;
                    }
                }
                (Step::Name(name), _) => spot = self.member(&spot, name)?,
                (Step::Index(index), _) => {
                    let btf = &self.kernel.btf;
                    let (Type::Array { element, count }, Home::Memory { at, .. }) =
                        (btf.ty(btf.strip(spot.ty)), &spot.home)
                    else {
                        return Err(format!("`[{index}]` of what is no array"));
                    };
                    if *index >= count.max(1) {
                        return Err(format!("an array of {count} has no `[{index}]`"));
                    }
                    let at = at + u64::from(btf.size(element) * index);
                    spot = Spot { ty: element, home: Home::Memory { at, bit: 0, bits: 0 } };
                }
                (Step::Times(_), _) => return Err("only a field repeats".to_owned()),
            }
        }
        Ok(spot)
    }

    fn member(&mut self, spot: &Spot, name: &str) -> Result<Spot, String> {
        let (at, ty) = self.enter(spot)?;
        let btf = &self.kernel.btf;
        let found = field(btf, ty, name).ok_or_else(|| format!("`{}` has no `{name}`", btf.name(ty)))?;
        let (bit, bits) = (found.bit_offset % 8, found.bitfield_bits);
        Ok(Spot { ty: found.ty, home: Home::Memory { at: at + u64::from(found.bit_offset / 8), bit, bits } })
    }

    /// Returns the struct at a spot, or the target of the pointer there; a null pointer gets a new target.
    fn enter(&mut self, spot: &Spot) -> Result<(u64, TypeId), String> {
        let btf = &self.kernel.btf;
        let ty = btf.strip(spot.ty);
        let Type::Ptr(target) = btf.ty(ty) else {
            return match spot.home {
                Home::Memory { at, .. } => Ok((at, ty)),
                Home::Argument(_) => Err("an argument by value has no fields".to_owned()),
            };
        };
        let target = btf.strip(target);
        let defined = match btf.ty(target) {
            Type::Fwd { name } => btf.find(Kind::Struct, name).or_else(|| btf.find(Kind::Union, name)),
            _ => Some(target),
        };
        let defined = defined.ok_or_else(|| format!("nothing is known of `{}`", self.kernel.btf.name(target)))?;
        let mut at = self.load(spot)?;
        if at == 0 {
            let name = self.kernel.btf.name(defined);
            at = self.pointee(defined).ok_or_else(|| format!("a pointer to `{name}`, which is no struct"))?;
            self.store(spot, at)?;
        }
        Ok((at, defined))
    }

    /// Returns the address of the struct at a place, or of the target of the pointer there.
    fn target(&mut self, place: &Place) -> Result<u64, String> {
        let spot = self.resolve(place)?;
        Ok(self.enter(&spot)?.0)
    }

    fn load(&self, spot: &Spot) -> Result<u64, String> {
        match &spot.home {
            Home::Argument(name) => Ok(self.scene.arguments.get(name).copied().unwrap_or(0)),
            Home::Memory { at, .. } => {
                let bytes = self.kernel.btf.size(spot.ty).min(8) as usize;
                self.scene.memory.peek(*at, bytes).map(little).ok_or_else(|| "no memory".to_owned())
            }
        }
    }

    fn store(&mut self, spot: &Spot, value: u64) -> Result<(), String> {
        let bytes = self.kernel.btf.size(spot.ty) as usize;
        match &spot.home {
            Home::Argument(name) => {
                self.scene.arguments.insert(name.clone(), value);
            }
            Home::Memory { at, bits: 0, .. } => {
                if bytes > 8 || !self.scene.memory.poke(*at, &value.to_le_bytes()[..bytes]) {
                    return Err(format!("{bytes} bytes are no number"));
                }
            }
            Home::Memory { at, bit, bits } => {
                for index in 0..*bits {
                    let place = at + u64::from((bit + index) / 8);
                    let mask = 1_u8 << ((bit + index) % 8);
                    let old = self.scene.memory.peek(place, 1).ok_or("no memory")?[0];
                    let new = if value >> index & 1 == 1 { old | mask } else { old & !mask };
                    self.scene.memory.poke(place, &[new]);
                }
            }
        }
        Ok(())
    }

    fn set(&mut self, place: &Place, given: &Given) -> Result<(), String> {
        let spot = self.resolve(place)?;
        let btf = &self.kernel.btf;
        let ty = btf.ty(btf.strip(spot.ty));
        let value = match (given, ty) {
            (Given::Text(text), Type::Array { count, .. }) => {
                let Home::Memory { at, .. } = spot.home else { return Err("an array as an argument".to_owned()) };
                let mut bytes = text.clone();
                if bytes.len() > count as usize {
                    return Err(format!("{} characters for an array of {count}", bytes.len()));
                }
                bytes.resize(count as usize, 0);
                self.scene.memory.poke(at, &bytes);
                return Ok(());
            }
            (Given::Text(text), Type::Ptr(_)) => {
                self.scene.memory.add([text.as_slice(), b"\0"].concat(), Rights::Read, "bytes")
            }
            (Given::Null, Type::Ptr(_)) => {
                if let Home::Memory { at, .. } = spot.home {
                    self.nulls.insert(at);
                }
                0
            }
            (Given::Unreadable, Type::Ptr(_)) => NOWHERE,
            (Given::New, Type::Ptr(target)) => self.pointee(target).ok_or("a pointer to no struct")?,
            (Given::Same(other), Type::Ptr(_)) => {
                let other = self.resolve(other)?;
                self.enter(&other)?.0
            }
            (Given::Number(number), Type::Int { .. } | Type::Enum { .. }) => {
                let width = match spot.home {
                    Home::Memory { bits, .. } if bits > 0 => bits,
                    _ => 8 * btf.size(spot.ty),
                };
                let range = -(1_i128 << (width - 1))..1_i128 << width;
                if !range.contains(number) {
                    return Err(format!("{number} does not fit into {width} bits"));
                }
                *number as u64
            }
            (given, ty) => return Err(format!("{given:?} at a place of the type {ty:?}")),
        };
        self.store(&spot, value)
    }

    /// Creates a dentry below another; without a parent it is its own parent.
    fn dentry(&mut self, parent: Option<u64>, name: &[u8], hashed: bool) -> Result<u64, String> {
        let dentry = self.object("dentry")?;
        let text = [name, b"\0"].concat();
        // A short name is stored in the dentry itself.
        let inline = self.offset("dentry", "d_shortname").or_else(|_| self.offset("dentry", "d_iname"));
        let inline = inline.ok().filter(|(_, ty)| text.len() <= self.kernel.btf.size(*ty) as usize);
        let characters = match inline {
            Some((offset, _)) if self.scene.memory.poke(dentry + offset, &text) => dentry + offset,
            _ => self.scene.memory.add(text, Rights::Read, "bytes"),
        };
        self.poke(dentry, "dentry", "d_parent", parent.unwrap_or(dentry))?;
        self.poke(dentry, "dentry", "d_name.len", name.len() as u64)?;
        self.poke(dentry, "dentry", "d_name.name", characters)?;
        self.poke(dentry, "dentry", "d_hash.pprev", if hashed { dentry } else { 0 })?;
        Ok(dentry)
    }

    /// Creates the dentries of a path below a dentry; the last one may be unlinked.
    fn below(&mut self, mut dentry: u64, path: &[u8], deleted: bool) -> Result<u64, String> {
        let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
        for (at, name) in names.iter().enumerate() {
            dentry = self.dentry(Some(dentry), name, !(deleted && at + 1 == names.len()))?;
        }
        Ok(dentry)
    }

    /// Creates a mount with a root directory, mounted on a dentry of another mount.
    fn mount(&mut self, root: u64, on: Option<(u64, u64)>) -> Result<u64, String> {
        let mount = self.object("mount")?;
        let (parent, point) = on.unwrap_or((mount, root));
        self.poke(mount, "mount", "mnt.mnt_root", root)?;
        self.poke(mount, "mount", "mnt_parent", parent)?;
        self.poke(mount, "mount", "mnt_mountpoint", point)?;
        Ok(mount)
    }

    /// Returns the mount of the namespace root and its root directory.
    fn root(&mut self) -> Result<(u64, u64), String> {
        let mount = match self.root {
            Some(mount) => mount,
            None => {
                // `d_make_root` does not hash the root of a file system.
                let directory = self.dentry(None, b"/", false)?;
                let mount = self.mount(directory, None)?;
                let namespace = self.object("mnt_namespace")?;
                // The first number of a namespace that is created later, PROC_DYNAMIC_FIRST.
                self.poke(namespace, "mnt_namespace", "ns.inum", 0xf000_0000)?;
                self.poke(mount, "mount", "mnt_ns", namespace)?;
                self.root = Some(mount);
                mount
            }
        };
        Ok((mount, self.peek(mount, "mount", "mnt.mnt_root")?))
    }

    fn path(&mut self, places: &[Place], spec: &PathSpec) -> Result<(), String> {
        let (root, top) = self.root()?;
        let (mount, directory, rest) = match &spec.mounted {
            None if spec.unmounted => {
                let directory = self.dentry(None, b"/", false)?;
                (self.mount(directory, None)?, directory, spec.text.as_slice())
            }
            None => (root, top, spec.text.as_slice()),
            Some(at) => {
                let point = self.below(top, at, false)?;
                let first = self.dentry(None, b"/", false)?;
                let directory = self.below(first, spec.of.as_deref().unwrap_or_default(), false)?;
                let mount = self.mount(directory, Some((root, point)))?;
                (mount, directory, spec.text.strip_prefix(at.as_slice()).ok_or("a path outside its mount")?)
            }
        };
        let dentry = if spec.nowhere {
            self.dentry(None, rest.strip_prefix(b"/").unwrap_or(rest), false)?
        } else {
            self.below(directory, rest, spec.deleted)?
        };
        let (inner, _) = self.offset("mount", "mnt")?;
        let [first, second] = self.path_spots(places)?;
        self.store(&first, dentry)?;
        self.store(&second, mount + inner)
    }

    /// Resolves dentry and mount, either inside a `struct path` or as two places.
    fn path_spots(&mut self, places: &[Place]) -> Result<[Spot; 2], String> {
        match places {
            [place] => {
                let spot = self.resolve(place)?;
                Ok([self.member(&spot, "dentry")?, self.member(&spot, "mnt")?])
            }
            [dentry, mount] => Ok([self.resolve(dentry)?, self.resolve(mount)?]),
            _ => Err("a path is at one place, or at a dentry and a mount".to_owned()),
        }
    }

    fn sockaddr(&mut self, at: &Place, length: &Place, address: &Address, bytes: Option<i128>) -> Result<(), String> {
        let (family, rest, natural): (u16, Vec<u8>, usize) = match address {
            Address::Four(family, ip, port) => (*family, [&port.to_be_bytes()[..], ip].concat(), 16),
            Address::Six(ip, port) => (10, [&port.to_be_bytes()[..], &[0; 4], ip].concat(), 28),
            // Most programs include the trailing NUL of a path in the length.
            Address::Unix(path) => (1, [path, &b"\0"[..]].concat(), 3 + path.len()),
            Address::Abstract(name) => (1, [b"\0", name.as_slice()].concat(), 3 + name.len()),
            Address::Unnamed => (1, Vec::new(), 2),
            Address::Family(family) => (*family, Vec::new(), 16),
        };
        // The kernel copies the caller's address into a `sockaddr_storage`.
        let mut storage = [family.to_le_bytes().to_vec(), rest].concat();
        storage.resize(128, 0);
        let storage = self.scene.memory.add(storage, Rights::Read, "bytes");
        let (at, length) = (self.resolve(at)?, self.resolve(length)?);
        self.store(&at, storage)?;
        self.store(&length, bytes.unwrap_or(natural as i128) as u64)
    }

    fn end(&mut self, sock: u64, peer: bool, address: &Address) -> Result<(), String> {
        let common = |name: &str| format!("__sk_common.{name}");
        let (family, ip, port) = match address {
            Address::Four(family, ip, port) => (*family, ip.to_vec(), *port),
            Address::Six(ip, port) => (10, ip.to_vec(), *port),
            Address::Family(family) => (*family, Vec::new(), 0),
            Address::Unix(_) | Address::Abstract(_) | Address::Unnamed => (1, Vec::new(), 0),
        };
        self.poke(sock, "sock", &common("skc_family"), u64::from(family))?;
        if family == 1 {
            return self.unix_end(sock, peer, address);
        }
        let (four, six) = if peer { ("skc_daddr", "skc_v6_daddr") } else { ("skc_rcv_saddr", "skc_v6_rcv_saddr") };
        let name = common(if ip.len() == 4 { four } else { six });
        if !ip.is_empty() {
            let (offset, _) = self.offset("sock", &name)?;
            self.scene.memory.poke(sock + offset, &ip);
        }
        // The local port is stored in host byte order, the peer's in network byte order.
        if peer {
            self.poke(sock, "sock", &common("skc_dport"), u64::from(port.to_be()))
        } else {
            self.poke(sock, "sock", &common("skc_num"), u64::from(port))
        }
    }

    fn unix_end(&mut self, mut sock: u64, peer: bool, address: &Address) -> Result<(), String> {
        if peer {
            let other = self.object("sock")?;
            self.poke(other, "sock", "__sk_common.skc_family", 1)?;
            self.poke(sock, "unix_sock", "peer", other)?;
            sock = other;
        }
        let bytes = match address {
            Address::Unix(path) => {
                let (mount, top) = self.root()?;
                let dentry = self.below(top, path, false)?;
                let (inner, _) = self.offset("mount", "mnt")?;
                self.poke(sock, "unix_sock", "path.dentry", dentry)?;
                self.poke(sock, "unix_sock", "path.mnt", mount + inner)?;
                [&[1, 0], path.as_slice(), b"\0"].concat()
            }
            Address::Abstract(name) => [&[1, 0, 0], name.as_slice()].concat(),
            _ => return Ok(()),
        };
        let (offset, _) = self.offset("unix_address", "name")?;
        let bound = self.scene.memory.add(vec![0; offset as usize + bytes.len()], Rights::Read, "struct");
        self.poke(bound, "unix_address", "len", bytes.len() as u64)?;
        self.scene.memory.poke(bound + offset, &bytes);
        self.poke(sock, "unix_sock", "addr", bound)
    }

    fn cgroup(&mut self, place: &Place, path: &[u8]) -> Result<(), String> {
        let mut node = self.object("kernfs_node")?;
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            let parent = node;
            node = self.object("kernfs_node")?;
            let text = self.scene.memory.add([name, b"\0"].concat(), Rights::Read, "bytes");
            self.poke(node, "kernfs_node", "name", text)?;
            let newest = self.poke(node, "kernfs_node", "__parent", parent);
            newest.or_else(|_| self.poke(node, "kernfs_node", "parent", parent))?;
        }
        let spot = self.resolve(place)?;
        self.store(&spot, node)
    }
}

fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// The environment of the evaluator, backed by the memory of a layout.
pub struct Meeting<'l, 'k>(pub &'l Layout<'k>);

impl Meeting<'_, '_> {
    fn name(&self, dentry: u64) -> Option<Vec<u8>> {
        let layout = self.0;
        let length = layout.peek(dentry, "dentry", "d_name.len").ok()? as usize;
        let at = layout.peek(dentry, "dentry", "d_name.name").ok()?;
        let bytes = layout.scene.memory.peek(at, length)?;
        Some(bytes.iter().copied().take_while(|byte| *byte != 0).collect())
    }

    /// Walks up from a dentry and returns its path, as `prepend_path` and `d_path` do.
    fn walk(&self, first: u64, vfsmount: u64) -> Option<Vec<u8>> {
        let layout = self.0;
        let (inner, _) = layout.offset("mount", "mnt").ok()?;
        let mut mount = vfsmount.checked_sub(inner)?;
        let (mut dentry, mut names) = (first, Vec::new());
        let up = |dentry| layout.peek(dentry, "dentry", "d_parent").ok();
        let (mut nowhere, mut unreachable) = (false, false);
        loop {
            if dentry == layout.peek(mount, "mount", "mnt.mnt_root").ok()? {
                let parent = layout.peek(mount, "mount", "mnt_parent").ok()?;
                if parent == mount {
                    unreachable = layout.peek(mount, "mount", "mnt_ns").ok()? == 0;
                    break;
                }
                dentry = layout.peek(mount, "mount", "mnt_mountpoint").ok()?;
                mount = parent;
                continue;
            }
            names.push(self.name(dentry)?);
            let parent = up(dentry)?;
            if parent == dentry {
                nowhere = true;
                break;
            }
            dentry = parent;
        }
        let unhashed = layout.peek(first, "dentry", "d_hash.pprev").ok()? == 0;
        let mut text: Vec<u8> = names.iter().rev().flat_map(|name| [b"/", name.as_slice()].concat()).collect();
        if text.is_empty() && !unreachable {
            text.push(b'/');
        }
        if unreachable {
            text.splice(..0, *b"(unreachable)");
        }
        if unhashed && (nowhere || up(first)? != first) {
            text.extend_from_slice(b" (deleted)");
        }
        Some(text)
    }

    fn node(&self, mut node: u64) -> Option<Vec<u8>> {
        let layout = self.0;
        let mut names: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        for depth in 0.. {
            let parent = layout.peek(node, "kernfs_node", "__parent");
            let parent = parent.or_else(|_| layout.peek(node, "kernfs_node", "parent")).ok()?;
            if parent == 0 {
                break;
            }
            names.insert(depth, World::text(&layout.scene, layout.peek(node, "kernfs_node", "name").ok()?)?);
            node = parent;
        }
        let text: Vec<u8> = names.values().rev().flat_map(|name| [b"/", name.as_slice()].concat()).collect();
        Some(if text.is_empty() { b"/".to_vec() } else { text })
    }
}

impl World for Meeting<'_, '_> {
    fn path(&self, dentry: u64, mount: u64) -> Option<Vec<u8>> {
        self.walk(dentry, mount)
    }

    fn cgroup(&self, node: u64) -> Option<Vec<u8>> {
        self.node(node)
    }

    fn argument(&self, name: &str) -> u64 {
        self.0.scene.argument(name)
    }

    fn active(&self, since: &Since) -> bool {
        self.0.scene.active(since)
    }

    fn elements(&self, set: &str) -> &[Vec<Element>] {
        self.0.scene.elements(set)
    }

    fn now(&self) -> u64 {
        self.0.scene.time_ns
    }

    fn param(&self, name: &str) -> Option<i128> {
        self.0.scene.param(name)
    }

    fn found(&self, path: &str) -> Option<(u64, u64)> {
        self.0.scene.found(path)
    }

    fn enumerator(&self, of: &str, name: &str) -> Option<i64> {
        self.0.scene.enumerator(of, name)
    }

    fn has(&self, access: &Access) -> bool {
        self.0.scene.has(access)
    }

    fn number(&self, at: u64, access: &Access) -> Option<u64> {
        self.0.scene.number(at, access)
    }

    fn characters(&self, at: u64, access: &Access) -> Option<Vec<u8>> {
        self.0.scene.characters(at, access)
    }

    fn address(&self, at: u64, access: &Access) -> Option<u64> {
        self.0.scene.address(at, access)
    }

    fn bytes(&self, at: u64, count: usize) -> Option<Vec<u8>> {
        self.0.scene.bytes(at, count)
    }

    fn text(&self, at: u64) -> Option<Vec<u8>> {
        self.0.scene.text(at)
    }

    fn current(&self) -> u64 {
        self.0.scene.task.address
    }

    fn task(&self, field: TaskField) -> u64 {
        World::task(&self.0.scene, field)
    }

    fn comm(&self) -> [u8; 16] {
        self.0.scene.comm()
    }

    fn labels(&self) -> Labels {
        self.0.scene.labels.clone()
    }

    fn windows(&self) -> Windows {
        self.0.scene.windows.clone()
    }

    fn mode(&self, rule: &str) -> Option<Mode> {
        self.0.scene.mode(rule)
    }
}
