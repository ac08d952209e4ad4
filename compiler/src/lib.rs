//! The compiler of krs.

pub mod diag;
