//! Where the tests find real data.

use std::path::PathBuf;

/// A folder or file of the real data; says so when it is not there.
pub(crate) fn data(test: &str, path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("VERITABLE_DATA").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let found = root.unwrap_or(beside).join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("SKIPPED {test}: no {path} in VERITABLE_DATA");
    None
}
