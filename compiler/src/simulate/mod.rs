//! Executes an object as a kernel would: the final bytes, relocated to a kernel's types by their CO-RE
//! relocations, on memory that is laid out by the same types. It serves as an oracle in tests.
//!
//! ```text
//! image::Image      policy.o, read and relocated for one kernel
//! scene::Scene      the task, arguments and structs of one hook call; also the world of `hir::eval`
//! machine::Machine  both together: `run("file_open")` returns the verdict, events and signals, or a fault
//! ```
//!
//! Invariants: it is a [`Fault`] to access memory that a program must not touch, to execute an instruction that
//! 5.10 does not support, to read uninitialised stack, or to use a field that the kernel lacks. Memory that was
//! never set reads as 0.
//!
//! Absent: the verifier (registers have no types), time, and concurrency.

use std::fmt;

mod core;
mod helpers;
pub mod image;
mod labels;
pub mod machine;
mod maps;
pub mod memory;
mod place;
pub mod scene;

/// The reason why a program cannot continue: a bug of the compiler, or of the code that built the scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Name of the running function; empty if none was running.
    pub function: String,
    /// Slot of the instruction in it.
    pub slot: usize,
    /// Description of the fault.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.function.as_str() {
            "" => f.write_str(&self.why),
            function => write!(f, "{function}, instruction {}: {}", self.slot, self.why),
        }
    }
}

impl std::error::Error for Fault {}

/// The result of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Result of the program: 0, or a negative errno.
    pub verdict: i32,
    /// Records that it submitted, in order.
    pub events: Vec<Vec<u8>>,
    /// Signals that it sent to the current task, in order.
    pub signals: Vec<i32>,
    /// Number of instructions executed.
    pub instructions: u64,
}
