//! Text as the full-text index takes it, and what people type as it may be asked. FTS5's `unicode61`
//! splits at spaces, so runs of scripts written without spaces become overlapping pairs of letters: a
//! word of two characters is then found inside a longer run, which a trigram index cannot do.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Most bytes of a query that are looked at; people paste, but do not ask, more.
pub const MAX_QUERY_BYTES: usize = 1_000;
/// Most terms of a query: each costs a look-up in the index.
pub const MAX_TERMS: usize = 16;
/// Most bytes of text searched for a place to show: a snippet comes from the beginning or nowhere.
const MAX_SCANNED_BYTES: usize = 200_000;

/// Whether `c` is of a script written without spaces between words (Han, kana, Thai, Lao, Khmer,
/// Myanmar), or Hangul, whose particles join the words they follow.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0E01}'..='\u{0E7F}' | '\u{0E80}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17DD}'
        | '\u{1100}'..='\u{11FF}' | '\u{A9E0}'..='\u{A9FE}' | '\u{AA60}'..='\u{AA7F}' | '\u{3005}'..='\u{3007}'
        | '\u{3041}'..='\u{3096}' | '\u{309D}'..='\u{309F}' | '\u{30A1}'..='\u{30FA}' | '\u{30FC}'..='\u{30FF}'
        | '\u{3105}'..='\u{312F}' | '\u{3130}'..='\u{318F}' | '\u{31F0}'..='\u{31FF}' | '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}' | '\u{F900}'..='\u{FAFF}' | '\u{FF66}'..='\u{FF9F}'
        | '\u{20000}'..='\u{323AF}')
}

/// `text` as it goes into the index: unchanged but for the runs [`is_unspaced`] describes, which become
/// overlapping pairs (a run of one character stays single).
pub fn index_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for (unspaced, run) in runs(text) {
        if unspaced {
            push_pairs(&mut out, run);
        } else {
            out.push_str(run);
        }
    }
    out
}

/// Splits `text` where unspaced script begins or ends.
fn runs(text: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let unspaced = is_unspaced(rest.chars().next()?);
        let end = rest.find(|c| is_unspaced(c) != unspaced).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        Some((unspaced, run))
    })
}

fn push_pairs(out: &mut String, run: &str) {
    out.push(' ');
    let mut chars = run.chars().peekable();
    let mut alone = true;
    while let Some(first) = chars.next() {
        match chars.peek() {
            Some(second) => out.extend([first, *second, ' ']),
            None if alone => out.extend([first, ' ']),
            None => {}
        }
        alone = false;
    }
}

/// One thing asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    words: String,
    exact: bool,
    excluded: bool,
}

/// What a person typed as an FTS5 expression; `None` when nothing in it can be searched for. Words match
/// by prefix, `"quoted words"` as a phrase, `-word` excludes.
pub fn match_expression(query: &str) -> Option<String> {
    let terms = terms(query);
    let (excluded, wanted): (Vec<_>, Vec<_>) = terms.iter().partition(|term| term.excluded);
    if wanted.is_empty() {
        return None;
    }
    let join = |terms: &[&Term], by: &str| terms.iter().map(|term| phrase(term)).collect::<Vec<_>>().join(by);
    let wanted = join(&wanted, " AND ");
    Some(if excluded.is_empty() { wanted } else { format!("({wanted}) NOT ({})", join(&excluded, " OR ")) })
}

/// A term as a quoted string, its unspaced runs as consecutive pairs.
fn phrase(term: &Term) -> String {
    let indexed = index_text(&term.words);
    let words: Vec<_> = indexed.split_whitespace().collect();
    let ends_paired = term.words.chars().next_back().is_some_and(is_unspaced);
    let single = term.words.chars().count() == 1;
    let prefix = !term.exact && (!ends_paired || single);
    format!("\"{}\"{}", words.join(" "), if prefix { "*" } else { "" })
}

fn terms(query: &str) -> Vec<Term> {
    let query = cut(query, MAX_QUERY_BYTES);
    let mut terms = Vec::new();
    let mut rest = query.trim_start();
    while !rest.is_empty() && terms.len() < MAX_TERMS {
        let excluded = rest.starts_with('-');
        let body = if excluded { &rest[1..] } else { rest };
        let (word, exact, after) = match body.strip_prefix('"') {
            Some(quoted) => {
                let (inside, after) = quoted.split_once('"').unwrap_or((quoted, ""));
                (inside, true, after)
            }
            None => {
                let end = body.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(body.len());
                (&body[..end], false, &body[end..])
            }
        };
        // Marks separate words in the index too; leaving them out leaves nothing for FTS5 to interpret.
        let words = searchable(word);
        if !words.is_empty() {
            terms.push(Term { words, exact, excluded });
        }
        rest = after.trim_start();
    }
    terms
}

fn searchable(word: &str) -> String {
    let kept: String = word.chars().map(|c| if is_word(c) { c } else { ' ' }).collect();
    let mut words = String::new();
    for part in kept.split_whitespace().filter(|part| part.chars().any(|c| c.is_alphanumeric())) {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(part);
    }
    words
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c) || is_unspaced(c)
}

fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Part of `text` around the first thing `query` asks for, at most `max_chars` characters, escaped, with
/// what matches in `<mark>`. Without a match it is the beginning of the text.
pub fn highlight(text: &str, query: &str, max_chars: usize) -> String {
    let folded = Folded::new(cut(text, MAX_SCANNED_BYTES));
    let needles: Vec<_> = terms(query)
        .into_iter()
        .filter(|term| !term.excluded)
        .flat_map(|term| {
            if term.exact { vec![term.words] } else { term.words.split(' ').map(str::to_owned).collect() }
        })
        .map(|word| fold(&word))
        .collect();
    let matches = folded.matches(&needles);
    // A third of the window before the match gives the reader the context it stands in.
    let first = matches.first().map_or(0, |found| found.0);
    let start = folded.window_start(first, max_chars / 3);
    folded.show(start, max_chars, &matches)
}

fn fold(text: &str) -> String {
    text.chars().flat_map(fold_char).collect()
}

/// Lower case without diacritics, as the index compares.
fn fold_char(c: char) -> impl Iterator<Item = char> {
    let base: Cow<'static, [char]> = if c.is_ascii() {
        Cow::Owned(vec![c.to_ascii_lowercase()])
    } else if is_unspaced(c) {
        Cow::Owned(vec![c])
    } else {
        Cow::Owned(c.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect())
    };
    base.into_owned().into_iter()
}

/// A text with its folded form and where each folded byte came from.
struct Folded<'t> {
    text: &'t str,
    folded: String,
    /// For each byte of `folded`, the byte of `text` its character starts at.
    origins: Vec<usize>,
}

impl<'t> Folded<'t> {
    fn new(text: &'t str) -> Self {
        let mut folded = String::with_capacity(text.len());
        let mut origins = Vec::with_capacity(text.len() + 1);
        for (at, c) in text.char_indices() {
            for c in fold_char(c) {
                folded.push(c);
                origins.resize(folded.len(), at);
            }
        }
        origins.push(text.len());
        Folded { text, folded, origins }
    }

    /// Places in `text`, in order, not overlapping, where one of `needles` stands at a word's start.
    fn matches(&self, needles: &[String]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for needle in needles.iter().filter(|needle| !needle.is_empty()) {
            for (at, _) in self.folded.match_indices(needle.as_str()) {
                let before = self.folded[..at].chars().next_back();
                let inside_word = before.is_some_and(char::is_alphanumeric)
                    && !needle.starts_with(is_unspaced)
                    && !before.is_some_and(is_unspaced);
                if !inside_word {
                    found.push((self.origins[at], self.origins[at + needle.len()]));
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

    /// A word's start at most `before` characters in front of `at`.
    fn window_start(&self, at: usize, before: usize) -> usize {
        let head = &self.text[..at];
        let Some((from, _)) = head.char_indices().rev().take(before).last() else { return at };
        if from == 0 {
            return 0;
        }
        head[from..].find(char::is_whitespace).map_or(from, |space| from + space)
    }

    fn show(&self, start: usize, max_chars: usize, matches: &[(usize, usize)]) -> String {
        let window = self.text[start..].trim_start();
        let start = self.text.len() - window.len();
        let end = window.char_indices().nth(max_chars).map_or(self.text.len(), |(at, _)| start + at);
        let mut out = String::new();
        if start > 0 {
            out.push('…');
        }
        let mut at = start;
        for (from, to) in matches.iter().filter(|(from, to)| *from >= start && *to <= end) {
            escape_line(&mut out, &self.text[at..*from]);
            out.push_str("<mark>");
            escape_line(&mut out, &self.text[*from..*to]);
            out.push_str("</mark>");
            at = *to;
        }
        escape_line(&mut out, &self.text[at..end]);
        if end < self.text.len() {
            out.push('…');
        }
        out
    }
}

fn escape_line(out: &mut String, text: &str) {
    crate::markup::escape_into(out, &text.replace(['\n', '\r', '\t'], " "));
}
