//! Values and their types.
//!
//! ```text
//! vma->vm_file->f_inode->i_uid.val    a u32, read through three pointers
//! ```
//!
//! A policy has a value for each time that it is written, so what many have in common is there once: which field is read, and
//! what copies of a value are read through.
//!
//! Invariants: see [`super`]. Absent: names of fields that views give; they are expanded.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use krs_grammar::ast::Span;

use super::{Access, ArgId, Cond, FileId, NamesId, ParamId};

/// A type of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ty {
    /// An integer, an enum or flags.
    Int(Int),
    /// A truth value.
    Bool,
    /// A pointer.
    Ptr(Ptr),
    /// An address of 128 bits; one of IPv4 is `::ffff:a.b.c.d`.
    Ip,
    /// Characters up to a NUL, in so many bytes.
    Str {
        /// Of the array.
        bytes: u32,
    },
    /// Characters that a program has to fetch: a path, or what a pointer to characters points to. At most
    /// [`TEXT_BYTES`](crate::limits::TEXT_BYTES); a longer one is unknown.
    Text {
        /// It begins with `/` and has components.
        path: bool,
    },
}

/// An integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Int {
    /// 1, 2, 4 or 8.
    pub bytes: u32,
    /// Two's complement.
    pub signed: bool,
    /// Its values have these names.
    pub names: Option<NamesId>,
}

impl Int {
    /// An integer without names.
    #[must_use]
    pub fn plain(bytes: u32, signed: bool) -> Int {
        Int { bytes, signed, names: None }
    }

    /// The smallest value.
    #[must_use]
    pub fn min(self) -> i128 {
        if self.signed { -(1i128 << (8 * self.bytes - 1)) } else { 0 }
    }

    /// The largest value.
    #[must_use]
    pub fn max(self) -> i128 {
        (1i128 << (8 * self.bytes - u32::from(self.signed))) - 1
    }

    /// Whether every value of `other` is one of this type.
    #[must_use]
    pub fn holds(self, other: Int) -> bool {
        self.min() <= other.min() && other.max() <= self.max()
    }

    /// The value that is left when `value` is cut to this type's bits.
    #[must_use]
    pub fn wrap(self, value: i128) -> i128 {
        let bits = 8 * self.bytes;
        let low = value & ((1i128 << bits) - 1);
        if self.signed && low >> (bits - 1) != 0 { low - (1i128 << bits) } else { low }
    }
}

/// A pointer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ptr {
    /// What it points to, in the checked kernel's BTF.
    pub target: crate::btf::TypeId,
    /// The kernel may store null here.
    pub nullable: bool,
}

/// A value.
#[derive(Clone, Debug)]
pub struct Value {
    /// Where it was written.
    pub span: Span,
    /// Its type.
    pub ty: Ty,
    /// What it is.
    pub kind: ValueKind,
}

/// Where a value was written is no part of what it is.
impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.ty == other.ty && self.kind == other.kind
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ty.hash(state);
        self.kind.hash(state);
    }
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// A constant.
    Const(i128),
    /// A constant [`Ty::Ip`].
    Address(u128),
    /// What the load has set.
    Param(ParamId),
    /// What identifies a file that the load has found: a u64, which no file has where it found none.
    File(FileId, FileField),
    /// An enumerator of a kernel enum: its value on the running kernel.
    Enumerator(Box<Enumerator>),
    /// An argument of the hook.
    Arg(ArgId),
    /// Something about the current task that a helper tells.
    Task(TaskField),
    /// The current task.
    Current,
    /// The task at hand in an [`AtomKind::AnyAncestor`].
    Ancestor,
    /// Nanoseconds since boot, suspend included; a u64.
    Now,
    /// A constant [`Ty::Str`], without NUL: only events carry one.
    Literal(Vec<u8>),
    /// The first of these whose fields the running kernel has; at least two, of this value's own type.
    FirstOf(Vec<Value>),
    /// What a struct behind a pointer holds.
    Load {
        /// Points to the access's root.
        base: Arc<Value>,
        /// Which field. Its last shape says how wide it is.
        access: Arc<Access>,
    },
    /// One operand.
    Unary(Unary, Box<Value>),
    /// Two operands of this value's own type, but for shifts, whose right one is any integer.
    Binary(Binary, Box<Value>, Box<Value>),
    /// An integer cut or widened to this value's type.
    Convert(Box<Value>),
    /// A condition as a `bool`.
    Cond(Box<Cond>),
    /// Characters to be fetched.
    Text(Box<Text>),
    /// One end of a connection.
    End(Box<End>, EndField),
}

/// An enumerator of a kernel enum.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Enumerator {
    /// The enum's tag.
    pub of: String,
    /// Its name.
    pub name: String,
    /// On the checked kernel.
    pub value: i64,
}

/// What identifies a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileField {
    /// `s_dev` of its file system.
    Device,
    /// `i_ino`
    Inode,
}

/// One end of a connection, or of a message on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// An address of so many bytes that a task has passed.
    Address {
        /// Points to a `sockaddr`.
        address: Value,
        /// An integer.
        length: Value,
        /// The family 0 stands for IPv4, as bind(2) has it; elsewhere it is no address.
        bind: bool,
    },
    /// This end of a socket: points to a `sock`.
    Local(Value),
    /// The other end.
    Peer(Value),
    /// Where a message goes: to its own address where it has one, else to the other end of its socket.
    Message {
        /// Points to a `sockaddr`, or is null.
        address: Value,
        /// An integer.
        length: Value,
        /// Points to a `sock`.
        socket: Value,
    },
}

/// What is asked of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndField {
    /// A [`Ty::Ip`]; unknown for other families.
    Ip,
    /// A u16 in the machine's byte order; unknown for families without ports.
    Port,
    /// A u16; unknown where there is no address.
    Family,
}

/// A name of a socket of the family `AF_UNIX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnixName {
    /// Of its file: of sockets the full path, of an address what was written.
    Path,
    /// In the abstract namespace, without the NUL that says so.
    Abstract,
}

impl End {
    /// The values that it is read from.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        let values = match self {
            End::Address { address, length, .. } => [Some(address), Some(length), None],
            End::Local(socket) | End::Peer(socket) => [Some(socket), None, None],
            End::Message { address, length, socket } => [Some(address), Some(length), Some(socket)],
        };
        values.into_iter().flatten()
    }
}

/// Where characters come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Text {
    /// The full path of a file, from the root of its mount namespace.
    Path {
        /// Points to a `dentry`.
        dentry: Value,
        /// Points to a `vfsmount`.
        mount: Value,
    },
    /// From the root of the cgroup v2 hierarchy.
    Cgroup {
        /// Points to a `kernfs_node`.
        node: Value,
    },
    /// Behind a pointer, up to a NUL.
    Pointer(Value),
    /// A string that lies in its struct, for the tests that only a text has.
    Copy(Value),
    /// What an end of the family `AF_UNIX` is called; unknown for other families and for sockets without such a name.
    Unix {
        /// Whose.
        end: Box<End>,
        /// Which of its names.
        name: UnixName,
    },
}

impl Value {
    /// Whether it is read through a pointer that can be null.
    #[must_use]
    pub fn unreadable(&self) -> bool {
        match &self.kind {
            ValueKind::Const(_)
            | ValueKind::Address(_)
            | ValueKind::Param(_)
            | ValueKind::File(..)
            | ValueKind::Enumerator(_)
            | ValueKind::Arg(_)
            | ValueKind::Task(_)
            | ValueKind::Current
            | ValueKind::Ancestor
            | ValueKind::Now
            | ValueKind::Literal(_) => false,
            ValueKind::FirstOf(values) => values.iter().any(Value::unreadable),
            ValueKind::Load { base, .. } => {
                matches!(base.ty, Ty::Ptr(pointer) if pointer.nullable) || base.unreadable()
            }
            ValueKind::Unary(_, inner) | ValueKind::Convert(inner) => inner.unreadable(),
            ValueKind::Binary(_, left, right) => left.unreadable() || right.unreadable(),
            ValueKind::Cond(cond) => cond.may_be_unknown(),
            ValueKind::Text(_) | ValueKind::End(..) => true,
        }
    }

    /// Whether it is read from the current task or an ancestor, through any number of pointers.
    #[must_use]
    pub fn of_current(&self) -> bool {
        match &self.kind {
            ValueKind::Current | ValueKind::Ancestor => true,
            ValueKind::Load { base, .. } => base.of_current(),
            ValueKind::FirstOf(values) => values.iter().any(Value::of_current),
            _ => false,
        }
    }

    /// The fields that the value is itself, which is what a kernel has or lacks.
    pub fn accesses<'a>(&'a self, found: &mut Vec<&'a Access>) {
        match &self.kind {
            ValueKind::Load { access, .. } if !found.contains(&&**access) => found.push(access),
            ValueKind::Unary(_, inner) | ValueKind::Convert(inner) => inner.accesses(found),
            ValueKind::Binary(_, left, right) => {
                left.accesses(found);
                right.accesses(found);
            }
            _ => {}
        }
    }
}

/// About the current task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskField {
    /// Thread id, u32, in the initial namespace.
    Pid,
    /// Process id, u32.
    Tgid,
    /// Real user id, u32.
    Uid,
    /// Real group id, u32.
    Gid,
    /// Effective user id, u32.
    Euid,
    /// Name, 16 bytes.
    Comm,
}

/// Operators of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Unary {
    Neg,
    Complement,
}

/// Operators of two operands; results wrap at their type's width. Divisors are constants other than 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    And,
    Or,
    Xor,
    /// The amount counts modulo the type's width.
    Shl,
    /// Arithmetic on signed types. The amount counts modulo the type's width.
    Shr,
}
