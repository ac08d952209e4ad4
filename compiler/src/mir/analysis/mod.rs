//! Analyses of a body, which several passes need.
//!
//! ```text
//! cfg            reachable blocks, predecessors, immediate dominators
//! known_bits     arithmetic on values of which some bits are known
//! liveness       live ranges and the values that are live at the entry of a block
//! definitions    how often, and in which blocks, a register is written
//! ```
//!
//! Absent: caching. A pass that changes a body computes the analyses again; since edges lead to later blocks,
//! none of them iterates.

pub mod cfg;
pub mod definitions;
pub mod known_bits;
pub mod liveness;
