//! Veritable.
fn main() {}
