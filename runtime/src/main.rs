//! Loads krs policies into the kernel.
fn main() {}
