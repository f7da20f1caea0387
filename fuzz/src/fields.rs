//! What is asked in a request's address and in the bodies of forms: paths, queries, fields, cursors, drafts' places,
//! where to go on to, and what is searched for.

use std::sync::LazyLock;

use veritable_domain::account::{Address, NewPassword};
use veritable_domain::draft::Place;
use veritable_domain::search;
use veritable_domain::text::{Comment, TopicTitle, UserName};
use veritable_domain::wiki::PageTitle;
use veritable_worker::parsers::{self, Paths};

use crate::dangers::dangers;

/// Longer ones are refused before anything reads them.
const MAX_PASSWORD: usize = 100;

static PATHS: LazyLock<Paths> = LazyLock::new(Paths::default);

pub(crate) fn check(data: &[u8]) {
    if let Some(fields) = parsers::form(data) {
        assert!(fields.len() <= 200);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(found) = parsers::query(text, &["q", "before", "after"]) {
        assert!(found.len() <= 3);
    }
    if let Some(params) = PATHS.find(text) {
        assert!(params.len() <= 4);
    }
    let taken = parsers::cursor(text).expect("a database in memory");
    assert!(taken <= 4);
    if let Some(place) = Place::parse(text) {
        assert_eq!(Place::parse(&place.to_string()), Some(place));
    }
    next(text);
    words(text);
    search(text);
}

/// However it is written, a browser stays on this site (URL Standard, WHATWG: it drops tabs and line ends, takes `\` for
/// `/`, and `//` begins another host).
fn next(text: &str) {
    let next = parsers::next(text);
    let seen: String = next
        .trim_matches(|c: char| c <= ' ')
        .chars()
        .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
        .map(|c| if c == '\\' { '/' } else { c })
        .collect();
    assert!(seen.starts_with('/') && !seen.starts_with("//"), "{text:?} leads to {next:?}");
    assert!(!next.chars().any(char::is_control), "{next:?}");
}

/// Names and titles are one line, and taken as they stand once they were taken.
fn words(text: &str) {
    if let Ok(name) = UserName::new(text) {
        assert_eq!(UserName::new(name.as_str()).map(|name| name.key()), Ok(name.key()));
        assert!(!name.as_str().chars().any(char::is_control));
    }
    if let Ok(title) = TopicTitle::new(text) {
        assert_eq!(TopicTitle::new(title.as_str()).as_ref(), Ok(&title));
        assert!(!title.as_str().chars().any(char::is_control));
    }
    if let Ok(comment) = Comment::new(text) {
        assert_eq!(Comment::new(comment.as_str()).as_ref(), Ok(&comment));
        assert!(!comment.as_str().chars().any(char::is_control));
    }
    if let Ok(title) = PageTitle::new(text, true) {
        assert_eq!(PageTitle::new(title.as_str(), true).as_ref(), Ok(&title));
    }
    if let Ok(address) = Address::new(text) {
        let said = address.as_str();
        assert!(said.contains('@') && !said.chars().any(|c| c.is_control() || c.is_whitespace()));
    }
    if text.len() <= MAX_PASSWORD {
        let known = ["veritable"];
        let _taken_or_refused = NewPassword::new(text, &known);
    }
}

fn search(text: &str) {
    let _expression = search::match_expression(text);
    search::index_text(text);
    let (text, query) = text.split_once('\n').unwrap_or((text, "a"));
    let shown = search::Highlighter::new(query, 50).show(text);
    assert_eq!(dangers(&shown), Vec::<String>::new(), "{shown}");
}
