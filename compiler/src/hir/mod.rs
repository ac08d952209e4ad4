//! The typed policy: every name resolved and every type known.
//!
//! ```text
//! policy no-jit
//! hook file_mprotect -> int
//!   arg prot: u64 Prot at slot 2
//!   arg vma: ptr at slot 0
//! rule 0 file_mprotect@1:1 on file_mprotect
//!   when (and (bits (& prot 4)) (null vma->vm_file))
//!   deny EPERM
//!   audit
//! ```
//!
//! [`lower`](lower::lower) checks a policy and builds this form, [`print`](print::print) prints it,
//! [`verify`](verify::verify) checks its invariants, and [`eval`] evaluates it.
//!
//! Invariants: a rule with several hooks occurs once per hook, in source order; the operands of an atom have
//! the types that its kind requires; a constant fits the type it is compared with; every [`Access`] and
//! argument exists on the kernel that the policy was checked against; the errno of a `deny` is one that its
//! hook may return.
//!
//! Absent: names that need a lookup, views, definitions and flags (expanded to fields and numbers), and user
//! errors.

use std::collections::BTreeMap;
use std::sync::Arc;

use krs_grammar::ast::Span;

pub use self::aliasing::AccessMode;
pub use self::cond::{Atom, AtomKind, Compare, Cond, is_new_task};
pub use self::value::{
    Binary, Endpoint, EndpointField, Enumerator, FileField, Int, Ptr, TaskField, TextSource, Ty, UNREACHABLE, Unary,
    UnixName, Value, ValueKind,
};
pub use crate::access::{Access, Shape, Step};
pub use crate::text_test::TextTest;

pub mod aliasing;
mod attributes;
pub mod check;
mod cond;
pub mod errno;
pub mod eval;
mod item_checks;
pub mod kernels;
pub mod lower;
mod operators;
pub mod place;
pub mod policy_tests;
pub mod print;
pub mod resolve;
pub mod since;
pub mod suggest;
pub mod type_names;
mod value;
pub mod verify;
pub mod walk;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            /// Returns the id as an index.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        })*
    };
}

ids! {
    /// Index of a hook in [`Policy::hooks`].
    HookId
    /// Index of a type in [`Policy::names`].
    NamesId
    /// Index of an argument in [`Hook::args`].
    ArgId
    /// Index of a set in [`Policy::sets`].
    SetId
    /// Index of a parameter in [`Policy::params`].
    ParamId
    /// Index of a file in [`Policy::files`].
    FileId
    /// Index of a label in [`Policy::labels`].
    LabelId
}

pub use krsi_abi::labels::Object;
pub use krsi_abi::manifest::RuleId;
pub use krsi_abi::modes::Mode;

/// A policy without errors, checked against one kernel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// The name under which it is loaded.
    pub name: String,
    /// Name of the kernel whose BTF its [`TypeId`](crate::btf::TypeId)s refer to.
    pub typed_by: String,
    /// Hooks in the order of their first mention; those that maintain labels come first.
    pub hooks: Vec<Hook>,
    /// Rules by [`RuleId`], in source order.
    pub rules: Vec<Rule>,
    /// Enums and flag types that values refer to.
    pub names: Vec<Names>,
    /// Sets that rules look values up in.
    pub sets: Vec<Arc<Set>>,
    /// Parameters, which are set when the policy is loaded.
    pub params: Vec<Param>,
    /// Paths that are resolved to files when the policy is loaded, without duplicates.
    pub files: Vec<String>,
    /// The policy's own tests, in source order.
    pub tests: Vec<policy_tests::Test>,
    /// Labels, sorted by object and name.
    pub labels: Vec<Label>,
    /// Access modes of the fields that an ordinary load cannot read. A field without an entry has the default
    /// mode.
    pub access_modes: BTreeMap<Access, AccessMode>,
}

impl Policy {
    /// Returns the labels of one kind of object, in the order of their bytes in the map value.
    pub fn labels_on(&self, object: Object) -> impl Iterator<Item = (LabelId, &Label)> {
        let labels = self.labels.iter().enumerate().map(|(at, label)| (LabelId(at as u32), label));
        labels.filter(move |(_, label)| label.on == object)
    }

    /// Returns the byte of the object's map value that holds a label.
    #[must_use]
    pub fn label_byte(&self, label: LabelId) -> usize {
        let on = self.labels[label.index()].on;
        self.labels[..label.index()].iter().filter(|known| known.on == on).count()
    }
}

/// A label that rules put on kernel objects.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The name in the policy.
    pub name: String,
    /// The kind of object that can have it.
    pub on: Object,
    /// Objects created from a labelled one start with the label: child processes and accepted sockets.
    pub inherit: bool,
    /// The name in its `label` item.
    pub span: Span,
}

/// A parameter: a number or bool that is set when the policy is loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// The name in the policy.
    pub name: String,
    /// An integer type or `bool`.
    pub ty: Ty,
    /// The value if the load sets none.
    pub default: i128,
}

/// A set of addresses or tuples, or a dynamic set of any element type. Static sets of integers and texts
/// become lists instead.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Set {
    /// The name of its item; `None` for a list in braces.
    pub name: Option<String>,
    /// The columns of an element; at least one, of which at most one is [`Column::Network`]. [`Column::Text`]
    /// is the only column of its set, which is dynamic.
    pub columns: Vec<Column>,
    /// The elements, if known.
    pub members: Members,
}

/// One column of the elements of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// An integer, compared by value.
    Int(Int),
    /// An IPv4 or IPv6 address.
    Ip,
    /// All addresses of a network.
    Network,
    /// A text of at most [`krsi_abi::set::TEXT_BYTES_MAX`] bytes.
    Text {
        /// True for a full path.
        path: bool,
    },
}

impl Column {
    /// Returns the bytes that the column takes in a map key.
    #[must_use]
    pub fn key_bytes(self) -> u32 {
        match self {
            Column::Int(int) => int.bytes,
            Column::Ip | Column::Network => 16,
            Column::Text { .. } => krsi_abi::set::TEXT_KEY_BYTES,
        }
    }
}

/// The elements of a set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Members {
    /// Known at compile time: for each element an inclusive range for each column. A negative number is
    /// represented by its 64-bit two's complement. Without duplicates.
    Static(Vec<Vec<(u128, u128)>>),
    /// Added and removed while the policy is loaded.
    Dynamic {
        /// Capacity of the map.
        max: u32,
    },
}

/// A hook that a program is attached to.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    /// The kernel's name, without `bpf_lsm_`.
    pub name: String,
    /// The hook returns nothing, so rules cannot deny.
    pub void: bool,
    /// The program at this hook maintains labels, even if no rule is on it.
    pub maintains_labels: bool,
    /// Arguments that rules read, in the order of their first use.
    pub args: Vec<Arg>,
}

/// An argument of a hook, as rules read it.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// The parameter's name in BTF.
    pub name: String,
    /// The type of its value.
    pub ty: Ty,
    /// The context slot that holds it.
    pub location: ArgLocation,
}

/// The location of an argument in the context of a BPF program.
#[derive(Clone, Debug, PartialEq)]
pub enum ArgLocation {
    /// An 8-byte slot that is the same on all known kernels.
    Slot(u32),
    /// A slot that depends on the kernel. The existence of another hook distinguishes kernels with
    /// one location from kernels with the other.
    Switch {
        /// A member of `union security_list_options`, whose existence CO-RE tests.
        exists: String,
        /// The location on kernels with that hook.
        then: Box<ArgLocation>,
        /// The location on kernels without it.
        otherwise: Box<ArgLocation>,
    },
}

/// A `flags` or `enum` type, or an enum of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The type's name, such as `Prot`.
    pub name: String,
    /// A `flags` type, whose values combine by `|`.
    pub flags: bool,
    /// Name and value of each member.
    pub members: Vec<(String, i64)>,
    /// An enum of the kernel, whose values CO-RE relocates.
    pub kernel: bool,
}

/// A rule on one of its hooks.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The name given by the user, or `HOOK@LINE:COLUMN`.
    pub name: String,
    /// Documentation from `##` lines or `@doc`.
    pub doc: Option<String>,
    /// The text of the whole rule.
    pub span: Span,
    /// The hook that this copy of the rule is on.
    pub hook: HookId,
    /// The rule matches only if this is true.
    pub when: Option<Cond>,
    /// The rule does not match if this is true.
    pub unless: Option<Cond>,
    /// The `deny` action, if any.
    pub deny: Option<Deny>,
    /// The `audit` action, if any.
    pub audit: Option<Audit>,
    /// The `kill` action, if any.
    pub kill: Option<Kill>,
    /// The `mark` and `unmark` actions, at most one for each pair of label and object.
    pub marks: Vec<Mark>,
    /// Attributes that are passed on to the manifest.
    pub attributes: Attributes,
    /// Present on a rule for newer kernels only. Such a rule must not share tests with others: the fields
    /// that it reads may not exist on the running kernel.
    pub since: Option<since::Since>,
}

impl Rule {
    /// Returns the mode that the rule has when it is loaded.
    #[must_use]
    pub fn first_mode(&self) -> Mode {
        if self.attributes.permissive { Mode::Permissive } else { Mode::Enforce }
    }

    /// Returns the `deny` action if the rule is initially in enforce mode.
    #[must_use]
    pub fn enforced(&self) -> Option<&Deny> {
        self.deny.as_ref().filter(|_| self.first_mode() == Mode::Enforce)
    }

    /// Returns the errno of its `deny`, in any mode; `None` for a rule that only observes.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.deny.as_ref().map(|deny| deny.errno)
    }

    /// Returns true if the rule has an action other than `deny`.
    #[must_use]
    pub fn has_effects(&self) -> bool {
        self.audit.is_some() || self.kill.is_some() || !self.marks.is_empty()
    }
}

/// A `mark` or `unmark` action.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// The label that is set or removed.
    pub label: LabelId,
    /// A pointer to the object, as in [`AtomKind::Label`].
    pub object: Value,
    /// True for `mark`, false for `unmark`.
    pub set: bool,
    /// The text of the action.
    pub span: Span,
}

/// A `kill` action of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Kill {
    /// Number of the signal.
    pub signal: i32,
    /// Name of the signal, such as `SIGKILL`.
    pub name: String,
    /// The text of the action.
    pub span: Span,
}

/// The attributes of a rule: `@severity(high) @tag("T1055") @id("...") @permissive`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// One of `low`, `medium`, `high` and `critical`.
    pub severity: Option<String>,
    /// Tags in source order.
    pub tags: Vec<String>,
    /// The rule's identifier in other systems.
    pub id: Option<String>,
    /// The rule is initially in permissive mode.
    pub permissive: bool,
}

/// A `deny` action of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Deny {
    /// The errno as a positive number.
    pub errno: i32,
    /// Name of the errno, such as `EPERM`.
    pub name: &'static str,
    /// The text of the action.
    pub span: Span,
}

/// An `audit` action of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    /// The text of the action.
    pub span: Span,
    /// The message of its events.
    pub message: Option<String>,
    /// Fields of its events, at most `event::FIELDS_MAX`.
    pub fields: Vec<AuditField>,
    /// The rate limit, if any.
    pub limit: Option<Limit>,
}

/// A rate limit, such as `limit 10/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// Events that are recorded in one period; at least 1.
    pub count: u32,
    /// Length of the period.
    pub per: Period,
}

pub use krsi_abi::manifest::Period;

/// A field of the events of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditField {
    /// The name given by the user, or the text of the expression.
    pub name: String,
    /// An integer, a `bool`, a string or a pointer.
    pub value: Value,
}
