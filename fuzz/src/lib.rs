//! What must hold for every parser of bytes from outside, whatever the bytes are. Each target is a function of the
//! bytes that panics when something does not hold; two drivers call it:
//!
//! - `cargo test -p veritable-fuzz` with the committed corpus and mutations of it, for seconds;
//! - libFuzzer, which follows the coverage, for as long as one likes: `fuzz/run TARGET SECONDS`.

mod config;
#[path = "../../domain/tests/common/dangers.rs"]
mod dangers;
mod fields;
mod head;
mod import;
mod markup;
mod messages;
mod picture;
mod proxy;
mod segment;

/// One kind of bytes from outside.
#[derive(Clone, Copy)]
pub struct Target {
    /// Also of its folder in `fuzz/corpus` and of its binary for libFuzzer.
    pub name: &'static str,
    /// Panics when something does not hold for these bytes.
    pub check: fn(&[u8]),
}

/// All there are.
pub const TARGETS: &[Target] = &[
    Target { name: "config", check: config::check },
    Target { name: "discourse", check: import::discourse },
    Target { name: "fields", check: fields::check },
    Target { name: "head", check: head::check },
    Target { name: "html", check: markup::html },
    Target { name: "markdown", check: markup::markdown },
    Target { name: "mediawiki", check: import::mediawiki },
    Target { name: "messages", check: messages::check },
    Target { name: "multipart", check: picture::multipart },
    Target { name: "picture", check: picture::picture },
    Target { name: "proxy", check: proxy::check },
    Target { name: "segment", check: segment::check },
    Target { name: "wikitext", check: markup::wikitext },
];

/// The target of this name.
///
/// # Panics
/// There is none.
pub fn target(name: &str) -> Target {
    let found = TARGETS.iter().find(|target| target.name == name);
    *found.unwrap_or_else(|| panic!("no target is called {name}"))
}
