//! The hash maps that store labels: one per kind of object, with an entry for each object that has had a label.
//!
//! ```text
//! map         key                                              value
//! krs_tasks   u64 address of the process's first task_struct   bytes of labels, u64 former
//! krs_inodes  u64 i_ino, u32 s_dev, u32 i_generation           bytes of labels
//! krs_socks   u64 address of the struct sock                   bytes of labels
//! ```
//!
//! A label is a byte, 0 or 1, so that a program can set one without reading the others: 5.10 has no atomic
//! `or`. The labels of a kind are in the order of their names ([`crate::manifest::Manifest::labels`]), padded
//! to whole words. `former` identifies a thread that executes a program while it is not the first thread of its
//! process; see `mir/lower/labels.rs`.

use serde::{Deserialize, Serialize};

/// The kinds of object that can have labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Object {
    /// A process, as the current task or another one.
    Task,
    /// A file, identified by its inode.
    Inode,
    /// A socket (`struct sock`).
    Socket,
}

impl Object {
    /// All kinds of object that can have labels.
    pub const ALL: [Object; 3] = [Object::Task, Object::Inode, Object::Socket];

    /// The keyword of the kind in krs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Object::Task => "task",
            Object::Inode => "inode",
            Object::Socket => "socket",
        }
    }

    /// Returns the kind with this keyword in krs.
    #[must_use]
    pub fn named(word: &str) -> Option<Object> {
        Object::ALL.into_iter().find(|object| object.word() == word)
    }

    /// The name of the map that stores the labels of this kind.
    #[must_use]
    pub fn map(self) -> &'static str {
        match self {
            Object::Task => "krs_tasks",
            Object::Inode => "krs_inodes",
            Object::Socket => "krs_socks",
        }
    }

    /// Size of a key in bytes.
    #[must_use]
    pub fn key_bytes(self) -> u32 {
        match self {
            Object::Inode => 16,
            Object::Task | Object::Socket => 8,
        }
    }

    /// Size in bytes of a value with this many labels.
    #[must_use]
    pub fn value_bytes(self, labels: usize) -> u32 {
        let former = if self == Object::Task { 8 } else { 0 };
        labels.next_multiple_of(8) as u32 + former
    }
}

/// Maximum number of labels of one kind in a policy.
pub const LABELS_MAX: usize = 64;

/// Maximum number of objects of one kind that have labels at the same time. The memory, about 5 MiB per kind in
/// use, is allocated when the policy is loaded: a label that had to wait for memory could be lost.
pub const OBJECTS_MAX: u32 = 64 * 1024;
