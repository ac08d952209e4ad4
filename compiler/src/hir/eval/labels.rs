//! Effects of a hook call on labels.
//!
//! ```text
//! on file_open when file.inode is secret mark tainted      task of process 7, inode 12 of device 5 has `secret`
//!   before: inode [12, 5] { secret }
//!   after:  inode [12, 5] { secret }, task [7, 0] { tainted }
//! ```
//!
//! Before the rules, new objects inherit labels. After them, their marks take effect, and then destroyed
//! objects are forgotten. An object is identified by numbers that do not change during its life.

use std::collections::{BTreeMap, BTreeSet};

use krsi_abi::labels::Object;

use super::{World, named};
use crate::hir::{Mark, Policy, Value, is_new_task};
use crate::kernel::BOOL_HOOKS;

const EAGAIN: i32 = 11;
pub(super) const ENOMEM: i32 = 12;
const CLONE_THREAD: u64 = 0x0001_0000;

/// The identity of an object: the group leader of a process; inode number, device and generation of a file;
/// the address of a socket.
pub type ObjectKey = (Object, [u64; 2]);

/// The labels of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Names of its labels.
    pub labels: BTreeSet<String>,
    /// The group leader that this thread replaces in a running exec; 0 outside an exec.
    pub former: u64,
}

/// The labels of all objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// Objects that have or had a label.
    pub entries: BTreeMap<ObjectKey, Entry>,
    /// True if no entry can be added.
    pub full: bool,
    /// Number of entries that could not be added.
    pub lost: u64,
}

impl Labels {
    /// Adds or replaces an entry; returns false if there is no room.
    fn put(&mut self, known: ObjectKey, entry: Entry) -> bool {
        if self.full && !self.entries.contains_key(&known) {
            self.lost += 1;
            return false;
        }
        self.entries.insert(known, entry);
        true
    }

    /// Replaces the labels of an object by the inheritable labels of another one.
    fn inherit(&mut self, policy: &Policy, from: ObjectKey, to: ObjectKey) -> bool {
        let mut labels = self.entries.get(&from).cloned().unwrap_or_default().labels;
        labels.retain(|name| policy.labels_on(from.0).any(|(_, label)| label.name == *name && label.inherit));
        if labels.is_empty() {
            self.entries.remove(&to);
            return true;
        }
        self.put(to, Entry { labels, former: 0 })
    }

    /// Adds the labels of an object to those of another one, if that has an entry.
    fn merge(&mut self, from: ObjectKey, to: ObjectKey) {
        let labels = self.entries.get(&from).cloned().unwrap_or_default().labels;
        if let Some(entry) = self.entries.get_mut(&to) {
            entry.labels.extend(labels);
        }
    }
}

/// A call of a hook.
pub(super) struct Call<'a> {
    pub(super) policy: &'a Policy,
    pub(super) hook: &'a str,
    pub(super) void: bool,
    pub(super) world: &'a dyn World,
}

impl Call<'_> {
    fn number(&self, at: u64, root: &str, name: &str) -> u64 {
        self.world.number(at, &named(root, &[name])).unwrap_or(0)
    }

    fn leader(&self, task: u64) -> u64 {
        self.number(task, "task_struct", "group_leader")
    }

    fn has(&self, on: Object) -> bool {
        self.policy.labels_on(on).next().is_some()
    }

    fn argument(&self, name: &str) -> Option<u64> {
        Some(self.world.argument(name)).filter(|pointer| *pointer != 0)
    }

    /// Returns the key of the object behind a pointer; `None` if it cannot be read.
    pub(super) fn known(&self, on: Object, pointer: u64) -> Option<ObjectKey> {
        let number = |at, root, name| self.world.number(at, &named(root, &[name]));
        let key = match on {
            Object::Task | Object::Socket => [pointer, 0],
            Object::Inode => {
                let device = number(number(pointer, "inode", "i_sb")?, "super_block", "s_dev")?;
                let generation = number(pointer, "inode", "i_generation")?;
                [number(pointer, "inode", "i_ino")?, device | generation << 32]
            }
        };
        Some((on, key))
    }

    /// Returns the key of an object of a rule. A new thread belongs to the process that creates it.
    pub(super) fn object(&self, on: Object, pointer: u64, value: &Value) -> Option<ObjectKey> {
        let hook =
            crate::hir::Hook { name: self.hook.to_owned(), void: self.void, maintains_labels: false, args: Vec::new() };
        let thread = is_new_task(&hook, value) && self.world.argument("clone_flags") & CLONE_THREAD != 0;
        self.known(on, if thread { self.leader(pointer) } else { pointer })
    }

    /// Lets new objects inherit labels before the rules are evaluated.
    ///
    /// # Errors
    /// With an errno if there is no room for an entry.
    pub(super) fn begin(&self, labels: &mut Labels) -> Result<(), i32> {
        let task = |address| (Object::Task, [address, 0]);
        let current = self.world.current();
        match self.hook {
            "task_alloc" if self.has(Object::Task) => {
                let thread = self.world.argument("clone_flags") & CLONE_THREAD != 0;
                let Some(child) = self.argument("task").filter(|_| !thread) else { return Ok(()) };
                let parent = task(self.leader(current));
                if labels.inherit(self.policy, parent, task(child)) { Ok(()) } else { Err(EAGAIN) }
            }
            "bprm_creds_from_file" if self.has(Object::Task) => {
                if self.world.task(crate::hir::TaskField::Pid) == self.world.task(crate::hir::TaskField::Tgid) {
                    return Ok(());
                }
                let first = self.leader(current);
                let known = labels.entries.get(&task(first)).cloned().unwrap_or_default().labels;
                let entry = Entry { labels: known, former: first };
                if labels.put(task(current), entry) { Ok(()) } else { Err(ENOMEM) }
            }
            "bprm_committing_creds" if self.has(Object::Task) => {
                if let Some(Entry { former, .. }) = labels.entries.get(&task(current)).filter(|own| own.former != 0) {
                    let former = task(*former);
                    labels.merge(former, task(current));
                    labels.entries.entry(task(current)).or_default().former = 0;
                }
                Ok(())
            }
            "sk_clone_security" | "unix_stream_connect"
                if self.policy.labels_on(Object::Socket).any(|(_, label)| label.inherit) =>
            {
                let from = self.argument(if self.hook == "sk_clone_security" { "sk" } else { "other" });
                let (Some(from), Some(to)) = (from, self.argument("newsk")) else { return Ok(()) };
                let room = labels.inherit(self.policy, (Object::Socket, [from, 0]), (Object::Socket, [to, 0]));
                if room || self.void { Ok(()) } else { Err(ENOMEM) }
            }
            _ => Ok(()),
        }
    }

    /// Applies the marks of the rules that matched, each with its object: first all removals, then all
    /// additions. Returns false if an entry cannot be added and the hook can deny the operation.
    pub(super) fn mark(&self, marks: &[(&Mark, ObjectKey)], labels: &mut Labels) -> bool {
        let name = |mark: &Mark| self.policy.labels[mark.label.index()].name.clone();
        for (mark, known) in marks.iter().filter(|(mark, _)| !mark.set) {
            if let Some(entry) = labels.entries.get_mut(known) {
                entry.labels.remove(&name(mark));
            }
        }
        // Lost entries are counted once for each expression that denotes the object.
        let mut refused: Vec<&Value> = Vec::new();
        for (mark, known) in marks.iter().filter(|(mark, _)| mark.set) {
            if refused.contains(&&mark.object) {
                continue;
            }
            if !labels.entries.contains_key(known) && !labels.put(*known, Entry::default()) {
                refused.push(&mark.object);
                continue;
            }
            labels.entries.entry(*known).or_default().labels.insert(name(mark));
        }
        refused.is_empty() || self.void || BOOL_HOOKS.contains(&self.hook)
    }

    /// Removes the entries of destroyed objects.
    pub(super) fn forget_destroyed(&self, labels: &mut Labels) {
        match self.hook {
            "task_free" if self.has(Object::Task) => {
                let Some(own) = self.argument("task") else { return };
                let first = self.leader(own);
                let (own, first) = ((Object::Task, [own, 0]), (Object::Task, [first, 0]));
                // A thread that replaces the leader may not have all of its labels yet.
                if own != first && labels.entries.get(&first).is_some_and(|entry| entry.former == own.1[0]) {
                    labels.merge(own, first);
                }
                labels.entries.remove(&own);
            }
            "sk_free_security" if self.has(Object::Socket) => {
                if let Some(socket) = self.argument("sk") {
                    labels.entries.remove(&(Object::Socket, [socket, 0]));
                }
            }
            "inode_free_security" if self.has(Object::Inode) => {
                if let Some(inode) = self.argument("inode").filter(|inode| !self.comes_back(*inode)) {
                    self.known(Object::Inode, inode).map(|known| labels.entries.remove(&known));
                }
            }
            _ => {}
        }
    }

    /// Returns true if an inode that is evicted from memory can be read again with the same numbers.
    fn comes_back(&self, inode: u64) -> bool {
        const FAT: u64 = 0x4d44;
        const EXFAT: u64 = 0x2011_bab0;
        const PROC: u64 = 0x9fa0;
        const KERN_MOUNT: u64 = 1 << 22;
        const ACTIVE: u64 = 1 << 30;
        const NO_USER: u64 = 1 << 31;
        let sb = self.number(inode, "inode", "i_sb");
        let of_sb = |name| self.number(sb, "super_block", name);
        let flags = of_sb("s_flags");
        let mounted = flags & (KERN_MOUNT | NO_USER) == 0 && flags & ACTIVE != 0 && of_sb("s_root") != 0;
        let stays = of_sb("s_bdev") != 0 || mounted;
        self.number(inode, "inode", "i_nlink") != 0 && ![FAT, EXFAT, PROC].contains(&of_sb("s_magic")) && stays
    }
}
