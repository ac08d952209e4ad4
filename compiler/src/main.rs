//! The krsic command.
fn main() {}
