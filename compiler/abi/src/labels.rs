//! Maps of labels: one hash for each kind of object, with an entry for each object that has had a label.
//!
//! ```text
//! map         key                                              value
//! krs_tasks   u64 address of the process's first task_struct   bytes of labels, u64 former
//! krs_inodes  u64 i_ino, u32 s_dev, u32 i_generation           bytes of labels
//! krs_socks   u64 address of the struct sock                   bytes of labels
//! ```
//!
//! A label is a byte, 0 or 1, so that a program sets one without reading the others: 5.10 has no atomic `or`. The
//! labels of a kind stand in the order of their names ([`crate::manifest::Manifest::labels`]), filled up to whole words.
//! `former` is for a thread that executes a program while it is not its process's first: see `bpf/lower/labels.rs`.

use serde::{Deserialize, Serialize};

/// What labels can be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Object {
    /// A process.
    Task,
    /// A file.
    Inode,
    /// A socket.
    Socket,
}

impl Object {
    /// All kinds.
    pub const ALL: [Object; 3] = [Object::Task, Object::Inode, Object::Socket];

    /// As krs writes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Object::Task => "task",
            Object::Inode => "inode",
            Object::Socket => "socket",
        }
    }

    /// The kind that krs writes so.
    #[must_use]
    pub fn named(word: &str) -> Option<Object> {
        Object::ALL.into_iter().find(|object| object.word() == word)
    }

    /// Its map.
    #[must_use]
    pub fn map(self) -> &'static str {
        match self {
            Object::Task => "krs_tasks",
            Object::Inode => "krs_inodes",
            Object::Socket => "krs_socks",
        }
    }

    /// Bytes of a key.
    #[must_use]
    pub fn key_bytes(self) -> u32 {
        match self {
            Object::Inode => 16,
            Object::Task | Object::Socket => 8,
        }
    }

    /// Bytes of a value that has room for so many labels.
    #[must_use]
    pub fn value_bytes(self, labels: usize) -> u32 {
        let former = if self == Object::Task { 8 } else { 0 };
        labels.next_multiple_of(8) as u32 + former
    }
}

/// Labels of one kind of object that a policy can have.
pub const LABELS_MAX: usize = 64;

/// Objects of one kind that can have labels at a time. Their room is taken when the policy is loaded, some 5 MiB for
/// each kind that is used: a label that has to wait for memory could be lost.
pub const OBJECTS_MAX: u32 = 64 * 1024;
