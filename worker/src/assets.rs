//! Files served as they are, part of the binary. The address of a style sheet or script carries a hash of its content, so
//! browsers may keep it for ever.

use std::sync::LazyLock;

use xxhash_rust::xxh3::xxh3_64;

/// Where files are whose addresses carry a hash.
const HASHED: &str = "/static/";

const FAVICON: &[u8] = include_bytes!("../../web/static/favicon.svg");

/// A file: its name, the ending of its address, its `Content-Type`, its bytes.
type Source = (&'static str, &'static str, &'static str, &'static [u8]);

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

const SOURCES: &[Source] = &[
    ("style", "css", CSS, include_bytes!("../../web/static/style.css")),
    ("compose", "js", JS, include_bytes!("../../web/static/compose.js")),
    ("quote", "js", JS, include_bytes!("../../web/static/quote.js")),
    ("upload", "js", JS, include_bytes!("../../web/static/upload.js")),
];

static PATHS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let path = |(name, ending, _, bytes): &Source| format!("{HASHED}{name}-{:016x}.{ending}", xxh3_64(bytes));
    SOURCES.iter().map(path).collect()
});

/// Address of the file with this name; empty for a name that no file has.
pub fn path(name: &str) -> &'static str {
    let at = SOURCES.iter().position(|(known, ..)| *known == name);
    at.and_then(|at| PATHS.get(at)).map_or("", String::as_str)
}

/// Whether what is at an address never changes.
pub fn is_hashed(path: &str) -> bool {
    path.starts_with(HASHED)
}

/// The `Content-Type` and bytes of the file at an address.
pub fn find(path: &str) -> Option<(&'static str, &'static [u8])> {
    if matches!(path, "/favicon.svg" | "/favicon.ico") {
        return Some(("image/svg+xml", FAVICON));
    }
    let at = PATHS.iter().position(|known| is_hashed(path) && known == path)?;
    SOURCES.get(at).map(|(_, _, media, bytes)| (*media, *bytes))
}
