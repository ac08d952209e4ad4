//! Analyses of a body: facts that several passes need, each computed by one pass over the blocks.
//!
//! ```text
//! cfg            reachable blocks, predecessors, immediate dominators
//! known_bits     which bits of a value are constant
//! liveness       live ranges and the values that are live at the entry of a block
//! definitions    how often, and in which blocks, a register is written
//! ```
//!
//! Absent: caching. A pass that changes a body computes the analyses again; each costs one traversal.

pub mod cfg;
pub mod definitions;
pub mod known_bits;
pub mod liveness;
