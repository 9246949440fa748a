//! The `tapeline` program.
fn main() {}
