//! Tests of a text against constant patterns.
//!
//! ```text
//! OneOf(["/bin/sh", "/bin/bash"])      the text equals one of these
//! Under("/etc")                        it is `/etc` or a path below it
//! Like("/srv/*.key")                   the glob matches all of it
//! ```
//!
//! The typed policy and the automata share this type, so that [`automaton`](crate::automaton) needs no
//! [`hir`](crate::hir).
//!
//! Absent: the text that is tested, and evaluation: [`hir::eval`](crate::hir::eval) and
//! [`automaton`](crate::automaton) have one each.

/// A test of a text. No pattern is empty, and none contains a NUL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TextTest {
    /// The text equals one of these; not empty, without duplicates.
    OneOf(Vec<Vec<u8>>),
    /// The text is this directory or a path below it. Has no trailing slash; the root is not one.
    Under(Vec<u8>),
    /// The text begins with this.
    StartsWith(Vec<u8>),
    /// The text ends with this.
    EndsWith(Vec<u8>),
    /// The text contains this.
    Contains(Vec<u8>),
    /// The glob matches the whole text.
    Like(Vec<u8>),
}
