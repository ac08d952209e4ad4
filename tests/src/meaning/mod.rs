//! The table of meaning: policies, inputs and results that were written by hand from the definition of the language.
//!
//! ```text
//! ## The operands of a comparison can be swapped.
//! on task_prctl when 500 < option deny
//! | option = 501  -> deny 1
//! | option = 500  -> pass
//! ```
//!
//! `parse` reads `tests/meaning/*.meaning`, `layout` puts the inputs into memory as a kernel's types say, and `run` asks the
//! evaluator of the typed policy and the built object, on each embedded kernel. Each of the two answers is compared with the
//! result in the row, not with the other answer: a fault in front of the typed policy changes both in the same way.
//!
//! Absent: anything computed from the policy. Inputs are named as the kernel's C declares them, and results are numbers.

pub mod layout;
pub mod parse;
pub mod run;
