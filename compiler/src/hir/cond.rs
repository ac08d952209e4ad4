//! Conditions: what is asked of values.
//!
//! ```text
//! (and (bits prot 0x4) (null vma->vm_file))
//! ```
//!
//! Invariants: see [`super`]. Absent: how a test is made; `bpf/lower/conds.rs` knows.

use std::hash::{Hash, Hasher};

use krs_grammar::ast::Span;

use super::{Hook, LabelId, SetId, Ty, Value, ValueKind};

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

impl Cond {
    /// Whether it can be neither true nor false.
    #[must_use]
    pub fn may_be_unknown(&self) -> bool {
        match self {
            Cond::Const(_) => false,
            Cond::Not(inner) => inner.may_be_unknown(),
            Cond::And(left, right) | Cond::Or(left, right) => left.may_be_unknown() || right.may_be_unknown(),
            Cond::Atom(atom) => atom.may_be_unknown(),
        }
    }
}

/// A test of values. Where one of them cannot be read, the test is neither true nor false.
#[derive(Clone, Debug)]
pub struct Atom {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: AtomKind,
}

impl Atom {
    /// Whether it can have no answer: some pointer on its way can be null.
    #[must_use]
    pub fn may_be_unknown(&self) -> bool {
        match &self.kind {
            AtomKind::Compare { left, right, .. } | AtomKind::Same(left, right) => {
                left.unreadable() || right.unreadable()
            }
            AtomKind::AnyBit(value)
            | AtomKind::AllBits { value, .. }
            | AtomKind::True(value)
            | AtomKind::Null(value)
            | AtomKind::OneOf { value, .. }
            | AtomKind::OneOfStrings { value, .. }
            | AtomKind::Text { value, .. } => value.unreadable(),
            AtomKind::Label { object, .. } => {
                matches!(object.ty, Ty::Ptr(pointer) if pointer.nullable) || object.unreadable()
            }
            AtomKind::InSet { values, .. } => values.iter().any(Value::unreadable),
            // There can be too many.
            AtomKind::AnyAncestor { .. } => true,
        }
    }
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
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

impl Compare {
    /// What holds of two values where this holds of them the other way round.
    #[must_use]
    pub fn turned(self) -> Compare {
        match self {
            Compare::Eq | Compare::Ne => self,
            Compare::Lt => Compare::Gt,
            Compare::Le => Compare::Ge,
            Compare::Gt => Compare::Lt,
            Compare::Ge => Compare::Le,
        }
    }

    /// What holds where this does not.
    #[must_use]
    pub fn negated(self) -> Compare {
        match self {
            Compare::Eq => Compare::Ne,
            Compare::Ne => Compare::Eq,
            Compare::Lt => Compare::Ge,
            Compare::Le => Compare::Gt,
            Compare::Gt => Compare::Le,
            Compare::Ge => Compare::Lt,
        }
    }
}
