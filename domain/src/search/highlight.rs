//! What a result of a search shows of its text: the part around the first thing that was asked for, marked.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::{is_unspaced, terms};
use crate::markup::{escape_into, text_until};

/// Most bytes of text searched for a place to show: a snippet comes from the beginning or nowhere.
const MAX_SCANNED_BYTES: usize = 200_000;

/// One question, ready to mark what it asks for in many texts.
pub struct Highlighter {
    /// Folded, none of them empty.
    needles: Vec<String>,
    max_chars: usize,
}

impl Highlighter {
    /// Of what a person typed; shows at most `max_chars` characters of a text.
    pub fn new(query: &str, max_chars: usize) -> Self {
        let needles = terms(query)
            .into_iter()
            .filter(|term| !term.excluded)
            .flat_map(|term| {
                if term.exact { vec![term.words] } else { term.words.split(' ').map(str::to_owned).collect() }
            })
            .map(|word| Folded::new(&word).folded)
            .filter(|needle| !needle.is_empty())
            .collect();
        Highlighter { needles, max_chars }
    }

    /// Part of the text of sanitised HTML around the first thing that was asked for, escaped, with what matches in
    /// `<mark>`. Without a match it is the beginning of the text. Of a long text no more is read than is needed.
    pub fn show(&self, html: &str) -> String {
        let mut found = None;
        let text = text_until(html, |text| {
            found = self.first(text);
            text.len() >= MAX_SCANNED_BYTES
                || found.is_some_and(|first| text[first..].chars().nth(self.max_chars).is_some())
        });
        let text = &text[..text.floor_char_boundary(MAX_SCANNED_BYTES)];
        // A third of the window before the match gives the reader the context it stands in.
        let first = found.or_else(|| self.first(text)).unwrap_or(0);
        let start = window_start(text, first, self.max_chars / 3);
        self.marked(text, start)
    }

    /// Where in `text` the first match is.
    fn first(&self, text: &str) -> Option<usize> {
        Folded::new(&text[..text.floor_char_boundary(MAX_SCANNED_BYTES)])
            .matches(&self.needles)
            .first()
            .map(|found| found.0)
    }

    /// What there is to show of `text` from `start` on.
    fn marked(&self, text: &str, start: usize) -> String {
        let skipped = text[start..].len() - text[start..].trim_start().len();
        let start = start + skipped;
        let window = text[start..].trim_end();
        let shown = window.char_indices().nth(self.max_chars).map_or(window, |(at, _)| &window[..at]);
        let mut out = String::new();
        if start > 0 {
            out.push('…');
        }
        let mut at = 0;
        for (from, to) in Folded::new(shown).matches(&self.needles) {
            escape_line(&mut out, &shown[at..from]);
            out.push_str("<mark>");
            escape_line(&mut out, &shown[from..to]);
            out.push_str("</mark>");
            at = to;
        }
        escape_line(&mut out, &shown[at..]);
        if shown.len() < window.len() {
            out.push('…');
        }
        out
    }
}

/// Hands each character of `c` in lower case and without diacritics, as the index compares, to `each`.
fn fold(c: char, mut each: impl FnMut(char)) {
    if c.is_ascii() {
        each(c.to_ascii_lowercase());
    } else if is_unspaced(c) {
        each(c);
    } else {
        c.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).for_each(each);
    }
}

/// A text's folded form and where each folded byte came from.
struct Folded {
    folded: String,
    /// For each byte of `folded`, the byte of the text its character starts at; at last the text's length. Empty where
    /// they are the same, as in English.
    origins: Vec<usize>,
}

impl Folded {
    fn new(text: &str) -> Self {
        if text.is_ascii() {
            return Folded { folded: text.to_ascii_lowercase(), origins: Vec::new() };
        }
        let mut folded = String::with_capacity(text.len());
        let mut origins = Vec::with_capacity(text.len() + 1);
        for (at, c) in text.char_indices() {
            fold(c, |c| {
                folded.push(c);
                origins.resize(folded.len(), at);
            });
        }
        origins.push(text.len());
        Folded { folded, origins }
    }

    fn origin(&self, at: usize) -> usize {
        self.origins.get(at).copied().unwrap_or(at)
    }

    /// Places in the text, in order, not overlapping, where one of `needles` stands at a word's start.
    fn matches(&self, needles: &[String]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for needle in needles {
            for (at, _) in self.folded.match_indices(needle.as_str()) {
                let before = self.folded[..at].chars().next_back();
                let inside_word = before.is_some_and(char::is_alphanumeric)
                    && !needle.starts_with(is_unspaced)
                    && !before.is_some_and(is_unspaced);
                if !inside_word {
                    found.push((self.origin(at), self.origin(at + needle.len())));
                }
            }
        }
        found.sort_unstable();
        let mut end = 0;
        found.retain(|(from, to)| {
            let apart = *from >= end && from < to;
            if apart {
                end = *to;
            }
            apart
        });
        found
    }
}

/// A word's start at most `before` characters in front of `at`.
fn window_start(text: &str, at: usize, before: usize) -> usize {
    let head = &text[..at];
    let Some((from, _)) = head.char_indices().rev().take(before).last() else { return at };
    if from == 0 {
        return 0;
    }
    head[from..].find(char::is_whitespace).map_or(from, |space| from + space)
}

fn escape_line(out: &mut String, text: &str) {
    escape_into(out, &text.replace(['\n', '\r', '\t'], " "));
}
