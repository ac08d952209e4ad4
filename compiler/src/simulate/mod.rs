//! Runs an object as a kernel would: the bytes that ship, fitted to a kernel's types by their own CO-RE relocations, over memory
//! that is laid out by the same types.
//!
//! ```text
//! image::Image      policy.o read and relocated for one kernel
//! scene::Scene      the task, arguments and structs that one call of a hook meets; also what `hir::eval` asks
//! machine::Machine  both together: `run("file_open")` gives the verdict, the events and the signals, or a fault
//! ```
//!
//! Invariants: an access outside what a program may touch is a [`Fault`], as is an instruction that 5.10 does not know, a
//! read of the stack that nothing was written to, and a field that the kernel lacks; memory that nobody set reads 0.
//!
//! Absent: the verifier (no type of a register is known), time, and other programs on the processor.

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

/// Why a program cannot be run on: a mistake of the compiler, or of whoever set the scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The program or function, where one was running.
    pub function: String,
    /// The slot of the instruction in it.
    pub slot: usize,
    /// In words.
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

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What the program returned: 0, or a negative errno.
    pub verdict: i32,
    /// The records that it wrote, in order.
    pub events: Vec<Vec<u8>>,
    /// The signals that it sent to the current task, in order.
    pub signals: Vec<i32>,
    /// Instructions executed.
    pub instructions: u64,
}
