//! Wiki titles: `Namespace:Title`, as people write them and as addresses carry them.

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use serde::Serialize;
use wincode::{SchemaRead, SchemaWrite};

use crate::text::{TextError, fold_line};

/// Most bytes of a title without its namespace (MediaWiki's limit).
pub const MAX_TITLE_BYTES: usize = 255;

/// What an address path must escape. Slashes and colons stay readable, as in MediaWiki's own addresses.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'\\')
    .add(b'^')
    .add(b'|')
    .add(b'[')
    .add(b']')
    .add(b'&')
    .add(b'+')
    .add(b'\'');

/// A title within a namespace: one line, spaces (not underscores), no character of link syntax.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, SchemaWrite, SchemaRead)]
#[serde(transparent)]
pub struct PageTitle(String);

impl PageTitle {
    /// Checks and normalises a title: underscores become spaces, runs of spaces one; with
    /// `first_letter` its first character becomes upper case (MediaWiki's `case="first-letter"`).
    ///
    /// # Errors
    /// [`TextError`] when it is empty, too long, has one of `[ ] { } | # < >`, or a part that is `.` or `..`.
    pub fn new(text: &str, first_letter: bool) -> Result<Self, TextError> {
        let mut title = fold_line(&text.replace('_', " "));
        if title.is_empty() {
            return Err(TextError::Empty { what: "page title" });
        }
        if title.len() > MAX_TITLE_BYTES {
            let found = title.len();
            return Err(TextError::TooLong {
                what: "page title",
                found,
                most: MAX_TITLE_BYTES,
                unit: "bytes",
            });
        }
        if let Some(character) = title.chars().find(|c| "[]{}|#<>".contains(*c)) {
            return Err(TextError::Forbidden { what: "page title", character });
        }
        // Browsers take these for steps up and down in an address.
        if title.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(TextError::Malformed { what: "page title", like: "Some title" });
        }
        if first_letter {
            title = upper_first(&title);
        }
        Ok(PageTitle(title))
    }

    /// The title with spaces.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `text` with its first character in upper case.
pub fn upper_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Splits `Namespace:Title` at its first colon, white space and underscores trimmed. Whether the first
/// part is a namespace at all is for who knows the namespaces to say.
pub fn split_title(text: &str) -> (Option<&str>, &str) {
    let blank = |c: char| c == '_' || c.is_whitespace();
    match text.split_once(':') {
        Some((namespace, title)) => (Some(namespace.trim_matches(blank)), title.trim_matches(blank)),
        None => (None, text.trim_matches(blank)),
    }
}

/// The address path of a page: `/wiki/Namespace:Some_title`, escaped.
pub fn page_path(namespace: &str, title: &str) -> String {
    format!("/wiki/{}", path_part(&full_title(namespace, title)))
}

/// A full title as addresses carry it: `Namespace:Some_title`, escaped.
pub fn path_part(full_title: &str) -> String {
    percent_encode(full_title.replace(' ', "_").as_bytes(), PATH).to_string()
}

/// The address of what is done with a page, such as `/wiki-edit/Namespace:Some_title`: beside the pages, so that no title
/// can be taken for a deed.
pub fn tool_path(tool: &str, full_title: &str) -> String {
    format!("/wiki-{tool}/{}", path_part(full_title))
}

/// `Namespace:Title`, or the bare title in the main namespace (whose name is empty).
pub fn full_title(namespace: &str, title: &str) -> String {
    if namespace.is_empty() { title.to_owned() } else { format!("{namespace}:{title}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_normalised_and_checked() {
        assert_eq!(PageTitle::new("rust_language ", true).unwrap().as_str(), "Rust language");
        assert_eq!(PageTitle::new("rust language", false).unwrap().as_str(), "rust language");
        for wrong in ["a[b", ".", "..", "../x", "a/./b", "a/.."] {
            assert!(PageTitle::new(wrong, false).is_err(), "{wrong}");
        }
        assert!(PageTitle::new("a/...", false).is_ok() && PageTitle::new(".NET", false).is_ok());
        assert!(PageTitle::new("_", false).is_err());
        assert!(PageTitle::new(&"x".repeat(256), false).is_err());
        assert_eq!(PageTitle::new("ūdiņs", true).unwrap().as_str(), "Ūdiņs");
    }

    #[test]
    fn addresses_keep_letters_readable_where_they_can() {
        assert_eq!(page_path("", "Note core::str"), "/wiki/Note_core::str");
        assert_eq!(page_path("User", "A/B?"), "/wiki/User:A/B%3F");
        assert_eq!(split_title("User: Foo_"), (Some("User"), "Foo"));
        assert_eq!(split_title("Foo"), (None, "Foo"));
    }
}
