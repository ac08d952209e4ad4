//! Values and their types.
//!
//! ```text
//! vma->vm_file->f_inode->i_uid.val    a u32, read through three pointers
//! ```
//!
//! Each occurrence in the source is a separate value, but accesses and the bases of loads are shared by
//! reference counting: large policies repeat them often.
//!
//! Invariants: see [`super`]. Absent: fields of views, which are expanded.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use krs_grammar::ast::Span;

use super::{Access, ArgId, Cond, FileId, NamesId, ParamId};

/// A type of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ty {
    /// An integer, an enum value or flags.
    Int(Int),
    /// A truth value, `true` or `false`.
    Bool,
    /// A pointer into kernel memory.
    Ptr(Ptr),
    /// A 128-bit IP address; IPv4 addresses are mapped to `::ffff:a.b.c.d`.
    Ip,
    /// An inline `char` array, such as `task.comm`: the characters up to the first NUL.
    Str {
        /// Size of the array.
        bytes: u32,
    },
    /// A text that a program fetches into a buffer: a path, or the string that a pointer points to. A text
    /// that exceeds [`TEXT_BYTES`](crate::limits::TEXT_BYTES) is unknown.
    Text {
        /// True for a path, which begins with `/` and consists of components.
        path: bool,
    },
}

/// The type of an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Int {
    /// Width: 1, 2, 4 or 8.
    pub bytes: u32,
    /// True for two's complement.
    pub signed: bool,
    /// The enum or flag type, if it is one.
    pub names: Option<NamesId>,
}

impl Int {
    /// Returns a type without an enum or flag type.
    #[must_use]
    pub fn plain(bytes: u32, signed: bool) -> Int {
        Int { bytes, signed, names: None }
    }

    /// Returns the smallest value.
    #[must_use]
    pub fn min(self) -> i128 {
        if self.signed { -(1i128 << (8 * self.bytes - 1)) } else { 0 }
    }

    /// Returns the largest value.
    #[must_use]
    pub fn max(self) -> i128 {
        (1i128 << (8 * self.bytes - u32::from(self.signed))) - 1
    }

    /// Returns true if this type can represent every value of `other`.
    #[must_use]
    pub fn holds(self, other: Int) -> bool {
        self.min() <= other.min() && other.max() <= self.max()
    }

    /// Truncates `value` to the width of this type.
    #[must_use]
    pub fn wrap(self, value: i128) -> i128 {
        let bits = 8 * self.bytes;
        let low = value & ((1i128 << bits) - 1);
        if self.signed && low >> (bits - 1) != 0 { low - (1i128 << bits) } else { low }
    }
}

/// A pointer to a kernel type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ptr {
    /// The pointee, in the BTF of the kernel that the policy is checked against.
    pub target: crate::btf::TypeId,
    /// True if the pointer may be null.
    pub nullable: bool,
}

/// A typed expression that yields a value.
#[derive(Clone, Debug)]
pub struct Value {
    /// Span of the source text.
    pub span: Span,
    /// The type of the result.
    pub ty: Ty,
    /// The operation and its operands.
    pub kind: ValueKind,
}

/// Equality ignores the spans.
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

/// The operation that computes a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// A constant of an integer type.
    Const(i128),
    /// A constant address, a [`Ty::Ip`].
    Address(u128),
    /// A parameter, set when the policy is loaded.
    Param(ParamId),
    /// Half of the identity of a file that is looked up at load time, a u64. A file that is not found gets
    /// values that no inode has.
    File(FileId, FileField),
    /// An enumerator of a kernel enum, with its value on the running kernel.
    Enumerator(Box<Enumerator>),
    /// An argument of the hook.
    Arg(ArgId),
    /// A property of the current task that a BPF helper returns.
    Task(TaskField),
    /// A pointer to the current task.
    Current,
    /// A pointer to the ancestor that an [`AtomKind::AnyAncestor`] is testing.
    Ancestor,
    /// Nanoseconds since boot including suspend, a u64.
    Now,
    /// A constant [`Ty::Str`] without NUL. Occurs in event fields only.
    Literal(Vec<u8>),
    /// The first value whose fields exist on the running kernel; at least two, all of this value's type.
    FirstOf(Vec<Value>),
    /// A field of a struct, read through a pointer.
    Load {
        /// A pointer to the root of the access.
        base: Arc<Value>,
        /// The path to the field. The shape of its last step determines the width of the load.
        access: Arc<Access>,
    },
    /// An operation on one integer.
    Unary(Unary, Box<Value>),
    /// An operation on two integers of this value's type. The right operand of a shift may have any integer
    /// type.
    Binary(Binary, Box<Value>, Box<Value>),
    /// An integer truncated or extended to this value's type, or a `bool` as an integer.
    Convert(Box<Value>),
    /// A condition as a `bool`.
    Cond(Box<Cond>),
    /// A text that is fetched into a buffer.
    Text(Box<TextSource>),
    /// A property of a socket endpoint.
    Endpoint(Box<Endpoint>, EndpointField),
}

/// An enumerator of a kernel enum.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Enumerator {
    /// Tag of the enum.
    pub of: String,
    /// Name of the enumerator.
    pub name: String,
    /// Value on the kernel that the policy is checked against.
    pub value: i64,
}

/// The two numbers that identify a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileField {
    /// The device number, `s_dev` of the superblock.
    Device,
    /// The inode number, `i_ino`.
    Inode,
}

/// An endpoint of a connection, or the destination of a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// The address that a task passed to bind(2). Family 0 (`AF_UNSPEC`) means IPv4.
    Bound {
        /// A pointer to a `sockaddr`.
        address: Value,
        /// Length of the address in bytes, an integer.
        length: Value,
    },
    /// The address that a task passed to connect(2). Family 0 ends a connection: there is no address. The
    /// address of no host, `0.0.0.0` or `::`, is that of this host ([`EndpointField::Ip`]).
    Connected {
        /// A pointer to a `sockaddr`.
        address: Value,
        /// Length of the address in bytes, an integer.
        length: Value,
        /// A pointer to the `sock` that connects.
        socket: Value,
    },
    /// The local endpoint of a socket; a pointer to a `sock`.
    Local(Value),
    /// The remote endpoint of a socket; a pointer to a `sock`.
    Peer(Value),
    /// The destination of a message: the peer of its socket, or its own address where the kernel sends it
    /// there.
    ///
    /// ```text
    /// socket                                    the address counts
    /// SOCK_STREAM                               with MSG_FASTOPEN, and for SCTP
    /// SOCK_SEQPACKET of AF_UNIX                 never
    /// others                                    always
    /// ```
    ///
    /// An address without bytes never counts.
    ///
    /// Family 0 in an address that counts means IPv4 on `AF_INET` sockets and IPv6 on raw `AF_INET6` sockets;
    /// on others the peer. Source: the `sendmsg` functions of net/ipv4, net/ipv6, net/unix and net/sctp.
    Message {
        /// A pointer to a `sockaddr`, or null.
        address: Value,
        /// Length of the address in bytes, an integer.
        length: Value,
        /// Flags of the system call, such as `MSG_FASTOPEN`, an integer.
        flags: Value,
        /// A pointer to a `sock`.
        socket: Value,
    },
}

/// A property of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndpointField {
    /// The IP address, a [`Ty::Ip`]; unknown for other address families. A destination of `0.0.0.0` is the
    /// address that the socket is bound to, or else `127.0.0.1`; a destination of `::` is `::1`, or
    /// `::ffff:127.0.0.1` if the socket is bound to an IPv4-mapped address: the kernel connects to those.
    Ip,
    /// The port, a u16 in host byte order; unknown for families without ports.
    Port,
    /// The address family, a u16; unknown without an address.
    Family,
}

/// The kinds of names of an `AF_UNIX` socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnixName {
    /// The path of its file: the full path for a socket, the path as passed for an address.
    Path,
    /// The name in the abstract namespace, without the leading NUL.
    Abstract,
}

impl Endpoint {
    /// Returns the values that the endpoint is read from.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        let values = match self {
            Endpoint::Bound { address, length } => [Some(address), Some(length), None, None],
            Endpoint::Connected { address, length, socket } => [Some(address), Some(length), Some(socket), None],
            Endpoint::Local(socket) | Endpoint::Peer(socket) => [Some(socket), None, None, None],
            Endpoint::Message { address, length, flags, socket } => {
                [Some(address), Some(length), Some(flags), Some(socket)]
            }
        };
        values.into_iter().flatten()
    }
}

/// The beginning of the path of a file that no path leads to, such as one on a mount that is in no mount
/// namespace. The text is that of getcwd(2).
pub const UNREACHABLE: &[u8] = b"(unreachable)";

/// The source of a fetched text, a [`Ty::Text`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TextSource {
    /// The full path of a file, from the root of its mount namespace.
    Path {
        /// A pointer to a `dentry`.
        dentry: Value,
        /// A pointer to a `vfsmount`.
        mount: Value,
    },
    /// The path of a cgroup from the root of the cgroup v2 hierarchy.
    Cgroup {
        /// A pointer to a `kernfs_node`.
        node: Value,
    },
    /// The NUL-terminated string that a pointer points to.
    Pointer(Value),
    /// A copy of an inline array, a [`Ty::Str`], for tests that exist for fetched texts only.
    Copy(Value),
    /// The name of an `AF_UNIX` endpoint; unknown for other families and for sockets without a name of this
    /// kind.
    Unix {
        /// The endpoint whose name it is.
        end: Box<Endpoint>,
        /// The kind of name.
        name: UnixName,
    },
}

impl Value {
    /// Returns true if evaluating the value may fail, for example by following a null pointer.
    #[must_use]
    pub fn may_be_unreadable(&self) -> bool {
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
            ValueKind::FirstOf(values) => values.iter().any(Value::may_be_unreadable),
            ValueKind::Load { base, .. } => {
                matches!(base.ty, Ty::Ptr(pointer) if pointer.nullable) || base.may_be_unreadable()
            }
            ValueKind::Unary(_, inner) | ValueKind::Convert(inner) => inner.may_be_unreadable(),
            ValueKind::Binary(_, left, right) => left.may_be_unreadable() || right.may_be_unreadable(),
            ValueKind::Cond(cond) => cond.may_be_unknown(),
            ValueKind::Text(_) | ValueKind::Endpoint(..) => true,
        }
    }

    /// Returns true for a value that is read from the current task or an ancestor, through any number of
    /// pointers.
    #[must_use]
    pub fn of_current(&self) -> bool {
        match &self.kind {
            ValueKind::Current | ValueKind::Ancestor => true,
            ValueKind::Load { base, .. } => base.of_current(),
            ValueKind::FirstOf(values) => values.iter().any(Value::of_current),
            _ => false,
        }
    }

    /// Collects the fields whose existence decides whether a kernel has the value. The bases of loads are not
    /// included.
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

/// A property of the current task that a BPF helper returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskField {
    /// The thread id in the initial PID namespace, a u32.
    Pid,
    /// The process id in the initial PID namespace, a u32.
    Tgid,
    /// The real user id, a u32.
    Uid,
    /// The real group id, a u32.
    Gid,
    /// The effective user id, a u32.
    Euid,
    /// The task's name, a [`Ty::Str`] of 16 bytes.
    Comm,
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum Unary {
    Neg,
    Complement,
}

/// Operators with two operands. Results wrap at the width of their type; divisors are nonzero constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    And,
    Or,
    Xor,
    /// Left shift; the amount is taken modulo the type's width.
    Shl,
    /// Right shift, arithmetic for signed types; the amount is taken modulo the type's width.
    Shr,
}
