//! Veritable.
#[cfg(test)]
mod supervisor;
fn main() {}
