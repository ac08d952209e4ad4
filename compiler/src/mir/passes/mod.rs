//! Transformations of a body, one in each module.
//!
//! ```text
//! simplify             known-bits simplification of instructions and branches
//! jump_threading       edges skip tests whose results are implied
//! gvn                  global value numbering
//! resolve_flags        availability flags of partially redundant reads
//! expand_reads         pseudo-instructions that read fields become helper calls
//! split_cold           hot/cold splitting
//! rename_live_ranges   one register per live range
//! split_live_ranges    new names for values that enter the cold region
//! fold_immediates      constants become immediate operands
//! widen_moves          32-bit moves become 64-bit moves
//! copy_propagation     copies are replaced by their sources
//! fold_byte_swaps      byte swaps are moved from values to constants
//! demanded_bits        operations on bits that nothing reads are removed
//! dce                  dead-code elimination
//! mask_bit_tests       bit tests of values that are compared by order test a copy
//! ```
//!
//! [`crate::driver::PIPELINE`] lists them in the order in which they run, each with the reason for its place.
//!
//! Invariant: each pass maps a body that [`super::verify`] accepts to one that it also accepts and that
//! behaves the same.

pub mod copy_propagation;
pub mod dce;
pub mod demanded_bits;
pub mod expand_reads;
pub mod fold_byte_swaps;
pub mod fold_immediates;
pub mod gvn;
pub mod jump_threading;
pub mod mask_bit_tests;
pub mod rename_live_ranges;
pub mod resolve_flags;
pub mod simplify;
pub mod split_cold;
pub mod split_live_ranges;
pub mod widen_moves;
