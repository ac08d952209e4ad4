//! Tests that cross crates, and the code that several of them share.

pub mod differential;
pub mod golden;
pub mod meaning;
