//! The policy with every name resolved and every type known.
//!
//! ```text
//! hook file_mprotect -> int
//!   arg vma: *vm_area_struct
//!   arg prot: u64 Prot
//! rule 0 file_mprotect@1:1 on file_mprotect
//!   when (and (bits prot 0x4) (null vma->vm_file))
//!   deny EPERM
//!   audit
//! ```
//!
//! Invariants: a rule stands here once for each of its hooks, in source order; every atom's operands have
//! the types that its kind asks for; a constant fits the type of what it is compared with; every
//! [`Access`] and argument exists on the kernel that the policy was checked against; the errno of a `deny` is one
//! that its hook may return.
//!
//! Absent: names that need a lookup, views, definitions and flags (they are expanded to fields and
//! numbers), `unless` as a shape of its own beyond [`Rule`], and anything that a user could still get
//! wrong.

use std::hash::{Hash, Hasher};

use krs_grammar::ast::Span;

pub use crate::bpf::{Access, Shape, Step};

mod attributes;
pub mod check;
pub mod errno;
pub mod eval;
pub mod kernels;
pub mod lower;
mod operators;
mod own_items;
pub mod place;
pub mod policy_tests;
pub mod print;
pub mod resolve;
pub mod since;
pub mod suggest;
pub mod walk;
pub mod words;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            /// As a plain index.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        })*
    };
}

ids! {
    /// Index into [`Policy::hooks`].
    HookId
    /// Index into [`Policy::names`].
    NamesId
    /// Index into [`Hook::args`].
    ArgId
    /// Index into [`Policy::sets`].
    SetId
    /// Index into [`Policy::params`].
    ParamId
    /// Index into [`Policy::files`].
    FileId
    /// Index into [`Policy::labels`].
    LabelId
}

pub use krsi_abi::labels::Object;
pub use krsi_abi::manifest::RuleId;

/// A whole policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// In the order of their first mention.
    pub hooks: Vec<Hook>,
    /// By [`RuleId`].
    pub rules: Vec<Rule>,
    /// Types whose values have names.
    pub names: Vec<Names>,
    /// Sets that a test looks into.
    pub sets: Vec<Set>,
    /// Values that are set at load.
    pub params: Vec<Param>,
    /// Paths of files that are found at load; no two the same.
    pub files: Vec<String>,
    /// What the policy shows of itself, in source order.
    pub tests: Vec<policy_tests::Test>,
    /// By object and name.
    pub labels: Vec<Label>,
}

impl Policy {
    /// Labels of one kind of object, in the order of their bytes.
    pub fn labels_on(&self, object: Object) -> impl Iterator<Item = (LabelId, &Label)> {
        let labels = self.labels.iter().enumerate().map(|(at, label)| (LabelId(at as u32), label));
        labels.filter(move |(_, label)| label.on == object)
    }

    /// Which byte of its object's value a label is.
    #[must_use]
    pub fn label_byte(&self, label: LabelId) -> usize {
        let on = self.labels[label.index()].on;
        self.labels[..label.index()].iter().filter(|known| known.on == on).count()
    }
}

/// A label.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// What it can be on.
    pub on: Object,
    /// Objects that come of a labelled one have it from their beginning.
    pub inherit: bool,
    /// Its item.
    pub span: Span,
}

/// A value that is set at load.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// An integer or a `bool`.
    pub ty: Ty,
    /// Where none is set.
    pub default: i128,
}

/// A set of addresses or of tuples, or one that changes while the policy is loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// Its name; none where it was written in braces.
    pub name: Option<String>,
    /// What an element is made of; not empty, and at most one is [`Part::Network`]. [`Part::Text`] stands alone, in sets
    /// that change.
    pub parts: Vec<Part>,
    /// Its elements.
    pub members: Members,
}

/// One part of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// An integer, compared as a number.
    Int(Int),
    /// An address.
    Ip,
    /// Addresses of one network.
    Network,
    /// A text of at most [`krsi_abi::set::TEXT_BYTES_MAX`] bytes.
    Text {
        /// A full path.
        path: bool,
    },
}

/// The elements of a set.
#[derive(Clone, Debug, PartialEq)]
pub enum Members {
    /// Known now: for each element a range for each part, the first and the last value. A negative number is its
    /// pattern of 64 bits. No two of the same.
    Static(Vec<Vec<(u128, u128)>>),
    /// Not known before the policy is loaded: they come and go while it is.
    Dynamic {
        /// The most at a time.
        max: u32,
    },
}

/// A hook that rules are on.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    /// Its name in the kernel.
    pub name: String,
    /// It returns nothing: rules can only watch.
    pub void: bool,
    /// Labels are kept there, whether rules are on it or not.
    pub keeps: bool,
    /// The arguments that rules read, in the order of their first use.
    pub args: Vec<Arg>,
}

/// An argument of a hook.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// Its name in BTF.
    pub name: String,
    /// What it holds.
    pub ty: Ty,
    /// How a program finds it.
    pub place: Place,
}

/// Where in its context a program finds an argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// Everywhere in this 8-byte slot.
    Slot(u32),
    /// Where it stands depends on the kernel: in slot `then` where the kernel has the hook `exists`, else in `otherwise`.
    /// The two change together because one kernel change made both.
    Switch {
        /// A member of `union security_list_options`.
        exists: String,
        /// With it.
        then: Box<Place>,
        /// Without.
        otherwise: Box<Place>,
    },
}

/// A type whose values have names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// `Prot`
    pub name: String,
    /// Values combine by `|`.
    pub flags: bool,
    /// Name and value; the values as mathematical numbers.
    pub members: Vec<(String, i64)>,
    /// It is the kernel's own enum: its values are found again on each kernel.
    pub kernel: bool,
}

/// A rule on one hook.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Given, or `HOOK@LINE:COLUMN`.
    pub name: String,
    /// Its `##` lines.
    pub doc: Option<String>,
    /// The whole rule.
    pub span: Span,
    /// On this hook.
    pub hook: HookId,
    /// It fires only where this is true.
    pub when: Option<Cond>,
    /// And this is not.
    pub unless: Option<Cond>,
    /// Positive errno.
    pub deny: Option<Deny>,
    /// What it records.
    pub audit: Option<Audit>,
    /// The signal that ends the current task.
    pub kill: Option<Kill>,
    /// Labels that it sets and takes; none of them twice on one object.
    pub marks: Vec<Mark>,
    /// What is said about it.
    pub attributes: Attributes,
    /// It is there on newer kernels only. Such a rule must not be joined with others: what it reads may not be there.
    pub since: Option<since::Since>,
}

impl Rule {
    /// Its `deny`, where that is enforced.
    #[must_use]
    pub fn enforced(&self) -> Option<&Deny> {
        self.deny.as_ref().filter(|_| !self.attributes.permissive)
    }

    /// It does something besides denying.
    #[must_use]
    pub fn has_effects(&self) -> bool {
        self.audit.is_some() || self.kill.is_some() || !self.marks.is_empty()
    }
}

/// `mark` or `unmark`
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// This one.
    pub label: LabelId,
    /// Of this: see [`AtomKind::Label`].
    pub object: Value,
    /// It is set, or else taken.
    pub set: bool,
    /// The action.
    pub span: Span,
}

/// `kill`
#[derive(Clone, Debug, PartialEq)]
pub struct Kill {
    /// Its number.
    pub signal: i32,
    /// `SIGKILL`
    pub name: String,
    /// The action.
    pub span: Span,
}

/// `@severity(high) @tag("T1055") @id("...") @permissive`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `low`, `medium`, `high` or `critical`.
    pub severity: Option<String>,
    /// In the order written.
    pub tags: Vec<String>,
    /// A name that other systems know it by.
    pub id: Option<String>,
    /// Its `deny` is recorded and not enforced.
    pub permissive: bool,
}

/// `deny`
#[derive(Clone, Debug, PartialEq)]
pub struct Deny {
    /// Positive.
    pub errno: i32,
    /// `EPERM`
    pub name: &'static str,
    /// The action.
    pub span: Span,
}

/// `audit`
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    /// The action.
    pub span: Span,
    /// Its message.
    pub message: Option<String>,
    /// At most `event::FIELDS_MAX`.
    pub fields: Vec<Field>,
    /// How often at most.
    pub limit: Option<Limit>,
}

/// `limit 10/s`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// At least 1.
    pub count: u32,
    /// In this time.
    pub per: Period,
}

pub use krsi_abi::manifest::Period;

/// A field of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Given, or the expression's text.
    pub name: String,
    /// An integer, a `bool`, a string or a pointer.
    pub value: Value,
}

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
    /// [`TEXT_BYTES`]; a longer one is unknown.
    Text {
        /// It begins with `/` and has components.
        path: bool,
    },
}

/// Bytes of the longest text, its NUL included: `PATH_MAX`.
pub const TEXT_BYTES: u32 = 4096;

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

/// A condition. Three-valued: an atom that reads through null is neither true nor false.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cond {
    /// Known while compiling.
    Const(bool),
    /// A test.
    Atom(Box<Atom>),
    /// Kleene's not.
    Not(Box<Cond>),
    /// Kleene's and.
    And(Box<Cond>, Box<Cond>),
    /// Kleene's or.
    Or(Box<Cond>, Box<Cond>),
}

/// A test of values. Where one of them cannot be read, the test is neither true nor false.
#[derive(Clone, Debug)]
pub struct Atom {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: AtomKind,
}

/// Where a test was written is no part of what it is.
impl PartialEq for Atom {
    fn eq(&self, other: &Atom) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Atom {}

impl Hash for Atom {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
    }
}

/// A test.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AtomKind {
    /// Two integers, compared as mathematical numbers.
    Compare {
        /// How.
        op: Compare,
        /// Left.
        left: Value,
        /// Right.
        right: Value,
    },
    /// At least one bit of the value is set.
    AnyBit(Value),
    /// All these bits of the value are set.
    AllBits {
        /// Of this.
        value: Value,
        /// These; not 0.
        mask: u64,
    },
    /// A `bool`.
    True(Value),
    /// A pointer is null.
    Null(Value),
    /// Two pointers or two addresses are the same.
    Same(Value, Value),
    /// Some ancestor of a task is so.
    AnyAncestor {
        /// Points to the task, which is none itself.
        of: Value,
        /// What is asked of [`ValueKind::Ancestor`]; nothing else in it is read from arguments.
        cond: Box<Cond>,
    },
    /// These together are an element; as many as the set has parts, an address for a network.
    InSet {
        /// In the order of the set's parts.
        values: Vec<Value>,
        /// The set.
        set: SetId,
    },
    /// An integer is one of these.
    OneOf {
        /// This.
        value: Value,
        /// Constants; not empty.
        set: Vec<Value>,
    },
    /// A string is one of these, none of which is longer than it can be; not empty.
    OneOfStrings {
        /// This.
        value: Value,
        /// Without NUL.
        set: Vec<Vec<u8>>,
    },
    /// What a text is like.
    Text {
        /// A [`Ty::Text`].
        value: Value,
        /// Is it so?
        test: TextTest,
    },
    /// An object has a label.
    Label {
        /// A pointer by which the object is known: of a task the first `task_struct` of its process (but see
        /// [`newborn`]), of a file its `inode`, of a socket its `sock`.
        object: Value,
        /// One that fits to it.
        label: LabelId,
    },
}

/// A question about a text. No pattern is empty or has a NUL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TextTest {
    /// It is one of these; not empty, no two the same.
    OneOf(Vec<Vec<u8>>),
    /// It is this directory, without a slash at its end, or something below it; empty for the root.
    Under(Vec<u8>),
    /// It begins so.
    StartsWith(Vec<u8>),
    /// It ends so.
    EndsWith(Vec<u8>),
    /// This is somewhere in it.
    Contains(Vec<u8>),
    /// The glob fits the whole of it.
    Like(Vec<u8>),
}

/// Whether an object is the task that `task_alloc` is about: it is a process of its own unless it is a thread, and its
/// `group_leader` is not yet set.
#[must_use]
pub fn newborn(hook: &Hook, object: &Value) -> bool {
    hook.name == "task_alloc" && matches!(object.kind, ValueKind::Arg(_))
}

/// How integers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
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
    Enumerator {
        /// The enum's tag.
        of: String,
        /// Its name.
        name: String,
        /// On the checked kernel.
        value: i64,
    },
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
        base: Box<Value>,
        /// Which field. Its last shape says how wide it is.
        access: Access,
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
    #[must_use]
    pub fn values(&self) -> Vec<&Value> {
        match self {
            End::Address { address, length, .. } => vec![address, length],
            End::Local(socket) | End::Peer(socket) => vec![socket],
            End::Message { address, length, socket } => vec![address, length, socket],
        }
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
        end: End,
        /// Which of its names.
        name: UnixName,
    },
}

impl Value {
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
            ValueKind::Load { access, .. } if !found.contains(&access) => found.push(access),
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
