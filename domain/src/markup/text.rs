//! The words of a page without its markup, for search and excerpts.

use html5gum::{Token, Tokenizer};

/// Elements that stand on lines of their own.
const BLOCKS: &[&str] = &[
    "blockquote",
    "br",
    "caption",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
];

/// The text of sanitised HTML: blocks on lines of their own, an image as its description.
pub fn plain_text(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let Ok(tokens) = Tokenizer::new(html).collect::<Result<Vec<_>, _>>();
    for token in tokens {
        match token {
            Token::String(part) => push_folded(&mut text, &String::from_utf8_lossy(&part)),
            Token::StartTag(tag) => {
                break_line(&mut text, &tag.name);
                if tag.name.as_slice() == b"img"
                    && let Some(alt) = tag.attributes.get(b"alt".as_slice())
                {
                    push_folded(&mut text, &String::from_utf8_lossy(alt));
                }
            }
            Token::EndTag(tag) => break_line(&mut text, &tag.name),
            _ => {}
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// Text that is no markup, folded as [`plain_text`] folds it.
pub(super) fn folded(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    push_folded(&mut text, source);
    text.truncate(text.trim_end().len());
    text
}

fn push_folded(text: &mut String, part: &str) {
    for c in part.chars() {
        if c == '\n' {
            text.truncate(text.trim_end_matches(' ').len());
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
        } else if c.is_whitespace() || c.is_control() {
            if !text.is_empty() && !text.ends_with([' ', '\n']) {
                text.push(' ');
            }
        } else {
            text.push(c);
        }
    }
}

fn break_line(text: &mut String, name: &[u8]) {
    if BLOCKS.iter().any(|block| block.as_bytes() == name) {
        push_folded(text, "\n");
    }
}

/// The beginning of `text` as one line of at most `max_chars` characters, cut between words where it
/// can be, with an ellipsis when something was left out.
pub fn excerpt(text: &str, max_chars: usize) -> String {
    let mut line = String::new();
    let mut count = 0;
    let mut last_space = 0;
    for c in text.trim().chars() {
        let c = if c.is_whitespace() || c.is_control() { ' ' } else { c };
        if c == ' ' && line.ends_with(' ') {
            continue;
        }
        if count == max_chars {
            // A long last word is cut rather than losing most of the excerpt.
            let cut = if last_space * 2 > line.len() { last_space } else { line.len() };
            line.truncate(cut);
            line.truncate(line.trim_end().len());
            line.push('…');
            return line;
        }
        if c == ' ' {
            last_space = line.len();
        }
        line.push(c);
        count += 1;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_lines_and_inline_is_not() {
        let html =
            "<h2>A&amp;B</h2><p>one <b>t</b>wo<br>three <img alt=\"cat\"></p><ul><li>x</li><li>y</li></ul>";
        assert_eq!(plain_text(html), "A&B\none two\nthree cat\nx\ny");
    }

    #[test]
    fn excerpts_end_between_words() {
        assert_eq!(excerpt("one two\nthree", 100), "one two three");
        assert_eq!(excerpt("one two three", 9), "one two…");
        assert_eq!(excerpt(&"ž".repeat(50), 10).chars().count(), 11);
    }
}
