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

use std::sync::Arc;

use krs_grammar::ast::Span;

pub use self::cond::{Atom, AtomKind, Compare, Cond, TextTest, newborn};
pub use self::value::{
    Binary, End, EndField, Enumerator, FileField, Int, Ptr, TaskField, Text, Ty, Unary, UnixName, Value, ValueKind,
};
pub use crate::access::{Access, Shape, Step};

mod attributes;
pub mod check;
mod cond;
pub mod errno;
pub mod eval;
pub mod kernels;
pub mod lower;
mod operators;
pub mod overlays;
mod own_items;
pub mod place;
pub mod policy_tests;
pub mod print;
pub mod resolve;
pub mod since;
pub mod suggest;
mod value;
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
pub use krsi_abi::modes::Mode;

/// A whole policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Name of the kernel whose types its [`TypeId`](crate::btf::TypeId)s are.
    pub typed_by: String,
    /// In the order of their first mention.
    pub hooks: Vec<Hook>,
    /// By [`RuleId`].
    pub rules: Vec<Rule>,
    /// Types whose values have names.
    pub names: Vec<Names>,
    /// Sets that a test looks into.
    pub sets: Vec<Arc<Set>>,
    /// Values that are set at load.
    pub params: Vec<Param>,
    /// Paths of files that are found at load; no two the same.
    pub files: Vec<String>,
    /// What the policy shows of itself, in source order.
    pub tests: Vec<policy_tests::Test>,
    /// By object and name.
    pub labels: Vec<Label>,
    /// Fields that cannot be read like any other.
    pub readings: std::collections::BTreeMap<Access, overlays::Reading>,
    /// Rules that can never fire, as far as that is known.
    pub never: std::collections::BTreeSet<RuleId>,
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

impl Part {
    /// Bytes of a part in a key.
    #[must_use]
    pub fn key_bytes(self) -> u32 {
        match self {
            Part::Int(int) => int.bytes,
            Part::Ip | Part::Network => 16,
            Part::Text { .. } => krsi_abi::set::TEXT_KEY_BYTES,
        }
    }
}

/// The elements of a set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// The mode that it begins with.
    #[must_use]
    pub fn first_mode(&self) -> Mode {
        if self.attributes.permissive { Mode::Permissive } else { Mode::Enforce }
    }

    /// Its `deny`, where that is enforced from the beginning.
    #[must_use]
    pub fn enforced(&self) -> Option<&Deny> {
        self.deny.as_ref().filter(|_| self.first_mode() == Mode::Enforce)
    }

    /// What it denies with, whatever its mode; `None` where it only watches.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.deny.as_ref().map(|deny| deny.errno)
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
    /// Its first mode is permissive.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
