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
        let (mut found, mut searched) = (None, 0);
        let text = text_until(html, MAX_SCANNED_BYTES, |text| {
            // It grows by whole runs of text, which may be long.
            let text = &text[..text.floor_char_boundary(MAX_SCANNED_BYTES)];
            found = found.or_else(|| self.first(text, searched));
            searched = text.len();
            found.is_some_and(|first| text[first..].chars().nth(self.max_chars).is_some())
        });
        let text = &text[..text.floor_char_boundary(MAX_SCANNED_BYTES)];
        // A third of the window before the match gives the reader the context it stands in.
        let first = found.or_else(|| self.first(text, searched)).unwrap_or(0);
        let start = window_start(text, first, self.max_chars / 3);
        self.marked(text, start)
    }

    /// Where in `text` the first match is, when there is none within its first `searched` bytes.
    fn first(&self, text: &str, searched: usize) -> Option<usize> {
        let longest = self.needles.iter().map(String::len).max()?;
        let (start, before) = go_back(&text[..text.floor_char_boundary(searched)], longest);
        let folded = Folded { before, ..Folded::new(&text[start..]) };
        self.needles
            .iter()
            .filter_map(|needle| folded.places(needle).next())
            .min()
            .map(|(from, _)| start + from)
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
    /// The folded character in front of it.
    before: Option<char>,
}

/// Where the last `bytes` of the folded form of `text` begin in it, and the folded character in front of them.
fn go_back(text: &str, bytes: usize) -> (usize, Option<char>) {
    let (mut start, mut left) = (text.len(), bytes);
    for (at, c) in text.char_indices().rev() {
        let (mut folded, mut last) = (0, None);
        fold(c, |c| {
            folded += c.len_utf8();
            last = Some(c);
        });
        // What folds to nothing stands in front of nothing.
        if left == 0 && last.is_some() {
            return (start, last);
        }
        left = left.saturating_sub(folded);
        start = at;
    }
    (start, None)
}

impl Folded {
    fn new(text: &str) -> Self {
        if text.is_ascii() {
            return Folded { folded: text.to_ascii_lowercase(), origins: Vec::new(), before: None };
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
        Folded { folded, origins, before: None }
    }

    fn origin(&self, at: usize) -> usize {
        self.origins.get(at).copied().unwrap_or(at)
    }

    /// Places in the text, in order, where `needle` stands at a word's start.
    fn places(&self, needle: &str) -> impl Iterator<Item = (usize, usize)> {
        let starts_unspaced = needle.starts_with(is_unspaced);
        self.folded.match_indices(needle).filter_map(move |(at, _)| {
            let before = self.folded[..at].chars().next_back().or(self.before);
            let inside_word =
                before.is_some_and(|c| c.is_alphanumeric() && !is_unspaced(c)) && !starts_unspaced;
            let (from, to) = (self.origin(at), self.origin(at + needle.len()));
            (!inside_word && from < to).then_some((from, to))
        })
    }

    /// Places in the text, in order, not overlapping, where one of `needles` stands at a word's start.
    fn matches(&self, needles: &[String]) -> Vec<(usize, usize)> {
        let mut found: Vec<_> = needles.iter().flat_map(|needle| self.places(needle)).collect();
        found.sort_unstable();
        let mut end = 0;
        found.retain(|(from, to)| {
            let apart = *from >= end;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts are searched in pieces; where one ends and the next begins is not to be seen.
    #[test]
    fn a_match_is_found_wherever_the_looks_at_a_text_end() {
        let decomposed = format!("n{}eedle", "\u{301}".repeat(40));
        for filler in ["x", "ž"] {
            for length in (480..=530).chain(1_000..=1_030) {
                let words = format!("{filler} ").repeat(length / (filler.len() + 1));
                let words = format!("{words}{}", ".".repeat(length - words.len()));
                for (needle, query) in
                    [("needle", "needle"), ("two words", "\"two words\""), (decomposed.as_str(), "needle")]
                {
                    // Looks end where a run of text does.
                    for (head, tail) in [needle.split_at(1), (needle, "")] {
                        let html = format!("<p>{words} {head}<b>{tail}</b></p><p>{}</p>", "z ".repeat(2_000));
                        let said = Highlighter::new(query, 90).show(&html);
                        assert!(
                            said.contains(&format!("<mark>{needle}</mark>")),
                            "{length} {filler}: {said}"
                        );
                    }
                }
                let inside = format!("<p>{words} unneedle<b> z</b>{}</p>", " z".repeat(2_000));
                let said = Highlighter::new("needle", 90).show(&inside);
                assert!(!said.contains("<mark>") && said.starts_with(filler), "{length}: {said}");
            }
        }
    }

    #[test]
    fn no_more_is_searched_than_a_bound() {
        let words = "z ".repeat(MAX_SCANNED_BYTES / 2 - 10);
        let found = |html: &str| Highlighter::new("needle", 30).show(html).contains("<mark>");
        assert!(found(&format!("<p>{words}needle</p>")));
        assert!(!found(&format!("<p>{words}{}needle</p>", "z ".repeat(10))));
    }
}
