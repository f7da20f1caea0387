//! Files served as they are, part of the binary. The style sheet's address carries a hash of its
//! content, so browsers may keep it for ever.

use std::sync::LazyLock;

use xxhash_rust::xxh3::xxh3_64;

const STYLE: &[u8] = include_bytes!("../../web/static/style.css");
const FAVICON: &[u8] = include_bytes!("../../web/static/favicon.svg");

static STYLE_PATH: LazyLock<String> = LazyLock::new(|| format!("/static/style-{:016x}.css", xxh3_64(STYLE)));

/// Address of the style sheet.
pub fn style_path() -> &'static str {
    &STYLE_PATH
}

/// The `Content-Type` and bytes of the file at an address.
pub fn find(path: &str) -> Option<(&'static str, &'static [u8])> {
    match path {
        "/favicon.svg" | "/favicon.ico" => Some(("image/svg+xml", FAVICON)),
        _ if path == style_path() => Some(("text/css; charset=utf-8", STYLE)),
        _ => None,
    }
}
