//! Conditions: Boolean combinations of tests on values.
//!
//! ```text
//! (and (bits (& prot 4)) (null vma->vm_file))
//! ```
//!
//! Invariants: see [`super`]. Absent: code for a test, which `mir/lower/conds.rs` generates.

use std::hash::{Hash, Hasher};

use krs_grammar::ast::Span;

use super::{Hook, LabelId, SetId, TextTest, Ty, Value, ValueKind};

/// A condition, evaluated in Kleene's three-valued logic: an atom that reads through null is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cond {
    /// A value known at compile time.
    Const(bool),
    /// A single test of values.
    Atom(Box<Atom>),
    /// Negation; unknown stays unknown.
    Not(Box<Cond>),
    /// Conjunction; false if either side is false.
    And(Box<Cond>, Box<Cond>),
    /// Disjunction; true if either side is true.
    Or(Box<Cond>, Box<Cond>),
}

impl Cond {
    /// Returns true if the condition can evaluate to unknown.
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

/// A test of values. It is unknown if one of the values cannot be read.
#[derive(Clone, Debug)]
pub struct Atom {
    /// Span of the source text.
    pub span: Span,
    /// The kind of test and its operands.
    pub kind: AtomKind,
}

impl Atom {
    /// Returns true if the test can evaluate to unknown, for example by following a null pointer.
    #[must_use]
    pub fn may_be_unknown(&self) -> bool {
        match &self.kind {
            AtomKind::Compare { left, right, .. } | AtomKind::Same(left, right) => {
                left.may_be_unreadable() || right.may_be_unreadable()
            }
            AtomKind::AnyBit(value)
            | AtomKind::AllBits { value, .. }
            | AtomKind::True(value)
            | AtomKind::Null(value)
            | AtomKind::OneOf { value, .. }
            | AtomKind::OneOfStrings { value, .. }
            | AtomKind::Text { value, .. } => value.may_be_unreadable(),
            AtomKind::Label { object, .. } => {
                matches!(object.ty, Ty::Ptr(pointer) if pointer.nullable) || object.may_be_unreadable()
            }
            AtomKind::InSet { values, .. } => values.iter().any(Value::may_be_unreadable),
            // A task with more ancestors than the limit makes the test unknown.
            AtomKind::AnyAncestor { .. } => true,
            AtomKind::Known(_) | AtomKind::Unreadable(_) | AtomKind::KernelThread => false,
        }
    }
}

/// Equality ignores the spans.
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

/// The kinds of tests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AtomKind {
    /// Compares two integers as mathematical numbers, whatever their types.
    Compare {
        /// Operator of the comparison.
        op: Compare,
        /// Operand on the left.
        left: Value,
        /// Operand on the right.
        right: Value,
    },
    /// True if at least one bit of the integer is set.
    AnyBit(Value),
    /// True if all bits of a mask are set in an integer.
    AllBits {
        /// The integer that is tested.
        value: Value,
        /// The mask; not 0.
        mask: u64,
    },
    /// The value of a `bool`.
    True(Value),
    /// True if the pointer is null.
    Null(Value),
    /// True if two pointers, two addresses or two fetched texts are equal.
    Same(Value, Value),
    /// True if some ancestor of a task satisfies a condition.
    AnyAncestor {
        /// A pointer to the task, which is not one of its own ancestors.
        of: Value,
        /// The condition on [`ValueKind::Ancestor`]. It reads no arguments of the hook.
        cond: Box<Cond>,
        /// The test also succeeds, whatever its wanted result, if no ancestor that a walk visits decides it and
        /// there are more. The decision stage adds such tests.
        more: bool,
    },
    /// True if the tuple of values is an element of a set.
    InSet {
        /// One value for each column of the set; an address for a network.
        values: Vec<Value>,
        /// The set that is searched.
        set: SetId,
    },
    /// True if an integer equals one of a list of constants.
    OneOf {
        /// The integer that is tested.
        value: Value,
        /// The constants; not empty.
        set: Vec<Value>,
    },
    /// True if an inline array, a [`Ty::Str`], equals one of a list of strings.
    OneOfStrings {
        /// The array that is tested.
        value: Value,
        /// The strings, without NUL and no longer than the array; not empty.
        set: Vec<Vec<u8>>,
    },
    /// Tests a fetched text, a [`Ty::Text`].
    Text {
        /// The text that is tested.
        value: Value,
        /// The test and its pattern.
        test: TextTest,
    },
    /// True if an object has a label.
    Label {
        /// A pointer that identifies the object: for a task the `group_leader` of its process (but see
        /// [`is_new_task`]), for a file its `inode`, for a socket its `sock`.
        object: Value,
        /// A label on this kind of object.
        label: LabelId,
    },
    /// True if a value exists and can be read: `known(x)`. A null pointer is not known.
    Known(Value),
    /// True if a text exists but cannot be read: it is too long, or there is no buffer. The decision stage
    /// adds this test; see `decision::undecided`.
    Unreadable(Value),
    /// True in a kernel thread that does not serve io_uring. The decision stage adds this test.
    KernelThread,
}

/// Returns true if an object is the task that `task_alloc` creates. Its `group_leader` is not set yet, so the
/// hook's `clone_flags` distinguish a new process from a new thread.
#[must_use]
pub fn is_new_task(hook: &Hook, object: &Value) -> bool {
    hook.name == "task_alloc" && matches!(object.kind, ValueKind::Arg(_))
}

/// Comparison operators of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Compare {
    /// Returns the operator for swapped operands: `a < b` becomes `b > a`.
    #[must_use]
    pub fn swapped(self) -> Compare {
        match self {
            Compare::Eq | Compare::Ne => self,
            Compare::Lt => Compare::Gt,
            Compare::Le => Compare::Ge,
            Compare::Gt => Compare::Lt,
            Compare::Ge => Compare::Le,
        }
    }

    /// Returns the complementary operator: `<` becomes `>=`.
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
