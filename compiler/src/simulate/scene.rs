//! The environment of one hook call: a task, arguments, and the structs reachable from them, laid out in memory
//! by a kernel's types.
//!
//! ```text
//! let mut scene = Scene::new(kernel);
//! let file = scene.object("file", true)?;
//! scene.set(file, &f_flags, 2);
//! let root = scene.mounted(&[])?;
//! let dentry = scene.file(root, &[b"etc", b"passwd"], Tail::Ordinary)?;
//! scene.arguments.insert("file".into(), file);
//! ```
//!
//! It is also the [`World`] of `hir::eval`: fields are found by name in the kernel's types, and the texts of
//! paths are remembered from their creation rather than computed by walking dentries as programs do.
//!
//! Invariant: nothing here depends on a policy.

use std::collections::BTreeMap;

use super::memory::{Memory, Rights};
use super::place::{self, FieldPlace as Field};
use crate::btf::{Kind, Type};
use crate::hir::eval::{Element, Labels, Windows, World};
use crate::hir::since::{Feature, Since, Version};
use crate::hir::{Access, Mode, Shape, Step, TaskField, UNREACHABLE};
use crate::kernel::Kernel;
use crate::limits;

/// The current task, as helpers report it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Address of its `task_struct`.
    pub address: u64,
    /// Id of the thread.
    pub pid: u32,
    /// Id of the process.
    pub tgid: u32,
    /// Id of the real user.
    pub uid: u32,
    /// Id of the effective user.
    pub euid: u32,
    /// Id of the real group.
    pub gid: u32,
    /// Name of the task, NUL-padded.
    pub comm: [u8; 16],
    /// Id of its cgroup v2.
    pub cgroup_id: u64,
}

/// The state of the last component of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// It is in a directory.
    Ordinary,
    /// It was in a directory, and is unlinked.
    Deleted,
    /// It never was in a directory, such as a file of memfd_create(2).
    Nowhere,
}

/// The place of a mount without a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It is the root of a mount namespace.
    Path,
    /// It is in an anonymous namespace, such as that of open_tree(2).
    Anonymous,
    /// It was unmounted while in use, by umount2(2) with `MNT_DETACH`.
    Unmounted,
    /// The kernel made it for its own use, such as for a layer of overlayfs.
    Internal,
}

/// The environment of a hook call.
#[derive(Clone, Debug)]
pub struct Scene<'k> {
    /// The kernel whose types lay out the structs.
    pub kernel: &'k Kernel,
    /// Structs, and other data that programs can reach.
    pub memory: Memory,
    /// The task that calls the hook.
    pub task: Task,
    /// Arguments by name; 0 for those not listed.
    pub arguments: BTreeMap<String, u64>,
    /// Parameters set at load, by name.
    pub params: BTreeMap<String, i128>,
    /// Modes of rules by name; rules not listed have their initial mode.
    pub modes: BTreeMap<String, Mode>,
    /// Device and inode of the files found at load, by path.
    pub files: BTreeMap<String, (u64, u64)>,
    /// Elements of dynamic sets, by the name of the set.
    pub sets: BTreeMap<String, Vec<Vec<Element>>>,
    /// Labels before the call.
    pub labels: Labels,
    /// State of rate limits before the call.
    pub windows: Windows,
    /// Current time in nanoseconds since boot.
    pub time_ns: u64,
    /// Contents of the upper bits of narrow arguments.
    pub upper: u64,
    /// Texts of paths, by dentry and mount.
    paths: BTreeMap<(u64, u64), Vec<u8>>,
    /// Paths of cgroups, by kernfs node.
    cgroups: BTreeMap<u64, Vec<u8>>,
    /// Known mounts, by the address of the `vfsmount`.
    mounts: BTreeMap<u64, Mounted>,
    /// Address of the `vfsmount` of the namespace's root.
    root: Option<u64>,
    /// Address ranges (start and end) of fields with a value.
    given: Vec<(u64, u64)>,
}

/// A mount created in the scene.
#[derive(Clone, Debug)]
struct Mounted {
    /// Address of its `struct mount`.
    mount: u64,
    /// Address of the dentry of its root.
    root: u64,
    /// Path of its mount point; empty for the namespace's root.
    at: Vec<u8>,
}

fn joined(components: &[&[u8]]) -> Vec<u8> {
    components.iter().flat_map(|component| [b"/", *component].concat()).collect()
}

/// An access by field names, without their types: `named("task_struct", &["cred"])`.
#[must_use]
pub fn named(root: &str, steps: &[&str]) -> Access {
    let step = |name: &&str| Step::Field { name: (*name).to_owned(), shape: Shape::Struct };
    Access { is_struct: true, root: root.to_owned(), steps: steps.iter().map(step).collect() }
}

impl<'k> Scene<'k> {
    /// Creates a scene with a task and no arguments.
    ///
    /// # Errors
    /// If the kernel's types lack the structs of a task.
    pub fn new(kernel: &'k Kernel) -> Result<Scene<'k>, String> {
        let task = Task { address: 0, pid: 1, tgid: 1, uid: 0, euid: 0, gid: 0, comm: [0; 16], cgroup_id: 1 };
        let mut scene = Scene {
            kernel,
            memory: Memory::default(),
            task: task.clone(),
            arguments: BTreeMap::new(),
            params: BTreeMap::new(),
            modes: BTreeMap::new(),
            files: BTreeMap::new(),
            sets: BTreeMap::new(),
            labels: Labels::default(),
            windows: Windows::new(),
            time_ns: 1,
            upper: 0,
            paths: BTreeMap::new(),
            cgroups: BTreeMap::new(),
            mounts: BTreeMap::new(),
            root: None,
            given: Vec::new(),
        };
        scene.task.address = scene.object("task_struct", true)?;
        let cred = scene.object("cred", true)?;
        for name in ["cred", "real_cred"] {
            scene.set(scene.task.address, &named("task_struct", &[name]), cred);
        }
        // The process has a single thread unless the caller changes it.
        scene.set(scene.task.address, &named("task_struct", &["group_leader"]), scene.task.address);
        scene.be(Task { address: scene.task.address, ..task });
        Ok(scene)
    }

    /// Replaces the current task, including its structs.
    pub fn be(&mut self, task: Task) {
        let at = task.address;
        let cred = self.number(at, &named("task_struct", &["cred"])).unwrap_or(0);
        let numbers = [(at, "task_struct", &["pid"][..], task.pid), (at, "task_struct", &["tgid"], task.tgid)];
        let ids = [("uid", task.uid), ("euid", task.euid), ("gid", task.gid)];
        for (at, root, steps, number) in numbers {
            self.set(at, &named(root, steps), u64::from(number));
        }
        for (name, number) in ids {
            self.set(cred, &named("cred", &[name, "val"]), u64::from(number));
        }
        self.set_bytes(at, &named("task_struct", &["comm"]), &task.comm);
        self.task = task;
    }

    /// Adds a zeroed struct or union. If it ends with a flexible array, elements follow, as in the kernel's
    /// `struct pid`.
    ///
    /// # Errors
    /// If the kernel has no type with this name.
    pub fn object(&mut self, name: &str, is_struct: bool) -> Result<u64, String> {
        let btf = &self.kernel.btf;
        let root =
            place::root(btf, name, is_struct).ok_or_else(|| format!("{} has no struct `{name}`", self.kernel.name))?;
        let trailing = match btf.members(root).next_back().map(|last| btf.ty(btf.strip(last.ty))) {
            // As much as a load of a text reads; another kernel can declare an array of fixed size there.
            Some(Type::Array { element, count: 0 }) => btf.size(element).max(limits::STR_BYTES_MAX),
            _ => 0,
        };
        Ok(self.memory.add(vec![0; (btf.size(root) + trailing) as usize], Rights::Read, "struct"))
    }

    fn field(&self, access: &Access) -> Option<Field> {
        place::place(&self.kernel.btf, access)
    }

    /// Sets a field of a struct; returns false if there is no such field or no such struct.
    pub fn set(&mut self, at: u64, access: &Access, value: u64) -> bool {
        let Some(field) = self.field(access) else { return false };
        self.give(at, field);
        if field.bits == 0 {
            let bytes = self.kernel.btf.size(field.ty) as usize;
            return bytes <= 8 && self.memory.poke(at + u64::from(field.byte()), &value.to_le_bytes()[..bytes]);
        }
        for bit in 0..field.bits {
            let at = at + u64::from((field.bit + bit) / 8);
            let mask = 1 << ((field.bit + bit) % 8);
            let Some(old) = self.memory.peek(at, 1).map(|bytes| bytes[0]) else { return false };
            let new = if value >> bit & 1 == 1 { old | mask } else { old & !mask };
            self.memory.poke(at, &[new]);
        }
        true
    }

    /// Sets the first bytes of an array in a struct.
    pub fn set_bytes(&mut self, at: u64, access: &Access, bytes: &[u8]) -> bool {
        let Some(field) = self.field(access) else { return false };
        self.give(at, field);
        bytes.len() <= self.kernel.btf.size(field.ty) as usize && self.memory.poke(at + u64::from(field.byte()), bytes)
    }

    fn range(&self, at: u64, field: Field) -> (u64, u64) {
        let start = at + u64::from(field.byte());
        let bits = u64::from(field.bit % 8 + field.bits);
        (start, start + if field.bits > 0 { bits.div_ceil(8) } else { u64::from(self.kernel.btf.size(field.ty)) })
    }

    fn give(&mut self, at: u64, field: Field) {
        let range = self.range(at, field);
        self.given.push(range);
    }

    /// Returns true if a field, or another one that overlaps it, has been set.
    #[must_use]
    pub fn is_given(&self, at: u64, access: &Access) -> bool {
        let Some(field) = self.field(access) else { return false };
        let (start, end) = self.range(at, field);
        self.given.iter().any(|(from, to)| start < *to && *from < end)
    }

    /// The address of a field of a struct.
    #[must_use]
    pub fn address_of(&self, at: u64, access: &Access) -> Option<u64> {
        Some(at + u64::from(self.field(access)?.byte()))
    }

    /// Adds a separate region with these bytes.
    pub fn put_bytes(&mut self, bytes: &[u8]) -> u64 {
        self.memory.add(bytes.to_vec(), Rights::Read, "bytes")
    }

    /// Adds a separate region with a NUL-terminated text.
    pub fn put_text(&mut self, text: &[u8]) -> u64 {
        self.put_bytes(&[text, b"\0"].concat())
    }

    /// Adds a mount, given the components of its mount point (none for the namespace's root), and returns its
    /// `vfsmount`.
    ///
    /// # Errors
    /// If the kernel's types lack the structs of a mount.
    pub fn mounted(&mut self, components: &[&[u8]]) -> Result<u64, String> {
        let root = match self.root {
            Some(root) => root,
            None => {
                let root = self.top_mount(Reach::Path)?;
                self.root = Some(root);
                root
            }
        };
        if components.is_empty() {
            return Ok(root);
        }
        let point = self.file(root, components, Tail::Ordinary)?;
        self.new_mount(Some((root, point)), joined(components))
    }

    /// Adds a mount that has no parent, and returns its `vfsmount`.
    ///
    /// # Errors
    /// If the kernel's types lack the structs of a mount.
    pub fn top_mount(&mut self, reach: Reach) -> Result<u64, String> {
        let at: &[u8] = if reach == Reach::Path { b"" } else { UNREACHABLE };
        let inner = self.new_mount(None, at.to_vec())?;
        let inum = match reach {
            // The first number of a namespace that is created later, PROC_DYNAMIC_FIRST.
            Reach::Path => Some(0xf000_0000),
            // include/linux/ns_common.h and include/uapi/linux/nsfs.h.
            Reach::Anonymous => {
                let new =
                    Version::parse(&self.kernel.name).is_some_and(|version| version >= Version { major: 6, minor: 18 });
                Some(if new { 0xefff_fff7 } else { 0 })
            }
            Reach::Unmounted | Reach::Internal => None,
        };
        let namespace = match inum {
            Some(inum) => {
                let namespace = self.object("mnt_namespace", true)?;
                self.set(namespace, &named("mnt_namespace", &["ns", "inum"]), inum);
                let task = self.task.address;
                if reach == Reach::Path && task != 0 && !self.is_given(task, &named("task_struct", &["nsproxy"])) {
                    let proxy = self.object("nsproxy", true)?;
                    self.set(proxy, &named("nsproxy", &["mnt_ns"]), namespace);
                    self.set(task, &named("task_struct", &["nsproxy"]), proxy);
                }
                namespace
            }
            // MNT_NS_INTERNAL is ERR_PTR(-EINVAL), fs/mount.h.
            None if reach == Reach::Internal => (-22i64).cast_unsigned(),
            None => 0,
        };
        let mount = self.mounts.get(&inner).ok_or("unknown mount")?.mount;
        if inum.is_some() {
            self.set(namespace, &named("mnt_namespace", &["root"]), mount);
        }
        if !self.set(mount, &named("mount", &["mnt_ns"]), namespace) {
            return Err("mounts have no `mnt_ns`".to_owned());
        }
        Ok(inner)
    }

    /// Adds a file, given its mount and the components of its path below that (none for the root of the mount),
    /// and returns its dentry.
    ///
    /// # Errors
    /// If the kernel's types lack the structs of a path, or the mount is unknown.
    pub fn file(&mut self, mount: u64, components: &[&[u8]], tail: Tail) -> Result<u64, String> {
        let mounted = self.mounts.get(&mount).ok_or("unknown mount")?;
        let (mut dentry, at) = (mounted.root, mounted.at.clone());
        let mut text = [at, joined(components)].concat();
        for (index, component) in components.iter().enumerate() {
            let last = index + 1 == components.len();
            dentry = if last && tail == Tail::Nowhere {
                text = joined(&[component]);
                self.dentry(None, component)?
            } else {
                self.dentry(Some(dentry), component)?
            };
        }
        if tail != Tail::Ordinary && !components.is_empty() {
            self.set(dentry, &named("dentry", &["d_hash", "pprev"]), 0);
            text.extend_from_slice(b" (deleted)");
        }
        if text.is_empty() {
            text.push(b'/');
        }
        self.paths.insert((dentry, mount), text);
        Ok(dentry)
    }

    fn dentry(&mut self, parent: Option<u64>, name: &[u8]) -> Result<u64, String> {
        let dentry = self.object("dentry", true)?;
        let characters = self.put_name(dentry, name);
        for (steps, value) in [
            (&["d_parent"][..], parent.unwrap_or(dentry)),
            (&["d_name", "len"], name.len() as u64),
            (&["d_name", "name"], characters),
            // Any non-null value: the dentry is hashed.
            (&["d_hash", "pprev"], dentry),
        ] {
            if !self.set(dentry, &named("dentry", steps), value) {
                return Err(format!("dentries have no `{}`", steps.join(".")));
            }
        }
        Ok(dentry)
    }

    /// Stores a dentry's name as the kernel does: a short one within the dentry.
    fn put_name(&mut self, dentry: u64, name: &[u8]) -> u64 {
        let text = [name, b"\0"].concat();
        let mut fields = ["d_shortname", "d_iname"].into_iter().map(|field| named("dentry", &[field]));
        let inline = fields.find(|field| self.set_bytes(dentry, field, &text));
        inline.and_then(|field| self.address_of(dentry, &field)).unwrap_or_else(|| self.put_bytes(&text))
    }

    /// Adds a mount on a dentry of another mount, or the root of all mounts.
    fn new_mount(&mut self, on: Option<(u64, u64)>, at: Vec<u8>) -> Result<u64, String> {
        let root = self.dentry(None, b"/")?;
        // `d_make_root` does not hash the dentry, so that lookups by name do not find it.
        self.set(root, &named("dentry", &["d_hash", "pprev"]), 0);
        let mount = self.object("mount", true)?;
        let above = on.and_then(|(above, _)| Some(self.mounts.get(&above)?.mount)).unwrap_or(mount);
        let point = on.map_or(root, |(_, point)| point);
        for (steps, value) in [(&["mnt", "mnt_root"][..], root), (&["mnt_parent"], above), (&["mnt_mountpoint"], point)]
        {
            if !self.set(mount, &named("mount", steps), value) {
                return Err(format!("mounts have no `{}`", steps.join(".")));
            }
        }
        let inner = self.address_of(mount, &named("mount", &["mnt"])).ok_or("mounts have no `mnt`")?;
        self.mounts.insert(inner, Mounted { mount, root, at });
        Ok(inner)
    }

    /// Adds a node of the cgroup hierarchy, given the components of its path.
    ///
    /// # Errors
    /// If the kernel's types lack the structs of a cgroup.
    pub fn cgroup_node(&mut self, components: &[&[u8]]) -> Result<u64, String> {
        let mut node = self.object("kernfs_node", true)?;
        let mut text = Vec::new();
        for component in components {
            let parent = node;
            node = self.object("kernfs_node", true)?;
            let name = self.put_text(component);
            let known = self.set(node, &named("kernfs_node", &["__parent"]), parent)
                || self.set(node, &named("kernfs_node", &["parent"]), parent);
            if !known || !self.set(node, &named("kernfs_node", &["name"]), name) {
                return Err("kernfs nodes have no parent or no name".to_owned());
            }
            text.push(b'/');
            text.extend_from_slice(component);
        }
        if components.is_empty() {
            text.push(b'/');
        }
        self.cgroups.insert(node, text);
        Ok(node)
    }

    /// The context of a hook's program, in 8-byte words.
    ///
    /// # Errors
    /// If the kernel has no such hook.
    pub fn context(&self, hook: &str) -> Result<Vec<u64>, String> {
        let found = self.kernel.hook(hook).ok_or_else(|| format!("{} has no hook `{hook}`", self.kernel.name))?;
        let words = |arg: &crate::kernel::Arg<'_>| self.kernel.btf.size(arg.ty).div_ceil(8).max(1);
        let count = found.args.last().map_or(0, |arg| arg.slot + words(arg));
        // The last word is the result of the programs that ran before.
        let mut context = vec![0; count as usize + 1];
        for arg in &found.args {
            let value = self.arguments.get(arg.name).copied().unwrap_or(0);
            let bits = 8 * self.kernel.btf.size(arg.ty).clamp(1, 8);
            let mask = u64::MAX >> (64 - bits);
            context[arg.slot as usize] = value & mask | self.upper & !mask;
        }
        Ok(context)
    }
}

impl World for Scene<'_> {
    fn argument(&self, name: &str) -> u64 {
        self.arguments.get(name).copied().unwrap_or(0)
    }

    fn active(&self, since: &Since) -> bool {
        let has = |feature: &Feature| match feature {
            Feature::Hook(hook) => self.kernel.hook(hook).is_some(),
            Feature::Argument { hook, name } => self.kernel.hook(hook).is_some_and(|hook| hook.arg(name).is_some()),
            Feature::Field(access) => self.has(access),
            Feature::Enumerator { of, name } => self.enumerator(of, name).is_some(),
        };
        let old = || Version::parse(&self.kernel.name).is_some_and(|version| version < since.version);
        since.needs.iter().all(has) && !(since.by_number && old())
    }

    fn elements(&self, set: &str) -> &[Vec<Element>] {
        self.sets.get(set).map_or(&[], Vec::as_slice)
    }

    fn now(&self) -> u64 {
        self.time_ns
    }

    fn address(&self, at: u64, access: &Access) -> Option<u64> {
        self.address_of(at, access)
    }

    fn param(&self, name: &str) -> Option<i128> {
        self.params.get(name).copied()
    }

    fn mode(&self, rule: &str) -> Option<Mode> {
        self.modes.get(rule).copied()
    }

    fn found(&self, path: &str) -> Option<(u64, u64)> {
        self.files.get(path).copied()
    }

    fn enumerator(&self, of: &str, name: &str) -> Option<i64> {
        let btf = &self.kernel.btf;
        let of = btf.find(crate::btf::Kind::Enum, of).or_else(|| btf.find(crate::btf::Kind::Enum64, of))?;
        btf.values(of).find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn has(&self, access: &Access) -> bool {
        let Some(field) = self.field(access) else { return false };
        let kind = self.kernel.btf.kind(self.kernel.btf.strip(field.ty));
        // Loaders do not match a struct with a number of the same name.
        match access.steps.last() {
            Some(Step::Field { shape, .. }) => match shape {
                Shape::Int { .. } | Shape::Bits { of: None, .. } => kind == Kind::Int,
                Shape::Enum { .. } | Shape::Bits { of: Some(_), .. } => matches!(kind, Kind::Enum | Kind::Enum64),
                Shape::Pointer => kind == Kind::Ptr,
                Shape::Struct | Shape::Union => matches!(kind, Kind::Struct | Kind::Union),
                Shape::Array { .. } => kind == Kind::Array,
            },
            _ => true,
        }
    }

    fn number(&self, at: u64, access: &Access) -> Option<u64> {
        let field = self.field(access)?;
        if field.bits == 0 {
            let bytes =
                self.memory.peek(at + u64::from(field.byte()), self.kernel.btf.size(field.ty).min(8) as usize)?;
            return Some(bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
        (0..field.bits).rev().try_fold(0, |word, bit| {
            let place = field.bit + bit;
            let byte = self.memory.peek(at + u64::from(place / 8), 1)?[0];
            Some(word << 1 | u64::from(byte >> (place % 8) & 1))
        })
    }

    fn characters(&self, at: u64, access: &Access) -> Option<Vec<u8>> {
        let field = self.field(access)?;
        // A flexible array has the length that it had where the policy was checked.
        let bytes = match (self.kernel.btf.size(field.ty), access.steps.last()) {
            (0, Some(Step::Field { shape: Shape::Array { count, .. }, .. })) => *count,
            (bytes, _) => bytes,
        };
        self.memory.peek(at + u64::from(field.byte()), bytes as usize).map(<[u8]>::to_vec)
    }

    fn bytes(&self, at: u64, count: usize) -> Option<Vec<u8>> {
        self.memory.peek(at, count).map(<[u8]>::to_vec)
    }

    fn text(&self, at: u64) -> Option<Vec<u8>> {
        let rest = self.memory.rest(at)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        Some(rest[..end].to_vec())
    }

    fn path(&self, dentry: u64, mount: u64) -> Option<Vec<u8>> {
        self.paths.get(&(dentry, mount)).cloned()
    }

    fn cgroup(&self, node: u64) -> Option<Vec<u8>> {
        self.cgroups.get(&node).cloned()
    }

    fn current(&self) -> u64 {
        self.task.address
    }

    fn task(&self, field: TaskField) -> u64 {
        u64::from(match field {
            TaskField::Pid => self.task.pid,
            TaskField::Tgid => self.task.tgid,
            TaskField::Uid => self.task.uid,
            TaskField::Gid => self.task.gid,
            TaskField::Euid => self.task.euid,
            TaskField::Comm => 0,
        })
    }

    fn comm(&self) -> [u8; 16] {
        self.task.comm
    }

    fn labels(&self) -> Labels {
        self.labels.clone()
    }

    fn windows(&self) -> Windows {
        self.windows.clone()
    }
}
