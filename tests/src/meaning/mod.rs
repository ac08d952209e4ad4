//! The table of meaning: policies, inputs and results written by hand from the definition of the language.
//!
//! ```text
//! ## The operands of a comparison can be swapped.
//! on task_prctl when 500 < option deny
//! | option = 501  -> deny 1
//! | option = 500  -> pass
//! ```
//!
//! `parse` reads `tests/meaning/*.meaning`, `layout` lays out the inputs in memory according to a kernel's
//! types, and `run` executes the evaluator of the typed policy and the built object on each embedded kernel.
//! Both answers are compared with the result in the row, not with each other: a bug in a stage before the
//! typed policy changes both alike.
//!
//! Absent: results computed from the policy. Inputs use the names of the kernel's C declarations, and results
//! are numbers.

pub mod layout;
pub mod parse;
pub mod run;
