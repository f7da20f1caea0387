//! What a test lacks, said so that somebody reads it. Tests of several crates take this file in.

use std::io::Write;
use std::path::{Path, PathBuf};

/// Says which test is skipped and why. `test` is its whole name, as `cargo test` says it. It goes to standard error
/// itself: what `eprintln!` writes is kept back from those that pass.
pub(crate) fn skipped(test: &str, why: &str) {
    let line = format!("SKIPPED {test}: {why}\n");
    // At once, so that lines of several tests do not mix.
    std::io::stderr().write_all(line.as_bytes()).expect("standard error");
}

/// A part of the folder of real communities, or `None` with a line that says which test was skipped.
pub(crate) fn real_data(test: &str, part: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let path = std::env::var_os("VERITABLE_DATA").map_or(beside, PathBuf::from).join(part);
    if path.exists() {
        return Some(path);
    }
    skipped(test, &format!("{} is absent (set VERITABLE_DATA)", path.display()));
    None
}
