//! The compiler of krs.

pub mod bpf;
pub mod btf;
pub mod diag;
pub mod kernel;
