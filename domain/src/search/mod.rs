//! Text as the full-text index takes it, and what people type as it may be asked. FTS5's `unicode61`
//! splits at spaces, so runs of scripts written without spaces become overlapping pairs of letters: a
//! word of two characters is then found inside a longer run, which a trigram index cannot do.

mod highlight;

use unicode_normalization::char::is_combining_mark;

pub use highlight::Highlighter;

/// Most bytes of a query that are looked at; people paste, but do not ask, more.
pub const MAX_QUERY_BYTES: usize = 1_000;
/// Most terms of a query: each costs a look-up in the index.
pub const MAX_TERMS: usize = 16;

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
