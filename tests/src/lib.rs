//! Tests that cross crates, and what several of them share.

pub mod differential;
pub mod golden;
pub mod meaning;
