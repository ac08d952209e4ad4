//! The compiler of krs.

pub mod bpf;
pub mod diag;
