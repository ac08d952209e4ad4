//! The syntax of krs: text to tree ([`parse`]) and back ([`print`]).

pub mod ast;
